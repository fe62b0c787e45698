# Reports in JSON become the same documents: each object with a path and a line is a place, each text beside one a claim.
# What the keys mean is known of the results of `cost`; everywhere else their names say enough.
"""JSON to `Document`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from cutaway.report.escape import visible
from cutaway.report.evidence import Citation
from cutaway.report.templates import templates
from cutaway.report.verify.inline import Likely, numbers, quotes
from cutaway.report.verify.model import Block, Cited, Claim, Document

__all__ = ["read_record"]

DIGESTS = ("lines", "first", "last", "before", "after")
SAID = ("claim", "statement", "text", "role", "what", "why", "responsibility", "notes", "does", "comment")
_DIGEST = re.compile(r"^[0-9a-f]{8}$")
_WHOLE = re.compile(r"^([^\s:][^:\n]*):(\d+)(?:-(\d+))?$")
_DIAGRAM = re.compile(r"^\s*(?:flowchart|graph|sequenceDiagram|stateDiagram(?:-v2)?|classDiagram)\b")


def read_record(data: dict[str, Any], name: str, likely: Likely) -> Document:
    """The document of a report's JSON."""
    kind = kind_of(data)
    repo = data.get("repo") if isinstance(data.get("repo"), dict) else {}
    source = data.get("source") if isinstance(data.get("source"), dict) else {}
    document = Document(
        name,
        kind,
        "json",
        commit=str(repo.get("commit") or source.get("commit") or ""),
        source=str(repo.get("path_or_url") or ""),
        llm=repo.get("llm_related") if isinstance(repo.get("llm_related"), bool) else None,
        data=data,
    )
    for where, value in walk(data):
        if isinstance(value, dict):
            _object(document, where, value, likely)
        elif isinstance(value, str):
            _string(document, where, value, likely)
    return document


def kind_of(data: dict[str, Any]) -> str:
    """Which report it is: what it says, or what its keys are."""
    said = data.get("kind")
    if isinstance(said, str) and (said in templates() or said == "cost"):
        return said
    if {"totals", "modules", "convention"} <= set(data):
        return "cost"
    return "repo" if {"repo", "components"} <= set(data) else ""


def walk(value: Any, where: str = "") -> Iterator[tuple[str, Any]]:
    """Every object and value with its JSON pointer, in order, however deep."""
    stack = [(where, value)]
    while stack:
        at, here = stack.pop()
        yield at, here
        if isinstance(here, dict):
            stack += [(f"{at}/{_pointer(str(k))}", v) for k, v in reversed(list(here.items()))]
        elif isinstance(here, list):
            stack += [(f"{at}/{i}", v) for i, v in reversed(list(enumerate(here)))]


def _pointer(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def _object(document: Document, where: str, value: dict[str, Any], likely: Likely) -> None:
    cited = _cited(value, where, document.kind)
    if cited is None:
        return
    document.cited.append(cited)
    if not cited.start or document.kind == "cost":
        return
    others = [_cited(v, f"{where}/evidence/{i}", "") for i, v in enumerate(_list(value.get("evidence")))]
    places = (cited, *(c for c in others if c and c.start))
    for key in SAID:
        text = value.get(key)
        if isinstance(text, str) and text.strip():
            said = quotes(text, likely), numbers(text)
            document.claims.append(Claim("record", 1, f"{where}/{key}", text, places, *said))


def _cited(value: Any, where: str, kind: str) -> Cited | None:
    """The place that an object is, if it is one. In a result of `cost`, `path` alone is a module's."""
    if not isinstance(value, dict) or not isinstance(value.get("path"), str) or not value["path"]:
        return None
    start = _number(value, "line") or _number(value, "start")
    if not start and (kind == "cost" or where == "/repo"):
        return None
    end = _number(value, "end_line") or _number(value, "end") or start
    symbol = value.get("symbol") or value.get("function") or ""
    symbol = symbol if isinstance(symbol, str) and kind != "cost" else ""
    digests = {k: str(value.get(k, "")) for k in DIGESTS}
    hashed = start and _DIGEST.match(digests["lines"]) and _DIGEST.match(digests["first"])
    evidence = Citation(value["path"], start, end, symbol, **digests) if hashed else None
    return Cited(visible(value["path"]), start, end, 1, where, symbol, evidence)


def _string(document: Document, where: str, value: str, likely: Likely) -> None:
    key = where.rpartition("/")[2]
    if _DIAGRAM.match(value) and "\n" in value:
        document.blocks.append(Block(1, "mermaid", value, where))
    elif (match := _WHOLE.match(value)) and likely(match[1]) and key != "path":
        document.cited.append(Cited(match[1], int(match[2]), int(match[3] or match[2]), 1, where))


def _number(value: dict[str, Any], key: str) -> int:
    found = value.get(key)
    return found if isinstance(found, int) and not isinstance(found, bool) else 0


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
