# Attention in one kernel: two products over the full square of scores, and the softmax between them. Masked
# and causal scores are counted as executed; what of it is useful is the caller's business.
from __future__ import annotations

from cutaway.formula import Formula
from cutaway.formula.core import product
from cutaway.model import TensorSpec
from cutaway.rules.api import Count, Op, rule
from cutaway.rules.matmul import FLOP_COUNTER
from cutaway.rules.shapes import size, text

Dims = tuple[Formula, ...]


@rule(
    "_scaled_dot_product_efficient_attention",
    "_scaled_dot_product_flash_attention",
    "_scaled_dot_product_cudnn_attention",
    kind="attention",
    known_to_flop_counter=True,
    source=f"{FLOP_COUNTER} sdpa_flop_count; arXiv:2205.14135",
)
def sdpa(op: Op) -> Count:
    """fma = B * H * Sq * Sk * (D + Dv), softmax = 5 per score

    Counted: both products over the full square, per score the scaling, an additive mask where there is one,
    and the softmax (max, subtract, exp, sum, divide).
    Not counted: that causal masking leaves half of the square unused; recomputation inside the kernel.
    """
    bias = (
        op.args[3]
        if op.base.endswith(("efficient_attention", "cudnn_attention")) and len(op.args) > 3
        else None
    )
    return _attend(op.args[0], op.args[1], op.args[2], bias)


@rule(
    "flex_attention",
    "cutaway.flex_attention",
    kind="attention",
    known_to_flop_counter=True,
    source=f"{FLOP_COUNTER} sdpa_flop_count; arXiv:2412.05496",
)
def flex_attention(op: Op) -> Count:
    """fma = B * H * Sq * Sk * (D + Dv), softmax = 5 per score

    Counted: both products over the full square, per score the scaling and the softmax; queries, keys, values and
    the lists of a block mask read once.
    Not counted: what the score function computes; that blocks which the mask leaves out are skipped.
    """
    return _attend(op.args[0], op.args[1], op.args[2], None)


@rule(
    "_scaled_dot_product_flash_attention_for_cpu",
    "_scaled_dot_product_fused_attention_overrideable",
    "_scaled_dot_product_attention_math_for_mps",
    "scaled_dot_product_attention",
    "cutaway.scaled_dot_product_attention",
    "_scaled_dot_product_attention_math",
    kind="attention",
    source="definition; arXiv:2205.14135",
)
def sdpa_elsewhere(op: Op) -> Count:
    """fma = B * H * Sq * Sk * (D + Dv), softmax = 5 per score

    Counted: both products over the full square, per score the scaling, an additive mask where there is one,
    and the softmax. FlopCounterMode gives these kernels zero.
    Not counted: that causal masking leaves half of the square unused.
    """
    flash = op.base.endswith("_for_cpu")  # (q, k, v, dropout, causal, *, attn_mask)
    mask = op.kwargs.get("attn_mask") if flash else op.arg(3, "attn_mask")
    return _attend(op.args[0], op.args[1], op.args[2], mask)


@rule(
    "_flash_attention_forward",
    "torch_attn._varlen_attn",
    kind="attention",
    known_to_flop_counter=True,
    source=f"{FLOP_COUNTER} _flash_attention_forward_flop; arXiv:2205.14135",
)
def flash_attention(op: Op) -> Count:
    """fma = B * H * Sq * Sk * (D + Dv), softmax = 5 per score

    Counted: both products and the softmax; packed sequences each at the greatest length, as torch takes them
    when lengths are not known.
    Not counted: that causal masking leaves half unused. For tensors that are not packed, [B, S, H, D],
    torch's counter takes the tokens for heads; this rule does not.
    """
    q, k, v, packed = op.args[0], op.args[1], op.args[2], op.arg(3)
    if packed is None:
        return _count(*(_heads_first(t.dims) for t in (q, k, v)), None, f"{text(q)} attends to {text(k)}")
    sequences = packed.dims[0] - 1
    return _packed(q, k, v, sequences, size(op.args[5]), size(op.args[6]))


@rule(
    "_efficient_attention_forward",
    kind="attention",
    known_to_flop_counter=True,
    source=f"{FLOP_COUNTER} _efficient_attention_forward_flop; arXiv:2112.05682",
)
def efficient_attention(op: Op) -> Count:
    """fma = B * H * Sq * Sk * (D + Dv), softmax = 5 per score

    Counted: both products and the softmax; packed sequences each at the greatest length.
    Not counted: that causal masking leaves half unused. For tensors that are not packed, [B, S, H, D],
    torch's counter takes the tokens for heads; this rule does not.
    """
    q, k, v, bias, packed = op.args[0], op.args[1], op.args[2], op.arg(3), op.arg(4)
    if packed is None:
        return _count(*(_heads_first(t.dims) for t in (q, k, v)), bias, f"{text(q)} attends to {text(k)}")
    return _packed(q, k, v, packed.dims[0] - 1, size(op.args[6]), size(op.args[7]))


@rule(
    "_scaled_dot_product_efficient_attention_backward",
    "_scaled_dot_product_flash_attention_backward",
    "_scaled_dot_product_cudnn_attention_backward",
    kind="attention",
    known_to_flop_counter=True,
    source=f"{FLOP_COUNTER} sdpa_backward_flop_count",
)
def sdpa_backward(op: Op) -> Count:
    """fma = B * H * Sq * Sk * (3 * D + 2 * Dv)

    Counted: the scores once more, and the gradients of scores, values, queries and keys; 7 operations per
    score for softmax and its gradient.
    Not counted: that causal masking leaves half unused.
    """
    return _attend_backward(op.args[1], op.args[2], op.args[3])


@rule(
    "_scaled_dot_product_flash_attention_for_cpu_backward",
    "_scaled_dot_product_fused_attention_overrideable_backward",
    kind="attention",
    source="definition",
)
def sdpa_backward_elsewhere(op: Op) -> Count:
    """fma = B * H * Sq * Sk * (3 * D + 2 * Dv)

    Counted: as for the other attention gradients; FlopCounterMode gives these kernels zero.
    Not counted: that causal masking leaves half unused.
    """
    return _attend_backward(op.args[1], op.args[2], op.args[3])


@rule(
    "_flash_attention_backward",
    "_efficient_attention_backward",
    kind="attention",
    known_to_flop_counter=True,
    source=f"{FLOP_COUNTER} sdpa_backward_flop_count",
)
def packed_backward(op: Op) -> Count:
    """fma = B * H * Sq * Sk * (3 * D + 2 * Dv)

    Counted: as for the other attention gradients; packed sequences each at the greatest length.
    Not counted: that causal masking leaves half unused. For tensors that are not packed, [B, S, H, D],
    torch's counter takes the tokens for heads; this rule does not.
    """
    q, k, v, packed = op.args[1], op.args[2], op.args[3], op.args[6]
    if packed is None:
        return _gradients(
            *(_heads_first(t.dims) for t in (q, k, v)), f"gradients of {text(q)} attending to {text(k)}"
        )
    dims = _each_sequence(q, k, v, packed.dims[0] - 1, size(op.args[8]), size(op.args[9]))
    return _gradients(*dims, f"gradients of {text(q)} attending to {text(k)}, each sequence to itself")


def _attend(q: TensorSpec, k: TensorSpec, v: TensorSpec, mask: object) -> Count:
    return _count(q.dims, k.dims, v.dims, mask, f"{text(q)} attends to {text(k)}")


def _packed(
    q: TensorSpec, k: TensorSpec, v: TensorSpec, sequences: Formula, max_q: Formula, max_k: Formula
) -> Count:
        # over D: scores, gradients of queries and keys; over Dv: gradients of scores and values
    """Sequences laid end to end, [tokens, H, D] or [1, tokens, H, D], each at the greatest length."""
    dims = _each_sequence(q, k, v, sequences, max_q, max_k)
    return _count(*dims, None, f"{text(q)} attends to {text(k)}, each sequence to itself")


def _each_sequence(
    q: TensorSpec, k: TensorSpec, v: TensorSpec, sequences: Formula, max_q: Formula, max_k: Formula
) -> tuple[Dims, Dims, Dims]:
    """[sequences, H, greatest length, D] of each."""
    lengths = ((q, max_q), (k, max_k), (v, max_k))
    return tuple((sequences, t.dims[-2], longest, t.dims[-1]) for t, longest in lengths)


def _count(q: Dims, k: Dims, v: Dims, mask: object, analysis: str) -> Count:
    scores = _scores(q, k)
    return Count(
        analysis,
        fma=scores * q[-1]
        + scores * v[-1],  # [Sq, D] x [D, Sk], then [Sq, Sk] x [Sk, Dv]
        elementwise=scores * (3 if mask is None else 4),  # scale, subtract, divide, and the mask
        transcendental=scores,
        reduction=scores * 2,  # max, sum
    )


def _attend_backward(q: TensorSpec, k: TensorSpec, v: TensorSpec) -> Count:
    return _gradients(q.dims, k.dims, v.dims, f"gradients of {text(q)} attending to {text(k)}")


def _gradients(q: Dims, k: Dims, v: Dims, analysis: str) -> Count:
    scores = _scores(q, k)
    return Count(
        analysis,
        fma=scores * q[-1] * 3 + scores * v[-1] * 2,  # scores, dQ, dK over D; dScores, dV over Dv
        elementwise=scores * 5,  # scale, subtract, and in the gradient subtract, multiply, scale
        transcendental=scores,
        reduction=scores,  # the row sum of grad * out
    )


def _scores(q: Dims, k: Dims) -> Formula:
    return product(q[:-1]) * k[-2]  # [B, H, Sq, Sk]


def _heads_first(dims: Dims) -> Dims:
    return (dims[0], dims[2], dims[1], dims[3])
