# Images of free size come packed, each with its own grid, and code goes through them one by one, some of it through
# the windows of each. The number of turns is a product of several sizes at once, so one loop over one size explains
# nothing: the forward is traced at a small grid of numbers of images and sides, and fitted in one size after the other.
# That few points lie on a polynomial proves nothing; the caller holds the result against runs at quite other sizes.
from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isqrt
from typing import TYPE_CHECKING

import torch

from cutaway.model import Gap, Module
from cutaway.trace.fit import merge
from cutaway.trace.inputs import Symbol
from cutaway.trace.parts import tensors_of
from cutaway.trace.record import count_ops

if TYPE_CHECKING:
    from cutaway.trace.job import Job

IMAGES = (2, 3, 5)
GROUPS = {"image_height": (2, 3, 5), "image_width": (3, 4, 6)}  # of patches that stay together, along a side
FEW = {"batch_size": 5, "image_height": 5, "image_width": 13}  # to trace at: a few of them are more than a hundred groups
TRIED = 8

Fitted = tuple[list[Module], list[Gap]]


def few(symbol: Symbol, model: torch.nn.Module) -> int:
    """A small size to trace packed images at, none of whose parts is a size of the model's own (or of a square table)."""
    least, unit = FEW[symbol.name], symbol.multiple_of
    own = {d for t in tensors_of(model) for d in t.shape}
    own |= {isqrt(d) for d in own if isqrt(d) ** 2 == d}
    parts = [d for d in range(1, unit + 1) if unit % d == 0] if unit > 1 else []
    free = (n for n in range(least, least + TRIED) if own.isdisjoint(n * unit // d for d in parts))
    return next(free, least) * unit


def over_images(job: Job, hints: Mapping[str, int]) -> Iterator[Fitted]:
    """The modules of a forward that loops over packed images, where the number of its ops follows theirs or their sides."""
    sized = [s for s in job.plan.symbols if s.name in FEW and hints[s.name] > 1]
    if not job.plan.packed or not sized:
        return
    points = {s.name: _points(s, hints[s.name]) for s in sized}
    least = {n: p[0] for n, p in points.items()}
    base = _ops(job, hints, least)
    looped = {n: p for n, p in points.items() if _ops(job, hints, {**least, n: p[1]}) != base}
    runs: dict[tuple, Fitted] = {}
    if not looped:
        return
    few_images = {"batch_size": IMAGES[:2]} if "batch_size" in points else {}  # most of it grows in proportion to them
    for chosen in (few_images, {}):
        yield _fitted(job, hints, looped | {n: p for n, p in chosen.items() if n in looped}, {}, runs)
    if looped != points:  # code that has lost a size on its way: all are numbers, and fitted
        yield _fitted(job, hints, points, {}, runs)


def _points(s: Symbol, hint: int) -> tuple[int, ...]:
    """Few images; sides of few groups, with what the traced ones have beside whole groups."""
    return tuple(n * s.multiple_of + hint % s.multiple_of for n in GROUPS[s.name]) if s.name in GROUPS else IMAGES


def _fitted(
    job: Job,
    hints: Mapping[str, int],
    points: Mapping[str, tuple[int, ...]],
    fixed: Mapping[str, int],
    runs: dict[tuple, Fitted],
) -> Fitted:
    """The modules at these numbers, or fitted in the sizes of which there are several; `runs` are those made before."""
    key = (*points.items(), *fixed.items())
    if key not in runs and not points:
        runs[key] = job.modules(job.trace(job.plan.with_room({**hints, **fixed}), fixed=fixed))
    elif key not in runs:
        (name, lengths), *rest = points.items()
        each = [_fitted(job, hints, dict(rest), {**fixed, name: n}, runs) for n in lengths]
        merged, gaps = merge(name, lengths, [modules for modules, _ in each])
        runs[key] = merged, [*(gap for _, found in each for gap in found), *gaps]
    return runs[key]


def _ops(job: Job, hints: Mapping[str, int], fixed: Mapping[str, int]) -> int:
    return count_ops(job.trace(job.plan.with_room({**hints, **fixed}), fixed=fixed, lines=False).root)
