# Between real numbers and small integers: scale, round, bound. Products over packed weights stand with the
# matrix products.
from __future__ import annotations

from cutaway.rules.api import Count, Op, rule
from cutaway.rules.shapes import numel, result, text

SOURCE = "definition; arXiv:1712.05877"
_FORMS = ("per_tensor", "per_channel")


@rule(
    "quantize_per_tensor",
    "quantize_per_channel",
    "quantize_per_tensor_dynamic",
    *(f"quantized_decomposed.quantize_{f}" for f in (*_FORMS, "per_token")),
    kind="cast",
    source=SOURCE,
)
def quantize(op: Op) -> Count:
    """elementwise = 4 * N

    Counted: divide by the scale, add the zero point, and the two bounds.
    Not counted: rounding.
    """
    return Count(f"{text(op.args[0])} quantised", elementwise=numel(op.args[0]) * 4)


@rule(
    "dequantize",
    *(f"quantized_decomposed.dequantize_{f}" for f in (*_FORMS, "per_token")),
    kind="cast",
    source=SOURCE,
)
def dequantize(op: Op) -> Count:
    """elementwise = 2 * N

    Counted: subtract the zero point, multiply by the scale.
    """
    return Count(f"{text(op.args[0])} dequantised", elementwise=numel(result(op)) * 2)


@rule(
    *(f"fake_quantize_{f}_affine{s}" for f in _FORMS for s in ("", "_cachemask")),
    "fused_moving_avg_obs_fake_quant",
    "_fake_quantize_per_tensor_affine_cachemask_tensor_qparams",
    kind="elementwise",
    source=SOURCE,
)
def fake_quantize(op: Op) -> Count:
    """elementwise = 6 * N

    Counted: quantising and back.
    Not counted: rounding.
    """
    return Count(f"{text(op.args[0])} quantised and back", elementwise=numel(op.args[0]) * 6)
