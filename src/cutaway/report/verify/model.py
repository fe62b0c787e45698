# The nouns of `verify`: a report taken apart, whoever wrote it and in whatever format, and what is found in it. Checks see
# these and never Markdown or JSON text.
"""A report as a `Document`; what is wrong with it as `Finding`s."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal, NamedTuple

from msgspec import Struct

from cutaway.report.evidence import Citation

__all__ = ["Block", "Check", "Cited", "Claim", "Document", "Finding", "Heading", "Row", "Table"]


class Cited(Struct, frozen=True):
    """A place that the report points to: lines `start` to `end` of `path`, or (`start` 0) the file or folder.

    `line` is that of the report, `where` the pointer into its JSON. `symbol` is what the report says stands there;
    `evidence` has the digests, where it carries any; `resolved` is the path as the source spells it."""

    path: str
    start: int = 0
    end: int = 0
    line: int = 1
    where: str = ""
    symbol: str = ""
    evidence: Citation | None = None

    def __str__(self) -> str:
        if not self.start:
            return self.path
        return f"{self.path}:{self.start}" + (f"-{self.end}" if self.end != self.start else "")


class Claim(Struct, frozen=True):
    """A bullet, table row, sentence, line of pseudocode or JSON record that cites: what it quotes and counts must be there.
    Of a line of `code` it is enough that one of its names is."""

    kind: Literal["bullet", "row", "sentence", "code", "record"]
    line: int
    where: str
    text: str
    cited: tuple[Cited, ...]
    quotes: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()


class Row(NamedTuple):
    """The cells of one row of a table."""

    line: int
    cells: list[str]


class Table(Struct, frozen=True):
    """A table and the heading that it stands under."""

    line: int
    section: str
    header: list[str]
    rows: list[Row]


class Block(Struct, frozen=True):
    """A fenced block, or a string of JSON; `line` is that of its first line of text."""

    line: int
    language: str
    text: str
    where: str = ""


class Heading(Struct, frozen=True):
    """A heading and what stands under it up to the next heading of any level: (line, text), blank ones left out."""

    title: str
    level: int
    line: int
    body: list[tuple[int, str]]


class Document(Struct):
    """A report. `kind` is repo, project, tree, cost or '' for any other; `llm` whether it says that the repository is
    LLM-related; `data` is the JSON, None for Markdown. `prose` are the lines outside of fences, as they stand."""

    name: str
    kind: str = ""
    format: Literal["md", "json"] = "md"
    commit: str = ""
    source: str = ""
    llm: bool | None = None
    headings: list[Heading] = []
    tables: list[Table] = []
    blocks: list[Block] = []
    claims: list[Claim] = []
    cited: list[Cited] = []
    prose: list[tuple[int, str]] = []
    data: dict[str, Any] | None = None


class Finding(Struct, frozen=True):
    """Something that does not hold: which check says so, where in the report, and the place in the source it is about."""

    check: str
    message: str
    line: int = 1
    where: str = ""
    cited: Cited | None = None
    severity: Literal["error", "warning"] = "error"


class Check(Struct, frozen=True):
    """One check: `find` yields the findings. `needs_source` is whether it reads the repository."""

    id: str
    what: str
    find: Callable[..., Iterable[Finding]]
    severity: Literal["error", "warning"] = "error"
    needs_source: bool = False
