# The words of a question become parts once: a model's workloads, a device, a cut, formats, an engine and perhaps something that
# guesses. Whoever asks in a loop gets the same parts again.
"""`setup_of(...)`: everything of a prediction that does not depend on the load."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cutaway.errors import BadValue
from cutaway.predict import engine as engines
from cutaway.predict.machine import assemble
from cutaway.predict.quant import quantisation, quantisation_of
from cutaway.predict.shard import Parallel
from cutaway.predict.shipped import traced, workloads_of
from cutaway.predict.step import Step

if TYPE_CHECKING:
    from cutaway.hardware import Hardware
    from cutaway.predict.engine import Engine
    from cutaway.predict.machine import Machine
    from cutaway.predict.quant import Format, Quant
    from cutaway.predict.speculative import Speculation
    from cutaway.predict.types import Workload

KEPT = 256  # setups that are asked again and again


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
    at: Callable[[float], Machine]  # the same with so many times the memory bandwidth
    speculation: Speculation | None = None
    published: Format | None = None  # of the weights, where the model's config says it

    @property
    def engine(self) -> Engine:
        return self.machine.engine


def setup_of(
    model: str, hardware: str | Path | Hardware, *words: Any, args: Mapping[str, Any] | None = None
) -> Setup:
    """The setup of these words: engine, tp, pp, ep, dp, sp, weights, activations, kv, tier, overlap, trust_code, and who
    guesses as (draft, tokens, acceptance). Raises `CutawayError` for what is unknown or cannot be cut so."""
    if isinstance(hardware, str) and not args:
        return _kept(model, hardware, *words)
    return _made(model, hardware, *words, args=args)


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


def _made(
    model: str, hardware: str | Path | Hardware, engine: str, tp: int, pp: int, ep: int, dp: int, sp: bool,
    weights: str | None, activations: str | None, kv: str | None, tier: str | None, overlap: float,
    trust_code: bool, guessing: tuple, args: Mapping[str, Any] | None = None,
) -> Setup:  # fmt: skip
    if not 0 <= overlap <= 1:
        raise BadValue("overlap is a share from 0 to 1", asked=f"--overlap {overlap:g}")
    running = engines.find(engine)
    cut = Parallel(tp=tp, pp=pp, ep=ep, dp=dp, sp=sp)
    device = device_of(hardware)
    prefill, decode, config = traced(model, trust_code=trust_code, args=args) if args else workloads_of(model, trust_code)
    said = quantisation_of(config or {})

    def on(device: Hardware) -> Setup:
        stored = quantisation(weights, activations, kv, config, device)
        step = Step(prefill, decode, device, cut, stored, tier=tier, overlap=overlap, one_kernel=running.one_kernel)
        machine = assemble(prefill, decode, device, cut, stored, running, tier=tier)
        machine = replace(machine, step=running.around(step, prefill.layers, prefill.mixtures))  # with the same overlap
        guesses = None
        if any(said is not None for said in guessing):
            from cutaway.predict.speculative import speculation

            guesses = speculation(
                *guessing, hardware=device, parallel=cut, engine=running, kv=kv, tier=tier, trust_code=trust_code
            )
        machine = guesses.beside(machine) if guesses else machine
        return Setup(prefill, decode, device, cut, stored, step, machine, faster, guesses, said.weights if said else None)

    def faster(factor: float) -> Machine:
        return on(replace(device, bandwidth=device.bandwidth * factor)).machine

    return on(device)


_kept = lru_cache(maxsize=KEPT)(_made)
