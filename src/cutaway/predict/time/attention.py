# Attention in one kernel, with the softmax inside. A prompt is tiles of queries that walk over their keys; one new token
# is a walk over the cache that is cut into parts so that every unit of the device has some. The first is bound by the
# matrix units and the exponentials, the second by how fast the cache streams.
"""`prefill` and `decode`: the calibrated time of attention. What their constants mean stands at the `START`s."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from cutaway.hardware import Hardware
from cutaway.predict.time.looped import from_host, kept_in_cache
from cutaway.predict.time.work import Array, Bits, keys_read, pairs, value_dim, work

OLDER = ("ampere", "ada", "blackwell-rtx")  # on which FlashAttention 2 runs, and nothing later
ROWS, ROWS_OLDER = 128.0, 64.0  # queries of one tile, and keys of one step
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
    "cached": (2.0, 0.01, 100.0),  # bytes moved per element of keys and values besides: written, converted, laid out anew
    "sequence_ns": (5.0, 0.01, 5000.0),  # of each sequence of the batch
    "blend": (3.0, 1.0, 12.0),
}
DECODE = {
    "launch_us": (8.0, 0.5, 200.0),
    "matrix": (0.6, 0.4, 0.9),
    "softmax": (20.0, 5.0, 60.0),
    "memory": (0.85, 0.05, 1.2),
    "feed_gb_s": (40.0, 1.0, 1000.0),  # what one unit draws from the cache of the device
    "fill_us": (2.0, 0.05, 30.0),  # fill and drain of a part: latency, whatever the rates
    "start": (30.0, 0.1, 500.0),  # the same, as far as it goes with the rates: in keys
    "tail": (0.5, 0.02, 1.0),
    "join_us": (2.0, 0.01, 50.0),  # joining the parts
    "sequence_ns": (5.0, 0.01, 5000.0),
    "blend": (3.0, 1.0, 12.0),
    # As REUSE: memory is out of the way of what a cache holds, which each unit then draws at its own pace.
    "reuse": (12.0, 1.0, 12.0),
    "kept": (0.8, 0.05, 2.0),
}
# Of a cache of eight bits: widening an element, or turning it to where the matrix units take it, in operations of the vector
# units. Some generations' kernels have none of it.
NARROW = {"convert": (10.0, 0.1, 200.0)}
LEAST_ROWS = 16  # of the matrix units: query heads that share a key's heads fill them, fewer are padded
# Kernels for latent attention are written for a generation. On others it is one in a portable language, whose tiles are
# small and which always cuts a cache into as many parts.
LATENT_KERNELS = ("hopper", "blackwell")
FEW_PARTS = np.array([4.0])
# Latent attention was measured in a loop launched from the host, whose floor hides the kernel's own.
_HOST = {"host_us": (100.0, 1.0, 500.0)}
LATENT_PREFILL = PREFILL | {"launch_us": (12.0, 8.0, 16.0)} | _HOST
# Its own floor was seen in whole layers only, which launch small kernels around it that no table times (casts, copies).
_PORTABLE = {"matrix": (0.6, 0.05, 1.0), "softmax": (20.0, 1.0, 2000.0)}  # a kernel in a portable language is far from rates
LATENT_DECODE = DECODE | _PORTABLE | {"launch_us": (9.0, 6.0, 12.0), "around_us": (20.0, 0.1, 80.0)} | _HOST


def prefill(
    hw: Hardware, c: dict[str, float], d: dict[str, Array], bits: Bits, peak: float, looped: bool, kind: str
) -> Array:
    """Broadcasts over the sizes in `d`; a prompt with something in the cache is one with more keys than queries."""
    flops, moved = work(kind, d, bits)
    wide = d["head_dim"] + value_dim(d)
    tile = ROWS_OLDER if hw.architecture in OLDER else ROWS
    # Tiles on the diagonal are computed whole: half a tile more per query. A short prompt pays for a whole tile, whose rows
    # all look at what lies before it.
    rows = np.maximum(d["q_len"], tile / 4)
    whole = np.where(d["q_len"] < tile, tile * (keys_read(d) - (tile - 1) / 2), 0.0)
    looked = np.maximum(pairs(d), whole) + rows * (tile / 2 + c["start"])
    jobs = d["batch"] * d["heads"] * np.ceil(d["q_len"] / tile)
    full = jobs / hw.units
    waves = np.maximum(full + c["tail"] * (np.ceil(full) - full), 1.0)
    hot = 1 + c["heat"] * flops / (flops + 1e-3 * peak)
    compute = d["batch"] * d["heads"] * looked * per_pair(hw, c, d, peak) * waves / full * hot
    memory = moved / (c["memory"] * hw.bandwidth)
    laid = c["cached"] * d["batch"] * d["kv_heads"] * keys_read(d) * wide / hw.bandwidth
    p = c["blend"]
    total = c["launch_us"] * 1e-6 + laid + d["batch"] * c["sequence_ns"] * 1e-9 + (compute**p + memory**p) ** (1 / p)
    return from_host(total, c) if looped else total


def per_pair(hw: Hardware, c: Mapping[str, float], d: dict[str, Array], peak: float) -> Array:
    """Seconds of the whole device for a query and a key that it looks at, of one head of a prompt."""
    return 2 * (d["head_dim"] + value_dim(d)) / (c["matrix"] * peak) + c["softmax"] / hw.vector_peak()


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
    portable = kind != "attention" and hw.architecture not in LATENT_KERNELS
    parts, tile = (FEW_PARTS, LEAST_ROWS) if portable else (PARTS, 64)
    tiles = np.ceil(group / tile)
    part = keys / parts + c["start"]
    full = (d["batch"] * kv_heads)[..., None] * tiles * parts / hw.units
    waves = np.maximum(full + c["tail"] * (np.ceil(full) - full), 1.0)
    elements = waves * part * wide[..., None]
    feed = elements * bits.cache / (c["feed_gb_s"] * 1e9) + waves * c["fill_us"] * 1e-6
    filled = np.maximum(np.minimum(group, tile), LEAST_ROWS)
    per_pair = 2 * computed / (c["matrix"] * peak) + c["softmax"] / hw.vector_peak()
    compute = waves * part * filled * per_pair * hw.units
    widen = elements * c.get("convert", 0.0) / hw.vector_peak() * hw.units
    stream = moved / (c["memory"] * hw.bandwidth) * (kept_in_cache(hw, c, moved) if looped else 1.0)
    results = (d["batch"] * d["heads"] * d["q_len"] * value_dim(d))[..., None]
    joined = np.where(parts > 1, c["join_us"] * 1e-6 + 8 * parts * results / hw.bandwidth, 0.0)
    p = c["blend"]
    time = (compute**p + widen**p + feed**p + stream[..., None] ** p) ** (1 / p) + joined
    total = c["launch_us"] * 1e-6 + d["batch"] * c["sequence_ns"] * 1e-9 + time.min(axis=-1)
    return from_host(total, c) if looped else total


def decode_of_other(c: Mapping[str, float], of: Hardware, hw: Hardware) -> dict[str, float]:
    """Decoding's constants of one device for another. Its units draw no less than their share of its bandwidth; kernels of
    another generation have their own ways with narrow caches and with the sequences of a batch; and what a loop keeps is a
    matter of cache alone."""
    share = (hw.bandwidth / hw.units) / (of.bandwidth / of.units)
    found = {**c, "feed_gb_s": c["feed_gb_s"] * max(1.0, share), "reuse": DECODE["reuse"][0], "kept": DECODE["kept"][0]}
    if hw.architecture != of.architecture:
        least = {name: limits[1] for name, limits in (NARROW | {"sequence_ns": DECODE["sequence_ns"]}).items()}
        found |= {name: value for name, value in least.items() if name in found}
    return found


# One kernel for prompts and decoding in one step (vLLM with FlashAttention 2) is that of prompts: heads are not packed and the
# cache is not cut into parts. A new token is a tile of queries with one row, for each head, that walks over all its keys;
# and the grid has as many tiles for it as for the longest prompt, which end when they find no queries. Fitted on
# LLMServingSim's Llama on RTX 4090 and RTX PRO 6000, of rows that the split gives to fits; its Qwens judge.
SCATTERED = 1.2  # a pair of such a tile over one of a prompt's: keys lie in pages, and only this tile looks at them
TILE_US, EMPTY_US = 3.5, 0.33  # of a unit: fill and drain of a tile, and a tile without queries


def decode_in_prompts(hw: Hardware, c: Mapping[str, float], d: dict[str, Array], prompt: Array) -> Array:
    """What decoding adds to the seconds of the kernel of a prompt of so many tokens, whose constants are `c`."""
    tiles = d["batch"] * d["heads"] * np.ceil(d["q_len"] / ROWS_OLDER)
    empty = d["batch"] * d["heads"] * np.ceil(prompt / ROWS_OLDER) - tiles
    walked = tiles * ROWS_OLDER * keys_read(d) * SCATTERED * per_pair(hw, c, d, hw.peak("bf16"))
    return walked + (tiles * TILE_US + np.maximum(empty, 0) * EMPTY_US) * 1e-6 / hw.units
