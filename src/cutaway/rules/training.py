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
