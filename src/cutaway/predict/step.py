# One step of an engine: some prompt tokens and some sequences that decode, through all kernels of one rank. What does not
# care which tokens are whose (projections, norms) runs once over all of them; attention and recurrences run for each kind.
# Everything is evaluated on numpy arrays, kernels of one kind together, so that one number and a grid are the same code; who
# asks again gets what was recorded of it.
"""`Step(...)(prefill_tokens, prefill_context, decode_batch, decode_context)`: seconds of a step, and where they go."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from cutaway.formula import Formula, compile_formulas, const, sym
from cutaway.predict.points import NAMES, At, Regime, flat, further_of, regime_of, rows_of, spread
from cutaway.predict.quant import Quant
from cutaway.predict.recorded import Branches, Later, array, record, taped
from cutaway.predict.shard import Parallel, check, cut
from cutaway.predict.time import FEW, TIERS, beside_prompts, collective, op_time
from cutaway.predict.types import Op, Workload
from cutaway.predict.unrolled import ERRORS, unroll

if TYPE_CHECKING:
    from cutaway.hardware import Hardware

OTHER_INPUT = 1500  # frames, patches or tokens of an input that is not the prompt
ALONE = ("attention", "mla_attention", "scan")  # kinds that look at sequences and not at tokens
MOVED = (
    "norm",
    "elementwise",
    "gather",
    "softmax",
    "conv",
    "other",
)  # kinds whose bytes are known from the trace
ALIKE = ("norm", "elementwise", "gather", "softmax")  # of these, kinds that the time model knows by nothing but their bytes
INNER = ("elementwise", "gather")  # between two products over experts these are parts of them
OFTEN = 8  # who asks so many times will ask again
SEVERAL, STEADY = 4, 64  # points; asked so often, the code for so few is written out, which takes as long as a hundred answers
MOST = {"all_reduce": "sum over devices", "all_gather": "gather over devices", "all_to_all": "exchange of tokens",
        "send_recv": "to the next stage"}  # fmt: skip


@dataclass(frozen=True)
class Piece:
    """One kernel of one rank, and for which tokens of a step it runs: all, prompt, decode, or the last of each prompt.
    `cache` is the dtype of the keys and values that it reads."""

    op: Op
    tokens: str
    dtype: str
    weights: str
    cache: str
    flops: Formula | None = None  # in matrix units, of kinds that the time model knows by their bytes alone


@dataclass(frozen=True)
class Message:
    """One collective: `bytes_per_token` of the whole message, for the tokens of a step."""

    kind: str
    count: int
    bytes_per_token: float
    ranks: int
    tokens: str = "all"
    across: bool = False


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
    def _groups(self) -> list[_Group]:
        """Pieces that one call of the time model answers."""
        found: dict[Any, list[Piece]] = {}
        for piece in self.pieces:
            sizes = tuple(sorted(_sizes(piece)))
            whose = piece.tokens if piece.op.kind in ALONE else ""
            kind = "elementwise" if piece.op.kind in ALIKE else piece.op.kind
            same = kind, piece.dtype, piece.weights, piece.cache, whose, sizes
            found.setdefault(same, []).append(piece)
        return [_Group(members, self.parallel) for members in found.values()]

    def _kernels(self, at: At, groups: list[_Group]) -> list[tuple[list[Piece], np.ndarray, str, str]]:
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

    def _of_group(self, group: _Group, at: At) -> tuple[np.ndarray, str, str]:
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
        flops = float(np.ravel(at.evaluate(_formula(piece.op.flops), piece.tokens))[0])
        moved = float(np.ravel(at.evaluate(_formula(piece.op.read + piece.op.write), piece.tokens))[0])
        moved += (
            piece.op.weight_elements * self.quant.of(piece.op.role).bytes if piece.op.kind == "gemm" else 0
        )
        if piece.op.kind in MOVED:
            return "memory"
        if piece.op.kind == "grouped_gemm":
            moved += piece.op.weight_elements * self.quant.of(piece.op.role).bytes / self.parallel.ep
        return "arithmetic" if flops / self.hw.peak(piece.dtype) > moved / self.hw.bandwidth else "memory"


def pieces(prefill: Workload, decode: Workload | None, p: Parallel, q: Quant) -> list[Piece]:
    """The kernels of one rank in a step with prompts and decoding sequences: those that both phases have, once."""
    twins: dict[Any, list[Op]] = {}
    for op in without_inner(decode) if decode is not None else ():
        twins.setdefault(_twin(op), []).append(op)
    found = []
    for op in without_inner(prefill):
        same = twins.get(_twin(op))
        if same and op.kind not in ALONE:
            found.append(_piece(same.pop(0), prefill, p, q, "last" if op.role == "lm_head" else "all"))
        else:
            found.append(_piece(op, prefill, p, q, "prompt"))
    if decode is not None:
        found += [_piece(op, decode, p, q, "decode") for rest in twins.values() for op in rest]
    return found


def without_inner(w: Workload) -> list[Op]:
    """The ops without what engines run inside the products over experts, whose time holds it: gathering the rows of each
    expert, the activation between the products, the weighed sum of the choices. Their lines go to the product before."""
    experts = [op for op in w.ops if op.kind == "grouped_gemm"]
    rows = {str(op.dims["m"] * op.dims["top_k"]) for op in experts}
    widths = {str(op.dims[name]) for op in experts for name in ("n", "k")}
    kept: list[Op] = []
    for op in w.ops:
        d = op.dims
        inside = op.kind in INNER and str(d["rows"]) in rows and str(d["width"]) in widths
        before = next((n for n, o in enumerate(reversed(kept), 1) if o.kind == "grouped_gemm"), 0) if inside else 0
        if before:
            kept[-before] = replace(kept[-before], places=tuple(dict.fromkeys(kept[-before].places + op.places)))
        elif not inside:
            kept.append(op)
    return kept


def _piece(op: Op, w: Workload, p: Parallel, q: Quant, tokens: str) -> Piece:
    part = cut(op, w, p)
    by_bytes = op.kind == "other" and bool(op.matmul_flops)
    # Keys and values that were made from a latent for a prompt are as activations are, whatever the cache keeps.
    widened = op.kind == "attention" and any(spec.kind == "latent" for spec in w.kv)
    return Piece(
        part, tokens, q.computes(op.role), q.of(op.role).name, q.plain.name if widened else q.kv.name,
        op.matmul_flops / p.tp if by_bytes else None,
    )  # fmt: skip


def _twin(op: Op) -> tuple:
    """What is the same of a kernel in both phases."""
    fixed = tuple((k, v) for k, v in op.dims.items() if isinstance(v, int))
    return op.kind, op.role, op.count, op.weight_elements, op.places, fixed


def messages(w: Workload, p: Parallel, hw: Hardware) -> list[Message]:
    """The collectives that follow from the cut. Messages are in 16 bits."""
    wide, near = w.hidden_size * 2, hw.devices_per_node
    out = []
    sums = sum(op.count for op in w.ops if op.role == "row" and not op.joins)
    experts = sum(op.count for op in w.ops if op.role == "expert_row")
    alone = sum(op.count for op in w.ops if op.role == "expert_row" and not op.joins)
    if p.joint:
        own = sum(op.count for op in w.ops if op.role == "row")
        top_k = max((op.dims["top_k"] for op in w.ops if op.role == "expert_row"), default=1)
        spread = p.ep * p.moe_tp
        if p.ep > 1:
            out.append(
                Message(
                    "all_to_all",
                    2 * experts,
                    wide * min(int(top_k), p.ep) / p.tp,
                    spread,
                    across=spread > near,
                )
            )
        else:
            out.append(Message("all_gather", 2 * experts, wide * p.dp, spread, across=spread > near))
        sums = own
    else:
        sums += alone if max(p.tp, p.ep * p.moe_tp) > 1 else 0
    if p.tp > 1:
        tables = sum(op.count for op in w.ops if op.role == "embedding" and op.weight_elements > 1 << 24)
        out.append(Message("all_reduce", sums + tables, wide, p.tp, across=p.tp > near))
        out += [
            Message("all_gather", op.count, _n(op) * 2, p.tp, "last", p.tp > near)
            for op in w.ops
            if op.role == "lm_head"
        ]
    if p.pp > 1:
        out.append(Message("send_recv", p.pp - 1, wide, 2, across=p.tp * p.pp > near))
    return [m for m in out if m.count]


def _n(op: Op) -> int:
    n = op.dims["n"]
    return n if isinstance(n, int) else int(n.constant() or 0)


def _sizes(piece: Piece) -> dict[str, Formula | int]:
    """The sizes that the time model asks for."""
    d = dict(piece.op.dims)
    if piece.op.kind in MOVED:
        d |= {
            "read": piece.op.read + piece.op.weight_elements * 2 * (piece.op.kind != "gather"),
            "write": piece.op.write,
        }
    if piece.op.kind in ("attention", "mla_attention") and piece.tokens == "prompt":
        d |= {"q_len": sym("seq_len"), "kv_len": sym("kv_len")} if _is_self(d) else {}
    return d


def _is_self(d: dict[str, Any]) -> bool:
    """Attention of a sequence over itself: what came before in the cache is seen as well."""
    return bool(d["causal"]) and str(d["q_len"]) == str(d["kv_len"])


class _Group:
    """Kernels of one kind, with their sizes as functions of the point: what is the same at every point is there already."""

    def __init__(self, members: list[Piece], p: Parallel):
        self.members = members
        sizes = [_sizes(m) | ({"flops": m.flops} if m.flops is not None else {}) for m in members]
        self.fixed: dict[str, np.ndarray] = {}
        self.moving: list[str] = []
        for name in sizes[0]:
            values = [_constant(d[name]) for d in sizes]
            if None in values:
                self.moving.append(name)
            else:
                self.fixed[name] = np.array(values, float)[:, None]
        if members[0].op.kind == "grouped_gemm":
            self.fixed["share"] = np.full((len(members), 1), 1 / p.ep)
        self.together = (
            p.dp if p.joint and "share" in self.fixed else 1
        )  # tokens of all copies meet at the experts
        # One function for the members that run for the same tokens, which gives each of their moving sizes once.
        self.plans = []
        for tokens in dict.fromkeys(m.tokens for m in members):
            rows = [n for n, m in enumerate(members) if m.tokens == tokens]
            formulas = {(name, n): _formula(sizes[n][name]) for name in self.moving for n in rows}
            distinct = list(dict.fromkeys(formulas.values()))
            places = {place: distinct.index(formula) for place, formula in formulas.items()}
            self.plans.append((tokens, places, compile_formulas(distinct, (*NAMES, "kv_len"))))
        # Whether it matters how many tokens there are and nothing else.
        asked = {name for formula in formulas_of(sizes, self.moving) for name in formula.symbols()}
        self.by_load = members[0].op.kind not in ALONE and not asked & {"cache_len", "kv_len"}
        self.tokens = [m.tokens for m in members]
        self.whose = self.tokens[0] if members[0].op.kind in ALONE else ""  # the one kind of tokens that all look at
        self.times = np.array([[m.op.count] for m in members], float)

    def sizes(self, at: At) -> tuple[dict[str, Any], Any]:
        """Each size as an array that broadcasts to [members, points], and the FLOPs of those that are known by their bytes."""
        found = {}
        for tokens, places, plan in self.plans:
            values = plan(*at.values(tokens), at.seen)
            found |= {place: values[n] for place, n in places.items()}
        out = dict(self.fixed)
        for name in self.moving:
            rows = [found[name, n] for n in range(len(self.members))]
            alike = all(row is rows[0] for row in rows)
            out[name] = array(rows[0]).reshape(1, -1) if alike else rows_of(rows, at.none)
        if self.together > 1:
            out["m"] = out["m"] * self.together
        return out, out.pop("flops", None)

    def runs(self, at: At) -> bool:
        """Whether any does, anywhere."""
        return any(tokens in at.any for tokens, _, _ in self.plans)

    def counts(self, at: At) -> Any:
        """How often each runs in the step."""
        if len(self.plans) == 1:
            return at.runs[self.tokens[0]] * self.times
        return rows_of([at.runs[t] for t in self.tokens], at.none) * self.times


def formulas_of(sizes: list[dict[str, Any]], names: list[str]) -> list[Formula]:
    """Of these sizes, all."""
    return [_formula(d[name]) for d in sizes for name in names]


def _constant(value: Formula | int) -> float | None:
    found = value if isinstance(value, int) else value.constant()
    return None if found is None else float(found)


def _formula(value: Formula | int) -> Formula:
    """In the symbols of a step; lengths of other inputs (an encoder's) are taken as usual ones."""
    f = value if isinstance(value, Formula) else const(value)
    others = f.symbols() - {*NAMES, "kv_len"}
    return f.substitute(dict.fromkeys(others, OTHER_INPUT)) if others else f


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
