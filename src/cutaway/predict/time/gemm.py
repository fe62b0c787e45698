# A matrix product as libraries run it: cut into tiles that the device's units take in waves, each tile fed from the
# cache at what one unit can draw, all of them together from memory. The library picks the best tile and split of k, so
# the time is the least over a few of them. Each choice grows with m, n and k, hence so does the least.
"""`seconds(hw, c, d, bits, peak)`: the calibrated time of a GEMM. What its constants mean stands at `START`."""

from __future__ import annotations

import numpy as np

from cutaway.hardware import Hardware
from cutaway.predict.time.looped import REUSE, from_host, kept_in_cache
from cutaway.predict.time.work import Array, Bits, work

# Rows x columns of a tile. Smaller ones waste less of a small product, larger ones read less per FLOP.
TILES = ((16, 64), (64, 64), (64, 128), (128, 128), (128, 256), (256, 128))
SPLITS = (1, 2, 4, 8, 16)

# Constants, where a fit starts and between which bounds.
START = {
    "launch_us": (3.0, 0.5, 400.0),  # floor of any launch
    "matrix": (0.85, 0.05, 1.2),  # share of the peak rate that a large product reaches
    "memory": (0.85, 0.1, 1.2),  # share of the bandwidth that a long stream reaches
    "ramp_kb": (500.0, 1.0, 20000.0),  # bytes whose time is lost before memory streams at full speed, in kB
    "feed": (2.0, 0.1, 50.0),  # what a unit draws from the cache, in units of its share of the bandwidth
    "tail": (0.7, 0.02, 1.0),  # how much of an unfilled last wave is lost
    "edge": (10.0, 0.1, 40.0),  # how fast the efficiency of a tile falls with its size
    "fill_us": (0.5, 0.01, 10.0),  # a tile's fill and drain: latency, whatever the rates
    "start_k": (100.0, 1.0, 400.0),  # the same, as far as it goes with the rates: in steps of k
    "split_us": (1.0, 0.01, 50.0),  # joining the parts of a split product
    "heat": (
        0.15,
        0.001,
        1.0,
    ),  # how much of the rate is lost when the device runs hot, in products of a millisecond
    "blend": (
        3.0,
        1.0,
        12.0,
    ),  # how sharp the larger of the three limits wins: 1 adds them, much takes the largest
} | REUSE
# Of products whose activations are quantised first, by a kernel of its own.
QUANTISED = START | {
    "launch_us": (5.0, 1.0, 8.0),
    "quantise": (4.0, 0.1, 60.0),  # bytes that this moves per element of the activations
    "row_k": (500.0, 0.1, 20000.0),  # what a row of them costs beyond its elements, in elements
    "host_us": (
        10.0,
        0.5,
        500.0,
    ),  # a loop without CUDA graphs is no faster than its host launches, from 32 rows on
    "host_few_us": (10.0, 0.5, 500.0),  # the same below 32 rows, where libraries take another kernel
}


def seconds(
    hw: Hardware,
    c: dict[str, float],
    d: dict[str, Array],
    bits: Bits,
    peak: float,
    looped: bool,
    kind: str = "gemm",
) -> Array:
    """Broadcasts over the sizes in `d`. `looped` is as benchmarks measure: one product again and again, launched from
    the host; a model's step finds its weights in memory and is launched as a graph.
    """
    flops, moved = work(kind, d, bits)
    m, n, k = (d[name][..., None] for name in ("m", "n", "k"))
    rows, columns, split = _CHOICES
    limit_k = np.maximum(k / split, 1.0) + c["start_k"]
    tiles = np.ceil(m / rows) * np.ceil(n / columns) * split
    full = tiles / hw.units
    waves = np.maximum(full + c["tail"] * (np.ceil(full) - full), 1.0)
    hot = 1 + c["heat"] * flops / (flops + 1e-3 * peak)
    rate = c["matrix"] * peak / hw.units * rows * columns / (rows * columns + c["edge"] * (rows + columns))
    fill = c["fill_us"] * 1e-6
    compute = waves * (limit_k * 2 * rows * columns / rate * hot[..., None] + fill)
    # What a unit loads for a tile: no more rows or columns than the product has.
    drawn = np.minimum(rows, m) * bits.activation + np.minimum(columns, n) * bits.weight
    feed = waves * (limit_k * drawn / (c["feed"] * hw.bandwidth / hw.units) + fill)
    ramp = c["ramp_kb"] * 1e3
    stream = (moved + ramp * moved / (moved + ramp)) / (c["memory"] * hw.bandwidth)
    if looped:
        stream = stream * kept_in_cache(hw, c, moved)
    memory = stream[..., None]
    joined = np.where(split > 1, c["split_us"] * 1e-6 + 8 * split * m * n / hw.bandwidth, 0.0)
    p = c["blend"]
    time = (compute**p + feed**p + memory**p) ** (1 / p) + joined
    total = c["launch_us"] * 1e-6 + time.min(axis=-1)
    if "quantise" in c:
        total = total + c["quantise"] * d["m"] * (d["k"] + c["row_k"]) / hw.bandwidth
    return from_host(total, c, d["m"] < 32) if looped else total


_CHOICES = tuple(np.array([(*tile, s) for tile in TILES for s in SPLITS], dtype=float).T)
