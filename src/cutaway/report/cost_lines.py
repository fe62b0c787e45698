# A module's steps, folded back onto the lines of its source: the table that the text and Markdown
# renderers share.
"""Cost per line of `forward`, with the helpers that a line calls beneath it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from cutaway.formula.core import ZERO
from cutaway.model import Analysis, Call, Cost, Kernel, Line, Module, Place
from cutaway.report.words import names_text, operation, short_class

NOTHING = Cost(ZERO, ZERO, ZERO, ZERO)


@dataclass
class LineRow:
    """A line that ran and what it costs in one call of its module, helpers included."""

    path: str
    line: int
    function: str = ""
    cost: Cost = NOTHING
    fused: Cost = NOTHING
    calls: list[str] = field(default_factory=list)
    operations: list[str] = field(default_factory=list)
    views: list[str] = field(default_factory=list)
    helpers: list[LineRow] = field(default_factory=list)
    callees: set[int] = field(default_factory=set)  # the modules called here or in a helper


def line_rows(analysis: Analysis, module: Module) -> list[LineRow]:
    """The lines of the forward that compute or call, in the order of the source."""
    starts = _statement_starts(module)
    top = LineRow("", 0)
    for step in module.steps:
        _add(top, step, analysis, module, starts)
    return sorted(top.helpers, key=lambda row: (row.path != module.source.path, row.path, row.line))


def costly_rows(analysis: Analysis, module: Module) -> list[LineRow]:
    """The same without what costs nothing, and without helpers that only pass on to one other."""
    return _pruned(line_rows(analysis, module))


def step_cost(step: Kernel | Call, analysis: Analysis) -> tuple[Cost, Cost]:
    """(eager, fused) cost of a step with its repeats."""
    if isinstance(step, Kernel):
        return step.cost * step.repeat, step.fused * step.repeat
    callee = analysis.modules[step.module]
    return callee.total * step.repeat, callee.fused * step.repeat


def idle_lines(module: Module) -> tuple[list[Line], list[Line]]:
    """The lines that neither compute nor call: (those of the forward, those of its helpers)."""
    idle = [line for line in module.lines if line.status in ("no_tensor_op", "not_taken")]
    inside = range(module.source.line, module.end_line + 1)
    own = [line for line in idle if line.path == module.source.path and line.line in inside]
    return own, [line for line in idle if line not in own]


def _add(
    top: LineRow, step: Kernel | Call, analysis: Analysis, module: Module, starts: dict[str, list[int]]
) -> None:
    eager, fused = step_cost(step, analysis)
    row = top
    for place in step.stack or (Place(top.path, step.line),):
        row = _child(row, place, starts)
        row.cost, row.fused = row.cost + eager, row.fused + fused
        if isinstance(step, Call):
            row.callees.add(step.module)
    if isinstance(step, Call):
        _append_once(row.calls, _callee(step, analysis, module))
    else:
        _append_once(row.views if step.rule == "view" else row.operations, operation(step))


def _pruned(rows: list[LineRow]) -> list[LineRow]:
    kept = []
    for row in rows:
        helpers = _merged([_passed_on(h) for h in _pruned(row.helpers)])
        if row.calls or helpers or row.cost != NOTHING:
            kept.append(replace(row, helpers=helpers, views=[]))
    return kept


def _merged(rows: list[LineRow]) -> list[LineRow]:
    """Rows of one place as one: a helper may be reached twice from one line."""
    kept: dict[tuple[str, int], LineRow] = {}
    for row in rows:
        known = kept.get((row.path, row.line))
        kept[row.path, row.line] = (
            row
            if known is None
            else replace(known, cost=known.cost + row.cost, fused=known.fused + row.fused)
        )
    return list(kept.values())


def _passed_on(row: LineRow) -> LineRow:
    only = len(row.helpers) == 1 and not row.calls and not row.operations
    return row.helpers[0] if only else row


def _child(row: LineRow, place: Place, starts: dict[str, list[int]]) -> LineRow:
    line = _start_of(starts.get(place.path, ()), place.line)
    for child in row.helpers:
        if (child.path, child.line) == (place.path, line):
            return child
    row.helpers.append(LineRow(place.path, line, place.function))
    return row.helpers[-1]


def _callee(call: Call, analysis: Analysis, caller: Module) -> str:
    times = f" × {call.repeat}" if call.repeat > 1 else ""
    return f"{names_text(call, caller)}: {short_class(analysis.modules[call.module])}{times}"


def _append_once(words: list[str], word: str) -> None:
    if word not in words:
        words.append(word)


def _statement_starts(module: Module) -> dict[str, list[int]]:
    starts: dict[str, list[int]] = {}
    for line in sorted(module.lines, key=lambda x: x.line):
        starts.setdefault(line.path, []).append(line.line)
    return starts


def _start_of(starts: Iterable[int], line: int) -> int:
    """The first line of the statement that `line` belongs to."""
    starts = list(starts)
    at = bisect_right(starts, line)
    return starts[at - 1] if at else line
