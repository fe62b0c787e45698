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


def holds(condition: str, values: Mapping[str, int]) -> bool:
    """Whether `cache_len + seq_len > 4096` is true for these values.

    >>> holds("cache_len + 1 > 4096", {"cache_len": 4096})
    True
    """
    left, relation, right = re.split(r"\s*(<=|>=|==|!=|<|>)\s*", condition, maxsplit=1)
    return bool(_RELATIONS[relation](parse(left).evaluate(values), parse(right).evaluate(values)))
