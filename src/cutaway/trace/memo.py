# Trace each distinct module once. Two calls are the same when class, simple attributes, parameters and input shapes are;
# then the recorded events stand for the second call too, and its outputs are made up with the recorded shapes.
from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Mapping
from typing import Any

import torch
from torch.utils import _pytree as pytree

from cutaway.trace.modes import Recorder
from cutaway.trace.record import ModuleRun, TensorRef

_SIMPLE = (int, float, str, bool, type(None), torch.dtype, torch.device)
_INDEX_NAMES = (
    "layer_idx",
    "layer_index",
    "layer_id",
    "layer_number",
    "layer_num",
    "block_idx",
    "block_id",
    "idx",
    "index",
)


_SKIPPED = {*_INDEX_NAMES, "_cut_index", *vars(torch.nn.Module())} - {
    "training"
}  # not what makes modules differ


class NotComparable(Exception):
    """An argument that cannot be compared with another call's."""


class Memo:
    """Records of the modules seen in one run."""

    def __init__(self) -> None:
        self.prints: dict[int, Hashable] = {}
        self.found: dict[Hashable, tuple[ModuleRun, Any, Any]] = {}  # key -> record, its inputs, its outputs

    def key(self, module: torch.nn.Module, args: tuple, kwargs: dict) -> Hashable | None:
        """What makes this call equal to another one, or None when that cannot be told."""
        try:
            index = layer_index(module)
            return (self.fingerprint(module), _spec(args, index), _spec(kwargs, index))
        except NotComparable:
            return None

    def fingerprint(self, module: torch.nn.Module) -> Hashable:
        """Class, simple attributes except the layer's index, parameters and buffers, of the module and all below."""
        found = self.prints.get(id(module))
        if found is None:
            simple = tuple(
                (k, v if isinstance(v, _SIMPLE) else repr(v))
                for k, v in sorted(vars(module).items())
                if k not in _SKIPPED and (isinstance(v, _SIMPLE) or _flat_simple(v))
            )
            objects = tuple((k, id(v)) for k, v in vars(module).items() if k == "config")
            own = tuple(
                (k, tuple(p.shape), p.dtype)
                for d in (module._parameters, module._buffers)
                for k, p in d.items()
                if p is not None
            )
            below = tuple((k, self.fingerprint(m)) for k, m in module._modules.items() if m is not None)
            found = self.prints[id(module)] = hash((type(module), simple, objects, own, below))
        return found


def layer_index(module: Any) -> int | None:
    """The layer's number, its own or the one that all modules below it agree on; None when there is none."""
    found = vars(module).get("_cut_index", "unknown")
    if found == "unknown":
        own = next((v for name in _INDEX_NAMES if type(v := vars(module).get(name)) is int), None)
        below = {layer_index(m) for m in module._modules.values() if m is not None} - {None}
        found = own if own is not None else below.pop() if len(below) == 1 else None
        vars(module)["_cut_index"] = found
    return found


def _flat_simple(value: Any) -> bool:
    return isinstance(value, (tuple, list)) and len(value) < 64 and all(isinstance(v, _SIMPLE) for v in value)


def _spec(value: Any, index: int | None) -> Hashable:
    """A hashable description of an argument: tensors by formula shape, stride, dtype and role, not by identity."""
    if isinstance(value, torch.Tensor):
        ref: TensorRef | None = getattr(value, "_cut", None)
        dims = ref.dims if ref is not None else tuple(value.shape)
        kept = getattr(value, "_cutaway_value", None)
        content = None if kept is None else str(kept.tolist()) if kept.numel() <= 64 else "kept"
        return (
            "tensor",
            dims,
            value.dtype,
            value.stride(),
            ref.role if ref is not None else "",
            content,
            isinstance(value, torch.nn.Parameter),
        )
    if isinstance(value, _SIMPLE):
        return (type(value).__name__, value)
    if isinstance(value, (tuple, list)):
        return (type(value).__name__, *(_spec(v, index) for v in value))
    if isinstance(value, Mapping):
        return ("map", *((k, _spec(v, index)) for k, v in value.items()))
    if is_cache(value):
        return _cache_spec(value, index)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return (type(value), *(_spec(getattr(value, f.name), index) for f in dataclasses.fields(value)))
    if isinstance(value, (type, torch.Size)) or callable(value):
        return ("object", id(value))
    if hasattr(value, "__dict__") and len(vars(value)) < 40 and not isinstance(value, torch.nn.Module):
        return (type(value), *((k, _spec(v, index)) for k, v in sorted(vars(value).items())))
    raise NotComparable(type(value).__name__)


def _cache_spec(cache: Any, index: int | None) -> Hashable:
    """A cache seen from one layer: that layer's state; from a module without an index, all of it."""
    layers = cache.layers
    if index is None:
        return ("cache", *(_layer_spec(x) for x in layers))
    return ("cache", _layer_spec(layers[index]) if index < len(layers) else len(layers) - index)


def _layer_spec(layer: Any) -> Hashable:
    return (type(layer), *((k, _spec(v, None)) for k, v in sorted(vars(layer).items())))


def replay(
    entry: tuple[ModuleRun, Any, Any], module: Any, args: tuple, kwargs: dict, recorder: Recorder
) -> Any:
    """The outputs of an equal call: recorded shapes on new tensors; what came in and went out unchanged stays itself."""
    record, recorded_in, recorded_out = entry
    before, _ = pytree.tree_flatten(recorded_in, is_leaf=is_cache)
    now, _ = pytree.tree_flatten((args, kwargs), is_leaf=is_cache)
    same = {id(a): b for a, b in zip(before, now, strict=True) if not isinstance(a, _SIMPLE)}
    leaves, spec = pytree.tree_flatten(recorded_out, is_leaf=is_cache)
    made: dict[int, Any] = {}
    for leaf in leaves:
        if id(leaf) not in made:
            made[id(leaf)] = same[id(leaf)] if id(leaf) in same else _twin(leaf, recorder)
    for a, b in zip(before, now, strict=True):
        if is_cache(a):
            _copy_state(a, b, layer_index(record.module), layer_index(module), recorder)
    return pytree.tree_unflatten([made[id(leaf)] for leaf in leaves], spec)


def is_cache(value: Any) -> bool:
    """Whether this holds the state of each layer, as Transformers' caches do."""
    return hasattr(value, "layers") and isinstance(getattr(value, "layers", None), list)


def _twin_all(value: Any, recorder: Recorder) -> Any:
    """Tensors in lists and maps too: layers must not share one container."""
    if isinstance(value, (list, tuple)):
        return type(value)(_twin_all(v, recorder) for v in value)
    if isinstance(value, dict):
        return {k: _twin_all(v, recorder) for k, v in value.items()}
    return _twin(value, recorder)


def _twin(leaf: Any, recorder: Recorder) -> Any:
    if not isinstance(leaf, torch.Tensor):
        return leaf
    with torch.utils._python_dispatch._disable_current_modes(), torch._C.DisableTorchFunction():
        out = torch.empty_strided(leaf.shape, leaf.stride(), dtype=leaf.dtype, device=leaf.device)
    ref = recorder.tag(leaf)
    recorder.tag(out, ref.dims, ref.role)
    if (value := getattr(leaf, "_cutaway_value", None)) is not None:
        out._cutaway_value = value  # type: ignore[attr-defined]
    return out


def _copy_state(a: Any, b: Any, source: int | None, target: int | None, recorder: Recorder) -> None:
    """A layer that was not run leaves in the cache what its twin left there."""
    if source is None or target is None or source == target or source >= len(a.layers):
        return
    while len(b.layers) <= target:
        b.layers.append(type(a.layers[source]).__new__(type(a.layers[source])))
    state = {k: _twin_all(v, recorder) for k, v in vars(a.layers[source]).items()}
    vars(b.layers[target]).update(state)
