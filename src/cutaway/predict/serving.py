# From the time of a step to what users feel. Two regimes have formulas: a batch that starts and ends together, and a
# closed loop in which every user sends the next request when the last is answered. All of it runs on arrays, so that one
# number and a grid of a million are the same code.
"""`static` and `closed_loop`: TTFT, TPOT and throughput."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from cutaway.predict.engine import Engine

    # seconds of a step: (prefill tokens, tokens before them, decoding sequences, tokens before each)
    Step = Callable[..., np.ndarray]
    Number = np.ndarray | float

DEFINITIONS = {
    "ttft_s": {
        "static": "time to first token: one step computes all prompts of the batch",
        "closed loop": "time to first token: mean over requests, waiting for a step and for other prompts included, of users "
        "who are out of step with each other; a benchmark begins with all at once, which takes longer (--rounds)",
    },
    "tpot_s": {
        "static": "time per output token: mean step of the tokens after the first, the cache growing by one a step",
        "closed loop": "time per output token: (last - first token) / (output - 1), steps with prompts of others included",
    },
    "throughput_tokens_per_s": {
        "static": "batch x output tokens / (TTFT + (output - 1) x TPOT)",
        "closed loop": "concurrency x output tokens / (TTFT + (output - 1) x TPOT)",
    },
}
BEGUN = {  # with `rounds`
    "ttft_s": "time to first token: mean over requests, waiting for a step and for other prompts included; the first of all "
    "users come at once"
}
# where a mean over the growing cache is taken, and with which weights: exact to degree 5
_GAUSS = np.array([0.5 - np.sqrt(0.15), 0.5, 0.5 + np.sqrt(0.15)]), np.array([5 / 18, 8 / 18, 5 / 18])
_SHARES = np.array([0, 0.03, 0.07, 0.12, 0.2, 0.3, 0.4, 0.55, 0.7, 0.85, 1])  # of the way from one sequence to all
_SHARES_LIST = _SHARES.tolist()
_WIDTHS = np.diff(_SHARES)
_ROUNDS = 24  # of a damped fixed point; the error left is below 1e-4


@dataclass(frozen=True)
class Served:
    """Arrays that broadcast over what was asked: seconds, tokens per second, and what a step held.

    batch: sequences that decode together. prefill_tokens: prompt tokens per step, on average. prefill_share: the share
    of time that steps with prompts take.
    """

    ttft: np.ndarray
    tpot: np.ndarray
    throughput: np.ndarray
    batch: np.ndarray
    prefill_tokens: np.ndarray
    prefill_share: np.ndarray


def static(
    step: Step, batch: Number, prompt: Number, output: Number, *, request: float = 0.0, yields: float = 1.0
) -> Served:
    """A batch that starts together: `prompt` tokens each in one step, then `output` - 1 tokens, `yields` of a step.

    `request` is added to the first token, in seconds.
    """
    batch, prompt, output = (np.asarray(v, float) for v in (batch, prompt, output))
    if batch.size == prompt.size == output.size == 1:
        first, tpot = _at_once(step, batch, prompt, output)
        ttft = first + request
    else:
        ttft = _prompts(step, batch, prompt) + request
        tpot = decode(step, batch, prompt, output)
    tpot = tpot / yields
    total = ttft + np.maximum(output - 1, 0) * tpot
    share = ttft / total
    return Served(ttft, tpot, batch * output / total, batch, batch * prompt / np.maximum(output, 1), share)


def _at_once(step: Step, batch: np.ndarray, prompt: np.ndarray, output: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Seconds of the prompts' step and the mean of the others, of one batch: a call of its own for each would cost more
    than the steps themselves."""
    points, shares = _GAUSS
    decoding, total = np.array([0.0, 1.0, 1.0, 1.0]), batch * prompt
    seen = prompt + np.concatenate(([0.0], points)) * np.maximum(output - 1, 1)
    first = 1 - decoding
    times = step(total * first, (prompt - total) / 2 * first, batch * decoding, seen * decoding)
    shape = np.broadcast_shapes(batch.shape, prompt.shape, output.shape)
    return np.reshape(times[..., 0], shape), np.reshape(times[..., 1:] @ shares, shape)


def decode(step: Step, batch: Number, prompt: Number, output: Number) -> np.ndarray:
    """Mean seconds of the steps that yield the tokens after the first, the cache growing meanwhile."""
    grown = np.maximum(np.asarray(output, float) - 1, 1)[..., None]
    points, shares = _GAUSS
    grid = np.asarray(prompt, float)[..., None] + points * grown  # one call for all points
    return step(0.0, 0.0, np.asarray(batch, float)[..., None], grid) @ shares


def closed_loop(
    step: Step,
    engine: Engine,
    concurrency: Number,
    prompt: Number,
    output: Number,
    *,
    most_sequences: Number | None = None,
    most_tokens: int | None = None,
    rounds: float | None = None,
    alike: Number | bool = False,
    yields: float = 1.0,
) -> Served:
    """The steady state of `concurrency` users, each with one request in flight.

    While one request decodes, each of the others is replaced once per life, so its prompt delays the decoding ones: in
    the same step (engines that mix) or between two. `most_sequences` is what memory and the engine allow to run.
    Benchmarks are no steady state: all users begin at once. With `rounds` requests per user, the mean TTFT holds that
    first burst once in `rounds`. Where `alike` (requests of exactly the same lengths) and the engine computes prompts
    before it goes on decoding, users never get out of step: every round is such a burst, and who is first waits for the
    last before the second token. An engine may keep them `together` although it mixes. `yields` are the tokens that a
    sequence gets of a step, where some are guessed.
    """
    users, prompt, output = (np.asarray(v, float) for v in (concurrency, prompt, output))
    limit = engine.sequences if most_sequences is None else np.minimum(most_sequences, engine.sequences)
    users, prompt, output, limit = np.broadcast_arrays(users, prompt, output, limit)
    running = np.maximum(np.minimum(users, limit), 1.0)
    tokens = most_tokens or engine.tokens
    steps = np.maximum((output - 1) / yields, 1)
    kv = prompt + np.maximum(output - 1, 1) / 2
    # Steps are asked for once, at a few loads between one sequence and all; the rounds look between them.
    at = 1 + (running - 1)[..., None] * _SHARES
    # What one prompt adds to those that decode: a step of its own, or what it makes a decode step longer by.
    held = at * (1 - 1 / running[..., None]) if engine.mixed else np.zeros_like(at)
    sampled = _one_loop if running.size == 1 else _loops
    plain_at, mixed_at = sampled(step, at, prompt[..., None], output[..., None], held, kv[..., None], tokens)
    chunks = np.ceil(prompt[..., None] / np.maximum(tokens - held, 1))
    added_at = np.maximum(mixed_at - (chunks * plain_at if engine.mixed else 0.0), 0.0)
    arrival = engine.arrival(prompt)
    if running.size == 1:
        # One load is a page of numbers: arrays of one would take ten times as long.
        alone = _AloneBetween(float(running.item()), plain_at, mixed_at, added_at)
        found = _settled(alone, float(arrival.item()), float(running.item()), float(steps.item()), max, min)
        ttft, tpot, batch, others, added = (np.reshape(v, running.shape) for v in found)
    else:
        between = _Between(running, plain_at, mixed_at, added_at)
        ttft, tpot, batch, others, added = _settled(between, arrival, running, steps, np.maximum, np.minimum)
    if np.any(alike) and engine.together:
        # Prompts come together again each round, and the one behind the others waits for all of them.
        ttft = np.where(alike, mixed_at[..., -1] * (running + 1) / 2 + arrival, ttft)
    elif np.any(alike) and not engine.mixed:
        burst, wait = _burst(step, running, prompt, tokens)
        ttft = np.where(alike, burst + arrival, ttft)
        tpot = np.where(alike, decode(step, running, prompt, output) + wait / steps, tpot)
    life = ttft + steps * tpot
    if rounds is not None:
        ttft = ttft + (_burst(step, running, prompt, tokens)[0] + arrival - ttft) / rounds
    # Those beyond what may run wait for a place, outside of the life that others see.
    queue = np.maximum(users - running, 0.0) / running * life
    prefill = prompt * batch / steps
    share = np.minimum(others * added / (steps * tpot), 1.0)
    return Served(ttft + queue, tpot * (steps / np.maximum(output - 1, 1)), running * output / life, batch, prefill, share)


def _settled(
    between: Callable[[Any], Any], arrival: Any, running: Any, steps: Any, most: Callable[..., Any], least: Callable[..., Any]
) -> tuple[Any, ...]:
    """TTFT, TPOT, sequences that decode, others in flight and what a prompt adds to a step, where these agree with each other.
    Numbers with `most` and `least` of two numbers, or arrays with those of arrays."""
    batch = running
    tpot, ttft, _ = between(running)
    ttft = between(running * 0 + 1)[1] + arrival
    for _ in range(_ROUNDS):
        life = ttft + steps * tpot
        batch = least(most(running * steps * tpot / life, 1.0), running)
        plain, mixed, added = between(batch)
        others = most(running - 1, 0.0) * (steps * tpot / life)
        # A prompt waits for the rest of the step that runs, and for prompts before it: as in a queue with `running`
        # customers, the work of those that are expected to be there.
        busy = least(others * mixed / most(life, 1e-12), 0.95)
        wait = busy * mixed / 2 / (1 - busy) + (running > 1) * plain / 2
        tpot = (tpot + plain + others * added / steps) / 2
        ttft = (ttft + arrival + mixed + wait) / 2
    return ttft, tpot, batch, others, added


def _loops(
    step: Step, at: np.ndarray, prompt: np.ndarray, output: np.ndarray, held: np.ndarray, kv: np.ndarray, tokens: int
) -> tuple[np.ndarray, np.ndarray]:
    """Seconds of a step of `at` sequences that decode, and of a prompt beside `held` of them."""
    return decode(step, at, prompt, output), _chunked(step, prompt, held, kv, tokens)


def _one_loop(
    step: Step, at: np.ndarray, prompt: np.ndarray, output: np.ndarray, held: np.ndarray, kv: np.ndarray, tokens: int
) -> tuple[np.ndarray, np.ndarray]:
    """The same of one load, in one call of `step`: two calls would cost more than the steps themselves."""
    points, shares = _GAUSS
    grown = (prompt + points * np.maximum(output - 1, 1)).ravel()
    seen = np.broadcast_to(grown, (at.size, len(points)))
    chunks, size = _chunks(prompt, held, tokens)
    none, count = np.zeros(seen.size), at.size
    mixed = (np.broadcast_to(v, at.shape).ravel() for v in (size, (prompt - size) / 2, held, kv))
    plain = none, none, np.repeat(at.ravel(), len(points)), seen.ravel()
    times = step(*(np.concatenate(pair) for pair in zip(plain, mixed, strict=True)))
    plain_at = times[: seen.size].reshape(count, len(points)) @ shares
    return plain_at.reshape(at.shape), chunks * times[seen.size :].reshape(at.shape)


class _Between:
    """Values at the shares of the way from one sequence to `running`, and then at any batch between."""

    def __init__(self, running: np.ndarray, *values: np.ndarray):
        shape = (len(values), *running.shape, len(_SHARES))
        self.flat = np.empty(shape)
        for row, value in zip(self.flat, values, strict=True):
            row[...] = value
        self.flat = self.flat.reshape(len(values), -1)
        self.most = np.maximum(running - 1, 1e-9)
        self.rows = np.arange(running.size).reshape(running.shape) * len(_SHARES)

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        """[values, …]"""
        part = (batch - 1) / self.most
        place = np.minimum(np.maximum(_SHARES.searchsorted(part, side="right") - 1, 0), len(_SHARES) - 2)
        weight = (part - _SHARES[place]) / _WIDTHS[place]
        at = self.rows + place
        return self.flat[:, at] * (1 - weight) + self.flat[:, at + 1] * weight


class _AloneBetween:
    """The same of one `running`, in numbers."""

    def __init__(self, running: float, *values: np.ndarray):
        self.values = [np.ravel(np.broadcast_to(v, (*v.shape[:-1], len(_SHARES)))).tolist() for v in values]
        self.most = max(running - 1, 1e-9)

    def __call__(self, batch: float) -> list[float]:
        part = (batch - 1) / self.most
        place = min(max(bisect_right(_SHARES_LIST, part) - 1, 0), len(_SHARES_LIST) - 2)
        weight = (part - _SHARES_LIST[place]) / (_SHARES_LIST[place + 1] - _SHARES_LIST[place])
        return [v[place] * (1 - weight) + v[place + 1] * weight for v in self.values]


def _prompts(step: Step, batch: np.ndarray, prompt: np.ndarray) -> np.ndarray:
    """Seconds of one step with the whole prompts of a batch: attention sees `batch` short ones, not a long one."""
    total = batch * prompt
    return step(total, (prompt - total) / 2, 0.0, 0.0)


def _burst(step: Step, users: np.ndarray, prompt: np.ndarray, tokens: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean seconds to the first token where all prompts arrive at once, as many to a step as fit; and from there until
    the last prompt is computed."""
    together = np.clip(np.floor(tokens / prompt), 1.0, users)
    turns = users / together
    one = np.where(
        prompt > tokens, _chunked(step, prompt, 0.0, prompt, tokens), _prompts(step, together, prompt)
    )
    return one * (turns + 1) / 2, one * (turns - 1) / 2


def _chunked(step: Step, prompt: np.ndarray, held: Number, kv: np.ndarray, tokens: int) -> np.ndarray:
    """Seconds until a prompt is computed in steps of at most `tokens`, of which `held` decode."""
    chunks, size = _chunks(prompt, held, tokens)
    # The mean chunk: half of the others' tokens lie before it.
    return chunks * step(size, (prompt - size) / 2, held, kv)


def _chunks(prompt: np.ndarray, held: Number, tokens: int) -> tuple[np.ndarray, np.ndarray]:
    """How many chunks a prompt takes beside `held` sequences, and their mean size."""
    chunks = np.ceil(prompt / np.maximum(tokens - np.asarray(held, float), 1.0))
    return chunks, prompt / chunks
