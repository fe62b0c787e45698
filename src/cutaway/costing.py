# The public `cutaway.cost`: from the cache if nothing has changed since, else from a trace. Torch, sympy and
# transformers are imported only for the latter.
"""`cost("llama-3.1-8b")`: what a forward pass computes and moves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from cutaway import store
from cutaway.errors import BadValue
from cutaway.model import Analysis, Convention
from cutaway.report.cost_json import to_dict
from cutaway.report.cost_load import from_dict, looks_saved
from cutaway.report.result import CostResult
from cutaway.report.values import check_names, check_value


def cost(
    target: str,
    *,
    phase: str = "prefill",
    values: Mapping[str, int] | None = None,
    symbols: str = "shapes",
    dtype: str = "bfloat16",
    execution: str = "eager",
    trust_code: bool = False,
    args: Mapping[str, Any] | None = None,
    inputs: Mapping[str, str] | None = None,
    cache: bool = True,
) -> CostResult:
    """FLOPs and bytes of one forward pass of `target`, per module and per source line, as formulas.

    >>> cost("llama-3.1-8b").evaluate(batch_size=1, seq_len=2048)["flops"]  # doctest: +SKIP
    """
    given = {name: check_value(name, value) for name, value in (values or {}).items()}
    request = store.Request(
        target,
        phase,
        symbols,
        dtype,
        trust_code,
        dict(args or {}),
        dict(inputs or {}),
        Convention(execution=execution).to_dict(),
        given,
    )
    return answer(request, saved_text(request) if cache else saved_file(target), cache=cache)


def answer(request: store.Request, kept: str | None, *, cache: bool) -> CostResult:
    """The result that `kept` holds, or a fresh one, with the values asked for."""
    analysis = from_dict(json.loads(kept)) if kept else trace(request, cache)
    check_names(request.values, analysis)
    return CostResult(replace(analysis, values=request.values or analysis.values))


def saved_text(request: store.Request) -> str | None:
    """The JSON of the answer, without values, if it is at hand: `target` itself, or kept from before."""
    return saved_file(request.target) or store.find(request)


def saved_file(target: str) -> str | None:
    """The content of a file that `cutaway cost --json` wrote."""
    path = Path(target).expanduser()
    if path.suffix != ".json" or path.name == "config.json" or not path.is_file():
        return None
    try:
        text = path.read_text(encoding="utf-8")
        return text if looks_saved(json.loads(text)) else None
    except (OSError, ValueError) as error:
        raise BadValue("that file could not be read", where=target, known=str(error)) from None


def trace(request: store.Request, cache: bool) -> Analysis:
    """Derive the answer, and keep it."""
    from cutaway.trace import analyse

    analysis = analyse(
        request.target,
        phase=request.phase,
        values=request.values,
        symbols=request.symbols,
        dtype=request.dtype,
        trust_code=request.trust_code,
        args=request.args,
        inputs=request.inputs,
        convention=Convention(**request.convention),
    )
    if cache:
        plain = replace(analysis, values={})
        store.keep(
            request,
            as_json(plain),
            files=plain.source.get("files", {}),
            valid_when=list(plain.valid_when),
            defaults={s.name: s.default for s in plain.symbols},
        )
    return analysis


def as_json(analysis: Analysis) -> str:
    """JSON as the command line writes it."""
    return json.dumps(to_dict(analysis), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
