# What people look for first: the few lines that most of the work is in. A line has what its own kernels cost and what
# the modules cost that it calls and that call nothing themselves (a Linear, a norm), so that every op counts once.
"""`dearest_lines(analysis, at)`: the lines with the largest shares of FLOPs or bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cutaway.formula.core import ZERO
from cutaway.model import Analysis, Call, Cost, Module
from cutaway.report.cost_lines import step_cost

LEAST = 0.01  # of the pass; below it a line is not worth a place at the top


@dataclass(frozen=True)
class DearLine:
    """A line of `module`'s forward, over all calls of it in the pass; shares are of the whole."""

    module: Module
    path: str
    line: int
    flops: float
    moved: float


def dearest_lines(analysis: Analysis, at: Mapping[str, int], fused: bool, most: int = 6) -> list[DearLine]:
    """At most `most` lines, dearest first: by the larger of the two shares."""
    nothing = Cost(ZERO, ZERO, ZERO, ZERO)
    costs: dict[tuple[int, str, int], Cost] = {}
    for i, m in enumerate(analysis.modules):
        for step in m.steps if i == 0 or _calls(m) else ():
            if isinstance(step, Call) and _calls(analysis.modules[step.module]):
                continue
            path, line = (
                (step.stack[0].path, step.stack[0].line) if step.stack else (m.source.path, step.line)
            )
            cost = step_cost(step, analysis)[fused] * m.repeat
            costs[i, path, line] = costs.get((i, path, line), nothing) + cost
    whole = analysis.fused if fused else analysis.total
    all_flops, all_moved = whole.flops.evaluate(at) or 1, (whole.read + whole.write).evaluate(at) or 1
    rows = [
        DearLine(
            analysis.modules[i],
            path,
            line,
            float(cost.flops.evaluate(at) / all_flops),
            float((cost.read + cost.write).evaluate(at) / all_moved),
        )
        for (i, path, line), cost in costs.items()
    ]
    rows.sort(key=lambda r: -max(r.flops, r.moved))
    return [r for r in rows[:most] if max(r.flops, r.moved) >= LEAST]


def _calls(m: Module) -> bool:
    return any(isinstance(step, Call) for step in m.steps)
