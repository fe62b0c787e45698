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
_MANY, _FEW = 20, 6  # nodes of sizes that change the kernels, and of lengths in which time is nearly linear


def static_grid(
    machine: Machine, batches: Sequence[int], prompts: Sequence[int], outputs: Sequence[int]
) -> dict[str, np.ndarray]:
    """Columns of equal length, one row per point: batches that start and end together.

    Steps are computed at a few dozen batches, tokens and lengths and read between; up to 20 batches and 6 lengths are exact.
    """
    b, p, o = (np.asarray(v, float) for v in (batches, prompts, outputs))
    tokens = b[:, None] * p[None, :]
    whole, each = _nodes(tokens, _MANY), _nodes(p, _FEW)
    prefill = np.broadcast_to(
        machine.step(whole[:, None], (each[None, :] - whole[:, None]) / 2, 0.0, 0.0), (len(whole), len(each))
    )
    across, along = _between(whole, tokens), _between(each, np.broadcast_to(p, tokens.shape))
    ttft = _read(prefill, across, along) + machine.engine.request
    middle = p[:, None] + np.maximum(o[None, :] - 1, 1) / 2
    sizes, caches = _nodes(b, _MANY), _nodes(middle, _FEW)
    steps = np.broadcast_to(
        machine.step(0.0, 0.0, sizes[:, None], caches[None, :]), (len(sizes), len(caches))
    )
    # First to the asked batches, then along the cache: the large array is made once, by two products.
    low, part = _between(sizes, b)
    steps = steps[low] * (1 - part)[:, None] + steps[low + 1] * part[:, None]
    low, part = _between(caches, middle)
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


def _nodes(values: np.ndarray, most: int) -> np.ndarray:
    """The values themselves if they are few, else `most` nodes over them, powers of two among them: there kernels change
    their tiles."""
    distinct = np.unique(values)
    if len(distinct) == 1:
        return np.append(distinct, distinct + 1)
    if len(distinct) <= most:
        return distinct
    low, high = distinct[0], distinct[-1]
    powers = 2.0 ** np.arange(np.ceil(np.log2(low)), np.floor(np.log2(high)) + 1)
    return np.unique(np.concatenate([np.geomspace(low, high, most), powers if len(powers) < most else []]))


def _between(nodes: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(the node below, the share of the way to the next)."""
    low = np.clip(np.searchsorted(nodes, values, side="right") - 1, 0, len(nodes) - 2)
    return low, (values - nodes[low]) / (nodes[low + 1] - nodes[low])


def _read(
    table: np.ndarray, first: tuple[np.ndarray, np.ndarray], second: tuple[np.ndarray, np.ndarray]
) -> np.ndarray:
    """The table between its nodes, linear in both directions."""
    (i, a), (j, b) = first, second
    near = table[i, j] * (1 - b) + table[i, j + 1] * b
    far = table[i + 1, j] * (1 - b) + table[i + 1, j + 1] * b
    return near * (1 - a) + far * a
