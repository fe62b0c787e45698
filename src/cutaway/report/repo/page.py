# What every section of a report writes with: pointers to definitions, links to places, tables; and the few facts that are
# read from the README at the moment they are quoted.
"""`Page`: the facts and how to point at them."""

from __future__ import annotations

import re
from collections import Counter
from functools import cached_property
from html import unescape
from typing import TYPE_CHECKING, Any

from cutaway.facts.describing import describes, sentence
from cutaway.facts.roles import role_of
from cutaway.report.escape import code, one_line, prose
from cutaway.report.evidence import Citation, link

if TYPE_CHECKING:
    from cutaway.read.program import Program

__all__ = ["Page"]

LONG = 240  # characters of a paragraph
DETAILS = 3  # places of one detail

_README = re.compile(r"^(?P<folder>[^/]+/)?readme(\.(md|rst|txt))?$", re.IGNORECASE)
_BADGE = re.compile(r"^\s*(\[!\[|!\[|<|\[.*\]\(.*\)\s*$|\||---|===|```|\.\.)")
_LIST = re.compile(r"^(\s*)[-*+]\s+(.{12,300})$")
_ITEM = re.compile(r"\s*([-*+]|\d+[.)]|:\w+:)\s")  # of a list, or a field of reStructuredText
_ORNAMENT = re.compile(r"^[^\w\"'(\[]+")  # a check mark or picture that an item begins with
_MARKUP = re.compile(
    r"!?\[([^\]]*)\](?:\([^)]*\)|\[[^\]]*\])?|[*`]{1,3}|(?<!\w)_{1,3}(?=\w)|(?<=\w)_{1,3}(?!\w)|<[^>]*>|:[a-z_]+:|^\s*>\s?"
)
_FEATURES = re.compile(
    r"(?i)feature|highlight|\bwhy\b|is (fast|easy|flexible|built|designed)|supports?\b|offers|provides|goals|benefits"
)
_HOW = re.compile(  # headings of what says how to use it and no longer what it is for
    r"(?i)install|usage|\buse\b|getting.started|quick.?start|setup|build|require|licen[sc]e|contribut|develop|test|changelog|example|"
    r"\bnews\b|\bupdates?\b|sponsor|donat|funding|announce|release|\bindex\b|contents"
)
_NOTICE = re.compile(  # what a README says of itself and its makers before it says what the thing is
    r"(?i)no longer (maintained|developed|supported)|\b(deprecated|archived|read-?only|unmaintained|discontinued)\b|"
    r"(been|be|was|has|have) (merged|moved|renamed|superseded)|hiring|maintaining|donat|sponsor|(join|follow) us|reach out|:$"
)
_DESCRIPTION = re.compile(r"""\s*["']?description["']?\s*[=:]\s*["']?(.{10,}?)["']?,?\s*$""")
_OF_CMAKE = re.compile(r"""\s*(?:project\(.*\s)?DESCRIPTION\s+"([^"]{10,})"\s*\)?\s*$""")
_TAGGED = re.compile(r"\s*<(h[1-6]|p|figcaption)\b", re.IGNORECASE)  # a heading or paragraph in HTML, and its end
_UNTAGGED = re.compile(r"</(h[1-6]|p|figcaption)>", re.IGNORECASE)
_CODE = re.compile(r"[(){}]|\w\.\w+\b$|^\w+$")  # `description=read("README")`: no text but what makes one
_REFERS = re.compile(
    r"(?i)^(documentation|source code|docs|website|license|homepage|paper|blog|news|see|install)\b.{0,20}:"
    r"|^([\w -]{1,40}:\s*)?<?https?:"
)
_PLACES = re.compile(r" (?:at|in|after|before|on) line \d+(?: of \S+)?|\(line \d+\)")
_SAID = re.compile(r"(`[^`]+`|[\w./-]+\.\w+:\d+)")


Claim = tuple[str, tuple[str, int, int]]  # a text, and (path, first line, last line)


class Page:
    """The facts of a report, and its words."""

    def __init__(self, facts: dict[str, Any], program: Program):
        self.facts, self.program = facts, program
        self.repo: dict[str, Any] = facts["repo"]
        self.remote = program.source.url
        self.commit = program.source.commit if not getattr(program.source, "dirty", False) else ""

    def place(self, path: str, line: int, end: int = 0, *, cell: bool = False) -> str:
        """`path:line` as code, a permalink where the remote has them."""
        return link(Citation(path, line, max(line, end)), self.remote, self.commit, cell=cell)

    def path(self, path: str) -> str:
        """A path in a table."""
        return code(path, cell=True)

    def pointer(self, row: dict[str, Any], *, cell: bool = False) -> str:
        """A definition and its place."""
        symbol = row.get("symbol") or ""
        place = self.place(row["path"], row["line"], cell=cell)
        return f"{code(symbol, cell=cell)} {place}" if symbol else place

    def at(self, where: str) -> str:
        """` (path:line)` for a place in text, '' for none."""
        path, _, line = where.rpartition(":")
        if line.isdigit() and path in self.program:
            return f" ({self.place(path, int(line))})"
        return f" ({code(where)})" if where in self.program else ""

    def said(self, evidence: dict[str, Any]) -> str:
        """A piece of evidence with its place."""
        text = prose(one_line(str(evidence.get("text") or evidence.get("name") or ""), 100))
        return f"{text} {self.place(evidence['path'], evidence['line'])}" if evidence.get("line") else text

    def why(self, row: dict[str, Any]) -> str:
        """The first evidence of a row, without its place; names are quoted only if they stand on the row's own line."""
        evidence = (row.get("evidence") or [{}])[0]
        text = one_line(str(evidence.get("why") or evidence.get("text") or "-"), 90)
        here = (evidence.get("path"), evidence.get("line")) == (row["path"], row["line"])
        return self.words(text) if here else prose(text.replace("`", ""))

    def because(self, row: dict[str, Any], *, cell: bool = False) -> str:
        """Why a row is in its list, with the line that shows it where that is another."""
        proof = (row.get("evidence") or [{}])[0]
        same = (proof.get("path"), proof.get("line")) in ((row["path"], row["line"]), (None, None))
        return self.why(row) + ("" if same else f" ({self.place(proof['path'], proof['line'], cell=cell)})")

    def quoted(self, name: str, path: str, line: int, *, cell: bool = False) -> str:
        """A name as code if it stands on a line, or its last part does, else in plain words."""
        last = name.rpartition(".")[2] or name
        stands = re.search(rf"(?<![\w$]){re.escape(last)}(?![\w$])", self.line(path, line))
        return code(name, cell=cell) if stands else prose(name)

    def words(self, text: str) -> str:
        """A detector's sentence: what stands in backticks as code, places as links, the rest as prose."""
        parts = _SAID.split(_PLACES.sub("", text).strip())
        return "".join(self._word(part, begins=not at) for at, part in enumerate(parts)).strip()

    def _word(self, part: str, *, begins: bool) -> str:
        """One part of a sentence; what begins none cannot be taken for a list or a heading."""
        path, _, line = part.rpartition(":")
        if line.isdigit() and path in self.program:
            return self.place(path, int(line))
        if part[:1] == part[-1:] == "`" and len(part) > 2:
            return code(part[1:-1])
        before, after = (" " if part[at : at + 1].isspace() else "" for at in (0, len(part) - 1))
        if not part.strip():
            return part
        return before + (prose(part) if begins else prose(f"a {part.strip()}")[2:]) + after

    def does(self, row: dict[str, Any], *, cell: bool = False) -> str:
        """What the definition's own docstring says; of a program's `main` also its file or the README beside it; else how
        it was found."""
        path, symbol = row["path"], row.get("symbol") or ""
        definition = self.program.definition(path, symbol)
        if definition and definition.doc:
            return prose(sentence(definition.doc, 140))
        folder = path.rpartition("/")[0]
        for beside in (path, f"{folder}/README.md" if folder else self.readme) if symbol == "main" else ():
            said = self.program.record(beside).doc if beside in self.program else ""
            said = _MARKUP.sub(r"\1", said) if beside != path else said
            if describes(said):
                return f"{prose(sentence(said, 140))} ({self.place(beside, self._begins(beside, said), cell=cell)})"
        return self.because(row, cell=cell)

    def _begins(self, path: str, text: str) -> int:
        """The line on which a file's description begins, with markup or as a comment."""
        start = text[:24].rstrip("…")
        plain = (_MARKUP.sub(r"\1", line).strip("#/*\"' ") for line in self.program.lines(path))
        return next((n for n, line in enumerate(plain, 1) if line.startswith(start)), 1)

    def details(self, *groups: str) -> list[str]:
        """Further facts about a part of the engine (`scheduling.chunking`), each with its line."""
        lines = []
        for group in groups:
            part, _, name = group.partition(".")
            found = self.facts["engine"].get(part, {})
            for title, rows in found.items() if isinstance(found, dict) else [(part, found)]:
                if rows and name in ("", title):
                    said = "; ".join(
                        f"{self._detail(r)} {self.place(r['path'], r['line'])}" for r in rows[:DETAILS]
                    )
                    lines.append(f"- {prose(title.replace('_', ' '))}: {said}")
        return lines

    def _detail(self, row: dict[str, Any]) -> str:
        for key in ("condition", "expression", "what", "name"):
            if row.get(key):
                text = one_line(str(row[key]), 140)
                return (
                    code(text)
                    if key in ("condition", "name") and text in self.line(row["path"], row["line"])
                    else prose(text)
                )
        return prose(row.get("symbol") or "")

    def table(self, header: list[str], rows: list[list[str]]) -> list[str]:
        """A Markdown table; empty cells get a dash."""
        lines = ["| " + " | ".join(header) + " |", "| " + " | ".join("---" for _ in header) + " |"]
        return lines + ["| " + " | ".join(cell.strip() or "-" for cell in row) + " |" for row in rows]

    @cached_property
    def readme(self) -> str:
        """The README at the root, or, as a workspace often has only a link to one, that of the folder below it with the
        most code; '' without."""
        found = [m for p in self.program.paths if (m := _README.match(p)) and self.program.record(p).lines]
        if any(not m["folder"] for m in found) or not found:
            return next((m[0] for m in found if not m["folder"]), "")
        sizes: Counter[str] = Counter()
        for path in self.program.paths:
            if role_of(path) == "code":
                sizes[path.partition("/")[0] + "/"] += self.program.record(path).code_lines
        best = max(found, key=lambda m: sizes[m["folder"]])
        return best[0] if sizes[best["folder"]] else ""

    def line(self, path: str, line: int) -> str:
        """A line of the source, '' beyond its end."""
        lines = self.program.lines(path) if path in self.program else []
        return lines[line - 1] if 0 < line <= len(lines) else ""

    def about(self) -> Claim | None:
        """(sentence, (path, line, last line)): the manifest's description, else what the README first says."""
        manifests = ("pyproject.toml", "setup.cfg", "setup.py", "Cargo.toml", "package.json", "CMakeLists.txt")
        folder = self.readme.rpartition("/")[0]
        for path in (*manifests, *(f"{folder}/{name}" for name in manifests if folder)):
            if path in self.program:
                for number, line in enumerate(self.program.lines(path), 1):
                    match = (_OF_CMAKE if path.endswith("CMakeLists.txt") else _DESCRIPTION).match(line)
                    if match and not _CODE.search(match[1]):
                        return match[1].rstrip("."), (path, number, number)
        claims = self._paragraphs()
        if not claims:
            return None
        text, place = claims[0]
        return sentence(text, LONG).rstrip("."), place

    def claims(self) -> list[Claim]:
        """What the README says that the project does: the items of its list of features, or its first sentences."""
        path = self.readme
        if not path:
            found = self.about()
            return [found] if found else []
        items: list[Claim] = []
        leads, outer = False, None  # the indentation of a list's own items; those deeper are parts of one
        goes_on = False
        for number, line in enumerate(self.program.lines(path)[:200], 1):
            match, plain = _LIST.match(line), _MARKUP.sub(r"\1", line).strip()
            if match and leads:
                outer = len(match[1]) if outer is None else outer
                text = _ORNAMENT.sub("", unescape(_MARKUP.sub(r"\1", match[2])).strip())
                goes_on = len(match[1]) <= outer and not _BADGE.match(match[2]) and not text.endswith(":")
                if goes_on:
                    items.append((one_line(text, 200), (path, number, number)))
            elif outer is not None and line.startswith(" " * (outer + 2)) and line.strip():
                if goes_on:
                    items[-1] = one_line(f"{items[-1][0]} {plain}", 200), (path, items[-1][1][1], number)
            elif line.strip() and not match:
                outer, goes_on = None, False
                leads = bool(_FEATURES.search(line)) and (line.startswith("#") or line.rstrip().endswith(":"))
                if items and line.startswith("#"):
                    break
        return items[:6] or self._paragraphs()[:3]

    def _paragraphs(self) -> list[Claim]:
        """The README's prose, a paragraph each, of the lines from which its words are."""
        path = self.readme
        found: list[Claim] = []
        fenced = hidden = goes_on = tagged = False
        how = 0  # the level of the heading below which it is said how, 0 elsewhere
        for number, line in enumerate(self.program.lines(path)[:120] if path else (), 1):
            fenced ^= line.lstrip().startswith("```")
            begins_hidden = "<!--" in line and not hidden
            hidden = (hidden or begins_hidden) and "-->" not in line
            plain = unescape(_MARKUP.sub(r"\1", _MARKUP.sub(r"\1", line))).strip()  # markup in a quotation too
            tagged = (tagged or bool(_TAGGED.match(line))) and not _UNTAGGED.search(line)
            level = len(line) - len(line.lstrip("#"))
            if level and not fenced and (not how or level <= how):
                how = level if _HOW.search(line) else 0
            speaks = not (
                fenced
                or how
                or hidden
                or begins_hidden
                or not plain
                or "](" in plain  # a picture within a link
                or (line.startswith("    ") and not tagged)
                or plain.startswith("#")
                or _BADGE.match(line)
                or _REFERS.match(plain)
                or _ITEM.match(line)
            )
            if speaks and goes_on:
                text, (_, first, _) = found[-1]
                if len(text) < LONG:
                    found[-1] = one_line(f"{text} {plain}", LONG), (path, first, number)
            elif speaks:
                found.append((one_line(plain, LONG), (path, number, number)))
            goes_on = speaks
        found = [f for f in found if len(f[0]) > 30]
        return [f for f in found if not _NOTICE.search(f[0])] or found
