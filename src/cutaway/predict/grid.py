# A grid of a million points has few distinct steps: time of decoding depends on batch and cache, that of a prompt on
# batch and prompt. So each is computed once on its own small grid, and the points are looked up between.
"""`static_grid` and `loop_grid`: one machine on a grid of batch x prompt x output."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cutaway.predict import serving
from cutaway.predict.machine import Machine
from cutaway.predict.money import cost_of
from cutaway.predict.table import StepTable

COLUMNS = (
    "batch", "prompt", "output", "ttft_s", "tpot_s", "throughput_tokens_per_s", "memory_bytes", "fits",
    "usd_per_million_tokens", "joules_per_token",
)  # fmt: skip
_MANY, _FEW = 20, 6  # nodes of sizes that change the kernels, and of lengths in which time is nearly linear
_EXACT = 64  # closed loops that are solved as they are; of more, steps are read from a table
_LOOP = (16, 16, 12)  # users, prompts and outputs that are solved; what lies between is read between


def static_grid(
    machine: Machine, batches: Sequence[int], prompts: Sequence[int], outputs: Sequence[int]
) -> dict[str, np.ndarray]:
    """Columns of the shape [batches, prompts, outputs]: batches that start and end together.

    Steps are computed at a few dozen batches, tokens and lengths and read between; up to 20 batches and 6 lengths are exact.
    """
    b, p, o = (np.asarray(v, float) for v in (batches, prompts, outputs))
    own = np.ceil(b / machine.copies)  # what one copy of the attention sees
    tokens = own[:, None] * p[None, :]
    whole, each = _nodes(tokens, _MANY), _nodes(p, _FEW)
    prefill = np.broadcast_to(
        machine.step(whole[:, None], (each[None, :] - whole[:, None]) / 2, 0.0, 0.0), (len(whole), len(each))
    )
    across, along = _between(whole, tokens), _between(each, np.broadcast_to(p, tokens.shape))
    ttft = _read(prefill, across, along) + machine.engine.arrival(p)
    middle = p[:, None] + np.maximum(o[None, :] - 1, 1) / 2
    sizes, caches = _nodes(own, _MANY), _nodes(middle, _FEW)
    steps = np.broadcast_to(
        machine.step(0.0, 0.0, sizes[:, None], caches[None, :]), (len(sizes), len(caches))
    )
    # First to the asked batches, then along the cache: the large array is made once, by two products.
    low, part = _between(sizes, own)
    steps = steps[low] * (1 - part)[:, None] + steps[low + 1] * part[:, None]
    low, part = _between(caches, middle)
    tpot = steps[:, low] * (1 - part) + steps[:, low + 1] * part
    return _columns(machine, b, p, o, np.broadcast_to(ttft[:, :, None], tpot.shape), tpot)


def loop_grid(
    machine: Machine, users: Sequence[int], prompts: Sequence[int], outputs: Sequence[int]
) -> dict[str, np.ndarray]:
    """The same for closed loops; `batch` is the number of users.

    Up to 64 points are solved as they are. Of more, steps are read from a table, and where an axis has many values, the
    loads between a dozen of them are read between.
    """
    b, p, o = (np.asarray(v, float) for v in (users, prompts, outputs))
    own = np.ceil(b / machine.lanes)[:, None, None]
    room = machine.most_of_a_lane(p[:, None] + o / 2)  # as in predicting.py
    if own.size * room.size <= _EXACT:
        got = serving.closed_loop(
            machine.step, machine.engine, own, p[:, None], o, most_sequences=room
        )
        return _columns(machine, b, p, o, got.ttft, got.tpot)
    # Who runs is solved; who waits for a place is known from that, and has a kink that no node would hit.
    running = np.minimum(own, np.minimum(room, machine.engine.sequences))
    loads = [_few(v, most) for v, most in zip((running, p, o), _LOOP, strict=True)]
    step = StepTable(
        machine.step, max_tokens=machine.engine.tokens, max_sequences=int(max(8, running.max())),
        max_context=int(p.max() + o.max()) + 1,
    ).arrays  # fmt: skip
    got = serving.closed_loop(step, machine.engine, loads[0][:, None, None], loads[1][:, None], loads[2])
    low, part = _between(np.log(loads[0]), np.log(running))
    ttft, tpot = (_along(_lengths(v, loads, (p, o)), low, part) for v in (got.ttft, got.tpot))
    queue = (own / running - 1) * (ttft + np.maximum(o - 1, 1) * tpot)
    return _columns(machine, b, p, o, ttft + queue, tpot)


def _lengths(table: np.ndarray, loads: Sequence[np.ndarray], wanted: Sequence[np.ndarray]) -> np.ndarray:
    """The table, its last two axes read at all lengths: logarithms, linear along one after the other."""
    values = np.log(np.broadcast_to(table, [len(n) for n in loads]))
    for axis in (1, 2):
        low, part = _between(np.log(loads[axis]), np.log(wanted[axis - 1]))
        part = part[:, None] if axis == 1 else part
        values = values.take(low, axis) * (1 - part) + values.take(low + 1, axis) * part
    return values


def _along(values: np.ndarray, low: np.ndarray, part: np.ndarray) -> np.ndarray:
    """The logarithms along the first axis, at another place for every point; no longer logarithms."""
    near, far = np.take_along_axis(values, low, 0), np.take_along_axis(values, low + 1, 0)
    return np.exp(near + (far - near) * part)


def _columns(
    machine: Machine, b: np.ndarray, p: np.ndarray, o: np.ndarray, ttft: np.ndarray, tpot: np.ndarray
) -> dict[str, np.ndarray]:
    """All columns, seen in the shape of the grid without copies."""
    total = ttft + np.maximum(o - 1, 0) * tpot
    rate = b[:, None, None] * o / total
    held = machine.memory(b[:, None, None], p[:, None] + o)
    fits = held <= machine.capacity
    if machine.max_positions:
        fits &= p[:, None] + o <= machine.max_positions
    cost = cost_of(machine, rate)
    values = (
        b.astype(int)[:, None, None], p.astype(int)[:, None], o.astype(int), ttft, tpot, rate, held, fits,
        cost.usd_per_million_tokens, cost.joules_per_token,
    )  # fmt: skip
    return {name: np.broadcast_to(value, rate.shape) for name, value in zip(COLUMNS, values, strict=True)}


def _few(values: np.ndarray, most: int) -> np.ndarray:
    """The distinct values, or `most` over them, evenly by their logarithm; never one alone."""
    distinct = np.unique(values)
    if len(distinct) == 1:
        return np.append(distinct, distinct * 2)
    return distinct if len(distinct) <= most else np.geomspace(distinct[0], distinct[-1], most)


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
