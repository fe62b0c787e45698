# Code that keeps no cache computes the whole sequence again for each token, and nobody serves it so. What an engine would do
# instead follows from the ops of the whole pass: keys and values of each attention are kept, and the rest runs on one token.
"""`with_cache(prefill)`: the workload of a next token, from that of a whole sequence."""

from __future__ import annotations

from dataclasses import replace

from cutaway.formula import Formula, const, sym
from cutaway.formula.core import ONE, add
from cutaway.predict.types import Op, StateSpec, Workload

S, C = sym("seq_len"), sym("cache_len")
WHY = "the code keeps no cache: the next token is predicted as if the keys and values of each attention were kept"


def with_cache(prefill: Workload) -> tuple[Workload, Workload]:
    """Both phases of a model that was traced without a cache; what is assumed is in `gaps`."""
    kept = tuple(
        StateSpec(
            op.count,
            "kv",
            _number(op.dims["kv_heads"]) * _number(op.dims["head_dim"] + op.dims["v_head_dim"]),
            0,
        )
        for op in prefill.ops
        if op.kind == "attention"
    )
    gaps = (*prefill.gaps, WHY)
    ops = tuple(_next_token(op) for op in prefill.ops)
    return replace(prefill, kv=kept, gaps=gaps), replace(prefill, phase="decode", ops=ops, kv=kept, gaps=gaps)


def _next_token(op: Op) -> Op:
    """One position of the sequence, which sees all of the others where the op is a product of two of them."""
    if op.kind == "attention":
        dims = op.dims | {"q_len": 1, "kv_len": C + 1}
        heads = _number(op.dims["kv_heads"]) * _number(op.dims["head_dim"] + op.dims["v_head_dim"])
        read = add([_one(op.write), sym("batch_size") * (C + 1) * heads * sym("kv_bytes")])
        return replace(
            op,
            dims=dims,
            flops=_seen(op.flops),
            matmul_flops=_seen(op.matmul_flops),
            read=read,
            write=_one(op.write),
        )
    if op.kind == "other":  # perhaps a product over the sequence: all of it is read
        everything = op.read.substitute({"seq_len": C + 1})
        return replace(
            op, dims={name: _shrunk(value) for name, value in op.dims.items()},
            flops=_seen(op.flops), matmul_flops=_seen(op.matmul_flops), read=everything, write=_seen(op.write),
        )  # fmt: skip
    return replace(
        op, dims={name: _shrunk(value) for name, value in op.dims.items()},
        flops=_one(op.flops), matmul_flops=_one(op.matmul_flops), read=_one(op.read), write=_one(op.write),
    )  # fmt: skip


def _shrunk(value: Formula | int) -> Formula | int:
    return value if isinstance(value, int) else _one(value)


def _one(f: Formula) -> Formula:
    return f.substitute({"seq_len": ONE})


def _seen(f: Formula) -> Formula:
    """Terms in the square of the length see every token once; the others are of one token."""
    squares = Formula({m: c for m, c in f.terms.items() if dict(m).get("seq_len", 0) >= 2})
    return _one(f - squares) + (squares / S).substitute({"seq_len": C + 1})


def _number(value: Formula | int) -> int:
    return (
        value
        if isinstance(value, int)
        else int((value if isinstance(value, Formula) else const(value)).constant() or 0)
    )
