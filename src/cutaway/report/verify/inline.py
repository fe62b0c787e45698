# What one line of Markdown says: its code spans and links, and the places in source that they name. Places come in several
# spellings, and much that looks like one is none (`localhost:8000`, `cuda:0`), so the repository's own files decide.
"""Code spans, links, places and names of a piece of Markdown text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple
from urllib.parse import unquote

from cutaway.report.verify.model import Cited

__all__ = ["Likely", "Span", "cited_in", "numbers", "plain", "quotes", "spans"]

Likely = Callable[[str], bool]  # whether a word is a path of the repository, or would be if it were there

_TOKEN = re.compile(
    r"(?<!\\)(?P<fence>`+)(?P<code>.+?)(?<!`)(?P=fence)(?!`)|\[(?P<label>(?:[^\[\]`]|`[^`]*`)*)\]\((?P<url>[^()\s]*)\)"
)
_PLACE = re.compile(
    r"(?P<path>[^\s:`|()\[\]{}<>\"',;#=]+)"
    r"(?::L?(?P<start>\d+)(?:[-–]L?(?P<end>\d+))?(?::\d+)?|#L(?P<start2>\d+)(?:-L?(?P<end2>\d+))?)(?![\w/:])"
)
_WHOLE = re.compile(r"^(?P<path>.+?)(?::L?|#L)(?P<start>\d+)(?:[-–]L?(?P<end>\d+))?$")
_BLOB = re.compile(
    r"^https?://[^/]+/.+?/blob/[^/]+/(?P<path>[^#?]+)(?:#L(?P<start>\d+)(?:-L?(?P<end>\d+))?)?$"
)
_NAME = re.compile(r"^[A-Za-z_~$][\w$]*(?:(?:\.|::|->)~?[A-Za-z_$][\w$]*)*(?:\(\))?$")
_BEFORE = re.compile(r"^\s*(?:\(|\[|at|in|@|—|–|-|:|→|,)?\s*$")  # between `name` and its place
_AFTER = re.compile(r"^\s*(?:\(|\[|—|–|-|:|→)?\s*$")  # between a place and the `name` that stands there
_NUMBER = re.compile(r"(?<![\w.,#/:+-])\d(?:[\d_,]*\d)?(?:\.\d+)?(?![\w.]*\w|[-–/]\d|:\d)")
_THREES = re.compile(r"[\d_]+|\d{1,3}(?:,\d{3})+(?:\.\d+)?|[\d_]+\.\d+")

_COUNTED = re.compile(  # `22 lines`: counted by whoever wrote it, and spelled on no line
    r"\b\d[\d,]*\s+(?:(?:other|more|different|public)\s+)?(?:files?|lines?|times|settings?|fields?|methods?|functions?|class(?:es)?"
    r"|subclasses|types?|tests?|kernels?|members?|states?|definitions?|implementations?|callers?|calls?|call sites|places?"
    r"|more|others?|entries|flags?|options?|modules?|variables?|arguments?|parameters?|models?|commands?|targets?|examples?|documents?)\b"
)


class Span(NamedTuple):
    """A piece of a line: plain text, a code span, or a link with what it leads to."""

    kind: Literal["text", "code", "link"]
    text: str
    url: str = ""


def spans(text: str) -> list[Span]:
    """`text` as pieces in their order; a link's label that is code is given as code with its url."""
    found, at = [], 0
    for match in _TOKEN.finditer(text):
        if match.start() > at:
            found.append(Span("text", text[at : match.start()]))
        if match["code"] is not None:
            found.append(Span("code", _code(match["code"])))
        else:
            label = match["label"].strip()
            inner = re.fullmatch(r"(`+)(.+?)\1", label)
            found.append(Span("code" if inner else "link", _code(inner[2]) if inner else label, match["url"]))
        at = match.end()
    return [*found, *([Span("text", text[at:])] if at < len(text) else [])]


def cited_in(text: str, line: int, likely: Likely, *, files: bool = False) -> list[Cited]:
    """The places that `text` names, each with the symbol that it says stands there; with `files`, any code span that may be
    a path is one."""
    pieces = spans(text)
    found: list[Cited] = []
    for i, piece in enumerate(pieces):
        symbol = _symbol(pieces, i, likely)
        for path, start, end in _places(piece, likely, files):
            cited = Cited(path, start, end, line, symbol=symbol if start else "")
            if not any((c.path, c.start, c.end) == (path, start, end) for c in found):
                found.append(cited)
    return found


def quotes(text: str, likely: Likely) -> tuple[str, ...]:
    """The code spans that are no places and no files."""
    return tuple(p.text for p in spans(text) if p.kind == "code" and not any(_places(p, likely, True)))


def numbers(text: str) -> tuple[str, ...]:
    """The numbers of the plain words, but for single digits and counts of things, which no line spells out."""
    said = " ".join(p.text for p in spans(text) if p.kind == "text")
    said = _COUNTED.sub(" ", _PLACE.sub(" ", said))
    return tuple(n for found in _NUMBER.findall(said) for n in _listed(found) if len(n) > 1)


def _listed(number: str) -> list[str]:
    """Figures between commas: one number if they stand in threes, else a list of them (`1,2,48`)."""
    return [number] if _THREES.fullmatch(number) else number.split(",")


def plain(text: str) -> str:
    """`text` without code spans and links, as the reader's words."""
    return " ".join(p.text for p in spans(text) if p.kind == "text")


def _places(piece: Span, likely: Likely, files: bool) -> Iterator[tuple[str, int, int]]:
    blob = _BLOB.match(piece.url)
    if piece.kind == "code" and (whole := _WHOLE.match(piece.text)) and likely(whole["path"]):
        yield _place(whole["path"], whole["start"], whole["end"])
    elif piece.kind == "code" and likely(piece.text) and (files or "/" in piece.text):
        yield piece.text, 0, 0
    elif not blob or piece.kind == "text":
        for match in _PLACE.finditer(piece.text):
            if likely(match["path"]):
                yield _place(match["path"], match["start"] or match["start2"], match["end"] or match["end2"])
    if blob:
        yield _place(unquote(blob["path"]), blob["start"] or "0", blob["end"])


def _place(path: str, start: str, end: str | None) -> tuple[str, int, int]:
    return path.removeprefix("./"), int(start), int(end or start)


def _symbol(pieces: list[Span], i: int, likely: Likely) -> str:
    """The name in code right beside a place: `name` (`a.py:3`), or `a.py:3` (`name`)."""
    for step, between in ((1, _AFTER), (-1, _BEFORE)):
        middle, beside = i + step, i + 2 * step
        if 0 <= beside < len(pieces) and pieces[beside].kind == "code" and pieces[middle].kind == "text":
            name = pieces[beside].text
            if (
                between.match(pieces[middle].text)
                and _NAME.match(name)
                and not any(_places(pieces[beside], likely, True))
            ):
                return name.removesuffix("()")
    return ""


def _code(text: str) -> str:
    stripped = text[1:-1] if text.startswith(" ") and text.endswith(" ") and text.strip() else text
    return stripped.replace("\\|", "|")
