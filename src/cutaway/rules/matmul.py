# Matrix products. The first four are what torch's FlopCounterMode counts and must agree with it to the FLOP;
# the file after this one prices the products that it passes over in silence.
from __future__ import annotations

from cutaway.formula import Formula
from cutaway.formula.core import ZERO
from cutaway.model import TensorSpec
from cutaway.rules.api import Count, Op, rule
from cutaway.rules.shapes import is_complex, numel, result, text

FLOP_COUNTER = "torch/utils/flop_counter.py"


@rule("mm", kind="matmul", source=f"{FLOP_COUNTER} mm_flop", known_to_flop_counter=True)
def mm(op: Op) -> Count:
    """fma = M * K * N

    Counted: every multiply-add of [M, K] x [K, N].
    """
    return matrix_product(op, op.args[0], op.args[1])


@rule("bmm", kind="matmul", source=f"{FLOP_COUNTER} bmm_flop", known_to_flop_counter=True)
def bmm(op: Op) -> Count:
    """fma = B * M * K * N

    Counted: every multiply-add of [B, M, K] x [B, K, N].
    """
    return matrix_product(op, op.args[0], op.args[1])


@rule("addmm", kind="matmul", source=f"{FLOP_COUNTER} addmm_flop", known_to_flop_counter=True)
def addmm(op: Op) -> Count:
    """fma = M * K * N, elementwise = M * N

    Counted: the product [M, K] x [K, N], the addition of the bias, and scaling by alpha and beta where they
    are not 1. With beta = 0 the bias is neither read nor added.
    """
    return matrix_product(op, op.args[1], op.args[2], epilogue(op))


@rule("baddbmm", kind="matmul", source=f"{FLOP_COUNTER} baddbmm_flop", known_to_flop_counter=True)
def baddbmm(op: Op) -> Count:
    """fma = B * M * K * N, elementwise = B * M * N

    Counted: the product [B, M, K] x [B, K, N], the addition of the input, and scaling by alpha and beta where
    they are not 1. With beta = 0 the input is neither read nor added.
    """
    return matrix_product(op, op.args[1], op.args[2], epilogue(op))


@rule("_scaled_mm", kind="matmul", source=f"{FLOP_COUNTER} _scaled_mm_flop", known_to_flop_counter=True)
def scaled_mm(op: Op) -> Count:
    """fma = M * K * N, elementwise = 2 * M * N

    Counted: the product [M, K] x [K, N], one multiplication by each of the two scales per output element, and
    the bias where there is one.
    Not counted: the conversion to the output type.
    """
    bias = op.arg(4, "bias") is not None
    return matrix_product(op, op.args[0], op.args[1], numel(result(op)) * (2 + bias))


def matrix_product(op: Op, a: TensorSpec, b: TensorSpec, elementwise: Formula = ZERO) -> Count:
    """The count of [..., M, K] x [..., K, N]: every element of `a` meets every column of `b`."""
    fma = numel(a) * b.dims[-1]  # [..., M, K] x N
    return Count(
        f"{text(a)} x {text(b)} matrix product" + (" with a bias" if elementwise else ""),
        fma=fma,
        elementwise=elementwise + complex_extra(fma, a, b),
    )


def complex_extra(fma: Formula, *operands: TensorSpec) -> Formula:
    """A complex multiply-add is 8 real operations, of which a torch counter sees 2: the other 6."""
    return fma * 6 if is_complex(*operands) else ZERO


def epilogue(op: Op) -> Formula:
    """Elementwise work on the product: scaled by alpha, plus the input scaled by beta."""
    alpha, beta = op.kwargs.get("alpha", 1), op.kwargs.get("beta", 1)
    times = (alpha != 1) + (0 if beta == 0 else 1 + (beta != 1))
    return numel(result(op)) * times
