# The wire format of `predict`: the only file that knows its keys.
"""A `Prediction` as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cutaway.predict.step import Part
    from cutaway.predicting import Prediction

SCHEMA_VERSION = 1


def to_dict(p: Prediction, explain: bool = False) -> dict[str, Any]:
    """The contract's keys first. `steps` says what bounds each phase; with `explain`, each kernel with its lines."""
    return {
        "schema_version": SCHEMA_VERSION,
        "model": p.model,
        "hardware": p.hardware.name,
        "engine": p.engine,
        "regime": p.regime,
        "asked": dict(p.asked),
        "parallel": p.parallel.to_dict(),
        "quantisation": p.quant.to_dict(),
        "ttft_s": p.ttft_s,
        "tpot_s": p.tpot_s,
        "throughput_tokens_per_s": p.throughput_tokens_per_s,
        "memory_bytes": p.memory_bytes,
        "fits": p.fits,
        "tier": p.tier,
        "usd_per_million_tokens": p.usd_per_million_tokens,
        "joules_per_token": p.joules_per_token,
        "prefill_step_s": p.prefill_step_s,
        "decode_step_s": p.decode_step_s,
        "memory": p.memory.to_dict(),
        "steps": {phase: _step(parts, explain) for phase, parts in p.parts.items()},
        "served": dict(p.served),
        "devices": p.devices,
        "speculation": p.setup.speculation.to_dict() if p.setup.speculation else None,
        "disaggregation": p.pools.to_dict() if p.pools else None,
        "target": p.target,
        "definitions": dict(p.definitions),
        "warnings": list(p.warnings),
        "gaps": list(p.gaps),
    }


def to_json(p: Prediction, explain: bool = False) -> str:
    """The text of it."""
    return json.dumps(to_dict(p, explain), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def bounds(parts: Iterable[Part]) -> dict[str, float]:
    """Seconds by what bounds them: arithmetic, memory, link."""
    found: dict[str, float] = {}
    for part in parts:
        found[part.bound] = found.get(part.bound, 0.0) + float(part.seconds)
    return found


def _step(parts: tuple[Part, ...], explain: bool) -> dict[str, Any]:
    row: dict[str, Any] = {"seconds_by_bound": bounds(parts)}
    if explain:
        row["kernels"] = [
            {
                "name": part.name, "kind": part.kind, "role": part.role, "count": part.count,
                "seconds": float(part.seconds), "bound": part.bound, "tier": part.tier, "why": part.why,
                "lines": list(part.places),
            }
            for part in sorted(parts, key=lambda part: -float(part.seconds))
            if float(part.seconds) > 0
        ]  # fmt: skip
    return row
