# Programs read the JSON by its keys, as people read the Markdown by its headings.
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cutaway.report.templates import template
from cutaway.report.verify.model import Check, Document, Finding

__all__ = ["CHECK"]

_MISSING = object()


def find(document: Document) -> Iterator[Finding]:
    rules = template(document.kind)
    if rules is None or document.data is None:
        return
    gone: list[str] = []
    for key in rules.keys:
        if _at(document.data, key) is _MISSING and not any(key.startswith(f"{parent}.") for parent in gone):
            parent = next((p for p in _parents(key) if _at(document.data, p) is _MISSING), key)
            gone.append(parent)
            yield Finding("key", f"the key `{parent}` is missing", where="/" + parent.replace(".", "/"))


def _at(data: Any, key: str) -> Any:
    for part in key.split("."):
        if not isinstance(data, dict) or part not in data:
            return _MISSING
        data = data[part]
    return data


def _parents(key: str) -> list[str]:
    parts = key.split(".")
    return [".".join(parts[: i + 1]) for i in range(len(parts))]


CHECK = Check("key", "the required keys of the JSON are there", find)
