# Kernels of one kind are evaluated together: their sizes as functions of a step's point, what is the same at every point
# beforehand.
"""`Group(members, parallel)`: the sizes and the counts of some kernels at the points of a step."""

from __future__ import annotations

from typing import Any

import numpy as np

from cutaway.formula import Formula, compile_formulas, const, sym
from cutaway.predict.pieces import ALONE, Piece
from cutaway.predict.points import NAMES, At, rows_of
from cutaway.predict.recorded import array
from cutaway.predict.shard import Parallel

OTHER_INPUT = 1500  # frames, patches or tokens of an input that is not the prompt
MOVED = ("norm", "elementwise", "gather", "softmax", "conv", "other")  # kinds whose bytes are known from the trace


class Group:
    """Kernels of one kind, with their sizes as functions of the point: what is the same at every point is there already."""

    def __init__(self, members: list[Piece], p: Parallel):
        self.members = members
        sizes = [sizes_of(m) | ({"flops": m.flops} if m.flops is not None else {}) for m in members]
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
            formulas = {(name, n): in_step(sizes[n][name]) for name in self.moving for n in rows}
            distinct = list(dict.fromkeys(formulas.values()))
            places = {place: distinct.index(formula) for place, formula in formulas.items()}
            self.plans.append((tokens, places, compile_formulas(distinct, (*NAMES, "kv_len"))))
        # Whether it matters how many tokens there are and nothing else.
        asked = {symbol for d in sizes for name in self.moving for symbol in in_step(d[name]).symbols()}
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


def sizes_of(piece: Piece) -> dict[str, Formula | int]:
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


def _constant(value: Formula | int) -> float | None:
    found = value if isinstance(value, int) else value.constant()
    return None if found is None else float(found)


def in_step(value: Formula | int) -> Formula:
    """In the symbols of a step; lengths of other inputs (an encoder's) are taken as usual ones."""
    f = value if isinstance(value, Formula) else const(value)
    others = f.symbols() - {*NAMES, "kv_len"}
    return f.substitute(dict.fromkeys(others, OTHER_INPUT)) if others else f
