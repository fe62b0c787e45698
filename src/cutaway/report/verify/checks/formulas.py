# Formulas are printed so that others can compute with them: what does not parse is decoration.
from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from cutaway.errors import BadValue
from cutaway.formula import parse
from cutaway.formula.names import BY_NAME
from cutaway.report.verify.inline import spans
from cutaway.report.verify.model import Check, Document, Finding
from cutaway.report.verify.records import walk

__all__ = ["CHECK", "FIGURES"]

FIGURES = frozenset({
    "flops", "matmul_flops", "useful_flops", "read", "write", "kv_cache_bytes", "total", "trainable", "frozen", "bytes",
    "element_bytes",
})  # fmt: skip
_SYMBOLS = re.compile(r"\{(\w+)\}")
_OTHER = re.compile(r"[$\"'`\\;&|]")  # of a shell's line or a text with places in it, never of a formula


def find(document: Document) -> Iterator[Finding]:
    for number, line in document.prose:
        for piece in spans(line):
            if piece.kind == "code" and _is_formula(piece.text) and (why := _wrong(piece.text)):
                yield Finding("formula", why, number)
    for where, value in walk(document.data) if document.data is not None else ():
        if isinstance(value, str) and _figure(document, where, value) and (why := _wrong(value)):
            yield Finding("formula", why, where=where)


def _is_formula(text: str) -> bool:
    """A code span with a known symbol in braces beside an operator."""
    named = any(name in BY_NAME for name in _SYMBOLS.findall(text))
    return named and not _OTHER.search(text) and bool(re.search(r"[-+*/%(]", text))


def _figure(document: Document, where: str, value: str) -> bool:
    """In a result of `cost` the keys say what is a formula; elsewhere a text is one if it looks like one."""
    if document.kind == "cost":
        return where.rpartition("/")[2] in FIGURES or "/by_module/" in where
    return _is_formula(value)


def _wrong(text: Any) -> str:
    try:
        parse(text)
    except BadValue as error:
        return f"`{text[:80]}` is no formula: {error.known}"
    return ""


CHECK = Check("formula", "every formula parses", find)
