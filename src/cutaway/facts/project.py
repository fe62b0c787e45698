# Everything about how a program lives, found once and in the order in which the parts need each other.
"""`find_project(program)`."""

from __future__ import annotations

from typing import Any

from cutaway.facts.async_map import find_loose_ends
from cutaway.facts.config_surface import find_config_surface
from cutaway.facts.critical import find_critical
from cutaway.facts.deprecation import find_deprecation
from cutaway.facts.entrypoints import find_entrypoints
from cutaway.facts.errors import find_errors
from cutaway.facts.experiments import find_experiments
from cutaway.facts.extensions import find_extension_points
from cutaway.facts.lifecycle import find_lifecycle
from cutaway.facts.pitfalls import find_pitfalls
from cutaway.facts.processes import find_processes
from cutaway.facts.questions import find_questions
from cutaway.facts.queues import find_queues, find_sync
from cutaway.facts.reach import entry_reach
from cutaway.facts.requests import find_request_chain
from cutaway.facts.states import find_states
from cutaway.facts.wiring import chosen, find_wiring
from cutaway.read.program import Program

__all__ = ["find_project"]


def find_project(
    program: Program, entries: list[dict[str, Any]] | None = None, config: dict[str, Any] | None = None
) -> dict[str, Any]:
    """`{entrypoints, config_surface, lifecycle, states, queues, sync, errors, wiring, critical, extension_points, processes,
    loose_ends, deprecation, requests, pitfalls, questions, experiments}`. `entries` and `config` are `find_entrypoints`'s and
    `find_config_surface`'s, where they are known already."""
    entries = find_entrypoints(program) if entries is None else entries
    config = find_config_surface(program) if config is None else config
    life = find_lifecycle(program, entries)
    wiring = find_wiring(program)
    reached = entry_reach(program, entries, life["task_creation_points"], chosen(program, wiring))
    machines = find_states(program)
    project: dict[str, Any] = {
        "entrypoints": entries,
        "config_surface": config,
        "lifecycle": life,
        "states": machines,
        "queues": find_queues(program),
        "sync": find_sync(program),
        "errors": find_errors(program, reached),
        "wiring": wiring,
        "critical": find_critical(program, reached, life, machines),
        "extension_points": find_extension_points(program),
        "loose_ends": find_loose_ends(program),
        "deprecation": find_deprecation(program, reached),
        "requests": find_request_chain(program, reached, machines),
    }
    project["processes"] = find_processes(program, entries, life, project["queues"])
    project["pitfalls"] = find_pitfalls(program, project, config, reached)
    project["questions"] = find_questions(program, project, project["deprecation"], reached)
    project["experiments"] = find_experiments(program, project, config)
    return project
