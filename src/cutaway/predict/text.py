# Workloads travel as JSON: formulas in the notation that reports print, equal ones read once.
"""`dumps(workloads)` and `loads(text)`: the two phases of a model as text, and back."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

from cutaway.formula import Formula, parse
from cutaway.predict.types import Op, StateSpec, Workload

SHORT = {"{batch_size}": "B", "{seq_len}": "S", "{cache_len}": "C", "{a_bytes}": "a", "{kv_bytes}": "k"}
LONG = {short: name[1:-1] for name, short in SHORT.items()}
PLAIN = ("model", "phase", "parameters", "weight_elements_by_role", "layers", "hidden_size", "max_positions")


def dumps(both: tuple[Workload, Workload | None]) -> str:
    """One line of JSON."""
    return json.dumps(
        [_workload(w) for w in both if w is not None], separators=(",", ":"), ensure_ascii=False
    )


def loads(text: str) -> tuple[Workload, Workload | None]:
    """What `dumps` wrote."""
    found = [_read(d) for d in json.loads(text)]
    return found[0], found[1] if len(found) > 1 else None


def _workload(w: Workload) -> dict[str, Any]:
    return {name: getattr(w, name) for name in PLAIN} | {
        "kv": [list(vars(s).values()) for s in w.kv],
        "gaps": list(w.gaps),
        "ops": [_op(o) for o in w.ops],
    }


def _op(o: Op) -> list[Any]:
    dims = {name: _text(value) for name, value in o.dims.items()}
    sums = [_text(f) for f in (o.flops, o.matmul_flops, o.read, o.write)]
    return [
        o.kind,
        o.count,
        o.role,
        dims,
        *sums[:2],
        o.weight_elements,
        *sums[2:],
        list(o.places),
        int(o.joins),
    ]


def _read(d: dict[str, Any]) -> Workload:
    ops = tuple(_read_op(*o) for o in d["ops"])
    kv = tuple(StateSpec(*s) for s in d["kv"])
    return Workload(**{name: d[name] for name in PLAIN}, kv=kv, gaps=tuple(d["gaps"]), ops=ops)


def _read_op(kind, count, role, dims, flops, matmul, weights, read, write, places, joins) -> Op:
    sizes = {name: value if isinstance(value, int) else _formula(value) for name, value in dims.items()}
    sums = [_formula(f) for f in (flops, matmul)]
    return Op(
        kind, count, role, sizes, *sums, weights, _formula(read), _formula(write), tuple(places), bool(joins)
    )


def _text(value: Formula | int) -> str | int:
    if isinstance(value, int):
        return value
    constant = value.constant()
    if isinstance(constant, int):
        return constant
    text = str(value)
    for name, short in SHORT.items():
        text = text.replace(name, short)
    return text.replace(" ", "")


@cache
def _formula(text: str | int) -> Formula:
    return parse(re.sub(r"\b[BSCak]\b", lambda found: LONG[found[0]], str(text)))
