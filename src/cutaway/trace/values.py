# Values beside meta tensors. Real code branches on masks, lengths and grids, so tensors that are made of known numbers keep
# these numbers as a CPU tensor, and each op on them is done there too. Views of a tensor have views of its values, so that
# writing to one is seen by all; large masks are kept as what they repeat, spread without memory.
from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch.utils._python_dispatch import _disable_current_modes

LIMIT = 1 << 20  # numbers kept for one tensor
MOST_READ = 1 << 24  # elements that one op may go through
_MAKERS = {"arange", "full", "zeros", "ones", "scalar_tensor", "tril_indices", "triu_indices"}


def kept(t: torch.Tensor) -> torch.Tensor | None:
    """What is known of a tensor's values: a real one (indexing by a list makes such) is its own value."""
    if not t.is_meta:
        return t
    value = getattr(t, "_cutaway_value", None)
    if value is None or (value.numel() and not value.untyped_storage().nbytes()):
        return None
    return value


def keep(t: torch.Tensor, value: Any, n: int = 0) -> None:
    """Keep the values of an op's `n`-th output."""
    if isinstance(value, (tuple, list)):
        value = value[n] if n < len(value) else None
    if isinstance(value, torch.Tensor) and value.shape == t.shape and _extent(value) <= LIMIT:
        t._cutaway_value = value  # type: ignore[attr-defined]


def forget(t: torch.Tensor) -> None:
    """Something unknown was written to `t`: neither its values nor those of its views are known any more."""
    value = vars(t).pop("_cutaway_value", None)
    if value is not None:
        with _disable_current_modes():
            value.untyped_storage().resize_(0)


def computed(
    func: Any, name: str, view: bool, writes: bool, args: tuple, kwargs: dict, tensors: list[torch.Tensor]
) -> Any:
    """The op on the values kept beside its tensors, when all have one and they are small; else None."""
    if not tensors:
        return _done(func, args, kwargs) if name in _MAKERS and _small(args) else None
    values = [kept(t) for t in tensors]
    result = None
    if all(v is not None and v.shape == t.shape for v, t in zip(values, tensors, strict=True)):
        if _is_pointwise(func) and not writes and _product(shape := _broadcast(values)) > LIMIT:
            return _spread(func, args, kwargs, shape)
        if view or all(v.numel() <= MOST_READ for v in values):
            if writes and _repeats(values[0]):
                _unshare(tensors[0])
            result = _done(func, args, kwargs)
    if result is None and writes:
        forget(tensors[0])
    return result


def _done(func: Any, args: tuple, kwargs: dict, change: Any = lambda value: value) -> Any:
    kwargs = {k: torch.device("cpu") if k == "device" else _real((v,), change)[0] for k, v in kwargs.items()}
    try:
        with _disable_current_modes():
            return func(*_real(args, change), **kwargs)
    except (RuntimeError, NotImplementedError, IndexError, TypeError, ValueError):
        return None


def _real(args: Iterable[Any], change: Any) -> tuple:
    return tuple(
        change(kept(a))
        if isinstance(a, torch.Tensor)
        else type(a)(_real(a, change))
        if a.__class__ in (list, tuple)
        else torch.device("cpu")
        if isinstance(a, torch.device)
        else a
        for a in args
    )


def _small(args: Iterable[Any]) -> bool:
    total = 1
    for a in args:
        for v in a if isinstance(a, (list, tuple)) else (a,):
            if isinstance(v, int):
                total *= max(1, abs(v))
    return total <= LIMIT


def _is_pointwise(func: Any) -> bool:
    return torch.Tag.pointwise in func.tags or func is torch.ops.aten._to_copy.default


def _spread(func: Any, args: tuple, kwargs: dict, shape: tuple[int, ...]) -> torch.Tensor | None:
    """An elementwise op on what its inputs repeat, spread to the whole shape."""
    with _disable_current_modes():
        result = _done(func, args, kwargs, _once)
        return result.expand(shape) if isinstance(result, torch.Tensor) else None


def _once(value: torch.Tensor) -> torch.Tensor:
    """Each dimension along which all is equal, once."""
    for axis, size in enumerate(value.shape):
        first = value.narrow(axis, 0, min(size, 1))
        if size > 1 and (value.stride(axis) == 0 or bool((value == first).all())):
            value = first
    return value


def _repeats(value: torch.Tensor) -> bool:
    return any(step == 0 and size > 1 for size, step in zip(value.shape, value.stride(), strict=True))


def _unshare(t: torch.Tensor) -> None:
    """Values of its own for a tensor that is written to; what its views hold is not known after that."""
    with _disable_current_modes():
        own = kept(t).clone(memory_format=torch.contiguous_format)  # type: ignore[union-attr]
    forget(t)
    keep(t, own)


def _extent(value: torch.Tensor) -> int:
    """Numbers in memory between the first and the last of a tensor."""
    spans = ((size - 1) * step for size, step in zip(value.shape, value.stride(), strict=True))
    return 1 + sum(spans) if value.numel() else 0


def _broadcast(values: list[torch.Tensor]) -> tuple[int, ...]:
    try:
        return tuple(torch.broadcast_shapes(*(v.shape for v in values)))
    except RuntimeError:
        return ()


def _product(shape: tuple[int, ...]) -> int:
    total = 1
    for size in shape:
        total *= size
    return total
