# What Python writes between square brackets of a tensor: torch's C++ reads it unseen, so what it would lose is put in another
# form before, and what it would leave out without a trace is noted.
from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch

from cutaway.formula import const
from cutaway.trace import values
from cutaway.trace.dim import Guard, Scope


class Places(list):
    """`tensor.tolist()` of places whose values are not known: as many numbers, for an index, which then is the tensor."""

    def __init__(self, places: torch.Tensor, no_value: Callable[[str], Any]):
        super().__init__([0] * int(places.shape[0]))
        self.places, self._no_value = places, no_value

    def __iter__(self) -> Iterator[int]:
        return self._no_value("tolist")


def note_ends(scope: Scope, t: torch.Tensor, index: Any) -> None:
    """A slice that ends beyond the size takes all there is, in no op: at a size beyond its end it would cut it short."""
    if (ref := getattr(t, "_cut", None)) is None:
        return
    for axis, part in _by_axis(index if isinstance(index, tuple) else (index,), t.dim()):
        end = part.stop if isinstance(part, slice) else None
        if type(end) is int and end > ref.sizes[axis]:
            scope.note(Guard(ref.dims[axis] - const(end), "<=", True))


def _by_axis(parts: tuple, rank: int) -> Iterator[tuple[int, Any]]:
    """The parts of an index with the axes they stand at, up to one that may take several axes."""
    axis = 0
    for n, part in enumerate(parts):
        if part is Ellipsis:
            rest = parts[n + 1 :]
            if not all(p is None or isinstance(p, (int, slice)) for p in rest):
                return
            axis = rank - sum(p is not None for p in rest)
        elif isinstance(part, (int, slice)) and not isinstance(part, bool):
            yield axis, part
            axis += 1
        elif part is not None:
            return


def has_bounds(index: Any) -> bool:
    return any(
        isinstance(i, slice) and any(isinstance(v, torch.Tensor) for v in (i.start, i.stop, i.step))
        for i in (index if isinstance(index, tuple) else (index,))
    )


def bounded(index: Any) -> tuple:
    """An index whose slices are bounded by numbers in place of tensors of one element."""
    number = lambda v: v.item() if isinstance(v, torch.Tensor) else v  # noqa: E731
    return tuple(
        slice(number(i.start), number(i.stop), number(i.step)) if isinstance(i, slice) else i
        for i in (index if isinstance(index, tuple) else (index,))
    )


def has_mask(index: Any) -> bool:
    return any(
        isinstance(i, torch.Tensor)
        and i.dtype == torch.bool
        and i.is_meta
        and (values.kept(i) is not None or hasattr(i, "_cut_taken") or hasattr(i, "_cut_share"))
        for i in (index if isinstance(index, tuple) else (index,))
    )


def unmasked(index: Any) -> tuple:
    """An index with its masks replaced by the places where they are true."""
    parts = index if isinstance(index, tuple) else (index,)
    return tuple(p for i in parts for p in (i.nonzero().unbind(1) if has_mask(i) else (i,)))
