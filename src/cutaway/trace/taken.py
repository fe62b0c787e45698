# Which places pass a threshold is decided by data that a symbolic run does not have. The named assumption: all do, and no
# datum is the zero of padding. Then a mask, its complement, both side by side, and the numbers of places in them are known,
# as far as code asks for them.
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from cutaway.formula import Formula, const
from cutaway.formula.core import add, product
from cutaway.trace.dim import current, make
from cutaway.trace.values import kept

TAKEN = "data is held against thresholds to choose places: every place passes, and nothing is padding of zeros"


@dataclass(frozen=True, slots=True)
class Known:
    """What the assumption says of a tensor: the value of each element, where they are equal, and the sum of all."""

    each: Formula | None
    total: Formula
    chooses: bool = True  # whether places may be picked by it: not by what tells padding, only by how much there is of it


def note_taken(name: str, view: bool, args: Sequence[Any], tensors: Sequence[Any], out: Any) -> None:
    """Give an op's output what is known of it under the assumption."""
    rule = _RULES.get(name) or (_kept if view else None)
    if rule is not None and (found := rule(args, tensors, out)) is not None:
        out._cut_taken = found


def places_taken(mask: torch.Tensor) -> Formula | None:
    """How many places of a mask are true."""
    known = getattr(mask, "_cut_taken", None)
    if known is None or mask.dtype != torch.bool or not known.chooses:
        return None
    current().assumptions.setdefault(TAKEN)
    return known.total


def number_taken(t: torch.Tensor) -> int | None:
    """The value of a tensor of one element that counts such places."""
    known = getattr(t, "_cut_taken", None)
    if known is None or known.each is None or t.dtype == torch.bool:
        return None
    current().assumptions.setdefault(TAKEN)
    return make(int(known.each.evaluate(current().hints)), known.each)


def numbers_taken(t: torch.Tensor) -> list[int] | None:
    """The values of a row of such counts."""
    known = getattr(t, "_cut_taken", None)
    one = number_taken(t) if known is not None and t.dim() == 1 else None
    return None if one is None else [one] * t.shape[0]


def _numel(t: Any) -> Formula:
    return product(t._cut.dims)


def _uniform(each: Formula, out: Any) -> Known:
    return Known(each, each * _numel(out))


def _compared(args: Sequence[Any], tensors: Sequence[Any], out: Any) -> Known | None:
    """Data, or where it has been found, held against a threshold."""
    data = tensors[0].dtype.is_floating_point or hasattr(tensors[0], "_cut_found")
    return _uniform(const(1), out) if data and kept(out) is None else None


def _equal(args: Sequence[Any], tensors: Sequence[Any], out: Any) -> Known | None:
    """Data is not the zeros of padding; a known count and a number are told apart."""
    if len(args) < 2 or isinstance(args[1], torch.Tensor) or kept(out) is not None:
        return None
    known = getattr(tensors[0], "_cut_taken", None)
    if known is not None and known.each is not None:
        return _uniform(const(int(known.each.evaluate(current().hints) == args[1])), out)
    padding = tensors[0].dtype.is_floating_point and type(args[1]) in (int, float) and args[1] == 0
    return Known(const(0), const(0), chooses=False) if padding else None


def _unequal(args: Sequence[Any], tensors: Sequence[Any], out: Any) -> Known | None:
    known = _equal(args, tensors, out)
    return None if known is None or known.each is None else _uniform(1 - known.each, out)


def _negated(args: Sequence[Any], tensors: Sequence[Any], out: Any) -> Known | None:
    known = getattr(tensors[0], "_cut_taken", None)
    if known is None or out.dtype != torch.bool:
        return None
    return Known(None if known.each is None else 1 - known.each, _numel(out) - known.total)


def _both(args: Sequence[Any], tensors: Sequence[Any], out: Any) -> Known | None:
    """What passes two thresholds; one that all or no places pass decides."""
    return _decided(tensors, out, const(1), const(0))


def _either(args: Sequence[Any], tensors: Sequence[Any], out: Any) -> Known | None:
    return _decided(tensors, out, const(0), const(1))


def _decided(tensors: Sequence[Any], out: Any, neutral: Formula, decisive: Formula) -> Known | None:
    known = [getattr(t, "_cut_taken", None) for t in tensors]
    if out.dtype != torch.bool or not known or any(k is None or k.each is None for k in known):
        return None
    each = decisive if any(k.each == decisive for k in known) else neutral
    return replace(_uniform(each, out), chooses=all(k.chooses for k in known))


def _joined(args: Sequence[Any], tensors: Sequence[Any], out: Any) -> Known | None:
    parts = [getattr(t, "_cut_taken", None) for t in tensors]
    if any(p is None for p in parts):
        return None
    each = {p.each for p in parts}
    return Known(each.pop() if len(each) == 1 else None, add(p.total for p in parts))


def _summed(args: Sequence[Any], tensors: Sequence[Any], out: Any) -> Known | None:
    """All of it, or each row; of rows that differ only the sum is known."""
    known = getattr(tensors[0], "_cut_taken", None)
    if known is None:
        return None
    if out.dim() == 0:
        return Known(known.total, known.total)
    if known.each is None:
        return Known(None, known.total)
    sizes, dims = tensors[0].shape, tensors[0]._cut.dims
    at = args[1] if len(args) > 1 and args[1] is not None else range(len(sizes))
    gone = {a % len(sizes) for a in ((at,) if isinstance(at, int) else at)}
    return _uniform(known.each * product(d for i, d in enumerate(dims) if i in gone), out)


def _kept(args: Sequence[Any], tensors: Sequence[Any], out: Any) -> Known | None:
    """The same elements in another order or shape, or some of equal ones."""
    known = getattr(tensors[0], "_cut_taken", None)
    if known is None:
        return None
    if known.each is not None:
        return replace(_uniform(known.each, out), chooses=known.chooses)
    return known if _numel(tensors[0]) == _numel(out) else None


_Rule = Callable[[Sequence[Any], Sequence[Any], Any], Known | None]
_RULES: dict[str, _Rule] = {
    **dict.fromkeys(("gt", "ge", "lt", "le"), _compared),
    "eq": _equal,
    "ne": _unequal,
    **dict.fromkeys(("logical_not", "bitwise_not"), _negated),
    **dict.fromkeys(("logical_and", "bitwise_and"), _both),
    **dict.fromkeys(("logical_or", "bitwise_or"), _either),
    "cat": _joined,
    "sum": _summed,
    **dict.fromkeys(("max", "min", "amax", "amin", "clone", "_to_copy", "contiguous"), _kept),
}
