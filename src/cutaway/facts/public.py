# What a user of a library touches: the names that its package hands out, followed to where their code is, and of a class
# the methods that do its work. Nothing is public for being defined; it is public for being exported at the top.
"""`public_objects(program)`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from cutaway.facts.lookup import Lookup, evidence, lookup
from cutaway.facts.public_shown import shown_calls, shown_objects
from cutaway.facts.roles import role_of
from cutaway.model.code import Def
from cutaway.read.program import Program

__all__ = ["public_objects", "top_packages"]

# The verbs of methods that do what a class is for.
WORK = (
    "generate", "chat", "run", "serve", "predict", "fit", "train", "encode", "decode", "embed", "transcribe", "infer",
    "complete", "stream", "forward", "__call__", "start", "main_loop", "step", "process", "execute", "search", "score",
    "evaluate", "call", "add_request", "submit", "render", "parse", "load", "from_pretrained",
)  # fmt: skip
METHODS = 3  # of each class
SHOWN = 2  # examples and documents that call a method
SIBLINGS = 4  # packages side by side are the parts of one namespace
_STARTS = re.compile(r"^(run|serve|start|launch)(_|$)")
_PRIVATE = re.compile(r"(^|\.)_")
_STRING = re.compile(r"""["'](\w+)["']""")
STARS = 4  # packages that hand on what they have by a star, one within another


def top_packages(program: Program) -> list[str]:
    """The `__init__.py` of packages that lie in no other, code only, largest first."""
    heads = {p.rpartition("/")[0] for p in program.paths if p.endswith("/__init__.py")}
    tops = [h for h in heads if h.rpartition("/")[0] not in heads and role_of(f"{h}/__init__.py") == "code"]
    sizes = {h: sum(1 for p in program.paths if p.startswith(h + "/") and p.endswith(".py")) for h in tops}
    return [f"{h}/__init__.py" for h in sorted(tops, key=lambda h: (-sizes[h], h))]


def public_objects(program: Program) -> Iterator[tuple[str, Def, str, bool, list[dict[str, Any]]]]:
    """(path, definition, name as exported, whether it works or only holds data, evidence): classes and functions that a
    top package exports, and of each class the methods that do its work, the inherited ones where they stand; and what
    the repository's own examples and documents use of its packages."""
    look = lookup(program)
    tops = top_packages(program)
    shown = _shown(program, look)
    for path, definition in _below(program, tops):
        proofs = [evidence(program, path, definition.line, "a package within the program hands it out")]
        yield path, definition, definition.name, True, proofs
    calls = shown_calls(program)
    handing = [init for init in tops if _exports(program, init)]
    alone = not handing
    for path, definition, places in shown_objects(program, tops, alone):
        many = len(places) > 1
        why = f"{len(places)} examples and documents use it" if many else "an example or document uses it"
        yield path, definition, definition.name, True, [evidence(program, *places[0], why)]
        for where, method in _work(look, path, definition, calls) if definition.kind == "class" else ():
            yield where, method, method.name, True, [evidence(program, *places[0], why)]
    for init in tops:
        # Without one package above them, only what an example, a benchmark or a document imports is the library's face.
        several = sum(_above(init) == _above(other) for other in handing) >= SIBLINGS
        for name, line in _exports(program, init):
            place = look.follow(init, name)
            if several and (place is None or (place[0], place[1].name) not in shown):
                continue
            if (
                place is None
                or _PRIVATE.search(place[1].name)
                or place[1].kind not in ("class", "function")
                or role_of(place[0]) != "code"
            ):
                continue
            path, definition = place
            proofs = [evidence(program, init, line, f"exports {name}")]
            path, definition = _behind(look, path, definition)
            work = _work(look, path, definition, calls) if definition.kind == "class" else []
            yield path, definition, name, bool(work), proofs
            for where, method in work:
                yield where, method, f"{name}.{method.name.rpartition('.')[2]}", True, proofs


def _behind(look: Lookup, path: str, definition: Def) -> tuple[str, Def]:
    """What a function stands for that only imports its namesake when it is called, and calls it."""
    record = look.program.record(path)
    index = next((i for i, d in enumerate(record.defs) if d is definition), -1)
    for one in record.imports if definition.kind == "function" else ():
        if one.scope == index and one.symbol == definition.name:
            target = look.modules.resolve(one.module, path)
            place = look.follow(target, one.symbol) if target else None
            if place and any(c.scope == index and c.callee == one.name for c in record.calls):
                return place
    return path, definition


def _below(program: Program, tops: list[str]) -> Iterator[tuple[str, Def]]:
    """Functions that a package within another hands out and that start something: `package.aio.serve`."""
    look = lookup(program)
    for init in program.paths:
        if init.endswith("/__init__.py") and init not in tops and role_of(init) == "code":
            for name, _ in _exports(program, init):
                place = look.follow(init, name) if _STARTS.match(name) else None
                if place and place[1].kind == "function" and role_of(place[0]) == "code":
                    yield place


def _above(init: str) -> str:
    return init.removesuffix("/__init__.py").rpartition("/")[0]


def _shown(program: Program, look: Lookup) -> set[tuple[str, str]]:
    """(path, name) of what examples and benchmarks import from the code."""
    found = set()
    for path in program.paths:
        if path.endswith(".py") and role_of(path) in ("example", "benchmark"):
            for one in program.record(path).imports:
                target = look.modules.resolve(one.module, path) if one.symbol else None
                place = look.follow(target, one.symbol) if target else None
                if place:
                    found.add((place[0], place[1].name))
    return found


def _exports(program: Program, init: str) -> list[tuple[str, int]]:
    """(name, line) of what an `__init__.py` imports, by name or with a star, defines or lists in a table of lazy imports."""
    record = program.record(init)
    names: dict[str, int] = {}
    for one in record.imports:
        if one.scope < 0 and one.symbol == "*":
            for name in _starred(program, init, one.module, STARS):
                names.setdefault(name, one.line)
        elif one.scope < 0 and one.symbol:
            names.setdefault(one.name, one.line)
    for mark in record.marks:
        if mark.kind == "entry" and mark.scope < 0 and re.fullmatch(r"[A-Za-z]\w*", mark.name):
            names.setdefault(mark.name, mark.line)
    for definition in record.defs:
        if definition.parent < 0 and definition.kind in ("class", "function"):
            names.setdefault(definition.name, definition.line)
    return list(names.items())


def _starred(program: Program, importer: str, module: str, depth: int) -> list[str]:
    """What `from module import *` brings of a module of the repository: what its `__all__` lists, or without one what it
    defines, and for a package what it imports; of what its own stars bring no more than `depth` modules."""
    path = lookup(program).modules.resolve(module, importer)
    if path is None or path == importer or depth == 0:
        return []
    record = program.record(path)
    listed = [b.value for b in record.binds if b.scope < 0 and b.target == "__all__"]
    if listed:
        return _STRING.findall(" ".join(listed))
    names = [d.name for d in record.defs if d.parent < 0 and not _PRIVATE.search(d.name)]
    for one in record.imports if path.endswith("/__init__.py") else ():
        if one.scope < 0:
            names += _starred(program, path, one.module, depth - 1) if one.symbol == "*" else [one.name]
    return names


def _work(look: Lookup, path: str, definition: Def, calls: Counter[str]) -> list[tuple[str, Def]]:
    """The first few methods of a class that bear a verb of `WORK`, in that order, and those of its own that examples and
    documents call most."""
    if any(
        re.search(r"(Error|Exception|Enum|Protocol|TypedDict|NamedTuple|BaseModel|Struct)\b", b)
        for b in definition.bases
    ):
        return []
    found = []
    for verb in WORK:
        place = look.member(path, definition, verb)
        if place and place not in found and place[1].kind == "method":
            found.append(place)
        if len(found) == METHODS:
            break
    own = [d for d in look.program.record(path).defs if d.name.rpartition(".")[0] == definition.name]
    own = [d for d in own if d.kind == "method" and not _PRIVATE.search(d.name)]
    own = [d for d in own if calls[d.name.rpartition(".")[2]] >= SHOWN]
    own.sort(key=lambda d: (-calls[d.name.rpartition(".")[2]], d.line))
    return found + [(path, d) for d in own[:METHODS] if (path, d) not in found]
