# Lists of tensors in one call, as optimisers use them: each tensor costs what the plain op costs.
from __future__ import annotations

from dataclasses import fields
from typing import Any

from cutaway.formula.core import ZERO, add
from cutaway.rules.api import TABLE, Count, Op, rule
from cutaway.rules.shapes import tensors

NAMES = (
    "abs acos add addcdiv addcmul asin atan ceil clamp_max clamp_min copy cos cosh div erf erfc exp expm1 "
    "floor frac lerp lgamma log log10 log1p log2 max maximum minimum mul neg pow reciprocal round rsqrt "
    "sigmoid sign sin sinh sqrt sub tan tanh trunc zero"
)
_COUNTS = tuple(f.name for f in fields(Count) if f.name in ("elementwise", "transcendental", "reduction"))


@rule(
    *(f"_foreach_{n}" for n in NAMES.split()),
    kind="elementwise",
    source="aten/src/ATen/native/ForeachOpsKernels.cpp",
)
def foreach(op: Op) -> Count:
    """the plain op, summed over the list

    Counted: what the op of the same name counts, for each tensor.
    """
    plain = op.base.removeprefix("_foreach_")
    found = TABLE[f"aten.{plain}"]
    counts = [found.count(_element(op, plain, i)) for i in range(len(op.args[0]))]
    totals = {name: add(getattr(c, name) for c in counts) if counts else ZERO for name in _COUNTS}
    return Count(f"{plain} over {len(counts)} tensors", **totals)


def _element(op: Op, plain: str, i: int) -> Op:
    """The call for the i-th tensors of all lists."""
    args = tuple(_pick(a, i) for a in op.args)
    kwargs = {k: _pick(v, i) for k, v in op.kwargs.items()}
    output = op.outputs[i] if len(op.outputs) == len(op.args[0]) else args[0]
    return Op(f"aten.{plain}.foreach", args, kwargs, tensors((args, tuple(kwargs.values()))), (output,))


def _pick(value: Any, i: int) -> Any:
    return value[i] if isinstance(value, (tuple, list)) and i < len(value) else value
