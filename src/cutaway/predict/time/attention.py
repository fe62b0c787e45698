# Attention in one kernel, with the softmax inside. A prompt is tiles of queries that walk over their keys; one new token
# is a walk over the cache that is cut into parts so that every unit of the device has some. The first is bound by the
# matrix units and the exponentials, the second by how fast the cache streams.
"""`prefill` and `decode`: the calibrated time of attention. What their constants mean stands at the `START`s."""

from __future__ import annotations

import numpy as np

from cutaway.hardware import Hardware
from cutaway.predict.time.looped import REUSE, from_host, kept_in_cache
from cutaway.predict.time.work import Array, Bits, keys_read, pairs, value_dim, work

OLDER = ("ampere", "ada", "blackwell-rtx")  # on which FlashAttention 2 runs, and nothing later
ROWS = 128.0  # queries of one tile, and keys of one step
PARTS = np.array([1, 2, 4, 8, 16, 32, 64], dtype=float)

PREFILL = {
    "launch_us": (6.0, 0.5, 200.0),
    "matrix": (0.8, 0.4, 1.2),  # share of the peak rate
    "memory": (0.7, 0.05, 1.2),  # share of the bandwidth
    "softmax": (
        20.0,
        0.1,
        3000.0,
    ),  # per pair and head, in operations of the vector units: exponentials, rescaling
    "start": (100.0, 0.1, 3000.0),  # a tile's fill and drain, in keys
    "tail": (0.7, 0.02, 1.0),  # how much of an unfilled last wave is lost
    "heat": (0.1, 0.001, 2.0),  # how much of the rate is lost when the device runs hot
    "sequence_ns": (5.0, 0.01, 5000.0),  # of each sequence of the batch
    "blend": (3.0, 1.0, 12.0),
}
DECODE = {
    "launch_us": (8.0, 0.5, 200.0),
    "matrix": (0.7, 0.3, 1.2),
    "softmax": (50.0, 0.1, 5000.0),
    "memory": (0.85, 0.05, 1.2),
    "feed": (2.0, 0.05, 50.0),  # what one unit can draw, in units of its share of the bandwidth
    "start": (100.0, 0.1, 5000.0),  # fill and drain of a part, in keys
    "tail": (0.5, 0.02, 1.0),
    "join_us": (2.0, 0.01, 50.0),  # joining the parts
    "rows": (16.0, 1.0, 128.0),  # query heads that share a key's heads fill a tile of so many rows
    "sequence_ns": (5.0, 0.01, 5000.0),
    "blend": (3.0, 1.0, 12.0),
} | REUSE
# Latent attention was measured in a loop launched from the host, whose floor hides the kernel's own.
_HOST = {"host_us": (100.0, 1.0, 500.0)}
LATENT_PREFILL = PREFILL | {"launch_us": (12.0, 8.0, 16.0)} | _HOST
# Its own floor was seen in whole layers only, which launch small kernels around it that no table times (casts, copies).
LATENT_DECODE = DECODE | {"launch_us": (9.0, 6.0, 12.0), "around_us": (20.0, 0.1, 80.0)} | _HOST


def prefill(
    hw: Hardware, c: dict[str, float], d: dict[str, Array], bits: Bits, peak: float, looped: bool, kind: str
) -> Array:
    """Broadcasts over the sizes in `d`; a prompt with something in the cache is one with more keys than queries."""
    flops, moved = work(kind, d, bits)
    wide = d["head_dim"] + value_dim(d)
    # Tiles on the diagonal are computed whole: half a tile more per query. A short prompt pays for a whole tile.
    rows = np.maximum(d["q_len"], ROWS / 4)
    looked = pairs(d) + rows * (ROWS / 2 + c["start"])
    per_pair = 2 * wide / (c["matrix"] * peak) + c["softmax"] / hw.vector_peak()
    jobs = d["batch"] * d["heads"] * np.ceil(d["q_len"] / ROWS)
    full = jobs / hw.units
    waves = np.maximum(full + c["tail"] * (np.ceil(full) - full), 1.0)
    hot = 1 + c["heat"] * flops / (flops + 1e-3 * peak)
    compute = d["batch"] * d["heads"] * looked * per_pair * waves / full * hot
    memory = moved / (c["memory"] * hw.bandwidth)
    p = c["blend"]
    total = c["launch_us"] * 1e-6 + d["batch"] * c["sequence_ns"] * 1e-9 + (compute**p + memory**p) ** (1 / p)
    return from_host(total, c) if looped else total


def decode(
    hw: Hardware, c: dict[str, float], d: dict[str, Array], bits: Bits, peak: float, looped: bool, kind: str
) -> Array:
    """Broadcasts over the sizes in `d`, which has `q_len` 1 or a few (speculation)."""
    _, moved = work(kind, d, bits)
    wide = d["head_dim"] + (value_dim(d) if kind == "attention" else 0.0)
    computed = (d["head_dim"] + value_dim(d))[..., None]
    keys = keys_read(d)[..., None]
    # FlashAttention 2 packs the query heads of a key head into one tile, but not where there is a window.
    apart = (d["window"] > 0) & (hw.architecture in OLDER) & (bits.cache >= 2) & (kind == "attention")
    kv_heads = np.where(apart, d["heads"], d["kv_heads"])
    group = (d["heads"] * d["q_len"] / kv_heads)[..., None]
    tiles = np.ceil(group / 64)
    part = keys / PARTS + c["start"]
    full = (d["batch"] * kv_heads)[..., None] * tiles * PARTS / hw.units
    waves = np.maximum(full + c["tail"] * (np.ceil(full) - full), 1.0)
    feed = waves * part * wide[..., None] * bits.cache / (c["feed"] * hw.bandwidth / hw.units)
    filled = np.maximum(np.minimum(group, 64), c["rows"])
    per_pair = 2 * computed / (c["matrix"] * peak) + c["softmax"] / hw.vector_peak()
    compute = waves * part * filled * per_pair * hw.units
    stream = moved / (c["memory"] * hw.bandwidth) * (kept_in_cache(hw, c, moved) if looped else 1.0)
    results = (d["batch"] * d["heads"] * d["q_len"] * value_dim(d))[..., None]
    joined = np.where(PARTS > 1, c["join_us"] * 1e-6 + 8 * PARTS * results / hw.bandwidth, 0.0)
    p = c["blend"]
    time = (compute**p + feed**p + stream[..., None] ** p) ** (1 / p) + joined
    total = c["launch_us"] * 1e-6 + d["batch"] * c["sequence_ns"] * 1e-9 + time.min(axis=-1)
    return from_host(total, c) if looped else total


# One kernel for prompts and decoding in one step (vLLM with FlashAttention 2) packs no heads either, and each walks over
# the cache on its own. The middle of LLMServingSim's timings of both together, less the prompt alone, over decoding alone
# (RTX 4090, RTX PRO 6000): 1.8 for 4 heads a key head, 3.0 for 8.
APART = 0.28


def beside_prompts(hw: Hardware, heads: Array, kv_heads: Array) -> Array:
    """By what decoding's attention takes longer when its kernel serves prompts as well."""
    return 1 + APART * (heads / kv_heads - 1) * (hw.architecture in OLDER)
