# What a template left for its writer and nobody filled in: {like_this}, <...>, TODO, TBD, lorem ipsum. Formulas, routes and
# f-strings have braces too, so has a value of C++ (`{a::b}`), and code has angle brackets; those stay.
from __future__ import annotations

import re
from collections.abc import Iterator

from cutaway.formula.names import BY_NAME
from cutaway.report.verify.inline import spans
from cutaway.report.verify.model import Check, Document, Finding
from cutaway.report.verify.records import walk

__all__ = ["CHECK"]

NAMES = frozenset({"path", "name", "symbol", "signature"})  # keys whose values are the repository's own words
_BRACES = re.compile(r"(?<![\w$}/\"'{\\])\{(?!\w+::)([A-Za-z][\w /:,’'-]*)\}(?![\w{/\"'])")
_ANGLES = re.compile(r"<(?:\.{3}|…|[a-z][a-z0-9]*(?:[ _-][a-z0-9]+)+)>")
_OPEN_PLACE = re.compile(r"\{\w+:[a-z]\w*\}")  # {path:line}
_FSTRING = re.compile(r"\bf[\"']")
_WORDS = re.compile(r"\b(?:TODO|TBD|FIXME)\b|\blorem ipsum\b", re.IGNORECASE)
_SHOUTED = re.compile(r"\b(?:TODO|TBD|FIXME)\b|(?i:\blorem ipsum\b)")
_LOGS = re.compile(r"placeholder", re.IGNORECASE)  # a line about placeholders may show one


def find(document: Document) -> Iterator[Finding]:
    lines = [
        *document.prose,
        *((b.line + i, t) for b in document.blocks for i, t in _lines(b.language, b.text)),
    ]
    for number, line in [] if document.data is not None else sorted(lines):
        found = _line(line)
        if found:
            yield Finding("placeholder", f"a placeholder is left: {found}", number)
    for where, value in walk(document.data) if document.data is not None else ():
        name = where.rpartition("/")[2] in NAMES
        if isinstance(value, str) and not name and document.kind != "cost" and (found := _whole(value)):
            yield Finding("placeholder", f"a placeholder is left: {found}", where=where)


def _line(line: str) -> str:
    for piece in spans(line):
        in_code = piece.kind == "code"
        braces = _braces(piece.text, in_code)
        angles = _ANGLES.search(piece.text) if not in_code or piece.text in ("<...>", "<…>") else None
        shouted = None if in_code else _SHOUTED.search(piece.text)
        found = braces or (angles and angles[0]) or (shouted and shouted[0]) or ""
        if found and not (angles and _LOGS.search(line)):
            return found
    return ""


def _braces(text: str, in_code: bool) -> str:
    """The first placeholder in braces; in code, a name of a formula beside an operator is none."""
    if in_code and not _BRACES.fullmatch(text.strip()) and "(" in text:
        return ""  # a call: what is in braces is a set, or a part of a string
    for match in [] if _FSTRING.search(text) else _BRACES.finditer(text):
        rest = text[: match.start()] + text[match.end() :]
        formula = match[1] in BY_NAME or (in_code and re.search(r"[-+*/%]", re.sub(r"\{[^}]*\}", "", rest)))
        if not formula:
            return match[0]
    return ""


def _lines(language: str, text: str) -> Iterator[tuple[int, str]]:
    """The places left open in a fence of pseudocode. Code, data and diagrams have braces of their own."""
    if language in ("text", "", "pseudocode"):
        for i, line in enumerate(text.split("\n")):
            yield i, " ".join(_OPEN_PLACE.findall(line))


def _whole(value: str) -> str:
    """A value that is nothing but a placeholder; texts of the repository itself may speak of anything."""
    said = value.strip()
    braces = _BRACES.fullmatch(said)
    if (
        (braces and braces[1] not in BY_NAME)
        or _ANGLES.fullmatch(said)
        or _WORDS.fullmatch(said.rstrip(".:!"))
    ):
        return said
    return "lorem ipsum" if said.lower().startswith("lorem ipsum") else ""


CHECK = Check("placeholder", "no placeholder is left: {like_this}, <...>, TODO, TBD, lorem ipsum", find)
