# The public `cutaway.cost`: from what was kept if nothing has changed since, else from a trace. Torch,
# sympy and transformers are imported only for the latter, and the noun only when the kept text is not the
# answer itself.
"""`cost("llama-3.1-8b")`: what a forward pass computes and moves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cutaway import store
from cutaway.errors import BadValue, UnknownTarget
from cutaway.report.asked import check_value

if TYPE_CHECKING:
    from cutaway.model import Analysis
    from cutaway.report.result import CostResult


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
        target, phase, symbols, dtype, trust_code, dict(args or {}), dict(inputs or {}), execution, given
    )
    return answer(request, saved_text(request, cache), cache=cache)


def answer(request: store.Request, kept: str | None, *, cache: bool) -> CostResult:
    """The result that `kept` holds, or a fresh one, with the values asked for."""
    from cutaway.report.cost_load import from_dict
    from cutaway.report.result import CostResult
    from cutaway.report.values import check_names

    if kept and saved_file(request.target):
        return CostResult(from_dict(json.loads(kept))).at(**request.values)

    def derive(values: dict[str, int]) -> Analysis:
        other = replace(request, values=values)
        found = store.find(other) if cache else None
        return from_dict(json.loads(found)) if found else trace(other, cache)

    analysis = from_dict(json.loads(kept)) if kept else trace(request, cache)
    check_names(request.values, analysis)
    return CostResult(replace(analysis, values=request.values), derive)


def saved_text(request: store.Request, cache: bool = True) -> str | None:
    """The JSON of the answer, without values, if it is at hand: `target` itself, or kept from before."""
    return saved_file(request.target) or (store.find(request) if cache else None)


def saved_totals(request: store.Request) -> str | None:
    """Totals that ship with the package, when nothing but a model of the catalogue was asked for: those that hold there.

    Where none hold only because there is one of something, the general ones: their FLOPs are the same, and their bytes,
    some of which code saves there, at most those. None where they do not hold otherwise.
    """
    from cutaway.catalogue.totals import saved_totals

    plain = (request.symbols, request.dtype, request.execution) == ("shapes", "bfloat16", "eager")
    if not plain or request.args or request.inputs:
        return None
    try:
        kept = saved_totals(request.target, request.phase)
    except UnknownTarget:
        return None
    if not kept or not request.values:
        return kept[0] if kept else None
    unmet = [_unmet(json.loads(text), request.values) for text in kept]
    if {} in unmet:
        return kept[unmet.index({})]
    return kept[0] if all(c.endswith(" > 1") and size == 1 for c, size in unmet[0].items()) else None


def _unmet(totals: Mapping[str, Any], values: Mapping[str, int]) -> dict[str, int | None]:
    """The conditions that do not hold at these values and the defaults of the others; for `name > 1` what `name` is."""
    from cutaway.formula.condition import broken

    sizes = {name: s["default"] for name, s in totals["symbols"].items()} | dict(values)
    return {c: sizes.get(c.removesuffix(" > 1")) for c in broken(totals["valid_when"], sizes)}


def saved_file(target: str) -> str | None:
    """The content of a file that `cutaway cost --json` wrote."""
    path = Path(target).expanduser()
    if path.suffix != ".json" or path.name == "config.json" or not path.is_file():
        return None
    try:
        text = path.read_text(encoding="utf-8")
        data = json.loads(text)
    except (OSError, ValueError) as error:
        raise BadValue("that file could not be read", where=target, known=str(error)) from None
    return text if isinstance(data, dict) and {"schema_version", "totals", "modules"} <= data.keys() else None


def trace(request: store.Request, cache: bool) -> Analysis:
    """Derive the answer, and keep it."""
    from cutaway.model import Convention
    from cutaway.report.cost_json import to_json
    from cutaway.trace.target import resolve

    # A wrong name is told before torch is imported.
    target = resolve(request.target, request.trust_code, request.args)
    from cutaway.trace.analyse import analyse

    analysis = analyse(
        target,
        phase=request.phase,
        values=request.values,
        symbols=request.symbols,
        dtype=request.dtype,
        inputs=request.inputs,
        convention=Convention(execution=request.execution),
    )
    if cache:
        plain = replace(analysis, values={})
        defaults = {s.name: s.default for s in plain.symbols}
        store.keep(
            request,
            to_json(plain),
            files=plain.source["files"],
            valid_when=list(plain.valid_when),
            defaults=defaults,
        )
    return analysis
