# The modules of a model, and what they hold. torch goes through them by generators within generators, which for a model of
# a hundred layers takes longer than a step of the trace.
from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def parts_of(model: Any) -> list[Any]:
    """The model and every module below it, each once, in the order of `model.modules()`."""
    found: dict[int, Any] = {}
    ahead = [model]
    while ahead:
        part = ahead.pop()
        if id(part) not in found:
            found[id(part)] = part
            if below := part._modules:
                ahead += [m for m in reversed(below.values()) if m is not None]
    return list(found.values())


def tensors_of(model: Any) -> Iterator[Any]:
    """Parameters and buffers of all its modules; those that modules share come again."""
    for part in parts_of(model):
        for held in (part._parameters, part._buffers):
            if held:
                for t in held.values():
                    if t is not None:
                        yield t
