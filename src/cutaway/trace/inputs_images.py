"""Images within a text: the arguments they come in, and how many tokens of the text stand for each image.

A composite model puts the features of its images where the text has a placeholder, and insists on as many
placeholders as there are features. Nobody but its code knows that number (patches, merged or pooled, with or
without tokens for the ends of rows), so forward is run without placeholders up to the place where it scatters
the features into the text: their number is the answer, as a formula of the images' sides.
"""

from __future__ import annotations

import copy
import inspect
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from cutaway.formula import Formula, sym
from cutaway.formula.core import product
from cutaway.trace.inputs_config import image_unit, read
from cutaway.trace.inputs_modalities import content_names, decoder_names, forms_of
from cutaway.trace.inputs_probe import refusal
from cutaway.trace.inputs_said import documented_shape
from cutaway.trace.inputs_symbols import symbols_of, with_room
from cutaway.trace.inputs_types import InputPlan, InputSpec

PLACEHOLDER = ("image_token_id", "image_token_index")
TEXT = 8  # tokens of the text in which nothing stands for the image yet
SIDES = {"image_height": 13, "image_width": 17}  # in units: neither is taken for the other or for their product
CORNERS = ((13, 17), (15, 17), (13, 20), (15, 20), (19, 29))
UNCHECKED = "TRANSFORMERS_DISABLE_TORCH_CHECK"

Make = Callable[[torch.nn.Module, InputPlan, dict[str, int]], dict[str, Any]]


def plan_with_images(model: torch.nn.Module, extra: tuple, make: Make, *, apart: bool = False) -> InputPlan | None:
    """A prefill of a text with one image in it; None for a model without a token for images, or that takes none.

    With `apart` only where the image stays apart from the text: else what it leaves in the cache is like what tokens would.
    """
    twin = None
    written = decoder_names(model, inspect.signature(model.forward).parameters)
    for names in _image_names(model):
        for specs in forms_of(model, ["input_ids", *names, *written]):
            plan = InputPlan("prefill", specs, symbols_of(specs, side=image_unit(model)), None, extra)
            twin = twin or _on_meta(model)
            try:
                places = _places(twin, plan, make, count=not apart)
            except TimeoutError:
                raise
            except Exception:  # no form for this forward: the next may be
                continue
            if places is None:
                return plan
            if apart:
                return None
            specs = (replace(specs[0], places=places), *specs[1:])
            plan = replace(plan, specs=specs, symbols=with_room(plan.symbols, specs[0].shape[-1], places))
            return _with_positions(twin, plan, make)
    return None


def _with_positions(twin: torch.nn.Module, plan: InputPlan, make: Make) -> InputPlan:
    """The plan, with the places of the tokens where forward will not work them out for a text with images."""
    if "position_ids" not in inspect.signature(twin.forward).parameters:
        return plan
    if refusal(twin, lambda: make(twin, plan, {s.name: s.low for s in plan.symbols})) is None:
        return plan
    return replace(plan, specs=(*plan.specs, InputSpec("position_ids", plan.specs[0].shape, "int64", "arange")))


def takes_images(model: torch.nn.Module) -> set[str]:
    """The arguments that no image of a text can do without; none for a model without a token for images."""
    lists = _image_names(model)
    return set(lists[0][:1]) if lists else set()


def put_images(model: torch.nn.Module, ids: torch.Tensor, count: int) -> None:
    """Let `count` tokens of each row stand for its image, after the first."""
    value = ids._cutaway_value if ids.is_meta else ids
    start = min(1, int(value.shape[-1]) - int(count))
    value[..., start : start + int(count)] = read(model, *PLACEHOLDER)


def _image_names(model: torch.nn.Module) -> list[list[str]]:
    """The lists of arguments to try, the shortest first, as the model's own method for image features names them."""
    accepted = inspect.signature(model.forward).parameters
    if read(model, *PLACEHOLDER) is None or "input_ids" not in accepted:
        return []
    parameters = next(filter(None, (_own_parameters(m) for m in (model, *model.children()))), {})
    own = {n: p for n, p in parameters.items() if n in accepted and "Tensor" in str(p.annotation)}
    if not parameters:  # without such a method, whatever forward takes beside the text
        more = [n for n in accepted if n in content_names(model, accepted) and n not in ("input_ids", "labels")]
        masks = [n for n in accepted if n.endswith("_mask") and n != "attention_mask" and documented_shape(model, n)]
        return [more, [*more, *masks]] if any("pixel" in n for n in more) else []
    required = [n for n, p in own.items() if p.default is p.empty] or list(own)[:1]
    more = [n for n in own if n not in required]
    lists = [required, *([*required, n] for n in more), [*required, *more]]
    return [names for n, names in enumerate(lists) if names and names not in lists[:n]]


def _own_parameters(module: torch.nn.Module) -> Mapping[str, inspect.Parameter]:
    """What `get_image_features` takes by name; heads may hand on whatever they are given."""
    method = getattr(module, "get_image_features", None)
    parameters = inspect.signature(method).parameters if callable(method) else {}
    return {n: p for n, p in parameters.items() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}


def _places(twin: torch.nn.Module, plan: InputPlan, make: Make, *, count: bool = True) -> Formula | None:
    """Tokens for each image, None where forward ends without scattering features into the text.

    Without `count` only whether there are any, by one run.
    """
    units = {s.name: s.multiple_of for s in plan.symbols if s.name in SIDES}
    places = _places_at(twin, plan, make, {n: SIDES[n] * unit for n, unit in units.items()})
    if not count or not units or places is None or places.symbols():
        return places
    return _grown(units, lambda sides: _places_at(twin, plan, make, sides))


def _grown(units: Mapping[str, int], count: Callable[[dict[str, int]], Formula | None]) -> Formula | None:
    """The number as it grows with rows, columns and both, where code has lost their formula on its way."""
    height, width = (sym(n) / unit for n, unit in units.items())
    (first, across), (second, down) = units.items()
    at = {(r, c): count({first: r * across, second: c * down}) for r, c in CORNERS}
    (r, c), (s, d) = CORNERS[0], CORNERS[3]
    both = (at[s, d] - at[s, c] - at[r, d] + at[r, c]) / ((s - r) * (d - c))
    rows = (at[s, c] - at[r, c]) / (s - r) - both * c
    columns = (at[r, d] - at[r, c]) / (d - c) - both * r
    places = at[r, c] + rows * (height - r) + columns * (width - c) + both * (height * width - r * c)
    sides = {n: CORNERS[4][i] * u for i, (n, u) in enumerate(units.items())}
    if places.substitute(sides) != at[CORNERS[4]]:
        raise ValueError("the tokens of an image follow no rule in its rows and columns")
    return places


def _places_at(twin: torch.nn.Module, plan: InputPlan, make: Make, hints: dict[str, int]) -> Formula | None:
    from cutaway.trace.run import run

    def prepare(scope: Any) -> tuple[torch.nn.Module, tuple, dict]:
        sizes = {s.name: s.low for s in plan.symbols} | {n: scope.dim(n) for n in hints}
        return _Heard(twin), (), make(twin, plan, sizes | {"batch_size": 1, plan.specs[0].shape[-1]: TEXT})

    try:
        with _unchecked():
            run(prepare, hints, lines=False, multiples=plan.multiples())
    except _Scattered as found:
        return found.features * TEXT / found.text
    return None


class _Scattered(BaseException):  # no exception that code under way would handle
    """Forward puts a number of features into a text."""

    def __init__(self, text: torch.Tensor, features: torch.Tensor):
        self.text, self.features = product(text._cut.dims), product(features._cut.dims)


class _Heard(torch.nn.Module):
    """A model that runs up to the place where features go into the text."""

    def __init__(self, model: torch.nn.Module):
        super().__init__()
        self.model = model

    def forward(self, **kwargs: Any) -> Any:
        with _Ear():
            return self.model(**kwargs)


class _Ear(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        if func is torch.ops.aten.masked_scatter.default:
            raise _Scattered(args[0], args[2])
        return func(*args, **(kwargs or {}))


@contextmanager
def _unchecked() -> Iterator[None]:
    """Transformers' own switch for its checks of sizes, which want the placeholders that are sought here."""
    before = os.environ.get(UNCHECKED)
    os.environ[UNCHECKED] = "1"
    try:
        yield
    finally:
        os.environ.pop(UNCHECKED)
        if before is not None:
            os.environ[UNCHECKED] = before


def _on_meta(model: torch.nn.Module) -> torch.nn.Module:
    """The model itself, or a copy of a real one without its data; counts that it keeps in buffers stay known."""
    if all(p.is_meta for p in model.parameters()):
        return model
    twin = copy.deepcopy(model).to("meta")
    for name, buffer in twin.named_buffers():
        if not buffer.is_floating_point():
            buffer._cutaway_value = model.get_buffer(name)
    return twin
