# The few runs whose turns are summed up, spread over the sizes so that each of them, what whole chunks leave of it and how
# many chunks it has can be told apart in what a line costs.
from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from cutaway.errors import ForwardRaised
from cutaway.formula import Formula, maximum, minimum, sym
from cutaway.model import Module
from cutaway.trace.dim import Scope
from cutaway.trace.inputs import Symbol
from cutaway.trace.packed import GROUPS
from cutaway.trace.record import count_ops
from cutaway.trace.rolled import Roll, Sample, Unfit
from cutaway.trace.validity import choices, chunk_counts, chunk_of, parted

if TYPE_CHECKING:
    from cutaway.trace.job import Job, Run

Row = tuple[int, int, int]
FEW = 12  # sequences: they move by what follows first, other sizes by so many chunks and more
SPREAD = ((1, 0, 0), (0, 1, 9), (-1, 2, 5), (-1, 0, 17), (0, 0, -99))
SIDES = ((2, 7, 11), (3, 9, 6), (5, 8, 8), (2, 6, 14), (3, 12, 5), (4, 5, 9))  # images, and groups of patches
# Without an end in sight: few sequences, so many chunks (or eights, where there are none) and so many tokens more.
LOOSE = ((2, 3, 1), (3, 2, 30), (2, 5, 13), (5, 3, 7), (3, 4, 0), (2, 2, 22))


def many_turns(job: Job, first: Run) -> bool:
    """Whether there is a loop over sequences, or one loop in another, for which the first run was as small as can be.

    Grids of such runs take their time; their turns are looked at first.
    """
    hints = first.scope.hints
    if job.plan.packed or job.twin is not None:
        return False
    if hints == job.smallest({n: 1 for n, v in hints.items() if v == 1}):
        return True
    if hints.get("batch_size", 1) == 1:
        return False
    return count_ops(job.trace({**hints, "batch_size": 3}, lines=False).root) != count_ops(first.root)


def rolled_up(job: Job, first: Run, modules: list[Module], again: Run) -> list[Module] | None:
    """The modules from few runs at small sizes; None where these do not explain them.

    Conditions that do not hold at all of the runs are left out of the first run's, and those are added under which there
    are as many turns as their formulas say.
    """
    hints = first.scope.hints
    if job.twin is not None:
        return None
    short = any(f.evaluate(hints) == 1 for f in _counts(first.scope))  # no more than one chunk: its neighbours may have more
    runs = [first, again]
    for sizes in _images(job, first) if job.plan.packed else _close(job, first) if short else _loose(job, first):
        with suppress(ForwardRaised):
            plain = {n: v for n, v in sizes.items() if job.plan.packed and n == "batch_size"}
            runs.append(job.trace(sizes, fixed=plain, lines=False))
    met = {n: {run.scope.hints[n] for run in runs} for n, v in hints.items() if v > 1}
    if any(len(values) < (3 if n == "batch_size" else 4) for n, values in met.items()):
        return None  # so few sizes prove nothing
    samples = [Sample(run.scope.hints, job.modules(run)[0] if run is not first else modules) for run in runs]
    counts = _counts(first.scope)
    several = [minimum(f, 2) for f in counts if f.evaluate(hints) == 1]  # what is done where there is more than one
    sides = [sym(n) for n in GROUPS if hints.get(n, 1) > 1]
    longer = [maximum(*sides)] if len(sides) == 2 else []  # a table of places along either side is as long
    try:
        roll = Roll(samples, [*(sym(n) for n, v in hints.items() if v > 1), *counts, *_rests(counts), *longer], several)
        roll.node([[len(s.modules) - 1] for s in samples])
    except Unfit:
        return None
    _hold_for(first.scope, [s.sizes for s in samples])
    for guard in roll.guards:
        first.scope.note(guard)
    most = ", ".join(f"{n} {max(s.sizes[n] for s in samples)}" for n, v in hints.items() if v > 1)
    first.scope.assumptions[f"loops go on as they were followed, up to {most}"] = None
    return roll.modules


def _counts(scope: Scope) -> list[Formula]:
    """Numbers of chunks of one size that the run met."""
    found = [f for f in scope.counts if len(f.symbols()) == 1 and chunk_of(f)]
    found += [f for n in scope.hints for f in chunk_counts(scope, n)]
    return list({parted(f)[0]: f for f in found}.values())


def _rests(counts: Sequence[Formula]) -> list[Formula]:
    """What chunks leave, or the last of them has: the size without the others."""
    return [sym(n) - f * chunk_of(f) for f in counts for n in f.symbols()]


def _close(job: Job, first: Run) -> Iterator[dict[str, int]]:
    """One size moves by itself, others together, to the least and beyond the first chunks too."""
    chunk = _longest_chunks(first.scope)

    def size(s: Symbol, here: int, row: Row) -> int:
        few, chunks, more = row
        by = few if s.name == "batch_size" and here < FEW else chunks * chunk.get(s.name, 0) + more
        return max(s.low, 2, here + by * s.multiple_of)

    return (job.plan.with_room(m) for m in _moved(job, first, SPREAD, size) if m != first.scope.hints)


def _loose(job: Job, first: Run) -> Iterator[dict[str, int]]:
    """Short lengths of several chunks, with other rests each, and few sequences."""
    chunk = _longest_chunks(first.scope)

    def size(s: Symbol, here: int, row: Row) -> int:
        few, chunks, more = row
        length = chunk.get(s.name, 8)
        number = few if s.name == "batch_size" else chunks * length + more % length
        return max(s.low, number // s.multiple_of * s.multiple_of)

    return (job.plan.with_room(m) for m in _moved(job, first, LOOSE, size))


def _images(job: Job, first: Run) -> Iterator[dict[str, int]]:
    """Few images, of sides of so many patches that stay together, with what the first ones have beside them."""
    places = list(GROUPS)

    def size(s: Symbol, here: int, row: Row) -> int:
        few, *sides = row
        if s.name in GROUPS:
            return sides[places.index(s.name)] * s.multiple_of + here % s.multiple_of
        return few if s.name == "batch_size" else here

    return (job.plan.with_room(m) for m in _moved(job, first, SIDES, size))


def _moved(job: Job, first: Run, rows: Sequence[Row], size: Callable[[Symbol, int, Row], int]) -> Iterator[dict[str, int]]:
    """The sizes of the first run with another one, by each row, for every symbol but those that are one."""
    hints = first.scope.hints
    free = [s for s in job.plan.symbols if hints[s.name] > 1]
    for row in rows:
        yield {**hints, **{s.name: size(s, hints[s.name], row) for s in free}}


def _longest_chunks(scope: Scope) -> dict[str, int]:
    found: dict[str, int] = {}
    for f in _counts(scope):
        (name,) = f.symbols()
        found[name] = max(chunk_of(f), found.get(name, 0))
    return found


def _hold_for(scope: Scope, several: Sequence[Mapping[str, int]]) -> None:
    """Leave out the conditions that do not hold at all of the sizes: formulas were found that do."""
    for guard in [g for g in choices(scope) if not all(map(g.holds, several))]:
        del scope.guards[guard]
    for f in [f for f in scope.counts if len({min(f.evaluate(s), 2) for s in several}) > 1]:
        del scope.counts[f]
