# What a Python library's own examples and documents use of it: a name need not stand at the top of a package to be its
# face. What several of them call or import is what a user touches, and what one of them derives from is there to be
# derived from; what one alone calls may be a detail.
"""`shown_objects(program, tops, alone)` and `shown_calls(program)`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from cutaway.facts.lookup import Lookup, lookup
from cutaway.facts.roles import role_of
from cutaway.model.code import Def
from cutaway.read.program import Program

__all__ = ["shown_calls", "shown_objects"]

SEVERAL = 2  # files that must use a thing where the packages export names of their own
MOST = 60  # things, those that most files use first
DOCUMENTS = 60  # read at most, those nearest to the root first
_FROM = re.compile(r"^(?:[ \t]*(?:>>> ?)?)from[ \t]+([\w.]+)[ \t]+import[ \t]+(\([^)]*\)|[^\n;(]+)", re.MULTILINE)
_CALLED = re.compile(r"\w\.([a-z]\w*)\(")
_NAME = re.compile(r"[A-Za-z_]\w*")

Place = tuple[str, Def]


def shown_objects(
    program: Program, tops: list[str], alone: bool
) -> Iterator[tuple[str, Def, list[tuple[str, int]]]]:
    """(path, definition, where it is used: path and line): public classes and functions of the packages `tops` that
    examples, benchmarks or documents use, the most used first. `alone`: the packages export nothing, so that one use is
    enough, as it is for a class that an example derives from; else it takes `SEVERAL`."""
    look = lookup(program)
    folders = tuple(t.removesuffix("__init__.py") for t in tops)
    used: dict[tuple[str, str], tuple[Place, dict[str, int]]] = {}
    for path, line, place in (*_by_programs(program, look), *_by_documents(program, look)):
        where, definition = place
        if definition.kind == "method":  # of a class that is used through it
            holder = program.definition(where, definition.name.rpartition(".")[0])
            where, definition = place = (where, holder or definition)
        whole = definition.kind in ("class", "function") and not re.search(r"(^|\.)_", definition.name)
        if whole and where.startswith(folders) and role_of(where) == "code":
            used.setdefault((where, definition.name), (place, {}))[1].setdefault(path, line)
    bases = {(path, definition.name) for path, definition in _derived_from(program, look)}
    often = [one for key, one in used.items() if len(one[1]) >= (1 if alone or key in bases else SEVERAL)]
    often.sort(key=lambda one: (-len(one[1]), one[0][0], one[0][1].line))
    for (path, definition), places in often[:MOST]:
        yield path, definition, sorted(places.items())


def shown_calls(program: Program) -> Counter[str]:
    """The names after a dot that examples, benchmarks and documents call, with the number of files that do."""
    found: Counter[str] = Counter()
    for path in program.paths:
        if path.endswith(".py") and role_of(path) in ("example", "benchmark"):
            found.update({c.callee.rpartition(".")[2] for c in program.record(path).calls if "." in c.callee})
    for path in _documents(program):
        found.update(set(_CALLED.findall(program.text(path))))
    return found


def _documents(program: Program) -> list[str]:
    texts = [p for p in program.paths if p.endswith((".md", ".rst")) and role_of(p) not in ("vendored", "test")]
    return sorted(texts, key=lambda p: (p.count("/"), p))[:DOCUMENTS]


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


def _derived_from(program: Program, look: Lookup) -> Iterator[Place]:
    """The classes that the classes of examples derive from."""
    for path in program.paths:
        if path.endswith(".py") and role_of(path) == "example":
            for base in (base for d in program.record(path).defs for base in d.bases):
                if place := look.follow(path, base):
                    yield place


def _by_documents(program: Program, look: Lookup) -> Iterator[tuple[str, int, Place]]:
    """What the code in documents imports by name."""
    for path in _documents(program):
        text = program.text(path)
        for found in _FROM.finditer(text):
            module = look.modules.find(found[1])
            for name in _NAME.findall(re.sub(r"\bas\s+\w+|#[^\n]*", "", found[2])) if module else ():
                if place := look.follow(module, name):
                    yield path, text.count("\n", 0, found.start()) + 1, place
