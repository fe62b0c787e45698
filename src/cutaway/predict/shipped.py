# Where a model's workloads come from: those of the catalogue's models travel with the package; any other model is traced,
# which needs torch and takes seconds.
"""`workloads_of("llama-3.1-8b")`: what a prediction needs of a model."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache, partial
from typing import Any

from cutaway import catalogue
from cutaway.catalogue.workloads import saved_workload
from cutaway.errors import CutawayError, UnknownTarget
from cutaway.predict.text import loads
from cutaway.predict.types import Workload


@lru_cache(maxsize=64)
def workloads_of(target: str, trust_code: bool = False) -> tuple[Workload, Workload | None, dict[str, Any]]:
    """Both phases, and the model's config. Raises what a trace raises where the model has to be traced."""
    try:
        entry = catalogue.find(target)
    except UnknownTarget:
        return traced(target, trust_code=trust_code)
    text = saved_workload(target)
    return _phases(*loads(text), entry.config) if text else traced(entry.id)


def traced(
    target: str, *, trust_code: bool = False, args: Mapping[str, Any] | None = None
) -> tuple[Workload, Workload | None, dict[str, Any]]:
    """The same from a trace of `target`; a model that has no next token has no decode phase. What is asked of predictions
    are lengths of texts, so a model that reads images too is traced on a text without."""
    from cutaway.predict.workload import workloads
    from cutaway.trace.analyse import analyse
    from cutaway.trace.target import resolve

    of_text = partial(analyse, images=False)
    found = resolve(target, trust_code, dict(args or {}))
    prefill = of_text(found, phase="prefill")
    try:
        decode = of_text(found, phase="decode")
    except CutawayError:
        decode = None
    config = dict(found.config or {})
    both = workloads(prefill, decode, config, generates=not config)
    if decode is not None and (far := _beyond(decode.valid_when, both[0].max_positions)):
        decode = of_text(found, phase="decode", values=far)
        both = workloads(prefill, decode, config)
    return _phases(*both, config)


def _phases(
    prefill: Workload, decode: Workload | None, config: dict[str, Any]
) -> tuple[Workload, Workload | None, dict[str, Any]]:
    """What only turns the last position, as encoders of sentences do, has no next token, whatever phases its form allows."""
    return prefill, decode if prefill.chooses else None, config


def _beyond(conditions: tuple[str, ...], limit: int) -> dict[str, int]:
    """A length at which what was traced does not hold any more: a window or a choice that only long caches reach."""
    from cutaway.formula.condition import holds, symbols_in

    far = {"cache_len": limit - 3}  # the next tokens still have positions
    own = [c for c in conditions if symbols_in(c) == {"cache_len"}]
    return far if limit > 3 and not all(holds(c, far) for c in own) else {}
