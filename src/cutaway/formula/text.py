# How a formula is printed: for people, in the `{symbol}` notation, with what is common to all terms in front.
from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from math import gcd, lcm

from cutaway.formula.core import ONE, Atom, Formula, Func, Monomial
from cutaway.formula.names import ORDER


def to_text(f: Formula, top: bool = True) -> str:
    """`2 * {batch_size} * ({seq_len} + 1)`: what all terms share stands in front."""
    if not f.terms:
        return "0"
    if len(f.terms) == 1:
        ((m, c),) = f.terms.items()
        return _term(m, c)
    shared, factor, rest = _common(f)
    inner = " ".join(
        (("- " if c < 0 else "+ ") if i else ("-" if c < 0 else "")) + _term(m, abs(c))
        for i, (m, c) in enumerate(sorted(rest.terms.items(), key=lambda t: _sort_key(t[0])))
    )
    if not shared and factor == 1:
        return inner if top else f"({inner})"
    head, below = _fraction(shared, factor)
    prefix = "" if head == "1" else "-" if head == "-1" else f"{head} * "
    return f"{prefix}({inner})" + (f" / {below}" if below else "")


def _common(f: Formula) -> tuple[Monomial, Fraction | int, Formula]:
    """The monomial and the rational number that divide every term, and what is left."""
    coefficients = [Fraction(c) for c in f.terms.values()]
    number = Fraction(gcd(*(c.numerator for c in coefficients)), lcm(*(c.denominator for c in coefficients)))
    exponents = [dict(m) for m in f.terms]
    atoms = {a for m in exponents for a in m}
    shared = tuple(
        (a, e) for a in sorted(atoms, key=_atom_order) if (e := min(m.get(a, 0) for m in exponents)) != 0
    )
    if sorted(f.terms.items(), key=lambda t: _sort_key(t[0]))[0][1] < 0 and all(c < 0 for c in coefficients):
        number = -number
    divisor = Formula({tuple(sorted(shared, key=lambda p: _plain(p[0]))): number})
    return shared, number, f / divisor


def _term(m: Monomial, c: Fraction | int) -> str:
    above, below = _fraction(m, c)
    return f"{above} / {below}" if below else above


def _fraction(m: Monomial, c: Fraction | int) -> tuple[str, str]:
    """What stands above and below the line; nothing below when it is 1."""
    above = [_power(a, e) for a, e in sorted(m, key=lambda p: _atom_order(p[0])) if e > 0]
    below = [_power(a, -e) for a, e in sorted(m, key=lambda p: _atom_order(p[0])) if e < 0]
    c = Fraction(c)
    if c.denominator != 1:
        below.insert(0, str(c.denominator))
    sign = "-" if c.numerator < 0 else ""
    if abs(c.numerator) != 1 or not above:
        above.insert(0, str(abs(c.numerator)))
    divisor = " * ".join(below)
    return sign + " * ".join(above), f"({divisor})" if len(below) > 1 else divisor


def _power(atom: Atom, exponent: int) -> str:
    text = f"{{{atom}}}" if isinstance(atom, str) else _func(atom)
    return text if exponent == 1 else f"{text}**{exponent}"


@lru_cache(maxsize=1 << 12)  # a size that is a floor stands in the tables of thousands of ops
def _func(f: Func) -> str:
    a, b = f.args
    if f.name == "log2":
        return f"ceil(log2({to_text(a)}))"
    if f.name != "floor":
        return f"{f.name}({to_text(a)}, {to_text(b)})"
    if (
        b.constant() is not None and a.terms.get((), 0) == b.constant() - 1
    ):  # floor((x + b - 1) / b) = ceil(x / b)
        return f"ceil({to_text(a - b + ONE, top=False)} / {to_text(b, top=False)})"
    bottom = to_text(b, top=False)
    return f"floor({to_text(a, top=False)} / {f'({bottom})' if ' * ' in bottom and bottom[0] != '(' else bottom})"


def _plain(atom: Atom) -> str:
    return atom if isinstance(atom, str) else atom.key


def _atom_order(atom: Atom) -> tuple[int, str]:
    return (ORDER.get(atom, len(ORDER)), atom) if isinstance(atom, str) else (len(ORDER) + 1, atom.key)


def _sort_key(m: Monomial) -> tuple:
    """Higher degree first, then in the order of the symbols; constants last."""
    return (
        -sum(e for _, e in m),
        [(*_atom_order(a), -e) for a, e in sorted(m, key=lambda p: _atom_order(p[0]))],
    )
