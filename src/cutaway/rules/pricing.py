# From an executed op to its price: the rule counts, the convention weighs, and bytes follow from the tensors.
# A price is a function of the op and the convention alone. The runs of a model ask for the same ones again and again: each
# is made once.
from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from cutaway.formula import Formula
from cutaway.model import Convention, Cost
from cutaway.rules.api import CannotPrice, Count, Op, Rule
from cutaway.rules.registry import lookup
from cutaway.rules.traffic import eager_bytes

MOST = 1 << 14  # prices kept; beyond that all are forgotten, since the next model asks for others
_kept: dict[Hashable, Price | None] = {}


@dataclass(frozen=True, slots=True)
class Price:
    """What one op costs, and by which rule. `cost` is eager; `touched_*` is what fusion leaves."""

    cost: Cost
    rule: Rule
    analysis: str
    touched_read: Formula
    touched_write: Formula


def price(op: Op, convention: Convention) -> tuple[Cost, str, str, str] | None:
    """Cost (eager), kind, name of the rule, and one sentence; None when no rule knows the op."""
    full = price_in_full(op, convention)
    return full and (full.cost, full.rule.kind, full.rule.name, full.analysis)


def price_in_full(op: Op, convention: Convention) -> Price | None:
    """Like `price`, with the rule itself and the bytes that are really touched."""
    found = lookup(op.name)
    if found is None:
        return None
    kinds = tuple(map(type, op.args))  # 1 is equal to 1.0, and to True
    key = (found, convention, op.name, op.args, kinds, tuple(op.kwargs.items()), op.inputs, op.outputs)
    try:
        return _kept[key]
    except KeyError:
        made = _priced(op, found, convention)
    except TypeError:  # an argument that cannot be compared with another op's
        return _priced(op, found, convention)
    if len(_kept) == MOST:
        _kept.clear()
    _kept[key] = made
    return made


def _priced(op: Op, found: Rule, convention: Convention) -> Price | None:
    try:
        count = found.count(op)
    except CannotPrice:
        return None
    read, write = eager_bytes(op)
    matmul_flops = count.fma * convention.fma
    return Price(
        Cost(matmul_flops + other_flops(count, convention), matmul_flops, read, write),
        found,
        count.analysis,
        read if count.read_touched is None else count.read_touched,
        write if count.write_touched is None else count.write_touched,
    )


def other_flops(count: Count, convention: Convention) -> Formula:
    """FLOPs that are no multiply-adds of a matrix product."""
    return (
        count.elementwise * convention.elementwise
        + count.transcendental * convention.transcendental
        + count.reduction * convention.reduction
    )
