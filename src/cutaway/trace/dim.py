# Integers that remember where they came from. A traced size is a real `int` (so every kernel, `range`, and argument
# parser takes it) that carries its formula through Python arithmetic; each comparison is kept as a condition of validity.
# Why not torch's SymInt: see docs/adr/001-concolic-tracing.md.
from __future__ import annotations

import math
import operator
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from numbers import Integral
from typing import Any

from cutaway.formula import Formula, ceil_div, const, floor_div, sym
from cutaway.formula.core import Func, as_formula


@dataclass(frozen=True)
class Guard:
    """A comparison that the code made: `difference` against zero, and how it came out."""

    difference: Formula
    relation: str  # "<", "<=", "=="
    outcome: bool

    def holds(self, values: Mapping[str, int]) -> bool:
        d = self.difference.evaluate(values)
        return {"<": d < 0, "<=": d <= 0, "==": d == 0}[self.relation] == self.outcome


@dataclass
class Scope:
    """One symbolic run: the value given to each symbol, which formula a value stands for, and the guards met."""

    hints: Mapping[str, int]
    known: dict[int, Formula] = field(default_factory=dict)  # first formula that took this value
    guards: dict[Guard, None] = field(default_factory=dict)  # ordered set
    architecture: frozenset[str] = (
        frozenset()
    )  # symbols of the model's make, for which a division is taken as exact
    assumptions: dict[str, None] = field(default_factory=dict)  # what was taken for granted of the data
    counts: dict[Formula, int] = field(
        default_factory=dict
    )  # numbers of chunks that were met, with their values
    masked: dict[tuple[str, str], Formula] = field(default_factory=dict)  # FLOPs on masked scores, by module
    divides: dict[tuple[Formula, Formula], None] = field(
        default_factory=dict
    )  # (a, b): a % b == 0 was taken for granted
    told: Mapping[Any, tuple[Formula, ...]] = field(
        default_factory=dict
    )  # what sizes are that lost their formula, by place
    multiples: dict[str, int] = field(default_factory=dict)  # symbols that are whole multiples of a number
    placed: dict[int, Formula] = field(default_factory=dict)  # tokens that we put into a text to stand for images
    met: dict[int, tuple[Any, Formula]] = field(default_factory=dict)  # values at the hints, by the formula's id

    def value(self, f: Formula) -> Any:
        """The formula at the values of this run; the tensors of a pass share theirs, which are asked for again and again."""
        found = self.met.get(id(f))
        if found is None:
            found = self.met[id(f)] = (f.evaluate(self.hints), f)
        return found[0]

    @cached_property
    def telling(self) -> int:
        """From here on a number is taken for the size that it equals; smaller ones are loop counters and the like."""
        return min([128, *(v for v in self.hints.values() if v >= 32)])

    def dim(self, name: str) -> Dim:
        """The symbol `name` as an integer."""
        return make(self.hints[name], sym(name))

    def learn(self, value: int, formula: Formula) -> None:
        if abs(value) > 1:
            self.known.setdefault(value, formula)
        if value >= 0 and is_count(formula):
            self.counts.setdefault(formula, value)

    def note(self, guard: Guard) -> None:
        """A condition of all that follows, if it is about sizes."""
        if guard.difference.constant() is None:
            self.guards.setdefault(guard)

    def is_whole(self, f: Formula) -> bool:
        """Whether `f` has whole coefficients, its symbols counted in the units that they are multiples of."""
        units = {n: sym(n) * k for n, k in self.multiples.items() if n in f.symbols()}
        return all(isinstance(c, int) for c in (f.substitute(units) if units else f).terms.values())


def is_count(f: Formula) -> bool:
    """Whether this is a number of chunks, such as `ceil(seq_len / 256)` or `floor(seq_len / 256) + 1`."""
    terms = [term for term in f.terms.items() if term[0]]
    if len(terms) != 1:
        return False
    ((monomial, c),) = terms
    (atom, power), *more = monomial
    return c == 1 and power == 1 and not more and isinstance(atom, Func) and atom.name != "min"  # which is a size cut short


_scopes: list[Scope] = []


@contextmanager
def scope(
    hints: Mapping[str, int],
    architecture: frozenset[str] = frozenset(),
    multiples: Mapping[str, int] | None = None,
) -> Iterator[Scope]:
    """Run with these values for the symbols; nested scopes are not mixed."""
    kept = {n: k for n, k in (multiples or {}).items() if hints.get(n, 1) % k == 0}
    _scopes.append(Scope(hints, architecture=architecture, multiples=kept))
    try:
        yield _scopes[-1]
    finally:
        _scopes.pop()


_speaking: list[bool] = []


@contextmanager
def speaking() -> Iterator[None]:
    """Within this, Dims print as their formulas: for what is shown to people, never while code runs."""
    _speaking.append(True)
    try:
        yield
    finally:
        _speaking.pop()


def current() -> Scope:
    """The scope of the run under way."""
    return _scopes[-1]


def make(value: int, formula: Formula) -> Any:
    """`value` with its formula; a plain int when the formula is a whole number."""
    if isinstance(formula.constant(), int):
        return int(value)
    dim = Dim(value)
    dim.formula = formula
    if _scopes:
        _scopes[-1].learn(int(value), formula)
    return dim


def note_placed(count: int) -> None:
    """From here on a mask that is true at so many places is one of the tokens that stand for images."""
    if _scopes and isinstance(count, Dim):
        _scopes[-1].placed.setdefault(int(count), count.formula)


def formula_of(value: Any) -> Formula:
    """The formula of a Dim, the constant of an int; an architecture size that went through `int()` is known again."""
    if isinstance(value, (Dim, Real)):
        return value.formula
    if (
        _scopes
        and _scopes[-1].architecture
        and value >= 256
        and (known := _scopes[-1].known.get(value)) is not None
    ):
        return known
    return const(int(value))


def _guard(a: Any, b: Any, relation: str, outcome: bool) -> bool:
    b = _whole(b)
    if _scopes and isinstance(b, (int, float)) and not isinstance(b, bool):
        try:
            if relation == "==" and outcome and type(b) is int and b in _scopes[-1].known:
                return True  # a size that lost its formula on its way through C
            difference = _exact(a) - _exact(b)
        except (ValueError, OverflowError):  # infinity and NaN
            return outcome
        _scopes[-1].note(Guard(difference, relation, outcome))
    return outcome


def _exact(value: Any) -> Formula:
    if isinstance(value, (Dim, Real)):
        return value.formula
    return const(Fraction(value)) if isinstance(value, float) else const(value)


def _whole(value: Any) -> Any:
    """An integer of another library (numpy's are no `int`) as Python's own."""
    foreign = not isinstance(value, (int, float)) and isinstance(value, Integral)
    return operator.index(value) if foreign else value


def _plain(value: Any) -> Any:
    """The number without its formula: Python would ask a Dim on the other side again, which knows one formula only."""
    return int(value) if isinstance(value, Dim) else _whole(value)


def _binary(name: str, combine: Any) -> Any:
    plain = getattr(int, name)

    def method(self: Dim, other: Any) -> Any:
        if isinstance(other, float):
            return getattr(Real.of(self), name)(other)
        other = _whole(other)
        value = plain(self, other)
        if value is NotImplemented:
            return value
        return make(value, combine(self.formula, formula_of(other)))

    return method


class Dim(int):
    """An int with a formula. Arithmetic keeps the formula; comparisons are recorded as guards."""

    formula: Formula
    __array_priority__ = 1.0  # numpy's numbers leave arithmetic with a Dim to the Dim

    __add__ = _binary("__add__", lambda a, b: a + b)
    __radd__ = _binary("__radd__", lambda a, b: b + a)
    __sub__ = _binary("__sub__", lambda a, b: a - b)
    __rsub__ = _binary("__rsub__", lambda a, b: b - a)
    __mul__ = _binary("__mul__", lambda a, b: a * b)
    __rmul__ = _binary("__rmul__", lambda a, b: b * a)
    __floordiv__ = _binary("__floordiv__", lambda a, b: _divided(a, b))
    __rfloordiv__ = _binary("__rfloordiv__", lambda a, b: _divided(b, a))
    __mod__ = _binary("__mod__", lambda a, b: _rest(a, b))
    __rmod__ = _binary("__rmod__", lambda a, b: _rest(b, a))

    def __neg__(self) -> Any:
        return make(-int(self), -self.formula)

    def __pos__(self) -> Dim:
        return self

    def __abs__(self) -> Any:
        return self if self >= 0 else -self

    def __pow__(self, exponent: Any, modulus: Any = None) -> Any:
        if type(exponent) is int and 0 <= exponent <= 8 and modulus is None:
            return make(int(self) ** exponent, self.formula**exponent)
        return int(self) ** exponent

    def bit_length(self) -> int:
        """Bits of the number, which is between two powers of two: that it is so is a condition."""
        bits = int.bit_length(self)
        _guard(self, 1 << bits, "<", True)
        _guard(self, 1 << bits >> 1, "<", False)
        return bits

    def __truediv__(self, other: Any) -> Any:
        return Real.of(self) / other

    def __rtruediv__(self, other: Any) -> Any:
        return other / int(self)

    def __divmod__(self, other: Any) -> tuple[Any, Any]:
        return self // other, self % other

    def __lt__(self, other: Any) -> bool:
        return _guard(self, other, "<", int(self) < _plain(other))

    def __le__(self, other: Any) -> bool:
        return _guard(self, other, "<=", int(self) <= _plain(other))

    def __gt__(self, other: Any) -> bool:
        return not _guard(self, other, "<=", int(self) <= _plain(other))

    def __ge__(self, other: Any) -> bool:
        return not _guard(self, other, "<", int(self) < _plain(other))

    def __eq__(self, other: Any) -> bool:
        return _guard(self, other, "==", int(self) == _plain(other))

    def __ne__(self, other: Any) -> bool:
        return not _guard(self, other, "==", int(self) == _plain(other))

    def __bool__(self) -> bool:
        return not _guard(self, 0, "==", int(self) == 0)

    __hash__ = int.__hash__

    def __format__(self, spec: str) -> str:
        return str(self.formula) if _speaking else int.__format__(self, spec)

    def __repr__(self) -> str:
        return str(self.formula) if _speaking else int.__repr__(self)

    __str__ = __repr__

    def __int__(self) -> int:
        return int.__add__(self, 0)

    def __float__(self) -> float:
        return float(int.__add__(self, 0))

    def __reduce__(self) -> Any:
        return int, (int(self),)

    def __copy__(self) -> Dim:
        return self

    def __deepcopy__(self, memo: Any) -> Dim:
        return self


def _divided(a: Formula, b: Formula) -> Formula:
    """`a // b`, exact where `exact_quotient` may take it so."""
    exact = exact_quotient(a, b)
    return rounded_down(a, b) if exact is None else exact


def _rest(a: Formula, b: Formula) -> Formula:
    """`a % b`. Where nothing is left, that is a condition, and not a size that others could be taken for: `256 - a % 256`
    would else be what 256 is from then on."""
    rest = a - _divided(a, b) * b
    scope = _scopes[-1] if _scopes else None
    if scope is None or rest.constant() is not None or rest.evaluate(scope.hints):
        return rest
    scope.note(Guard(rest, "==", True))
    if (name := _symbol(a)) and isinstance(unit := b.constant(), int):
        scope.multiples[name] = math.lcm(unit, scope.multiples.get(name, 1))
    return const(0)


def _symbol(f: Formula) -> str | None:
    """The name, where the formula is one symbol."""
    return next((n for n in f.symbols() if f == sym(n)), None)


def rounded_down(a: Formula, b: Formula | int) -> Formula:
    """`a // b`; the quotient itself where the symbols are multiples of what divides them."""
    share = _whole_share(a, as_formula(b))
    return floor_div(a, b) if share is None else share


def rounded_up(a: Formula, b: Formula | int) -> Formula:
    """`-(-a // b)` of whole numbers, and likewise."""
    share = _whole_share(a, as_formula(b))
    return ceil_div(a, b) if share is None else share


def _whole_share(a: Formula, b: Formula) -> Formula | None:
    """`a / b` by a number that divides the multiples in `a`, which is noted as a condition."""
    number, scope = b.constant(), _scopes[-1] if _scopes else None
    if (
        scope is None
        or not isinstance(number, int)
        or number < 1
        or scope.multiples.keys().isdisjoint(a.symbols())
    ):
        return None
    share = a / b
    if not scope.is_whole(share):
        return None
    for name in scope.multiples.keys() & a.symbols():
        scope.divides.setdefault((sym(name), const(scope.multiples[name])))
    return share


def exact_quotient(a: Formula, b: Formula) -> Formula | None:
    """`a / b` of architecture sizes that divide at the traced values: taken as exact, and noted as a condition."""
    symbols = a.symbols() | b.symbols()
    if not _scopes or not symbols or not symbols <= _scopes[-1].architecture or len(b.terms) != 1:
        return None
    if a.evaluate(_scopes[-1].hints) % b.evaluate(_scopes[-1].hints):
        return None
    quotient = a / b
    if floor_div(a, b) != quotient:
        _scopes[-1].divides.setdefault((a, b))
    return quotient


@contextmanager
def logarithms() -> Iterator[None]:
    """Within this, `math.log2(n)` and `math.log(n, 2)` of a size leave a trace: which power of two it is, or between which.

    Code rounds them, for the turns of a loop that halves; C would take the size for a plain number.
    """
    log, log2 = math.log, math.log2

    def noted(n: Any) -> Any:
        if isinstance(n, (Dim, Real)) and n >= 1:
            below = 1 << math.floor(log2(n))
            if _guard(n, below, "<=", float(n) == below):
                _guard(n, below, "<", False)
            else:
                _guard(n, 2 * below, "<", True)
        return log2(n)

    def either(n: Any, *base: Any) -> Any:
        return noted(n) if base == (2,) else log(n, *base)

    math.log, math.log2 = either, noted
    try:
        yield
    finally:
        math.log, math.log2 = log, log2


class Real(float):
    """A float with an exact rational formula, so that `math.ceil(seq_len / 64)` stays a formula."""

    formula: Formula

    @staticmethod
    def of(dim: Dim) -> Real:
        return _real(float(int(dim)), dim.formula)

    def __truediv__(self, other: Any) -> Any:
        if isinstance(other, Dim):
            quotient = _divided(self.formula, other.formula)
            exact = quotient if float(self) % int(other) == 0 else None
            return _real(float(self) / int(other), exact) if exact is not None else float(self) / int(other)
        return _linear(self, other, float(self) / other, lambda f, k: f / k)

    def __mul__(self, other: Any) -> Any:
        return _linear(self, other, float(self) * other, lambda f, k: f * k)

    __rmul__ = __mul__

    def __add__(self, other: Any) -> Any:
        return _linear(self, other, float(self) + other, lambda f, k: f + k)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        return _linear(self, other, float(self) - other, lambda f, k: f - k)

    def __floor__(self) -> Any:
        return make(math.floor(float(self)), rounded_down(self.formula, 1))

    def __ceil__(self) -> Any:
        return make(math.ceil(float(self)), -rounded_down(-self.formula, 1))

    def __trunc__(self) -> Any:
        return self.__floor__() if self >= 0 else self.__ceil__()

    def __int__(self) -> int:
        return int(self.__trunc__())

    def __round__(self, digits: Any = None) -> Any:
        if digits is not None:
            return round(float(self), digits)
        return make(round(float(self)), floor_div(self.formula + Fraction(1, 2), 1))

    __hash__ = float.__hash__


def _real(value: float, formula: Formula) -> Real:
    real = Real(value)
    real.formula = formula
    return real


def _linear(a: Real, b: Any, value: Any, combine: Any) -> Any:
    """Keep the formula through `a op b` when b is a finite number or a Dim."""
    if isinstance(b, (Dim, Real)):
        return _real(value, combine(a.formula, b.formula))
    if isinstance(b, (int, float)) and math.isfinite(b) and (b or value == value):
        try:
            return _real(value, combine(a.formula, as_formula(Fraction(b))))
        except ZeroDivisionError:
            return value
    return value
