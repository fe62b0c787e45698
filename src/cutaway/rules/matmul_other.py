# Products that torch's FlopCounterMode gives zero without a word: matrix times vector, grouped experts,
# integer and packed weights. Priced as multiply-adds all the same, and marked as unknown to it.
from __future__ import annotations

from cutaway.formula.core import minimum, product
from cutaway.model import TensorSpec
from cutaway.rules.api import Count, Op, rule
from cutaway.rules.matmul import complex_extra, epilogue, matrix_product
from cutaway.rules.shapes import numel, result, text, total_bytes, whole

DEFINITION = "definition of the product"


@rule("_int_mm", "_sparse_mm", "_scaled_mm_v2", "linalg_matmul", "matmul", kind="matmul", source=DEFINITION)
def plain(op: Op) -> Count:
    """fma = M * K * N per batch

    Counted: every multiply-add of [..., M, K] x [..., K, N]; a vector is a matrix of one row or column.
    Not counted: that a sparse operand holds zeros; scales and bias of the 8-bit form.
    """
    a, b = op.args[0], op.args[1]
    if len(b.dims) == 1:
        return _by_vector(a, b)
    fma = numel(result(op)) * a.dims[-1]  # [..., M, N] x K, batches broadcast
    return Count(f"{text(a)} x {text(b)} matrix product", fma=fma, elementwise=complex_extra(fma, a, b))


@rule(
    "linear",
    "mkldnn_linear",
    "_mkldnn_linear",
    "mkldnn._linear_pointwise",
    "mkl._mkl_linear",
    kind="matmul",
    source=DEFINITION,
)
def linear(op: Op) -> Count:
    """fma = rows * K * N, elementwise = rows * N with a bias

    Counted: every multiply-add of [..., K] x [N, K] transposed, and the bias add.
    """
    x, weight = op.args[0], op.args[1]
    bias = any(len(t.dims) == 1 for t in op.inputs[2:])
    fma = numel(x) * weight.dims[0]  # [..., K] x N
    extra = numel(result(op)) * int(bias)
    return Count(
        f"{text(x)} x {text(weight)} transposed matrix product" + (" with a bias" if bias else ""),
        fma=fma,
        elementwise=extra,
    )


@rule("dot", "vdot", "mv", kind="matmul", source=DEFINITION)
def by_vector(op: Op) -> Count:
    """fma = M * K

    Counted: every multiply-add of [M, K] x [K].
    """
    return _by_vector(op.args[0], op.args[1])


@rule("addmv", kind="matmul", source=DEFINITION)
def addmv(op: Op) -> Count:
    """fma = M * K, elementwise = M

    Counted: every multiply-add of [M, K] x [K], the addition of the input, scaling where alpha and beta are
    not 1.
    """
    count = _by_vector(op.args[1], op.args[2])
    return Count(count.analysis, fma=count.fma, elementwise=count.elementwise + epilogue(op))


@rule("addr", kind="matmul", source=DEFINITION)
def addr(op: Op) -> Count:
    """fma = M * N

    Counted: one multiply-add per element of the outer product [M] x [N] added to the input.
    """
    return Count(f"outer product of {text(op.args[1])} and {text(op.args[2])}, added", fma=numel(result(op)))


@rule("addbmm", kind="matmul", source=DEFINITION)
def addbmm(op: Op) -> Count:
    """fma = B * M * K * N, elementwise = M * N

    Counted: every multiply-add of [B, M, K] x [B, K, N], summed over B, and the addition of the input.
    """
    return matrix_product(op, op.args[1], op.args[2], epilogue(op))


@rule("_addmm_activation", "_sparse_addmm", kind="matmul", source=DEFINITION)
def addmm_fused(op: Op) -> Count:
    """fma = M * K * N, elementwise = M * N

    Counted: every multiply-add of [M, K] x [K, N], the bias add, and one operation per element for a fused
    ReLU.
    Not counted: that a sparse operand holds zeros.
    """
    relu = numel(result(op)) * int(op.base == "_addmm_activation")
    return matrix_product(op, op.args[1], op.args[2], epilogue(op) + relu)


@rule(
    "_grouped_mm",
    "_scaled_grouped_mm", "_scaled_grouped_mm_v2",
    "transformers.grouped_mm_fallback",
    kind="matmul",
    source="aten/src/ATen/native/GroupedMMUtils.h",
)
def grouped_mm(op: Op) -> Count:
    """fma = T * K * N

    Counted: each token row times the matrix of its own group, [T, K] x [E, K, N]: how tokens spread over
    groups changes nothing. [M, T] x [T, N] makes [E, M, N] of as much work as one product.
    Not counted: padding of groups to tiles; scales of the 8-bit form.
    """
    a, b = op.args[0], op.args[1]
    fma = numel(a) * b.dims[-1]  # [T, K] x N; [E, M, K] x N; [M, T] x N
    if len(a.dims) == 3 and len(b.dims) == 2:
        fma = product(a.dims[1:]) * b.dims[-1]  # [M, K] x T: each column meets one group
    words = f"{text(a)} x {text(b)} grouped matrix product"
    if len(a.dims) != 2 or len(b.dims) != 3:
        return Count(words, fma=fma)
    used = minimum(a.dims[0], b.dims[0])  # under balanced routing T rows meet T different groups, or all of them
    matrices = used * b.dims[1] * b.dims[2] * b.element_bytes
    others = total_bytes(t for t in op.inputs if t is not b and t.uid != b.uid)
    return Count(words, fma=fma, read_touched=matrices + others)


@rule(
    "_weight_int4pack_mm",
    "_weight_int4pack_mm_for_cpu",
    "_weight_int8pack_mm",
    "_weight_int4pack_mm_with_scales_and_zeros",
    "_dyn_quant_matmul_4bit",
    "quantized.linear_dynamic",
    "quantized.linear",
    "quantized.linear_relu_dynamic",
    "onednn.qlinear_pointwise",
    "_wrapped_quantized_linear_prepacked",
    kind="matmul",
    source=DEFINITION,
)
def packed_weight(op: Op) -> Count:
    """fma = rows * K * N

    Counted: every multiply-add, from the input [..., K] and the output [..., N].
    Not counted: unpacking and scaling of the weights; bytes of weights held in opaque objects.
    """
    x, out = op.args[0], result(op)
    return Count(f"{text(x)} by packed weights into {text(out)}", fma=numel(out) * x.dims[-1])


@rule("_trilinear", kind="matmul", source="aten/src/ATen/native/Linear.cpp")
def trilinear(op: Op) -> Count:
    """fma = 2 * (elements of the three operands' joint shape)

    Counted: two multiplications and a sum per element of [B, N, K1, K2], as two multiply-adds.
    """
    a, b, c = op.args[:3]
    joint = list(b.dims)  # [N, K1, K2], and the batch's axis, which the second operand lacks
    for axis in op.args[4]:
        joint.insert(whole(axis), a.dims[0])
    return Count(f"bilinear form of {text(a)}, {text(b)}, {text(c)}", fma=product(joint) * 2)


def _by_vector(a: TensorSpec, b: TensorSpec) -> Count:
    fma = numel(a)  # [M, K] x 1
    return Count(
        f"{text(a)} x {text(b)} matrix-vector product", fma=fma, elementwise=complex_extra(fma, a, b)
    )
