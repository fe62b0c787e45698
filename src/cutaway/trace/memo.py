# Trace each distinct module once. Two calls are the same when class, simple attributes, parameters and input shapes are;
# then the recorded events stand for the second call too, and its outputs are made up with the recorded shapes.
from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Hashable, Mapping, Sequence
from operator import itemgetter
from typing import Any

import torch
from torch.utils import _pytree as pytree

from cutaway.trace.attributes import INDEX_NAMES, attributes_of
from cutaway.trace.record import ModuleRun, TensorRef
from cutaway.trace.recorder import Recorder
from cutaway.trace.values import kept
from cutaway.trace.writes import Writes

_SIMPLE = (int, float, str, bool, type(None), torch.dtype, torch.device)
_LEAVES = frozenset((torch.Tensor, torch.nn.Parameter, *_SIMPLE))  # of exactly these kinds are most arguments
_INDEXES = frozenset(INDEX_NAMES)


class NotComparable(Exception):
    """An argument that cannot be compared with another call's."""


Slot = tuple[int, str, int]  # which cache of the arguments, which of its lists, which place in it


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """A recorded call: its events, what went in and out, and what it left in the caches.

    Arguments are their leaves, outputs their leaves and how these are put together. `before` and `after` are of the
    places that the call changed: how each was described (None where there was none), and what it holds now.
    """

    record: ModuleRun
    inputs: list[Any]
    outputs: tuple[list[Any], Any]
    before: dict[Slot, Hashable]
    after: list[tuple[Slot, Any]]


class Memo:
    """Records of the modules seen in one run."""

    def __init__(self, writes: Writes, remembering: Sequence[Any] = ()) -> None:
        self.writes = writes  # a forward that changes an attribute leaves more than its outputs
        self.remembering = [f for f in remembering if hasattr(f, "cache_info")]  # and so does one that fills their caches
        self.found: dict[Hashable, Entry] = {}

    def left(self) -> Hashable:
        """Changes when a call leaves more behind than its outputs: then a call like it may do something else."""
        return (self.writes.count, *(f.cache_info().misses for f in self.remembering))

    def note_kept(self, module: torch.nn.Module, before: Hashable) -> None:
        """A call of the module is over, ahead of which its attributes were these."""
        if attributes_of(module) != before:
            self.writes.changed()

    def lookup(self, key: Hashable | None, module: torch.nn.Module, given: list[Any]) -> Entry | None:
        """The recorded call that this one equals; what it is going to change in the caches must be equal too.

        `given` are the leaves of the arguments, here and below.
        """
        entry = self.found.get(key) if key is not None else None
        if entry is None or not entry.before:
            return entry
        shift, caches = _shift(entry.record.module, module), caches_in(given)
        for (n, name, i), spec in entry.before.items():
            held = vars(caches[n]).get(name, ()) if n < len(caches) else ()
            if spec != (_state_spec(held[i + shift]) if 0 <= i + shift < len(held) else None):
                return None
        return entry

    def keep(
        self, key: Hashable, record: ModuleRun, given: list[Any], outputs: Any, before: dict[Slot, Hashable]
    ) -> None:
        """Keep the record of a call; `before` describes all that the caches held ahead of it."""
        held = _slots(given)
        changed = sorted(at for at, state in held.items() if before.get(at) != _state_spec(state))
        after = [(at, _copied(held[at], lambda leaf: leaf)) for at in changed]
        made = pytree.tree_flatten(outputs, is_leaf=is_cache)
        self.found[key] = Entry(record, given, made, {at: before.get(at) for at in changed}, after)

    def key(self, module: torch.nn.Module, args: tuple, kwargs: dict, given: list[Any]) -> Hashable | None:
        """What makes this call equal to another one, or None when that cannot be told."""
        try:
            index = layer_index(module)
            return (self.fingerprint(module), _spec(args, index), _spec(kwargs, index), _repeated(given))
        except NotComparable:
            return None

    def fingerprint(self, module: torch.nn.Module) -> Hashable:
        """Class, simple attributes except the layer's index, parameters and buffers, of the module and all below."""
        found = self.writes.prints.get(id(module))
        if found is None:
            own = [
                (k, tuple(p.shape), p.dtype)
                for d in (module._parameters, module._buffers)
                for k, p in d.items()
                if p is not None
            ]
            below = [(k, self.fingerprint(m)) for k, m in module._modules.items() if m is not None]
            described = (type(module), attributes_of(module), tuple(own), tuple(below))
            found = self.writes.prints[id(module)] = hash(described)
        return found


def layer_index(module: Any) -> int | None:
    """The layer's number, on which it and all modules below it agree; None when there is none."""
    held = vars(module)
    if "_cut_index" not in held:
        all_ = {layer_index(m) for m in module._modules.values() if m is not None}
        if not _INDEXES.isdisjoint(held):
            all_.add(next((v for name in INDEX_NAMES if type(v := held.get(name)) is int), None))
        all_.discard(None)
        held["_cut_index"] = all_.pop() if len(all_) == 1 else None
    return held["_cut_index"]


def _repeated(given: list[Any]) -> tuple[int, ...]:
    """Which arguments are the same tensor: a first layer may get its input twice, where others get two tensors."""
    found = [id(v) for v in given if isinstance(v, torch.Tensor)]
    return () if len(set(found)) == len(found) else tuple(map(found.index, found))


def _spec(value: Any, index: int | None) -> Hashable:
    """A hashable description of an argument: tensors by formula shape, stride, dtype and role, not by identity."""
    if isinstance(value, torch.Tensor):
        ref: TensorRef | None = getattr(value, "_cut", None)
        dims = ref.dims if ref is not None else tuple(value.shape)
        known = kept(value) if value.is_meta else None
        content = None if known is None else str(known.tolist()) if known.numel() <= 64 else "kept"
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
    lists = [(name, v) for name, v in sorted(vars(cache).items()) if isinstance(v, list)]
    if index is None:
        return ("cache", *((name, *map(_state_spec, v)) for name, v in lists))
    return (
        "cache",
        *((name, _state_spec(v[index]) if index < len(v) else len(v) - index) for name, v in lists),
    )


def _state_spec(state: Any) -> Hashable:
    """What a cache holds for one layer: an object with attributes, or tensors as they are."""
    if isinstance(state, torch.Tensor) or not hasattr(state, "__dict__"):
        return _spec(state, None)
    held = [(k, v.__class__, v if v.__class__ in _SIMPLE else _spec(v, None)) for k, v in vars(state).items()]
    return (type(state), *sorted(held, key=itemgetter(0)))


def described(given: list[Any]) -> dict[Slot, Hashable]:
    """What every cache among the arguments holds for each layer, described."""
    return {at: _state_spec(state) for at, state in _slots(given).items()}


def _slots(given: list[Any]) -> dict[Slot, Any]:
    return {
        (n, name, i): state
        for n, cache in enumerate(caches_in(given))
        for name, held in vars(cache).items()
        if isinstance(held, list)
        for i, state in enumerate(held)
    }


def _shift(source: Any, target: Any) -> int:
    """How much further down a cache a module works than its twin."""
    a, b = layer_index(source), layer_index(target)
    return 0 if a is None or b is None else b - a


def replay(entry: Entry, module: torch.nn.Module, given: list[Any], recorder: Recorder) -> Any:
    """The outputs of an equal call: recorded shapes on new tensors; what came in and went out unchanged stays itself."""
    same = {id(a): b for a, b in zip(entry.inputs, given, strict=True) if not isinstance(a, _SIMPLE)}
    leaves, spec = entry.outputs
    made: dict[int, Any] = {}
    with torch._C._DisableTorchDispatch(), torch._C.DisableTorchFunction():
        for leaf in leaves:
            if id(leaf) not in made:
                made[id(leaf)] = same[id(leaf)] if id(leaf) in same else _twin(leaf, recorder)
        if entry.after:
            caches, shift = caches_in(given), _shift(entry.record.module, module)
            for (n, name, i), state in entry.after:
                held = vars(caches[n])[name]
                held[i + shift : i + shift + 1] = [_copied(state, lambda leaf: _twin(leaf, recorder))]
    return pytree.tree_unflatten([made[id(leaf)] for leaf in leaves], spec)


def leaves_of(value: Any) -> list[Any]:
    """What containers hold, in order; caches are not looked into. Plain containers are gone through here: it is quicker."""
    found: list[Any] = []
    _add_leaves(value, found)
    return found


def _add_leaves(value: Any, found: list[Any]) -> None:
    kind = value.__class__
    if kind is tuple or kind is list or kind is dict:
        for v in value.values() if kind is dict else value:
            if v.__class__ in _LEAVES:
                found.append(v)
            else:
                _add_leaves(v, found)
    elif isinstance(value, (torch.Tensor, *_SIMPLE)) or is_cache(value):
        found.append(value)
    else:
        found += pytree.tree_flatten(value, is_leaf=is_cache)[0]


def caches_in(given: list[Any]) -> list[Any]:
    """The caches among arguments, also those that a cache for encoder and decoder consists of."""
    found: list[Any] = []
    for leaf in given:
        if leaf.__class__ in _LEAVES:
            continue
        parts = [leaf] if is_cache(leaf) or _is_plain(leaf) else vars(leaf).values()
        found += [p for p in parts if is_cache(p) and not any(p is f for f in found)]
    return found


def _is_plain(value: Any) -> bool:
    """Whether this is no object that holds others: configs are shared, and are none either."""
    return (
        isinstance(value, (torch.Tensor, torch.nn.Module, type))
        or not hasattr(value, "__dict__")
        or hasattr(value, "to_dict")
    )


def is_cache(value: Any) -> bool:
    """Whether this holds the state of each layer, as Transformers' caches do."""
    return isinstance(getattr(value, "layers", None), list)


def _copied(state: Any, change: Callable[[Any], Any]) -> Any:
    """A copy down to the tensors, so that layers never share a container; `change` is applied to what is no container."""
    if state.__class__ in _LEAVES:
        return change(state)
    if isinstance(state, (list, tuple)):
        return type(state)(_copied(v, change) for v in state)
    if isinstance(state, dict):
        return {k: _copied(v, change) for k, v in state.items()}
    if _is_plain(state) or callable(state):
        return change(state)
    twin = copy.copy(state)
    vars(twin).update({k: _copied(v, change) for k, v in vars(state).items()})
    return twin


def _twin(leaf: Any, recorder: Recorder) -> Any:
    if not isinstance(leaf, torch.Tensor):
        return leaf
    out = torch.empty_strided(leaf.shape, leaf.stride(), dtype=leaf.dtype, device=leaf.device)
    ref = recorder.tag(leaf)
    recorder.tag(out, ref.dims, ref.role)
    if (value := kept(leaf) if leaf.is_meta else None) is not None:
        out._cutaway_value = value  # type: ignore[attr-defined]
    return out
