# Images of free size come packed, each with its own grid, and code goes through them one by one, some of it through
# the windows of each. The number of turns is a product of several sizes at once, so one loop over one size explains
# nothing: the forward is traced at a small grid of numbers of images and sides, and fitted in one size after the other.
# That few points lie on a polynomial proves nothing; the caller holds the result against runs at quite other sizes.
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import isqrt

import torch

from cutaway.formula import const, sym
from cutaway.trace.dim import Guard
from cutaway.trace.inputs import Symbol
from cutaway.trace.inputs_config import windows
from cutaway.trace.loop import Loop, Runs
from cutaway.trace.parts import tensors_of
from cutaway.trace.record import count_ops

IMAGES = (2, 3, 5)
GROUPS = {"image_height": (2, 3, 5), "image_width": (3, 4, 6)}  # of patches that stay together, along a side
FEW = {"batch_size": 5, "image_height": 5, "image_width": 13}  # to trace at: a few of them are more than a hundred groups
TRIED = 8


def few(symbol: Symbol, model: torch.nn.Module) -> int:
    """A small size to trace packed images at, none of whose parts is a size of the model's own (or of a square table)."""
    least, unit = FEW[symbol.name], symbol.multiple_of
    own = {d for t in tensors_of(model) for d in t.shape}
    own |= {isqrt(d) for d in own if isqrt(d) ** 2 == d}
    parts = [d for d in range(1, unit + 1) if unit % d == 0] if unit > 1 else []
    free = (n for n in range(least, least + TRIED) if own.isdisjoint(n * unit // d for d in parts))
    return next(free, least) * unit


def over_images(runs: Runs) -> Iterator[tuple[tuple[Loop, ...], tuple[int, ...]]]:
    """Loops over packed images and their sides, the first innermost, and at how many lengths each is traced.

    Those that the number of ops follows come first, at the fewest images: most of it grows in proportion to them.
    """
    job, hints = runs.job, runs.first.scope.hints
    sized = [s for s in job.plan.symbols if s.name in FEW and hints[s.name] > 1]
    if not job.plan.packed or not sized:
        return
    loops = [Loop(s.name, _points(s, hints[s.name]), spare=0) for s in sized[::-1]]
    least = tuple((loop, loop.lengths[0]) for loop in loops)
    ops = lambda at: count_ops(runs.run(at).root)  # noqa: E731
    base = ops(least)
    grown = [(*least[:n], (loop, loop.lengths[1]), *least[n + 1 :]) for n, loop in enumerate(loops)]
    looped = tuple(loop for loop, at in zip(loops, grown, strict=True) if ops(at) != base)
    if not looped:
        return
    points = tuple(len(loop.lengths) for loop in looped)
    if looped[-1].symbol == "batch_size":
        yield looped, (*points[:-1], 2)
    yield looped, points
    if len(looped) < len(loops):  # code that has lost a size on its way: all are numbers, and fitted
        yield tuple(loops), tuple(len(loop.lengths) for loop in loops)


def within_windows(model: torch.nn.Module, sizes: Sequence[Mapping[str, int]]) -> Iterator[Guard]:
    """That images lie within a window that none of these sizes leaves: beyond it the code takes turns that no run took."""
    named = windows(model)
    for side in GROUPS:
        reached = max((at[side] for at in sizes if side in at), default=None)
        if reached is not None:
            yield from (Guard(sym(side) - const(window), "<=", True) for window in named if reached <= window)


def _points(s: Symbol, hint: int) -> tuple[int, ...]:
    """Few images; sides of few groups, with what the traced ones have beside whole groups."""
    return tuple(n * s.multiple_of + hint % s.multiple_of for n in GROUPS[s.name]) if s.name in GROUPS else IMAGES
