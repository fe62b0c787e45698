# What only training runs in one kernel: dropout and fused optimiser steps.
from __future__ import annotations

from cutaway.rules.api import Count, Op, rule
from cutaway.rules.shapes import numel, tensors, text, total_numel


@rule(
    "native_dropout",
    "_fused_dropout",
    "dropout",
    "native_dropout_backward",
    "_masked_scale",
    kind="elementwise",
    source="aten/src/ATen/native/Dropout.cpp; arXiv:1207.0580",
)
def dropout(op: Op) -> Count:
    """elementwise = 2 * N; 0 where it is off

    Counted: multiply by the mask and by 1 / (1 - p).
    Not counted: drawing the mask.
    """
    off = op.base in ("dropout", "native_dropout") and op.arg(2, "train", True) is False
    return Count(f"dropout over {text(op.args[0])}", elementwise=numel(op.args[0]) * (0 if off else 2))


@rule("_fused_adam", "_fused_adamw", kind="elementwise", source="arXiv:1412.6980; arXiv:1711.05101")
def adam(op: Op) -> Count:
    """elementwise = 14 * N, transcendental = N

    Counted: per parameter weight decay (2), both moments (3 and 4), bias corrections (2), root, eps, divide,
    step.
    """
    n = total_numel(tensors(op.args[0]))
    return Count(f"an Adam step on {len(op.args[0])} tensors", elementwise=n * 14, transcendental=n)


@rule("_fused_sgd", kind="elementwise", source="definition")
def sgd(op: Op) -> Count:
    """elementwise = 6 * N

    Counted: per parameter weight decay, momentum and step, a multiplication and an addition each.
    """
    return Count(
        f"an SGD step on {len(op.args[0])} tensors", elementwise=total_numel(tensors(op.args[0])) * 6
    )


@rule(
    *(f"{side}_pad{n}d_backward" for side in ("reflection", "replication") for n in (1, 2, 3)),
    *("slice_backward", "select_backward", "diagonal_backward", "value_selecting_reduction_backward"),
    kind="scatter",
    source="definition of the gradient",
)
def placed_backward(op: Op) -> Count:
    """elementwise = N for padding, else 0

    Counted: one addition per element of a padded gradient; a slice's gradient is only put in its place.
    """
    adds = "pad" in op.base
    return Count(f"gradient {text(op.args[0])} put back", elementwise=numel(op.args[0]) * int(adds))


@rule(
    *(f"upsample_{form}_backward" for form in ("nearest1d", "nearest2d", "nearest3d")),
    *(f"upsample_{form}_backward" for form in ("linear1d", "bilinear2d", "trilinear3d", "bicubic2d")),
    kind="resample",
    source="definition of the gradient",
)
def upsample_backward(op: Op) -> Count:
    """elementwise = M * (nearest 1, linear 4, bilinear 8, trilinear 16, bicubic 32)

    Counted: per element of the gradient a multiplication and an addition for each neighbour.
    """
    per_element = {"nearest": 1, "linear1d": 4, "bilinear2d": 8, "trilinear3d": 16, "bicubic2d": 32}
    times = next(n for form, n in per_element.items() if form in op.base)
    return Count(f"gradient {text(op.args[0])} put back", elementwise=numel(op.args[0]) * times)
