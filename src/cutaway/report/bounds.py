# A total with a gap under it is a lower bound, and so is every part that the gap lies in, however deep.
"""`Bounds(analysis)`: which modules and lines are marked with ≥."""

from __future__ import annotations

from functools import cached_property

from cutaway.model import Analysis, Call, Module
from cutaway.report.cost_lines import LineRow


class Bounds:
    """Gaps name places; a module has one if it is among its own lines, its helpers' or below."""

    def __init__(self, analysis: Analysis):
        self._modules = analysis.modules
        self._places = {gap.where for gap in analysis.gaps}

    def module(self, module: Module) -> str:
        """`≥ ` before what a call of this module costs, or nothing."""
        return "≥ " if any(m is module for m in self._marked) else ""

    def row(self, row: LineRow) -> str:
        """The same for a line, with its helpers and the modules that it calls."""
        return "≥ " if self._holds(row) else ""

    def _holds(self, row: LineRow) -> bool:
        return (
            f"{row.path}:{row.line}" in self._places
            or any(self._modules[i] in self._marked for i in row.callees)
            or any(map(self._holds, row.helpers))
        )

    @cached_property
    def _marked(self) -> list[Module]:
        marked = {i for i, m in enumerate(self._modules) if self._places and self._own(m)}
        size = -1
        while size != len(marked):  # until the callers of callers are in
            size = len(marked)
            marked |= {i for i, m in enumerate(self._modules) if marked & _called(m)}
        return [self._modules[i] for i in sorted(marked)]

    def _own(self, m: Module) -> bool:
        forward = (f"{m.source.path}:{n}" for n in range(m.source.line, m.end_line + 1))
        helpers = (str(place) for step in m.steps for place in step.stack)
        return not self._places.isdisjoint((*forward, *helpers))


def _called(m: Module) -> set[int]:
    return {s.module for s in m.steps if isinstance(s, Call)}
