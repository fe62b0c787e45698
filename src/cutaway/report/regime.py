# Formulas belong to the branches that the code took: `valid_when`. Before a number is made from one, its
# conditions are looked at, for one shape or for a million at once.
"""Whether values lie where an analysis holds."""

from __future__ import annotations

import operator
import re
from collections.abc import Iterable, Mapping
from typing import Any

from cutaway.errors import BadValue

RELATIONS = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
}
_RELATION = re.compile(r"\s*(<=|>=|==|!=|<|>)\s*")


def broken(conditions: Iterable[str], values: Mapping[str, Any]) -> list[str]:
    """The conditions that `values` surely break or that cannot be told."""
    return [c for c in conditions if met(c, values) is not True]


def met(condition: str, values: Mapping[str, Any]) -> Any:
    """True or False, an array of them for arrays; None where a value is missing or the condition is not ours.

    >>> met("cache_len + 1 > 4096", {"cache_len": 4096})
    True
    """
    from cutaway.formula import parse

    try:
        left, relation, right = _RELATION.split(condition, maxsplit=1)
        found = RELATIONS[relation](parse(left).evaluate(values), parse(right).evaluate(values))
    except (BadValue, KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    return bool(found) if isinstance(found, (bool, int)) else found
