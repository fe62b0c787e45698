# One step of a model is hundreds of small numpy calls, half of which give the same numbers whatever is asked: they see nothing
# but the model and the device. So the code runs once on stand-ins for its arguments, which note each call that depends on
# them; what they noted is the same computation with all else done beforehand, and numpy does what is left as before, so that
# results are the same to the last bit however often they are asked for.
"""`record(f, samples)`: a function of arrays as straight code, with what does not depend on them computed once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import Any

import numpy as np


class Branches(Exception):
    """The function does one thing or another by what its arguments hold, so that one run does not tell all of it."""


class _Tape:
    """The calls in their order: (function, arguments, named arguments), where an argument may be a `Later`."""

    def __init__(self) -> None:
        self.calls: list[tuple[Callable[..., Any], tuple, dict[str, Any]]] = []
        self.samples: list[Any] = []  # what each of them gave
        self.known: dict[Any, Later] = {}

    def note(self, function: Callable[..., Any], args: tuple, named: dict[str, Any]) -> Later:
        """The result, the same one for the same call. Constants are held, so that none's id is given again."""
        args = tuple(np.array(float(v)) if type(v) in (int, float) else v for v in args)
        key = (function, _identity(args), _identity(tuple(sorted(named.items()))))
        if key not in self.known:
            value = function(*_sampled(args), **{name: _sampled(v) for name, v in named.items()})
            plainer = self._plainer(function, args, value)
            self.known[key] = self._new(function, args, named, value) if plainer is None else plainer
        return self.known[key]

    def _new(self, function: Callable[..., Any], args: tuple, named: dict[str, Any], value: Any) -> Later:
        self.calls.append((function, args, named))
        self.samples.append(value)
        return Later(self, len(self.calls) - 1, value)

    def _plainer(self, function: Callable[..., Any], args: tuple, value: Any) -> Later | None:
        """What it is without a call, where a constant chooses or changes nothing."""
        if function is np.where and _one(args[0]) is not None:
            return _if_like(args[1] if _one(args[0]) else args[2], value)
        if function in (np.multiply, np.add):
            constant, later = args if isinstance(args[1], Later) else args[::-1]
            if _one(constant) == (function is np.multiply):
                return _if_like(later, value)
        return None


class Later(np.lib.mixins.NDArrayOperatorsMixin):
    """The result of a call of the tape; `sample` is one that it had."""

    def __init__(self, tape: _Tape, number: int, sample: Any):
        self.tape, self.number, self.sample = tape, number, sample

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *args: Any, **named: Any) -> Later:
        return self.tape.note(getattr(ufunc, method) if method != "__call__" else ufunc, args, named)

    def __array_function__(self, function: Any, types: Any, args: tuple, named: dict[str, Any]) -> Later:
        return self.tape.note(function, args, named)

    def __getitem__(self, at: Any) -> Later:
        return self.tape.note(item, (self, at), {})

    def reshape(self, *shape: int) -> Later:
        return self.tape.note(np.reshape, (self, shape), {})

    def sum(self, axis: int | None = None) -> Later:
        return self.tape.note(np.add.reduce, (self,), {"axis": axis})

    def min(self, axis: int | None = None) -> Later:
        return self.tape.note(np.minimum.reduce, (self,), {"axis": axis})

    def _decides(self, *_: Any, **__: Any) -> Any:
        raise Branches

    __bool__ = __float__ = __int__ = __index__ = __len__ = __iter__ = __array__ = _decides


def whole(function: Callable[..., Any]) -> Callable[..., Any]:
    """For functions that stand-ins cannot go through: they are noted as one call."""

    @wraps(function)
    def called(*args: Any, **named: Any) -> Any:
        later = next(laters((args, named)), None)
        return function(*args, **named) if later is None else later.tape.note(function, args, named)

    return called


def array(value: Any) -> Any:
    """The value as floats, a stand-in as it is."""
    return value if isinstance(value, Later) else np.asarray(value, float)


def record(function: Callable[..., Any], samples: Sequence[np.ndarray]) -> Callable[..., Any]:
    """The same function, faster, of arrays as many as `samples`, which have more than one element each: what is one and what
    many is read off them. Raises `Branches` where values decide what the function does."""
    tape, result = taped(function, samples)
    if not isinstance(result, Later):
        return lambda *_: result
    scope: dict[str, Any] = {}
    lines = [f"def run({', '.join(_name(-1 - n) for n in range(len(samples)))}):"]
    for number in needed(tape, result):
        called, args, named = tape.calls[number]
        words = [_word(v, scope) for v in args] + [f"{k}={_word(v, scope)}" for k, v in named.items()]
        if called is item:
            lines.append(f"    {_name(number)} = {words[0]}[{words[1]}]")
        else:
            lines.append(f"    {_name(number)} = {_kept(called, scope)}({', '.join(words)})")
    lines.append(f"    return {_name(result.number)}")
    exec(compile("\n".join(lines), "<recorded>", "exec"), scope)  # built here, of numbered names alone
    return scope["run"]


def taped(function: Callable[..., Any], samples: Sequence[np.ndarray]) -> tuple[_Tape, Any]:
    """What the function does with stand-ins for the samples, and its result: one of these, or what it is in any case."""
    tape = _Tape()
    return tape, function(*(Later(tape, -1 - n, sample) for n, sample in enumerate(samples)))


def needed(tape: _Tape, result: Later) -> list[int]:
    """The calls without which there is no result, in their order."""
    found, todo = set(), [result.number]
    while todo:
        number = todo.pop()
        if number >= 0 and number not in found:
            found.add(number)
            todo += [later.number for later in laters(tape.calls[number][1:])]
    return sorted(found)


def item(values: Any, at: Any) -> Any:
    return values[at]


def _one(value: Any) -> float | None:
    """What a constant holds that is the same for all."""
    return None if isinstance(value, Later) or np.size(value) != 1 else float(np.asarray(value).item())


def _if_like(later: Any, value: Any) -> Later | None:
    """It, if it looks like the value."""
    alike = isinstance(later, Later) and np.shape(later.sample) == np.shape(value) and later.sample.dtype == value.dtype
    return later if alike else None


def _sampled(value: Any) -> Any:
    """With samples for stand-ins."""
    if isinstance(value, tuple | list):
        return type(value)(map(_sampled, value))
    return value.sample if isinstance(value, Later) else value


def laters(value: Any) -> Iterable[Later]:
    """All stand-ins in it."""
    if isinstance(value, Later):
        yield value
    elif isinstance(value, tuple | list):
        for part in value:
            yield from laters(part)
    elif isinstance(value, dict):
        yield from laters(list(value.values()))


def _identity(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return tuple(map(_identity, value))
    if isinstance(value, int | float | str | None):
        return type(value), value
    if isinstance(value, np.ndarray) and value.ndim == 0:
        return str(value.dtype), value.item()
    return "later", value.number if isinstance(value, Later) else id(value)


def _name(number: int) -> str:
    return f"v{number}" if number >= 0 else f"given{-1 - number}"


def _word(value: Any, scope: dict[str, Any]) -> str:
    """The value in the code: a name, or what it holds where stand-ins are among that."""
    if isinstance(value, Later):
        return _name(value.number)
    if isinstance(value, tuple | list) and next(iter(laters(value)), None) is not None:
        return f"[{', '.join(_word(part, scope) for part in value)}]"
    return _kept(value, scope)


def _kept(value: Any, scope: dict[str, Any]) -> str:
    name = f"c{len(scope)}"
    scope[name] = value
    return name
