"""Tiny prefills of the model itself, from which the shape of its state is learnt.

State is whatever forward both returns and takes back (`past_key_values`, `cache_params`, `mems`, `state`, ...).
On the meta device a forward may read values that do not exist (`.item()`, `nonzero`): a probe answers them
with a plausible constant, since only shapes are wanted from it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from cutaway.trace.inputs_state import StateTemplate, fit_state, long_probe
from cutaway.trace.inputs_types import InputPlan, NoDecodePhase

# Returned and accepted under one name, and yet not state: results that a caller may feed in to save work.
NOT_STATE = ("logits", "labels", "attention_mask", "hidden_states", "inputs_embeds", "image_hidden_states")


def learn_state(
    model: torch.nn.Module, plan: InputPlan, make: Callable[[dict], dict[str, Any]]
) -> StateTemplate:
    """The state after a prefill, as a function of the plan's symbols with `cache_len` for `seq_len`."""
    points = [_probe(model, make, _sizes(plan, step)) for step in (0, 1)]
    longest = long_probe(points[-1][1])
    if longest:
        points.append(_probe(model, make, {**_sizes(plan, 0), "seq_len": longest}))
    return fit_state([(_as_cache(sizes), state) for sizes, state in points])


def _sizes(plan: InputPlan, step: int) -> dict[str, int]:
    """Small sizes that differ from each other and between the probes."""
    small = {"batch_size": 2, "seq_len": 5}
    return {
        s.name: small.get(s.name, s.low) + step * (6 if s.name == "seq_len" else s.multiple_of)
        for s in plan.symbols
    }


def _as_cache(sizes: dict[str, int]) -> dict[str, int]:
    renamed = {"seq_len": "cache_len"}
    return {renamed.get(n, n): v for n, v in sizes.items()}


def _probe(
    model: torch.nn.Module, make: Callable, sizes: dict[str, int]
) -> tuple[dict[str, int], dict[str, Any]]:
    with torch.no_grad(), ReadsAnswered():
        outputs = model(**make(sizes))
    state = returned_state(model, outputs)
    if not state:
        raise NoDecodePhase(f"{type(model).__name__}.forward returns no state that it also takes back")
    return sizes, state


def returned_state(model: torch.nn.Module, outputs: Any) -> dict[str, Any]:
    accepted = inspect.signature(model.forward).parameters
    items = outputs.items() if isinstance(outputs, Mapping) else ()
    return {n: v for n, v in items if n in accepted and n not in NOT_STATE and v is not None}


class ReadsAnswered(TorchDispatchMode):
    """Lets a forward on meta tensors read values: true, one, and every place for `nonzero`."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        answer = ANSWERS.get(func)
        if answer is not None and args[0].device.type == "meta":
            return answer(args[0])
        return func(*args, **(kwargs or {}))


def _one(tensor: torch.Tensor) -> bool | int | float:
    kind = tensor.dtype
    return True if kind == torch.bool else 1.0 if kind.is_floating_point else 1


def _every_place(tensor: torch.Tensor) -> torch.Tensor:
    return torch.empty((tensor.numel(), tensor.dim()), dtype=torch.int64, device="meta")


ANSWERS = {
    torch.ops.aten._local_scalar_dense.default: _one,
    torch.ops.aten.nonzero.default: _every_place,
}
