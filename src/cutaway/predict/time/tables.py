# The measured tier: what the calibrated time misses at the sizes that were measured, interpolated between them. Storing
# the miss, and not the time, keeps tables coarse and lets the formula carry what lies between two nodes.
"""`correction(table, nodes, coordinates)` reads one, `build` makes one."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from functools import cache

import numpy as np

from cutaway.predict.time.constants import EMPTY, SCALE
from cutaway.predict.time.work import Array


def correction(table: Array, nodes: tuple[tuple[float, ...], ...], values: tuple[Array, ...]) -> Array:
    """log(measured / calibrated) where all nodes around were measured, else NaN. `values` are sizes that broadcast."""
    shape = np.broadcast_shapes(*(np.shape(v) for v in values))
    at = np.empty((len(nodes), *shape))
    for axis, value in enumerate(values):
        at[axis] = value
    places, weights, inside = _corners(nodes, at.reshape(len(nodes), -1), table.shape)
    # A corner without weight may be empty.
    parts = np.where(weights > 1e-9, weights * table.ravel()[places], 0.0)
    return np.where(inside, parts.sum(axis=0), np.nan).reshape(shape)


ROUGH = 0.05  # rows that miss their table by more count less


def build(
    nodes: tuple[tuple[float, ...], ...], values: tuple[Array, ...], miss: Array, rounds: int = 6, passes: int = 5
) -> Array:
    """The table, as stored, whose interpolation is nearest to `miss`: each round spreads what is left on the nodes. One row in
    twenty of some sources took twice as long as its neighbours, so each pass believes less what the one before missed."""
    shape = tuple(len(axis) for axis in nodes)
    places, weights, _ = _corners(nodes, np.stack([np.asarray(v, float).ravel() for v in values]), shape)
    count = int(np.prod(shape))

    def spread(what: Array) -> Array:
        return np.bincount(places.ravel(), what.ravel(), minlength=count)

    believed = np.ones(len(miss))
    for _ in range(passes):
        squared = weights**2 * believed
        total, table = spread(squared), np.zeros(count)
        for _ in range(rounds):
            left = miss - (weights * table[places]).sum(axis=0)
            # Drawn to zero: one row alone is not believed in full.
            table += spread(squared * left) / (total + 0.25)
        believed = np.minimum(1.0, ROUGH / np.maximum(np.abs(left), 1e-9))
    table, total = table.reshape(shape), total.reshape(shape)
    table = _filled(np.where(total > 0.05, table, np.nan))
    stored = np.clip(np.round(table * SCALE), -127, 127)
    return np.where(np.isnan(stored), EMPTY, stored).astype(np.int8)


def _filled(table: Array, rounds: int = 2) -> Array:
    """Empty nodes get the mean of their filled neighbours: rows that judge lie on nodes too."""
    for _ in range(rounds):
        total, count = np.zeros(table.shape), np.zeros(table.shape)
        for axis in range(table.ndim):
            padded = np.pad(
                table, [(1, 1) if a == axis else (0, 0) for a in range(table.ndim)], constant_values=np.nan
            )
            for side in (slice(0, -2), slice(2, None)):
                near = padded[tuple(side if a == axis else slice(None) for a in range(table.ndim))]
                total, count = total + np.nan_to_num(near), count + ~np.isnan(near)
        mean = np.divide(total, count, out=np.full(table.shape, np.nan), where=count > 0)
        table = np.where(np.isnan(table), mean, table)
    return table


def _corners(
    nodes: tuple[tuple[float, ...], ...], values: Array, shape: tuple[int, ...]
) -> tuple[Array, Array, Array]:
    """(places in the flat table, weights) of the corners of the cells that `values` lie in, [corners, values], and
    whether they lie within the axes."""
    at = np.log2(np.maximum(values, 1e-9))
    line, edges, widths, apart, first, last = _line(nodes)
    place = np.minimum(np.maximum(line.searchsorted(at + apart, side="right") - 1, first), last)
    low, part = place - first, (at - edges[place]) / widths[place]
    inside = ((part >= -1e-6) & (part <= 1 + 1e-6)).all(axis=0)
    part = np.minimum(np.maximum(part, 0.0), 1.0)
    upper, strides = corners_of(shape)
    places = (upper @ strides)[:, None] + strides @ low
    weights = np.where(upper[:, :, None], part, 1 - part).prod(axis=1)
    return places, weights, inside


@cache
def corners_of(shape: tuple[int, ...]) -> tuple[Array, Array]:
    """For each corner of a cell, on which axes it is the upper one; and how far apart neighbours along an axis lie."""
    axes = len(shape)
    strides = np.cumprod((1, *shape[:0:-1]))[::-1].astype(np.intp)
    return (np.arange(2**axes)[:, None] >> np.arange(axes)[::-1] & 1).astype(bool), strides


@cache
def finders(nodes: tuple[tuple[float, ...], ...]) -> tuple[Callable[[float], tuple[int, float, bool]], ...]:
    """For each axis what `_corners` finds of one number, a logarithm: the cell, the part of the way through it, and whether
    it lies within the axis."""
    line, edges, widths, apart, first, last = (values.ravel().tolist() for values in _line(nodes))

    def finder(moved: float, first: int, last: int) -> Callable[[float], tuple[int, float, bool]]:
        def find(at: float) -> tuple[int, float, bool]:
            place = min(max(bisect_right(line, at + moved) - 1, first), last)
            part = (at - edges[place]) / widths[place]
            return place - first, min(max(part, 0.0), 1.0), -1e-6 <= part <= 1 + 1e-6

        return find

    return tuple(finder(*axis) for axis in zip(apart, first, last, strict=True))


APART = 1000.0  # between axes that are laid end to end: more than any logarithm of a size


@cache
def _line(nodes: tuple[tuple[float, ...], ...]) -> tuple[Array, ...]:
    """All axes end to end, so that one search finds the cells on all of them: nodes moved apart, nodes as they are, widths
    to the next; and of each axis, as columns, how far it was moved, its first place and that of its last cell."""
    edges = np.concatenate(nodes)
    lengths = np.array([len(axis) for axis in nodes])
    first = np.cumsum(lengths) - lengths
    moved = np.arange(len(nodes)) * APART
    widths = np.append(np.diff(edges), 1.0)
    return edges + np.repeat(moved, lengths), edges, widths, moved[:, None], first[:, None], (first + lengths - 2)[:, None]
