# Formulas as code: one numpy function for a whole model's totals over a grid, and JavaScript for pages.
from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

from cutaway.formula.core import Formula, Func


def compile_formulas(formulas: Sequence[Formula], names: Sequence[str]) -> Callable[..., list[Any]]:
    """One function of `names` (numbers or numpy arrays that broadcast) that returns the value of each formula.

    Arrays are taken as they come: pass float64 where a product may exceed 2**63.
    """
    missing = frozenset().union(*(f.symbols() for f in formulas)) - set(names) if formulas else frozenset()
    if missing:
        raise KeyError(", ".join(sorted(missing)))
    body = ", ".join(_python(f) for f in formulas)
    scope: dict[str, Any] = {}
    import numpy as np

    exec(  # the source is built here from integers and identifiers alone
        compile(f"def evaluate({', '.join(names)}):\n    return [{body}]", "<formulas>", "exec"),
        {"minimum": np.minimum, "maximum": np.maximum, "ceil_log2": lambda n: np.ceil(np.log2(n))},
        scope,
    )
    return scope["evaluate"]


def to_javascript(f: Formula) -> str:
    """A JavaScript expression over variables of the same names."""
    text = _python(f, floor="Math.floor({a} / {b})")
    return (
        text.replace("minimum(", "Math.min(")
        .replace("maximum(", "Math.max(")
        .replace("ceil_log2(", "(n => Math.ceil(Math.log2(n)))(")
    )


def _python(f: Formula, floor: str = "({a} // {b})") -> str:
    """Horner form in the variable that most terms share: fewer array passes than the plain sum."""
    if not f.terms:
        return "0"
    if len(f.terms) == 1:
        ((m, c),) = f.terms.items()
        return _monomial(m, c, floor)
    counts: dict[Any, int] = {}
    for m in f.terms:
        for atom, e in m:
            if e > 0:
                counts[atom] = counts.get(atom, 0) + 1
    atom, times = max(counts.items(), key=lambda p: p[1]) if counts else (None, 0)
    if times < 2:
        return "(" + " + ".join(_monomial(m, c, floor) for m, c in f.terms.items()) + ")"
    inside = {_lower(m, atom): c for m, c in f.terms.items() if dict(m).get(atom, 0) > 0}
    outside = {m: c for m, c in f.terms.items() if dict(m).get(atom, 0) <= 0}
    text = f"{_atom(atom, floor)} * {_python(Formula(inside), floor)}"
    return f"({text} + {_python(Formula(outside), floor)})" if outside else text


def _lower(m: tuple, atom: Any) -> tuple:
    return tuple((a, e - (a == atom)) for a, e in m if e - (a == atom))


def _monomial(m: tuple, c: Any, floor: str) -> str:
    c = Fraction(c)
    parts = [str(c.numerator)] if c.numerator != 1 or not m else []
    parts += [_atom(a, floor) for a, e in m for _ in range(e) if e > 0]
    text = " * ".join(parts) or "1"
    below = ([str(c.denominator)] if c.denominator != 1 else []) + [
        _atom(a, floor) for a, e in m for _ in range(-e) if e < 0
    ]
    return f"({text} / ({' * '.join(below)}))" if below else text


def _atom(atom: Any, floor: str) -> str:
    if isinstance(atom, str):
        return atom
    assert isinstance(atom, Func)
    a, b = (_python(arg, floor) for arg in atom.args)
    if atom.name == "log2":
        return f"ceil_log2({a})"
    return floor.format(a=f"({a})", b=f"({b})") if atom.name == "floor" else f"{atom.name}imum({a}, {b})"
