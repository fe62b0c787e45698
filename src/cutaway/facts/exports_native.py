# C and C++ let out what a public header declares: one in a folder `include`, at the root, or one whose declarations bear a
# macro of export. Programs, examples and bindings that include it show what of it is used.
"""`header_units(program, shown)`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cutaway.facts.outermost import is_outermost
from cutaway.facts.roles import PRODUCT, role_of
from cutaway.facts.shown import Showing, Shown, words_of
from cutaway.facts.unit import TYPES, Item, Unit
from cutaway.model.code import Def, FileRecord
from cutaway.read.program import Program

__all__ = ["header_units"]

SHOWS = ("example", "benchmark")
HEADERS = (".h", ".hpp", ".hh", ".hxx")
_INCLUDE = re.compile(r"(^|/)include/")
_BUILT = re.compile(r"librar|module|extension|executable", re.IGNORECASE)  # and no custom target, test or folder
_EXPORT = re.compile(r"^(?:extern\s+\"C\"\s+|class\s+|struct\s+)?[A-Z][A-Z0-9_]*(?:API|EXPORTS?|PUBLIC|DLL|SHARED)\w*\b")


def header_units(program: Program, shown: Shown) -> list[Unit]:
    """The public headers that somebody uses, or that say themselves what they export; none of what makes programs alone."""
    if _makes_programs(program):
        return []
    public = dict(_public(program, shown))
    units = []
    for path, (kept, marked) in public.items():
        shows = shown.using(_user(_base(path)))
        shows += [_as_showing(program, p) for p in public if _includes(program, p, path)]
        items = [Item(path, d) for d in kept if d.kind in ("function", *TYPES)]
        if items and (shows or marked):
            why = "a macro exports it" if marked else "a public header declares it"
            units.append(Unit(_base(path).partition(".")[0], why, items, shows, marked))
    return units


def _makes_programs(program: Program) -> bool:
    """Whether CMake builds programs and no library: then its headers are nobody else's, those that it carries included. A
    library of headers alone goes by the project's name."""
    kinds = set()
    for path in program.paths:
        folder = path[: path.rfind("/") + 1]  # by its own name a CMakeLists.txt is a text
        if program.record(path).language == "cmake" and role_of(f"{folder}build.cmake") in PRODUCT:
            marks = program.record(path).marks
            titles = {m.name for m in marks if m.kind == "title"}
            for mark in marks:
                if mark.kind == "target" and _BUILT.search(mark.detail.get("callee", "")):
                    kind = mark.detail.get("type", "")
                    whole = kind == "interface" and (mark.name in titles or "$" in mark.name)
                    kinds.add("library" if whole else kind)
    return "executable" in kinds and "library" not in kinds


def _public(program: Program, shown: Shown) -> Iterator[tuple[str, tuple[list[Def], bool]]]:
    """Header -> the definitions that it lets out, and whether macros mark them. Where nothing says what is public, it is what
    examples include; and so is what stands beside a marked header and wraps it."""
    headers = [p for p in program.paths if p.endswith(HEADERS) and role_of(p) in PRODUCT]
    marked = {p: [d for d in program.record(p).defs if _EXPORT.search(d.signature)] for p in headers}
    placed = {p for p in headers if "/" not in p or _INCLUDE.search(p) or marked[p]}
    taken = {_base(m) for one in shown.files if role_of(one.path) in SHOWS for m in one.imports}
    for path in headers:
        beside = [p for p in placed if p.rpartition("/")[0] == path.rpartition("/")[0]]
        wraps = any(marked[p] and _includes(program, path, p) for p in beside)
        if path in placed or (_base(path) in taken and (not placed or wraps)):
            record = program.record(path)
            yield path, (marked[path] or [d for d in record.defs if _is_face(record, d)], bool(marked[path]))


def _base(path: str) -> str:
    return path.rpartition("/")[2]


def _includes(program: Program, path: str, other: str) -> bool:
    return path != other and any(_base(i.module) == _base(other) for i in program.record(path).imports)


def _as_showing(program: Program, path: str) -> Showing:
    """A public header that is made of another one uses what it wraps."""
    record = program.record(path)
    return Showing(path, words_of(record), frozenset(i.module for i in record.imports))


def _is_face(record: FileRecord, definition: Def) -> bool:
    """A function or type that stands in no other type."""
    whole = definition.kind in ("class", "struct") and definition.end > definition.line
    return (whole or definition.kind == "function") and is_outermost(record, definition)


def _user(header: str):
    named = re.compile(rf"#\s*include\s*[<\"][^>\"\n]*\b{re.escape(header)}[>\"]")

    def uses(one: Showing) -> bool:
        return any(_base(m) == header for m in one.imports) or bool(one.text and named.search(one.text))

    return uses

