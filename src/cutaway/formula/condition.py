# Conditions as printed in `valid_when`, read back and evaluated, so that a number is never taken from a formula
# outside the branch that the formula was derived in.
from __future__ import annotations

import operator
import re
from collections.abc import Mapping

from cutaway.formula.parse import parse

_RELATIONS = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
}


def symbols_in(condition: str) -> frozenset[str]:
    """The symbols that a condition speaks of."""
    left, _, right = _parts(condition)
    return parse(left).symbols() | parse(right).symbols()


def holds(condition: str, values: Mapping[str, int]) -> bool:
    """Whether `cache_len + seq_len > 4096` is true for these values.

    >>> holds("cache_len + 1 > 4096", {"cache_len": 4096})
    True
    """
    left, relation, right = _parts(condition)
    return bool(_RELATIONS[relation](parse(left).evaluate(values), parse(right).evaluate(values)))


def _parts(condition: str) -> tuple[str, str, str]:
    left, relation, right = re.split(r"\s*(<=|>=|==|!=|<|>)\s*", condition, maxsplit=1)
    return left, relation, right
