# Call edges of languages that declare their types: C, C++, CUDA, Rust, Go, TypeScript. A method is looked up on the declared
# type of its receiver, a plain name in its file, its package, what it includes; a name with several definitions and
# nothing to choose by stays unresolved.
"""`Native(program).edges(path)`."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from cutaway.model.code import Call, Def, Edge, FileRecord
from cutaway.read.resolve import go_interfaces

if TYPE_CHECKING:
    from cutaway.read.program import Program

__all__ = ["LANGUAGES", "Native"]

FAMILY = {
    "c": "c",
    "cpp": "c",
    "cuda": "c",
    "rust": "rust",
    "go": "go",
    "typescript": "js",
    "javascript": "js",
}
LANGUAGES = frozenset(FAMILY)
TYPES = ("class", "struct", "enum", "trait", "interface", "type")
MANY = 16  # far ends of one call
_TEST = re.compile(
    r"(^|/)(tests?|testing|testdata|mocks?|fixtures?)(/|\.|_)|_tests?\.|(^|/)test_|conftest|/mock_"
)
_GENERIC = re.compile(r"<[^<>()]*>")
_PARTS = re.compile(r"::|->|\?\.|\.")
_WRAPPER = re.compile(
    r"\b(?:Arc|Rc|Box|Option|Mutex|RwLock|RefCell|Cell|Pin|Result|unique_ptr|shared_ptr|optional|Vec|vector|Promise|Readonly)\b"
)
_WORD = re.compile(r"[A-Za-z_]\w*")
_MADE = re.compile(
    r"^&?(?:mut\s+)?(?:new\s+|std::make_(?:unique|shared)<)?([A-Za-z_][\w:.]*?)(?:::(?:new|default|from|create|open|load|try_new|with_\w+|builder)\b|\{|>?\()"
)
_NEW = re.compile(r"^(?:[a-z]\w*\.)?New([A-Z]\w*)\(")
_NOISE = {
    "const",
    "mut",
    "dyn",
    "struct",
    "class",
    "static",
    "impl",
    "std",
    "ref",
    "auto",
    "let",
    "var",
    "inline",
    "crate",
    "super",
    "self",
}


class Native:
    """Edges of files in declared languages."""

    def __init__(self, program: Program):
        self.program = program
        self._types: dict[tuple[str, str], str] = {}
        self._included: dict[str, set[str]] = {}
        self._locals: dict[str, dict[str, list[Def]]] = {}

    @cached_property
    def methods(self) -> dict[str, list[tuple[str, Def]]]:
        """`Type.method` (its last two parts) -> definitions; plain names too, those that are no methods."""
        table: dict[str, list[tuple[str, Def]]] = defaultdict(list)
        for path in self.program.paths:
            record = self.program.record(path)
            if record.language in LANGUAGES:
                for definition in record.defs:
                    parts = definition.name.split(".")
                    table[".".join(parts[-2:])].append((path, definition))
                    if len(parts) > 1 and definition.kind in ("function", "kernel", *TYPES):
                        table[parts[-1]].append((path, definition))
        return table

    @cached_property
    def implementers(self) -> dict[str, list[str]]:
        """A trait or interface -> the types that implement it."""
        table: dict[str, list[str]] = defaultdict(list)
        for path in self.program.paths:
            record = self.program.record(path)
            if record.language in LANGUAGES:
                for mark in record.marks:
                    if mark.kind == "impl" and mark.detail.get("trait"):
                        table[_last(mark.detail["trait"])].append(_last(mark.name))
                for definition in record.defs if record.language != "go" else ():  # Go's are embedded fields
                    for base in definition.bases:
                        table[_last(base)].append(definition.name.rpartition(".")[2])
        for interface, types in go_interfaces.implementers(self.program).items():
            table[interface] += types
        return table

    def edges(self, path: str) -> list[Edge]:
        """Every call of a file with what it reaches."""
        record = self.program.record(path)
        found = [e for call in record.calls for e in self._call(path, record, call)]
        distinct = {(e.scope, e.line, e.callee, e.path, e.symbol): e for e in reversed(found)}
        return sorted(distinct.values(), key=lambda e: (e.line, e.scope, e.callee, e.path, e.symbol))

    def _call(self, path: str, record: FileRecord, call: Call) -> Iterator[Edge]:
        callee = _GENERIC.sub("", _GENERIC.sub("", call.callee)).strip()
        parts = [p for p in _PARTS.split(callee) if p]
        if not parts or not _WORD.fullmatch(parts[-1]):
            yield Edge(call.scope, call.line, call.callee, "unresolved", why="a computed callee or a macro")
            return
        found, origin = self._targets(path, record, call, parts)
        if "launch" in call.how and found:
            origin = "kernel_launch"
        for where, definition in found[:MANY]:
            yield Edge(call.scope, call.line, call.callee, origin, where, definition.name, definition.line)
        if not found:
            yield Edge(call.scope, call.line, call.callee, "unresolved", why=origin)

    def _targets(
        self, path: str, record: FileRecord, call: Call, parts: list[str]
    ) -> tuple[list[tuple[str, Def]], str]:
        name = parts[-1]
        if len(parts) == 1:
            return self._plain(path, record, call, name)
        head = parts[-2]
        owner = self._owner(record, call.scope)
        if parts[0] in ("self", "this", "Self") and len(parts) == 2:
            return (
                self._on(path, record, owner, call, name, "self_method")
                if owner
                else ([], "outside of a type")
            )
        declared = self._type_of(path, record, call.scope, parts[:-1], owner)
        if declared:
            return self._on(path, record, declared, call, name, "receiver")
        is_type = head[:1].isupper() or head in self.types
        found = self._best(path, record, f"{head}.{name}", call) if not is_type or head in self.types else []
        if found:
            return found, "receiver" if is_type else "module_attribute"
        if package := self._package(record, head):
            inside = [
                (p, d)
                for p, d in self.methods.get(name, ())
                if p.rpartition("/")[0].endswith(package) and "." not in d.name
            ]
            return inside[:1], "imported" if inside else f"`{head}` is outside of this repository"
        return [], f"the type of `{'.'.join(parts[:-1])[:60]}` is not declared where it can be read"

    def _plain(
        self, path: str, record: FileRecord, call: Call, name: str
    ) -> tuple[list[tuple[str, Def]], str]:
        local = self._local(path, record).get(name)
        owner = self._owner(record, call.scope)
        if (
            owner
            and FAMILY[record.language] == "c"
            and (found := self._best(path, record, f"{owner}.{name}", call))
        ):
            return found, "self_method"
        if local:
            bodies = [d for d in local if "declaration" not in d.flags] or local
            fitting = [d for d in bodies if len(d.params) == len(call.args)] or bodies  # overloads
            return (
                ([(path, _meant(bodies, call))], "local")
                if len(fitting) == 1 or len({d.kind for d in fitting}) == 1
                else ([], "overloaded")
            )
        found = self._best(path, record, name, call)
        return (
            (found, "include" if FAMILY[record.language] == "c" else "imported")
            if found
            else ([], f"`{name}` has no single definition here")
        )

    def _local(self, path: str, record: FileRecord) -> dict[str, list[Def]]:
        """What a plain name can call in its own file, by name."""
        if path not in self._locals:
            table = self._locals[path] = defaultdict(list)
            for definition in record.defs:
                if definition.kind in ("function", "kernel", "macro", *TYPES):
                    table[definition.name.rpartition(".")[2]].append(definition)
        return self._locals[path]

    def _on(
        self, path: str, record: FileRecord, declared: str, call: Call, name: str, origin: str
    ) -> tuple[list[tuple[str, Def]], str]:
        """A method of a declared type, or of the types that implement it."""
        found = self._best(path, record, f"{declared}.{name}", call)
        if found and "abstract" not in found[0][1].flags and "declaration" not in found[0][1].flags:
            return found, origin
        below = [
            f
            for t in sorted(set(self.implementers.get(declared, ())))
            for f in self._best(path, record, f"{t}.{name}", call)
        ]
        below = [f for f in below if not is_test(f[0])] or (below if is_test(path) else [])
        if below:
            return below, "override"
        return (found, origin) if found else ([], f"`{declared}` has no `{name}` in this repository")

    def _best(self, path: str, record: FileRecord, key: str, call: Call) -> list[tuple[str, Def]]:
        """The one definition of a name that this file means: its own, its folder's, the only one."""
        family = FAMILY[record.language]
        found = [
            (p, d)
            for p, d in self.methods.get(key, ())
            if FAMILY.get(self.program.record(p).language) == family
        ]
        if family == "c":
            seen = self.included(path)
            found = [
                f for f in found if f[0] == path or f[0] in seen or _stem(f[0]) in {_stem(h) for h in seen}
            ]
        bodies = [f for f in found if "declaration" not in f[1].flags] or found
        if family == "c":
            bodies = [
                (p, _meant([d for q, d in bodies if q == p], call))
                for p in dict.fromkeys(p for p, _ in bodies)
            ]
        for near in (path, path.rpartition("/")[0], path.rpartition("/")[0].rpartition("/")[0]):
            close = [
                f for f in bodies if f[0] == near or (f[0] != path and near and f[0].startswith(near + "/"))
            ]
            if len({f[0] for f in close}) == 1 or (close and close[0][0] == path):
                return close[:1]
        return bodies[:1] if len({f[0] for f in bodies}) == 1 else []

    def included(self, path: str) -> set[str]:
        """The files of this repository that a C or C++ file includes, at any depth."""
        if path not in self._included:
            seen: set[str] = set()
            waiting = [path]
            while waiting and len(seen) < 400:
                here = waiting.pop()
                for one in self.program.record(here).imports:
                    ends = one.module.strip('"<>').removeprefix("./").lstrip("./")
                    for found in self._headers.get(ends.rpartition("/")[2], ()):
                        if found.endswith(ends) and found not in seen:
                            seen.add(found)
                            waiting.append(found)
            self._included[path] = seen
        return self._included[path]

    @cached_property
    def _headers(self) -> dict[str, list[str]]:
        table: dict[str, list[str]] = defaultdict(list)
        for path in self.program.paths:
            if FAMILY.get(self.program.record(path).language) == "c":
                table[path.rpartition("/")[2]].append(path)
        return table

    def _owner(self, record: FileRecord, scope: int) -> str:
        """The type whose method a scope is."""
        while scope >= 0:
            definition = record.defs[scope]
            if definition.kind == "method" or (
                definition.kind in ("function", "kernel")
                and definition.name[:1].isupper()
                and "." in definition.name
            ):
                return definition.name.split(".")[-2]
            scope = definition.parent
        return ""

    def _type_of(self, path: str, record: FileRecord, scope: int, parts: list[str], owner: str) -> str:
        """The declared type of `a.b.c`, by its first name and the fields on the way."""
        first, rest = parts[0], parts[1:]
        current = owner if first in ("self", "this") else self._variable(path, record, scope, first)
        for field in rest:
            if not current:
                return ""
            current = self.fields.get((current, field), "")
        return current

    @cached_property
    def types(self) -> set[str]:
        """The names of the types that this repository defines."""
        return {n for n, rows in self.methods.items() if any(d.kind in TYPES for _, d in rows)}

    @cached_property
    def fields(self) -> dict[tuple[str, str], str]:
        """(type, field) -> the field's type."""
        table: dict[tuple[str, str], str] = {}
        for path in self.program.paths:
            record = self.program.record(path)
            if record.language in LANGUAGES:
                for mark in record.marks:
                    if mark.kind == "field" and mark.scope >= 0:
                        owner = record.defs[mark.scope].name.rpartition(".")[2]
                        table.setdefault((owner, mark.name), self._named(mark.detail.get("annotation", "")))
        return table

    def _variable(self, path: str, record: FileRecord, scope: int, name: str) -> str:
        key = (f"{path}:{scope}", name)
        if key not in self._types:
            self._types[key] = self._declared(record, scope, name)
        return self._types[key]

    def _declared(self, record: FileRecord, scope: int, name: str) -> str:
        while True:
            for bind in record.binds:
                if bind.scope == scope and bind.target == name:
                    if bind.annotation and (found := self._named(bind.annotation)):
                        return found
                    made = _NEW.match(bind.value) or _MADE.match(bind.value)
                    if made and (found := self._named(made[1])):
                        return found
            if scope < 0:
                return ""
            for parameter in record.defs[scope].params:
                if parameter.name.lstrip("&*").removeprefix("mut ") == name:
                    return self._named(parameter.annotation)
            if record.language == "go" and record.defs[scope].kind == "method":
                receiver = re.match(r"func \(\s*(\w+)\s", record.defs[scope].signature)
                if receiver and receiver[1] == name:
                    return record.defs[scope].name.split(".")[-2]
            scope = record.defs[scope].parent

    def _named(self, text: str) -> str:
        """The type of this repository that an annotation names."""
        words = [w for w in _WORD.findall(_WRAPPER.sub(" ", text)) if w not in _NOISE]
        return next((w for w in words if any(d.kind in TYPES for _, d in self.methods.get(w, ()))), "")

    def _package(self, record: FileRecord, head: str) -> str:
        for one in record.imports:
            if one.name == head or one.module.rpartition("/")[2] == head:
                return one.module.rpartition("/")[2] if record.language == "go" else ""
        return ""


def _meant(bodies: list[Def], call: Call) -> Def:
    """Of the definitions of one name in one file the one that takes as many arguments; of several functions the longest,
    for the others are mostly stubs for what is not built."""
    fitting = [d for d in bodies if len(d.params) == len(call.args)] or bodies
    return max(fitting, key=lambda d: d.end - d.line if d.kind != "macro" else 0)


@lru_cache(maxsize=32768)
def is_test(path: str) -> bool:
    """Does a file belong to tests, by its name?"""
    return bool(_TEST.search(path))


def _stem(path: str) -> str:
    return path.rpartition("/")[2].partition(".")[0]


def _last(text: str) -> str:
    words = _WORD.findall(_GENERIC.sub("", text))
    return words[-1] if words else ""
