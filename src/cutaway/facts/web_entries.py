# Where a program in TypeScript or JavaScript is entered without a command: the script that a page loads, and the file that a
# package's users import.
"""`web_entries(program)`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from posixpath import join, normpath
from typing import Any

from cutaway.facts.lookup import evidence
from cutaway.facts.roles import role_of
from cutaway.read.program import Program

__all__ = ["web_entries"]

_SCRIPT = re.compile(r"<script\b(?=[^>]*\btype=[\"']module[\"'])[^>]*\bsrc=[\"']([^\"'?#]+)")
_ENDINGS = (".ts", ".tsx", ".js", ".jsx", ".mts", ".mjs")
_SOURCES = ("src/index", "index", "src/main", "src/lib/index", "lib/index")

Entry = tuple[str, str, int, str, dict[str, Any]]


def web_entries(program: Program) -> Iterator[Entry]:
    """(kind, path, line, name, evidence); kinds: page, library. The file's own statements are what runs, or what it exports."""
    for path in program.paths:
        folder, _, name = path.rpartition("/")
        if role_of(path) != "code":
            continue
        if name.endswith(".html"):
            yield from _loaded(program, path, folder)
        elif name == "package.json":
            yield from _exported(program, path, folder)


def _loaded(program: Program, path: str, folder: str) -> Iterator[Entry]:
    for number, line in enumerate(program.lines(path), 1):
        for found in _SCRIPT.finditer(line):
            script = normpath(join(folder, found[1].lstrip("/")))
            if script in program:
                yield "page", script, 1, path, evidence(program, path, number, "a page loads it")


def _exported(program: Program, path: str, folder: str) -> Iterator[Entry]:
    """A package says where it lies once it is built; of its sources the file of that name, or the one that is so by custom."""
    marks = program.record(path).marks
    name = next((m.name for m in marks if m.kind == "title" and m.name), "")
    main = next((m for m in marks if m.kind == "target" and m.detail.get("type") == "main"), None)
    if main is None or not name:
        return
    files = [main.name, *(stem + end for stem in _SOURCES for end in _ENDINGS)]
    source = next((f for one in files if (f := normpath(join(folder, one))) in program), "")
    if source and role_of(source) == "code":
        yield "library", source, 1, name, evidence(program, path, main.line, f"who imports {name} imports it")
