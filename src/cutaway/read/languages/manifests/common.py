# What readers of manifests share: a record of marks alone, dependency specifications, and finding the line of a key in formats
# whose parsers forget lines.
"""Helpers of manifest readers. All of them read text within bounds; none evaluates it."""

from __future__ import annotations

import re
from bisect import bisect_right

from cutaway.model.code import MODULE, Def, FileRecord, Import, Mark
from cutaway.read.languages.text import one_line

__all__ = ["MANY", "Lines", "Notes", "dependency", "shell_commands"]

MANY = 3000  # marks of one file; more is data
LONG = 60  # lines of one command
_QUOTED_OR_COMMENT = re.compile(r"""('[^']*'|"(?:\\.|[^"\\])*"|\\.)|\s#.*$""")
_PRINTS = re.compile(r"(?:sudo\s+)?(?:cat|tee|echo|printf|read)\b[^|;&]*<<-?\s*[\"']?(\w+)")  # a text, not what a shell is told
_SPEC = re.compile(r"\s*([A-Za-z0-9][\w.\-]*)\s*(\[[^\]]*\])?\s*(.*)")


class Notes:
    """Marks and definitions under way."""

    def __init__(self, language: str, text: str):
        self.language, self.text = language, text
        self.marks: list[Mark] = []
        self.defs: list[Def] = []
        self.imports: list[Import] = []
        self.doc = ""

    def mark(self, kind: str, line: int, name: str, scope: int = MODULE, /, **detail: str) -> None:
        if name and len(self.marks) < MANY:
            kept = {key: one_line(value, 400) for key, value in detail.items() if value}
            self.marks.append(Mark(kind, line, one_line(name, 400), scope, kept))

    def importing(self, line: int, module: str) -> None:
        self.imports.append(Import(MODULE, "", one_line(module, 200), "*", line))

    def record(self, comment: str = "#") -> FileRecord:
        lines = self.text.split("\n")
        if lines[-1] == "":
            lines.pop()
        code = sum(1 for line in lines if (s := line.strip()) and not (comment and s.startswith(comment)))
        marks = sorted(self.marks, key=lambda mark: mark.line)
        return FileRecord(
            self.language, len(lines), code, doc=self.doc, defs=self.defs, imports=self.imports, marks=marks
        )


class Lines:
    """Where something stands: the first line at or behind another that holds a text."""

    def __init__(self, text: str):
        self.text = text
        self.starts = [0, *(m.end() for m in re.finditer("\n", text))]

    def at(self, offset: int) -> int:
        return bisect_right(self.starts, offset)

    def of(self, needle: str, after: int = 1) -> int:
        """The line of `needle`, from line `after` on; `after` itself where it does not stand as written."""
        found = self.text.find(needle, self.starts[min(after, len(self.starts)) - 1])
        return self.at(found) if found >= 0 else after


def dependency(notes: Notes, line: int, text: str, **detail: str) -> None:
    """`name[extra]>=1 ; marker`, a URL or a path."""
    text = text.strip()
    found = _SPEC.match(text.split(" #")[0])
    if found and not re.match(r"[A-Za-z]+(\+[a-z]+)?://|\.{0,2}/", text):
        notes.mark(
            "dependency",
            line,
            found[1],
            version=found[3].strip().strip("()"),
            extras=found[2] or "",
            **detail,
        )


def shell_commands(lines: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """Commands of a shell text: continued lines and open quotes joined, prompts, comments and texts that are only
    printed off. (line, command) each."""
    commands: list[tuple[int, str]] = []
    first, parts = 0, []
    printed = ""  # the word that ends a text that is only shown or written
    for number, raw in lines:
        text = raw.strip()
        if printed:
            printed = "" if text == printed else printed
            continue
        if not parts:
            text = re.sub(r"^(\$|%|>)\s+", "", text)
            if not text or text.startswith("#"):
                continue
            first = number
        if "<<" not in text and not (parts and _open_quote(parts)):  # a here-document holds lines of its own
            text = _QUOTED_OR_COMMENT.sub(lambda found: found[1] or "", text)
        parts.append(text.removesuffix("\\").strip())
        if len(parts) < LONG and (text.endswith("\\") or _open_quote(parts)):
            continue
        commands.append((first, " ".join(parts).strip()))
        parts = []
        printed = found[1] if (found := _PRINTS.match(commands[-1][1])) else ""
    if parts:
        commands.append((first, " ".join(parts).strip()))
    return commands


def _open_quote(parts: list[str]) -> bool:
    text = re.sub(r"\\.|(?:^|\s)#.*$", "", " ".join(parts))
    text = re.sub(r"\"[^\"]*\"|'[^']*'", "", text)
    return "'" in text or '"' in text
