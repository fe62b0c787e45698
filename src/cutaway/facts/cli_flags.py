# Flags of command lines: those that a parser is told, and those that a library makes from a function's parameters or a
# class's fields; and which field each one sets in the end.
"""`find_cli_flags(program, classes)`."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from itertools import chain
from typing import Any

from cutaway.facts.config_classes import own_fields, told_by_argv
from cutaway.facts.dispatch import made_from
from cutaway.facts.lookup import Lookup, evidence, lookup, scope_name
from cutaway.facts.roles import role_of
from cutaway.model.code import Call, Def, FileRecord, Mark
from cutaway.read.program import Program

__all__ = ["find_cli_flags"]

ROLES = ("code", "tool", "benchmark", "example")
_EXEC = re.compile(r"""open\(["']([\w./-]+)["']""")
_DOTTED = re.compile(r"^[A-Za-z_][\w.]*$")
_CONSTANT = re.compile(r"^[a-z]\w*$")
_LITERAL = re.compile(r"""^(["'-]|\d|True$|False$|None$)|^f["']""")
_FLAG = re.compile(r"^(--[\w]|-\w{1,2}\b)")
LANGUAGES = ("python", "rust", "go", "c", "cpp", "typescript", "javascript", "shell")  # not CMake's -D
_COMMAND = re.compile(r"(^|\.)(command|callback|default)$")
_TYPER = re.compile(r"^(typer|cyclopts)(\.|$)")
_WORD = re.compile(r'^"([a-z][\w-]*)"$')
_OF_FIELDS = re.compile(r"""^(f["']--\{|["']--["']\s*\+)""")  # a flag whose name is a field's
_KWARGS = re.compile(r"""^\*\*(?P<kwargs>\w+)\[["'](?P<field>\w+)["']\]$""")
_CLASS_IN = re.compile(r"\(\s*(?P<cls>[A-Z]\w+)\s*[,)]")
_SPREAD = re.compile(r"^\*(?!\*)(?P<text>[\w.]+)$")  # `add_argument(*self.names, …)`
_ATTRIBUTE = re.compile(r"\bself\.(\w+)")
_SPELT = re.compile(r"""["'](--?[A-Za-z][\w-]*)["']""")
_READ = re.compile(
    r"^(?:(?P<field>\w+)=)?(?:\w+\()?\w*(?:args?|opts?|options|namespace|flags|parsed|FLAGS)\.(?P<dest>\w+)\b"
)


def find_cli_flags(program: Program, classes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """`{name, path, line, default, help, sets, evidence}`; `sets` is `{class, field, path, line}` where one was found.
    `classes` are `find_config_classes`'s. The product's flags come first, then those of tools, benchmarks, examples."""
    look = lookup(program)
    fields = _by_field(classes)
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    for path in program.paths:
        if role_of(path) not in ROLES:
            continue
        record = program.record(path)
        reads = _keywords(record)
        for mark in record.marks:
            if mark.kind == "flag" and _FLAG.match(mark.name) and record.language in LANGUAGES:
                row = _flag(program, path, mark)
                row["sets"] = _sets(look, path, record, mark, reads, fields)
                for name in (row["name"], *_others(mark)):
                    found.setdefault((path, name, ""), {**row, "name": name})
        made = (
            _derived(program, look, path, record), _kept_in_classes(program, path, record),
            _globals(program, path, record), _described(program, path, record),
        )  # fmt: skip
        for row in chain.from_iterable(made):
            found.setdefault((row["path"], row["name"], ""), row)
    return sorted(
        found.values(), key=lambda f: (ROLES.index(role_of(f["path"])), f["path"], f["line"], f["name"])
    )


def _flag(program: Program, path: str, mark: Mark) -> dict[str, Any]:
    detail = mark.detail
    names = [n for n in mark.name.split("/") if n.startswith("-")] or [mark.name]
    return {
        "name": names[0], "path": path, "line": mark.line, "default": detail.get("default", ""), "help": detail.get("help", ""),
        "sets": None, "evidence": [evidence(program, path, mark.line, f"declares {names[0]}")],
    }  # fmt: skip


def _others(mark: Mark) -> list[str]:
    """The further long names of a flag that has several, but for another way of writing the same."""
    alike = mark.name.replace("_", "-")
    return [n for n in mark.detail.get("also", "").split() if n.startswith("--") and n.replace("_", "-") != alike]


def _by_field(classes: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    table = defaultdict(list)
    for one in classes:
        for field in one["fields"]:
            table[field["name"]].append(
                {"class": one["symbol"], "field": field["name"], "path": one["path"], "line": field["line"]}
            )
    return table


def _keywords(record: FileRecord) -> dict[str, tuple[str, str | int, int]]:
    """dest -> (class or function, keyword or position, line) of `Config(field=args.dest)` and `main(args.dest)`."""
    table = {}
    for call in record.calls:
        for position, argument in enumerate(call.args):
            if (read := _READ.match(argument)) and not call.callee.endswith("add_argument"):
                table.setdefault(read["dest"], (call.callee, read["field"] or position, call.line))
    return table


def _sets(
    look: Lookup, path: str, record: FileRecord, mark: Mark, reads: dict, fields: dict
) -> dict[str, Any] | None:
    """The field a flag sets: by the keyword that its value is handed to, by the class whose field gives its default or its
    arguments, or by the one class of fields near it that has a field of its name."""
    dest = mark.detail.get("dest") or mark.name.split("/")[0].lstrip("-").replace("-", "_")
    if dest in reads:
        got = _handed(look, path, *reads[dest])
        if got:
            return got
    for call in record.calls:
        if call.line != mark.line:
            continue
        for argument in call.args:
            if through := _KWARGS.match(argument):
                kwargs = next(
                    (
                        b.value
                        for b in record.binds
                        if b.target == through["kwargs"] and b.scope == call.scope
                    ),
                    "",
                )
                named = _CLASS_IN.search(kwargs)
                place = look.follow(path, named["cls"]) if named else None
                if place and (got := _field(look, place, through["field"])):
                    return got
            default = re.match(r"^default=([A-Z]\w+)\.(\w+)$", argument)
            place = look.follow(path, default[1]) if default else None
            if place and (got := _field(look, place, default[2])):
                return got
    for definition in record.defs:
        if definition.kind == "class" and (got := _field(look, (path, definition), dest)):
            return got
    near = [f for f in fields.get(dest, ()) if _beside(f["path"], path)]
    return dict(near[0]) if len({f["class"] for f in near}) == 1 else None


def _handed(look: Lookup, path: str, callee: str, field: str | int, line: int) -> dict[str, Any] | None:
    """The field or parameter that a keyword, or a position, of a call stands for."""
    place = look.follow(path, callee)
    if place is None:
        return None
    where, definition = place
    if definition.kind == "class" and isinstance(field, str):
        here = {"class": definition.name, "field": field, "path": path, "line": line}
        return _field(look, place, field) or here
    names = [p.name for p in definition.params]
    name = field if isinstance(field, str) else names[field] if field < len(names) else ""
    if definition.kind != "function" or name not in names:
        return None
    return {"class": definition.name, "field": name, "path": where, "line": definition.line}


def _beside(one: str, other: str) -> bool:
    return one.rpartition("/")[0] == other.rpartition("/")[0]


def _field(look: Lookup, place: tuple[str, Def], field: str) -> dict[str, Any] | None:
    """A field of a class, its own or inherited."""
    path, definition = place
    record = look.program.record(path)
    index = next((i for i, d in enumerate(record.defs) if d is definition or d.name == definition.name), -1)
    for row in own_fields(record, index):
        if row["name"] == field:
            return {"class": definition.name, "field": field, "path": path, "line": row["line"]}
    for base in definition.bases:
        above = look.follow(path, base.split("[")[0])
        if above and above[1] is not definition and (got := _field(look, above, field)):
            return got
    return None


def _derived(program: Program, look: Lookup, path: str, record: FileRecord) -> Iterator[dict[str, Any]]:
    """Flags that nobody writes down: a library reads them off parameters or fields, or a loop over fields adds them."""
    if record.language != "python":
        return
    for (where, definition), line, maker in made_from(look, path, record):
        yield from _of_definition(
            program, look, where, definition, evidence(program, path, line, f"{maker} makes flags of it")
        )
    if any(_TYPER.match(i.module) for i in record.imports):
        for definition in record.defs:
            if (
                any(_COMMAND.search(d.split("(")[0]) for d in definition.decorators)
                and definition.kind == "function"
            ):
                proof = evidence(
                    program, path, definition.line, "its parameters are flags", symbol=definition.name
                )
                yield from _of_definition(program, look, path, definition, proof)
    for call in record.calls:
        if call.callee.endswith("add_argument") and any(_OF_FIELDS.match(a) for a in call.args):
            owner = _owner(record, call.scope)
            proof = evidence(program, path, call.line, "adds a flag for each field")
            whose = [(path, owner), *_heirs(program, path, owner)] if owner else _handed_over(program, look, path, call)
            for where, definition in whose:
                yield from _of_definition(program, look, where, definition, proof)


def _handed_over(program: Program, look: Lookup, path: str, call: Call) -> Iterator[tuple[str, Def]]:
    """The classes that a function is called with which adds a flag for each field of what it is given."""
    record = program.record(path)
    function = record.defs[call.scope] if call.scope >= 0 else None
    for where in program.paths if function else ():
        for one in program.record(where).calls:
            if one.callee.rpartition(".")[2] == function.name and look.follow(where, one.callee) == (path, function):
                places = [look.follow(where, a) for a in one.args if _DOTTED.match(a)]
                yield from (p for p in places if p and p[1].kind == "class")


def _kept_in_classes(program: Program, path: str, record: FileRecord) -> Iterator[dict[str, Any]]:
    """Flags that stand in an attribute of each class: a method of their base hands it to the parser."""
    for call in record.calls if record.language == "python" else ():
        spread = _SPREAD.match(call.args[0]) if call.callee.endswith("add_argument") and call.args else None
        owner = _owner(record, call.scope) if spread else None
        if owner is None:
            continue
        known = [b.value for b in record.binds if b.scope == call.scope and b.target == spread["text"]]
        named = _ATTRIBUTE.search(" ".join([spread["text"], *known]))
        proof = evidence(program, path, call.line, f"hands {spread['text']} of each class to the parser")
        for where, definition in [(path, owner), *_heirs(program, path, owner)] if named else ():
            there = program.record(where)
            index = next(i for i, d in enumerate(there.defs) if d is definition or d.name == definition.name)
            own = {b.target: b for b in there.binds if b.scope == index}
            spelt = _SPELT.findall(own[named[1]].value) if named[1] in own else []
            if spelt:
                yield {
                    "name": max(spelt, key=len), "path": where, "line": own[named[1]].line, "help": "", "sets": None,
                    "default": own["default"].value if "default" in own else "", "evidence": [proof],
                }  # fmt: skip


def _globals(program: Program, path: str, record: FileRecord) -> Iterator[dict[str, Any]]:
    """A script that executes a file which lets `--name=value` replace its globals: each constant above is a flag."""
    for call in record.calls:
        opened = _EXEC.search(" ".join(call.args)) if call.callee == "exec" and call.scope < 0 else None
        if (
            not opened
            or opened[1] not in program
            or not {"argv", "globals"} <= set(program.record(opened[1]).words)
        ):
            continue
        proof = evidence(
            program, path, call.line, f"{opened[1]} lets --name=value replace the constants above"
        )
        for bind in record.binds:
            if (
                bind.scope < 0
                and bind.line < call.line
                and _CONSTANT.match(bind.target)
                and _LITERAL.match(bind.value)
            ):
                yield {
                    "name": "--" + bind.target, "path": path, "line": bind.line, "default": bind.value, "help": "",
                    "sets": {"class": "", "field": bind.target, "path": path, "line": bind.line}, "evidence": [proof],
                }  # fmt: skip


def _described(program: Program, path: str, record: FileRecord) -> Iterator[dict[str, Any]]:
    """A type that is told `argv` and describes its fields, each with its name: `visit(port, "port", 80, "the port")`."""
    told = told_by_argv(record)
    for call in record.calls if told else ():
        owner = scope_name(record, call.scope).rpartition(".")[0] if call.scope >= 0 else ""
        if owner not in told or len(call.args) < 3 or not (named := _WORD.match(call.args[1])):
            continue
        index = next((i for i, d in enumerate(record.defs) if d.name == owner), -1)
        if index < 0:  # no type, or one that stands in another file
            continue
        field = next((f for f in own_fields(record, index) if f["name"] == call.args[0].split(".")[0]), None)
        if field is not None:
            yield {
                "name": f"--{named[1]}", "path": path, "line": call.line, "default": call.args[2],
                "help": call.args[3].strip('"') if len(call.args) > 3 else "",
                "sets": {"class": owner, "field": field["name"], "path": path, "line": field["line"]},
                "evidence": [evidence(program, path, call.line, f"{owner} is told argv and describes {named[1]}")],
            }  # fmt: skip


def _owner(record: FileRecord, scope: int) -> Def | None:
    while scope >= 0 and record.defs[scope].kind != "class":
        scope = record.defs[scope].parent
    return record.defs[scope] if scope >= 0 else None


def _heirs(program: Program, path: str, owner: Def) -> list[tuple[str, Def]]:
    found = [(p, program.definition(p, name)) for p, name in program.subclasses(path, owner.name)]
    return [(p, d) for p, d in found if d is not None and role_of(p) in ROLES]


def _of_definition(
    program: Program, look: Lookup, path: str, definition: Def, proof: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    if definition.kind == "class":
        record = program.record(path)
        rows = own_fields(record, record.defs.index(definition))
        for base in definition.bases:
            above = look.follow(path, base.split("[")[0])
            if above and above[1].kind == "class" and above[1] is not definition:
                yield from _of_definition(program, look, *above, proof)
    else:
        rows = [
            {"name": p.name, "default": p.default, "line": definition.line}
            for p in definition.params
            if p.name not in ("self", "cls", "ctx") and not p.name.startswith("*")
        ]
    for row in rows:
        if not row["name"].startswith("_"):
            sets = {"class": definition.name, "field": row["name"], "path": path, "line": row["line"]}
            yield {
                "name": "--" + row["name"], "path": path, "line": row["line"], "default": row["default"], "help": "",
                "sets": sets, "evidence": [proof],
            }  # fmt: skip
