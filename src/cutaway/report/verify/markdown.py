# Reports in Markdown, by Cutaway, people or agents, become documents: headings, tables, fences, and claims, which are the
# bullets, rows and sentences that cite something. Line by line; what is no Markdown is prose.
"""Markdown to `Document`."""

from __future__ import annotations

import re

from cutaway.report.templates import templates
from cutaway.report.verify.inline import Likely, cited_in, numbers, quotes
from cutaway.report.verify.model import Block, Cited, Claim, Document, Heading, Row, Table

__all__ = ["header_facts", "read_markdown"]

_FENCE = re.compile(r"^\s*(`{3,}|~{3,})\s*([\w+-]*)")
_HEADING = re.compile(r"^(#{1,6})\s+(.*?)\s*#*$")
_BULLET = re.compile(r"^(\s*)(?:[-*+]|\d+[.)])\s+")
_RULER = re.compile(r"^\s*\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*$")
_FACT = re.compile(r"^\*\*([\w -]+):\*\*\s*(.*?)\s*$")
_PATHS = re.compile(r"(?i)^(?:path|where|location|file|recommended place)s?$")  # columns that hold paths
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z`\[*])")


def read_markdown(text: str, name: str, likely: Likely) -> Document:
    """The document; `likely` says which words are paths of the repository."""
    lines = text.splitlines()
    facts = header_facts(text)
    document = Document(
        name, _kind(lines), commit=facts["commit"], source=facts["source"], llm=_llm(facts["llm-related"])
    )
    section, title = "", Heading("", 0, 1, [])
    paragraph: list[tuple[int, str]] = []
    at = 0
    while at < len(lines):
        line, number = lines[at], at + 1
        heading, fence = _HEADING.match(line), _FENCE.match(line)
        table = "|" in line and at + 1 < len(lines) and "-" in lines[at + 1] and _RULER.match(lines[at + 1])
        if paragraph and (not line.strip() or heading or fence or table or _BULLET.match(line)):
            _paragraph(document, paragraph, likely)
            paragraph = []
        if fence:
            at = _fenced(document, lines, at, fence, likely)
            title.body.append((number, document.blocks[-1].text))
            continue
        document.prose.append((number, line))
        if heading:
            section = heading[2]
            title = Heading(section, len(heading[1]), number, [])
            document.headings.append(title)
        elif table:
            end = next((i for i in range(at + 2, len(lines)) if "|" not in lines[i]), len(lines))
            document.prose += [(i + 1, lines[i]) for i in range(at + 1, end)]
            title.body.extend((i + 1, lines[i]) for i in range(at + 2, end))
            _table(document, lines, at, end, section, likely)
            at = end
            continue
        elif line.strip():
            paragraph.append((number, line))
            title.body.append((number, line))
        at += 1
    if paragraph:
        _paragraph(document, paragraph, likely)
    return document


def header_facts(text: str) -> dict[str, str]:
    """What the lines above the first section say: `commit`, `source` (where the repository is), `llm-related`."""
    head = re.split(r"^## ", text, maxsplit=1, flags=re.MULTILINE)[0]
    said = {
        m[1].lower(): m[2].strip("`<> ") for line in head.splitlines() if (m := _FACT.match(line.strip()))
    }
    commit = re.search(r"[0-9a-f]{7,64}", said.get("commit", ""))
    return {
        "commit": commit[0] if commit else "",
        "source": said.get("local clone") or said.get("repo", ""),
        "llm-related": said.get("llm-related", ""),
    }


def _kind(lines: list[str]) -> str:
    first = next((m[2] for line in lines if (m := _HEADING.match(line))), "")
    return next((kind for kind, t in templates().items() if first.lower().startswith(t.title.lower())), "")


def _llm(said: str) -> bool | None:
    word = said.lower().split(" ")[0].strip(".,(")
    return {"yes": True, "true": True, "no": False, "false": False}.get(word)


def _fenced(document: Document, lines: list[str], at: int, fence: re.Match[str], likely: Likely) -> int:
    """Takes a fenced block in; the index of the line after it. Its lines that cite are claims."""
    close = re.compile(rf"^\s*{fence[1][0]}{{{len(fence[1])},}}\s*$")
    end = next((i for i in range(at + 1, len(lines)) if close.match(lines[i])), len(lines))
    document.blocks.append(Block(at + 2, fence[2].lower(), "\n".join(lines[at + 1 : end])))
    if document.blocks[-1].language != "mermaid":
        for i in range(at + 1, end):
            cited = cited_in(lines[i], i + 1, likely)
            _claim(document, "code", i + 1, lines[i], cited, likely)
    return end + 1


def _table(document: Document, lines: list[str], at: int, end: int, section: str, likely: Likely) -> None:
    header = _cells(lines[at])
    rows = [Row(i + 1, _cells(lines[i])) for i in range(at + 2, end)]
    document.tables.append(Table(at + 1, section, header, [Row(at + 2, _cells(lines[at + 1])), *rows]))
    for row in rows:
        cited: list[Cited] = []
        for i, cell in enumerate(row.cells):
            paths = i < len(header) and bool(_PATHS.match(header[i].strip("`* ")))
            bare = paths and "`" not in cell and re.fullmatch(r"[\w./+-]+", cell)
            cited += cited_in(f"`{cell}`" if bare else cell, row.line, likely, files=paths)
        _claim(document, "row", row.line, lines[row.line - 1], cited, likely)


def _cells(line: str) -> list[str]:
    """The cells of a row; a pipe that is escaped divides nothing."""
    inner = line.strip().removeprefix("|")
    inner = inner[:-1] if inner.endswith("|") and not inner.endswith("\\|") else inner
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", inner)]


def _paragraph(document: Document, lines: list[tuple[int, str]], likely: Likely) -> None:
    """A bullet with what continues it, or a paragraph, sentence by sentence."""
    text = " ".join(line.strip() for _, line in lines)
    if _BULLET.match(lines[0][1]):
        number = lines[0][0]
        _claim(document, "bullet", number, text, cited_in(text, number, likely), likely)
        return
    offset = 0
    for sentence in _SENTENCE.split(text):
        number = _line_at(lines, offset)
        _claim(document, "sentence", number, sentence, cited_in(sentence, number, likely), likely)
        offset += len(sentence) + 1


def _line_at(lines: list[tuple[int, str]], offset: int) -> int:
    """The number of the line on which the `offset`-th character of the joined lines stands."""
    for number, line in lines:
        if offset <= len(line.strip()):
            return number
        offset -= len(line.strip()) + 1
    return lines[-1][0]


def _claim(document: Document, kind: str, line: int, text: str, cited: list[Cited], likely: Likely) -> None:
    """Takes in what the text cites; with lines among it, the text is a claim about them."""
    document.cited += cited
    if any(c.start for c in cited):
        said = (_names(text, cited), ()) if kind == "code" else (quotes(text, likely), numbers(text))
        document.claims.append(Claim(kind, line, "", text.strip(), tuple(cited), *said))  # type: ignore[arg-type]


def _names(text: str, cited: list[Cited]) -> tuple[str, ...]:
    """The names on a line of pseudocode, without the places that it cites."""
    for place in cited:
        text = text.replace(place.path, " ")
    return tuple(re.findall(r"[A-Za-z_]\w*", text))
