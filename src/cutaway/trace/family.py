# Jobs in architecture symbols: a model whose config holds symbols, for `--symbols all` and for the classes of a family.
from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from cutaway.errors import BadValue, CutawayError
from cutaway.model import Convention
from cutaway.trace.architecture import Parameter, attempts, hints_for, put
from cutaway.trace.build import _building, load_config, model_class
from cutaway.trace.dim import Scope, scope
from cutaway.trace.inputs import plan_inputs
from cutaway.trace.job import Job
from cutaway.trace.owner import default_config, owners_of
from cutaway.trace.summary import Subject
from cutaway.trace.target import Target

TRIED = 3  # models of a family that are looked at for a class


def symbolic_job(
    target: Target, phase: str, dtype: torch.dtype, convention: Convention, memo: bool
) -> tuple[Job, Subject]:
    """A whole model with its config's sizes as symbols."""
    config = load_config(target)
    return config_job(model_class(config), config, phase, dtype, convention, memo), Subject(target.name)


def family_job(cls: type, phase: str, dtype: torch.dtype, convention: Convention, memo: bool) -> Job | None:
    """The default model of the family that owns `cls`, in architecture symbols; None when no family uses it."""
    for owner in owners_of(cls)[:TRIED]:
        try:
            job = config_job(owner, default_config(owner), phase, dtype, convention, memo)
        except CutawayError:
            continue
        if any(type(m) is cls for m in job.model.modules()):
            return job
    return None


def config_job(
    cls: type, config: Any, phase: str, dtype: torch.dtype, convention: Convention, memo: bool
) -> Job:
    """A job for `cls(config)` with as many architecture symbols as the model accepts."""
    last: CutawayError | None = None
    for parameters in attempts(config):
        make = _maker(cls, config, parameters, dtype)
        try:
            check = _planned(make, hints_for(config, parameters, turn=1), phase, dtype, convention, memo)
            check.trace(check.hints({}), lines=False)
            job = _planned(make, hints_for(config, parameters), phase, dtype, convention, memo)
            return replace(job, twin=check, defaults={n: p.default for n, p in parameters.items()})
        except CutawayError as error:
            last = error
    assert last is not None
    raise last


def _planned(
    make: Callable, hints: dict[str, int], phase: str, dtype: torch.dtype, convention: Convention, memo: bool
) -> Job:
    """A job at these values of the architecture; its inputs are planned on a model of plain numbers."""
    with scope(hints, frozenset(hints)) as plain:
        model = make(plain)
    _forget_symbols(model)
    try:
        plan = plan_inputs(model, phase)
    except (ValueError, RuntimeError) as error:
        raise BadValue(
            f"the inputs of {type(model).__name__} could not be planned", known=str(error)
        ) from error
    return Job(model, plan, dtype, convention, memo, make, hints)


def _maker(
    cls: type, config: Any, parameters: dict[str, Parameter], dtype: torch.dtype
) -> Callable[[Scope], torch.nn.Module]:
    def make(symbols: Scope) -> torch.nn.Module:
        own = copy.deepcopy(config)
        put(own, parameters, symbols)
        with _building(cls.__name__):
            return cls._from_config(own, dtype=dtype, attn_implementation="eager").eval()  # type: ignore[attr-defined]

    return make


def _forget_symbols(model: torch.nn.Module) -> None:
    """The planning of inputs runs the model at plain sizes: symbols in its configs become the numbers they stand for."""
    seen: set[int] = set()

    def clean(holder: Any) -> None:
        if id(holder) in seen:
            return
        seen.add(id(holder))
        for name, value in list(vars(holder).items()):
            if isinstance(value, int) and type(value) not in (int, bool):
                object.__setattr__(holder, name, int(value))
            elif hasattr(value, "to_dict") and hasattr(value, "__dict__"):
                clean(value)

    for module in model.modules():
        clean(module)
