# What a forward says of its arguments: in its signature, in their annotations, in its docstring.
from __future__ import annotations

import inspect
import re
from math import prod

import torch

from cutaway.trace.inputs_config import fixed, image_sides, read
from cutaway.trace.inputs_types import InputSpec

TEXT = ("batch_size", "seq_len")


def main_names(model: torch.nn.Module) -> list[str]:
    name = getattr(model, "main_input_name", "input_ids")
    return list(name) if isinstance(name, (list, tuple)) else [name]


def documented_form(model: torch.nn.Module, name: str) -> InputSpec:
    """An argument nobody told us about: the shape that forward's docstring gives it."""
    shape = documented_shape(model, name) or TEXT
    kind = kind_said(model, name)
    fill = "ones" if name.endswith(("_mask", "_sizes")) else "random" if kind == "float" else "zeros"
    return InputSpec(name, tuple(_size(model, d) for d in shape), kind, fill)


def kind_said(model: torch.nn.Module, name: str) -> str:
    """The dtype that the annotation or the docstring gives; ids and masks are whole numbers."""
    parameter = inspect.signature(model.forward).parameters.get(name)
    text = f"{parameter.annotation if parameter else ''} {_documented_line(model, name)}"
    kinds = (("LongTensor", "int64"), ("IntTensor", "int64"), ("BoolTensor", "bool"))
    index = name.endswith(("_ids", "_mask", "_labels", "_sizes"))
    return next((kind for word, kind in kinds if word in text), "int64" if index else "float")


def _documented_line(model: torch.nn.Module, name: str) -> str:
    """What the docstring of forward says of an argument, or that of the part of the model that it is handed on to."""
    for forward in (model.forward, *(m.forward for m in model.children() if name in inspect.signature(m.forward).parameters)):
        if found := re.search(rf"(?m)^\s*{name}\s*\(.*", inspect.getdoc(forward) or ""):
            return found.group(0)
    return ""


def documented_shape(model: torch.nn.Module, name: str) -> list[str] | None:
    line = _documented_line(model, name)
    found = re.search(r"shape\s*`[(\[]([^`]*)[)\]]`", line) or re.search(r"shape\s*[(\[]([^)\]]*)[)\]]", line)
    return [part.strip() for part in found.group(1).split(",") if part.strip()] if found else None


def _size(model: torch.nn.Module, word: str) -> int | str:
    """A dimension as documentation writes it: a number, a usual name, or a field of the config."""
    if word.isdigit():
        return int(word)
    if " * " in word:
        factors = [_size(model, part.strip()) for part in word.split("*")]
        return prod(factors) if all(isinstance(f, int) for f in factors) else 1
    if counted := re.fullmatch(r"len\((.*)\)", word):
        return len(read(model, counted[1].split(".")[-1]) or [0])
    if known := fixed(model, word.split(".")[-1]):
        return known
    for pattern, symbol in WORDS:
        if re.search(pattern, word):
            return symbol
    if word in ("height", "width"):
        return image_sides(model)[word == "width"]
    if word in ("num_channels", "channels"):
        return fixed(model, "num_channels", "in_channels", "in_chans") or 3
    return next((known for n in FIELDS.get(word, ()) if (known := fixed(model, n))), 1)


WORDS = (
    ("^(text_|image_)?batch|^num_(images|videos)(_or_videos)?$", "batch_size"),
    ("^prediction_length$", "prediction_length"),
    ("seq|length|^number_of_.*tokens$", "seq_len"),
)
FIELDS = {
    "num_features": ("num_time_features", "num_mel_bins", "feature_size"),
    "hidden_dim": ("hidden_size", "d_model"),
    "dim": ("hidden_size", "d_model"),
    "embed_dim": ("hidden_size", "d_model"),
    "feature_size": ("num_mel_bins", "feature_size"),
}


def shape_words(model: torch.nn.Module) -> list[str] | None:
    return documented_shape(model, "input_ids")


def required_names(model: torch.nn.Module) -> set[str]:
    parameters = inspect.signature(model.forward).parameters
    return {n for n, p in parameters.items() if p.default is p.empty}
