# Every statement of a report stands on lines of source. A citation remembers what those lines and their neighbours
# were, as short hashes, so that it can be found again when the file has been edited, and so that nobody has to trust
# that the lines still say what they said.
"""Citations: made by `cite`, shown by `place` and `link`, found again by `relocate`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from statistics import median
from typing import Any, Literal

from msgspec import Struct, to_builtins

from cutaway.model.code import Def
from cutaway.report.escape import code, visible
from cutaway.report.permalink import permalink

__all__ = [
    "Citation",
    "Found",
    "Widths",
    "cite",
    "digest",
    "enclosing",
    "link",
    "place",
    "relocate",
    "to_dict",
    "widths",
]

CONTEXT = 3  # lines before and after that help to tell equal passages apart
NARROW, WIDEST = 12, 120  # lines: the median a report aims at, and what only a whole definition may exceed


class Citation(Struct, frozen=True, omit_defaults=True):
    """Lines `start` to `end` (1-based, both included) of `path`, in the definition `symbol` ('' outside of any).

    `lines`, `first`, `last`, `before`, `after` are digests of the lines, of the first, of the last, and of the three
    before and after; '' where there are none, or where the citation carries no evidence."""

    path: str
    start: int
    end: int
    symbol: str = ""
    lines: str = ""
    first: str = ""
    last: str = ""
    before: str = ""
    after: str = ""


class Found(Struct, frozen=True):
    """Where a citation is now. `moved`: the same lines elsewhere; `changed`: the passage is there and says something
    else; `gone`: nothing of it was found, and `start` and `end` are 0."""

    state: Literal["current", "moved", "changed", "gone"]
    start: int = 0
    end: int = 0


class Widths(Struct, frozen=True):
    """How wide a report's citations are, in lines; `too_wide` are over the limit and no whole definition."""

    count: int
    median: float
    widest: int
    too_wide: tuple[Citation, ...]

    @property
    def narrow(self) -> bool:
        """Whether a report may leave with these."""
        return self.median <= NARROW and not self.too_wide


def digest(lines: Sequence[str]) -> str:
    """8 hex digits of `lines`, white space at their ends apart; '' for no lines."""
    if not lines:
        return ""
    text = "\n".join(line.rstrip() for line in lines)
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()


def cite(path: str, lines: Sequence[str], start: int, end: int = 0, symbols: Iterable[Def] = ()) -> Citation:
    """The citation of lines `start` to `end` of the file whose lines are `lines`; `symbols` are its definitions.

    `end` defaults to `start`. Raises ValueError for lines that the file does not have."""
    end = end or start
    if not 1 <= start <= end <= len(lines):
        raise ValueError(f"{path} has {len(lines)} lines, not {start}-{end}")
    inside = enclosing(symbols, start, end)
    return Citation(path, start, end, inside.name if inside else "", **_digests(lines, start, end))


def enclosing(symbols: Iterable[Def], start: int, end: int) -> Def | None:
    """The innermost definition that holds all of lines `start` to `end`."""
    around = [d for d in symbols if d.start <= start and end <= d.end]
    return min(around, key=lambda d: (d.end - d.start, -d.start), default=None)


def relocate(citation: Citation, lines: Sequence[str] | None, symbols: Iterable[Def] = ()) -> Found:
    """Where the cited passage is in a later text of its file, or in none (`lines` is None).

    Equal lines elsewhere are the passage if nothing else equals them, or if their neighbours or the definition
    around them are the same too; a `}` that stands somewhere is no evidence."""
    if lines is None or citation.start < 1 or citation.end < citation.start:
        return Found("gone")
    symbols = list(symbols)
    height = citation.end - citation.start + 1
    if digest(lines[citation.start - 1 : citation.end]) == citation.lines and citation.end <= len(lines):
        return Found("current", citation.start, citation.end)
    single = [digest([line]) for line in lines]
    starts = [
        i + 1
        for i in range(len(lines) - height + 1)
        if single[i] == citation.first and digest(lines[i : i + height]) == citation.lines
    ]
    likeness = {at: _likeness(citation, lines, at, at + height - 1, symbols) for at in starts}
    best = max(starts, key=lambda at: (likeness[at], -abs(at - citation.start)), default=None)
    if best is not None and (likeness[best] > 0 or (len(starts) == 1 and _telling(lines, best, height))):
        return Found("moved", best, best + height - 1)
    return _changed(citation, lines, single, symbols)


def widths(citations: Iterable[Citation], is_definition: Callable[[Citation], bool]) -> Widths:
    """Statistics over `citations`; one that `is_definition` may be as wide as the definition is."""
    cited = list(citations)
    sizes = [c.end - c.start + 1 for c in cited]
    wide = tuple(c for c, size in zip(cited, sizes, strict=True) if size > WIDEST and not is_definition(c))
    return Widths(len(cited), median(sizes) if sizes else 0, max(sizes, default=0), wide)


def place(citation: Citation) -> str:
    """`path:line` or `path:start-end`, harmless on a terminal.

    >>> place(Citation("a.py", 3, 9))
    'a.py:3-9'
    """
    tail = f"-{citation.end}" if citation.end > citation.start else ""
    return f"{visible(citation.path)}:{citation.start}{tail}"


def link(citation: Citation, remote: str = "", commit: str = "", *, cell: bool = False) -> str:
    """The place as Markdown code, a permalink when the remote has them; `cell` inside a table."""
    shown = code(place(citation), cell=cell)
    url = permalink(remote, commit, citation.path, citation.start, citation.end)
    return f"[{shown}]({url})" if url else shown


def to_dict(citation: Citation) -> dict[str, Any]:
    """The citation as JSON holds it."""
    return to_builtins(citation)


def _digests(lines: Sequence[str], start: int, end: int) -> dict[str, str]:
    return {
        "lines": digest(lines[start - 1 : end]),
        "first": digest(lines[start - 1 : start]),
        "last": digest(lines[end - 1 : end]),
        "before": digest(lines[max(0, start - 1 - CONTEXT) : start - 1]),
        "after": digest(lines[end : end + CONTEXT]),
    }


def _likeness(citation: Citation, lines: Sequence[str], start: int, end: int, symbols: list[Def]) -> int:
    """How many of the neighbours and the definition around are as they were."""
    now = _digests(lines, start, end)
    inside = enclosing(symbols, start, end)
    same_symbol = bool(citation.symbol) and inside is not None and inside.name == citation.symbol
    return same_symbol + sum(
        bool(now[side]) and now[side] == getattr(citation, side) for side in ("before", "after")
    )


def _telling(lines: Sequence[str], start: int, height: int) -> bool:
    """Whether the lines say enough to be known by: a name or a number, not only brackets."""
    return any(character.isalnum() for line in lines[start - 1 : start - 1 + height] for character in line)


def _changed(citation: Citation, lines: Sequence[str], single: list[str], symbols: list[Def]) -> Found:
    """The passage by its definition, by its first and last line, or by what stood around it."""
    height = citation.end - citation.start + 1
    around = [d for d in symbols if citation.symbol and d.name == citation.symbol]
    if around:
        inside = min(around, key=lambda d: abs(d.start - citation.start))
        first = next((i + 1 for i in range(inside.start - 1, inside.end) if single[i] == citation.first), 0)
        start = first or inside.start
        return Found("changed", start, min(inside.end, start + height - 1) if first else inside.end)
    for i, here in enumerate(single):
        if height > 1 and here == citation.first and _telling(lines, i + 1, 1):
            ends = [j for j in range(i + 1, min(len(single), i + 2 * height)) if single[j] == citation.last]
            if ends:
                return Found("changed", i + 1, ends[0] + 1)
    return _between(citation, lines, height)


def _between(citation: Citation, lines: Sequence[str], height: int) -> Found:
    """What now stands between the lines that were before and those that were after."""
    if not (citation.before and citation.after):
        return Found("gone")
    for i in range(len(lines)):
        if digest(lines[max(0, i - CONTEXT) : i]) != citation.before:
            continue
        for j in range(i + 1, min(len(lines), i + 2 * height) + 1):
            if digest(lines[j : j + CONTEXT]) == citation.after:
                return Found("changed", i + 1, j)
    return Found("gone")
