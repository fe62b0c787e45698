# A loop of a forward over a size, and the short runs that are made of it. How many ops a run has is known before any of
# them has a price: where the numbers of ops are no polynomials in the turns, or do not give those of the runs at the usual
# sizes, no cost is, and nothing is priced.
from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING

from cutaway.formula import Formula, const, sym
from cutaway.formula.core import Func
from cutaway.model import Gap, Module
from cutaway.trace.fit import Along, fit_formula, merge, substitute
from cutaway.trace.record import count_ops

if TYPE_CHECKING:
    from cutaway.trace.job import Job, Run

LEFT = 10  # tokens beside whole chunks: where there are fewer the fit takes more, else fewer; shorter chunks have no room

Fitted = tuple[list[Module], list[Gap]]


@dataclass(frozen=True)
class Loop:
    """A size that forward seems to loop over, and short lengths to trace it at.

    Without `parts` each turn takes one of it, and the length is a plain number in the runs; else it stays a symbol, and the
    number of its parts is what is fitted. At the length `beside` there are as many as at the first one; at `whole`, between
    the first two, chunks leave nothing. With a `rest` the loop is over what whole chunks leave, and its lengths are added to
    theirs. `spare` is how many lengths check each fit.
    """

    symbol: str
    lengths: tuple[int, ...]
    parts: Formula | None = None
    beside: int | None = None
    whole: int | None = None
    rest: int | None = None
    spare: int = 1

    @property
    def variable(self) -> str:
        """What the fit calls it."""
        what = "parts" if self.rest is None else "rest"
        return self.symbol if self.parts is None else f"{what} of {self.symbol}"

    def along(self, lengths: Sequence[int]) -> Along:
        """What is fitted in, at these lengths."""
        return Along(self.variable, [self.turns(n) for n in lengths], self.spare)

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
    """The runs made for the fits: each is made once, whichever fit asks for it.

    `first` and `again` are runs at the usual sizes and at all others, which a fit has to explain.
    """

    job: Job
    first: Run
    again: Run
    made: dict[Hashable, Run] = field(default_factory=dict)
    priced: dict[Hashable, list[Module]] = field(default_factory=dict)

    def run(self, at: At) -> Run:
        """The run with these loops at these lengths; the lines that ran are shown of the longest alone."""
        key = sizes_of(at)
        if key not in self.made:
            fixed = {loop.symbol: n for loop, n in at if loop.parts is None}
            lines = all(n in loop.lengths[1 + loop.spare :] for loop, n in at)  # the last of a fit is never an earlier one
            self.made[key] = self.job.trace(self._sizes(at), fixed=fixed, lines=lines)
        return self.made[key]

    def sizes(self, loops: Sequence[Loop], points: Sequence[int]) -> list[dict[str, int]]:
        """Those of the runs with so many lengths of each loop."""
        lengths = (loop.lengths[:n] for loop, n in zip(loops, points, strict=True))
        return [self._sizes(tuple(zip(loops, chosen, strict=True))) for chosen in product(*lengths)]

    def _sizes(self, at: At) -> dict[str, int]:
        return dict(self.job.plan.with_room({**self.first.scope.hints, **lengths_of(at)}))

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

    def explain(self, loops: Sequence[Loop], points: Sequence[int]) -> bool:
        """Whether the ops (views left out) are as many as polynomials say that give those of the runs to be explained."""
        found = self._counts(loops, points)
        return found is not None and all(
            found.evaluate(run.scope.hints) == count_ops(run.root, views=False) for run in (self.first, self.again)
        )

    def _counts(self, loops: Sequence[Loop], points: Sequence[int], at: At = ()) -> Formula | None:
        if not loops:
            return const(count_ops(self.run(at).root, views=False))
        *inner, loop = loops
        lengths = loop.lengths[: points[len(inner)]]
        counts: list[Formula] = []
        for n in lengths:
            if (count := self._counts(inner, points, (*at, (loop, n)))) is None:
                return None
            counts.append(count)
        found = fit_formula(loop.along(lengths), counts)
        return found if found is None or loop.parts is None else found.substitute({loop.variable: loop.parts})

    def _ops(self, loop: Loop, length: int) -> int:
        return count_ops(self.run(((loop, length),)).root)

    def fitted(self, loops: Sequence[Loop], points: Sequence[int], at: At = ()) -> Fitted:
        """The modules at these lengths, fitted in so many of each of the `loops` that are left, the first innermost."""
        if not loops:
            return self.modules(at), []
        *inner, loop = loops
        lengths = loop.lengths[: points[len(inner)]]
        each = [self.fitted(inner, points, (*at, (loop, n))) for n in lengths]
        merged, gaps = merge(loop.along(lengths), [modules for modules, _ in each])
        if loop.parts is not None:
            merged = substitute(merged, loop.variable, loop.parts)
        return merged, [*(gap for _, found in each for gap in found), *gaps]
