# Step times straight from measured per-layer tables of one engine, device and model: what the simulation is checked
# with, so that its error is not mixed with that of the time model.
"""`MeasuredStep`: seconds of a step from the `perf__*` tables of LLMServingSim's profiler."""

import csv
import gzip
import itertools
from pathlib import Path

import numpy as np

PER_LAYER = {"layernorm": 2, "qkv_proj": 1, "qk_norm": 1, "rotary_emb": 1, "o_proj": 1, "gate_up_proj": 1,
             "act_fn": 1, "down_proj": 1}  # fmt: skip
ONCE = ("embedding", "final_layernorm")


def rows(path: Path) -> list[dict]:
    """A gzipped CSV as dicts."""
    with gzip.open(path, "rt") as file:
        return list(csv.DictReader(file))


class MeasuredStep:
    """`step(prefill_tokens, prefill_context, decode_batch, decode_context)` on arrays, in seconds.

    `extra(tokens)` adds what the tables leave out (communication, host), in seconds.
    """

    def __init__(self, folder: Path, device: str, model: str, *, layers: int, tp: int = 1, extra=None):
        stem = f"perf__{device}__{model.replace('/', '__')}__bf16__tp{tp}"
        dense: dict[str, list] = {}
        for row in rows(folder / f"{stem}__dense.csv.gz"):
            dense.setdefault(row["layer"], []).append((int(row["tokens"]), float(row["time_us"])))
        self._layer = _sum(dense, {k: n for k, n in PER_LAYER.items() if k in dense}, layers)
        self._once = _sum(dense, dict.fromkeys(ONCE, 1), 1)
        heads: dict[str, list] = {}
        for row in rows(folder / f"{stem}__per_sequence.csv.gz"):
            heads.setdefault(row["layer"], []).append((int(row["sequences"]), float(row["time_us"])))
        self._head = _sum(heads, dict.fromkeys(heads, 1), 1)
        self._layers, self._extra = layers, extra
        self._attention = {
            tuple(int(row[k]) for k in ("prefill_chunk", "kv_prefill", "n_decode", "kv_decode")): float(
                row["time_us"]
            )
            for row in rows(folder / f"{stem}__attention.csv.gz")
        }
        powers = [16 * 2**i for i in range(11)]
        self._axes = ([0, *powers[:8]], [0, *powers], [0, *[2**i for i in range(8)]], powers)

    def __call__(self, prefill, context, batch, kv):
        prefill, context, batch, kv = np.broadcast_arrays(
            *(np.asarray(v, float) for v in (prefill, context, batch, kv))
        )
        tokens = prefill + batch
        sequences = batch + (prefill > 0)
        time = self._layer(tokens) + self._once(tokens) + self._head(sequences)
        attention = np.vectorize(self._attend)(prefill, np.maximum(context, 0), batch, kv)
        time = (time + attention * self._layers) * 1e-6
        return time + (self._extra(tokens) if self._extra else 0.0)

    def _attend(self, prefill, context, batch, kv) -> float:
        """Attention of one layer in µs, linear in each of the four sizes."""
        total = weight = 0.0
        for corner in itertools.product(
            *(_bracket(axis, v) for axis, v in zip(self._axes, (prefill, context, batch, kv), strict=True))
        ):
            (p, a), (c, b), (n, d), (k, e) = corner
            part = a * b * d * e
            time = self._attention.get((p, c if p else 0, n, k if n else 0))
            if p == 0 and n == 0:
                time = 0.0
            if part and time is not None:
                total, weight = total + part * time, weight + part
        return total / weight if weight else np.nan


def _bracket(axis, value):
    i = min(max(np.searchsorted(axis, value, side="right") - 1, 0), len(axis) - 2)
    part = min(max((value - axis[i]) / (axis[i + 1] - axis[i]), 0.0), 1.0)
    return ((axis[i], 1 - part), (axis[i + 1], part))


def _sum(tables, counts, layers):
    grid = sorted({x for name in counts for x, _ in tables[name]})
    total = sum(n * np.interp(grid, *zip(*sorted(tables[name]), strict=True)) for name, n in counts.items())

    def at(x):
        top = grid[-1]
        return layers * np.where(x <= top, np.interp(x, grid, total), total[-1] * x / top)

    return at
