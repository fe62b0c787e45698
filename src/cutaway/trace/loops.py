# Which sizes a forward loops over, in tokens or in chunks of them, and the few short runs from which the cost of all turns is
# fitted. Every loop is first tried by itself; where that does not explain the cost elsewhere, one loop stands in or beside
# another, and the runs are made on a grid of both sizes.
from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from math import lcm
from typing import TYPE_CHECKING

from cutaway.formula import Formula, const, sym
from cutaway.formula.core import Func
from cutaway.model import Cost, Gap, Module
from cutaway.trace.fit import merge, substitute
from cutaway.trace.inputs import Symbol
from cutaway.trace.limits import position_limit
from cutaway.trace.packed import Fitted, over_images
from cutaway.trace.record import count_ops
from cutaway.trace.validity import chunk_counts, chunk_of

if TYPE_CHECKING:
    from cutaway.trace.job import Job, Run

PARTS = ("flops", "matmul_flops", "read", "write")
MOST_LENGTHS = 99  # that are looked at for those of a loop
FEWEST = 11  # chunks: smaller numbers are easily taken for others
POINTS = ((4,), (6,))  # so many lengths are tried; the more explain higher powers
LEFT = 10  # tokens beside whole chunks: where there are fewer the fit takes more, else fewer; shorter chunks have no room
GRIDS = ((3, 3), (4, 3), (6, 4))  # and of two loops
SHOWN = 2  # places of the lengths from here on are those whose lines are shown


@dataclass(frozen=True)
class Loop:
    """A size that forward seems to loop over, and short lengths to trace it at.

    Without `parts` each turn takes one of it, and the length is a plain number in the runs; else it stays a symbol, and the
    number of its parts is what is fitted. At the length `beside` there are as many as at the first one; at `whole`, between
    the first two, chunks leave nothing. With a `rest` the loop is over what whole chunks leave, and its lengths are added to
    theirs.
    """

    symbol: str
    lengths: tuple[int, ...]
    parts: Formula | None = None
    beside: int | None = None
    whole: int | None = None
    rest: int | None = None

    @property
    def variable(self) -> str:
        """What the fit calls it."""
        what = "parts" if self.rest is None else "rest"
        return self.symbol if self.parts is None else f"{what} of {self.symbol}"

    def turns(self, length: int) -> int:
        """The value of the variable at this length."""
        if self.rest is not None:
            return self.rest + length
        return length if self.parts is None else int(self.parts.evaluate({self.symbol: length}))

    def left(self) -> Loop | None:
        """The loop over what the chunks of this one leave; None where nothing is left, or chunks are padded."""
        (atom,) = (m[0][0] for m in self.parts.terms if m) if self.parts is not None else (None,)
        whole, chunk = atom.args if isinstance(atom, Func) and atom.name == "floor" else (None, const(0))
        size = chunk.constant()
        if whole != sym(self.symbol) or not isinstance(size, int) or size < 2 * LEFT:
            return None
        rest = self.lengths[0] % size
        steps = (0, 1, 2, 4, 3, 6)
        offsets = steps if rest < LEFT else tuple(-n for n in steps)
        return Loop(self.symbol, offsets, whole - size * Formula({((atom, 1),): 1}), rest=rest) if rest else None


At = tuple[tuple[Loop, int], ...]  # loops and the lengths at which they are traced


def lengths_of(at: At) -> dict[str, int]:
    """The length that each symbol has."""
    found: dict[str, int] = {}
    for loop, n in sorted(at, key=lambda pair: pair[0].rest is not None):  # what is added comes after what it is added to
        found[loop.symbol] = n if loop.rest is None else found[loop.symbol] + n
    return found


def sizes_of(at: At) -> Hashable:
    """What makes two runs the same: the sizes, and which of them are plain numbers."""
    plain = {loop.symbol for loop, _ in at if loop.parts is None}
    return frozenset((symbol, n, symbol in plain) for symbol, n in lengths_of(at).items())


@dataclass
class Runs:
    """The runs made for the fits: each is made once, whichever fit asks for it."""

    job: Job
    hints: Mapping[str, int]
    made: dict[Hashable, Run] = field(default_factory=dict)
    priced: dict[Hashable, list[Module]] = field(default_factory=dict)

    def run(self, at: At) -> Run:
        """The run with these loops at these lengths; the lines that ran are shown of the longest alone."""
        key = sizes_of(at)
        if key not in self.made:
            fixed = {loop.symbol: n for loop, n in at if loop.parts is None}
            lines = all(n in loop.lengths[SHOWN:] for loop, n in at)
            self.made[key] = self.job.trace({**self.hints, **lengths_of(at)}, fixed=fixed, lines=lines)
        return self.made[key]

    def modules(self, at: At) -> list[Module]:
        """Its modules with their prices."""
        key = sizes_of(at)
        if key not in self.priced:
            self.priced[key] = self.job.modules(self.run(at))[0]
        return self.priced[key]

    def grows(self, loop: Loop) -> bool:
        """Whether the number of ops depends on the number of turns."""
        least, more, *_ = loop.lengths
        return self._ops(loop, least) != self._ops(loop, more)

    def turns_tell(self, loop: Loop) -> bool:
        """Whether it depends on nothing else of the length. Lengths that leave the same rest could not tell a loop over
        tokens from one over chunks."""
        return loop.beside is None or self._ops(loop, loop.lengths[0]) == self._ops(loop, loop.beside)

    def rounds_so(self, loop: Loop) -> bool:
        """Whether whole chunks are counted so. `floor(size / 64) + 1` and `ceil(size / 64)` are the same at all other lengths:
        there as many ops ran as where one has as many turns, give or take what code does for padding alone."""
        if loop.whole is None:
            return True
        here = self._ops(loop, loop.whole)
        same, other = sorted(loop.lengths[:2], key=lambda n: loop.turns(n) != loop.turns(loop.whole))
        return abs(here - self._ops(loop, same)) < abs(here - self._ops(loop, other))

    def _ops(self, loop: Loop, length: int) -> int:
        return count_ops(self.run(((loop, length),)).root)

    def fitted(self, loops: Sequence[Loop], points: Sequence[int], at: At = ()) -> Fitted:
        """The modules at these lengths, fitted in so many of each of the `loops` that are left, the first innermost."""
        if not loops:
            return self.modules(at), []
        *inner, loop = loops
        lengths = loop.lengths[: points[len(inner)]]
        each = [self.fitted(inner, points, (*at, (loop, n))) for n in lengths]
        merged, gaps = merge(loop.variable, [loop.turns(n) for n in lengths], [modules for modules, _ in each])
        if loop.parts is not None:
            merged = substitute(merged, loop.variable, loop.parts)
        return merged, [*(gap for _, found in each for gap in found), *gaps]


def fit_loops(
    job: Job,
    first: Run,
    modules: list[Module],
    found: list[Gap],
    elsewhere: Callable[[], tuple[Cost, Mapping[str, int]]],
) -> tuple[list[Module], list[Gap]]:
    """The modules of a forward with Python loops over sizes, or over numbers of chunks of them.

    `found` are the differences that two lengths showed: they stay as gaps where no loop explains them. The result must
    give the cost of the first run, and what `elsewhere` says that a run with all sizes changed has cost.
    """
    hints = first.scope.hints
    for merged, gaps in _fits(job, first, modules):
        total = merged[-1].total
        if not gaps and _agree(total, modules[-1].total, hints) and _agree(total, *elsewhere()):
            return merged, []
        found = gaps or found
    return modules, found


def _fits(job: Job, first: Run, modules: list[Module]) -> Iterator[Fitted]:
    """The modules as each loop explains them, or two; those that cost the fewest runs first."""
    hints = first.scope.hints
    images = over_images(job, hints)
    yield from islice(images, 1)
    runs = Runs(job, hints)
    looped: list[Loop] = []
    free = [s for s in job.plan.symbols if hints[s.name] > 1]
    for symbol in sorted(free, key=lambda s: s.name == "batch_size"):  # loops over tokens are the most common
        for loop in _loops(job, first, hints, symbol):
            if loop.parts is not None and hints[symbol.name] in loop.lengths:
                runs.priced[sizes_of(((loop, hints[symbol.name]),))] = modules
            if not runs.grows(loop):
                continue
            if runs.turns_tell(loop):
                if not runs.rounds_so(loop):
                    continue
                for other in (o for o in looped if o.symbol != loop.symbol):
                    yield from _with_points(runs, (other, loop))
                yield from _with_points(runs, (loop,))
                looped.append(loop)
            elif (rest := loop.left()) is not None:
                yield from _with_points(runs, (rest, loop))
    yield from images


def _with_points(runs: Runs, loops: Sequence[Loop]) -> Iterator[Fitted]:
    """Fits from few lengths, and from more where a line asks for it."""
    for points in POINTS if len(loops) == 1 else GRIDS:
        found = runs.fitted(loops, points)
        yield found
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
    limit = job.limit or position_limit(job.model)
    for chunks in chunk_counts(first.scope, symbol.name):
        step = lcm(chunk_of(chunks), symbol.multiple_of)  # lengths that the model takes, with the rest of the first run
        least = max(FEWEST, symbol.low // step + 1)
        here = hints[symbol.name]
        lengths = [step * (least + n) + here % step for n in (0, 1, 2, 4, 3, 6)]
        if here > lengths[2]:  # the first run is of the same kind
            lengths[3:] = [here, *(n for n in lengths[3:] if n != here)]
        roomy = all(job.plan.with_room(at := {**hints, symbol.name: n}) == at for n in lengths)  # for an image in its text
        if roomy and (limit is None or here >= limit or limit > max(lengths)):
            beside = _beside(lengths[0], chunks, step, symbol)
            whole = lengths[0] // step * step + step if here % step else None
            yield Loop(symbol.name, tuple(lengths), chunks, beside, whole)


def _beside(length: int, chunks: Formula, step: int, symbol: Symbol) -> int | None:
    """A neighbour of the length with as many chunks; where chunks are whole, others may be padded or refused."""
    count = lambda n: chunks.evaluate({symbol.name: n})  # noqa: E731
    near = (length + symbol.multiple_of, length - symbol.multiple_of)
    return next((n for n in near if length % step and n % step and count(n) == count(length)), None)


def _agree(a: Cost, b: Cost, hints: Mapping[str, int]) -> bool:
    at = {**hints, "w_bytes": 2, "a_bytes": 2, "kv_bytes": 2}
    return all(getattr(a, n).evaluate(at) == getattr(b, n).evaluate(at) for n in PARTS)
