# Everything about how a program lives, found once and in the order in which the parts need each other.
"""`find_project(program)`."""

from __future__ import annotations

from typing import Any

from cutaway.facts.critical import find_critical
from cutaway.facts.entrypoints import find_entrypoints
from cutaway.facts.errors import find_errors
from cutaway.facts.lifecycle import find_lifecycle
from cutaway.facts.queues import find_queues, find_sync
from cutaway.facts.reach import entry_reach
from cutaway.facts.states import find_states
from cutaway.facts.wiring import chosen, find_extension_points, find_wiring
from cutaway.read.program import Program

__all__ = ["find_project"]


def find_project(program: Program, entries: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """`{entrypoints, lifecycle, states, queues, sync, errors, wiring, critical, extension_points}`. `entries` are
    `find_entrypoints`'s, where they are known already."""
    entries = find_entrypoints(program) if entries is None else entries
    life = find_lifecycle(program, entries)
    wiring = find_wiring(program)
    reached = entry_reach(program, entries, life["task_creation_points"], chosen(program, wiring))
    machines = find_states(program)
    return {
        "entrypoints": entries,
        "lifecycle": life,
        "states": machines,
        "queues": find_queues(program),
        "sync": find_sync(program),
        "errors": find_errors(program, reached),
        "wiring": wiring,
        "critical": find_critical(program, reached, life, machines),
        "extension_points": find_extension_points(program),
    }
