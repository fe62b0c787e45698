# What a Python library's own examples and documents use of it: a name need not stand at the top of a package to be its
# face. What several of them call, derive from or import is what a user touches; what one alone uses may be a detail.
"""`shown_objects(program, tops)`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cutaway.facts.lookup import Lookup, lookup
from cutaway.facts.roles import role_of
from cutaway.model.code import Def
from cutaway.read.program import Program

__all__ = ["shown_objects"]

SEVERAL = 2  # files that must use a thing
MOST = 40  # things, those that most files use first
DOCUMENTS = 60  # read at most, those nearest to the root first
_FROM = re.compile(r"^(?:[ \t]*(?:>>> ?)?)from[ \t]+([\w.]+)[ \t]+import[ \t]+(\([^)]*\)|[^\n;(]+)", re.MULTILINE)
_NAME = re.compile(r"[A-Za-z_]\w*")

Place = tuple[str, Def]


def shown_objects(program: Program, tops: list[str]) -> Iterator[tuple[str, Def, list[tuple[str, int]]]]:
    """(path, definition, where it is used: path and line): public classes and functions of the packages `tops` that at
    least `SEVERAL` examples, benchmarks or documents use, the most used first."""
    look = lookup(program)
    folders = tuple(t.removesuffix("__init__.py") for t in tops)
    used: dict[tuple[str, str], tuple[Place, dict[str, int]]] = {}
    for path, line, place in (*_by_programs(program, look), *_by_documents(program, look)):
        where, definition = place
        whole = definition.kind in ("class", "function") and not re.search(r"(^|\.)_", definition.name)
        if whole and where.startswith(folders) and role_of(where) == "code":
            used.setdefault((where, definition.name), (place, {}))[1].setdefault(path, line)
    often = [one for one in used.values() if len(one[1]) >= SEVERAL]
    often.sort(key=lambda one: (-len(one[1]), one[0][0], one[0][1].line))
    for (path, definition), places in often[:MOST]:
        yield path, definition, sorted(places.items())


def _by_programs(program: Program, look: Lookup) -> Iterator[tuple[str, int, Place]]:
    """What examples and benchmarks call, and what their classes derive from."""
    for path in program.paths:
        if not path.endswith(".py") or role_of(path) not in ("example", "benchmark"):
            continue
        record = program.record(path)
        names = [(c.callee, c.line) for c in record.calls]
        names += [(base, d.line) for d in record.defs for base in d.bases]
        for name, line in names:
            place = look.follow(path, name)
            if place and place[0] != path:
                yield path, line, place


def _by_documents(program: Program, look: Lookup) -> Iterator[tuple[str, int, Place]]:
    """What the code in documents imports by name."""
    texts = [p for p in program.paths if p.endswith((".md", ".rst")) and role_of(p) not in ("vendored", "test")]
    texts.sort(key=lambda p: (p.count("/"), p))
    for path in texts[:DOCUMENTS]:
        text = program.text(path)
        for found in _FROM.finditer(text):
            module = look.modules.find(found[1])
            for name in _NAME.findall(re.sub(r"\bas\s+\w+|#[^\n]*", "", found[2])) if module else ():
                if place := look.follow(module, name):
                    yield path, text.count("\n", 0, found.start()) + 1, place
