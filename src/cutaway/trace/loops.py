# Which sizes a forward loops over, in tokens or in chunks of them, and the few short runs from which the cost of all turns is
# fitted. Every loop is first tried by itself; where that does not explain the cost elsewhere, one loop stands in or beside
# another, and the runs are made on a grid of both sizes. Where one loop is known to be in another, and where nothing else
# explains the turns, they are summed up as they are.
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import islice
from math import lcm
from typing import TYPE_CHECKING

from cutaway.formula import Formula, sym
from cutaway.model import Cost, Gap, Module
from cutaway.trace.inputs import Symbol
from cutaway.trace.loop import Fitted, Loop, Runs, sizes_of
from cutaway.trace.packed import over_images
from cutaway.trace.spread import many_turns, rolled_up
from cutaway.trace.validity import choices, chunk_counts, chunk_of

if TYPE_CHECKING:
    from cutaway.trace.job import Job, Run

PARTS = ("flops", "matmul_flops", "read", "write")
MOST_LENGTHS = 99  # that are looked at for those of a loop
FEWEST = 11  # chunks: smaller numbers are easily taken for others
POINTS = ((4,), (6,))  # so many lengths are tried; the more explain higher powers
GRIDS = ((3, 3), (4, 3), (6, 4))  # and of two loops


def fit_loops(
    job: Job, first: Run, modules: list[Module], found: list[Gap], twin: Job, again: Run
) -> tuple[list[Module], list[Gap]]:
    """The modules of a forward with Python loops over sizes, or over numbers of chunks of them.

    `found` are the differences that two lengths showed: they stay as gaps where no loop explains them. The result must
    give the cost of the first run, and what `again`, a run of the `twin` with all sizes changed, has cost.
    """
    early = many_turns(job, first)
    if early and (rolled := rolled_up(job, first, modules, again)) is not None:
        return rolled, []
    elsewhere = cache(lambda: twin.modules(again)[0][-1].total)
    for (merged, gaps), sizes in _fits(Runs(job, first, again), modules):
        total = merged[-1].total
        if not gaps and _agree(total, modules[-1].total, first) and _agree(total, elsewhere(), again):
            for guard in [g for g in choices(first.scope) if not all(map(g.holds, sizes))]:
                del first.scope.guards[guard]  # a turn's own, such as a last chunk cut short: other runs are fitted too
            return merged, []
        found = gaps or found
        if job.plan.packed and not gaps and not early:  # nearly: a size that was lost is seen in a few runs, not in a grid
            early = True
            if (rolled := rolled_up(job, first, modules, again)) is not None:
                return rolled, []
    rolled = None if early else rolled_up(job, first, modules, again)
    return (modules, found) if rolled is None else (rolled, [])


Fit = tuple[Fitted, list[dict[str, int]]]  # and the sizes of the runs that were fitted


def _fits(runs: Runs, modules: list[Module]) -> Iterator[Fit]:
    """The modules as each loop explains them, or two; those that cost the fewest runs first."""
    job, hints = runs.job, runs.first.scope.hints
    images = list(over_images(runs))
    first = images if images and runs.explain(*images[0]) else []  # else other sizes are looped over too
    yield from _of_images(runs, first)
    looped: list[Loop] = []
    free = [s for s in job.plan.symbols if hints[s.name] > 1]
    for symbol in sorted(free, key=lambda s: s.name == "batch_size"):  # loops over tokens are the most common
        for loop in _loops(job, runs.first, hints, symbol):
            if loop.parts is not None and hints[symbol.name] in loop.lengths:
                runs.priced[sizes_of(((loop, hints[symbol.name]),))] = modules
            if not runs.grows(loop):
                continue
            if runs.turns_tell(loop):
                if not runs.rounds_so(loop):
                    continue
                for other in (o for o in looped if o.symbol != loop.symbol):
                    yield from _with_points(runs, (other, loop), GRIDS)
                yield from _with_points(runs, (loop,), POINTS)
                looped.append(loop)
            elif (rest := loop.left()) is not None:
                yield from _with_points(runs, (rest, loop), GRIDS)
    yield from _of_images(runs, images[len(first) :])


def _of_images(runs: Runs, several: Sequence[tuple[tuple[Loop, ...], tuple[int, ...]]]) -> Iterator[Fit]:
    """Fits over images and their sides, also where ops that cost nothing are more or fewer at sides that are numbers."""
    for loops, points in several:
        yield runs.fitted(loops, points), runs.sizes(loops, points)


def _with_points(runs: Runs, loops: Sequence[Loop], several: Sequence[tuple[int, ...]]) -> Iterator[Fit]:
    """Fits from few lengths, and from more where a line asks for it."""
    for points in several:
        if not runs.explain(loops, points):
            continue
        found = runs.fitted(loops, points)
        yield found, runs.sizes(loops, points)
        if not found[1]:
            return


def _loops(job: Job, first: Run, hints: Mapping[str, int], symbol: Symbol) -> Iterator[Loop]:
    """What a loop over this size may be."""
    yield from _over_chunks(job, first, hints, symbol)
    yield from _over_tokens(job, first, hints, symbol)
    lengths = tuple(hints[symbol.name] - n * symbol.multiple_of for n in (7, 6, 4, 0, 3, 1))
    roomy = lengths[0] > symbol.low and job.plan.with_room(at := {**hints, symbol.name: lengths[0]}) == at
    if roomy and chunk_counts(first.scope, symbol.name):  # a loop over tokens, and chunks beside it
        yield Loop(symbol.name, lengths, sym(symbol.name))


def _over_tokens(job: Job, first: Run, hints: Mapping[str, int], symbol: Symbol) -> Iterator[Loop]:
    """Each turn takes a token (or a sequence): the number of ops is a polynomial in the size itself.

    The lengths are no numbers that other sizes of the first run have: products with them could not be told apart.
    """
    start = 2 if symbol.name == "batch_size" else symbol.low // symbol.multiple_of + 12
    lengths = (n * symbol.multiple_of for n in range(start, start + MOST_LENGTHS))  # beyond, an image outgrows its text
    fits = (n for n in lengths if job.plan.with_room(at := {**hints, symbol.name: n}) == at)
    usable = list(islice((n for n in fits if n not in first.scope.known), 7))
    if len(usable) == 7:
        yield Loop(symbol.name, tuple(usable[i] for i in (0, 1, 2, 4, 3, 6)))


def _over_chunks(job: Job, first: Run, hints: Mapping[str, int], symbol: Symbol) -> Iterator[Loop]:
    """Each turn takes a chunk: the number of ops is a polynomial in `ceil(size / chunk)`, which a first run has met."""
    limit = job.longest
    for chunks in chunk_counts(first.scope, symbol.name):
        step = lcm(chunk_of(chunks), symbol.multiple_of)  # lengths that the model takes, with the rest of the first run
        least = max(FEWEST, symbol.low // step + 1)
        here = hints[symbol.name]
        lengths = [step * (least + n) + here % step for n in (0, 1, 2, 4, 3, 6)]
        if here > lengths[2]:  # the first run is of the same kind
            lengths[3:] = [here, *(n for n in lengths[3:] if n != here)]
        roomy = all(job.plan.with_room(at := {**hints, symbol.name: n}) == at for n in lengths)  # for an image in its text
        apart = len({chunks.evaluate({symbol.name: n}) for n in lengths}) == len(lengths)
        if roomy and apart and (limit is None or here >= limit or limit > max(lengths)):
            beside = _beside(lengths[0], chunks, step, symbol)
            whole = lengths[0] // step * step + step if here % step else None
            yield Loop(symbol.name, tuple(lengths), chunks, beside, whole)


def _beside(length: int, chunks: Formula, step: int, symbol: Symbol) -> int | None:
    """A neighbour of the length with as many chunks; where chunks are whole, others may be padded or refused."""
    count = lambda n: chunks.evaluate({symbol.name: n})  # noqa: E731
    near = (length + symbol.multiple_of, length - symbol.multiple_of)
    return next((n for n in near if length % step and n % step and count(n) == count(length)), None)


def _agree(a: Cost, b: Cost, run: Run) -> bool:
    """Whether two costs are the same at the sizes of this run."""
    at = {**run.scope.hints, "w_bytes": 2, "a_bytes": 2, "kv_bytes": 2}
    return all(getattr(a, n).evaluate(at) == getattr(b, n).evaluate(at) for n in PARTS)
