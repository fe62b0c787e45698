# Pooling: each output element takes in its window.
from __future__ import annotations

from typing import Any

from cutaway.formula import Formula
from cutaway.formula.core import ZERO, product
from cutaway.rules.api import Count, Op, rule
from cutaway.rules.shapes import numel, result, size, text

KERNEL = "aten/src/ATen/native/Pool.h"


@rule(
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "max_pool2d_with_indices",
    "max_pool3d_with_indices",
    "mkldnn_max_pool2d",
    "mkldnn_max_pool3d",
    "quantized_max_pool2d",
    "fractional_max_pool2d",
    "fractional_max_pool3d",
    kind="pool",
    source=KERNEL,
)
def max_pool(op: Op) -> Count:
    """reduction = M * prod(kernel)

    Counted: one maximum per element of each window.
    Not counted: that windows at the border are cut short.
    """
    out = result(op)
    return Count(f"max pooling of {text(op.args[0])}", reduction=numel(out) * window(op))


@rule("avg_pool1d", "avg_pool2d", "avg_pool3d", kind="pool", source=KERNEL)
def avg_pool(op: Op) -> Count:
    """reduction = M * prod(kernel), elementwise = M

    Counted: the sum of each window and one division per output element.
    Not counted: that windows at the border are cut short.
    """
    m = numel(result(op))
    return Count(f"average pooling of {text(op.args[0])}", reduction=m * window(op), elementwise=m)


@rule(
    "adaptive_avg_pool1d",
    "_adaptive_avg_pool2d",
    "_adaptive_avg_pool3d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    kind="pool",
    source="aten/src/ATen/native/AdaptivePooling.h",
)
def adaptive_pool(op: Op) -> Count:
    """reduction = N; average: elementwise = M

    Counted: each input element once, one division per output element of an average.
    Not counted: overlaps of windows where the sizes do not divide.
    """
    x, out = op.args[0], result(op)
    mean = "avg" in op.base
    return Count(
        f"adaptive pooling of {text(x)} into {text(out)}",
        reduction=numel(x),
        elementwise=numel(out) if mean else ZERO,
    )


@rule(
    "max_pool2d_with_indices_backward",
    "max_pool3d_with_indices_backward",
    "avg_pool2d_backward",
    "avg_pool3d_backward",
    "_adaptive_avg_pool2d_backward",
    "_adaptive_avg_pool3d_backward",
    "adaptive_max_pool2d_backward",
    "adaptive_max_pool3d_backward",
    kind="pool",
    source=KERNEL,
)
def pool_backward(op: Op) -> Count:
    """elementwise = N

    Counted: one addition per element of the input's gradient.
    Not counted: overlaps of windows.
    """
    return Count(f"gradient of a pooling {text(op.args[0])}", elementwise=numel(result(op)))


def window(op: Op) -> Formula:
    """Elements of one window: a kernel size of one number holds for every dimension."""
    rank = next(int(c) for c in op.base if c.isdigit())
    kernel: Any = op.args[1]
    sides = tuple(kernel) if isinstance(kernel, (tuple, list)) else (kernel,)
    return product(size(k) for k in (sides * rank if len(sides) == 1 else sides))
