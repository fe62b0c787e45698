# One step of an engine: some prompt tokens and some sequences that decode, through all kernels of one rank. What does not
# care which tokens are whose (projections, norms) runs once over all of them; attention and recurrences run for each kind.
# Everything is evaluated on numpy arrays, kernels of one kind together, so that one number and a grid are the same code; who
# asks again gets what was recorded of it.
"""`Step(...)(prefill_tokens, prefill_context, decode_batch, decode_context)`: seconds of a step, and where they go."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from cutaway.predict.group import MOVED, Group, in_step, sizes_of
from cutaway.predict.pieces import ALONE, Message, Piece, messages, pieces
from cutaway.predict.points import At, Regime, flat, further_of, regime_of, spread
from cutaway.predict.quant import Quant
from cutaway.predict.recorded import Branches, Later, record, taped
from cutaway.predict.shard import Parallel, check
from cutaway.predict.time import FEW, TIERS, beside_prompts, collective, op_time
from cutaway.predict.types import Op, Workload
from cutaway.predict.unrolled import ERRORS, unroll

if TYPE_CHECKING:
    from cutaway.hardware import Hardware

ALIKE = ("norm", "elementwise", "gather", "softmax")  # of these, kinds that the time model knows by nothing but their bytes
OFTEN = 8  # who asks so many times will ask again
SEVERAL, STEADY = 4, 64  # points; asked so often, the code for so few is written out, which takes as long as a hundred answers
MOST = {"all_reduce": "sum over devices", "all_gather": "gather over devices", "all_to_all": "exchange of tokens",
        "send_recv": "to the next stage"}  # fmt: skip


@dataclass(frozen=True)
class Part:
    """A line of the breakdown. `seconds` is an array like that of the step."""

    name: str
    kind: str
    role: str
    count: int
    seconds: Any
    tier: str
    why: str
    bound: str
    places: tuple[str, ...] = ()


class Step:
    """The step of one rank. Call it with four numbers or arrays that broadcast:

    prefill_tokens: of prompts, in this step. prefill_context: tokens before them. decode_batch: sequences that decode.
    decode_context: tokens before each. With `dp` they are those of one copy of the attention. `one_kernel`: attention of
    prompts and of decoding runs in one kernel.
    """

    def __init__(
        self, prefill: Workload, decode: Workload | None, hw: Hardware, p: Parallel, q: Quant,
        *, tier: str | None = None, overlap: float = 0.0, one_kernel: bool = False,
    ):  # fmt: skip
        check(decode or prefill, p)
        self.one_kernel = one_kernel and tier != TIERS[0]
        self.hw, self.parallel, self.quant, self.tier, self.overlap = hw, p, q, tier, overlap
        self.layers = prefill.layers
        self.pieces = pieces(prefill, decode, p, q)
        self.messages = messages(prefill, p, hw)
        self._asked: dict[Regime, int] = {}
        self._functions: dict[Regime, Callable[..., Any]] = {}
        self._few: dict[tuple[int, ...], int | Callable[..., list[float]] | None] = {}

    def __call__(
        self, prefill_tokens: Any, prefill_context: Any, decode_batch: Any, decode_context: Any
    ) -> Any:
        """Seconds."""
        shape, given = flat(prefill_tokens, prefill_context, decode_batch, decode_context)
        if given[0].size <= SEVERAL and (found := self._unrolled(given)) is not None:
            return np.array(found).reshape(shape)
        regime, further = regime_of(given)
        function = self._recorded(regime, given) if given[0].size else None
        return np.reshape((function or partial(self._seconds, regime))(*given, *further), shape)

    def _recorded(self, regime: Regime, given: list[np.ndarray]) -> Callable[..., Any] | None:
        """`_seconds` as it was recorded, if that pays: not for who asks a few times, and not for prompts of a few tokens, whose
        attention is another."""
        if ((given[0] > 0) & (given[0] <= FEW)).any():
            return None
        asked = self._asked[regime] = self._asked.get(regime, 0) + 1
        if asked == OFTEN:
            several = [np.tile(a, 3) for a in given]  # of one point it could not be told what is one in any case
            with contextlib.suppress(Branches):  # then it stays as it is
                self._functions[regime] = record(
                    partial(self._seconds, regime, few=False), [*several, *further_of(several, regime)]
                )
        return self._functions.get(regime)

    def _unrolled(self, given: list[np.ndarray]) -> list[float] | None:
        """The seconds of few points, number by number, for who asks so often that this pays; None for others."""
        numbers = [a.tolist() for a in given]
        if any(0 < tokens <= FEW for tokens in numbers[0]):
            return None
        # What is 0 and what is equal to what decides which numbers there are to compute.
        pattern = tuple(n.index(v) if v else -1 for n in numbers for v in n)
        known = self._few.get(pattern, 0)
        if isinstance(known, int):
            self._few[pattern] = known + 1
            if known + 1 < STEADY:
                return None
            known = self._few[pattern] = self._unroll(given)
        if known is None:
            return None
        try:
            return known(*(v for n in numbers for v in n))
        except ERRORS:
            return None

    def _unroll(self, given: list[np.ndarray]) -> Callable[..., list[float]] | None:
        """Code for such points, if it says what `_seconds` says of these to the last bit."""
        regime, further = regime_of(given, 2)
        with contextlib.suppress(Branches, *ERRORS):
            tape, result = taped(lambda *points: self._seconds(regime, *points, *further, few=False), given)
            if not isinstance(result, Later):
                return None
            found = unroll(tape, result, given)
            alone, lists = regime_of(given)
            same = found(*np.concatenate(given).tolist()) == self._seconds(alone, *given, *lists, few=False).tolist()
            return found if same else None
        return None

    def _seconds(self, regime: Regime, *given: Any, few: bool | None = None) -> Any:
        """Seconds at a list of points, which are four lists and what `regime` says that follows from them. `few` is whether
        prompts are as short as guesses, where that is known."""
        at = At(*given[:4], self.quant, regime, given[4:], few, told=False)
        seconds = [s.sum(axis=0) for _, s, _, _ in self._kernels(at, [g for g in self._groups if g.runs(at)])]
        kernels = sum(seconds[1:], start=seconds[0]) if seconds else at.none
        if not self.messages:
            return kernels
        sent = sum((self._sent(m, at) for m in self.messages), start=at.none)
        return kernels + np.maximum(sent - self.overlap * kernels, sent * (1 - self.overlap))

    def parts(
        self, prefill_tokens: Any, prefill_context: Any, decode_batch: Any, decode_context: Any
    ) -> list[Part]:
        """Where the seconds go, each kernel and each collective by itself."""
        shape, given = flat(prefill_tokens, prefill_context, decode_batch, decode_context)
        at = At(*given, self.quant)
        found = []
        for members, seconds, tier, why in self._kernels(at, self._groups):
            for piece, own in zip(members, seconds, strict=True):
                op = piece.op
                found.append(
                    Part(
                        _name(op),
                        op.kind,
                        op.role,
                        op.count,
                        own.reshape(shape),
                        tier,
                        why,
                        self._bound(piece, at),
                        op.places,
                    )
                )
        for m in self.messages:
            found.append(
                Part(
                    MOST[m.kind],
                    m.kind,
                    "communication",
                    m.count,
                    self._sent(m, at).reshape(shape),
                    self.tiers[0],
                    "link",
                    "link",
                )
            )
        return found

    @cached_property
    def tiers(self) -> tuple[str, ...]:
        """The tiers of its kernels, the lowest first."""
        at = At(*flat(128, 0, 1, 128)[1], self.quant)
        found = {tier for _, _, tier, _ in self._kernels(at, self._groups)}
        return tuple(t for t in TIERS if t in found)

    @cached_property
    def _groups(self) -> list[Group]:
        """Pieces that one call of the time model answers."""
        found: dict[Any, list[Piece]] = {}
        for piece in self.pieces:
            sizes = tuple(sorted(sizes_of(piece)))
            whose = piece.tokens if piece.op.kind in ALONE else ""
            kind = "elementwise" if piece.op.kind in ALIKE else piece.op.kind
            same = kind, piece.dtype, piece.weights, piece.cache, whose, sizes
            found.setdefault(same, []).append(piece)
        return [Group(members, self.parallel) for members in found.values()]

    def _kernels(self, at: At, groups: list[Group]) -> list[tuple[list[Piece], np.ndarray, str, str]]:
        """Seconds of each piece of the groups, [pieces, points], times how often it runs."""
        out = []
        for group in groups:
            if group.whose in at.subsets:
                # Attention of prompts and of decoding is asked only for the points that have such tokens.
                found, tier, why = self._of_group(group, at.only(group.whose))
                found = spread(found, at.subsets[group.whose], at.none)
            elif group.by_load and at.repeats is not None:
                found, tier, why = self._of_group(group, at.distinct())
                found = np.take(found, at.repeats[1], axis=1)
            else:
                found, tier, why = self._of_group(group, at)
            out.append((group.members, found, tier, why))
        return out

    def _of_group(self, group: Group, at: At) -> tuple[np.ndarray, str, str]:
        dims, flops = group.sizes(at)
        first = group.members[0]
        seconds, tier, why = op_time(
            self.hw, first.op.kind, first.dtype, weights=first.weights, cache=first.cache, tier=self.tier,
            checked=True, told=at.told, few=at.few if group.whose == "prompt" else None, **dims,
        )  # fmt: skip
        if flops is not None:
            seconds = np.maximum(seconds, flops / self.hw.peak(first.dtype))
        shared = self.one_kernel and "prompt" in at.any
        if shared and first.op.kind == "attention" and first.tokens == "decode":
            seconds = beside_prompts(self.hw, seconds, at.given[0], **dims)
        return seconds * group.counts(at), tier, why

    def _sent(self, m: Message, at: At) -> np.ndarray:
        size = m.bytes_per_token * at.tokens(m.tokens)
        return m.count * collective(self.hw, m.kind, size, m.ranks, across_nodes=m.across, checked=True)

    def _bound(self, piece: Piece, at: At) -> str:
        """Whether arithmetic or memory takes longer at the least, at the first point of the grid."""
        flops = float(np.ravel(at.evaluate(in_step(piece.op.flops), piece.tokens))[0])
        moved = float(np.ravel(at.evaluate(in_step(piece.op.read + piece.op.write), piece.tokens))[0])
        moved += (
            piece.op.weight_elements * self.quant.of(piece.op.role).bytes if piece.op.kind == "gemm" else 0
        )
        if piece.op.kind in MOVED:
            return "memory"
        if piece.op.kind == "grouped_gemm":
            moved += piece.op.weight_elements * self.quant.of(piece.op.role).bytes / self.parallel.ep
        return "arithmetic" if flops / self.hw.peak(piece.dtype) > moved / self.hw.bandwidth else "memory"


def _name(op: Op) -> str:
    """What it is, in words: a projection by its part, everything else by its kind where the part says too little."""
    if op.kind in ("other", "conv"):
        return {"other": "not classified", "conv": "convolution"}[op.kind]
    if op.role == "replicated" and op.kind != "gemm":
        return {"norm": "norm and residual", "gather": "moving rows"}.get(op.kind, "memory-bound chain")
    return NAMES_OF_ROLES.get(op.role, op.role)


NAMES_OF_ROLES = {
    "qkv": "queries, keys, values", "column": "projection by columns", "row": "projection by rows",
    "expert_column": "experts, first projection", "expert_row": "experts, second projection", "lm_head": "logits",
    "embedding": "embedding", "router": "choice of experts", "attention": "attention", "state": "recurrence",
    "norm": "norm and residual", "activation": "activation", "replicated": "projection on every device",
}  # fmt: skip
