# The formula type: a polynomial with rational coefficients over symbols and a few integer functions.
# Canonical by construction (equal formulas are equal dicts), because "the sum over the tree equals the total,
# exactly" is a promise, and equality must not need a simplifier that may or may not find it.
from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache
from math import gcd, lcm
from typing import TYPE_CHECKING, Any, Union

if TYPE_CHECKING:
    import sympy

Number = int | Fraction
Operand = Union["Formula", int, Fraction]
Atom = Union[str, "Func"]
Monomial = tuple[tuple[Atom, int], ...]  # ((atom, exponent), ...), sorted; exponents may be negative


@dataclass(frozen=True)
class Func:
    """An integer function that is no polynomial: `floor(a / b)`, `min(a, b)`, `max(a, b)`, `ceil(log2(a / b))`."""

    name: str
    args: tuple[Formula, ...]

    @cached_property
    def key(self) -> str:
        return f"~{self.name}({','.join(a.key for a in self.args)})"

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Func) and self.key == other.key


class Formula:
    """An exact expression; immutable, hashable, equal when canonically equal.

    >>> B, S = sym("batch_size"), sym("seq_len")
    >>> print(2 * B * S + 4 * B)
    2 * {batch_size} * ({seq_len} + 2)
    """

    __slots__ = ("__dict__", "terms")

    def __init__(self, terms: Mapping[Monomial, Number]):
        self.terms = dict(terms)

    @cached_property
    def key(self) -> str:
        """A canonical string, for ordering and hashing."""
        return "+".join(f"{self.terms[m]}*{_monomial_key(m)}" for m in sorted(self.terms, key=_monomial_key))

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        if other.__class__ is Formula:
            return self.terms == other.terms
        return isinstance(other, (int, Fraction)) and self.terms == const(other).terms

    def __add__(self, other: Operand) -> Formula:
        return add((self, other))

    __radd__ = __add__

    def __neg__(self) -> Formula:
        return Formula({m: -c for m, c in self.terms.items()})

    def __sub__(self, other: Operand) -> Formula:
        return self + (-as_formula(other))

    def __rsub__(self, other: Operand) -> Formula:
        return as_formula(other) - self

    def __mul__(self, other: Operand) -> Formula:
        if other.__class__ is not Formula and isinstance(other, (int, Fraction)):
            return _scaled(self, other)
        if (k := other.constant()) is not None:  # most sizes of a model are numbers
            return _scaled(self, k)
        if (k := self.constant()) is not None:
            return _scaled(other, k)
        out: dict[Monomial, Number] = {}
        for ma, ca in self.terms.items():
            for mb, cb in other.terms.items():
                m = _times(ma, mb)
                out[m] = out.get(m, 0) + ca * cb
        return Formula({m: _number(c) for m, c in out.items() if c})

    __rmul__ = __mul__

    def __pow__(self, exponent: int) -> Formula:
        if exponent < 0:
            return ONE / (self**-exponent)
        out = ONE
        for _ in range(exponent):
            out = out * self
        return out

    def __truediv__(self, other: Operand) -> Formula:
        """Exact division; a divisor of several terms must divide evenly."""
        other = as_formula(other)
        if not other.terms:
            raise ZeroDivisionError(f"{self} / 0")
        if len(other.terms) == 1:
            ((m, c),) = other.terms.items()
            inverse = tuple((a, -e) for a, e in m)
            return Formula({_times(k, inverse): _number(Fraction(v) / c) for k, v in self.terms.items()})
        quotient = _exact_quotient(self, other)
        if quotient is None:
            raise ValueError(f"({self}) / ({other}) is not a formula: use floor_div")
        return quotient

    def __floordiv__(self, other: Operand) -> Formula:
        return floor_div(self, other)

    def __mod__(self, other: Operand) -> Formula:
        return self - floor_div(self, other) * other

    def __rfloordiv__(self, other: Operand) -> Formula:
        return floor_div(other, self)

    def __rmod__(self, other: Operand) -> Formula:
        return as_formula(other) % self

    def __bool__(self) -> bool:
        return bool(self.terms)

    def __repr__(self) -> str:
        return f"Formula({self})"

    def __str__(self) -> str:
        from cutaway.formula.text import to_text

        return to_text(self)

    def constant(self) -> Number | None:
        """The value when no symbol is left, else None."""
        if not self.terms:
            return 0
        if len(self.terms) == 1 and () in self.terms:
            return self.terms[()]
        return None

    def symbols(self) -> frozenset[str]:
        """The names that the value depends on."""
        return self._symbols

    @cached_property
    def _symbols(self) -> frozenset[str]:
        found: set[str] = set()
        for m in self.terms:
            for atom, _ in m:
                found |= {atom} if isinstance(atom, str) else set().union(*(a.symbols() for a in atom.args))
        return frozenset(found)

    def evaluate(self, values: Mapping[str, Any]) -> Any:
        """The value: exact with ints, an array with numpy arrays. KeyError names a symbol without a value."""
        total: Any = 0
        for m, c in self.terms.items():
            part: Any = c
            for atom, e in m:
                v = values[atom] if isinstance(atom, str) else _evaluate_func(atom, values)
                part = part * v**e if e > 0 else _divide(part, v**-e)
            total = total + part
        return _number(total)

    def substitute(self, values: Mapping[str, Operand]) -> Formula:
        """The formula with some symbols replaced by numbers or other formulas."""
        if not (self.symbols() & values.keys()):
            return self
        parts = []
        for m, c in self.terms.items():
            part = const(c)
            for atom, e in m:
                v = (
                    as_formula(values.get(atom, sym(atom)))
                    if isinstance(atom, str)
                    else _substitute_func(atom, values)
                )
                part = part * v**e if e > 0 else part / v**-e
            parts.append(part)
        return add(parts)

    def to_sympy(self) -> sympy.Expr:
        """The same as a sympy expression over positive integer symbols."""
        import sympy

        names = {n: sympy.Symbol(n, integer=True, positive=True) for n in self.symbols()}
        table: dict[str, Callable] = {
            "floor": lambda a, b: sympy.floor(a / b),
            "log2": lambda a, b: sympy.ceiling(sympy.log(a / b, 2)),
            "min": sympy.Min,
            "max": sympy.Max,
        }

        def convert(f: Formula) -> sympy.Expr:
            return sympy.Add(
                *(
                    sympy.Rational(Fraction(c).numerator, Fraction(c).denominator)
                    * sympy.Mul(
                        *(
                            (names[a] if isinstance(a, str) else table[a.name](*map(convert, a.args))) ** e
                            for a, e in m
                        )
                    )
                    for m, c in f.terms.items()
                )
            )

        return convert(self)


def const(value: Number) -> Formula:
    """A constant."""
    value = _number(value)
    return Formula({(): value}) if value else ZERO


def sym(name: str) -> Formula:
    """A symbol: a positive integer known by its canonical name."""
    return Formula({((name, 1),): 1})


def as_formula(value: Operand) -> Formula:
    return value if isinstance(value, Formula) else const(value)


def add(parts: Iterable[Operand]) -> Formula:
    """The sum of many, in one pass."""
    out: dict[Monomial, Number] = {}
    get = out.get
    for part in parts:
        for m, c in as_formula(part).terms.items():
            out[m] = get(m, 0) + c
    return Formula({m: _number(c) for m, c in out.items() if c})


def product(parts: Iterable[Operand]) -> Formula:
    """The product of many, for example a tensor's dimensions."""
    number, out = 1, ONE
    for part in parts:
        k = part.constant() if isinstance(part, Formula) else part
        if k is None:
            out = out * part
        else:
            number = number * k
    return out * number


def floor_div(a: Operand, b: Operand) -> Formula:
    """`floor(a / b)` with the divisible part taken out: floor((64 x + r) / 64) = x + floor(r / 64)."""
    a, b = as_formula(a), as_formula(b)
    if (scale := lcm(*(c.denominator for f in (a, b) for c in f.terms.values()))) > 1:
        a, b = a * scale, b * scale
    ca, cb = a.constant(), b.constant()
    if ca is not None and cb is not None:
        return const(ca // cb)
    if cb is not None and cb < 0:
        a, b = -a, -b
    whole, rest = _take_whole(a, b)
    if rest and _lead(rest) < 0:  # floor(-x / b) = -ceil(x / b) = -floor((x + b - 1) / b)
        return whole - floor_div(-rest + b - 1, b)
    return whole + _floor_atom(rest, b)


def ceil_div(a: Operand, b: Operand) -> Formula:
    """`ceil(a / b)` for integers."""
    return floor_div(as_formula(a) + as_formula(b) - 1, b)


def ceil_log2(a: Operand) -> Formula:
    """`ceil(log2(a))` of a whole number from one: how often it is halved, rounding up, until one is left.

    >>> print(ceil_log2(1025), ceil_log2(sym("seq_len")))
    11 ceil(log2({seq_len}))
    """
    a = as_formula(a)
    known = a.constant()
    return Formula({((Func("log2", (a, ONE)), 1),): 1}) if known is None else const(_bits(known))


def _bits(a: Number) -> int:
    return max(-(-a // 1) - 1, 0).bit_length()


def minimum(a: Operand, b: Operand) -> Formula:
    return _extremum("min", as_formula(a), as_formula(b))


def maximum(a: Operand, b: Operand) -> Formula:
    return _extremum("max", as_formula(a), as_formula(b))


ZERO = Formula({})
ONE = Formula({(): 1})


def _scaled(f: Formula, k: Number) -> Formula:
    if k == 1:
        return f
    return Formula({m: _number(c * k) for m, c in f.terms.items()}) if k else ZERO


def _number(value: Any) -> Any:
    if value.__class__ is int:
        return value
    return value.numerator if isinstance(value, Fraction) and value.denominator == 1 else value


def _atom_key(atom: Atom) -> str:
    return atom if isinstance(atom, str) else atom.key


def _monomial_key(m: Monomial) -> str:
    return "*".join(f"{_atom_key(a)}^{e}" for a, e in m)


@lru_cache(maxsize=1 << 14)
def _times(a: Monomial, b: Monomial) -> Monomial:
    if not a or not b:
        return a or b
    exponents: dict[Atom, int] = dict(a)
    for atom, e in b:
        exponents[atom] = exponents.get(atom, 0) + e
    return tuple(sorted(((k, e) for k, e in exponents.items() if e), key=lambda p: _atom_key(p[0])))


def _lead(f: Formula) -> Number:
    """The coefficient of the first non-constant term in canonical order; decides the sign of a floor."""
    best = min((m for m in f.terms if m), key=_monomial_key, default=())
    return f.terms[best]


def _take_whole(a: Formula, b: Formula) -> tuple[Formula, Formula]:
    """Split a = b * whole + rest, taking out what surely divides into an integer."""
    if len(b.terms) != 1:
        quotient = _exact_quotient(a, b)
        return (quotient, ZERO) if quotient is not None else (ZERO, a)
    ((mb, cb),) = b.terms.items()
    inverse = tuple((atom, -e) for atom, e in mb)
    whole: dict[Monomial, Number] = {}
    rest: dict[Monomial, Number] = {}
    for m, c in a.terms.items():
        q = _times(m, inverse)
        integral = all(e > 0 for _, e in q)
        times = (
            (int(Fraction(c) / cb) if q else c // cb) if integral else 0
        )  # symbols towards zero, so that -x stays -x
        if times:
            whole[q] = times
        if c - times * cb:
            rest[m] = c - times * cb
    return Formula(whole), Formula(rest)


def _floor_atom(a: Formula, b: Formula) -> Formula:
    if not a:
        return ZERO
    ca, cb = a.constant(), b.constant()
    if ca is not None and cb is not None:
        return const(ca // cb)
    if ca is not None and ca == 0:
        return ZERO
    common = gcd(*(int(c) for f in (a, b) for c in f.terms.values()))
    if common > 1:
        a, b = a / common, b / common
    if b == ONE:
        return a
    inner = _single_floor(a)
    if inner is not None and b.constant() is not None:  # floor(floor(x / m) / n) = floor(x / (m n))
        return floor_div(inner[0], inner[1] * b)
    return Formula({((Func("floor", (a, b)), 1),): 1})


def _single_floor(f: Formula) -> tuple[Formula, Formula] | None:
    if len(f.terms) == 1:
        ((m, c),) = f.terms.items()
        if c == 1 and len(m) == 1 and m[0][1] == 1 and isinstance(m[0][0], Func) and m[0][0].name == "floor":
            return m[0][0].args[0], m[0][0].args[1]
    return None


def _exact_quotient(a: Formula, b: Formula) -> Formula | None:
    """Long division by leading terms; None when something is left over."""
    quotient, rest = ZERO, a
    atoms = sorted({atom for f in (a, b) for m in f.terms for atom, _ in m}, key=_atom_key)

    def rank(m: Monomial) -> tuple[int, ...]:  # by degree, then atom by atom: the leader of a product is that of the leaders
        powers = dict(m)
        return (_degree(m), *(powers.get(atom, 0) for atom in atoms))

    lead_b = max(b.terms, key=rank)
    while rest.terms:  # each turn takes the leader away
        lead = max(rest.terms, key=rank)
        q = _times(lead, tuple((atom, -e) for atom, e in lead_b))
        if any(e < 0 for _, e in q):
            return None
        step = Formula({q: _number(Fraction(rest.terms[lead]) / b.terms[lead_b])})
        quotient, rest = quotient + step, rest - step * b
    return quotient


def _degree(m: Monomial) -> int:
    return sum(e for _, e in m)


def _extremum(name: str, a: Formula, b: Formula) -> Formula:
    difference = (a - b).constant()
    if difference is not None:
        return a if (difference >= 0) == (name == "max") else b
    first, second = sorted((a, b), key=lambda f: f.key)
    return Formula({((Func(name, (first, second)), 1),): 1})


def _divide(a: Any, b: Any) -> Any:
    if isinstance(a, (int, Fraction)) and isinstance(b, (int, Fraction)):
        return Fraction(a) / b
    return a / b


def _evaluate_func(f: Func, values: Mapping[str, Any]) -> Any:
    a, b = (arg.evaluate(values) for arg in f.args)
    if f.name == "floor":
        return a // b
    if f.name == "log2":
        return _bits(a) if isinstance(a, (int, Fraction)) else _ceil_log2(a)
    if isinstance(a, (int, Fraction)) and isinstance(b, (int, Fraction)):
        return min(a, b) if f.name == "min" else max(a, b)
    import numpy as np

    return np.minimum(a, b) if f.name == "min" else np.maximum(a, b)


def _ceil_log2(a: Any) -> Any:
    import numpy as np

    return np.ceil(np.log2(a))


def _substitute_func(f: Func, values: Mapping[str, Operand]) -> Formula:
    a, b = (arg.substitute(values) for arg in f.args)
    if f.name == "log2":
        return ceil_log2(a)
    return floor_div(a, b) if f.name == "floor" else _extremum(f.name, a, b)
