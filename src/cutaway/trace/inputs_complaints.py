# What an error of forward says of the arguments: which one is missing, how many sizes one should have, and of two sizes
# which one was found where the other was wanted. The layer that raised is asked first, then the words of the message.
from __future__ import annotations

import inspect
import linecache
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import CodeType, FrameType, TracebackType
from typing import Any

import torch
from torch import nn


@dataclass(frozen=True)
class Complaint:
    """What to change. `of` is the name of an argument, or sizes that tell which one is meant."""

    missing: tuple[str, ...] = ()
    of: str | tuple[int, ...] | None = None
    more: int = 0  # sizes that it should have beyond those that it has
    kind: str | None = None  # "int64" or "float", if it should be the other
    sizes: tuple[tuple[int, int], ...] = ()  # (found, wanted), the likeliest first


@dataclass(frozen=True)
class _Frame:
    """One call on the way to the error: its variables, and the text of what it was doing."""

    code: CodeType
    local: Mapping[str, Any]
    text: str
    line: str  # all of the lines that this stands in


def complaint(model: nn.Module, given: Mapping[str, torch.Tensor], error: BaseException) -> Complaint:
    """What `error` says, which forward raised with these tensors."""
    frames, text = list(_frames(error.__traceback__)), str(error)
    missing = _missing(model, given, frames, text)
    inner = next((f for f in reversed(frames) if isinstance(f.local.get("self"), nn.Module)), None)
    said = _of_layer(inner, text) if inner is not None and _input(inner) is not None else None
    said = said or _of_rank(frames, given, text) or Complaint(sizes=tuple(_pairs(frames, text)))
    return Complaint(tuple(missing), said.of, said.more, said.kind, said.sizes)


def _frames(trace: TracebackType | None) -> Iterator[_Frame]:
    while trace is not None:
        frame = trace.tb_frame
        yield _Frame(frame.f_code, frame.f_locals, *_doing(frame, trace.tb_lasti, trace.tb_lineno))
        trace = trace.tb_next


def _doing(frame: FrameType, at: int, line: int) -> tuple[str, str]:
    """The part of the source that was being evaluated, and all of its lines."""
    first, last, left, right = list(frame.f_code.co_positions())[at // 2]
    if None in (first, last, left, right):
        first = last = line
        left = right = None
    lines = [linecache.getline(frame.f_code.co_filename, n).encode() for n in range(first, last + 1)]
    whole = b" ".join(part.strip() for part in lines).decode(errors="replace")
    lines[-1] = lines[-1][:right]
    lines[0] = lines[0][left:]
    return b" ".join(part.strip() for part in lines).decode(errors="replace"), whole


def _input(frame: _Frame) -> torch.Tensor | None:
    return next((v for n, v in frame.local.items() if n != "self" and isinstance(v, torch.Tensor)), None)


def _of_layer(frame: _Frame, text: str) -> Complaint | None:
    """What the layer takes, as it says itself."""
    layer, x = frame.local["self"], _input(frame)
    shape = tuple(x.shape)
    if isinstance(layer, (nn.modules.conv._ConvNd, nn.Linear, nn.LayerNorm, nn.GroupNorm)) and not x.is_floating_point():
        return Complaint(of=shape, kind="float")
    if isinstance(layer, nn.modules.conv._ConvNd):
        rank = len(layer.kernel_size) + 2
        if x.dim() != rank:
            return Complaint(of=shape, more=rank - x.dim())
        return Complaint(of=shape, sizes=((shape[1], layer.in_channels),))
    if isinstance(layer, nn.Linear):
        return Complaint(of=shape, sizes=((shape[-1], layer.in_features),))
    if isinstance(layer, (nn.LayerNorm, nn.RMSNorm)):
        wanted = layer.normalized_shape
        return Complaint(of=shape, sizes=tuple(zip(shape[-len(wanted) :], wanted, strict=False)))
    if isinstance(layer, (nn.GroupNorm, nn.modules.batchnorm._NormBase)) and x.dim() > 1:
        if wanted := re.search(r"expected (\d)D", text):
            return Complaint(of=shape, more=int(wanted[1]) - x.dim())
        return Complaint(sizes=((shape[1], getattr(layer, "num_channels", None) or layer.num_features),))
    if isinstance(layer, nn.Embedding):
        return Complaint(of=shape, kind="int64" if x.is_floating_point() else None)
    if isinstance(layer, nn.RNNBase):
        return Complaint(sizes=((shape[-1], layer.input_size),))
    if isinstance(layer, nn.MultiheadAttention):
        return Complaint(sizes=((shape[-1], layer.embed_dim),))
    return None


def _of_rank(frames: list[_Frame], given: Mapping[str, torch.Tensor], text: str) -> Complaint | None:
    """How many sizes a tensor should have."""
    patterns = (
        (r"not enough values to unpack \(expected (\d+)", 0),
        (r"too many values to unpack \(expected (\d+)", 0),
        (r"len\(dims\) = (\d+)", 0),
        (r"Expected (\d+)-D tensors, but got", 0),
        (r"Dimension out of range .*but got (\d+)\)", 1),
    )
    for pattern, more in patterns:
        if found := re.search(pattern, text):
            return _meant(frames, given, int(found[1]) + more)
    if "tensors used as indices must be" in text and (found := _meant(frames, given, -1)) is not None:
        return Complaint(of=found.of, kind="int64")
    if "tuple index out of range" in text and (index := re.search(r"(?:shape|size\(\))\[(\d+)\]", frames[-1].text)):
        return _meant(frames, given, int(index[1]) + 1)
    return None


def _meant(frames: list[_Frame], given: Mapping[str, torch.Tensor], rank: int) -> Complaint | None:
    """Of the tensors that the failing code names, the first that has another number of sizes."""
    for frame in reversed(frames):
        for word in re.findall(r"[A-Za-z_]\w*", frame.line):
            tensor = frame.local.get(word)
            if isinstance(tensor, torch.Tensor) and tensor.dim() != rank:
                name = next((n for n, t in given.items() if t is tensor), None)
                return Complaint(of=name or tuple(tensor.shape), more=rank - tensor.dim())
    return None


def _missing(model: nn.Module, given: Mapping[str, torch.Tensor], frames: list[_Frame], text: str) -> list[str]:
    """Arguments of forward whose lack is what it stumbled over, or that the message names."""
    optional = [n for n, p in inspect.signature(model.forward).parameters.items() if p.default is None and n not in given]
    named = [n for n in optional if re.search(rf"\b{n}\b", text)]
    if "NoneType" not in text:
        return named
    names: list[str] = []
    for frame in reversed(frames):
        words = list(dict.fromkeys(re.findall(r"[A-Za-z_]\w*", frame.text)))
        handed = [w for n in names for w in re.findall(rf"\b{n}\s*=\s*([A-Za-z_]\w*)", frame.text)]
        none = [w for w in (*handed, *(n for n in names if n in words), *words) if w in frame.local and frame.local[w] is None]
        if not none:
            continue
        names = none
        if frame.local.get("self") is model and frame.code.co_name == "forward":
            return [n for n in names if n in optional] + named
    return named


def _pairs(frames: list[_Frame], text: str) -> Iterator[tuple[int, int]]:
    """(found, wanted) as the usual messages have them."""
    own = next((f for f in reversed(frames) if "/torch/" not in f.code.co_filename), frames[-1])
    for pattern, order in MESSAGES:
        if found := re.search(pattern, text):
            yield tuple(int(found[i]) for i in order)
    if found := re.search(r"dimension of length (\d+) at -(\d+)!.*broadcastable to \[([\d, ]+)\]", text):
        sizes, back = [int(n) for n in found[3].split(",")], int(found[2])
        if back <= len(sizes):
            yield int(found[1]), sizes[-back]
    if found := re.search(r"to be: \[(\d+), (\d+)\] but got: \[(\d+), (\d+)\]", text):
        yield int(found[3]), int(found[1])
        yield int(found[4]), int(found[2])
    if "list index out of range" in text:
        yield from _lengths(own)
    if own is frames[-1]:
        numbers = [int(n) for n in re.findall(r"\d+", text)]
        yield from ((a, b) for i, a in enumerate(numbers) for b in numbers[i + 1 :])


def _lengths(frame: _Frame) -> Iterator[tuple[int, int]]:
    """A loop over as many turns as a tensor is wide, through a list that has fewer."""
    counts = [v for v in frame.local.values() if type(v) is int]
    lists = [v for v in frame.local.values() if isinstance(v, (list, tuple))]
    holder = frame.local.get("self")
    for name in re.findall(r"self\.(\w+)\[", frame.text):
        lists.append(getattr(holder, name, ()))
    yield from ((n, len(values)) for values in lists for n in counts if len(values) < n)


MESSAGES = (
    (r"got \[\d+, (\d+)\] X \[(\d+), \d+\]", (1, 2)),
    (r"cannot be multiplied \(\d+x(\d+) and (\d+)x\d+\)", (1, 2)),
    (r"size of tensor a \((\d+)\) must match the size of tensor b \((\d+)\)", (1, 2)),
    (r"Expected(?: size)? (\d+) (?:in dimension \d+ )?but got(?: size)? (\d+)", (2, 1)),
    (r"expanded size of the tensor \((\d+)\) must match the existing size \((\d+)\)", (2, 1)),
    (r"split_sizes to sum exactly to (\d+)", (1, 1)),
    (r"has size (\d+) for operand \d+ which does not broadcast with previously seen size (\d+)", (1, 2)),
    (r"to have (\d+) channels, but got (\d+) channels", (2, 1)),
    (r"expecting embedding dimension of (\d+), but got (\d+)", (2, 1)),
)
