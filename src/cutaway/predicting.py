# The public `cutaway.predict`: a model, devices, a load and an engine in; latency, throughput, memory, money and where the
# time goes out. The parts are in `cutaway.predict.*`; this puts them together and checks what was asked.
"""`predict("llama-3.1-8b", "h100", batch=8)`: what serving a model takes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cutaway.errors import BadValue

if TYPE_CHECKING:
    from cutaway.hardware import Hardware
    from cutaway.predict.arrivals import Request
    from cutaway.predict.memory import Memory
    from cutaway.predict.quant import Quant
    from cutaway.predict.served import Pools
    from cutaway.predict.setup import Setup
    from cutaway.predict.shard import Parallel
    from cutaway.predict.step import Part

LONGEST, MOST = 1 << 27, 1 << 20  # tokens of a prompt or an answer; sequences
SIMULATED = 400  # requests, where arrivals are asked for
MOST_SIMULATED = 4096  # users


@dataclass(frozen=True)
class Prediction:
    """What was asked and what comes of it; seconds, bytes, tokens per second. Details are worked out when asked for."""

    setup: Setup = field(repr=False)
    regime: str  # static | closed loop | arrivals
    asked: Mapping[str, Any]
    ttft_s: float
    tpot_s: float
    throughput_tokens_per_s: float
    served: Mapping[str, Any] = field(default_factory=dict)  # percentiles, of what was simulated
    pools: Pools | None = None

    @property
    def model(self) -> str:
        return self.setup.prefill.model

    @property
    def hardware(self) -> Hardware:
        return self.setup.hardware

    @property
    def engine(self) -> str:
        return self.setup.engine.name

    @property
    def parallel(self) -> Parallel:
        return self.setup.parallel

    @property
    def quant(self) -> Quant:
        return self.setup.quant

    @property
    def tier(self) -> str:
        """The lowest of any kernel's."""
        return self.setup.step.tiers[0]

    @property
    def users(self) -> int:
        """Sequences that are there together on one machine; of arrivals, on average."""
        if self.regime == "arrivals":
            return max(1, round(float(self.served["running_mean"])))
        together = self.asked["concurrency"] or self.asked["batch"] or 1
        return math.ceil(together / self.pools.decode_instances) if self.pools else together

    @property
    def devices(self) -> int:
        """Of all machines."""
        return self.parallel.devices * (self.pools.instances if self.pools else 1)

    @cached_property
    def memory(self) -> Memory:
        """What lies on one device."""
        from cutaway.predict.memory import UTILISATION, memory_of

        s, prompt = self.setup, self.asked["prompt"]
        return memory_of(
            s.prefill, s.hardware, s.parallel, s.quant, batch=self.users, context=prompt + self.asked["output"],
            prompt=prompt, utilisation=self.asked["utilisation"] or UTILISATION,
            draft=s.speculation.model if s.speculation else None,
        )  # fmt: skip

    @property
    def memory_bytes(self) -> int:
        """On one device."""
        return self.memory.total

    @property
    def fits(self) -> bool:
        return self.memory.fits

    @cached_property
    def points(self) -> Mapping[str, tuple[float, float, float, float]]:
        """Phase -> the point of its step, as `Step` takes it, of one device's share: (tokens of prompts, a chunk at the
        most; tokens before them, of a long prompt those of its middle, fewer than none where several share a chunk;
        sequences that get a token; tokens that each of them has cached)."""
        from cutaway.predict.memory import CHUNK

        prompt, output = self.asked["prompt"], self.asked["output"]
        lanes = self.parallel.dp if self.regime == "static" else self.setup.machine.lanes
        share = math.ceil(self.users / lanes)
        chunk = min(prompt * share, CHUNK)
        points = {"prefill": (chunk, (prompt - chunk) / 2, 0, 0)}
        if self.setup.decode is not None and output > 1:
            points["decode"] = (0, 0, share, prompt + output / 2)
        return points

    @cached_property
    def parts(self) -> Mapping[str, tuple[Part, ...]]:
        """Phase -> where the time of one step of kernels goes: of prompts (a chunk at the most), of the next token."""
        from cutaway.predict.step import Step

        guesses = self.setup.speculation
        parts = guesses.parts if guesses else Step.parts
        return {phase: tuple(parts(self.setup.step, *at)) for phase, at in self.points.items()}

    @property
    def prefill_step_s(self) -> float:
        """Of the kernels alone, without the engine."""
        return sum(float(part.seconds) for part in self.parts["prefill"])

    @property
    def decode_step_s(self) -> float:
        """Of the kernels alone, without the engine."""
        return sum(float(part.seconds) for part in self.parts.get("decode", ()))

    @property
    def usd_per_million_tokens(self) -> float | None:
        return self._cost[0]

    @property
    def joules_per_token(self) -> float | None:
        return self._cost[1]

    @cached_property
    def _cost(self) -> tuple[float | None, float | None]:
        from cutaway.predict.money import cost_of

        # Machines are alike, so that each has its part of the throughput.
        count = self.pools.instances if self.pools else 1
        found = cost_of(self.setup.machine, self.throughput_tokens_per_s / count)
        money, energy = float(found.usd_per_million_tokens), float(found.joules_per_token)
        return None if math.isnan(money) else money, None if math.isnan(energy) else energy

    @property
    def definitions(self) -> Mapping[str, str]:
        """What each figure means in this regime."""
        from cutaway.predict import money, serving

        if self.served:
            from cutaway.predict import simulate

            return dict(simulate.DEFINITIONS) | money.DEFINITIONS
        begun = serving.BEGUN if self.asked["rounds"] is not None else {}
        return {name: said[self.regime] for name, said in serving.DEFINITIONS.items()} | begun | money.DEFINITIONS

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is beyond the model or the memory, and what happens then."""
        found, limit = [], self.setup.prefill.max_positions
        tokens = self.served.get("longest_tokens") or self.asked["prompt"] + self.asked["output"]
        if limit and tokens > limit:
            found.append(
                f"{tokens} tokens are more than the model's {limit} positions: an engine refuses or cuts such "
                "requests; the figures are what the kernels would take"
            )
        guesses = self.setup.speculation
        if guesses and guesses.workload and guesses.workload.vocabulary != self.setup.prefill.vocabulary:
            found.append(
                f"{guesses.name} has {guesses.workload.vocabulary} tokens to choose from and {self.model} "
                f"{self.setup.prefill.vocabulary}: engines may refuse such a pair"
            )
        stored, published = self.quant.weights, self.setup.published
        if published is not None and published != stored and published.element == stored.element:
            found.append(
                f"the model is published in {published.name}: weights in {stored.name} would have to be made, "
                "and engines run other kernels for them; without --weights it is as published"
            )
        if self.regime == "static" and self.parallel.pp > 1:
            found.append(
                f"a batch goes through the {self.parallel.pp} stages as one, and each waits for the others; --concurrency, "
                "--rate and --requests keep all of them at work"
            )
        if not self.fits:
            how = f"; what would do: {' or '.join(self.memory.advice)}" if self.memory.advice else ""
            found.append(f"does not fit by {self.memory.missing / 1e9:.1f} GB a device{how}")
        return tuple(found)

    @property
    def gaps(self) -> tuple[str, ...]:
        """What of the model could not be read or priced as what it is."""
        later = self.setup.decode.gaps if self.setup.decode is not None else ()
        return tuple(dict.fromkeys((*self.setup.prefill.gaps, *later)))

    @cached_property
    def target(self) -> Mapping[str, Any] | None:
        """What it would take to reach the TPOT that was asked for, None if none was: the largest batch on these devices, and
        the memory bandwidth for as many sequences as there are; null with a reason where neither is enough."""
        if self.asked["target_tpot"] is None:
            return None
        from cutaway.predict.inverse import reaching

        lengths = self.asked["prompt"], self.asked["output"]
        tpot = self.asked["target_tpot"] / 1e3
        return reaching(self.setup.machine, self.setup.at, self.hardware.bandwidth, self.users, *lengths, tpot)

    def to_dict(self, explain: bool = False) -> dict[str, Any]:
        """The contract's keys; with `explain`, each kernel."""
        from cutaway.report.predict_json import to_dict

        return to_dict(self, explain)

    def to_json(self, explain: bool = False) -> str:
        """The same as text."""
        from cutaway.report.predict_json import to_json

        return to_json(self, explain)

    def __str__(self) -> str:
        from cutaway.report.predict_text import render_text

        return render_text(self)

    def _repr_markdown_(self) -> str:
        from cutaway.report.predict_text import render_markdown

        return render_markdown(self)


def predict(
    model: str,
    hardware: str | Path | Hardware,
    *,
    batch: int | None = None,
    prompt: int = 1024,
    output: int = 128,
    concurrency: int | None = None,
    rounds: int | None = None,
    rate: float | None = None,
    requests: str | Path | None = None,
    engine: str = "vllm",
    tp: int = 1,
    pp: int = 1,
    ep: int = 1,
    dp: int = 1,
    sp: bool = False,
    weights: str | None = None,
    activations: str | None = None,
    kv: str | None = None,
    tier: str | None = None,
    overlap: float = 0.0,
    utilisation: float | None = None,
    draft: str | None = None,
    draft_tokens: int | None = None,
    acceptance: float | None = None,
    prefill_instances: int | None = None,
    decode_instances: int | None = None,
    transfer: float | None = None,
    target_tpot: float | None = None,
    trust_code: bool = False,
    args: Mapping[str, Any] | None = None,
) -> Prediction:
    """Latency, throughput, memory and money of serving `model` on `hardware`.

    One of `batch` (starts and ends together; 1 if nothing is said), `concurrency` (users who ask again when answered),
    `rate` (requests per second) and `requests` (a trace: CSV or JSONL with arrival, input_tokens and output_tokens; `prompt`
    and `output` are then its means) says how it is used. With `rounds`, each of the users asks so often
    and all begin at once, as benchmarks do; without, TTFT is that of the steady state. `hardware` is a name, a sheet
    (FILE.toml) or a device.
    `draft` (a model, or "ngram") guesses `draft_tokens` a step, of which the share `acceptance` is right. With
    `prefill_instances` and `decode_instances` prompts and answers have machines of their own, and caches travel at
    `transfer` GB/s a device. `target_tpot` (ms) asks which bandwidth and which batch reach that time.
    Raises `CutawayError` for unknown names, sizes out of range, dtypes that the device lacks and cuts that do not divide.

    >>> predict("llama-3.1-8b", "h100", batch=8, prompt=2048).fits  # doctest: +SKIP
    True
    """
    from cutaway.predict.setup import setup_of

    asked = {
        "batch": batch, "prompt": prompt, "output": output, "concurrency": concurrency, "rounds": rounds,
        "rate": rate,
        "requests": None if requests is None else str(requests), "utilisation": utilisation, "target_tpot": target_tpot,
    }  # fmt: skip
    _check_load(asked)
    trace: list[Request] = []
    if requests is not None:
        from cutaway.predict.arrivals import read_trace

        trace = read_trace(requests)
        prompt, output = (
            max(1, round(sum(getattr(r, name) for r in trace) / len(trace))) for name in ("input_tokens", "output_tokens")
        )
        asked |= {"prompt": prompt, "output": output}
    guessing = draft, draft_tokens, acceptance
    words = (engine, tp, pp, ep, dp, sp, weights, activations, kv, tier, overlap, trust_code, guessing)
    setup = setup_of(model, hardware, *words, args=args)
    if setup.decode is None and output > 1:
        raise BadValue(
            "this model has no next token to predict", asked=f"--output {output}", known=setup.prefill.model,
            try_="--output 1",
        )  # fmt: skip
    split = None
    if not prefill_instances is decode_instances is transfer is None:
        from cutaway.predict.served import pools

        split = pools(prefill_instances, decode_instances, transfer, setup.hardware)
    if split is not None and rounds is not None:
        raise BadValue("with machines apart users begin at once in any case", asked=f"--rounds {rounds}")
    if rate is not None or trace or split is not None:
        return _simulated(setup, asked, trace, split)
    from cutaway.predict import serving

    users = concurrency or batch or 1
    if concurrency is not None:
        # Pages are taken as answers grow, so that requests at all stages of theirs share the memory.
        machine = setup.machine
        if utilisation is not None:
            machine = replace(machine, capacity=setup.hardware.capacity * utilisation)
        share = math.ceil(users / machine.lanes)
        most = float(machine.most_of_a_lane(prompt + output / 2))
        got = serving.closed_loop(
            setup.machine.step, setup.engine, share, prompt, output, most_sequences=most, rounds=rounds, yields=machine.yields
        )
    else:
        machine = setup.machine
        share = math.ceil(users / dp)  # what one copy of the attention sees
        got = serving.static(machine.step, share, prompt, output, request=setup.engine.arrival(prompt), yields=machine.yields)
    figures = float(got.ttft), float(got.tpot), float(got.throughput) * users / share
    return Prediction(setup, "static" if concurrency is None else "closed loop", asked, *figures)


def _check_load(asked: Mapping[str, Any]) -> None:
    """Raises BadValue for what is negative, huge or contradictory."""
    loads = [name for name in ("batch", "concurrency", "rate", "requests") if asked[name] is not None]
    if len(loads) > 1:
        asked_for = " ".join(f"--{name} {asked[name]}" for name in loads)
        raise BadValue("a load is a batch, a concurrency, a rate or requests", asked=asked_for, try_="one of them")
    for name, most in (("batch", MOST), ("concurrency", MOST), ("rounds", MOST), ("prompt", LONGEST), ("output", LONGEST)):
        value = asked[name]
        if value is not None and (
            not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most
        ):
            raise BadValue(f"{name} must be a whole number from 1 to {most}", asked=f"--{name} {value}")
    if asked["rounds"] is not None and asked["concurrency"] is None:
        raise BadValue("rounds are of users who ask again", asked=f"--rounds {asked['rounds']}", try_="--concurrency")
    if asked["rate"] is not None and not 1e-6 <= asked["rate"] < 1e6:
        raise BadValue("rate must be from a millionth to a million requests per second", asked=f"--rate {asked['rate']}")
    target = asked["target_tpot"]
    if target is not None and not 0 < target < 1e9:
        raise BadValue("target_tpot must be above 0 and finite, in milliseconds", asked=f"--target-tpot {target}")
    if asked["utilisation"] is not None and not 0 < asked["utilisation"] <= 1:
        raise BadValue(
            "utilisation is a share of the memory, above 0 and at most 1", asked=str(asked["utilisation"])
        )


def _simulated(setup: Setup, asked: dict[str, Any], trace: Sequence[Request], split: Pools | None) -> Prediction:
    """Requests of a trace, by chance or of users who ask again, through the engine event by event."""
    from cutaway.predict.arrivals import draw
    from cutaway.predict.served import serve

    prompt, output, users = asked["prompt"], asked["output"], asked["concurrency"]
    if not trace and not users and asked["rate"] is None:
        raise BadValue(
            "instances for prompts and for answers need a load that goes on", asked=f"batch {asked['batch'] or 1}",
            try_="--rate, --requests or --concurrency",
        )  # fmt: skip
    if users and users > MOST_SIMULATED:
        raise BadValue("too many users to simulate", asked=f"--concurrency {users}", known=f"at most {MOST_SIMULATED}")
    count = max(SIMULATED, 4 * (users or 0))
    trace = trace or draw(count, rate=asked["rate"] or 1.0, input_tokens=prompt, output_tokens=output)
    found = serve(setup.machine, trace, prompt, output, split=split, guesses=setup.speculation, concurrency=users)
    tpot = found.get("tpot_s", {"mean": 0.0})
    figures = found["ttft_s"]["mean"], tpot["mean"], found["throughput_tokens_per_s"]
    return Prediction(setup, "closed loop" if users else "arrivals", asked, *figures, found, split)
