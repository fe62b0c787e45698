# The public `cutaway.predict`: a model, devices, a load and an engine in; latency, throughput, memory, money and where the
# time goes out. The parts are in `cutaway.predict.*`; this puts them together and checks what was asked.
"""`predict("llama-3.1-8b", "h100", batch=8)`: what serving a model takes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cutaway.errors import BadValue

if TYPE_CHECKING:
    from cutaway.hardware import Hardware
    from cutaway.predict.arrivals import Request
    from cutaway.predict.engine import Engine
    from cutaway.predict.machine import Machine
    from cutaway.predict.memory import Memory
    from cutaway.predict.quant import Quant
    from cutaway.predict.shard import Parallel
    from cutaway.predict.step import Part, Step
    from cutaway.predict.types import Workload

LONGEST, MOST = 1 << 27, 1 << 20  # tokens of a prompt or an answer; sequences
SIMULATED = 400  # requests, where arrivals are asked for


@dataclass(frozen=True)
class Setup:
    """A model on devices under an engine: what does not depend on the load, made once and asked often."""

    prefill: Workload
    decode: Workload | None
    hardware: Hardware
    parallel: Parallel
    quant: Quant
    step: Step
    machine: Machine

    @property
    def engine(self) -> Engine:
        return self.machine.engine


@dataclass(frozen=True)
class Prediction:
    """What was asked and what comes of it; seconds, bytes, tokens per second. Details are worked out when asked for."""

    setup: Setup = field(repr=False)
    regime: str  # static | closed loop | arrivals
    asked: Mapping[str, Any]
    ttft_s: float
    tpot_s: float
    throughput_tokens_per_s: float
    served: Mapping[str, Any] = field(default_factory=dict)  # percentiles, of arrivals

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
        """Sequences that are there together; of arrivals, on average."""
        if self.regime == "arrivals":
            return max(1, round(float(self.served["running_mean"])))
        return self.asked["concurrency"] or self.asked["batch"] or 1

    @cached_property
    def memory(self) -> Memory:
        """What lies on one device."""
        from cutaway.predict.memory import UTILISATION, memory_of

        s, prompt = self.setup, self.asked["prompt"]
        return memory_of(
            s.prefill, s.hardware, s.parallel, s.quant, batch=self.users, context=prompt + self.asked["output"],
            prompt=prompt, utilisation=self.asked["utilisation"] or UTILISATION,
        )  # fmt: skip

    @property
    def memory_bytes(self) -> int:
        """On one device."""
        return self.memory.total

    @property
    def fits(self) -> bool:
        return self.memory.fits

    @cached_property
    def parts(self) -> Mapping[str, tuple[Part, ...]]:
        """Phase -> where the time of one step of kernels goes: of prompts (a chunk at the most), of the next token."""
        from cutaway.predict.memory import CHUNK

        prompt, output = self.asked["prompt"], self.asked["output"]
        share = math.ceil(self.users / self.parallel.dp)
        chunk = min(prompt * share, CHUNK)
        points = {"prefill": (chunk, (min(prompt, chunk) - chunk) / 2, 0, 0)}
        if self.setup.decode is not None and output > 1:
            points["decode"] = (0, 0, share, prompt + output / 2)
        return {phase: tuple(self.setup.step.parts(*at)) for phase, at in points.items()}

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

        found = cost_of(self.setup.machine, self.throughput_tokens_per_s)
        money, energy = float(found.usd_per_million_tokens), float(found.joules_per_token)
        return None if math.isnan(money) else money, None if math.isnan(energy) else energy

    @property
    def definitions(self) -> Mapping[str, str]:
        """What each figure means in this regime."""
        from cutaway.predict import money, serving

        if self.regime == "arrivals":
            from cutaway.predict import simulate

            return dict(simulate.DEFINITIONS) | money.DEFINITIONS
        return {name: said[self.regime] for name, said in serving.DEFINITIONS.items()} | money.DEFINITIONS

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
        if not self.fits:
            how = f"; what would do: {', '.join(self.memory.advice)}" if self.memory.advice else ""
            found.append(f"does not fit by {self.memory.missing / 1e9:.1f} GB a device{how}")
        return tuple(found)

    @property
    def gaps(self) -> tuple[str, ...]:
        """What of the model could not be read or priced as what it is."""
        later = self.setup.decode.gaps if self.setup.decode is not None else ()
        return tuple(dict.fromkeys((*self.setup.prefill.gaps, *later)))

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
    trust_code: bool = False,
    args: Mapping[str, Any] | None = None,
) -> Prediction:
    """Latency, throughput, memory and money of serving `model` on `hardware`.

    One of `batch` (starts and ends together; 1 if nothing is said), `concurrency` (users who ask again when answered),
    `rate` (requests per second) and `requests` (a trace: CSV or JSONL with arrival, input_tokens and output_tokens; `prompt`
    and `output` are then its means) says how it is used. `hardware` is a name, a sheet (FILE.toml) or a device.
    Raises `CutawayError` for unknown names, sizes out of range, dtypes that the device lacks and cuts that do not divide.

    >>> predict("llama-3.1-8b", "h100", batch=8, prompt=2048).fits  # doctest: +SKIP
    True
    """
    asked = {
        "batch": batch, "prompt": prompt, "output": output, "concurrency": concurrency, "rate": rate,
        "requests": None if requests is None else str(requests), "utilisation": utilisation,
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
    words = (engine, tp, pp, ep, dp, sp, weights, activations, kv, tier, overlap, trust_code)
    if isinstance(hardware, str) and not args:
        setup = _kept_setup(model, hardware, *words)
    else:
        setup = _setup(model, hardware, *words, args=args)
    if setup.decode is None and output > 1:
        raise BadValue(
            "this model has no next token to predict", asked=f"--output {output}", known=setup.prefill.model,
            try_="--output 1",
        )  # fmt: skip
    if rate is not None:
        from cutaway.predict.arrivals import draw

        trace = draw(SIMULATED, rate=rate, input_tokens=prompt, output_tokens=output)
    if trace:
        return Prediction(setup, "arrivals", asked, *_arrivals(setup, trace, prompt, output))
    from cutaway.predict import serving

    users = concurrency or batch or 1
    share = math.ceil(users / dp)  # what one copy of the attention sees
    if concurrency is not None:
        # Pages are taken as answers grow, so that requests at all stages of theirs share the memory.
        machine = setup.machine
        if utilisation is not None:
            machine = replace(machine, capacity=setup.hardware.capacity * utilisation)
        most = max(1.0, float(machine.most_sequences(prompt + output / 2)) // dp)
        got = serving.closed_loop(
            setup.machine.step, setup.engine, share, prompt, output, most_sequences=most
        )
    else:
        got = serving.static(setup.machine.step, share, prompt, output, request=setup.engine.request)
    figures = float(got.ttft), float(got.tpot), float(got.throughput) * users / share
    return Prediction(setup, "static" if concurrency is None else "closed loop", asked, *figures)


def device_of(hardware: str | Path | Hardware) -> Hardware:
    """A device by its name, from a sheet of one device, or as it is."""
    from cutaway.hardware import Hardware, find, load

    if isinstance(hardware, Hardware):
        return hardware
    if str(hardware).endswith(".toml"):
        devices = load(Path(hardware))
        if len(devices) == 1:
            return next(iter(devices.values()))
        raise BadValue("that sheet has several devices", asked=str(hardware), known=", ".join(devices))
    return find(str(hardware))


def _setup(
    model: str, hardware: str | Path | Hardware, engine: str, tp: int, pp: int, ep: int, dp: int, sp: bool,
    weights: str | None, activations: str | None, kv: str | None, tier: str | None, overlap: float,
    trust_code: bool, args: Mapping[str, Any] | None = None,
) -> Setup:  # fmt: skip
    """Everything that does not depend on the load."""
    from cutaway.predict import engine as engines
    from cutaway.predict.machine import assemble
    from cutaway.predict.quant import quantisation
    from cutaway.predict.shard import Parallel
    from cutaway.predict.shipped import traced, workloads_of
    from cutaway.predict.step import Step

    if not 0 <= overlap <= 1:
        raise BadValue("overlap is a share from 0 to 1", asked=str(overlap))
    device, running = device_of(hardware), engines.find(engine)
    cut = Parallel(tp=tp, pp=pp, ep=ep, dp=dp, sp=sp)
    found = traced(model, trust_code=trust_code, args=args) if args else workloads_of(model, trust_code)
    prefill, decode, config = found
    stored = quantisation(weights, activations, kv, config, device)
    step = Step(prefill, decode, device, cut, stored, tier=tier, overlap=overlap, one_kernel=running.one_kernel)
    machine = assemble(prefill, decode, device, cut, stored, running, tier=tier)
    machine = replace(machine, step=running.around(step, prefill.layers))  # with the same overlap
    return Setup(prefill, decode, device, cut, stored, step, machine)


_kept_setup = lru_cache(maxsize=256)(_setup)


def _check_load(asked: Mapping[str, Any]) -> None:
    """Raises BadValue for what is negative, huge or contradictory."""
    loads = [name for name in ("batch", "concurrency", "rate", "requests") if asked[name] is not None]
    if len(loads) > 1:
        raise BadValue("a load is a batch, a concurrency, a rate or requests", asked=", ".join(loads))
    for name, most in (("batch", MOST), ("concurrency", MOST), ("prompt", LONGEST), ("output", LONGEST)):
        value = asked[name]
        if value is not None and (
            not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most
        ):
            raise BadValue(f"{name} must be a whole number from 1 to {most}", asked=str(value))
    if asked["rate"] is not None and not 1e-6 <= asked["rate"] < 1e6:
        raise BadValue("rate must be from a millionth to a million requests per second", asked=str(asked["rate"]))
    if asked["utilisation"] is not None and not 0 < asked["utilisation"] <= 1:
        raise BadValue(
            "utilisation is a share of the memory, above 0 and at most 1", asked=str(asked["utilisation"])
        )


def _arrivals(
    setup: Setup, trace: Sequence[Request], prompt: int, output: int
) -> tuple[float, float, float, dict[str, Any]]:
    """Requests that come by chance, through the engine event by event; prompt and output are their means."""
    from cutaway.predict.memory import PAGE
    from cutaway.predict.scheduler import ServerConfig
    from cutaway.predict.simulate import simulate
    from cutaway.predict.table import StepTable

    machine, engine = setup.machine, setup.engine
    longest = max(r.input_tokens + r.output_tokens for r in trace)
    room = int(machine.most_sequences(prompt + output)) // machine.copies
    most = max(1, min(room, engine.sequences))
    config = ServerConfig(
        max_num_seqs=most, max_num_batched_tokens=engine.tokens, block_size=PAGE,
        # Where nothing fits that is a warning, and the figures are those of one request at a time.
        blocks=room * -(-(prompt + output) // PAGE) or -(-longest // PAGE),
    )  # fmt: skip
    table = StepTable(machine.step, max_tokens=engine.tokens, max_sequences=most, max_context=longest)
    found: dict[str, Any] = simulate(trace, table, config, instances=machine.copies).summary()
    for name in ("ttft_s", "e2e_s"):  # what happens to a request before it is in the queue
        found[name] = {mark: value + engine.request for mark, value in found[name].items()}
    found["longest_tokens"] = longest
    tpot = found.get("tpot_s", {"mean": 0.0})
    return found["ttft_s"]["mean"], tpot["mean"], found["throughput_tokens_per_s"], found
