# Classes and tables that hold settings: what a program is told, as fields with types and defaults.
"""`find_config_classes(program)`."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from cutaway.facts.lookup import evidence, scope_name
from cutaway.facts.roles import PRODUCT, role_of
from cutaway.model.code import Def, FileRecord
from cutaway.read.program import Program

__all__ = ["find_config_classes", "own_fields", "told_by_argv"]

_NAMED = re.compile(
    r"(Config(uration)?|Args|Arguments|Settings|Options|Opts?|Params|Parameters|HParams|Hyperparameters)(Base|Model)?$"
    r"|(^|_)(config|args|arguments|settings|options|opts|params|parameters|hparams)(_t)?$"
)
# the word inside of a name; such a class must give most of its fields a value
_WITHIN = re.compile(r"(Config|Options|Params|Settings)(?=[A-Z])|(^|_)(config|options|params|settings)_\w+$")
# derived: a command line
_PARSES = re.compile(r"^((clap|argh|bpaf)::)?(Parser|StructOpt|FromArgs|Bpaf)$|(^|\.)\w*ArgumentParser$")
_HANDED = re.compile(r"(Params|Args|params|args)(_t)?$")
_REGISTERS = re.compile(r"(^|\.)AppConfig$")  # by which Django knows a part of a program, and which nobody sets
_TABLE = re.compile(r"(^|_)(configs?|presets?|settings|defaults|options)$", re.IGNORECASE)
_FIELDS = 60  # of one class
_ARGUMENT = re.compile(r"(?:\w+=)?(?:args|opts?|options|flags|FLAGS|cli_args|namespace)\.\w")  # what was parsed
_SEVERAL, _HEIRS = 3, 3  # arguments that make a class one of settings; settings that derive from a base of theirs
NATIVE = ("c", "cpp", "cuda")


def find_config_classes(program: Program) -> list[dict[str, Any]]:
    """`{path, line, symbol, fields, mentions, evidence}`: classes of fields named as settings (`EngineArgs`, `ServerConfig`,
    `SamplingParams`), and module-level tables of settings, those that most files of the code mention first."""
    mentions: Counter[str] = Counter()
    made, told = _made_of_defaults(program), _told(program)
    found = []
    bases: Counter[str] = Counter()
    bare: list[tuple[str, Def, str]] = []
    for path in program.paths:
        record = program.record(path)
        role = role_of(path)
        if role in PRODUCT:
            mentions.update({*record.words, *(w for d in record.defs for w in d.words)})
        if role not in ("code", "tool", "benchmark", "example"):
            continue
        for index, definition in enumerate(record.defs):
            fields = _settings(record, index, definition, made) or _of_flags(record, index, definition, told)
            if fields:
                bases.update({base.rpartition(".")[2] for base in definition.bases})
                why = f"{len(fields)} settings"
                proof = evidence(program, path, definition.line, why, symbol=definition.name)
                where = {"path": path, "line": definition.line, "symbol": definition.name}
                found.append({**where, "fields": fields[:_FIELDS], "role": role, "evidence": [proof]})
            elif definition.kind == "class" and _NAMED.search(definition.name):
                bare.append((path, definition, role))
    for path, definition, role in bare:
        if heirs := bases[definition.name] if bases[definition.name] >= _HEIRS else 0:
            proof = evidence(program, path, definition.line, f"{heirs} settings derive from it", symbol=definition.name)
            where = {"path": path, "line": definition.line, "symbol": definition.name}
            found.append({**where, "fields": [], "role": role, "evidence": [proof]})
    for one in found:
        one["mentions"] = mentions[one["symbol"].rpartition(".")[2]]
    return sorted(
        found,
        key=lambda c: (c["role"] != "code", -mentions[c["symbol"].rpartition(".")[2]], c["path"], c["line"]),
    )


def _made_of_defaults(program: Program) -> set[str]:
    """The types that a function named for defaults returns: `struct run_params run_default_params(void)`."""
    found: set[str] = set()
    for path in program.paths:
        record = program.record(path)
        for definition in record.defs if record.language in NATIVE else ():
            if definition.returns and "default" in definition.name.rpartition(".")[2].lower():
                found.update(re.findall(r"\w+", definition.returns))
    return found


def _told(program: Program) -> set[str]:
    """The names of types that are made of several of the arguments that a program was given: `Policy(args.batch, …)`."""
    return {
        call.callee.rpartition(".")[2]
        for path in program.paths
        for call in program.record(path).calls
        if sum(_ARGUMENT.match(text) is not None for text in call.args) >= _SEVERAL
    }


def _of_flags(record: FileRecord, index: int, definition: Def, told: set[str]) -> list[dict[str, Any]]:
    """The fields of a class that is made of arguments, where it declares as many."""
    if definition.kind != "class" or definition.name not in told or not definition.decorators:
        return []
    fields = own_fields(record, index)
    return fields if len(fields) >= _SEVERAL else []


def _settings(record: FileRecord, index: int, definition: Def, made: set[str]) -> list[dict[str, Any]]:
    local = definition.name.rpartition(".")[2]
    if definition.kind in ("class", "struct") and not any(_REGISTERS.search(base) for base in definition.bases):
        fields = own_fields(record, index)
        named = _NAMED.search(local) or (_WITHIN.search(local) and fields and _mostly_given(fields))
        named = named or (fields and _part_of_settings(record, definition))
        if not named and not any(_PARSES.search(base) for base in definition.bases):
            return []
        handed = record.language in NATIVE and _HANDED.search(local)
        told = local in made or definition.name in told_by_argv(record)
        if handed and not told and not _mostly_given(fields):
            return []  # what a kernel is handed is no setting
        return (
            fields or _assigned(record, definition) or _given(record, index, local) or _flags(record, definition)
        )
    if definition.kind == "constant" and definition.parent < 0 and _TABLE.search(local):
        return [
            {"name": m.name, "type": "", "default": m.detail.get("value", ""), "line": m.line}
            for m in record.marks
            if m.kind == "entry" and m.detail.get("table") == definition.name
        ]
    return []


def _part_of_settings(record: FileRecord, definition: Def) -> bool:
    """Does it stand in a type of settings as a group of them: `struct Config { struct Search {…}; }`?"""
    outer = record.defs[definition.parent] if definition.parent >= 0 else None
    return outer is not None and outer.kind in ("class", "struct") and bool(_NAMED.search(outer.name.rpartition(".")[2]))


def _given(record: FileRecord, index: int, local: str) -> list[dict[str, Any]]:
    """What a configuration that extends another one sets in its body, without a type."""
    rows = [b for b in record.binds if b.scope == index and b.kind == "assign" and b.target.isidentifier()]
    extends = any(_NAMED.search(base.rpartition(".")[2]) for base in record.defs[index].bases)
    return [_row(b.target, "", b.value[:120], b.line) for b in rows if extends and b.target.islower()]


def _flags(record: FileRecord, definition: Def) -> list[dict[str, Any]]:
    """The flags that a parser of its own adds in its methods."""
    return [
        _row(m.name, m.detail.get("type", ""), m.detail.get("default", ""), m.line)
        for m in record.marks
        if m.kind == "flag" and scope_name(record, m.scope).startswith(f"{definition.name}.")
    ]


def _mostly_given(fields: list[dict[str, Any]]) -> bool:
    """Do most fields have a value from the start, as settings do?"""
    return 2 * sum(bool(f["default"]) for f in fields) > len(fields)


def told_by_argv(record: FileRecord) -> set[str]:
    """The types one of whose methods, as a rule the constructor, takes the words of the command line."""
    return {d.name.rpartition(".")[0] for d in record.defs if any(p.name == "argv" for p in d.params)}


def own_fields(record: FileRecord, index: int) -> list[dict[str, Any]]:
    """The fields that a class declares: `{name, type, default, line}`."""
    rows = {}
    for mark in record.marks:
        if mark.kind == "field" and mark.scope == index:
            detail = mark.detail
            rows[mark.name] = _row(
                mark.name, detail.get("annotation", ""), detail.get("default", ""), mark.line
            )
    for bind in record.binds:
        declares = bind.scope == index and bind.kind == "field" and bind.annotation
        if declares and "ClassVar" not in bind.annotation:
            rows.setdefault(bind.target, _row(bind.target, bind.annotation, bind.value[:120], bind.line))
    return list(rows.values())


def _row(name: str, annotation: str, default: str, line: int) -> dict[str, Any]:
    return {"name": name, "type": annotation, "default": default, "line": line}


def _assigned(record: FileRecord, definition: Def) -> list[dict[str, Any]]:
    """What a plain class is given in `__init__` from its parameters."""
    rows = []
    for bind in record.binds:
        if bind.target.startswith("self.") and bind.target[5:].isidentifier():
            name = scope_name(record, bind.scope)
            if name == f"{definition.name}.__init__" and not any(r["name"] == bind.target[5:] for r in rows):
                rows.append(
                    {
                        "name": bind.target[5:],
                        "type": bind.annotation,
                        "default": bind.value[:120],
                        "line": bind.line,
                    }
                )
    return rows
