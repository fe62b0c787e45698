# Sizes that lost their formula on a way that nobody sees (`int()`, a list, another library): several runs show them as
# several numbers. The formula is then one of those that the runs have met, perhaps cut off at a number, or a simple sum of
# two and a number, that gives all of them. It is told to further runs for that very place, and a run at sizes of its own
# must agree: no chance passes.
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

from cutaway.formula import Formula, minimum, sym
from cutaway.trace.dim import Scope
from cutaway.trace.record import CallEvent, ModuleRun, OpEvent

Place = tuple[Any, str, int, int]  # where the op stands, its name, which output, which of its sizes
Told = Mapping[Place, tuple[Formula, ...]]

TIMES = (1, 2, 3, 4)
ROUNDS = 3  # what is told in one may uncover more in the next
MOST = 40  # formulas, the simplest of a run, that are added to one another


def explanations(roots: Sequence[ModuleRun], scopes: Sequence[Scope], told: Told) -> Told:
    """`told` with a formula more for each size that has others in other runs, though the op's inputs have the same."""
    met = {f.key: f for f in (*map(sym, scopes[0].hints), *scopes[0].known.values(), *_sizes(roots[0], set()))}
    formulas = sorted((f for f in met.values() if f.constant() is None), key=lambda f: (len(f.key), f.key))
    known = [(f, [f.evaluate(s.hints) for s in scopes]) for f in formulas]
    found: dict[Place, tuple[Formula, ...]] = dict(told)
    for place, numbers in _apart(roots, set()):
        formula = _through(known, numbers)
        if formula is not None and formula not in found.get(place, ()):
            found[place] = (*found.get(place, ()), formula)
    return found


def explained(told: Told, place: tuple[Any, str, int], dims: tuple, sizes: tuple, scope: Scope) -> tuple:
    """The sizes of an output, with what is told of them where it gives these numbers."""
    return tuple(
        next((f for f in told.get((*place, i), ()) if f.evaluate(scope.hints) == v), d)
        for i, (d, v) in enumerate(zip(dims, sizes, strict=True))
    )


def same_ops(a: ModuleRun, b: ModuleRun, seen: set[int] | None = None) -> bool:
    """Whether two runs did the same, in the same order."""
    seen = set() if seen is None else seen
    if id(a) in seen:
        return True
    seen.add(id(a))
    return len(a.events) == len(b.events) and all(
        same_ops(x.module, y.module, seen)
        if isinstance(x, CallEvent) and isinstance(y, CallEvent)
        else isinstance(x, OpEvent) and isinstance(y, OpEvent) and x.func is y.func
        for x, y in zip(a.events, b.events, strict=True)
    )


def _through(known: list[tuple[Formula, list]], numbers: list[int]) -> Formula | None:
    """The simplest formula that is each of these numbers in its run."""
    singles = ((f * k, [k * v for v in values]) for (f, values), k in product(known, TIMES))
    some = known[:MOST]
    pairs = (
        (f + g * k, [u + k * v for u, v in zip(us, vs, strict=True)])
        for (f, us), (g, vs), k in product(some, some, (*TIMES[:2], *(-k for k in TIMES)))
    )
    for sums in (singles, _cut_off(known, max(numbers)), pairs):
        fits = [
            (abs(rests[0]), len(f.key), f.key, f + rests[0])
            for f, values in sums
            if len(set(rests := [n - v for n, v in zip(numbers, values, strict=True)])) == 1
        ]
        if fits:
            return min(fits, key=lambda fit: fit[:3])[-1]
    return None


def _cut_off(known: list[tuple[Formula, list]], most: int) -> Iterator[tuple[Formula, list]]:
    """As many as there are, up to a number that some runs have reached and others have not, as in a window."""
    for f, values in known:
        if min(values) < most < max(values):
            yield minimum(f, most), [min(v, most) for v in values]


def _sizes(run: ModuleRun, seen: set[int]) -> Iterator[Formula]:
    """Every size of every tensor of a run."""
    if id(run) in seen:
        return
    seen.add(id(run))
    for event in run.events:
        if isinstance(event, CallEvent):
            yield from _sizes(event.module, seen)
        else:
            for ref in event.outputs:
                yield from ref.dims


def _apart(runs: Sequence[ModuleRun], seen: set[int]) -> Iterator[tuple[Place, list[int]]]:
    """Sizes whose formulas differ between the runs where they first do, with their numbers."""
    if id(runs[0]) in seen or len({len(r.events) for r in runs}) > 1:
        return
    seen.add(id(runs[0]))
    for same in zip(*(r.events for r in runs), strict=True):
        if all(isinstance(e, CallEvent) for e in same):
            yield from _apart([e.module for e in same], seen)
        elif all(isinstance(e, OpEvent) and e.func is same[0].func for e in same):
            if all([r.dims for r in e.inputs] == [r.dims for r in same[0].inputs] for e in same):
                yield from _apart_of(same)
        else:
            return


def _apart_of(same: Sequence[OpEvent]) -> Iterator[tuple[Place, list[int]]]:
    for n, refs in enumerate(zip(*(e.outputs for e in same), strict=False)):
        for i, dims in enumerate(zip(*(r.dims for r in refs), strict=False)):
            if len(set(dims)) > 1:
                yield (same[0].where, str(same[0].func), n, i), [r.sizes[i] for r in refs]
