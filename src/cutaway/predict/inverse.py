# The questions that planners ask run backwards: not how fast this machine is, but which one is fast enough. Time grows with
# batch and shrinks with bandwidth, so each is a search over something monotone, or over a short list.
"""`largest_batch`, `bandwidth_for`, `fewest_devices`, `cheapest`: from a target to what reaches it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cutaway.errors import BadValue
from cutaway.predict import serving
from cutaway.predict.machine import Machine
from cutaway.predict.money import cost_of

_USERS = np.unique(np.round(np.geomspace(1, 4096, 73)).astype(int))


@dataclass(frozen=True)
class Target:
    """A service level: seconds that TTFT and TPOT may take, and output tokens per second that there must be."""

    ttft: float | None = None
    tpot: float | None = None
    throughput: float | None = None

    def __post_init__(self) -> None:
        given = {k: v for k, v in vars(self).items() if v is not None}
        for name, value in given.items():
            if not 0 < value < np.inf:
                raise BadValue(f"the target for {name} must be above 0 and finite", asked=str(value))
        if not given:
            raise BadValue("a target needs a TTFT, a TPOT or a throughput")


@dataclass(frozen=True)
class Found:
    """The point at which a machine meets the target at the least cost."""

    machine: Machine
    users: int
    ttft: float
    tpot: float
    throughput: float
    usd_per_million_tokens: float


def largest_batch(machine: Machine, prompt: int, output: int, tpot: float) -> int:
    """The most sequences that decode together within `tpot` seconds a token and within memory.

    Raises `BadValue`, with the TPOT of one sequence, where not even one does.
    """
    Target(tpot=tpot)
    most = int(machine.most_sequences(prompt + output))
    if most < 1:
        raise _no_room(machine, prompt + output)
    alone = _tpot(machine, 1, prompt, output)
    if alone > tpot:
        raise BadValue(
            "no batch is that fast", asked=f"TPOT {tpot * 1e3:.4g} ms on {machine.name}",
            known=f"one sequence alone takes {alone * 1e3:.4g} ms a token",
            try_="more tensor parallelism, fewer bits, speculative decoding or a device with more bandwidth",
        )  # fmt: skip
    low, high = 1, max(1, min(most, machine.engine.sequences * machine.copies))
    while low < high:
        middle = (low + high + 1) // 2
        if _tpot(machine, middle, prompt, output) <= tpot:
            low = middle
        else:
            high = middle - 1
    return low


def _tpot(machine: Machine, batch: int, prompt: int, output: int) -> float:
    """Seconds per token of a batch that is spread over the machine's copies."""
    return float(serving.decode(machine.step, -(-batch // machine.copies), prompt, output)) / machine.yields


def bandwidth_for(
    build: Callable[[float], Machine], bandwidth: float, batch: int, prompt: int, output: int, tpot: float
) -> float:
    """Bytes/s of memory bandwidth at which `batch` sequences decode in `tpot` seconds a token.

    `build(factor)` is the machine with its bandwidth times the factor; `bandwidth` that of factor 1. Raises `BadValue`
    where compute, links or the engine alone take longer.
    """
    Target(tpot=tpot)

    def time(factor: float) -> float:
        return _tpot(build(factor), batch, prompt, output)

    low, high = 1e-3, 1e3
    if time(high) > tpot:
        raise BadValue(
            "no bandwidth is enough", asked=f"TPOT {tpot * 1e3:.4g} ms",
            known=f"{time(high) * 1e3:.4g} ms are left when memory takes no time: compute, links and engine",
            try_="a smaller batch, more devices, or another engine",
        )  # fmt: skip
    for _ in range(60):
        middle = (low * high) ** 0.5
        low, high = (low, middle) if time(middle) <= tpot else (middle, high)
        if high / low < 1.0005:
            break
    return high * bandwidth


def reaching(
    machine: Machine, build: Callable[[float], Machine], bandwidth: float, batch: int, prompt: int, output: int, tpot: float
) -> dict[str, Any]:
    """What a TPOT takes, for JSON: the largest batch of this machine, and the bandwidth (bytes/s of each device) at which
    `batch` sequences reach it; null where there is none, with the reason."""
    found: dict[str, Any] = {"tpot_s": tpot, "batch": batch}
    questions = {
        "largest_batch": lambda: largest_batch(machine, prompt, output, tpot),
        "bandwidth_bytes_per_s": lambda: bandwidth_for(build, bandwidth, batch, prompt, output, tpot),
    }
    why = {}
    for name, ask in questions.items():
        try:
            found[name] = ask()
        except BadValue as error:
            found[name], why[name] = None, f"{error.what}: {error.known}"
    return found | {"why_not": why}


def meet(machine: Machine, prompt: int, output: int, target: Target) -> Found | None:
    """The cheapest load at which the machine meets the target, None where there is none.

    Without a price the load with the highest throughput is taken.
    """
    most = int(machine.most_sequences(prompt + output))
    users = _USERS[most >= _USERS]
    if len(users) == 0:
        return None
    got = serving.closed_loop(machine.step, machine.engine, users, prompt, output, yields=machine.yields)
    good = np.ones(len(users), bool)
    for limit, value in ((target.ttft, got.ttft), (target.tpot, got.tpot)):
        if limit is not None:
            good &= np.broadcast_to(value, good.shape) <= limit
    if target.throughput is not None:
        good &= got.throughput >= target.throughput
    if not good.any():
        return None
    best = int(np.argmax(np.where(good, got.throughput, -1)))
    usd = float(cost_of(machine, got.throughput[best]).usd_per_million_tokens)
    return Found(
        machine,
        int(users[best]),
        float(got.ttft[best]),
        float(got.tpot[best]),
        float(got.throughput[best]),
        usd,
    )


def cheapest(machines: Iterable[Machine], prompt: int, output: int, target: Target) -> list[Found]:
    """The machines that meet the target, the cheapest per token first; those without a price last, fastest first.

    Raises `BadValue` saying what would make it possible where none does.
    """
    tried = list(machines)
    found = [f for f in (meet(machine, prompt, output, target) for machine in tried) if f]
    if not found:
        raise _impossible(tried, prompt, output, target)
    return sorted(
        found,
        key=lambda f: (
            np.isnan(f.usd_per_million_tokens),
            np.nan_to_num(f.usd_per_million_tokens),
            -f.throughput,
        ),
    )


def fewest_devices(machines: Sequence[Machine], prompt: int, output: int, target: Target) -> Found:
    """The one of least devices that meets the target. Raises as `cheapest`."""
    return min(cheapest(machines, prompt, output, target), key=lambda f: (f.machine.devices, -f.throughput))


def _impossible(machines: Sequence[Machine], prompt: int, output: int, target: Target) -> BadValue:
    """What the best of each would be, so that the target can be moved to where something is."""
    roomy = [m for m in machines if m.most_sequences(prompt + output) >= 1]
    if not roomy:
        return _no_room(
            min(machines, key=lambda m: float(m.memory(1, prompt + output)) - m.capacity), prompt + output
        )
    alone = [(m, serving.closed_loop(m.step, m.engine, 1, prompt, output, yields=m.yields)) for m in roomy]
    fastest, first = min(alone, key=lambda pair: float(pair[1].tpot))
    soonest, second = min(alone, key=lambda pair: float(pair[1].ttft))
    return BadValue(
        "nothing of what was tried meets the target",
        asked=", ".join(f"{k} {v:g}" for k, v in vars(target).items() if v is not None),
        known=(
            f"least TPOT {float(first.tpot) * 1e3:.4g} ms ({fastest.name}), "
            f"least TTFT {float(second.ttft) * 1e3:.4g} ms ({soonest.name})"
        ),
        try_="a target above these, more devices (--tp), fewer bits (--weights), or other hardware",
    )


def _no_room(machine: Machine, tokens: int) -> BadValue:
    short = float(machine.memory(1, tokens)) - machine.capacity
    return BadValue(
        "does not fit",
        asked=f"one sequence of {tokens} tokens on {machine.name}",
        known=f"{short / 1e9:.1f} GB too much on each device",
        try_="more devices (--tp, --pp), fewer bits (--weights, --kv), or shorter sequences",
    )
