# The numbers beside the formulas of a `cost` are what the formulas give at the values that were set.
from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

from cutaway.errors import CutawayError
from cutaway.formula import parse
from cutaway.report.verify.model import Check, Document, Finding
from cutaway.report.verify.records import walk

__all__ = ["CHECK", "differing"]


def find(document: Document) -> Iterator[Finding]:
    for where, said in differing(document):
        yield Finding("value", said, where=where)


def differing(document: Document) -> Iterator[tuple[str, str]]:
    """(pointer, what) of each number that is not its formula's value."""
    data = document.data
    if document.kind != "cost" or data is None:
        return
    at = _numbers(data.get("totals", {}))
    if not at:
        return
    for where, value in walk(data):
        if isinstance(value, dict) and isinstance(value.get("values"), dict) and "flops" in value:
            yield from _beside(value, value["values"], at, f"{where}/values")


def _numbers(totals: Any) -> dict[str, int]:
    values = totals.get("values") if isinstance(totals, dict) else None
    at = values.get("at") if isinstance(values, dict) else None
    return {k: v for k, v in at.items() if isinstance(v, int)} if isinstance(at, dict) else {}


def _beside(
    formulas: Mapping[str, Any], values: Mapping[str, Any], at: dict[str, int], where: str
) -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        formula = formulas.get(key)
        if isinstance(value, dict) and isinstance(formula, dict):
            yield from _beside(formula, value, at, f"{where}/{key}")
        elif isinstance(formula, str) and isinstance(value, int | float):
            expected = _evaluated(formula, at)
            if expected is not None and not _equal(value, expected):
                yield f"{where}/{key}", f"{value} stands where `{formula[:80]}` gives {expected}"


def _evaluated(formula: str, at: dict[str, int]) -> Any:
    """The value, or None for what another check refuses or what has a symbol without a value."""
    try:
        return parse(formula).evaluate(at)
    except (CutawayError, KeyError, ZeroDivisionError):
        return None


def _equal(value: float, expected: Any) -> bool:
    return value == (
        float(expected) if isinstance(expected, Fraction) and isinstance(value, float) else expected
    )


CHECK = Check("value", "numbers are what their formulas give at the values that were set", find)
