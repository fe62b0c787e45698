# That a line exists proves little. The name that the report puts beside a place must stand there: as the definition, or as a
# name on the line.
from __future__ import annotations

import re
from collections.abc import Iterator

from cutaway.report.verify.checks.evidence import found
from cutaway.report.verify.checks.lines import stands
from cutaway.report.verify.model import Check, Cited, Document, Finding
from cutaway.report.verify.sources import Sources, words

__all__ = ["CHECK"]

_OPERATOR = re.compile(r"\boperator(?:\(\)|[^\w\s.(][^\w\s(]*)(?=$|\()")  # `operator()`, `operator->`, `operator<<`


def find(document: Document, sources: Sources) -> Iterator[Finding]:
    for cited in document.cited:
        current = bool(cited.evidence) and found(cited, sources).state == "current"
        if cited.symbol and (current or stands(cited, sources)) and not _named(cited, sources):
            said = f"{cited.symbol} does not stand at {cited}{_hint(cited, sources)}"
            yield Finding("symbol", said, cited.line, cited.where, cited)


def _named(cited: Cited, sources: Sources) -> bool:
    parts = _parts(cited.symbol)
    if not parts or cited.symbol == "FILE":
        return True
    begun = [
        d for d in sources.begun(cited.path, cited.start, cited.end) if d.name.split(".")[-1] == parts[-1]
    ]
    if begun:
        return any(_ends(d.name.split("."), parts) or _ends(parts, d.name.split(".")) for d in begun)
    if parts[-1] in words(sources.text(cited.path, cited.start, cited.end)):
        return True
    around = sources.around(cited.path, cited.start, cited.end)
    inside = cited.evidence is not None or cited.end > cited.start
    return inside and any(_ends(d.name.split("."), parts) or _ends(parts, d.name.split(".")) for d in around)


def _parts(symbol: str) -> list[str]:
    """The names of a qualified one, without arguments and generics; an operator of C++ is a name, brackets and all."""
    operator = _OPERATOR.search(symbol)
    plain = symbol[: operator.start()] if operator else symbol
    names = re.split(r"\.|::|->", re.sub(r"<[^<>]*>|\(.*\)$", "", plain))
    return [p for p in [*names, operator[0] if operator else ""] if p and p != "self"]


def _ends(name: list[str], tail: list[str]) -> bool:
    return name[-len(tail) :] == tail


def _hint(cited: Cited, sources: Sources) -> str:
    """Where it does stand, if this file defines it."""
    last = (_parts(cited.symbol) or [""])[-1]
    at = [d for d in sources.record(cited.path).defs if d.name.split(".")[-1] == last]
    return f"; it is defined at {cited.path}:{at[0].line}" if at else ""


CHECK = Check("symbol", "the named symbol stands on the cited line", find, needs_source=True)
