# The measured tier: what the calibrated time misses at the sizes that were measured, interpolated between them. Storing
# the miss, and not the time, keeps tables coarse and lets the formula carry what lies between two nodes.
"""`correction(table, nodes, coordinates)` reads one, `build` makes one."""

from __future__ import annotations

import numpy as np

from cutaway.predict.time.constants import EMPTY, SCALE
from cutaway.predict.time.work import Array


def correction(table: Array, nodes: tuple[tuple[float, ...], ...], values: tuple[Array, ...]) -> Array:
    """log(measured / calibrated) where all nodes around were measured, else NaN. `values` are sizes that broadcast."""
    values = np.broadcast_arrays(*(np.asarray(v, float) for v in values))
    corners = _corners(nodes, [v.ravel() for v in values])
    total = np.zeros(values[0].size)
    for index, weight in corners:
        # A corner without weight may be empty.
        total += np.where(weight > 1e-9, weight * table[index], 0.0)
    inside = np.ones(values[0].size, bool)
    for axis, value in zip(nodes, values, strict=True):
        at = _logarithm(value.ravel())
        inside &= (at >= axis[0] - 1e-6) & (at <= axis[-1] + 1e-6)
    return np.where(inside, total, np.nan).reshape(values[0].shape)


def build(
    nodes: tuple[tuple[float, ...], ...], values: tuple[Array, ...], miss: Array, rounds: int = 6
) -> Array:
    """The table, as stored, whose interpolation is nearest to `miss`: each round spreads what is left on the nodes."""
    shape = tuple(len(axis) for axis in nodes)
    corners = _corners(nodes, [np.asarray(v, float).ravel() for v in values])
    weights = np.zeros(shape)
    for index, weight in corners:
        np.add.at(weights, index, weight**2)
    table = np.zeros(shape)
    for _ in range(rounds):
        left = miss - sum(weight * table[index] for index, weight in corners)
        step = np.zeros(shape)
        for index, weight in corners:
            np.add.at(step, index, weight**2 * left)
        table += step / (weights + 0.25)  # a little drawn to zero: one row alone is not believed in full
    table = _filled(np.where(weights > 0.05, table, np.nan))
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
    nodes: tuple[tuple[float, ...], ...], values: list[Array]
) -> list[tuple[tuple[Array, ...], Array]]:
    """(index into the table, weight) of each corner of the cells that `values` lie in."""
    found: list[tuple[tuple[Array, ...], Array]] = [((), np.ones(len(values[0])))]
    for axis, value in zip(nodes, values, strict=True):
        edges, at = np.asarray(axis), _logarithm(value)
        low = np.clip(np.searchsorted(edges, at, side="right") - 1, 0, max(len(edges) - 2, 0))
        high = np.minimum(low + 1, len(edges) - 1)
        width = np.where(high > low, edges[high] - edges[low], 1.0)
        part = np.clip((at - edges[low]) / width, 0.0, 1.0)
        found = [
            ((*index, place), weight * share)
            for index, weight in found
            for place, share in ((low, 1 - part), (high, part))
        ]
    return found


def _logarithm(value: Array) -> Array:
    return np.log2(np.maximum(value, 1e-9))
