# The grammar of flowcharts, the kind that reports hold most: a statement is a chain of nodes and arrows, read from left
# to right. One strict pass gives the problems of a line and the number of its edges.
"""A checker for `flowchart` and `graph`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cutaway.report.mermaid_text import Line, Problem

__all__ = ["check_flowchart"]

_DIRECTIONS = ("", "TB", "TD", "BT", "RL", "LR", ">", "<", "^", "v")
_ID = re.compile(r"(?:[A-Za-z0-9_.\u00c0-\uffff!#$&'*+/?\\`]|-(?![-.]|\s|$))+")
# The closing brackets of each opening one, longest first.
_SHAPES = {
    "(((": (")))",), "((": ("))",), "([": ("])",), "[(": (")]",), "[[": ("]]",), "{{": ("}}",),
    "[/": ("/]", "\\]"), "[\\": ("\\]", "/]"), "(": (")",), "[": ("]",), "{": ("}",), ">": ("]",),
}  # fmt: skip
_ARROW = re.compile(
    r"(?P<whole>[<ox]?(?:--+[-xo>]|==+[=xo>]|-\.+-[xo>]?)|~~~+)\s*(?:\|(?P<pipe>\"[^\"]*\"|[^|]*)\|)?"
    r"|[<ox]?(?:--|==|-\.)\s*(?P<text>\"[^\"]*\"|[^\s>\-=.|\"](?:[^\"|]*?[^\s\"|])?)\s*(?:--+[-xo>]|==+[=xo>]|\.+-[xo>]?)"
)
_RESERVED = frozenset(
    {
        "end",
        "subgraph",
        "graph",
        "flowchart",
        "style",
        "linkStyle",
        "classDef",
        "class",
        "click",
        "default",
        "direction",
    }
)
_STATEMENT = re.compile(
    r"^(?:classDef\s+\S+\s+\S.*|class\s+\S+.*\s+\S+|style\s+\S+\s+\S.*|linkStyle\s+(?:default|[\d,\s]+)\s+\S.*|click\s+\S+\s+\S.*"
    r"|direction\s+(?:TB|TD|BT|RL|LR)|acc(?:Title|Descr)\s*:.*)$"
)
_FORBIDDEN = re.compile(r'[()\[\]{}"|]')  # in a label without quotes


class _Refused(Exception):
    """What is wrong with a statement."""


def check_flowchart(lines: list[Line], header: str) -> Iterator[Problem | int]:
    """The problems, and for each statement the number of its edges."""
    direction, _, rest = header.partition(";")
    if direction.strip() not in _DIRECTIONS:
        yield Problem(lines[0].number, f"no such direction: {direction.strip()[:40]!r}")
    open_at: list[int] = []
    for line in _joined([Line(lines[0].number, rest), *lines[1:]]):
        try:
            for statement in _statements(line.text):
                if re.match(r"subgraph\b", statement):
                    open_at.append(line.number)
                    _subgraph(statement)
                elif statement == "end":
                    if not open_at:
                        raise _Refused(
                            "`end` of nothing; or a node called `end`, which is a word of Mermaid's"
                        )
                    open_at.pop()
                elif not _STATEMENT.match(statement):
                    yield _chain(statement)
        except _Refused as refused:
            yield Problem(line.number, str(refused))
    for number in open_at:
        yield Problem(number, "`subgraph` without its `end`")


def _joined(lines: list[Line]) -> Iterator[Line]:
    """A quoted label may go on over lines."""
    begun: Line | None = None
    for line in lines:
        begun = Line(begun.number, f"{begun.text} {line.text}") if begun else line
        if begun.text.count('"') % 2 == 0:
            yield begun
            begun = None
    if begun:
        yield begun


def _statements(text: str) -> list[str]:
    """`text` cut at the semicolons that stand outside of quotes; entities such as `#35;` stay whole."""
    if text.count('"') % 2:
        raise _Refused("unbalanced quotes")
    pieces = re.findall(r'(?:"[^"]*"|#\w+;|[^;"])+', text)
    return [piece.strip() for piece in pieces if piece.strip()]


def _subgraph(statement: str) -> None:
    rest = statement.removeprefix("subgraph").strip()
    titled = re.match(r'^([^\s\["]+)?\s*\[\s*(.*?)\s*\]$', rest)
    title = titled[2] if titled else rest
    if not title.strip('" '):
        raise _Refused("an empty label")
    if not (title.startswith('"') and title.endswith('"')):
        _plain(title)


def _chain(text: str) -> int:
    """The number of edges of `a & b --> c["x"]`; raises for what is not a chain."""
    at, sources = _nodes(text, 0)
    edges = 0
    while at < len(text):
        edge_id = re.compile(r"\w+@(?=[-=.~<ox])").match(text, at)
        arrow = _ARROW.match(text, edge_id.end() if edge_id else at)
        if not arrow:
            raise _Refused(_unknown(text[at:]))
        if arrow["pipe"] is not None:
            _label(arrow["pipe"])
        at, targets = _nodes(text, _skip(text, arrow.end()))
        edges, sources = edges + sources * targets, targets
    return edges


def _nodes(text: str, at: int) -> tuple[int, int]:
    """Reads `a & b["x"]`; the place after it and the number of nodes."""
    count = 0
    while True:
        at, count = _skip(text, _node(text, at)), count + 1
        if not text.startswith("&", at):
            return at, count
        at = _skip(text, at + 1)


def _node(text: str, at: int) -> int:
    match = _ID.match(text, at)
    if not match:
        raise _Refused(f"an arrow to nothing: {text[-40:]!r}" if at >= len(text) else _unknown(text[at:]))
    at = match.end()
    if match[0] in _RESERVED:
        raise _Refused(f"`{match[0]}` is a word of Mermaid's and cannot be an id")
    if text.startswith("@{", at):
        close = text.find("}", at)
        if close < 0:
            raise _Refused("unbalanced `{`")
        at = close + 1
    opening = next((mark for mark in _SHAPES if text.startswith(mark, at)), "")
    if opening:
        at = _shape(text, at, opening)
    style = re.match(r":::\w[\w-]*", text[at:])
    return at + style.end() if style else at


def _shape(text: str, at: int, opening: str) -> int:
    """The place after the node's brackets."""
    start = at + len(opening)
    quoted = re.match(r'\s*"([^"]*)"\s*', text[start:])
    if quoted:
        end = start + quoted.end()
        closing = next((c for c in _SHAPES[opening] if text.startswith(c, end)), "")
        if not closing:
            raise _Refused(f"unbalanced `{opening}`, or text beside the quotes: {text[at:][:60]!r}")
        if not quoted[1].strip():
            raise _Refused("an empty label")
        return end + len(closing)
    ends = sorted((found, c) for c in _SHAPES[opening] if (found := text.find(c, start)) >= 0)
    if not ends:
        raise _Refused(f"unbalanced `{opening}`: {text[at:][:60]!r}")
    end, closing = ends[0]
    _label(text[start:end])
    return end + len(closing)


def _label(label: str) -> None:
    label = label.strip()
    if not label.strip('" '):
        raise _Refused("an empty label")
    if not (len(label) > 1 and label[0] == label[-1] == '"'):
        _plain(label)


def _plain(label: str) -> None:
    """A label without quotes."""
    bad = _FORBIDDEN.search(label)
    if bad:
        raise _Refused(f"`{bad[0]}` in a label without quotes: {label[:60]!r}")


def _unknown(rest: str) -> str:
    arrow = re.match(r"\S*[-=~.<>]{1,}\S*", rest)
    if arrow and not rest[0].isalnum():
        return f"unknown arrow {arrow[0][:20]!r}"
    if rest[0] in ")]}":
        return f"unbalanced `{rest[0]}`"
    return f"not a statement: {rest[:60]!r}"


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t":
        at += 1
    return at
