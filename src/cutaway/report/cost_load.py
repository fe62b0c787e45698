# The twin of `cost_json.py`: a saved result becomes the same `Analysis` again, equal in every field.
"""JSON of `cost` -> `Analysis`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from cutaway.errors import BadValue
from cutaway.formula import Formula, parse
from cutaway.model import (
    Analysis,
    Call,
    Convention,
    Cost,
    Gap,
    Kernel,
    Line,
    Module,
    ParameterCount,
    Place,
    Step,
    SymbolInfo,
    TensorSpec,
)
from cutaway.model.analysis import SCHEMA_VERSION


def from_dict(data: Mapping[str, Any]) -> Analysis:
    """The analysis that `to_dict` wrote; raises `BadValue` on anything else."""
    if data.get("schema_version") != SCHEMA_VERSION:
        raise BadValue(
            "a result of another version",
            known=f"schema_version {data.get('schema_version')!r}, this is {SCHEMA_VERSION}",
            try_="run `cutaway cost` again",
        )
    try:
        return _analysis(data)
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise BadValue(
            "not a saved result of `cutaway cost`", known=f"{type(error).__name__}: {error}"
        ) from None


def _analysis(d: Mapping[str, Any]) -> Analysis:
    totals = d["totals"]
    return Analysis(
        target=d["target"],
        source=d["source"],
        convention=Convention(**d["convention"]),
        phase=d["phase"],
        symbols=tuple(SymbolInfo(name, **row) for name, row in d["symbols"].items()),
        valid_when=tuple(d["valid_when"]),
        parameters=_parameters(d["parameters"]),
        total=_cost(totals),
        fused=_cost(totals["fused"]),
        useful_flops=_formula(totals["useful_flops"]),
        kv_cache_bytes=_formula(totals["kv_cache_bytes"]),
        modules=tuple(map(_module, d["modules"])),
        gaps=tuple(Gap(**g) for g in d["gaps"]),
        assumptions=tuple(d["assumptions"]),
        values=d["set"],
    )


def _parameters(d: Mapping[str, Any]) -> ParameterCount:
    counts = (_formula(d[k]) for k in ("total", "trainable", "frozen", "bytes"))
    return ParameterCount(*counts, tuple((name, _formula(f)) for name, f in d["by_module"].items()))


def _module(d: Mapping[str, Any]) -> Module:
    at = d["source"]
    return Module(
        d["class_name"],
        d["path"],
        d["repeat"],
        d["signature"],
        _specs(d["inputs"]),
        _specs(d["outputs"]),
        Place(at["path"], at["line"], at["function"]),
        at["end_line"],
        tuple(map(_step, d["kernels"])),
        tuple(Line(**line) for line in d["lines"]),
        _cost(d["own"]),
        _cost(d["total"]),
        _cost(d["fused"]),
    )


def _step(d: Mapping[str, Any]) -> Step:
    stack, takes, gives = tuple(Place(**p) for p in d["stack"]), _specs(d["inputs"]), _specs(d["outputs"])
    if d["kernel_type"] == "composite":
        return Call(d["module"], d["line"], stack, tuple(d["names"]), takes, gives, d["repeat"])
    return Kernel(
        d["op"],
        d["line"],
        stack,
        takes,
        gives,
        _cost(d),
        _cost(d["fused"]),
        d["rule"],
        d["analysis"],
        d["repeat"],
    )


def _specs(rows: list[Mapping[str, Any]]) -> tuple[TensorSpec, ...]:
    return tuple(
        TensorSpec(
            tuple(map(_formula, r["shape"])), r["dtype"], r["role"], _formula(r["element_bytes"]), r["uid"]
        )
        for r in rows
    )


def _cost(d: Mapping[str, Any]) -> Cost:
    access = d["memory_access"]
    return Cost(*map(_formula, (d["flops"], d["matmul_flops"], access["read"], access["write"])))


@lru_cache(maxsize=65536)
def _formula(text: str) -> Formula:
    return parse(text)
