# One model on some devices under one engine, reduced to what serving, sweeps and inverse questions ask: how long a step
# takes, what a sequence keeps, what there is room for, and what an hour costs.
"""`Machine`: the seam between the time model and everything that asks it many times."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cutaway.hardware import find as find_hardware
from cutaway.predict.engine import find as find_engine
from cutaway.predict.memory import MESSAGES, RUNTIME, UTILISATION, activation_bytes, state_bytes, weight_bytes
from cutaway.predict.quant import quantisation
from cutaway.predict.shard import Parallel
from cutaway.predict.step import Step

if TYPE_CHECKING:
    from cutaway.hardware import Hardware
    from cutaway.predict.engine import Engine
    from cutaway.predict.quant import Quant
    from cutaway.predict.types import Workload


@dataclass(frozen=True)
class Machine:
    """`step(prefill_tokens, prefill_context, decode_batch, decode_context)` gives seconds on arrays, the engine's
    overheads included; `cache(tokens)` the bytes that one sequence of so many tokens keeps on one device.

    weights, fixed, capacity: bytes on one device; `fixed` is what neither weights nor sequences take. copies: sequences
    are spread over so many copies of the attention. stages: so many batches are under way in each of them, if there are
    users enough. watts and price: of all devices, as far as the sheet knows.
    """

    name: str
    engine: Engine
    step: Callable[..., np.ndarray]
    cache: Callable[[np.ndarray], np.ndarray]
    layers: int
    devices: int
    weights: float
    fixed: float
    capacity: float
    tier: str
    copies: int = 1
    stages: int = 1
    watts: float | None = None
    price: float | None = None  # USD per hour
    max_positions: int = 0
    kernels: Step | None = None  # the step without the engine
    mixtures: int = 0  # layers with experts
    yields: float = 1.0  # tokens that a decoding sequence gets of a step

    @property
    def lanes(self) -> int:
        """How many batches run side by side: each stage has one at a time, and hands it on. A step is its way through all of
        them, and meanwhile the others are in the other stages."""
        return self.copies * self.stages

    def most_of_a_lane(self, tokens: np.ndarray | float) -> np.ndarray:
        """How many sequences of so many tokens one batch may have; 1 where nothing fits."""
        most = np.minimum(self.most_sequences(tokens), self.engine.sequences * self.copies)
        return np.maximum(most // self.lanes, 1)

    def memory(self, batch: np.ndarray | float, tokens: np.ndarray | float) -> np.ndarray:
        """Bytes on one device with `batch` sequences of `tokens` tokens."""
        held = np.ceil(np.asarray(batch, float) / self.copies)
        return self.weights + self.fixed + held * self.cache(np.asarray(tokens, float))

    def most_sequences(self, tokens: np.ndarray | float) -> np.ndarray:
        """How many sequences of so many tokens fit; 0 where not even the weights do."""
        room = max(0.0, self.capacity - self.weights - self.fixed)
        return np.floor(room / self.cache(np.asarray(tokens, float))) * self.copies


def build(
    model: str,
    hardware: str | Hardware,
    *,
    engine: str | Engine = "vllm",
    tp: int = 1,
    pp: int = 1,
    ep: int = 1,
    dp: int = 1,
    weights: str | None = None,
    activations: str | None = None,
    kv: str | None = None,
    tier: str | None = None,
    utilisation: float = UTILISATION,
    trust_code: bool = False,
) -> Machine:
    """The machine of these words. Raises `BadValue` or `UnknownTarget` for what is unknown or cannot be cut so."""
    from cutaway.predict.shipped import workloads_of

    prefill, decode, config = workloads_of(model, trust_code)
    device = find_hardware(hardware) if isinstance(hardware, str) else hardware
    quant = quantisation(weights, activations, kv, config, device)
    return assemble(
        prefill, decode, device, Parallel(tp=tp, pp=pp, ep=ep, dp=dp), quant,
        find_engine(engine) if isinstance(engine, str) else engine, tier=tier, utilisation=utilisation,
    )  # fmt: skip


def assemble(
    prefill: Workload,
    decode: Workload | None,
    hw: Hardware,
    parallel: Parallel,
    quant: Quant,
    engine: Engine,
    *,
    tier: str | None = None,
    utilisation: float = UTILISATION,
) -> Machine:
    """The machine of workloads and decisions that are there already."""
    step = Step(prefill, decode, hw, parallel, quant, tier=tier, one_kernel=engine.one_kernel)
    # What a sequence keeps is linear in its length between the windows of its layers: a few lengths say all of it.
    far = 1 << 24
    lengths = sorted({0, far, *(spec.window for spec in prefill.kv if spec.window)})
    kept = [float(state_bytes(prefill, length, parallel, quant)) for length in lengths]
    tokens = min(engine.tokens, 8192)
    words = [f"tp{parallel.tp}"] + [
        f"{name}{size}" for name in ("pp", "ep", "dp") if (size := getattr(parallel, name)) > 1
    ]
    devices = parallel.devices
    return Machine(
        name=f"{devices} x {hw.name} ({' '.join(words)}, {quant.weights.name}, {engine.name})",
        engine=engine,
        step=engine.around(step, prefill.layers, prefill.mixtures),
        cache=lambda length: np.maximum(np.interp(length, lengths, kept), 1.0),
        layers=prefill.layers,
        devices=devices,
        weights=float(weight_bytes(prefill, parallel, quant)),
        fixed=float(
            activation_bytes(prefill, tokens, 1, parallel) + RUNTIME + (MESSAGES if devices > 1 else 0)
        ),
        capacity=hw.capacity * utilisation,
        tier=", ".join(step.tiers),
        copies=parallel.dp,
        stages=parallel.pp,
        watts=None if hw.power is None else hw.power * devices,
        price=None if hw.price is None else hw.price * devices,
        max_positions=prefill.max_positions,
        kernels=step,
        mixtures=prefill.mixtures,
    )
