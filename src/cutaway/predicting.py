# The public `cutaway.predict`: a model, devices, a load and an engine in; latency, throughput, memory, money and where the
# time goes out. The parts are in `cutaway.predict.*`; this puts them together and checks what was asked.
"""`predict("llama-3.1-8b", "h100", batch=8)`: what serving a model takes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cutaway.errors import BadValue

if TYPE_CHECKING:
    from cutaway.hardware import Hardware
    from cutaway.predict.memory import Memory
    from cutaway.predict.quant import Quant
    from cutaway.predict.shard import Parallel
    from cutaway.predict.step import Part

LONGEST, MOST = 1 << 27, 1 << 20  # tokens of a prompt or an answer; sequences
SIMULATED = 400  # requests, where arrivals are asked for


@dataclass(frozen=True)
class Prediction:
    """What was asked and what comes of it; seconds, bytes, tokens per second. `tier` is the lowest of any kernel's."""

    model: str
    hardware: Hardware
    engine: str
    regime: str  # static | closed loop | arrivals
    asked: Mapping[str, Any]
    parallel: Parallel
    quant: Quant
    ttft_s: float
    tpot_s: float
    throughput_tokens_per_s: float
    prefill_step_s: float
    decode_step_s: float
    memory: Memory
    tier: str
    usd_per_million_tokens: float | None
    joules_per_token: float | None
    parts: Mapping[str, tuple[Part, ...]]  # phase -> where the time of one step goes
    definitions: Mapping[str, str]
    warnings: tuple[str, ...] = ()
    gaps: tuple[str, ...] = ()
    served: Mapping[str, Any] = field(default_factory=dict)  # percentiles, of arrivals

    @property
    def memory_bytes(self) -> int:
        """On one device."""
        return self.memory.total

    @property
    def fits(self) -> bool:
        return self.memory.fits

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

    One of `batch` (starts and ends together; 1 if nothing is said), `concurrency` (users who ask again when answered)
    and `rate` (requests per second) says how it is used. `hardware` is a name, a sheet (FILE.toml) or a device.
    Raises `CutawayError` for unknown names, sizes out of range, dtypes that the device lacks and cuts that do not divide.

    >>> predict("llama-3.1-8b", "h100", batch=8, prompt=2048).fits  # doctest: +SKIP
    True
    """
    _check_sizes(
        batch=batch, prompt=prompt, output=output, concurrency=concurrency, rate=rate, overlap=overlap
    )
    import numpy as np

    from cutaway.predict import engine as engines
    from cutaway.predict import machine as machines
    from cutaway.predict import memory, serving
    from cutaway.predict.money import cost_of
    from cutaway.predict.quant import quantisation
    from cutaway.predict.shard import Parallel
    from cutaway.predict.step import Step

    device, running = device_of(hardware), engines.find(engine)
    prefill, decode, config = _workloads(model, trust_code, args)
    if decode is None and output > 1:
        raise BadValue(
            "this model has no next token to predict",
            asked=f"--output {output}",
            known=prefill.model,
            try_="--output 1",
        )
    cut = Parallel(tp=tp, pp=pp, ep=ep, dp=dp, sp=sp)
    stored = quantisation(weights, activations, kv, config, device)
    step = Step(prefill, decode, device, cut, stored, tier=tier, overlap=overlap)
    machine = machines.assemble(prefill, decode, device, cut, stored, running, tier=tier)
    users = concurrency or batch or 1
    share = math.ceil(users / dp)  # what one copy of the attention sees
    held = memory.memory_of(
        prefill, decode, device, cut, stored, batch=users, context=prompt + output, prompt=prompt,
        utilisation=utilisation or memory.UTILISATION,
    )  # fmt: skip
    served: dict[str, Any] = {}
    if rate is not None:
        regime, ttft, tpot, throughput, served = _arrivals(machine, held, rate, prompt, output)
    elif concurrency is not None:
        regime = "closed loop"
        most = max(1, min(held.largest_batch // dp, memory.MANY))
        got = serving.closed_loop(machine.step, running, share, prompt, output, most_sequences=most)
        ttft, tpot, throughput = float(got.ttft), float(got.tpot), float(got.throughput) * users / share
    else:
        regime = "static"
        got = serving.static(machine.step, share, prompt, output, request=running.request)
        ttft, tpot, throughput = float(got.ttft), float(got.tpot), float(got.throughput) * users / share
    chunk = min(prompt * share, memory.CHUNK)
    points = {"prefill": (chunk, (min(prompt, chunk) - chunk) / 2, 0, 0)}
    if decode is not None and output > 1:
        points["decode"] = (0, 0, share, prompt + output / 2)
    cost = cost_of(machine, throughput)
    money = [None if np.isnan(v) else float(v) for v in (cost.usd_per_million_tokens, cost.joules_per_token)]
    return Prediction(
        model=prefill.model, hardware=device, engine=running.name, regime=regime,
        asked={"batch": batch, "prompt": prompt, "output": output, "concurrency": concurrency, "rate": rate},
        parallel=cut, quant=stored, ttft_s=ttft, tpot_s=tpot, throughput_tokens_per_s=throughput,
        prefill_step_s=float(step(*points["prefill"])),
        decode_step_s=float(step(*points["decode"])) if "decode" in points else 0.0,
        memory=held, tier=step.tiers[0], usd_per_million_tokens=money[0], joules_per_token=money[1],
        parts={phase: tuple(step.parts(*at)) for phase, at in points.items()},
        definitions=_definitions(regime), warnings=_warnings(prefill.max_positions, prompt, output, held, config),
        gaps=tuple(dict.fromkeys((*prefill.gaps, *(decode.gaps if decode is not None else ())))), served=served,
    )  # fmt: skip


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


def _workloads(model: str, trust_code: bool, args: Mapping[str, Any] | None):
    from cutaway.predict.shipped import traced, workloads_of

    return traced(model, trust_code=trust_code, args=args) if args else workloads_of(model, trust_code)


def _check_sizes(**given: Any) -> None:
    """Raises BadValue for what is negative, huge or contradictory."""
    if sum(given[name] is not None for name in ("batch", "concurrency", "rate")) > 1:
        raise BadValue(
            "a load is a batch, a concurrency or a rate",
            asked=", ".join(n for n in ("batch", "concurrency", "rate") if given[n]),
        )
    for name, most in (("batch", MOST), ("concurrency", MOST), ("prompt", LONGEST), ("output", LONGEST)):
        value = given[name]
        if value is not None and (
            not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most
        ):
            raise BadValue(f"{name} must be a whole number from 1 to {most}", asked=str(value))
    if given["rate"] is not None and not 0 < given["rate"] < 1e6:
        raise BadValue(
            "rate must be above 0 and below a million requests per second", asked=str(given["rate"])
        )
    if not 0 <= given["overlap"] <= 1:
        raise BadValue("overlap is a share from 0 to 1", asked=str(given["overlap"]))


def _arrivals(
    machine: Any, held: Memory, rate: float, prompt: int, output: int
) -> tuple[str, float, float, float, dict]:
    """Requests that come by chance, through the engine event by event."""
    from cutaway.predict.arrivals import draw
    from cutaway.predict.memory import PAGE
    from cutaway.predict.scheduler import ServerConfig
    from cutaway.predict.simulate import simulate
    from cutaway.predict.table import StepTable

    engine, copies = machine.engine, machine.copies
    most = max(1, min(held.largest_batch // copies, engine.sequences))
    config = ServerConfig(
        max_num_seqs=most, max_num_batched_tokens=engine.tokens, block_size=PAGE,
        blocks=max(1, held.largest_batch // copies) * -(-(prompt + output) // PAGE),
    )  # fmt: skip
    table = StepTable(machine.step, max_tokens=engine.tokens, max_sequences=most, max_context=prompt + output)
    requests = draw(SIMULATED, rate=rate, input_tokens=prompt, output_tokens=output)
    found = simulate(requests, table, config, instances=copies).summary()
    tpot = found.get("tpot_s", {"mean": 0.0})
    return "arrivals", found["ttft_s"]["mean"], tpot["mean"], found["throughput_tokens_per_s"], found  # type: ignore[index]


def _definitions(regime: str) -> dict[str, str]:
    from cutaway.predict import money, serving, simulate

    said = (
        simulate.DEFINITIONS
        if regime == "arrivals"
        else {k: v[regime] for k, v in serving.DEFINITIONS.items()}
    )
    return dict(said) | money.DEFINITIONS


def _warnings(
    limit: int, prompt: int, output: int, held: Memory, config: Mapping[str, Any]
) -> tuple[str, ...]:
    found = []
    if limit and prompt + output > limit:
        found.append(
            f"{prompt + output} tokens are more than the model's {limit} positions: an engine refuses or cuts such "
            "requests; the figures are what the kernels would take"
        )
    if not held.fits:
        how = f"; what would do: {', '.join(held.advice)}" if held.advice else ""
        found.append(f"does not fit by {held.missing / 1e9:.1f} GB a device{how}")
    return tuple(found)
