# In Go nobody says that a type implements an interface: it does if it has the methods. So the method sets are compared, with
# what each method takes and gives; a namesake that takes something else is another method.
"""`implementers(program)`: Go interfaces and the types that have their methods."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING

from cutaway.model.code import Def

if TYPE_CHECKING:
    from cutaway.read.program import Program

__all__ = ["implementers"]

Method = tuple[str, tuple[str, ...], str]  # name, types of the parameters, types of the results

_QUALIFIER = re.compile(r"\b\w+\.(?=\w)")
_RESULT_NAME = re.compile(r"(?<=[(,])\s*\w+\s+(?=[\w*\[.])")
EMBEDDED = 4  # interfaces within interfaces


def implementers(program: Program) -> dict[str, list[str]]:
    """Interface -> the types that have all its methods, by their own names, sorted. An interface without methods, which
    every type implements, has none."""
    wanted: dict[str, set[Method]] = defaultdict(set)
    has: dict[str, set[Method]] = defaultdict(set)
    embeds: dict[str, list[str]] = defaultdict(list)
    for path in program.paths:
        record = program.record(path)
        if record.language != "go":
            continue
        interfaces = {d.name for d in record.defs if d.kind == "interface"}
        for definition in record.defs:
            owner = definition.name.rpartition(".")[0]
            if definition.kind == "interface":
                embeds[definition.name] += [base.rpartition(".")[2].strip("* ") for base in definition.bases]
                wanted[definition.name]  # known, even without methods of its own
            elif definition.kind == "method" and owner:
                if owner in interfaces:
                    wanted[owner].add(_method(definition, definition.params))
                else:
                    has[owner].add(_method(definition, definition.params[1:]))
    for _ in range(EMBEDDED):
        for name, inner in embeds.items():
            wanted[name] |= {m for other in inner for m in wanted.get(other, ())}
    by_method: dict[Method, set[str]] = defaultdict(set)
    for name, methods in has.items():
        for method in methods:
            by_method[method].add(name)
    found: dict[str, list[str]] = {}
    for name, methods in wanted.items():
        if methods and (types := set.intersection(*(by_method.get(m, set()) for m in methods))):
            found[name] = sorted(types)
    return found


def _method(definition: Def, params: list) -> Method:
    return (
        definition.name.rpartition(".")[2],
        tuple(_plain(p.annotation) for p in params),
        _plain(_RESULT_NAME.sub("", definition.returns)).strip("()"),
    )


def _plain(text: str) -> str:
    """A type without its package, which its own package leaves out."""
    return _QUALIFIER.sub("", "".join(text.split(" ")))
