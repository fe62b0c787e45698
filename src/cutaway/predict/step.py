# One step of an engine: some prompt tokens and some sequences that decode, through all kernels of one rank. What does not
# care which tokens are whose (projections, norms) runs once over all of them; attention and recurrences run for each kind.
# Everything is evaluated on numpy arrays, kernels of one kind together, so that one number and a grid are the same code.
"""`Step(...)(prefill_tokens, prefill_context, decode_batch, decode_context)`: seconds of a step, and where they go."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from cutaway.formula import Formula, compile_formulas, const, sym
from cutaway.predict.quant import Quant
from cutaway.predict.shard import Parallel, check, cut
from cutaway.predict.time import TIERS, beside_prompts, collective, op_time
from cutaway.predict.types import Op, Workload

if TYPE_CHECKING:
    from cutaway.hardware import Hardware

NAMES = ("batch_size", "seq_len", "cache_len", "a_bytes", "kv_bytes")
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

    def __call__(
        self, prefill_tokens: Any, prefill_context: Any, decode_batch: Any, decode_context: Any
    ) -> Any:
        """Seconds."""
        at = self._at(prefill_tokens, prefill_context, decode_batch, decode_context)
        running = [g for g in self._groups if g.runs(at)]
        kernels = sum(
            (seconds.sum(axis=0) for _, seconds, _, _ in self._kernels(at, running)), start=np.zeros(at.shape)
        )
        sent = sum((self._sent(m, at) for m in self.messages), start=np.zeros(at.shape))
        return kernels + np.maximum(sent - self.overlap * kernels, sent * (1 - self.overlap))

    def parts(
        self, prefill_tokens: Any, prefill_context: Any, decode_batch: Any, decode_context: Any
    ) -> list[Part]:
        """Where the seconds go, each kernel and each collective by itself."""
        at = self._at(prefill_tokens, prefill_context, decode_batch, decode_context)
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
                        own,
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
                    self._sent(m, at),
                    self.tiers[0],
                    "link",
                    "link",
                )
            )
        return found

    @cached_property
    def tiers(self) -> tuple[str, ...]:
        """The tiers of its kernels, the lowest first."""
        found = {tier for _, _, tier, _ in self._kernels(self._at(128, 0, 1, 128), self._groups)}
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

    def _kernels(self, at: _At, groups: list[_Group]) -> list[tuple[list[Piece], np.ndarray, str, str]]:
        """Seconds of each piece of the groups, [pieces, …], times how often it runs."""
        out = []
        for group in groups:
            where = at.running(group.whose)
            if where is None:
                out.append((group.members, *self._of_group(group, at)))
                continue
            # Attention of prompts and of decoding is asked only for the points that have such tokens.
            found, tier, why = self._of_group(group, at.only(group.whose, where))
            seconds = np.zeros((len(group.members), *at.shape))
            seconds[:, where] = found
            out.append((group.members, seconds, tier, why))
        return out

    def _of_group(self, group: _Group, at: _At) -> tuple[np.ndarray, str, str]:
        dims, flops = group.sizes(at)
        first = group.members[0]
        seconds, tier, why = op_time(
            self.hw, first.op.kind, first.dtype, weights=first.weights, cache=first.cache, tier=self.tier,
            checked=True, **dims,
        )  # fmt: skip
        if flops is not None:
            seconds = np.maximum(seconds, flops / self.hw.peak(first.dtype))
        if self.one_kernel and first.op.kind == "attention" and first.tokens == "decode":
            slower = beside_prompts(self.hw, dims["heads"], dims["kv_heads"])
            seconds = seconds * np.where(at.runs["prompt"] > 0, slower, 1.0)
        return seconds * group.counts(at), tier, why

    def _sent(self, m: Message, at: _At) -> np.ndarray:
        size = m.bytes_per_token * at.tokens(m.tokens)
        return m.count * collective(self.hw, m.kind, size, m.ranks, across_nodes=m.across)

    def _bound(self, piece: Piece, at: _At) -> str:
        """Whether arithmetic or memory takes longer at the least, at the first point of the grid."""
        flops = float(np.ravel(at.evaluate(piece.op.flops, piece.tokens))[0])
        moved = float(np.ravel(at.evaluate(piece.op.read + piece.op.write, piece.tokens))[0])
        moved += (
            piece.op.weight_elements * self.quant.of(piece.op.role).bytes if piece.op.kind == "gemm" else 0
        )
        if piece.op.kind in MOVED:
            return "memory"
        if piece.op.kind == "grouped_gemm":
            moved += piece.op.weight_elements * self.quant.of(piece.op.role).bytes / self.parallel.ep
        return "arithmetic" if flops / self.hw.peak(piece.dtype) > moved / self.hw.bandwidth else "memory"

    def _at(self, *given: Any) -> _At:
        arrays = [np.asarray(v, float) for v in given]
        if any(a.shape != arrays[0].shape for a in arrays):
            arrays = np.broadcast_arrays(*arrays)
        return _At(*arrays, self.quant)


class _At:
    """The point, or the grid, at which a step is evaluated."""

    def __init__(
        self, prompt: np.ndarray, before: np.ndarray, batch: np.ndarray, context: np.ndarray, q: Quant
    ):
        self.given, self.quant = (prompt, before, batch, context), q
        self.parts: dict[str, _At] = {}
        self.shape, self.ones = prompt.shape, (1,) * prompt.ndim
        self.bytes = (2.0, q.kv.element)  # of an activation, and of the cache
        self.seen = np.maximum(prompt + before, 1)  # keys that the last token of the prompt looks at
        # batch_size, seq_len, cache_len by which tokens are meant
        all_, last = prompt + batch, batch + (prompt > 0)
        self.where = {
            "all": (np.maximum(all_, 1), 1.0, context),
            "prompt": (1.0, np.maximum(prompt, 1), 1.0),
            "decode": (np.maximum(batch, 1), 1.0, np.maximum(context, 1)),
            "last": (np.maximum(last, 1), 1.0, context),
        }
        # 1 where there are such tokens, else 0
        any_ = (all_ > 0) * 1.0
        self.runs = {"all": any_, "prompt": (prompt > 0) * 1.0, "decode": (batch > 0) * 1.0, "last": any_}

    def running(self, tokens: str) -> np.ndarray | None:
        """Which points of a list have such tokens; None where all do or none does, and of grids."""
        if not tokens or len(self.shape) != 1:
            return None
        there = self.runs[tokens] > 0
        return None if there.all() or not there.any() else there

    def only(self, tokens: str, there: np.ndarray) -> _At:
        """The points that have such tokens."""
        if tokens not in self.parts:
            self.parts[tokens] = _At(*(v[there] for v in self.given), self.quant)
        return self.parts[tokens]

    def tokens(self, tokens: str) -> np.ndarray:
        """How many there are of them."""
        return self.where[tokens][0] * self.where[tokens][1] * self.runs[tokens]

    def values(self, tokens: str) -> tuple:
        return (*self.where[tokens], *self.bytes)

    def evaluate(self, f: Formula, tokens: str) -> np.ndarray:
        return np.broadcast_to(
            _formula(f).evaluate(dict(zip(NAMES, self.values(tokens), strict=True))), self.shape
        )


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
                self.fixed[name] = np.array(values, float)
        if members[0].op.kind == "grouped_gemm":
            self.fixed["share"] = np.full(len(members), 1 / p.ep)
        self.together = (
            p.dp if p.joint and "share" in self.fixed else 1
        )  # tokens of all copies meet at the experts
        # One function for the members that run for the same tokens, which gives all their moving sizes.
        self.plans = []
        for tokens in dict.fromkeys(m.tokens for m in members):
            rows = [n for n, m in enumerate(members) if m.tokens == tokens]
            formulas = [_formula(sizes[n][name]) for name in self.moving for n in rows]
            self.plans.append((tokens, rows, compile_formulas(formulas, (*NAMES, "kv_len"))))
        self.tokens = [m.tokens for m in members]
        self.whose = self.tokens[0] if members[0].op.kind in ALONE else ""  # the one kind of tokens that all look at
        self.times = np.array([m.op.count for m in members], float)

    def sizes(self, at: _At) -> tuple[dict[str, np.ndarray], np.ndarray | None]:
        """Each size as an array [members, …], and the FLOPs of those that are known by their bytes."""
        out = {name: values.reshape(-1, *at.ones) for name, values in self.fixed.items()}
        moving = np.empty((len(self.moving), len(self.members), *at.shape))
        for tokens, rows, plan in self.plans:
            for n, value in enumerate(plan(*at.values(tokens), at.seen)):
                moving[n // len(rows), rows[n % len(rows)]] = value
        out |= dict(zip(self.moving, moving, strict=True))
        if self.together > 1:
            out["m"] = out["m"] * self.together
        return out, out.pop("flops", None)

    def runs(self, at: _At) -> bool:
        """Whether any does, anywhere."""
        return any(at.runs[tokens].any() for tokens, _, _ in self.plans)

    def counts(self, at: _At) -> np.ndarray:
        """How often each runs in the step."""
        times = self.times.reshape(-1, *at.ones)
        if len(self.plans) == 1:
            return at.runs[self.tokens[0]] * times
        return np.array([at.runs[t] for t in self.tokens]) * times


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
