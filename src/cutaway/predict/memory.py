# What must lie on a device before a token comes out: weights as they are stored and cut, what is kept of each sequence by
# kind of layer, the largest live tensors of a step, buffers for messages, and what engines keep free. The inverse questions
# (largest batch, longest context, fewest devices) are the same sum solved for one term.
"""`memory_of(prefill, hw, parallel, quant, …)`: bytes on one device, and what fits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil
from typing import Any

from cutaway.errors import BadValue
from cutaway.formula import Formula
from cutaway.hardware import Hardware
from cutaway.predict.quant import FORMATS, Format, Quant
from cutaway.predict.shard import Parallel, check, cut, draft_cut, kv_share
from cutaway.predict.types import StateSpec, Workload

UTILISATION = (
    0.9  # of a device's memory that engines plan with (vLLM's gpu_memory_utilization, SGLang's likewise)
)
RUNTIME = (
    1 << 30
)  # bytes: the context of the driver, kernels and captured graphs, within what engines plan with
MESSAGES = (
    256 << 20
)  # bytes: buffers of collectives, where there are any (custom all-reduce and NCCL channels)
PAGE = 16  # tokens of a page of the cache
CHUNK = 8192  # tokens of a prompt that are computed at once, at the most
MANY = 1 << 40
NARROWER = ("fp8", "int4")  # formats of weights that are tried where memory lacks, those that lose the least first


@dataclass(frozen=True)
class Memory:
    """Bytes on one device."""

    weights: int
    per_sequence: int  # of what is kept, at the asked length
    cache: int  # of all sequences
    activations: int
    messages: int
    runtime: int
    capacity: int
    usable: int  # what an engine plans with
    largest_batch: int  # at the asked length
    longest_context: int  # at the asked batch
    fewest_devices: int  # as tensor parallelism; 0 where no number up to 64 fits
    advice: tuple[str, ...]

    @property
    def total(self) -> int:
        return self.weights + self.cache + self.activations + self.messages + self.runtime

    @property
    def fits(self) -> bool:
        return self.total <= self.usable

    @property
    def missing(self) -> int:
        """Bytes by which it does not fit."""
        return max(0, self.total - self.usable)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return dict(vars(self)) | {"total": self.total, "missing": self.missing, "advice": list(self.advice)}


def weight_bytes(w: Workload, p: Parallel, q: Quant) -> int:
    """Of one device of the fullest stage: tied tables once, experts where they lie, small weights everywhere.

    `w` is the prefill workload. Heads of keys and values that there are too few of count on each device that has them.
    """
    whole: dict[str, int] = {}
    mine: dict[str, int] = {}
    for op in w.ops:
        whole[op.role] = whole.get(op.role, 0) + op.count * op.weight_elements
        mine[op.role] = mine.get(op.role, 0) + op.count * cut(op, w, p).weight_elements
    stage = ceil(w.layers / p.pp) / max(w.layers, 1)
    layers, ends = 0.0, []
    for role, held in w.weight_elements_by_role.items():
        # What is stored once but used twice (a tied table) is in `held` once; the cut is that of its use.
        share = mine[role] / whole[role] if whole.get(role) else 1.0
        size = held * share * q.of(role).bytes
        if role in ("embedding", "lm_head"):
            ends.append(size)
        else:
            layers += size
    last = sum(ends) if p.pp == 1 else max(ends, default=0)
    return ceil(layers * stage + last)


def state_bytes(w: Workload, length: int, p: Parallel, q: Quant, page: int = 1) -> int:
    """Bytes that one device keeps of a sequence of `length` tokens, in pages of `page` tokens."""
    held = ceil(length / page) * page
    stage = ceil(w.layers / p.pp) / max(w.layers, 1)
    return ceil(sum(_of_spec(s, held, w, p, q) for s in w.kv) * stage)


def _of_spec(s: StateSpec, length: int, w: Workload, p: Parallel, q: Quant) -> float:
    size = s.element_bytes or q.kv.bytes
    if s.kind == "latent":  # the same for all heads: every device has it
        return s.count * s.elements_per_token * length * size
    if s.kind == "state":
        return s.count * s.elements_constant * (s.element_bytes or q.plain.bytes) / p.tp
    seen = min(length, s.window) if s.kind == "window" else length
    return (
        s.count
        * (s.elements_per_token * seen + s.elements_constant)
        * size
        * kv_share(s.elements_per_token, w, p)
    )


def activation_bytes(w: Workload, tokens: int, batch: int, p: Parallel) -> int:
    """The largest live set of a step of `tokens`: inputs and outputs of its widest op, the stream beside it, and logits."""
    at = {"batch_size": 1, "seq_len": tokens, "cache_len": 0, "a_bytes": 2, "kv_bytes": 2}
    widest = 0.0
    for op in w.ops:
        if op.role not in ("lm_head", "embedding"):
            part = cut(op, w, p)
            size = _at(part.read, at) + _at(part.write, at)
            shrunk = op.role in ("qkv", "column", "row", "expert_column", "expert_row", "attention", "state")
            widest = max(widest, size / p.tp if shrunk else size)
    return ceil(widest + 2 * tokens * w.hidden_size * 2 + batch * w.vocabulary * 4)


def memory_of(
    prefill: Workload,
    hw: Hardware,
    p: Parallel,
    q: Quant,
    *,
    batch: int,
    context: int,
    prompt: int,
    utilisation: float = UTILISATION,
    draft: tuple[Workload, Quant] | None = None,
) -> Memory:
    """The sum for `batch` sequences of `context` tokens, prompts of `prompt` tokens computed in chunks. A `draft` model lies
    beside it, with weights and a cache of its own."""
    models = _Models(prefill, q, *(draft or ()))
    usable = int(hw.capacity * utilisation)
    tokens = max(min(CHUNK, batch * prompt), batch, 1)
    weights, per_sequence = models.weights(p), models.state(context, p)
    activations = activation_bytes(prefill, tokens, batch, p)
    messages = MESSAGES if p.devices > 1 else 0
    room = usable - weights - activations - messages - RUNTIME
    each = -(-batch // p.dp) if p.dp > 1 else batch
    found = Memory(
        weights, per_sequence, each * per_sequence, activations, messages, RUNTIME, hw.capacity, usable,
        largest_batch=_most(room, per_sequence) * p.dp,
        longest_context=_longest(models, p, room // max(each, 1)),
        fewest_devices=0, advice=(),
    )  # fmt: skip
    return _advised(found, models, hw, p, each, context, tokens, batch)


@dataclass(frozen=True)
class _Models:
    """The model, and beside it perhaps one that guesses."""

    main: Workload
    quant: Quant
    draft: Workload | None = None
    draft_quant: Quant | None = None

    def weights(self, p: Parallel) -> int:
        return weight_bytes(self.main, p, self.quant) + sum(weight_bytes(w, draft_cut(p), q) for w, q in self._beside)

    def state(self, length: int, p: Parallel) -> int:
        """Bytes of one sequence in pages."""
        own = state_bytes(self.main, length, p, self.quant, PAGE)
        return own + sum(state_bytes(w, length, draft_cut(p), q, PAGE) for w, q in self._beside)

    def divide(self, tp: int) -> bool:
        """Whether both can be cut over so many devices."""
        try:
            for w in (self.main, *(w for w, _ in self._beside)):
                check(w, Parallel(tp=tp))
        except BadValue:
            return False
        return True

    @property
    def _beside(self) -> list[tuple[Workload, Quant]]:
        return [(self.draft, self.draft_quant)] if self.draft is not None and self.draft_quant is not None else []


def _most(room: int, each: int) -> int:
    return 0 if room < 0 else MANY if each == 0 else room // each


def _longest(models: _Models, p: Parallel, room: int) -> int:
    """The most tokens of a sequence whose state fits in `room`."""
    if models.state(PAGE, p) > room:
        return 0
    low, high = PAGE, PAGE
    while models.state(high, p) <= room:
        if high > MANY:
            return MANY
        low, high = high, high * 2
    while high - low > PAGE:
        middle = (low + high) // 2 // PAGE * PAGE
        low, high = (middle, high) if models.state(middle, p) <= room else (low, middle)
    return low


def _advised(
    m: Memory,
    models: _Models,
    hw: Hardware,
    p: Parallel,
    each: int,
    context: int,
    tokens: int,
    batch: int,
) -> Memory:
    """With the fewest devices that do, and with what else would make it fit, each by itself."""

    def needs(other: Parallel, models: _Models = models) -> int:
        rest = activation_bytes(models.main, tokens, batch, other) + RUNTIME + (MESSAGES if other.devices > 1 else 0)
        return models.weights(other) + each * models.state(context, other) + rest

    def in_bits(f: Format) -> bool:
        less = f.element < models.quant.weights.element and f.computes in hw.dtypes
        return less and needs(p, replace(models, quant=replace(models.quant, weights=f))) <= m.usable

    fewest = next(
        (t for t in (1, 2, 4, 8, 16, 32, 64) if models.divide(t) and needs(Parallel(tp=t)) <= m.usable), 0
    )
    advice = []
    if not m.fits:
        if fewest:
            advice.append(f"--tp {fewest}")
        if m.largest_batch > 0:
            advice.append(f"--batch {m.largest_batch}")
        if 0 < m.longest_context < context:
            advice.append(f"{m.longest_context} tokens of context")
        advice += [f"--weights {name}" for name in NARROWER if in_bits(FORMATS[name])][:1]
    return Memory(**(vars(m) | {"fewest_devices": fewest, "advice": tuple(advice)}))


def _at(f: Formula, at: dict[str, int]) -> float:
    more = dict.fromkeys(f.symbols() - at.keys(), 1)
    return float(f.evaluate({**at, **more}))
