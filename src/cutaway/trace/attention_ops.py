# On the meta device torch spells attention out, with the square of scores in memory; on processors and GPUs it is one
# kernel that never writes them. A trace shall see what runs there, so attention that code asks for by name is an op of
# our own, which the rules price as the one kernel it is.
"""The ops `cutaway::scaled_dot_product_attention` and `cutaway::flex_attention`, and `in_one_op()`, which puts them to use."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

import torch

__all__ = ["CAUSAL", "in_one_op"]

CAUSAL = "cutaway.scaled_dot_product_attention.causal"  # the name by which a recorded op says that half is masked
_FLEX = "torch.nn.attention.flex_attention"

_LIBRARY = torch.library.Library("cutaway", "DEF")
_LIBRARY.define("scaled_dot_product_attention(Tensor query, Tensor key, Tensor value, Tensor? attn_mask) -> (Tensor, Tensor)")
_LIBRARY.define("scaled_dot_product_attention.causal(Tensor query, Tensor key, Tensor value) -> (Tensor, Tensor)")
_LIBRARY.define("flex_attention(Tensor query, Tensor key, Tensor value, Tensor[] mask) -> (Tensor, Tensor, Tensor)")


@contextlib.contextmanager
def in_one_op() -> Iterator[None]:
    """While this is open, attention on meta tensors is recorded as one op, whoever calls it."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(_scaled_dot_product())
        if (flex := sys.modules.get(_FLEX)) is not None:
            stack.enter_context(_flex(vars(flex)))
        yield


@contextlib.contextmanager
def _scaled_dot_product() -> Iterator[None]:
    """On meta tensors alone, and before autograd, where torch would take the op apart."""
    library = torch.library.Library("aten", "IMPL")
    library.impl("scaled_dot_product_attention", _attention, "AutogradMeta")
    try:
        yield
    finally:
        library._destroy()


def _attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> torch.Tensor:
    """In the place of torch's own: [..., Sq, Dv]."""
    del dropout_p, scale, enable_gqa
    ops = torch.ops.cutaway.scaled_dot_product_attention
    return ops.causal(query, key, value)[0] if is_causal else ops(query, key, value, attn_mask)[0]


@contextlib.contextmanager
def _flex(names: dict[str, Any]) -> Iterator[None]:
    """`flex_attention` checks its arguments as ever; in place of the call that would be compiled comes the one op."""
    new = {
        "flex_attention_hop": _flex_attention,
        "setup_compilation_env": contextlib.nullcontext,
        "_validate_device": lambda *_: None,  # it has not heard of the meta device
        "_FLEX_ATTENTION_DISABLE_COMPILE_DEBUG": True,
    }
    before = {name: names[name] for name in new if name in names}
    names.update(new)
    try:
        yield
    finally:
        names.update(before)


def _flex_attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, score_mod: Any, block_mask: Any, *_: Any
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """In the place of torch's higher-order op: [B, H, Sq, Dv], and [B, H, Sq] twice: log-sum-exp and greatest score."""
    mask = [part for part in block_mask if isinstance(part, torch.Tensor)]
    return torch.ops.cutaway.flex_attention(query, key, value, mask)


@torch.library.impl(_LIBRARY, "scaled_dot_product_attention", "Meta")
def _sizes(query, key, value, attn_mask=None):
    """[..., Sq, Dv] and, in float32, the log-sum-exp of each row of scores, as the kernels leave it.

    As there, the heads of a token lie side by side, so that `out.transpose(1, 2).reshape(B, S, H * D)` copies nothing.
    """
    if query.shape[-1] != key.shape[-1] or key.shape[-2] != value.shape[-2]:
        raise RuntimeError(
            f"queries {list(query.shape)} do not fit keys {list(key.shape)} and values {list(value.shape)}"
        )
    rows = query.shape[:-1]
    lse = query.new_empty(rows, dtype=torch.float32)
    if len(rows) != 3:
        return query.new_empty((*rows, value.shape[-1])), lse
    return query.new_empty((rows[0], rows[2], rows[1], value.shape[-1])).transpose(1, 2), lse


torch.library.impl(_LIBRARY, "scaled_dot_product_attention.causal", "Meta")(_sizes)


@torch.library.impl(_LIBRARY, "flex_attention", "Meta")
def _flex_sizes(query, key, value, mask):
    out, lse = _sizes(query, key, value)
    return out, lse, torch.empty_like(lse)
