# Distances between rows, and rows brought to a norm.
from __future__ import annotations

from cutaway.formula.core import ZERO
from cutaway.rules.api import Count, Op, rule
from cutaway.rules.shapes import numel, result, text


@rule(
    "_cdist_forward",
    "_pdist_forward",
    "_euclidean_dist",
    kind="reduction",
    source="aten/src/ATen/native/Distance.cpp",
)
def pairwise(op: Op) -> Count:
    """per pair and column: elementwise 2, reduction 1; per pair: transcendental 1

    Counted: subtract, square (absolute value), sum; the root; for p beyond 1 and 2
    a power per pair and column.
    """
    pairs, p = numel(result(op)), op.arg(2 if op.base == "_cdist_forward" else 1, "p", 2.0)
    p = 2.0 if op.base == "_euclidean_dist" else p
    terms = pairs * op.args[0].dims[-1]  # [P, R] pairs of M columns
    plain = p in (0.0, 1.0, 2.0, float("inf"))
    root = ZERO if p in (0.0, 1.0, float("inf")) else pairs
    return Count(
        f"distances between rows of {text(op.args[0])}",
        elementwise=terms * 2,
        reduction=terms,
        transcendental=root + (ZERO if plain else terms),
    )


@rule("_weight_norm_interface", "_weight_norm", kind="norm", source="aten/src/ATen/native/WeightNorm.cpp")
def weight_norm(op: Op) -> Count:
    """elementwise = 2 * N + rows, transcendental = rows, reduction = N

    Counted: square, sum, root; g divided by the norm, and each element scaled by it.
    """
    n, rows = numel(op.args[0]), numel(op.args[1])
    return Count(
        f"weight norm of {text(op.args[0])}", elementwise=n * 2 + rows, transcendental=rows, reduction=n
    )


@rule("renorm", kind="norm", source="aten/src/ATen/native/TensorTransformations.cpp")
def renorm(op: Op) -> Count:
    """elementwise = 2 * N, reduction = N

    Counted: square, sum, and each element scaled.
    Not counted: the roots, one per row.
    """
    n = numel(op.args[0])
    return Count(f"rows of {text(op.args[0])} brought to a norm", elementwise=n * 2, reduction=n)


@rule("embedding_renorm", kind="norm", source="aten/src/ATen/native/Embedding.cpp")
def embedding_renorm(op: Op) -> Count:
    """elementwise = 2 * indices * D, reduction = indices * D

    Counted: square, sum, and scaling of the rows that are named.
    """
    table, indices = op.args[0], op.args[1]
    n = numel(indices) * table.dims[-1]
    touched = n * table.element_bytes
    return Count(
        f"{text(indices)} rows of {text(table)} brought to a norm",
        elementwise=n * 2,
        reduction=n,
        read_touched=touched + numel(indices) * indices.element_bytes,
        write_touched=touched,
    )
