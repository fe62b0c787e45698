# The wire format of `cost`: the only file that knows its keys when writing. `cost_load.py` reads them
# back, exactly, so that a saved result can be shown again in any format by a machine that has no torch.
"""An `Analysis` as JSON: formulas as strings, and numbers beside them when every symbol has a value."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from cutaway.model import Analysis, Call, Cost, Kernel, Line, Module, Place, TensorSpec
from cutaway.model.analysis import SCHEMA_VERSION
from cutaway.report.values import complete, number
from cutaway.report.words import call_text, names_text, operation, reference, short_class

Values = Mapping[str, int] | None


def to_dict(analysis: Analysis) -> dict[str, Any]:
    """The whole contract. The root's name and kernels stand on top too, as in one module's file."""
    at = complete(analysis)
    modules = [_module(m, analysis, at) for m in analysis.modules]
    return {
        "schema_version": SCHEMA_VERSION,
        "target": analysis.target,
        "class_name": modules[0]["class_name"],
        "source": dict(analysis.source),
        "convention": analysis.convention.to_dict(),
        "phase": analysis.phase,
        "symbols": {
            s.name: {"meaning": s.meaning, "unit": s.unit, "default": s.default} for s in analysis.symbols
        },
        "set": dict(analysis.values),
        "valid_when": list(analysis.valid_when),
        "assumptions": list(analysis.assumptions),
        "at_least": analysis.at_least,
        "approximate": analysis.approximate,
        "parameters": _parameters(analysis),
        "totals": _totals(analysis, at),
        "kernels": modules[0]["kernels"],
        "modules": modules,
        "gaps": [asdict(gap) for gap in analysis.gaps],
    }


def to_json(analysis: Analysis, **more: Any) -> str:
    """The text of it, as files and the command line hold it; `more` replaces keys."""
    return json.dumps(to_dict(analysis) | more, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def kernel_dict(k: Kernel, at: Values = None) -> dict[str, Any]:
    """A basic kernel; its cost is that of one execution."""
    return {
        "kernel_type": "basic",
        "repeat": k.repeat,
        "line": k.line,
        "operation": operation(k),
        "analysis": k.analysis,
        "op": k.op,
        "rule": k.rule,
        "stack": [_place(p) for p in k.stack],
        "inputs": [_spec(t) for t in k.inputs],
        "outputs": [_spec(t) for t in k.outputs],
        **cost_dict(k.cost, at),
        "fused": cost_dict(k.fused, at),
    }


def call_dict(c: Call, caller: Module, callee: Module, at: Values = None) -> dict[str, Any]:
    """A composite kernel; its cost is that of one call, which is the referenced module's."""
    return {
        "kernel_type": "composite",
        "repeat": c.repeat,
        "line": c.line,
        "operation": f"{names_text(c, caller)}: {short_class(callee)}",
        "analysis": call_text(c, caller, callee),
        "reference": reference(callee),
        "module": c.module,
        "names": list(c.names),
        "stack": [_place(p) for p in c.stack],
        "inputs": [_spec(t) for t in c.inputs],
        "outputs": [_spec(t) for t in c.outputs],
        **cost_dict(callee.total, at),
        "fused": cost_dict(callee.fused, at),
    }


def cost_dict(cost: Cost, at: Values = None) -> dict[str, Any]:
    """FLOPs and bytes as formulas; with `at`, as numbers too."""
    row = {
        "flops": str(cost.flops),
        "matmul_flops": str(cost.matmul_flops),
        "memory_access": {"read": str(cost.read), "write": str(cost.write)},
    }
    return row | {"values": _numbers(cost, at)} if at else row


def _numbers(cost: Cost, at: Mapping[str, int]) -> dict[str, Any]:
    return {
        "flops": number(cost.flops, at),
        "matmul_flops": number(cost.matmul_flops, at),
        "memory_access": {"read": number(cost.read, at), "write": number(cost.write, at)},
    }


def _totals(a: Analysis, at: Values) -> dict[str, Any]:
    row = cost_dict(a.total) | {
        "fused": cost_dict(a.fused),
        "useful_flops": str(a.useful_flops),
        "kv_cache_bytes": str(a.kv_cache_bytes),
    }
    if not at:
        return row
    return row | {
        "values": _numbers(a.total, at)
        | {
            "fused": _numbers(a.fused, at),
            "useful_flops": number(a.useful_flops, at),
            "kv_cache_bytes": number(a.kv_cache_bytes, at),
            "at": dict(at),
        }
    }


def _parameters(a: Analysis) -> dict[str, Any]:
    p = a.parameters
    return {
        "total": str(p.total),
        "trainable": str(p.trainable),
        "frozen": str(p.frozen),
        "bytes": str(p.bytes),
        "by_module": {name: str(count) for name, count in p.by_module},
    }


def _module(m: Module, a: Analysis, at: Values) -> dict[str, Any]:
    return {
        "class_name": m.class_name,
        "path": m.path,
        "repeat": m.repeat,
        "signature": m.signature,
        "inputs": [_spec(t) for t in m.inputs],
        "outputs": [_spec(t) for t in m.outputs],
        "source": {
            "path": m.source.path,
            "line": m.source.line,
            "end_line": m.end_line,
            "function": m.source.function,
        },
        "own": cost_dict(m.own),
        "total": cost_dict(m.total, at),
        "fused": cost_dict(m.fused, at),
        "kernels": [
            call_dict(s, m, a.modules[s.module], at) if isinstance(s, Call) else kernel_dict(s, at)
            for s in m.steps
        ],
        "lines": [_line(line) for line in m.lines],
    }


def _line(line: Line) -> dict[str, Any]:
    return {"path": line.path, "line": line.line, "status": line.status, "why": line.why, "text": line.text}


def _place(p: Place) -> dict[str, Any]:
    return {"path": p.path, "line": p.line, "function": p.function}


def _spec(t: TensorSpec) -> dict[str, Any]:
    return {
        "shape": [str(d) for d in t.dims],
        "dtype": t.dtype,
        "role": t.role,
        "element_bytes": str(t.element_bytes),
        "uid": t.uid,
    }
