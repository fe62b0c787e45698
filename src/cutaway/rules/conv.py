# Convolutions, forward and backward, counted as FlopCounterMode counts them: every filter tap at every place,
# the padding included.
from __future__ import annotations

from cutaway.formula import Formula
from cutaway.formula.core import ZERO, product
from cutaway.model import TensorSpec
from cutaway.rules.api import Count, Op, rule
from cutaway.rules.matmul import FLOP_COUNTER, complex_extra
from cutaway.rules.shapes import numel, result, text

Dims = tuple[Formula, ...]


@rule(
    "convolution",
    "_convolution",
    "convolution_overrideable",
    kind="conv",
    known_to_flop_counter=True,
    source=f"{FLOP_COUNTER} conv_flop_count",
)
def convolution(op: Op) -> Count:
    """fma = B * prod(places) * C_out * C_in / groups * prod(kernel)

    Counted: every filter tap at every output place (every input place when transposed), and the bias add.
    Not counted: that taps over padding multiply by zero; they are counted as executed.
    """
    return _convolution(
        op, op.args[0], op.args[1], op.arg(2, "bias"), transposed=bool(op.arg(6, "transposed"))
    )


@rule("cudnn_convolution", kind="conv", source=f"{FLOP_COUNTER} conv_flop_count")
def cudnn_convolution(op: Op) -> Count:
    """fma = B * prod(places) * C_out * C_in / groups * prod(kernel)

    Counted: every filter tap at every output place.
    Not counted: padding is not left out. FlopCounterMode reads this op's `benchmark` flag as `transposed`, so
    its figure differs where that is on.
    """
    return _convolution(op, op.args[0], op.args[1], None, transposed=False)


@rule(
    "conv1d",
    "conv2d",
    "conv3d",
    "mkldnn_convolution",
    "_conv_depthwise2d",
    "conv_depthwise3d",
    "miopen_convolution",
    "slow_conv3d",
    "slow_conv3d_forward",
    "cudnn_convolution_relu",
    "miopen_convolution_relu",
    "miopen_depthwise_convolution",
    "slow_conv_dilated2d",
    "slow_conv_dilated3d",
    "thnn_conv2d",
    "_slow_conv2d_forward",
    kind="conv",
    source="definition of convolution",
)
def direct_convolution(op: Op) -> Count:
    """fma = B * prod(places) * C_out * C_in / groups * prod(kernel)

    Counted: every filter tap at every output place, and the bias add where there is a bias.
    Not counted: padding is not left out.
    """
    bias = next((t for t in op.inputs[2:] if len(t.dims) == 1), None)
    return _convolution(op, op.args[0], op.args[1], bias, transposed=False)


@rule(
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "cudnn_convolution_transpose",
    "miopen_convolution_transpose",
    "slow_conv_transpose2d",
    "slow_conv_transpose3d",
    kind="conv",
    source="definition of transposed convolution",
)
def direct_transposed_convolution(op: Op) -> Count:
    """fma = B * prod(places) * C_in * C_out / groups * prod(kernel)

    Counted: every filter tap at every input place, and the bias add where there is a bias.
    """
    bias = next((t for t in op.inputs[2:] if len(t.dims) == 1), None)
    return _convolution(op, op.args[0], op.args[1], bias, transposed=True)


@rule(
    "convolution_backward",
    kind="conv",
    source=f"{FLOP_COUNTER} conv_backward_flop",
    known_to_flop_counter=True,
)
def convolution_backward(op: Op) -> Count:
    """fma = one convolution for the input's gradient, one for the weight's

    Counted: both convolutions, those that the output mask asks for, and the sum for the bias gradient.
    """
    grad, x, weight = (t.dims for t in op.args[:3])
    transposed, mask = bool(op.args[7]), op.args[10]
    fma = ZERO
    if mask[0]:
        fma = fma + conv_fma(grad, weight, x, not transposed)
    if mask[1]:  # the batch takes the part of the channels
        places = _swap(grad) if transposed else _swap(x)
        taps = _swap(x) if transposed else _swap(grad)
        fma = fma + conv_fma(places, taps, _swap(weight), transposed=False)
    return Count(
        f"gradients of the convolution {text(op.args[1])} * {text(op.args[2])}",
        fma=fma,
        reduction=product(grad) if mask[2] else ZERO,
    )


def conv_fma(x: Dims, weight: Dims, out: Dims, transposed: bool) -> Formula:
    """[B, C_in, *places] * [C_out, C_in / groups, *kernel], places of the output, or input if transposed."""
    return x[0] * product((x if transposed else out)[2:]) * product(weight)


def _convolution(op: Op, x: TensorSpec, weight: TensorSpec, bias: object, transposed: bool) -> Count:
    out = result(op)
    unbatched = len(x.dims) < len(weight.dims)
    pad: Dims = (x.dims[0] ** 0,) if unbatched else ()
    fma = conv_fma(pad + x.dims, weight.dims, pad + out.dims, transposed)
    name = "transposed convolution" if transposed else "convolution"
    return Count(
        f"{text(x)} {name} with {text(weight)}",
        fma=fma,
        elementwise=(ZERO if bias is None else numel(out)) + complex_extra(fma, x),
    )


def _swap(dims: Dims) -> Dims:
    return (dims[1], dims[0], *dims[2:])
