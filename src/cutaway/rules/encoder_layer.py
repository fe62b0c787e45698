# The fast path of torch.nn.TransformerEncoderLayer and MultiheadAttention: a whole block as one op, outside
# training.
from __future__ import annotations

from cutaway.formula import Formula
from cutaway.formula.core import ZERO
from cutaway.model import TensorSpec
from cutaway.rules.api import Count, Op, rule
from cutaway.rules.shapes import across, numel, text


@rule(
    "_native_multi_head_attention", kind="attention", source="aten/src/ATen/native/transformers/attention.cpp"
)
def multi_head_attention(op: Op) -> Count:
    """fma = B * S * (3 * D * D + D * D) + 2 * B * S * Sk * D

    Counted: the projections with their biases, both attention products, scaling and softmax of the scores.
    """
    q, k, heads = op.args[0], op.args[1], op.args[4]
    return _attend(q, k, heads, op.args[5], op.args[7], f"attention of {text(q)} over {heads} heads")


@rule(
    "_transformer_encoder_layer_fwd",
    kind="attention",
    source="aten/src/ATen/native/transformers/transformer.cpp",
)
def encoder_layer(op: Op) -> Count:
    """fma = attention + 2 * B * S * D * F; two layer norms, GELU or ReLU, two residuals

    Counted: attention, the feed-forward products and biases, activation, norms and residual additions.
    """
    x, heads, gelu, wide = op.args[0], op.args[2], op.args[7], op.args[14]
    attention = _attend(x, x, heads, op.args[3], op.args[5], f"encoder layer over {text(x)}, {heads} heads")
    n, rows = numel(x), across(x, -1)
    inner = rows * wide.dims[0]  # [B * S, F]
    norms = n * 10 + rows * 6
    return Count(
        attention.analysis,
        fma=attention.fma + rows * numel(wide) * 2,  # [B * S, D] x [D, F], then back
        elementwise=attention.elementwise + inner + n + n * 2 + norms + inner * (4 if gelu else 1),
        transcendental=attention.transcendental + rows * 2 + (inner if gelu else ZERO),
        reduction=attention.reduction + n * 4,
    )


def _attend(
    q: TensorSpec, k: TensorSpec, heads: Formula | int, qkv: TensorSpec, out: TensorSpec, what: str
) -> Count:
    tokens = across(q, -1)  # B * S
    square = tokens * k.dims[-2]  # [B, S, Sk]
    scores = square * heads
    return Count(
        what,
        fma=tokens * numel(qkv) + square * q.dims[-1] * 2 + tokens * numel(out),
        elementwise=tokens * (qkv.dims[0] + out.dims[0]) + scores * 3,
        transcendental=scores,
        reduction=scores * 2,
    )
