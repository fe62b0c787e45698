# A module's steps, folded back onto the lines of its source: the table that the text and Markdown
# renderers share.
"""Cost per line of `forward`, with the helpers that a line calls beneath it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field

from cutaway.formula.core import ZERO
from cutaway.model import Analysis, Call, Cost, Kernel, Module, Place
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
    helpers: list[LineRow] = field(default_factory=list)


def line_rows(analysis: Analysis, module: Module) -> list[LineRow]:
    """The lines of the forward that compute or call, in the order of the source."""
    starts = _statement_starts(module)
    top = LineRow("", 0)
    for step in module.steps:
        _add(top, step, analysis, starts)
    return sorted(top.helpers, key=lambda row: (row.path != module.source.path, row.path, row.line))


def step_cost(step: Kernel | Call, analysis: Analysis) -> tuple[Cost, Cost]:
    """(eager, fused) cost of a step with its repeats."""
    if isinstance(step, Kernel):
        return step.cost * step.repeat, step.fused * step.repeat
    callee = analysis.modules[step.module]
    return callee.total * step.repeat, callee.fused * step.repeat


def idle_lines(module: Module) -> list[tuple[str, int, str, str]]:
    """(path, line, status, why) of the lines that neither compute nor call."""
    return [
        (x.path, x.line, x.status, x.why) for x in module.lines if x.status in ("no_tensor_op", "not_taken")
    ]


def _add(top: LineRow, step: Kernel | Call, analysis: Analysis, starts: dict[str, list[int]]) -> None:
    eager, fused = step_cost(step, analysis)
    row = top
    for place in step.stack or (Place(top.path, step.line),):
        row = _child(row, place, starts)
        row.cost, row.fused = row.cost + eager, row.fused + fused
    words = _callee(step, analysis) if isinstance(step, Call) else operation(step)
    _append_once(row.calls if isinstance(step, Call) else row.operations, words)


def _child(row: LineRow, place: Place, starts: dict[str, list[int]]) -> LineRow:
    line = _start_of(starts.get(place.path, ()), place.line)
    for child in row.helpers:
        if (child.path, child.line) == (place.path, line):
            return child
    row.helpers.append(LineRow(place.path, line, place.function))
    return row.helpers[-1]


def _callee(call: Call, analysis: Analysis) -> str:
    times = f" × {call.repeat}" if call.repeat > 1 else ""
    return f"{names_text(call.names)}: {short_class(analysis.modules[call.module])}{times}"


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
