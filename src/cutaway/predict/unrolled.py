# Of a question with few points most arrays of a step hold a handful of numbers, and numpy takes longer to be called than to
# compute them. So what was taped is written out number by number, in Python's own arithmetic, which rounds alike: equal
# numbers once, constants beforehand. What has many numbers stays an array, and so does what only numpy rounds as numpy
# does (powers, sums of a row).
"""`unroll(tape, result, given)`: what was taped, as straight code for as many points as were given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from math import ceil
from typing import Any

import numpy as np

from cutaway.predict.points import rows_of, spread
from cutaway.predict.recorded import Later, item, laters, needed
from cutaway.predict.time.tables import corners_of, correction, finders

FEW_NUMBERS = 16  # of an array: from here on numpy is as fast
ERRORS = (ZeroDivisionError, OverflowError, ValueError)  # where numpy goes on with inf or nan, Python stops
ALIKE: dict[Any, str] = {  # what Python computes to the same bit
    np.add: "{} + {}", np.subtract: "{} - {}", np.multiply: "{} * {}", np.divide: "{} / {}", np.negative: "-{}",
    np.greater: "{} > {}", np.greater_equal: "{} >= {}", np.less: "{} < {}", np.less_equal: "{} <= {}",
    np.maximum: "{0} if {0} >= {1} else {1}", np.minimum: "{0} if {0} <= {1} else {1}",
    np.bitwise_and: "{} and {}", np.logical_and: "{} and {}", np.invert: "not {}", np.logical_not: "not {}",
    np.isnan: "{0} != {0}", np.ceil: "float(ceil({}))", np.where: "{1} if {0} else {2}",
}  # fmt: skip
NEUTRAL = {np.add: (0.0, 0.0), np.subtract: (None, 0.0), np.multiply: (1.0, 1.0), np.divide: (None, 1.0)}
MOVING = (np.reshape, item, np.take, np.broadcast_to, spread.__wrapped__, rows_of.__wrapped__)  # numbers are what they were

Cell = Any  # a number that is known, or the name (a str) of one that is not


def unroll(tape: Any, result: Later, given: Sequence[np.ndarray]) -> Callable[..., list[float]]:
    """Takes the numbers of all `given` one after the other, and gives those of the result; may raise one of `ERRORS`. What is
    0 in `given` is 0 always, and what is equal in one of them stays equal."""
    code = _Code()
    values: dict[int, Any] = {}
    for n, points in enumerate(given):
        first = {v: f"given{n}_{i}" for i, v in reversed(list(enumerate(points.tolist())))}
        values[-1 - n] = np.array([first[v] if v else 0.0 for v in points.tolist()], object)
    names = [f"given{n}_{i}" for n, points in enumerate(given) for i in range(points.size)]
    for number in needed(tape, result):
        function, args, named = tape.calls[number]
        values[number] = _call(code, function, args, named, np.asarray(tape.samples[number]), values)
    cells = code.cells(values[result.number]).ravel().tolist()
    lines = [f"def run({', '.join(names)}):", *code.lines, f"return [{', '.join(map(code.word, cells))}]"]
    exec(compile("\n    ".join(lines), "<unrolled>", "exec"), code.scope)  # built here, of numbered names alone
    return code.scope["run"]


def _call(code: _Code, function: Any, args: tuple, named: dict, sample: np.ndarray, values: dict[int, Any]) -> Any:
    """Its result: cells, or an array of the code."""

    def known(v: Any) -> Any:
        return values[v.number] if isinstance(v, Later) else v

    def few(v: Any) -> np.ndarray:
        return code.cells(known(v))

    if function in MOVING and not any(isinstance(known(later), _Array) for later in laters(args)):
        moved = [[few(part) for part in v] if isinstance(v, list) else few(v) if isinstance(v, Later) else v for v in args]
        return _numbers(function(*moved, **named))
    plain = sample.size <= FEW_NUMBERS and (sample.dtype == float or (sample.dtype == bool and function not in NEUTRAL))
    if plain and not named and (isinstance(function, np.ufunc) or function is np.where):
        rows = _alike(sample.shape, *map(few, args))
        return _shaped([code.op(function, row) for row in zip(*rows, strict=True)], sample.shape)
    if plain and function is correction:
        table, nodes, sizes = args
        return _shaped(_corrected(code, table, nodes, _alike(sample.shape, *map(few, sizes))), sample.shape)
    if plain and function == np.add.reduce and named == {"axis": 0} and sample.ndim == 1 and sample.size > 1:
        return _shaped([code.total(column) for column in few(args[0]).T.tolist()], sample.shape)
    words = [code.argument(v, known) for v in args] + [f"{k}={code.keep(v)}" for k, v in named.items()]
    text = f"{words[0]}[{words[1]}]" if function is item else f"{code.keep(function)}({', '.join(words)})"
    return _Array(code.name(text), sample.shape)


def _alike(shape: tuple[int, ...], *cells: np.ndarray) -> list[list[Cell]]:
    """Of each its cells, as many as the shape has."""
    return [np.broadcast_to(some, shape).ravel().tolist() for some in cells]


def _shaped(cells: list[Cell], shape: tuple[int, ...]) -> np.ndarray:
    found = np.empty(len(cells), object)
    found[:] = cells
    return found.reshape(shape)


def _numbers(value: Any) -> np.ndarray:
    """As cells, what is known as Python's own."""
    values = np.asarray(value)
    flat = [v if isinstance(v, str | bool) else float(v) for v in values.ravel().tolist()]
    return _shaped(flat, values.shape)


class _Array:
    """An array of the code, by its name."""

    def __init__(self, name: str, shape: tuple[int, ...]):
        self.name, self.shape = name, shape


class _Code:
    """Lines of code, each number computed once."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.scope: dict[str, Any] = {"ceil": ceil, "array": np.array, "nan": np.nan, "inf": np.inf}
        self.names: dict[Any, Any] = {}
        self.numbers = count()

    def fresh(self) -> str:
        return f"v{next(self.numbers)}"

    def name(self, text: str) -> str:
        if text not in self.names:
            self.names[text] = self.fresh()
            self.lines.append(f"{self.names[text]} = {text}")
        return self.names[text]

    def keep(self, value: Any) -> str:
        """The name of something that is there beforehand; held, so that its id is not given again."""
        return self.once(("kept", id(value)), lambda: self._hold(value))

    def _hold(self, value: Any) -> str:
        name = f"c{len(self.scope)}"
        self.scope[name] = value
        return name

    def once(self, key: Any, make: Callable[[], Any]) -> Any:
        if key not in self.names:
            self.names[key] = make()
        return self.names[key]

    def word(self, cell: Cell) -> str:
        return cell if isinstance(cell, str) else repr(cell)

    def cells(self, value: Any) -> np.ndarray:
        """The value number by number."""
        if isinstance(value, _Array):
            key = "cells", value.name
            if key not in self.names:
                size = int(np.prod(value.shape))
                names = [self.fresh() for _ in range(size)]
                self.lines.append(f"{', '.join(names)}, = {value.name}.ravel().tolist()")
                self.names[key] = _shaped(names, value.shape)
            return self.names[key]
        return value if isinstance(value, np.ndarray) and value.dtype == object else _numbers(value)

    def argument(self, v: Any, known: Callable[[Any], Any]) -> str:
        """It as an argument of a call of numpy."""
        if isinstance(v, tuple | list) and next(iter(laters(v)), None) is not None:
            return f"[{', '.join(self.argument(part, known) for part in v)}]"
        value = known(v)
        if isinstance(value, _Array):
            return value.name
        if not isinstance(v, Later):
            return self.keep(v)
        cells = value.ravel().tolist()
        if not any(isinstance(cell, str) for cell in cells):
            return self.keep(self.once(("array", value.shape, tuple(cells)), np.array(cells).reshape(value.shape).copy))
        shape = "" if value.ndim == 1 else f".reshape({value.shape})"
        return self.name(f"array([{', '.join(map(self.word, cells))}]){shape}")

    def op(self, function: Any, cells: Sequence[Cell]) -> Cell:
        """One number from others."""
        free = [isinstance(cell, str) for cell in cells]
        if not any(free):
            with np.errstate(all="ignore"):
                return function(*cells).item()
        if function is np.where and not free[0]:
            return cells[1] if cells[0] else cells[2]
        for n, neutral in enumerate(NEUTRAL.get(function, ())):
            if not free[n] and cells[n] == neutral and not isinstance(cells[n], bool):
                return cells[1 - n]
        words = [self.word(cell) for cell in cells]
        pattern = ALIKE.get(function)
        return self.name(pattern.format(*words) if pattern else f"float({self.keep(function)}({', '.join(words)}))")

    def total(self, cells: Sequence[Cell]) -> Cell:
        """The sum, from the first on."""
        found = cells[0]
        for cell in cells[1:]:
            found = self.op(np.add, (found, cell))
        return found


def _corrected(code: _Code, table: np.ndarray, nodes: tuple, sizes: list[list[Cell]]) -> list[Cell]:
    """`correction`, number by number."""
    (upper, strides), find = corners_of(table.shape), finders(nodes)
    steps = strides.tolist()
    flat = code.keep(code.once(("flat", id(table)), table.ravel().tolist))
    found = []
    for values in zip(*sizes, strict=True):
        logs = [code.op(np.log2, (code.op(np.maximum, (value, 1e-9)),)) for value in values]
        places, parts, inside = zip(*(_found(code, *pair) for pair in zip(find, logs, strict=True)), strict=True)
        moving = [f"{place} * {step}" for place, step in zip(places, steps, strict=True)]
        base = code.name(" + ".join(moving))
        terms = []
        for corner in upper.tolist():
            weight: Cell = 1.0
            for up, part in zip(corner, parts, strict=True):
                weight = code.op(np.multiply, (weight, part if up else code.op(np.subtract, (1.0, part))))
            if not isinstance(weight, str) and weight <= 1e-9:
                terms.append(0.0)
                continue
            off = sum(step for up, step in zip(corner, steps, strict=True) if up)
            term = code.op(np.multiply, (weight, code.name(f"{flat}[{base} + {off}]")))
            terms.append(code.name(f"{term} if {weight} > 1e-9 else 0.0") if isinstance(weight, str) else term)
        if len(sizes[0]) > 1:
            total = code.total(terms)
        else:  # a column alone is added up in numpy's own order
            total = code.name(f"array([[{'], ['.join(map(code.word, terms))}]]).sum(axis=0).item()")
        there = " and ".join(str(one) for one in inside)
        found.append(code.name(f"{total} if {there} else nan"))
    return found


def _found(code: _Code, find: Callable[[float], tuple], at: Cell) -> list[Cell]:
    """Place, part and whether it lies inside, of a number on an axis."""
    if not isinstance(at, str):
        return list(find(at))
    key = "found", id(find), at
    if key not in code.names:
        code.names[key] = [code.fresh() for _ in range(3)]
        code.lines.append(f"{', '.join(code.names[key])} = {code.keep(find)}({at})")
    return code.names[key]
