# The few words that rules are written in: sizes of tensors, dimensions named by arguments, shapes as text.
from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from cutaway.formula import Formula, const
from cutaway.formula.core import add, as_formula, product
from cutaway.model import TensorSpec
from cutaway.rules.api import Op


def numel(spec: TensorSpec) -> Formula:
    """How many elements."""
    return _product(spec.dims)


def nbytes(spec: TensorSpec) -> Formula:
    return _product((*spec.dims, spec.element_bytes))


@lru_cache(maxsize=1 << 13)  # each tensor of a model is asked for by several ops, prices and fusions
def _product(sizes: tuple[Formula, ...]) -> Formula:
    return product(sizes)


def total_numel(specs: Iterable[TensorSpec]) -> Formula:
    return add(numel(s) for s in specs)


def total_bytes(specs: Iterable[TensorSpec]) -> Formula:
    return add(nbytes(s) for s in specs)


def size(value: Any) -> Formula:
    """A size argument, int or Formula, as a formula."""
    return value if isinstance(value, Formula) else const(int(value))


def whole(value: Any) -> int:
    """A number that must be known, such as a dimension's index."""
    return int(as_formula(value).constant()) if isinstance(value, Formula) else int(value)


def axes(value: Any, rank: int) -> tuple[int, ...]:
    """The dimensions that a `dim` argument names, from 0 on; all of them for None or an empty list."""
    chosen = value if isinstance(value, (tuple, list)) else () if value is None else (value,)
    return tuple(whole(d) % max(rank, 1) for d in chosen) if chosen else tuple(range(rank))


def across(spec: TensorSpec, dim: Any) -> Formula:
    """How many rows there are along `dim`: the product of the other dimensions."""
    skipped = axes(dim, len(spec.dims))
    return product(d for i, d in enumerate(spec.dims) if i not in skipped)


def tensors(value: Any) -> tuple[TensorSpec, ...]:
    """The tensors in an argument, whether one, a list, or none."""
    if isinstance(value, TensorSpec):
        return (value,)
    return tuple(t for v in value for t in tensors(v)) if isinstance(value, (tuple, list)) else ()


def result(op: Op) -> TensorSpec:
    """What an op writes first; the first tensor that it takes where it returns nothing."""
    return (op.outputs or op.inputs)[0]


def is_complex(*specs: TensorSpec) -> bool:
    return any(s.dtype.startswith("complex") for s in specs)


def text(spec: TensorSpec) -> str:
    """`[batch_size, seq_len, 64]`."""
    return dims_text(spec.dims)


def dims_text(dims: Iterable[Any]) -> str:
    return f"[{', '.join(str(d) for d in dims)}]".replace("{", "").replace("}", "")
