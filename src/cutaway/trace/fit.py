# Where a Python loop runs over a size, symbols cannot pass: the code itself is different for each length. Then the pass is
# traced at several lengths and each line's cost is fitted exactly, in rational arithmetic, as a polynomial in the length;
# lengths that were not used for the fit, and one far outside, must agree to the last unit. Nothing is approximated.
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from cutaway.formula import Formula, const, sym
from cutaway.formula.core import ZERO, Func, Monomial, add, minimum, product
from cutaway.model import Call, Cost, Gap, Kernel, Module, Step

DEGREE = 3
_PARTS = ("flops", "matmul_flops", "read", "write")


@dataclass(frozen=True)
class Along:
    """A size, or another whole number, and the points at which the runs have it. So many of them are spared in every
    fit, to check it: none only where the caller holds what comes out against runs at quite other sizes."""

    symbol: str
    points: Sequence[int]
    spare: int = 1


def fit_formula(along: Along, values: Sequence[Formula]) -> Formula | None:
    """The formula that takes each of `values` at its point; None when no low polynomial does."""
    values = _joined(along, values)
    if all(v == values[0] for v in values):
        return values[0]
    monomials: dict[Monomial, None] = {}
    for v in values:
        monomials.update(dict.fromkeys(v.terms))
    parts = []
    for m in monomials:
        polynomial = _polynomial(along, [Fraction(v.terms.get(m, 0)) for v in values])
        if polynomial is None:
            return None
        parts.append(Formula({m: 1}) * polynomial)
    return add(parts)


def _joined(along: Along, values: Sequence[Formula]) -> Sequence[Formula]:
    """The values with one minimum in place of those that differ in one argument from run to run.

    Of `min(16 * {seq_len}, 256)` and `min(24 * {seq_len}, 256)` at 2 and 3 it is `min(8 * {batch_size} * {seq_len}, 256)`:
    so many experts the tokens meet.
    """
    atoms = [{a for m in v.terms for a, _ in m if isinstance(a, Func) and a.name == "min"} for v in values]
    own = [sorted(found - set.intersection(*atoms), key=lambda a: a.key) for found in atoms]
    if not own[0] or any(len(found) != len(own[0]) for found in own):
        return values
    swaps: list[dict[Func, Formula]] = [{} for _ in values]
    for first in own[0]:
        for limit in first.args:
            same = [[a for a in found if limit in a.args] for found in own]
            if all(len(found) == 1 for found in same):
                args = [next(x for x in a.args if x != limit) for (a,) in same]
                if (joined := fit_formula(along, args)) is not None:
                    for swap, (a,) in zip(swaps, same, strict=True):
                        swap[a] = minimum(joined, limit)
    return [_swapped(v, swap) for v, swap in zip(values, swaps, strict=True)]


def _swapped(f: Formula, swap: Mapping[Func, Formula]) -> Formula:
    if not swap:
        return f
    parts = (
        product([const(c), *(swap.get(a, Formula({((a, 1),): 1})) ** e for a, e in m)]) for m, c in f.terms.items()
    )
    return add(parts)


def _polynomial(along: Along, ys: Sequence[Fraction]) -> Formula | None:
    """The lowest polynomial through all the points, of degree three at the most (Newton's divided differences)."""
    x, points = sym(along.symbol), along.points
    for degree in range(min(DEGREE, len(points) - 1 - along.spare) + 1):
        table = list(ys[: degree + 1])
        for level in range(1, degree + 1):
            for i in range(degree, level - 1, -1):
                table[i] = (table[i] - table[i - 1]) / (points[i] - points[i - level])
        found, basis = ZERO, const(1)
        for i, c in enumerate(table):
            found, basis = found + basis * const(c), basis * (x - points[i])
        if all(found.evaluate({along.symbol: p}) == y for p, y in zip(points, ys, strict=True)):
            return found
    return None


def merge(along: Along, runs: Sequence[Sequence[Module]]) -> tuple[list[Module], list[Gap]]:
    """One list of modules from those of several lengths; a line that fits no polynomial is a gap."""
    gaps: list[Gap] = []
    kinds = {tuple(m.class_name for m in modules) for modules in runs}
    if len(kinds) != 1:
        last = runs[-1]
        return list(last), [
            Gap(last[-1].class_name, str(last[-1].source), f"which modules run depends on {along.symbol}", True)
        ]
    merged: list[Module] = []
    for same in zip(*runs, strict=True):
        merged.append(_merge_module(along, same, merged, gaps))
    return merged, gaps


def substitute(modules: Sequence[Module], symbol: str, by: Formula) -> list[Module]:
    """The modules with `symbol` replaced in every formula."""
    change = {symbol: by}

    def cost(c: Cost) -> Cost:
        return Cost(*(getattr(c, n).substitute(change) for n in _PARTS))

    def specs(some: tuple) -> tuple:
        return tuple(replace(s, dims=tuple(d.substitute(change) for d in s.dims)) for s in some)

    def step(s: Step) -> Step:
        shapes = {"inputs": specs(s.inputs), "outputs": specs(s.outputs)}
        if isinstance(s, Kernel):
            return replace(s, cost=cost(s.cost), fused=cost(s.fused), **shapes)
        repeat = s.repeat.substitute(change) if isinstance(s.repeat, Formula) else s.repeat
        return replace(s, repeat=repeat, **shapes)

    return [
        replace(
            m,
            inputs=specs(m.inputs),
            outputs=specs(m.outputs),
            own=cost(m.own),
            total=cost(m.total),
            fused=cost(m.fused),
            steps=tuple(step(s) for s in m.steps),
        )
        for m in modules
    ]


def _merge_module(
    along: Along, same: Sequence[Module], below: Sequence[Module], gaps: list[Gap]
) -> Module:
    first = same[-1]
    groups = [_groups(m.steps) for m in same]
    keys = list(dict.fromkeys(k for g in groups for k in g))
    steps: list[Step] = []
    for key in keys:
        for members in _each([g.get(key, []) for g in groups]):
            step = _merge_steps(along, members)
            if step is None:
                shown = next(m[0] for m in members if m)
                name = shown.op if isinstance(shown, Kernel) else below[shown.module].class_name
                gaps.append(
                    Gap(
                        name,
                        str(shown.stack[-1]) if shown.stack else str(first.source),
                        f"its cost fits no polynomial in {along.symbol}",
                        approximate=True,
                    )
                )
            else:
                steps.append(step)
    own = _sum([s.cost * s.repeat for s in steps if isinstance(s, Kernel)])
    total = _sum([own, *(_times(below[s.module].total, s.repeat) for s in steps if isinstance(s, Call))])
    fused = _fit_cost(along, [m.fused for m in same])
    return replace(
        first,
        steps=tuple(steps),
        own=own,
        total=total,
        fused=fused if fused is not None else total,
        inputs=_fit_specs(along, [m.inputs for m in same]),
        outputs=_fit_specs(along, [m.outputs for m in same]),
    )


def _groups(steps: Sequence[Step]) -> dict[tuple, list[Step]]:
    """Steps by what they are and where they stand: the turns of a loop come together."""
    found: dict[tuple, list[Step]] = {}
    for s in steps:
        key = (s.module, s.stack) if isinstance(s, Call) else (s.op, s.stack)
        found.setdefault(key, []).append(s)
    return found


def _each(members: list[list[Step]]) -> list[list[list[Step]]]:
    """Where every run has the same steps in this place, as often, each by itself: they are no turns of a loop."""
    if len({tuple(s.repeat for s in m) for m in members}) > 1:
        return [members]
    return [[[s] for s in same] for same in zip(*members, strict=True)]


def _merge_steps(along: Along, members: Sequence[Sequence[Step]]) -> Step | None:
    shown = next(m[0] for m in reversed(members) if m)
    if isinstance(shown, Call):
        times = fit_formula(along, [add(s.repeat for s in m) for m in members])
        return (
            None
            if times is None
            else replace(
                shown,
                repeat=_number(times),
                turns=shown.turns if times == len(shown.turns) else (),
                **_fitted_specs(along, members),
            )
        )
    if all(len(m) == 1 and m[0].repeat == shown.repeat for m in members):
        costs, repeat = [m[0].cost for m in members], shown.repeat
    else:
        costs, repeat = [_sum([s.cost * s.repeat for s in m]) for m in members], 1
    cost = _fit_cost(along, costs)
    if cost is None:
        return None
    looped = repeat == 1 and any(len(m) != 1 or m[0].repeat != 1 for m in members)
    text = f"{shown.analysis}; all turns of a loop over {along.symbol} together" if looped else shown.analysis
    return replace(
        shown,
        cost=cost,
        fused=cost if looped else shown.fused,
        analysis=text,
        repeat=repeat,
        turns=() if looped else shown.turns,
        **_fitted_specs(along, members),
    )


def _fitted_specs(along: Along, members: Sequence[Sequence[Step]]) -> dict:
    if not all(members):
        return {}
    return {n: _fit_specs(along, [getattr(m[0], n) for m in members]) for n in ("inputs", "outputs")}


def _fit_specs(along: Along, specs: Sequence[tuple]) -> tuple:
    """Sizes as formulas of the length; where the turns of a loop differ, those of the last trace are shown."""
    out = []
    for same in zip(*specs, strict=False):
        if len({len(s.dims) for s in same}) != 1 or len(same) != len(along.points):
            out.append(same[-1])
            continue
        dims = [fit_formula(along, d) for d in zip(*(s.dims for s in same), strict=True)]
        out.append(
            replace(
                same[-1], dims=tuple(d if d is not None else same[-1].dims[i] for i, d in enumerate(dims))
            )
        )
    return tuple(out)


def _fit_cost(along: Along, costs: Sequence[Cost]) -> Cost | None:
    parts = [fit_formula(along, [getattr(c, n) for c in costs]) for n in _PARTS]
    return None if any(p is None for p in parts) else Cost(*parts)


def _sum(costs: Sequence[Cost]) -> Cost:
    return Cost(*(add(getattr(c, n) for c in costs) for n in _PARTS))


def _times(cost: Cost, repeat: int | Formula) -> Cost:
    return Cost(*(getattr(cost, n) * repeat for n in _PARTS))


def _number(f: Formula) -> int | Formula:
    value = f.constant()
    return value if isinstance(value, int) else f
