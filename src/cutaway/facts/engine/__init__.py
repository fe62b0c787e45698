# The details of an LLM engine, looked for where its components were found.
"""`find_engine(program, components)`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cutaway.facts.config_classes import own_fields
from cutaway.facts.engine.conditions import SCHEDULING, STOPPING, find_conditions
from cutaway.facts.engine.features import find_features
from cutaway.facts.engine.kv_layout import find_kv_layout
from cutaway.facts.wiring import find_wiring
from cutaway.read.program import Program

__all__ = ["find_engine"]

Place = tuple[str, str]  # path and symbol


def find_engine(
    program: Program, components: Mapping[str, Sequence[Place]], wiring: list[dict[str, Any]] | None = None
) -> dict[str, Any]:
    """`{scheduling, stopping, kv_layout, sampling_parameters, backends, features}`. `components` maps a component's key to
    the places that were found for it, best first; a component without places leaves its part empty. `wiring` is
    `find_wiring`'s, where it is known already."""

    def places(*keys: str, most: int = 3) -> list[Place]:
        found = [p for key in keys for p in list(components.get(key, ()))[:most]]
        return list(dict.fromkeys(found))

    scheduler = _widened(
        program, places("scheduler", "batching_or_chunked_prefill", "preemption", "admission_or_backpressure")
    )
    stop = _widened(program, places("scheduler", "runtime_loop", "sampler"))
    cache = places("kv_cache_memory_accounting", "kv_cache_structure", "kv_cache_block_table_or_paging")
    return {
        "scheduling": find_conditions(program, scheduler, SCHEDULING),
        "stopping": find_conditions(program, stop, STOPPING),
        "kv_layout": find_kv_layout(program, cache),
        "sampling_parameters": _fields(program, places("sampling_params", most=1)),
        "backends": [w for w in (find_wiring(program) if wiring is None else wiring) if _names_backend(w)],
        "features": find_features(program),
    }


def _widened(program: Program, places: list[Place]) -> list[Place]:
    """Each place, and the class around it."""
    found = []
    for path, symbol in places:
        owner = symbol.rpartition(".")[0]
        found.append((path, owner if owner and program.definition(path, owner) else symbol))
    return list(dict.fromkeys(found))


def _fields(program: Program, places: list[Place]) -> list[dict[str, Any]]:
    rows = []
    for path, symbol in places:
        record = program.record(path)
        index = next((i for i, d in enumerate(record.defs) if d.name == symbol), -1)
        rows += (
            [{**field, "path": path, "symbol": symbol} for field in own_fields(record, index)]
            if index >= 0
            else []
        )
    return rows


def _names_backend(row: dict[str, Any]) -> bool:
    text = f"{row['name']} {' '.join(row['choices'])}".lower()
    return any(word in text for word in ("attn", "attention", "backend", "quant"))
