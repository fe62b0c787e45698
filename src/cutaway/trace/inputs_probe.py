"""Tiny prefills of the model itself, from which the shape of its state is learnt.

State is whatever forward both returns and takes back (`past_key_values`, `cache_params`, `mems`, `state`,
...). On the meta device a forward may read values that do not exist (`.item()`, `nonzero`): a probe answers
them with a plausible constant, since only shapes are wanted from it.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from cutaway.trace.inputs_state import StateTemplate, fit_state, long_probe
from cutaway.trace.inputs_types import InputPlan, NoDecodePhase, Symbol

# Returned and accepted under one name, and yet not state: results that a caller may feed in to save work.
NOT_STATE = (
    "logits",
    "encoder_outputs",
    "labels",
    "attention_mask",
    "hidden_states",
    "inputs_embeds",
    "image_hidden_states",
)
NEVER_STATE = r"label|_mask$|_ids$|_embeds$|^(return|output|use|interpolate)_"
_STATELESS = "{}.forward returns no state that it also takes back"


# What a forward that does not return its state may take it in, to be filled in place.
FILLED_IN_PLACE = ("past_key_values", "cache_params", "cache")


def device_and_dtype(model: torch.nn.Module) -> tuple[str, torch.dtype]:
    """Where a probe runs: on the device and in the dtype of the model's own parameters."""
    floating = (p for p in model.parameters() if p.dtype.is_floating_point)
    return next(((p.device.type, p.dtype) for p in floating), ("cpu", torch.bfloat16))


def learn_state(
    model: torch.nn.Module, plan: InputPlan, make: Callable[..., dict[str, Any]]
) -> StateTemplate:
    """The state after a prefill, as a function of the plan's symbols with `cache_len` for `seq_len`."""
    if not _may_take_state(model, plan):
        raise NoDecodePhase(_STATELESS.format(type(model).__name__))
    points = [_probe(model, plan, make, _sizes(plan, step)) for step in (0, 1)]
    longest = long_probe(points[-1][1])
    if longest:
        points.append(_probe(model, plan, make, {**_sizes(plan, 0), "seq_len": longest}))
    return fit_state([(_as_cache(sizes), state) for sizes, state in points])


def _may_take_state(model: torch.nn.Module, plan: InputPlan) -> bool:
    """Whether forward has an argument left for a state, besides its content, masks and switches."""
    named = {n: p for n, p in inspect.signature(model.forward).parameters.items() if p.kind not in (2, 4)}
    return any(n not in NOT_STATE and not re.search(NEVER_STATE, n) for n in named.keys() - {s.name for s in plan.specs})


def refusal(model: torch.nn.Module, make: Callable[[], dict[str, Any]]) -> str | None:
    """What forward says against the arguments that `make` gives, `None` if it runs on them."""
    try:
        with torch.no_grad(), ReadsAnswered():
            _forward(model, make())
    except TimeoutError:
        raise
    except Exception as error:
        return str(error) or type(error).__name__
    return None


def _forward(model: torch.nn.Module, kwargs: dict[str, Any]) -> Any:
    """What forward returns; on the meta device equal layers run once, as in a trace, which is several times quicker."""
    from cutaway.trace.run import run

    if all(p.is_meta for p in model.parameters()):
        try:
            return run(lambda _: (model, (), kwargs), {}, lines=False)[2]
        except (ValueError, AssertionError):  # what the model's own code says against its arguments
            raise
        except Exception:  # the probe answers reads of data that a trace refuses
            return model(**kwargs)
    return model(**kwargs)


def makes_cache(model: torch.nn.Module) -> bool:
    """Whether the forward can make its own cache: some composite configs lack the fields that caches read."""
    from transformers import DynamicCache

    try:
        DynamicCache(config=model.config)
    except (AttributeError, TypeError, ValueError, KeyError):
        return False
    return True


def state_after(model: torch.nn.Module, kwargs: dict[str, Any]) -> dict[str, Any]:
    """The state that one forward leaves: returned by it, or else filled in place."""
    encoded: list[Any] = []
    below: list[Any] = []
    hooks = [_encoder(model).register_forward_hook(lambda module, args, output: encoded.append(output))]
    hooks += [m.register_forward_hook(lambda module, args, output: below.append(output)) for m in model.children()]
    try:
        state = returned_state(model, _forward(model, kwargs))
    finally:
        for hook in hooks:
            hook.remove()
    if not state:
        return _state_filled(model, kwargs, below)
    if encoded and "encoder_outputs" in inspect.signature(model.forward).parameters:
        state["encoder_outputs"] = encoded[-1]
    return state


def returned_state(model: torch.nn.Module, outputs: Any) -> dict[str, Any]:
    accepted = inspect.signature(model.forward).parameters
    items = dict(outputs) if isinstance(outputs, Mapping) else {}
    return {n: v for n, v in items.items() if n in accepted and n not in NOT_STATE and v is not None}


def _state_filled(model: torch.nn.Module, kwargs: dict[str, Any], below: list[Any]) -> dict[str, Any]:
    """An empty cache after forward has filled it; what a part has returned, where that takes a cache of its own kind alone."""
    given = _empty_caches(model)
    kept = next(filter(None, (returned_state(model, output) for output in below)), {})
    if any(type(kept.get(name)) not in (type(None), type(cache)) for name, cache in given.items()):
        return kept
    if given:
        _forward(model, {**kwargs, **given})
    return {name: cache for name, cache in given.items() if cache.get_seq_length() > 0}


def _encoder(model: torch.nn.Module) -> torch.nn.Module:
    """The encoder, whose own output a decode step takes back; an idle module where there is none."""
    try:
        encoder = model.get_encoder()
    except (AttributeError, ValueError, TypeError, NotImplementedError):
        encoder = None
    return encoder if isinstance(encoder, torch.nn.Module) and encoder is not model else torch.nn.Identity()


def _empty_caches(model: torch.nn.Module) -> dict[str, Any]:
    from transformers import DynamicCache

    accepted = inspect.signature(model.forward).parameters
    name = next((n for n in FILLED_IN_PLACE if n in accepted), None)
    return {name: DynamicCache(config=model.config)} if name else {}


def _sizes(plan: InputPlan, step: int) -> dict[str, int]:
    """Small sizes that differ from each other and between the probes."""
    small = {"batch_size": 2, "seq_len": 5}
    return {s.name: max(small.get(s.name, 0), s.low) + step * _stride(s) for s in plan.symbols}


def _stride(symbol: Symbol) -> int:
    return 6 if symbol.name == "seq_len" else symbol.multiple_of


def _as_cache(sizes: dict[str, int]) -> dict[str, int]:
    renamed = {"seq_len": "cache_len"}
    return {renamed.get(n, n): v for n, v in sizes.items()}


def _probe(
    model: torch.nn.Module, plan: InputPlan, make: Callable, sizes: dict[str, int]
) -> tuple[dict, dict]:
    with torch.no_grad(), ReadsAnswered():
        state = state_after(model, make(plan, sizes))
    if not state:
        raise NoDecodePhase(_STATELESS.format(type(model).__name__))
    return sizes, state


class ReadsAnswered(TorchDispatchMode):
    """Lets a forward on meta tensors read values: true, one, and every place for `nonzero` and for a mask."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func in INDEXES and args[0].device.type == "meta":  # the kernel would look for the places unseen
            args = (args[0], [place for index in args[1] for place in _places(index)], *args[2:])
        answer = ANSWERS.get(func)
        if answer is not None and args[0].device.type == "meta":
            return answer(args[0])
        return func(*args, **(kwargs or {}))


def _one(tensor: torch.Tensor) -> bool | int | float:
    kind = tensor.dtype
    return True if kind == torch.bool else 1.0 if kind.is_floating_point else 1


def _every_place(tensor: torch.Tensor) -> torch.Tensor:
    return torch.empty((tensor.numel(), tensor.dim()), dtype=torch.int64, device="meta")


def _places(index: torch.Tensor | None) -> tuple[torch.Tensor | None, ...]:
    return _every_place(index).unbind(1) if index is not None and index.dtype == torch.bool else (index,)


INDEXES = {torch.ops.aten.index.Tensor, torch.ops.aten.index_put.default, torch.ops.aten.index_put_.default}
ANSWERS = {
    torch.ops.aten._local_scalar_dense.default: _one,
    torch.ops.aten.nonzero.default: _every_place,
}
