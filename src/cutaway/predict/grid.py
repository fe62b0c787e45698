# A grid of a million points has few distinct steps: time of decoding depends on batch and cache, that of a prompt on
# batch and prompt. So each is computed once on its own small grid, and the points are looked up between.
"""`static_grid` and `loop_grid`: one machine on a grid of batch x prompt x output."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cutaway.predict import serving
from cutaway.predict.machine import Machine
from cutaway.predict.money import cost_of

COLUMNS = (
    "batch", "prompt", "output", "ttft_s", "tpot_s", "throughput_tokens_per_s", "memory_bytes", "fits",
    "usd_per_million_tokens", "joules_per_token",
)  # fmt: skip
_CACHE_NODES = 48


def static_grid(
    machine: Machine, batches: Sequence[int], prompts: Sequence[int], outputs: Sequence[int]
) -> dict[str, np.ndarray]:
    """Columns of equal length, one row per point: batches that start and end together.

    TPOT is read between nodes of the cache's length, 48 of them or fewer over the range; the step is nearly linear in it.
    """
    b, p, o = (np.asarray(v, float) for v in (batches, prompts, outputs))
    ttft = serving.static(machine.step, b[:, None], p[None, :], 1.0).ttft + machine.engine.request
    middle = p[:, None] + np.maximum(o[None, :] - 1, 1) / 2
    nodes = _nodes(middle)
    steps = np.broadcast_to(machine.step(0.0, 0.0, b[:, None], nodes[None, :]), (len(b), len(nodes)))
    low = np.clip(np.searchsorted(nodes, middle, side="right") - 1, 0, len(nodes) - 2)
    part = (middle - nodes[low]) / (nodes[low + 1] - nodes[low])
    tpot = steps[:, low] * (1 - part) + steps[:, low + 1] * part
    total = ttft[:, :, None] + np.maximum(o - 1, 0) * tpot
    return _columns(machine, b, p, o, np.broadcast_to(ttft[:, :, None], tpot.shape), tpot, total)


def loop_grid(
    machine: Machine, users: Sequence[int], prompts: Sequence[int], outputs: Sequence[int]
) -> dict[str, np.ndarray]:
    """The same for closed loops; `batch` is the number of users."""
    b, p, o = (np.asarray(v, float) for v in (users, prompts, outputs))
    most = machine.most_sequences(p[:, None] + o[None, :])
    got = serving.closed_loop(
        machine.step, machine.engine, b[:, None, None], p[None, :, None], o[None, None, :],
        most_sequences=np.maximum(most, 1)[None],
    )  # fmt: skip
    total = got.ttft + np.maximum(o - 1, 0) * got.tpot
    return _columns(machine, b, p, o, got.ttft, got.tpot, total)


def _columns(
    machine: Machine, b: np.ndarray, p: np.ndarray, o: np.ndarray,
    ttft: np.ndarray, tpot: np.ndarray, total: np.ndarray,
) -> dict[str, np.ndarray]:  # fmt: skip
    shape = tpot.shape
    rate = b[:, None, None] * o / total
    held = machine.memory(b[:, None, None], (p[:, None] + o[None, :])[None])
    fits = held <= machine.capacity
    if machine.max_positions:
        fits = fits & ((p[:, None] + o[None, :]) <= machine.max_positions)[None]
    cost = cost_of(machine, rate)
    values = (
        b.astype(int)[:, None, None], p.astype(int)[:, None], o.astype(int), ttft, tpot, rate, held, fits,
        cost.usd_per_million_tokens, cost.joules_per_token,
    )  # fmt: skip
    return {name: np.broadcast_to(value, shape).ravel() for name, value in zip(COLUMNS, values, strict=True)}


def _nodes(middle: np.ndarray) -> np.ndarray:
    distinct = np.unique(middle)
    if len(distinct) <= _CACHE_NODES:
        return distinct if len(distinct) > 1 else np.append(distinct, distinct + 1)
    return np.unique(np.geomspace(max(distinct[0], 1), distinct[-1], _CACHE_NODES))
