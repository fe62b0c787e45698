"""The nouns of input planning: what a forward needs, in symbols, before any tensor exists.

A plan is data so that it can be printed, stored beside a report and evaluated at any sizes: every dimension
is an int or a Python expression over the plan's symbols.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cutaway.formula import Formula
    from cutaway.trace.inputs_state import StateTemplate

Size = int | str


class InputError(ValueError):
    """The inputs of a forward could not be found; the message says which and what to pass."""


class NoDecodePhase(InputError):
    """The model keeps no state between calls, so it has no decode phase."""


@dataclass(frozen=True)
class InputSpec:
    """One argument of forward. `fill` says which real values make a run valid."""

    name: str
    shape: tuple[Size, ...]
    dtype: str = "int64"  # "int64", "int32", "bool", "float32", or "float": the model's own activation dtype
    fill: str = "random"
    role: str = "activation"
    places: Formula | None = None  # of a text: tokens in each row that stand for its image


@dataclass(frozen=True)
class Symbol:
    """A size that the user chooses. `low`..`high` is where a check on real tensors is cheap."""

    name: str
    meaning: str
    unit: str
    default: int
    low: int
    high: int
    multiple_of: int = 1


@dataclass(frozen=True)
class InputPlan:
    """All arguments of one forward call in one phase. `state` is the cache as a function of the symbols."""

    phase: str
    specs: tuple[InputSpec, ...]
    symbols: tuple[Symbol, ...]
    cache: str | None = None
    extra: tuple[tuple[str, object], ...] = ()
    state: StateTemplate | None = None
    notes: tuple[str, ...] = ()  # what is assumed of the inputs

    def with_room(self, sizes: Mapping[str, int]) -> dict[str, int]:
        """The sizes with a text that is longer than what its image takes of it."""
        taken = {str(s.shape[-1]): int(s.places.evaluate(sizes)) for s in self.specs if s.places is not None}
        return {n: v + taken[n] if v <= taken.get(n, 0) else v for n, v in sizes.items()}

    @property
    def packed(self) -> bool:
        """Whether each image comes with a grid or with places of its own, which code goes through."""
        return any(s.fill.startswith(("[", "places:")) for s in self.specs)

    @property
    def steps(self) -> dict[str, int]:
        """What each symbol is a multiple of."""
        return {s.name: s.multiple_of for s in self.symbols}

    def multiples(self) -> dict[str, int]:
        """The sides of images that come as patches: only whole groups of patches are such images."""
        divided = {n for s in self.specs for d in s.shape for n in re.findall(r"(\w+) // ", str(d))}
        return {s.name: s.multiple_of for s in self.symbols if s.name in divided and s.multiple_of > 1}


def evaluate(size: Size, sizes: dict[str, int]) -> Any:
    """A dimension at given sizes. Plain Python arithmetic, so that sizes that carry a formula keep it."""
    if not isinstance(size, str):
        return size
    return (
        sizes[size]
        if size in sizes
        else eval(size, {"__builtins__": {}, "min": min, "max": max}, dict(sizes))
    )
