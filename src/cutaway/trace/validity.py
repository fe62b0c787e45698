# When the formulas hold: the comparisons that the code made, as conditions on the sizes.
from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from itertools import pairwise
from math import lcm
from typing import Any

from cutaway.formula import Formula, const
from cutaway.trace.dim import Guard, Scope, is_count
from cutaway.trace.inputs import InputPlan

FEWEST_TURNS = 8  # comparisons of a counter with one size


def conditions(scope: Scope, plan: InputPlan, values: Mapping[str, int]) -> tuple[str, ...]:
    """The guards that say something, as text, the strictest of each kind, and the sizes that must exceed one."""
    bounds: dict[tuple, Guard] = {}
    for g in choices(scope):
        unequal = g.relation == "==" and not g.outcome
        if (unequal and not _is_remainder(g.difference)) or not _says_something(g):
            continue
        bounds.setdefault(_shape_of(g), g)
        if _offset(g) > _offset(bounds[_shape_of(g)]):
            bounds[_shape_of(g)] = g
    ones = [f"{s.name} {'==' if values.get(s.name) == 1 else '>'} 1" for s in plan.symbols]
    chunks = [f"{_plain(f)} {f'== {v}' if v < 2 else '> 1'}" for f, v in _counts(scope).items()]
    even = [
        f"{_plain(a)} % {_plain(b)} == 0"
        for a, b in scope.divides
        if a.constant() is None and (b.constant() or 0) < 256
    ]
    return (*ones, *(text(g) for g in bounds.values()), *chunks, *even, *_rests(scope, plan))


def _counts(scope: Scope) -> dict[Formula, int]:
    """The numbers of chunks that were met, but for those that are more than one because others are."""
    least: dict[Formula, Any] = {}
    for f, value in scope.counts.items():
        if value > 1:
            base, more = parted(f)
            least[base] = min(more, least.get(base, more))

    def smallest(f: Formula) -> bool:
        base, more = parted(f)
        return more == least[base]

    return {f: v for f, v in scope.counts.items() if v < 2 or smallest(f)}


def parted(f: Formula) -> tuple[Formula, Any]:
    """A formula without its constant, and the constant."""
    constant = f.terms.get((), 0)
    return f - constant, constant


def _rests(scope: Scope, plan: InputPlan) -> Iterator[str]:
    """What the sides of packed images leave beside whole windows or groups: a number of windows is known for no other rest."""
    for name, unit in plan.multiples().items() if plan.packed else ():
        if rest := scope.hints.get(name, 0) % unit:
            yield f"({name} - {rest}) % {unit} == 0"


def chunk_counts(scope: Scope, symbol: str) -> list[Formula]:
    """Numbers of chunks of this size that a run met, by themselves or in a size, the smallest chunks first."""
    found = {}
    parts = (Formula({((a, 1),): 1}) for f in scope.known.values() for m in f.terms for a, _ in m)
    for f in (*scope.counts, *(p for p in parts if is_count(p))):
        if f.symbols() == {symbol} and f.evaluate(scope.hints) > 1 and chunk_of(f):
            found.setdefault(parted(f)[0], f)
    return sorted(found.values(), key=lambda f: (chunk_of(f), f.key))


def chunk_of(count: Formula) -> int:
    """The chunk's length in `ceil(size / chunk)` or `floor(size / chunk) + 1`; 0 when it is no number."""
    (monomial,) = (m for m in count.terms if m)
    func: Any = monomial[0][0]
    length = func.args[1].constant() if func.name == "floor" else 0
    return length if isinstance(length, int) else 0


def _plain(f: Formula) -> str:
    text = str(f).replace("{", "").replace("}", "")
    return text if len(f.terms) == 1 and " * " not in text and " / " not in text else f"({text})"


def text(g: Guard) -> str:
    """`cache_len + 1 > 4096`: symbols on the left, the number on the right; what takes shares stands against the rest."""
    scale = lcm(*(Fraction(c).denominator for c in g.difference.terms.values()))
    difference = g.difference * scale
    left, constant = parted(difference)
    right = const(-constant)
    if scale > 1 and any(c > 0 for c in left.terms.values()):
        right = right - Formula({m: c for m, c in left.terms.items() if c < 0})
        left = left + right + constant
    relation = {
        ("<", True): "<",
        ("<", False): ">=",
        ("<=", True): "<=",
        ("<=", False): ">",
        ("==", True): "==",
        ("==", False): "!=",
    }[(g.relation, g.outcome)]
    if all(c < 0 for c in left.terms.values()):
        left, right = -left, -right
        relation = relation.translate(str.maketrans("<>", "><"))
    return f"{left} {relation} {right}".replace("{", "").replace("}", "")


def _says_something(g: Guard) -> bool:
    """Not what holds for all sizes above one: `seq_len > 0`, `cache_len + seq_len >= seq_len`."""
    d = g.difference
    constant = parted(d)[1]
    rest = [c for m, c in d.terms.items() if m]
    if all(c > 0 for c in rest):
        return not (constant + 2 * len(rest) > 0 and not _outcome_negative(g))
    if all(c < 0 for c in rest):
        return not (constant - 2 * len(rest) < 0 and _outcome_negative(g))
    return True


def _is_remainder(f: Formula) -> bool:
    """Whether this is `size % number`, which many sizes make zero: other differences are zero for one size alone."""
    return len(f.symbols()) == 1 and any(is_count(Formula({m: 1})) for m in f.terms)


def _outcome_negative(g: Guard) -> bool:
    return g.outcome if g.relation != "==" else False


def choices(scope: Scope) -> list[Guard]:
    """The guards without those by which `while n < size` counts its turns: they choose the end of a loop, and no branch.

    Nor does it that what counts down is one in the last turn.
    """
    same: dict[Any, list[Guard]] = {}
    for g in scope.guards:
        if g.relation != "==":
            same.setdefault((_base(g), g.relation), []).append(g)
    turns: set[Guard] = set()
    for group in same.values():
        group.sort(key=_constant)
        outcomes = [g.outcome for g in group]
        steps = {_constant(b) - _constant(a) for a, b in pairwise(group)}
        ends = outcomes[0] != outcomes[-1] and 1 in (outcomes.count(outcomes[0]), outcomes.count(outcomes[-1]))
        if len(group) >= FEWEST_TURNS and steps == {1} and ends:
            turns.update(group)
    counted = {_base(g) for g in turns}
    return [g for g in scope.guards if g not in turns and not (g.relation == "==" and g.outcome and _base(g) in counted)]


def _constant(g: Guard) -> Fraction:
    return Fraction(parted(g.difference)[1])


def _base(g: Guard) -> Any:
    return parted(g.difference)[0].key


def _shape_of(g: Guard) -> tuple:
    return (_base(g), g.relation in ("<", "<="), g.outcome)


def _offset(g: Guard) -> Fraction:
    sign = 1 if g.outcome else -1
    return _constant(g) * sign
