# What `cutaway.report` gives back: facts that print themselves as Markdown and as JSON, with hashes of the lines they cite.
"""`RepoReport`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cutaway.report.evidence import cite, to_dict

if TYPE_CHECKING:
    from cutaway.read.program import Program

__all__ = ["RepoReport", "hashed"]

_DIGESTS = ("lines", "first", "last", "before", "after")


class RepoReport:
    """The facts of one repository. `facts` is what the JSON holds."""

    def __init__(
        self, facts: dict[str, Any], program: Program, written: Callable[[dict[str, Any], Program], str]
    ):
        self.facts = hashed(facts, program)
        self.markdown = written(self.facts, program)  # now, while the source is open

    def to_json(self) -> str:
        """The facts as JSON text, keys in the contract's order."""
        return json.dumps(self.facts, indent=1, ensure_ascii=False, default=str) + "\n"

    def to_markdown(self) -> str:
        """The report after the template."""
        return self.markdown

    def __str__(self) -> str:
        return self.markdown

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return {"text/markdown": self.markdown, "text/plain": self.markdown}


def hashed(value: Any, program: Program) -> Any:
    """`value` with the digests of its lines beside every path and line in it."""
    if isinstance(value, list):
        return [hashed(v, program) for v in value]
    if not isinstance(value, dict):
        return value
    row = {key: hashed(v, program) for key, v in value.items()}
    path, line = row.get("path"), row.get("line")
    if (
        isinstance(path, str)
        and isinstance(line, int)
        and line > 0
        and path in program
        and "lines" not in row
    ):
        lines = program.lines(path)
        end = row.get("end") if isinstance(row.get("end"), int) else line
        if line <= len(lines):
            found = to_dict(cite(path, lines, line, min(max(line, end), len(lines))))
            row |= {key: found[key] for key in _DIGESTS if key in found}
    return row
