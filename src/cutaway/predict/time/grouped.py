# The experts of a mixture: one product per expert that was chosen, each with few rows, in one kernel. What counts is
# how many distinct experts are hit (their weights are read once each) and that every one of them fills whole tiles.
"""`seconds`: the calibrated time of one grouped GEMM, or of a whole mixture of two."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from cutaway.hardware import Hardware
from cutaway.predict.time.work import Array, Bits

TILES = ((16, 64), (16, 128), (32, 128), (64, 128), (128, 128), (128, 256))

START = {
    "launch_us": (8.0, 0.5, 400.0),  # floor, with the sorting of tokens by expert
    "matrix": (0.6, 0.02, 1.2),
    "memory": (0.8, 0.05, 1.2),
    "feed": (2.0, 0.05, 50.0),  # what a unit draws from the cache, in units of its share of the bandwidth
    "tail": (0.5, 0.02, 1.0),
    "edge": (10.0, 0.1, 40.0),
    "fill_us": (0.5, 0.01, 20.0),  # a tile's fill and drain
    "start_k": (100.0, 1.0, 400.0),  # the same, as far as it goes with the rates: in steps of k
    "spread": (
        4.0,
        0.01,
        100.0,
    ),  # bytes per element of every result, here or not: sorted, activated, weighed, summed
    "uneven": (0.7, 0.05, 3.0),  # how uneven the experts' loads are, per unit of the power law's exponent
    "expert_ns": (20.0, 0.1, 2000.0),  # of each expert, hit or not: the lists of tokens
    "odd": (1.5, 1.0, 6.0),  # by what sizes that are no multiple of 16 slow it down
    "heat": (0.1, 0.001, 1.0),
    "blend": (3.0, 1.0, 12.0),
}


def seconds(
    hw: Hardware, c: dict[str, float], d: dict[str, Array], bits: Bits, peak: float, looped: bool, kind: str
) -> Array:
    """Broadcasts over the sizes in `d`. A mixture is its two products: up (with the gate, if any) and down."""
    if kind == "grouped_gemm":
        return _product(hw, c, d, bits, peak)
    up = d | {"n": d["inter"] * (1 + d["gated"]), "k": d["hidden"]}
    down = d | {"n": d["hidden"], "k": d["inter"]}
    return _product(hw, c, up, bits, peak) + _product(hw, c, down, bits, peak)


def _product(hw: Hardware, c: dict[str, float], d: dict[str, Array], bits: Bits, peak: float) -> Array:
    """`share` of the experts lies here, on the fullest of the devices."""
    n, k = d["n"], d["k"]
    chosen = d["m"] * d["top_k"]
    sent, hit = load(chosen, d["experts"], d["share"], d["skew"] * c["uneven"])
    rows, columns = _TILES
    each = (sent / hit)[..., None]
    # Experts get uneven numbers of rows, so their last tile is half full on average, and none has less than one.
    tiles = hit[..., None] * np.maximum(each / rows + 0.5 - 0.5 / rows, 1.0) * np.ceil(n[..., None] / columns)
    full = tiles / hw.units
    waves = np.maximum(full + c["tail"] * (np.ceil(full) - full), 1.0)
    flops = 2 * sent * n * k
    hot = 1 + c["heat"] * flops / (flops + 1e-3 * peak)
    long_k, fill = k[..., None] + c["start_k"], c["fill_us"] * 1e-6
    rate = c["matrix"] * peak / hw.units * rows * columns / (rows * columns + c["edge"] * (rows + columns))
    compute = waves * (long_k * 2 * rows * columns / rate * hot[..., None] + fill)
    drawn = np.minimum(rows, each) * bits.activation + columns * bits.weight
    feed = waves * (long_k * drawn / (c["feed"] * hw.bandwidth / hw.units) + fill)
    moved = bits.weight * hit * n * k + sent * (bits.activation * k + bits.output * n)
    stream = (moved / (c["memory"] * hw.bandwidth))[..., None]
    p = c["blend"]
    time = ((compute**p + feed**p + stream**p) ** (1 / p)).min(axis=-1)
    around = c["spread"] * chosen * n / hw.bandwidth + c["expert_ns"] * 1e-9 * d["experts"]
    odd = np.where((n % 16 > 0) | (k % 16 > 0), c["odd"], 1.0)
    return c["launch_us"] * 1e-6 + time * odd + around


def load(chosen: Array, experts: Array, share: Array, uneven: Array) -> tuple[Array, Array]:
    """(tokens sent to, experts hit on) the fullest device. `uneven` is the standard deviation of the experts' loads
    over their mean: 0 deals tokens out in turn; else loads are gamma distributed, and draws from them collide."""
    local = np.maximum(experts * share, 1.0)
    devices = np.maximum(1 / share, 1.0)
    fullest = 1 + uneven * np.sqrt(2 * np.log(devices) / local)
    sent = np.maximum(chosen * share * np.minimum(fullest, devices), np.minimum(chosen, 1.0))
    squared = np.maximum(uneven, 1e-3) ** 2
    drawn = local * -np.expm1(-np.log1p(squared * sent / local) / squared)
    hit = np.where(uneven > 0, drawn, np.minimum(local, sent))
    return sent, np.maximum(np.minimum(hit, sent), 1e-9)


def widened_of_other(c: Mapping[str, float], of: Hardware, hw: Hardware) -> dict[str, float]:
    """Constants of one device for another, of narrow weights that are widened in registers: this goes with the matrix
    instructions of Ampere, which a unit of a newer generation runs no faster, whatever its peak."""
    newer = (hw.peak("bf16") / hw.units) / (of.peak("bf16") / of.units)
    return {**c, "matrix": c["matrix"] / max(1.0, newer)}


_TILES = tuple(np.array(TILES, dtype=float).T)
