"""The inputs of any forward: found from its signature, class and config, made as tensors of any sizes.

Two doors. `plan_inputs` says in symbols what a phase needs (`batch_size`, `seq_len`, `cache_len`, ...),
running tiny prefills of the model itself where only they can tell (the shape of a cache). `make_inputs`
turns a plan into keyword arguments, with nothing but torch factory calls on the caller's own size objects.

No attention mask and no position ids are passed, as in `model(input_ids)`. Seen with Transformers 5.23 on
real and on meta tensors: with a cache (`use_cache=True`) the mask is made from lengths alone, so nothing is
read from a tensor and both devices run the same aten ops, but for copies of constants (`lift_fresh`, a
window's length). Explicit masks or position ids run on meta tensors too (eager attention) but add ops.
`use_cache=False` with neither fails there: `masking_utils` reads the position ids to detect packed
sequences.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from typing import Any

import torch

from cutaway.errors import BadValue
from cutaway.formula import const
from cutaway.trace.dim import formula_of, make, note_placed
from cutaway.trace.inputs_config import image_unit
from cutaway.trace.inputs_fill import fill_tensor, places_tensor, row_tensor
from cutaway.trace.inputs_given import required
from cutaway.trace.inputs_images import plan_with_images, put_images, takes_images
from cutaway.trace.inputs_modalities import candidates
from cutaway.trace.inputs_probe import device_and_dtype, learn_state, makes_cache, refusal
from cutaway.trace.inputs_symbols import symbols_of, with_room
from cutaway.trace.inputs_types import InputError, InputPlan, InputSpec, NoDecodePhase, Symbol, evaluate

__all__ = ["InputError", "InputPlan", "InputSpec", "NoDecodePhase", "Symbol", "make_inputs", "plan_inputs"]


# What forward says against arguments that may be right: it mixes dtypes, or asks for data that meta tensors lack.
UNSURE = r"dtype|scalar type|BFloat16|bias type|meta tensor|register_meta"

NO_FORWARD = torch.nn.Module.forward
MADE = ("torch", "builtins", "collections", "typing", "numpy")  # where the kinds of plain arguments come from


def plan_inputs(model: torch.nn.Module, phase: str, *, images: bool = True) -> InputPlan:
    """What forward needs in a phase. Runs the model only for `decode`, on its own device, at tiny sizes.

    A model that reads images in its text gets one, unless `images` is False. BadValue for a model without a forward, or
    whose forward takes an object that no sizes describe.
    """
    _must_be_callable(model)
    extra = _extras(model)[0]
    prefill = None
    if images:
        make = lambda *given: make_inputs(*given, "meta", device_and_dtype(model)[1])  # noqa: E731
        prefill = plan_with_images(model, extra, make, apart=phase == "decode")
    prefill = prefill or _prefill_plan(model)
    left_out = takes_images(model) - {s.name for s in prefill.specs}
    if phase == "prefill" and left_out:
        why = f": forward refused all known forms of {min(left_out)}" if images else ""
        prefill = replace(prefill, notes=(f"the text has no image{why}",))
    return prefill if phase == "prefill" else _decode_plan(model, prefill)


def _must_be_callable(model: torch.nn.Module) -> None:
    """Some models are only ways to put their parts together, others go on with what a session of their own remembers."""
    name, kinds = type(model).__name__, dict.fromkeys(type(m) for m in model.children() if hasattr(m, "config"))
    parts = ", ".join(f"{k.__module__.split('.')[0]}.{k.__name__}" for k in kinds if k.forward is not NO_FORWARD)
    if type(model).forward is NO_FORWARD:
        raise BadValue("the model has no forward of its own", asked=name, known="what its methods call", try_=parts)
    for argument in required(model.forward):
        kind = argument.annotation
        if isinstance(kind, type) and kind is not argument.empty and kind.__module__.split(".")[0] not in MADE:
            known = f"{argument.name} is a {kind.__name__}, which no sizes describe"
            raise BadValue("forward takes an object of its own", asked=name, known=known, try_=parts)


def make_inputs(
    model: torch.nn.Module,
    plan: InputPlan,
    sizes: dict[str, int],
    device: str = "cpu",
    dtype: torch.dtype = torch.bfloat16,
    dims: Mapping[str, int] | None = None,
) -> dict[str, Any]:
    """Keyword arguments of `model.forward` at these sizes. `dims` are sizes of the architecture with
    formulas, by config field (`head_dim`, `num_key_value_heads`): they replace equal sizes of the state."""
    sizes = {**{s.name: s.default for s in plan.symbols}, **sizes}
    kwargs: dict[str, Any] = dict(plan.extra)
    for spec in plan.specs:
        shape = tuple(evaluate(d, sizes) for d in spec.shape)
        if spec.fill.startswith("["):
            kwargs[spec.name] = row_tensor(spec, shape, sizes, device)
            continue
        if spec.fill.startswith("places:"):
            kwargs[spec.name] = places_tensor(spec, shape, sizes, device)
            continue
        kwargs[spec.name] = fill_tensor(model, spec, shape, device, dtype)
        if spec.places is not None:
            taken = _taken(spec, shape[-1], sizes)
            note_placed(shape[0] * taken)  # code may ask for this size before it has seen an image
            put_images(model, kwargs[spec.name], taken)
    if plan.state is not None:
        kwargs |= plan.state.build(
            sizes, lambda shape, dt: torch.zeros(_named(shape, dims or {}), dtype=dt, device=device)
        )
    return kwargs


def _taken(spec: InputSpec, length: int, sizes: Mapping[str, int]) -> int:
    """The tokens of a text of this length that stand for its image, which must leave room for one more."""
    places, name = spec.places, spec.shape[-1]
    taken = make(int(places.evaluate(sizes)), places.substitute({n: formula_of(v) for n, v in sizes.items()}))
    if taken >= length:
        raise BadValue(
            "the text is too short for its image",
            asked=f"{name}={int(length)}",
            known=f"the image takes {int(taken)} of its tokens",
            try_=f"--set {name}={int(taken) + 1} or more",
        )
    return taken


def _named(shape: tuple, dims: Mapping[str, int]) -> tuple:
    """The shape with architecture sizes put in by value; of equal ones, heads go before the last place."""
    return tuple(_named_size(d, i == len(shape) - 1, dims) for i, d in enumerate(shape))


def _named_size(size: int, last: bool, dims: Mapping[str, int]) -> int:
    equal = {n: d for n, d in dims.items() if type(size) is int and d == size}
    fitting = [d for n, d in equal.items() if ("heads" in n) != last]
    return next(iter([*fitting, *equal.values()]), size)


def _prefill_plan(model: torch.nn.Module) -> InputPlan:
    """The first candidate that forward accepts; a single candidate is taken without running it."""
    parameters = inspect.signature(model.forward).parameters
    plans = [
        InputPlan("prefill", specs, _roomy(model, specs), None, extra, notes=_assumed(specs))
        for extra in _extras(model)
        for specs in candidates(model, parameters)
    ]
    return plans[0] if len(plans) == 1 else _first_accepted(model, plans)


def _roomy(model: torch.nn.Module, specs: tuple[InputSpec, ...]) -> tuple[Symbol, ...]:
    """The symbols, with a text that has room for the tokens of which a mask says that they stand for an image."""
    symbols = symbols_of(specs, side=image_unit(model))
    for spec in specs:
        if spec.fill.startswith("first:"):
            symbols = with_room(symbols, spec.shape[-1], const(int(spec.fill.partition(":")[2])))
    return symbols


def _assumed(specs: tuple[InputSpec, ...]) -> tuple[str, ...]:
    """What is assumed of masks that are no plain ones."""
    said = {"zeros": "marks nothing", "alternate": "marks every second place"}
    return tuple(f"{s.name} {said[s.fill]}" for s in specs if s.fill in said and s.dtype != "float" and "mask" in s.name)


def _extras(model: torch.nn.Module) -> list[tuple]:
    """What to say of the cache: to use one, or where the forward cannot make it not to."""
    if "use_cache" not in inspect.signature(model.forward).parameters:
        return [()]
    return [(("use_cache", use),) for use in ((True,) if makes_cache(model) else (True, False))]


def _decode_plan(model: torch.nn.Module, prefill: InputPlan) -> InputPlan:
    """One new token after `cache_len` others, in the first form that the model's forward accepts."""
    state = learn_state(model, prefill, lambda plan, sizes: make_inputs(model, plan, sizes, *device_and_dtype(model)))
    kinds = ", ".join(sorted({type(v).__name__ for v in state.arguments.values()}))
    plans = [
        InputPlan(
            "decode", specs, symbols_of(specs, "cache_len", *state.symbols()), kinds, prefill.extra, state
        )
        for specs in _decode_specs(prefill)
    ]
    return _first_accepted(model, plans)


def _decode_specs(prefill: InputPlan) -> list[tuple[InputSpec, ...]]:
    """The new token alone; with all other arguments; the whole sequence (older models cut it themselves)."""
    new = [s for s in prefill.specs if any(re.search(r"\bseq_len\b", str(d)) for d in s.shape)]
    forms = [(new, 1), (prefill.specs, 1), (prefill.specs, "cache_len + 1")]
    return [tuple(_with_tokens(s, tokens) for s in specs) for specs, tokens in forms if specs]


def _first_accepted(model: torch.nn.Module, plans: list[InputPlan]) -> InputPlan:
    """The first plan that runs at its lowest sizes. If none does, one that only fails for mixing dtypes (it
    runs in float32) or for data that meta tensors lack, else the first, for its error to be seen.

    Of two sequences first: what comes once for each of them may have a size of one elsewhere, which would fit one alone.
    """
    mixed = None
    numbers = device_and_dtype(model)
    for least, plan in product(({"batch_size": 2}, {}), plans):
        why = refusal(model, lambda least=least, plan=plan: make_inputs(model, plan, _low(plan) | least, *numbers))
        if why is None:
            return plan
        mixed = mixed or (plan if re.search(UNSURE, why) else None)
    return mixed or plans[0]


def _with_tokens(spec: InputSpec, tokens: int | str) -> InputSpec:
    """The argument for so many tokens, and for what goes with each of them."""
    each = (tokens if d == "seq_len" else re.sub(r"\bseq_len\b", f"({tokens})", str(d)) for d in spec.shape)
    return replace(spec, shape=tuple(n if "seq_len" in str(d) else d for d, n in zip(spec.shape, each, strict=True)))


def _low(plan: InputPlan) -> dict[str, int]:
    return {s.name: s.low for s in plan.symbols}
