# Questions of model code about a tensor (`x.shape`, `x.numel()`, `x.tolist()`), answered with sizes that know their
# formula and with the values that are kept beside small integer tensors.
from __future__ import annotations

import sys
from typing import Any

import torch

from cutaway.trace import source, tensor_sizes, values
from cutaway.trace.dim import current as dim_scope
from cutaway.trace.dim import make
from cutaway.trace.indexes import Places
from cutaway.trace.recorder import DataDependent
from cutaway.trace.taken import number_taken, numbers_taken


def sizes_of(t: torch.Tensor) -> Any:
    """`t.shape` with Dims where a size has a formula."""
    ref = getattr(t, "_cut", None)
    if ref is None:
        return NotImplemented
    return torch.Size(tuple(make(v, f) for v, f in zip(ref.sizes, ref.dims, strict=True)))


def _size(t: torch.Tensor, dim: int | None = None) -> Any:
    sizes = sizes_of(t)
    return sizes if dim is None or sizes is NotImplemented else sizes[dim]


def _list(t: torch.Tensor) -> Any:
    """`x.tolist()` of a tensor whose values are kept; sizes among them are recognised."""
    if (counts := numbers_taken(t)) is not None:
        return counts
    if hasattr(t, "_cut_found") and t.dim() == 1 and values.kept(t) is None:
        return Places(t, _no_value)
    found = _numbers_in(t, "tolist")
    return found if found is NotImplemented else _recognised(found.tolist())


def item_of(t: torch.Tensor) -> Any:
    """`x.item()`: a size, where the value that is kept is one."""
    if (count := number_taken(t)) is not None:
        return count
    found = _numbers_in(t, "item")
    return found if found is NotImplemented else _recognised(found.item())


def _numbers_in(t: torch.Tensor, question: str) -> Any:
    """The sizes that a tensor holds, or its plain values."""
    if (sizes := tensor_sizes.numbers_of(t)) is not None:
        return sizes
    if not t.is_meta:
        return NotImplemented
    value = values.kept(t)
    return _no_value(question) if value is None else value


def _format(t: torch.Tensor, spec: str) -> Any:
    """A number in a text, such as the name of an expert, reads as the number."""
    value = values.kept(t) if t.is_meta and t.dim() == 0 else None
    return NotImplemented if value is None else format(value.item(), spec)


def _recognised(value: Any) -> Any:
    """Numbers that are known sizes become Dims again."""
    if isinstance(value, list):
        return [_recognised(v) for v in value]
    if type(value) is not int or value < 2:
        return value
    scope = dim_scope()
    known = scope.known.get(value)
    if known is None and value + 1 >= scope.telling and (size := scope.known.get(value + 1)) is not None:
        known = size - 1  # the last place of a range
    return value if known is None else make(value, known)


def _no_value(op: str) -> Any:
    raise DataDependent(op, tuple(reversed(source.stack(sys._getframe(4)))))


def _count(t: torch.Tensor) -> Any:
    sizes = sizes_of(t)
    if sizes is NotImplemented:
        return sizes
    total: Any = 1
    for v in sizes:
        total = total * v
    return total


ANSWERS = {
    torch.Tensor.shape: sizes_of,
    torch.Tensor.size: _size,
    torch.Tensor.numel: _count,
    torch.Tensor.nelement: _count,
    torch.numel: _count,
    torch.Tensor.tolist: _list,
    torch.Tensor.item: item_of,
    torch.Tensor.__format__: _format,
}
