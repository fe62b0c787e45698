# A total with a gap under it is a lower bound, or known of one run alone, and so is every part that the gap lies in,
# however deep.
"""`Bounds(analysis)`: which modules and lines are marked with ≥ or ≈."""

from __future__ import annotations

from functools import cached_property

from cutaway.model import Analysis, Call, Module
from cutaway.report.cost_lines import LineRow


class Bounds:
    """Gaps name places; a module has one if it is among its own lines, its helpers' or below."""

    def __init__(self, analysis: Analysis):
        nearly = {gap.where for gap in analysis.gaps if gap.approximate}
        self._signs = (
            ("≈ ", _Marks(analysis.modules, nearly)),
            ("≥ ", _Marks(analysis.modules, {gap.where for gap in analysis.gaps})),
        )

    def module(self, module: Module) -> str:
        """`≥ ` or `≈ ` before what a call of this module costs, or nothing."""
        return next((sign for sign, marks in self._signs if marks.module(module)), "")

    def row(self, row: LineRow) -> str:
        """The same for a line, with its helpers and the modules that it calls."""
        return next((sign for sign, marks in self._signs if marks.row(row)), "")


class _Marks:
    """What holds one of these places: `path:line`, or a module's path."""

    def __init__(self, modules: tuple[Module, ...], places: set[str]):
        self._modules, self._places = modules, places

    def module(self, module: Module) -> bool:
        return any(m is module for m in self._marked)

    def row(self, row: LineRow) -> bool:
        return (
            f"{row.path}:{row.line}" in self._places
            or any(self._modules[i] in self._marked for i in row.callees)
            or any(map(self.row, row.helpers))
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
        if m.path in self._places:
            return True
        forward = (f"{m.source.path}:{n}" for n in range(m.source.line, m.end_line + 1))
        helpers = (str(place) for step in m.steps for place in step.stack)
        return not self._places.isdisjoint((*forward, *helpers))


def _called(m: Module) -> set[int]:
    return {s.module for s in m.steps if isinstance(s, Call)}
