# Formulas belong to the branches that the code took: the conditions of `valid_when`. Before a number is made from a
# formula its conditions are read back and looked at, for one shape or, as arrays, for a million at once.
"""Whether values lie where an analysis holds."""

from __future__ import annotations

import operator
import re
from collections.abc import Iterable, Mapping
from typing import Any

from cutaway.errors import BadValue
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


def holds(condition: str, values: Mapping[str, Any]) -> Any:
    """Whether a condition is true for these values; an array of answers where values are arrays.

    >>> holds("cache_len + 1 > 4096", {"cache_len": 4096})
    True
    """
    left, relation, right = _parts(condition)
    found = _RELATIONS[relation](parse(left).evaluate(values), parse(right).evaluate(values))
    return bool(found) if isinstance(found, (bool, int)) else found


def met(condition: str, values: Mapping[str, Any]) -> Any:
    """The same; None where a value is missing or the condition is not one of ours.

    >>> met("cache_len + 1 > 4096", {}) is None
    True
    """
    try:
        return holds(condition, values)
    except (BadValue, KeyError, TypeError, ValueError, ZeroDivisionError):
        return None


def broken(conditions: Iterable[str], values: Mapping[str, Any]) -> list[str]:
    """The conditions that `values` surely break or that cannot be told."""
    return [c for c in conditions if met(c, values) is not True]


def _parts(condition: str) -> tuple[str, str, str]:
    left, relation, right = re.split(r"\s*(<=|>=|==|!=|<|>)\s*", condition, maxsplit=1)
    return left, relation, right
