# What the turns of a loop cost together, from the turns of a few runs. A long run has those of all shorter ones at its
# beginning: the sum over the first k turns is known for every k up to its own number, and is the same polynomial in k, or one
# for each rest that k leaves in a small number, from some turn on. So few runs tell what else a run for each length would.
from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import accumulate, combinations

from cutaway.formula import Formula, const, floor_div, maximum, minimum
from cutaway.formula.core import ONE, Monomial, Number, add

DEGREE = 3
PERIOD = 8  # the longest that is looked for: `floor(k / 8)` and what is left of it


class Through:
    """Polynomials through what was found at a few points: in one to three of `sizes`, the simplest first.

    `steps` are sizes that have two values only, such as `min(chunks, 2)`: whatever depends on them alone is a line.
    """

    def __init__(self, points: Sequence[Mapping[str, int]], sizes: Sequence[Formula], steps: Sequence[Formula] = ()):
        columns = [(u, [u.evaluate(p) for p in points]) for u in sizes]
        one = (ONE, [1] * len(points))
        self.bases = [(one, u) for u in columns]
        self.bases += [(one, (u, [u.evaluate(p) for p in points])) for u in steps]
        self.steps = steps
        self.bases += [(one, u, _times(u, u)) for u in columns]
        for u, v in combinations(columns, 2):
            area = _times(u, v)
            self.bases += [(one, u, v), (one, u, v, area), (one, area, _times(area, area))]
        self.bases += [(one, _times(_times(u, v), w)) for u, v, w in combinations(columns, 3)]

    def __call__(self, values: Sequence[Formula], at: Sequence[int] | None = None) -> Formula | None:
        """The one that is each of `values` at its point (of the points `at` these places); None where there is none.

        It is held against a point more, at least, than it has coefficients.
        """
        if all(v == values[0] for v in values):
            return values[0]
        at = range(len(values)) if at is None else at
        monomials = dict.fromkeys(m for v in values for m in v.terms)
        for basis in self.bases:
            rows = tuple(tuple(column[i] for _, column in basis) for i in at)
            seen = Counter(rows)
            if len(seen) <= len(basis) and not (basis[-1][0] in self.steps and min(seen.values()) > 1):
                continue
            found = []
            for m in monomials:
                if (coefficients := _solved(rows, [v.terms.get(m, 0) for v in values])) is None:
                    break
                found += [Formula({m: 1}) * b * c for (b, _), c in zip(basis, coefficients, strict=True)]
            else:
                return add(found)
        return None


def _times(u: tuple[Formula, list[int]], v: tuple[Formula, list[int]]) -> tuple[Formula, list[int]]:
    return u[0] * v[0], [a * b for a, b in zip(u[1], v[1], strict=True)]


def _solved(rows: tuple[tuple[int, ...], ...], values: Sequence[Number]) -> list[Number] | None:
    """The coefficients; None where there are none, or several."""
    chosen, inverse = _inverse(rows)
    if not inverse:
        return None
    found = [sum(c * values[i] for c, i in zip(line, chosen, strict=True)) for line in inverse]
    right = all(sum(c * x for c, x in zip(found, row, strict=True)) == v for row, v in zip(rows, values, strict=True))
    return found if right else None


@lru_cache(maxsize=1 << 12)
def _inverse(rows: tuple[tuple[int, ...], ...]) -> tuple[list[int], list[list[Fraction]]]:
    """So many rows as tell the coefficients, and what these are of their values; nothing where they do not tell them."""
    chosen: list[int] = []
    table: list[list[Fraction]] = []  # the chosen rows, reduced, and of which values they are made
    width = len(rows[0])
    for i, row in enumerate(rows):
        line = [*map(Fraction, row), *(Fraction(n == len(chosen)) for n in range(width))]
        for lead, other in zip(_leads(table, width), table, strict=True):
            line = [x - line[lead] * y for x, y in zip(line, other, strict=True)]
        lead = next((n for n in range(width) if line[n]), None)
        if lead is None:
            continue
        line = [x / line[lead] for x in line]
        table = [[x - other[lead] * y for x, y in zip(other, line, strict=True)] for other in table] + [line]
        chosen.append(i)
        if len(chosen) == width:
            return chosen, [line[width:] for line in sorted(table, key=lambda t: t[:width], reverse=True)]
    return [], []


def _leads(table: Sequence[Sequence[Fraction]], width: int) -> list[int]:
    return [next(n for n in range(width) if t[n]) for t in table]


def summed(turns: Sequence[Formula], count: Formula) -> Formula | None:
    """The sum over the first `count` of `turns`, for every `count`: as they begin, and as they go on from some turn on."""
    parts: list[Formula] = []
    monomials: dict[Monomial, None] = dict.fromkeys(m for t in turns for m in t.terms)
    for m in monomials:
        found = _in_pieces([0, *accumulate(t.terms.get(m, 0) for t in turns)], count)
        if found is None:
            return None
        parts.append(Formula({m: 1}) * found)
    return add(parts)


def _in_pieces(ys: Sequence[Number], k: Formula) -> Formula | None:
    """What takes each of `ys` at its place: one polynomial by rest to the end, another before."""
    fits = [(start + (d + 1) * r, start, r, d) for r, d, start in _regular(ys)]
    if not fits:
        return None
    _, start, r, d = min(fits)
    if not start:
        return _by_rest(ys, 0, r, d, k)
    before = next((_by_rest(ys, 0, p, d, minimum(k, start)) for p, d in _exact(ys[: start + 1], r)), None)
    if before is None:
        return None
    return before + _by_rest(ys, start, r, d, maximum(k, start)) - const(ys[start])


def _regular(ys: Sequence[Number]) -> Iterator[tuple[int, int, int]]:
    """Periods and degrees with the place from which they hold, with twice as many checks as there are rests."""
    for r in range(1, PERIOD + 1):
        for d, left in enumerate(_differences(ys, r)):
            start = next((i + 1 for i in range(len(left) - 1, -1, -1) if left[i]), 0)
            if len(left) - start >= max(2 * r, 3):
                yield r, d, start
                break


def _exact(ys: Sequence[Number], period: int) -> Iterator[tuple[int, int]]:
    """Periods and degrees that hold for all; there need be no check, for these are all there are."""
    for r in sorted(range(1, PERIOD + 1), key=lambda r: r != period):
        for d, left in enumerate(_differences(ys, r)):
            if not any(left) and (d + 1) * r <= len(ys):
                yield r, d
                break


def _differences(ys: Sequence[Number], r: int) -> Iterator[list[Number]]:
    """What is left of them at degree zero, one … : nothing where the polynomial of each rest has that degree."""
    left = list(ys)
    for _ in range(DEGREE + 1):
        left = [b - a for a, b in zip(left, left[r:], strict=False)]
        yield left


def _by_rest(ys: Sequence[Number], start: int, r: int, d: int, k: Formula) -> Formula:
    """The polynomial in `floor(k / r)`, with coefficients that are polynomials in what is left of k."""
    n = floor_div(k, r)
    rest = k - n * r
    powers: list[list[Number]] = []  # for each rest, the coefficients
    for c in range(r):
        first = start + (c - start) % r
        at = list(range(first, len(ys), r))[: d + 1]
        powers.append(_solved(tuple(tuple((i // r) ** e for e in range(len(at))) for i in at), [ys[i] for i in at]) or [])
    parts = []
    for e in range(d + 1):
        column = [p[e] if e < len(p) else 0 for p in powers]
        solved = _solved(tuple(tuple(c**i for i in range(r)) for c in range(r)), column) or []
        parts += [rest**i * n**e * c for i, c in enumerate(solved) if c]
    return add(parts)
