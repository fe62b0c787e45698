# Running sums and their kin: one step per element, each waiting for the one before.
from __future__ import annotations

from cutaway.rules.api import Count, Op, rule
from cutaway.rules.shapes import numel, text

KERNEL = "aten/src/ATen/native/ReduceOps.cpp"


@rule("cumsum", "cumprod", "cummax", "cummin", "_cummax_helper", "_cummin_helper", kind="scan", source=KERNEL)
def scan(op: Op) -> Count:
    """reduction = N

    Counted: one addition, multiplication or maximum per element.
    Not counted: the extra steps of a parallel scan.
    """
    return Count(f"{op.base} along {text(op.args[0])}", reduction=numel(op.args[0]))


@rule("logcumsumexp", "_logcumsumexp", kind="scan", source=KERNEL)
def logcumsumexp(op: Op) -> Count:
    """elementwise = 3 * N, transcendental = 2 * N, reduction = N

    Counted: per element max, subtract, absolute value, exp, log1p, add.
    Not counted: the extra steps of a parallel scan.
    """
    n = numel(op.args[0])
    return Count(
        f"logcumsumexp along {text(op.args[0])}", elementwise=n * 3, transcendental=n * 2, reduction=n
    )
