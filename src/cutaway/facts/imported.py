# What much depends on matters most, and the first sign of it is who imports what. Each language says so in its own way: Python
# by modules, C by files, Rust by paths of a crate, Go by packages, TypeScript by files without their ending.
"""`importers(program)`, `imports(program)`."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from functools import cached_property, lru_cache
from posixpath import normpath
from weakref import WeakKeyDictionary

from cutaway.facts.lookup import lookup
from cutaway.facts.outermost import outermost
from cutaway.facts.roles import PRODUCT, role_of
from cutaway.facts.shown import words_of
from cutaway.model.code import Import
from cutaway.read.program import Program

__all__ = ["BODIES", "importers", "imports"]

_known: WeakKeyDictionary[Program, dict[str, set[str]]] = WeakKeyDictionary()
DEEP = 4  # re-exports of re-exports
_STANDARD = re.compile(  # C's own headers: a repository's file of such a name is not what is meant
    r"(assert|complex|ctype|errno|fenv|float|inttypes|iso646|limits|locale|math|setjmp|signal|stdalign|stdarg|stdatomic|stdbool"
    r"|stddef|stdint|stdio|stdlib|stdnoreturn|string|tgmath|threads|time|uchar|unistd|wchar|wctype)\.h"
)
BODIES = (".c", ".cc", ".cpp", ".cxx", ".cu", ".m", ".mm")
_SCRIPTS = (".ts", ".tsx", ".js", ".jsx", ".mjs", "/index.ts", "/index.tsx", "/index.js")


def importers(program: Program) -> Counter[str]:
    """How many of the code's files import each file, through re-exports too. What a header declares is imported with it, of a
    Go package those files that define what is used, for which its own files need no import."""
    return Counter({path: len(files) for path, files in imports(program).items()})


def imports(program: Program) -> dict[str, set[str]]:
    """File -> those of the code's files that import it, by the same rules. Found once for a program."""
    if program not in _known:
        _known[program] = _users(program)
    return _known[program]


def _users(program: Program) -> dict[str, set[str]]:
    look = _Imported(program)
    users: dict[str, set[str]] = defaultdict(set)
    for path in program.paths:
        if role_of(path) in PRODUCT and (find := look.of.get(program.record(path).language)):
            found = [target for one in program.record(path).imports for target in find(path, one)]
            for target in [*found, *look.of_package(path)]:
                users[target].add(path)
    for body, header in look.bodies():
        users[body] |= users[header]
    return {path: files - {path} for path, files in users.items()}


class _Imported:
    """The files that one import names, by language."""

    def __init__(self, program: Program):
        self.program = program
        self._words = lru_cache(maxsize=1)(lambda path: words_of(program.record(path)))  # asked of a file for each import
        c, script = self._included, self._script
        self.of: dict[str, Callable[[str, Import], Iterator[str]]] = {
            "python": self._python, "c": c, "cpp": c, "cuda": c, "rust": self._rust, "go": self._go,
            "typescript": script, "javascript": script,
        }  # fmt: skip

    def _python(self, path: str, one: Import) -> Iterator[str]:
        look = lookup(self.program)
        target = look.modules.resolve(one.module, path)
        if target:
            yield look.modules.submodule(target, one.symbol) or target
            place = look.follow(target, one.symbol) if one.symbol and target.endswith("__init__.py") else None
            if place:
                yield place[0]

    def _included(self, path: str, one: Import) -> Iterator[str]:
        if _STANDARD.fullmatch(one.module):
            return
        beside = normpath(f"{path.rpartition('/')[0]}/{one.module}".lstrip("/"))
        ends = normpath(one.module).lstrip("./")
        if beside in self.program:
            yield beside
        else:  # below one of the folders that the compiler is told of
            found = [p for p in self._by_name[ends.rpartition("/")[2]] if p == ends or p.endswith(f"/{ends}")]
            yield from found if len(found) == 1 else ()

    def bodies(self) -> Iterator[tuple[str, str]]:
        """(file, header) of those that implement what the header declares: of one name, and it includes the header."""
        for path in self.program.paths:
            if path.endswith(BODIES):
                for one in self.program.record(path).imports:
                    for header in self._included(path, one):
                        if _stem(header) == _stem(path) and not header.endswith(BODIES):
                            yield path, header

    def _rust(self, path: str, one: Import, depth: int = DEEP) -> Iterator[str]:
        root, own = _crate(path)
        first, *parts = one.module.split("::")
        least = 0
        if first == "crate":
            where = parts
        elif first == "super":
            up = 1 + sum(part == "super" for part in parts)
            where = own[: max(0, len(own) - up)] + [part for part in parts if part != "super"]
        elif first == "self" and parts:  # without parts: `mod name;`, a declaration
            where = own + parts
        elif first in self._crates:
            root, where = self._crates[first], parts
        else:  # a module of this one, or a crate from elsewhere
            where, least = [*own, first, *parts], len(own) + 1
        names = where + [one.symbol] * (one.symbol not in ("", "*", "self"))
        for count in range(len(names), least - 1, -1):
            stem = root + "/".join(names[:count])
            ends = (".rs", "/mod.rs") if count else ("lib.rs", "main.rs")
            found = next((stem + end for end in ends if stem + end in self.program), None)
            if found:
                yield found
                if names[count:] and depth and found != path:
                    yield from self._exported_again(found, names[count], depth - 1)
                return

    def _exported_again(self, path: str, name: str, depth: int) -> Iterator[str]:
        """Where a name comes from that a file has from others: `pub use inner::Name`, `pub use inner::*`."""
        for one in self.program.record(path).imports:
            if one.name == name and one.module != "self":
                yield from self._rust(path, one, depth)
            elif one.symbol == "*":
                inner = list(self._rust(path, one, 0))
                yield from (p for p in inner if any(d.name == name for d in outermost(self.program.record(p))))

    def _go(self, path: str, one: Import) -> Iterator[str]:
        named = ((name, root) for name, root in self._go_modules.items() if f"{one.module}/".startswith(f"{name}/"))
        if found := next(named, None):
            name, root = found
            folder = root + f"{one.module}/".removeprefix(f"{name}/")
            words = self._words(path)
            yield from (file for file, names in self._packages.get(folder, {}).items() if _public(names & words))

    def of_package(self, path: str) -> Iterator[str]:
        """The other files of a Go package whose names a file uses."""
        if path.endswith(".go"):
            words = self._words(path)
            for file, names in self._packages.get(path[: path.rfind("/") + 1], {}).items():
                if file != path and names & words:
                    yield file

    def _script(self, path: str, one: Import, depth: int = DEEP) -> Iterator[str]:
        if not one.module.startswith("."):
            return
        stem = normpath(f"{path.rpartition('/')[0]}/{one.module}".lstrip("/"))
        plain = stem.removesuffix(".js")
        found = next((p for p in (stem, *(plain + end for end in _SCRIPTS)) if p in self.program), None)
        if found:
            yield found
            for again in self.program.record(found).imports if depth and one.symbol else ():
                if again.name == one.symbol and found != path:
                    yield from self._script(found, again, depth - 1)

    @cached_property
    def _by_name(self) -> dict[str, list[str]]:
        table: dict[str, list[str]] = defaultdict(list)
        for path in self.program.paths:
            table[path.rpartition("/")[2]].append(path)
        return table

    @cached_property
    def _crates(self) -> dict[str, str]:
        """The name of a crate as code writes it -> the folder of its modules."""
        return {name.replace("-", "_"): f"{folder}src/" for name, folder in self._titled("Cargo.toml")}

    @cached_property
    def _go_modules(self) -> dict[str, str]:
        """The name of a Go module -> its folder; longer names first."""
        return dict(sorted(self._titled("go.mod"), key=lambda item: -len(item[0])))

    def _titled(self, manifest: str) -> Iterator[tuple[str, str]]:
        """(what it is called, its folder with a slash) of everything that has such a manifest."""
        for path in self._by_name[manifest]:
            for mark in self.program.record(path).marks:
                if mark.kind == "title":
                    yield mark.name, path.removesuffix(manifest)
                    break

    @cached_property
    def _packages(self) -> dict[str, dict[str, frozenset[str]]]:
        """The folder of a Go package -> its files, each with the names that it defines; others see those with a capital."""
        table: dict[str, dict[str, frozenset[str]]] = defaultdict(dict)
        for path in self.program.paths:
            if path.endswith(".go") and not path.endswith("_test.go"):
                names = frozenset(d.name for d in outermost(self.program.record(path)) if d.kind != "method")
                table[path[: path.rfind("/") + 1]][path] = names
        return table


def _crate(path: str) -> tuple[str, list[str]]:
    """The folder of a crate's modules, and the module that a file is."""
    before, found, inside = f"/{path}".rpartition("/src/")
    root = f"{before}/src/".lstrip("/") if found else path[: path.rfind("/") + 1]
    parts = (inside if found else path.rpartition("/")[2]).removesuffix(".rs").split("/")
    return root, parts[:-1] if parts[-1] in ("mod", "lib", "main") else parts


def _public(names: frozenset[str]) -> bool:
    """Whether a Go package lets one of these out."""
    return any(name[:1].isupper() for name in names)


def _stem(path: str) -> str:
    return path.rpartition("/")[2].partition(".")[0]
