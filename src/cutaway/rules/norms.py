# Normalisations: statistics per row (or channel), then each element shifted, scaled, and put through the
# affine part.
from __future__ import annotations

from cutaway.formula import Formula
from cutaway.formula.core import product
from cutaway.rules.api import Count, Op, rule
from cutaway.rules.shapes import numel, size, text


@rule(
    "native_layer_norm",
    "layer_norm",
    kind="norm",
    source="aten/src/ATen/native/layer_norm.cpp; arXiv:1607.06450",
)
def layer_norm(op: Op) -> Count:
    """per element: reduction 2, elementwise 3 + affine; per row: elementwise 3, transcendental 1

    Counted: sum; subtract the mean, square, sum; multiply by rstd; multiply by the weight and add the bias
    where there are any. Per row: two divisions, add eps, rsqrt.
    """
    x, normalized = op.args[0], op.args[1]
    rows = product(x.dims[: -len(normalized)])
    return centred(
        f"layer norm of {text(x)}", numel(x), rows, affine=_present(op, (2, "weight"), (3, "bias"))
    )


@rule(
    "native_group_norm",
    "group_norm",
    kind="norm",
    source="aten/src/ATen/native/group_norm.cpp; arXiv:1803.08494",
)
def group_norm(op: Op) -> Count:
    """per element: reduction 2, elementwise 3 + affine; per group: elementwise 3, transcendental 1

    Counted: as layer norm, a row being one group of channels of one sample.
    """
    x = op.args[0]
    native = (
        op.base == "native_group_norm"
    )  # (x, weight, bias, N, C, HxW, groups, eps); group_norm(x, groups, w, b)
    groups = size(op.args[6] if native else op.args[1])
    affine = _present(op, (1 if native else 2, "weight"), (2 if native else 3, "bias"))
    return centred(f"group norm of {text(x)}", numel(x), x.dims[0] * groups, affine)


@rule("_fused_rms_norm", "rms_norm", kind="norm", source="definition; arXiv:1910.07467")
def rms_norm(op: Op) -> Count:
    """per element: reduction 1, elementwise 2 + weight; per row: elementwise 2, transcendental 1

    Counted: square, sum, multiply by rstd, multiply by the weight where there is one. Per row: divide, add
    eps, rsqrt.
    """
    x, normalized = op.args[0], op.args[1]
    n = numel(x)
    rows = product(x.dims[: -len(normalized)])
    return Count(
        f"RMS norm of {text(x)}",
        elementwise=n * (2 + _present(op, (2, "weight"))) + rows * 2,
        transcendental=rows,
        reduction=n,
    )


@rule(
    "native_batch_norm",
    "_native_batch_norm_legit",
    "_native_batch_norm_legit_functional",
    "cudnn_batch_norm",
    "batch_norm",
    "_batch_norm_with_update",
    "miopen_batch_norm",
    "instance_norm",
    kind="norm",
    source="aten/src/ATen/native/Normalization.cpp; arXiv:1502.03167",
)
def batch_norm_training(op: Op) -> Count:
    """eval: elementwise (2 + affine) * N + C, transcendental C; training: layer norm with C rows + 6 * C

    Counted: in evaluation per element subtract, multiply by invstd, and weight and bias where there are any;
    per channel add eps and rsqrt. In training the statistics as well, and 6 operations per channel for
    running ones.
    """
    x, affine = op.args[0], _present(op, (1, "weight"), (2, "bias"))
    channels = x.dims[1]
    if _trains(op):
        count = centred(f"batch norm of {text(x)} by its own statistics", numel(x), channels, affine)
        return _with_running(count, channels * 6)
    return _by_given_statistics(op, affine)


@rule("_native_batch_norm_legit_no_training", kind="norm", source="aten/src/ATen/native/Normalization.cpp")
def batch_norm_eval(op: Op) -> Count:
    """elementwise (2 + affine) * N + C, transcendental C

    Counted: per element subtract, multiply by invstd, and weight and bias where there are any; per channel
    add eps and rsqrt.
    """
    return _by_given_statistics(op, _present(op, (1, "weight"), (2, "bias")))


@rule(
    "native_layer_norm_backward",
    "native_group_norm_backward",
    "native_batch_norm_backward",
    "_fused_rms_norm_backward",
    kind="norm",
    source="definition, the gradient of (x - mean) * rstd * weight + bias",
)
def norm_backward(op: Op) -> Count:
    """elementwise = 9 * N, reduction = 4 * N

    Counted: per element the normalised input again (2), the gradients of weight and bias (1 multiplication, 2
    sums), and of the input (6 operations, 2 sums).
    """
    n = numel(op.args[0])
    return Count(f"gradient of a norm over {text(op.args[0])}", elementwise=n * 9, reduction=n * 4)


def centred(analysis: str, n: Formula, rows: Formula, affine: int) -> Count:
    """Mean and variance over `rows` rows of `n` elements in all, then normalised."""
    return Count(
        analysis,
        elementwise=n * (3 + affine)
        + rows * 3,  # subtract, square, times rstd; per row divide twice, add eps
        transcendental=rows,  # rsqrt
        reduction=n * 2,  # sum, sum of squares
    )


def _by_given_statistics(op: Op, affine: int) -> Count:
    x = op.args[0]
    channels = x.dims[1]
    return Count(
        f"batch norm of {text(x)} by running statistics",
        elementwise=numel(x) * (2 + affine) + channels,
        transcendental=channels,
    )


def _with_running(count: Count, extra: Formula) -> Count:
    return Count(
        count.analysis,
        elementwise=count.elementwise + extra,
        transcendental=count.transcendental,
        reduction=count.reduction,
    )


def _trains(op: Op) -> bool:
    """(x, weight, bias, mean, var, training, …); the variant without running statistics has training at 3."""
    flags = [a for a in op.args[3:6] if isinstance(a, bool)]
    return flags[0] if flags else bool(op.kwargs.get("training", op.base == "_batch_norm_with_update"))


def _present(op: Op, *arguments: tuple[int, str]) -> int:
    """How many of the optional tensors are there."""
    return sum(op.arg(index, name) is not None for index, name in arguments)
