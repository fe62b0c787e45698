# Which kernels one rank runs in a step, and for which of its tokens: those of both phases once, without what engines run
# inside others; and which messages follow from the cut.
"""`pieces(prefill, decode, parallel, quant)` and `messages(workload, parallel, hardware)`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from cutaway.formula import Formula
from cutaway.predict.quant import Quant
from cutaway.predict.shard import Parallel, cut
from cutaway.predict.types import Op, Workload

if TYPE_CHECKING:
    from cutaway.hardware import Hardware

ALONE = ("attention", "mla_attention", "scan")  # kinds that look at sequences and not at tokens
INNER = ("elementwise", "gather")  # between two products over experts these are parts of them


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
