# Many elements into few. One per element that is taken in, whatever the size of the result; what stands
# before and after the sum (squares, roots, divisions) is counted on its own.
from __future__ import annotations

from cutaway.formula.core import ZERO
from cutaway.rules.api import Count, Op, rule
from cutaway.rules.shapes import numel, result, text, total_numel

KERNEL = "aten/src/ATen/native/ReduceOps.cpp"


@rule(
    "sum",
    "nansum",
    "prod",
    "max",
    "min",
    "amax",
    "amin",
    "argmax",
    "argmin",
    "trace",
    "segment_reduce",
    "col2im",
    kind="reduction",
    source=KERNEL,
)
def one_pass(op: Op) -> Count:
    """reduction = N

    Counted: one addition, multiplication or maximum per element taken in.
    Not counted: keeping the index.
    """
    x = op.args[0]
    return Count(f"{op.base} over {text(x)} into {text(result(op))}", reduction=numel(x))


@rule("aminmax", "_aminmax", kind="reduction", source=KERNEL)
def aminmax(op: Op) -> Count:
    """reduction = 2 * N

    Counted: a minimum and a maximum per element.
    """
    return Count(f"min and max over {text(op.args[0])}", reduction=numel(op.args[0]) * 2)


@rule("any", "all", "count_nonzero", "histc", "_is_all_true", "_is_any_true", kind="reduction", source=KERNEL)
def logical(op: Op) -> Count:
    """0

    Counted: bytes alone.
    Not counted: logic is no floating-point work.
    """
    return Count(f"{op.base} over {text(op.args[0])}")


@rule("mean", "nanmean", kind="reduction", source=KERNEL)
def mean(op: Op) -> Count:
    """reduction = N, elementwise = M

    Counted: the sum of the N elements taken in and one division for each of the M results.
    """
    x, out = op.args[0], result(op)
    return Count(f"mean over {text(x)} into {text(out)}", reduction=numel(x), elementwise=numel(out))


@rule("var", "var_mean", kind="reduction", source=KERNEL)
def var(op: Op) -> Count:
    """reduction = 2 * N, elementwise = 2 * N + 2 * M

    Counted: the mean, then subtract, square and sum; two divisions per result.
    """
    x, m = op.args[0], numel(result(op))
    return Count(f"{op.base} over {text(x)}", reduction=numel(x) * 2, elementwise=numel(x) * 2 + m * 2)


@rule("std", "std_mean", kind="reduction", source=KERNEL)
def std(op: Op) -> Count:
    """reduction = 2 * N, elementwise = 2 * N + 2 * M, transcendental = M

    Counted: as var, and a root per result.
    """
    x, m = op.args[0], numel(result(op))
    return Count(
        f"{op.base} over {text(x)}",
        reduction=numel(x) * 2,
        elementwise=numel(x) * 2 + m * 2,
        transcendental=m,
    )


@rule("logsumexp", kind="reduction", source=KERNEL)
def logsumexp(op: Op) -> Count:
    """reduction = 2 * N, elementwise = N + M, transcendental = N + M

    Counted: per element max, subtract, exp, sum; per result log and add.
    """
    x, m = op.args[0], numel(result(op))
    n = numel(x)
    return Count(f"logsumexp over {text(x)}", reduction=n * 2, elementwise=n + m, transcendental=n + m)


@rule("linalg_vector_norm", "norm", "_foreach_norm", kind="reduction", source=KERNEL)
def vector_norm(op: Op) -> Count:
    """p = 2: reduction = N, elementwise = N, transcendental = M

    Counted: for p = 2 square, sum, one root per result; for p = 1 and infinity absolute value and sum or
    maximum; for another p absolute value, a power per element and one per result; for p = 0 bytes alone.
    """
    n, m, p = total_numel(op.inputs), total_numel(op.outputs), op.arg(1, "ord", 2)
    p = 2 if p is None else p
    if p == 0:
        return Count(f"count of non-zeros of {text(op.inputs[0])}")
    plain, root = p in (1, float("inf"), float("-inf")), p == 2
    return Count(
        f"norm of order {p} over {text(op.inputs[0])}",
        reduction=n,
        elementwise=n,
        transcendental=ZERO if plain else m if root else n + m,
    )


@rule("dist", kind="reduction", source=KERNEL)
def dist(op: Op) -> Count:
    """reduction = N, elementwise = 2 * N, transcendental = 1

    Counted: subtract, square, sum, and the root, as for p = 2.
    """
    n = numel(op.args[0])
    return Count(
        f"distance of {text(op.args[0])}", reduction=n, elementwise=n * 2, transcendental=numel(result(op))
    )
