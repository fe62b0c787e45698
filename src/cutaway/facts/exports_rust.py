# Rust lets out what a crate's `lib.rs` makes public: what it defines, what it re-exports by name, and the public items of
# its public modules. Re-exports are the face; the rest of it is what others are seen to use.
"""`rust_units(program, shown)`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache

from cutaway.facts.roles import PRODUCT, role_of
from cutaway.facts.shown import Showing, Shown
from cutaway.facts.unit import TYPES, Item, Unit
from cutaway.model.code import Def, Import
from cutaway.read.program import Program

__all__ = ["rust_units"]

DEEP = 4  # modules within modules
_PUBLIC = re.compile(r"^\s*pub\s")
_STATEMENT = re.compile(r"^\s*(?:pub(?:\([^)]*\))?\s+)?(?:use|mod|extern)\b")


def rust_units(program: Program, shown: Shown) -> list[Unit]:
    """The crates with a library."""
    units = []
    manifests = [p for p in program.paths if p == "Cargo.toml" or p.endswith("/Cargo.toml")]
    texts = {p: program.text(p) for p in manifests}
    for path in manifests:
        folder = path.removesuffix("Cargo.toml")
        name = next((m.name for m in program.record(path).marks if m.kind == "title"), "")
        lib = f"{folder}src/lib.rs"
        if not name or lib not in program or role_of(lib) not in PRODUCT:
            continue
        ident = name.replace("-", "_")
        known = {ident, *_renamed(name, texts.values())}
        shows = shown.using(_user(known))
        items = list(_Crate(program, lib).items())
        units.append(Unit(ident, f"the crate {name} exports it", items, shows, True, _Uses(program, known)))
    return units


def _renamed(name: str, manifests: Iterable[str]) -> Iterator[str]:
    """The names under which others of the repository depend on a crate."""
    other = re.compile(rf'^\s*([\w-]+)\s*=\s*\{{[^}}\n]*package\s*=\s*"{re.escape(name)}"', re.MULTILINE)
    for text in manifests:
        for found in other.finditer(text):
            yield found[1].replace("-", "_")


def _user(known: set[str]) -> Callable[[Showing], bool]:
    named = re.compile(rf"\b(?:{'|'.join(sorted(map(re.escape, known)))})::")

    def uses(one: Showing) -> bool:
        return any(m.partition("::")[0] in known for m in one.imports) or bool(one.text and named.search(one.text))

    return uses


class _Uses:
    """Does a file use an item? By the full name that it imports, or by the module and then the name."""

    def __init__(self, program: Program, known: set[str]):
        self.program = program
        self.known = known
        self.imported = lru_cache(maxsize=None)(self._imported)

    def __call__(self, one: Showing, item: Item) -> bool:
        if item.local not in one.words and not one.text:
            return item.names & self.imported(one.path) != frozenset()
        if one.text:
            return item.local in one.words
        return any(n in self.imported(one.path) or n.rpartition("::")[0] in self.imported(one.path) for n in item.names)

    def _imported(self, path: str) -> frozenset[str]:
        """The names below the crate that a file imports, without the crate's; an alias of the file is followed."""
        record = self.program.record(path)
        alias = {i.name: f"{i.module}::{i.symbol}" for i in record.imports if i.symbol not in ("", "*")}
        found = set()
        for one in record.imports:
            head, _, rest = one.module.partition("::")
            module = f"{alias[head]}::{rest}" if head in alias and head not in self.known else one.module
            first, _, below = module.rstrip(":").partition("::")
            if first in self.known:
                found.add("::".join(filter(None, [below, one.symbol if one.symbol != "*" else ""])))
        return frozenset(found)


class _Crate:
    """The public items of one crate."""

    def __init__(self, program: Program, lib: str):
        self.program = program
        self.lib = lib

    def items(self) -> Iterator[Item]:
        """What can be named from outside."""
        found: dict[tuple[str, str], tuple[Def, set[str]]] = {}
        for path, definition, name in self._module(self.lib, ""):
            found.setdefault((path, definition.name), (definition, set()))[1].add(name)
        for (path, _), (definition, names) in found.items():
            if role_of(path) in PRODUCT:
                yield Item(path, definition, frozenset(names))

    def _module(self, path: str, below: str) -> Iterator[tuple[str, Def, str]]:
        """The items of a module with their names below the crate."""
        record = self.program.record(path)
        for one in record.imports:
            if one.scope >= 0 or not self._is_public(path, one):
                continue
            if one.module == "self":  # `pub mod name;`
                inner = self._file(path, one.symbol)
                if inner and below.count("::") < DEEP:
                    yield from self._module(inner, f"{below}{one.symbol}::")
            elif place := self._follow(path, one):
                yield *place, below + one.name
        for definition in record.defs:
            if definition.parent < 0 and "public" in definition.flags and definition.kind in ("function", *TYPES):
                yield path, definition, below + definition.name

    def _is_public(self, path: str, one: Import) -> bool:
        """Is the statement of an import `pub`? A list of names may begin lines above."""
        lines = self.program.lines(path)
        for number in range(min(one.line, len(lines)), max(0, one.line - 40), -1):
            if _STATEMENT.match(lines[number - 1]):
                return bool(_PUBLIC.match(lines[number - 1]))
        return False

    def _file(self, path: str, name: str) -> str | None:
        """The file of the module `name` declared in `path`."""
        folder, _, file = path.rpartition("/")
        if file not in ("lib.rs", "main.rs", "mod.rs"):
            folder = f"{folder}/{file.removesuffix('.rs')}"
        return next((c for c in (f"{folder}/{name}.rs", f"{folder}/{name}/mod.rs") if c in self.program), None)

    def _follow(self, path: str, one: Import, depth: int = DEEP) -> tuple[str, Def] | None:
        """The definition that a re-export within the crate stands for."""
        parts = [p for p in one.module.split("::") if p not in ("self", "")]
        if parts and parts[0] == "crate":
            path, parts = self.lib, parts[1:]
        while parts and parts[0] == "super":
            return None
        for part in parts:
            inner = self._file(path, part)
            if inner is None:
                return None
            path = inner
        definition = self.program.definition(path, one.symbol)
        if definition is not None and definition.kind in ("function", *TYPES):
            return path, definition
        for other in self.program.record(path).imports if depth else ():
            if other.name == one.symbol and other is not one:
                return self._follow(path, other, depth - 1)
        return None

