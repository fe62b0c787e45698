# Flat rows, one per kernel, for spreadsheets and data frames. `times` is how often the kernel runs in the
# whole pass, so that summing `flops * times` gives the total.
"""Rows of an `Analysis`, and CSV."""

from __future__ import annotations

import csv
from io import StringIO
from typing import Any

from cutaway.model import Analysis, Call, Kernel, Module
from cutaway.report.cost_tree import tree
from cutaway.report.values import complete, number
from cutaway.report.words import operation

COSTS = ("flops", "matmul_flops", "read", "write", "fused_read", "fused_write")
COLUMNS = (
    "module",
    "class_name",
    "line",
    "source",
    "op",
    "operation",
    "rule",
    "times",
    "inputs",
    "outputs",
    *COSTS,
)


def records(analysis: Analysis) -> list[dict[str, Any]]:
    """One row per kernel: formulas as strings, or numbers when every symbol has a value."""
    at = complete(analysis)
    runs = _runs(analysis)
    return [
        _row(m, step, runs[id(m)] * step.repeat, at)
        for m in analysis.modules
        for step in m.steps
        if not isinstance(step, Call) and id(m) in runs
    ]


def to_csv(analysis: Analysis) -> str:
    """The rows with a header."""
    out = StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(records(analysis))
    return out.getvalue()


def _runs(analysis: Analysis) -> dict[int, int]:
    """How often each distinct module runs in the whole pass."""
    runs: dict[int, int] = {}
    for node in tree(analysis):
        runs[id(node.module)] = runs.get(id(node.module), 0) + node.times
    return runs


def _row(m: Module, k: Kernel, times: int, at: dict[str, int] | None) -> dict[str, Any]:
    costs = (k.cost.flops, k.cost.matmul_flops, k.cost.read, k.cost.write, k.fused.read, k.fused.write)
    figures = [number(f, at) if at else str(f) for f in costs]
    return {
        "module": m.path,
        "class_name": m.class_name,
        "line": k.line,
        "source": str(k.stack[-1]) if k.stack else "",
        "op": k.op,
        "operation": operation(k),
        "rule": k.rule,
        "times": times,
        "inputs": "; ".join(map(str, k.inputs)),
        "outputs": "; ".join(map(str, k.outputs)),
        **dict(zip(COSTS, figures, strict=True)),
    }
