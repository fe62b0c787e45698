# Where something stands, and what could not be derived there: evidence is a place, and an honest result lists its gaps.
from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """A line of source. `path` is relative to the root that holds the package, never a path of this machine."""

    path: str
    line: int
    function: str = ""

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that could not be derived: what, where (`path:line`, or a module's path), why.

    What has no price is missing from the totals. With `approximate` they have it as one run had it: at other sizes they may be
    too low or too high.
    """

    what: str
    where: str
    why: str
    approximate: bool = False

    def __str__(self) -> str:
        return f"{self.what} at {self.where}: {self.why}"
