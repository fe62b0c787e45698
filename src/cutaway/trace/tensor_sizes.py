# Sizes inside tensors. Code keeps lengths and grids in small integer tensors, computes with them and takes sizes back out of
# them. Beside the kept values of such a tensor stand the same numbers as Dims, an array of Python objects, on which each op
# is done in Python's own arithmetic. The values stay the truth: a number that no longer equals its value is dropped.
from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import _disable_current_modes

from cutaway.formula import Formula, const
from cutaway.formula.core import product
from cutaway.trace.dim import Dim, Real, current, make
from cutaway.trace.values import kept

MOST = 256  # numbers of one tensor


def numbers_of(t: torch.Tensor) -> np.ndarray | None:
    """The tensor's numbers, Dims where they have a formula; None if none has."""
    found, value = getattr(t, "_cut_numbers", None), kept(t)
    if found is None or value is None or value.shape != found.shape:
        return None
    plain = value.tolist() if value.dim() else [value.item()]
    known = [n if _equal(n, v) else v for n, v in zip(found.flat, _flat(plain), strict=True)]
    return _array(known, found.shape) if any(isinstance(n, (Dim, Real)) for n in known) else None


def numbers_in(t: torch.Tensor) -> list[Any]:
    """The same as a flat list, empty where none has a formula."""
    found = numbers_of(t)
    return [] if found is None else list(found.flat)


def give(t: torch.Tensor, numbers: Any) -> None:
    """Let `t` have these numbers beside its values: nested lists, an array, or one number."""
    flat = list(numbers.flat) if isinstance(numbers, np.ndarray) else list(_flat(numbers))
    if len(flat) == _count(t) <= MOST and any(isinstance(n, (Dim, Real)) for n in flat):
        t._cut_numbers = _array(flat, tuple(map(int, t.shape)))  # type: ignore[attr-defined]


def pass_on(
    func: Any, name: str, view: bool, args: tuple, kwargs: dict, tensors: Sequence[torch.Tensor], outs: Sequence,
    call_dims: Sequence[Dim],
) -> None:  # fmt: skip
    """Give the outputs of an op the numbers that follow from those of its inputs."""
    if not outs or outs[0].numel() > MOST or kept(outs[0]) is None:
        return
    if not call_dims and name != "sum" and not any(hasattr(t, "_cut_numbers") for t in tensors):
        return
    if name == "sum" and len(tensors) == 1 and (counted := _counted(tensors[0], outs[0], args)) is not None:
        give(outs[0], counted)
        return
    named = {int(d): d for d in call_dims}
    given = [_numbers(a, named) for a in args]
    if not any(_symbolic(g) for g in given):
        return
    with torch._C.DisableTorchFunction(), _disable_current_modes():
        if view or name in _MOVED:
            for out, numbers in zip(outs, _moved(func, args, kwargs, given, _MOVED.get(name, (0,))), strict=False):
                give(out, numbers)
        elif (compute := _rule(name, kwargs)) is not None and all(g is not None for g in given[:2]):
            try:
                give(outs[0], _boxed(compute(*given)))
            except (TypeError, ValueError, ZeroDivisionError, OverflowError):
                return


def places_true(mask: torch.Tensor) -> tuple[int, Formula] | None:
    """At how many places a mask of known values is true: all of them, those of the images' tokens, or a plain number in each
    of the rows that are alike. What an expanded mask repeats is looked at once.
    """
    value, ref = kept(mask), getattr(mask, "_cut", None)
    if value is None or ref is None:
        return None
    with torch._C.DisableTorchFunction(), _disable_current_modes():
        spread = [n for n, step in enumerate(value.stride()) if step == 0 and value.shape[n] > 1]
        for axis in spread:
            value = value.narrow(axis, 0, 1)
        count, every = int(value.count_nonzero()), value.numel()
    scope = current()
    known = scope.placed.get(count) or (scope.known.get(count) if count >= scope.telling else None)
    if count == every:
        once = product(d for n, d in enumerate(ref.dims) if n not in spread)
    else:
        once = known or _in_rows(value, [const(1) if n in spread else d for n, d in enumerate(ref.dims)])
    return count * math.prod(ref.sizes[n] for n in spread), once * product(ref.dims[n] for n in spread)


def _in_rows(value: torch.Tensor, dims: list[Formula]) -> Formula:
    """How many places are true where whole slices are alike: as many as in one of them, that many times."""
    times = const(1)
    with torch._C.DisableTorchFunction(), _disable_current_modes():
        for axis, size in enumerate(value.shape):
            first = value.narrow(axis, 0, min(size, 1))
            if size > 1 and bool((value == first).all()):
                value, times = first, times * dims[axis]
        return times * int(value.count_nonzero())


def _numbers(a: Any, named: dict[int, Dim]) -> Any:
    """An argument as an array of numbers; lists of tensors as lists of arrays; None where it is nothing of the kind."""
    if isinstance(a, torch.Tensor):
        if (found := numbers_of(a)) is not None:
            return found
        value = kept(a)
        if value is None or value.numel() > MOST:
            return None
        plain = list(_flat(value.tolist()))
        if not a.is_meta and not a.dim() and type(plain[0]) is int:  # a number that torch made a tensor
            plain = [named.get(plain[0], plain[0])]
        return _array(plain, tuple(value.shape))
    if type(a) is int:
        return named.get(a, a)
    if isinstance(a, (list, tuple)) and a and all(isinstance(t, torch.Tensor) for t in a):
        return [_numbers(t, named) for t in a]
    return a if isinstance(a, (int, float)) else None


def _symbolic(given: Any) -> bool:
    if isinstance(given, np.ndarray):
        return any(isinstance(n, (Dim, Real)) for n in given.flat)
    if isinstance(given, list):
        return any(map(_symbolic, given))
    return isinstance(given, Dim)


def _counted(t: torch.Tensor, out: torch.Tensor, args: tuple) -> Any:
    """The sum of equal numbers: of a mask of nothing but ones the size along the dimensions that are summed."""
    value, ref = kept(t), getattr(t, "_cut", None)
    if value is None or ref is None or not value.numel() or value.dtype.is_floating_point:
        return None
    at = args[1] if len(args) > 1 and args[1] else range(t.dim())
    along = {a % t.dim() for a in ([at] if isinstance(at, int) else at)}
    size = product(ref.dims[a] for a in along)
    if size.constant() is not None:
        return None
    found = numbers_of(t)
    each = {const(1)} if found is None else {n.formula if isinstance(n, Dim) else None for n in found.flat}
    with torch._C.DisableTorchFunction(), _disable_current_modes():
        number = int(value.flatten()[0])
        if len(each) != 1 or None in each or not bool((value == (1 if found is None else number)).all()):
            return None
    count = make(number * math.prod(int(t.shape[a]) for a in along), each.pop() * size)
    return _array([count] * out.numel(), tuple(out.shape))


def _moved(func: Any, args: tuple, kwargs: dict, given: list, places: tuple[int, ...]) -> list[np.ndarray]:
    """Where an op puts each number: it is done on their places in a list."""
    pool: list[Any] = []

    def numbered(a: Any) -> Any:
        if isinstance(a, list):
            return [numbered(part) for part in a]
        start = len(pool)
        pool.extend(a.flat)
        return torch.arange(start, len(pool)).view(a.shape)

    if any(i >= len(args) or not _complete(given[i]) for i in places):
        return []
    real = [numbered(given[i]) if i in places else _plain(a) for i, a in enumerate(args)]
    try:
        found = func(*real, **{k: v for k, v in kwargs.items() if k not in ("device", "dtype", "layout")})
    except (RuntimeError, IndexError, TypeError):
        return []
    return [_picked(pool, f) for f in (found if isinstance(found, (tuple, list)) else (found,))]


def _complete(given: Any) -> bool:
    return all(map(_complete, given)) if isinstance(given, list) else isinstance(given, np.ndarray)


def _picked(pool: list[Any], places: torch.Tensor) -> np.ndarray:
    return _array([pool[i] for i in _flat(places.tolist())], tuple(places.shape))


def _plain(a: Any) -> Any:
    if isinstance(a, torch.Tensor):
        return kept(a)
    return [_plain(v) for v in a] if isinstance(a, (list, tuple)) else a


def _rule(name: str, kwargs: dict) -> Callable | None:
    if name == "div":
        return _ROUNDED.get(kwargs.get("rounding_mode"))
    if name == "_to_copy":
        kind = kwargs.get("dtype")
        return _each(math.trunc) if kind is not None and not kind.is_floating_point else _each(lambda n: n)
    return None if kwargs.get("alpha", 1) != 1 else _RULES.get(name)


def _each(compute: Callable) -> Callable:
    """A function of numbers, on whole arrays and by broadcasting."""
    return lambda *given: np.frompyfunc(compute, len(given), 1)(*map(_boxed, given))


def _reduced(compute: Callable) -> Callable:
    def reduce(given: np.ndarray, axes: Any = None, keep: Any = False, *_: Any) -> Any:
        at = tuple(range(given.ndim)) if axes is None else tuple(np.atleast_1d(axes).tolist())
        return np.frompyfunc(compute, 2, 1).reduce(given, axis=at, keepdims=bool(keep)) if given.ndim else given

    return reduce


# Which arguments' numbers an op puts elsewhere as they are; views do so with their first.
_MOVED: dict[str, tuple[int, ...]] = {
    **dict.fromkeys(("clone", "index", "index_select", "gather", "repeat", "flip", "roll", "masked_select"), (0,)),
    **dict.fromkeys(("cat", "stack", "split", "split_with_sizes", "unsafe_split", "unbind"), (0,)),
    "where": (1, 2),
}
_ROUNDED = {None: _each(operator.truediv), "floor": _each(operator.floordiv), "trunc": _each(lambda a, b: math.trunc(a / b))}
_RULES: dict[str, Callable] = {
    "add": _each(operator.add),
    "sub": _each(operator.sub),
    "rsub": _each(lambda a, b: b - a),
    "mul": _each(operator.mul),
    "floor_divide": _each(operator.floordiv),
    "remainder": _each(operator.mod),
    "neg": _each(operator.neg),
    "ceil": _each(math.ceil),
    "floor": _each(math.floor),
    "trunc": _each(math.trunc),
    "maximum": _each(max),
    "minimum": _each(min),
    "clamp_min": _each(max),
    "clamp_max": _each(min),
    "sum": _reduced(operator.add),
    "prod": _reduced(operator.mul),
    "amax": _reduced(max),
    "amin": _reduced(min),
    "max": _reduced(max),
    "min": _reduced(min),
    "cumsum": lambda given, axis, *_: np.frompyfunc(operator.add, 2, 1).accumulate(given, axis=axis),
}  # fmt: skip


def _count(t: torch.Tensor) -> int:
    """How many numbers a tensor has, as a plain int: our own limit is no condition of the model's."""
    with torch._C.DisableTorchFunction():
        return t.numel()


def _equal(number: Any, value: Any) -> bool:
    if isinstance(number, Real):
        return math.isclose(float(number), value, rel_tol=1e-2)
    return int(number) == value if isinstance(number, int) else number == value


def _flat(values: Any) -> Any:
    for v in values if isinstance(values, (list, tuple)) else (values,):
        if isinstance(v, (list, tuple)):
            yield from _flat(v)
        else:
            yield v


def _boxed(number: Any) -> np.ndarray:
    """One number as an array; numpy would make its own kind of it."""
    return number if isinstance(number, np.ndarray) else _array([number], ())


def _array(flat: list[Any], shape: tuple[int, ...]) -> np.ndarray:
    """An array of these objects; numpy is not asked what they are."""
    made = np.empty(len(flat), dtype=object)
    made[:] = flat
    return made.reshape(shape)
