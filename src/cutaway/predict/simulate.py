# Serving under load cannot be had from a formula: queues, chunks and preemption decide. So the engine is run event by
# event, with a function that says how long a step takes; everything else is counting.
"""`simulate`: requests through one or several engines, with every timestamp."""

from __future__ import annotations

import heapq
import itertools
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cutaway.errors import BadValue
from cutaway.predict.scheduler import Instance, Sequence, ServerConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cutaway.predict.arrivals import Request

    # (prefill tokens, tokens before them, decoding sequences, tokens before each) -> seconds
    StepTime = Callable[[float, float, float, float], float]

QUANTILES = (50, 90, 95, 99)
DEFINITIONS = {
    "ttft_s": "time to first token: from arrival to the end of the step that yields the first output token, queueing and "
    "what the engine does before it included",
    "tpot_s": "time per output token of one request: (last token - first token) / (output tokens - 1)",
    "itl_s": "inter-token latency: each gap between consecutive output tokens, over all requests",
    "e2e_s": "from arrival to the last token",
    "throughput_tokens_per_s": "output tokens of all requests / (last token of all - first arrival)",
    "requests_per_s": "requests / (last token of all - first arrival)",
}


@dataclass(frozen=True)
class Disaggregation:
    """Prefill and decode on instances of their own: how many, and how what is kept of a sequence travels between them:
    from one prefill instance one after the other."""

    prefill_instances: int
    decode_instances: int
    state_bytes: Callable[[float], float]  # of a sequence of so many tokens, over one link
    bandwidth: float  # bytes/s of that link
    latency: float = 1e-3  # s, of setting up a transfer


@dataclass(frozen=True)
class Sample:
    """The state at the end of a step: seconds, sequences running and waiting, share of the cache held."""

    time: float
    running: int
    waiting: int
    cache: float


@dataclass(frozen=True)
class Served:
    """One request with its timestamps, in seconds after the first arrival."""

    index: int
    input_tokens: int
    output_tokens: int
    arrival: float
    scheduled: float
    first_token: float
    last_token: float
    preemptions: int
    hit_tokens: int

    @property
    def ttft(self) -> float:
        return self.first_token - self.arrival

    @property
    def tpot(self) -> float:
        """Of a request with one output token: not a number."""
        gaps = self.output_tokens - 1
        return (self.last_token - self.first_token) / gaps if gaps else float("nan")

    @property
    def e2e(self) -> float:
        return self.last_token - self.arrival


@dataclass(frozen=True)
class Simulation:
    """What came of it. `gaps` are all inter-token gaps in seconds."""

    requests: tuple[Served, ...]
    samples: tuple[Sample, ...]
    gaps: tuple[float, ...]
    steps: int

    @property
    def duration(self) -> float:
        return max(r.last_token for r in self.requests) - min(r.arrival for r in self.requests)

    def summary(self) -> dict[str, object]:
        """Means and percentiles (s), throughput, and how full the queues and the cache were."""
        import numpy as np

        tpot = [r.tpot for r in self.requests if r.output_tokens > 1]
        out: dict[str, object] = {}
        for name, values in {
            "ttft_s": [r.ttft for r in self.requests],
            "tpot_s": tpot,
            "itl_s": self.gaps,
            "e2e_s": [r.e2e for r in self.requests],
        }.items():
            if values:
                marks = np.percentile(np.asarray(values), QUANTILES)
                out[name] = {
                    "mean": float(np.mean(values)),
                    **{f"p{q}": float(v) for q, v in zip(QUANTILES, marks, strict=True)},
                }
        tokens = sum(r.output_tokens for r in self.requests)
        return out | {
            "throughput_tokens_per_s": tokens / self.duration,
            "requests_per_s": len(self.requests) / self.duration,
            "duration_s": self.duration,
            "steps": self.steps,
            "preemptions": sum(r.preemptions for r in self.requests),
            "prefix_hit_tokens": sum(r.hit_tokens for r in self.requests),
            "running_mean": float(np.mean([s.running for s in self.samples])),
            "waiting_max": max(s.waiting for s in self.samples),
            "cache_use_max": max(s.cache for s in self.samples),
        }


def simulate(
    requests: Iterable[Request],
    step_time: StepTime,
    config: ServerConfig,
    *,
    instances: int = 1,
    disaggregation: Disaggregation | None = None,
    decode_step_time: StepTime | None = None,
    concurrency: int | None = None,
    seed: int = 0,
) -> Simulation:
    """Serve all requests to their end; the same arguments give the same answer.

    `concurrency` closes the loop: so many requests are there at first, and the next arrives when one has ended; their
    own arrival times are not used.

    `instances` are replicas behind a router that takes the one with the fewest sequences. With `disaggregation` there
    are two pools instead; the decode pool may have a step time of its own. Raises `BadValue` where a request can never
    run.
    """
    ordered = sorted(requests, key=lambda r: r.arrival)
    sequences = [Sequence(i, r, r.arrival) for i, r in enumerate(ordered)]
    if not sequences:
        raise BadValue("there are no requests to serve")
    _can_run(sequences, config)
    random_ = random.Random(seed)
    split = disaggregation
    first = [
        Instance(config, random_, prefill_only=split is not None)
        for _ in range(split.prefill_instances if split else instances)
    ]
    second = [Instance(config, random_) for _ in range(split.decode_instances)] if split else []
    free = dict.fromkeys(map(id, first), 0.0)  # when the link of a prefill instance has sent what it has to send
    samples: list[Sample] = []
    steps = 0
    count = 0  # breaks ties in the order in which events were made
    events: list[tuple[float, int, Instance | None, object]] = []

    def later(time: float, instance: Instance | None, what: object) -> None:
        nonlocal count
        heapq.heappush(events, (time, count, instance, what))
        count += 1

    def start(instance: Instance, now: float) -> None:
        nonlocal steps
        batch = instance.next_batch(now)
        instance.busy = batch is not None
        if batch is None:
            return
        steps += 1
        clock = decode_step_time if decode_step_time and not instance.prefill_only and split else step_time
        later(now + clock(*batch[2:]), instance, batch)

    behind = iter(sequences[concurrency:] if concurrency else ())
    for sequence in sequences[:concurrency]:
        if concurrency:
            sequence.arrival = 0.0
        later(sequence.arrival, None, sequence)
    while events:
        now, _, instance, what = heapq.heappop(events)
        if isinstance(what, Sequence):
            # A sequence that has its first token is on its way to decode.
            target = min(second if what.generated else first, key=lambda i: i.load)
            target.waiting.append(what)
            if not target.busy:
                # All that arrives at this moment goes into the same step.
                target.busy = True
                later(now, target, None)
            continue
        assert instance is not None
        if what is not None:
            done, handed = instance.finish(what, now)  # type: ignore[arg-type]
            for sequence in itertools.islice(behind, len(done)):
                sequence.arrival = now
                later(now, None, sequence)
            samples.append(Sample(now, len(instance.running), len(instance.waiting), instance.pool.used))
            for sequence in handed:
                assert split is not None
                free[id(instance)] = max(now, free[id(instance)]) + split.state_bytes(sequence.computed) / split.bandwidth
                later(free[id(instance)] + split.latency, None, sequence)
        start(instance, now)
    return _result(sequences, samples, steps)


def _can_run(sequences: list[Sequence], config: ServerConfig) -> None:
    for sequence in sequences:
        request = sequence.request
        need = -(-(request.input_tokens + request.output_tokens + config.draft_tokens) // config.block_size)
        if need > config.blocks:
            raise BadValue(
                "a request is larger than the whole cache",
                asked=f"{request.input_tokens} + {request.output_tokens} tokens, {need} blocks",
                known=f"{config.blocks} blocks of {config.block_size} tokens",
                try_="more memory or GPUs, a smaller KV dtype, or shorter requests",
            )
        if not config.chunked_prefill and request.input_tokens > config.max_num_batched_tokens:
            raise BadValue(
                "a prompt is longer than a step, and prompts are not chunked",
                asked=f"{request.input_tokens} tokens",
                known=f"max_num_batched_tokens {config.max_num_batched_tokens}",
            )


def _result(sequences: list[Sequence], samples: list[Sample], steps: int) -> Simulation:
    served = tuple(
        Served(
            s.index, s.request.input_tokens, s.request.output_tokens, s.arrival,
            s.scheduled, s.first, s.last, s.preemptions, s.hit_tokens,
        )
        for s in sequences
    )  # fmt: skip
    return Simulation(served, tuple(samples), tuple(gap for s in sequences for gap in s.gaps), steps)
