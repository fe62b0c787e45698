# Commands of a command line: what a decorator or a parser's default names as the function to run, and the libraries
# that turn a function's or class's parameters into a command line.
"""`commands(program)`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from cutaway.facts.lookup import Lookup, evidence, lookup, scope_name
from cutaway.facts.roles import role_of
from cutaway.model.code import Def, FileRecord
from cutaway.read.program import Program

__all__ = ["MAKERS", "commands", "made_from"]

_COMMAND = re.compile(
    r"(^|\.)(command|group|callback|default)(\(|$)|^(hydra\.main|fire\.Fire)|(^|\.)(subcommand|cli_command)(\(|$)"
)
_COMMAND_LIBRARY = re.compile(
    r"^(click|typer|cyclopts|rich_click|asyncclick|hydra|fire|plumbum|invoke)(\.|$)"
)
# Calls that make a command line from the parameters of a function or the fields of a class.
MAKERS = re.compile(
    r"(^|\.)(Fire|CLI|auto_cli|typer\.run|tyro\.cli|HfArgumentParser|TrlParser|LightningCLI|CliApp\.run|run_exit|"
    r"simple_parsing\.parse|draccus\.parse|defopt\.run|arguably\.run|ArgumentParser\.add_arguments)$"
)
_MANAGED = re.compile(r"(?:^|/)management/commands/([A-Za-z]\w*)\.py$")
_NAME = re.compile(r"[A-Za-z_][\w.]*")
_DISPATCH = re.compile(r"^(func|fn|function|handler|cmd|command|dispatch\w*|run|callback|action|entry\w*)$")
_PARSED = re.compile(r"\bNamespace\b")


def commands(program: Program) -> Iterator[dict[str, Any]]:
    """Entries of the kind cli: decorated commands, `set_defaults(func=…)`, `fire.Fire(f)` and its like, and a `main` that
    takes parsed arguments."""
    look = lookup(program)
    for path in program.paths:
        record = program.record(path)
        if record.language == "python" and role_of(path) not in ("test", "doc", "vendored", "generated"):
            yield from _decorated(program, path, record)
            yield from _defaults(program, look, path, record)
            for place, line, maker in made_from(look, path, record):
                yield _entry(*place, "", evidence(program, path, line, f"{maker} makes its command line"))
            yield from _mains(program, path, record)
            yield from _managed(program, path, record)


def _managed(program: Program, path: str, record: FileRecord) -> Iterator[dict[str, Any]]:
    """The class `Command` of a file in an application's folder of commands, which Django finds there by the file's name."""
    found = _MANAGED.search(path)
    for definition in record.defs if found else ():
        if definition.name == "Command" and definition.kind == "class":
            proof = evidence(program, path, definition.line, f"`manage.py {found[1]}` runs it")
            yield _entry(path, definition, found[1], proof)


def _entry(path: str, definition: Def, name: str, proof: dict[str, Any]) -> dict[str, Any]:
    return {
        "kind": "cli",
        "via": "command",
        "path": path,
        "line": definition.line,
        "symbol": definition.name,
        "name": name,
        "evidence": [proof],
    }


def _decorated(program: Program, path: str, record: FileRecord) -> Iterator[dict[str, Any]]:
    if not any(_COMMAND_LIBRARY.match(i.module) for i in record.imports):
        return
    for definition in record.defs:
        for text in definition.decorators:
            if _COMMAND.search(text.split("(")[0]):
                proof = evidence(
                    program, path, definition.start, f"a command: @{text[:60]}", symbol=definition.name
                )
                yield _entry(path, definition, definition.name.replace("_", "-"), proof)
                break


def _defaults(program: Program, look: Lookup, path: str, record: FileRecord) -> Iterator[dict[str, Any]]:
    """`parser.set_defaults(func=serve)`; of `set_defaults(func=command.cmd)` the methods `cmd` of what the file imports."""
    for call in record.calls:
        if not call.callee.endswith(".set_defaults"):
            continue
        for argument in call.args:
            key, _, value = argument.partition("=")
            if not _DISPATCH.match(key) or not _NAME.fullmatch(value):
                continue
            proof = evidence(program, path, call.line, f"set as the function to run: {argument}")
            place = look.follow(path, value)
            owner = scope_name(record, record.defs[call.scope].parent) if call.scope >= 0 else ""
            if place is None and value.startswith("self.") and owner:
                definition = program.definition(path, f"{owner}.{value[5:]}")
                place = (path, definition) if definition else None
            if place:
                yield _entry(*place, "", proof)
            elif "." in value:
                for other, definition in _methods(look, path, record, value.rpartition(".")[2]):
                    yield _entry(other, definition, "", proof)


def _methods(look: Lookup, path: str, record: FileRecord, name: str) -> Iterator[tuple[str, Def]]:
    """The methods of this name, not abstract, in the files that one file imports."""
    files = {path}
    for one in record.imports:
        target = look.modules.resolve(one.module, path)
        if target:
            files.add(look.modules.submodule(target, one.symbol) or target)
    for file in sorted(files):
        for definition in look.program.record(file).defs:
            if (
                definition.kind == "method"
                and definition.name.endswith("." + name)
                and "abstract" not in definition.flags
            ):
                yield file, definition


def made_from(look: Lookup, path: str, record: FileRecord) -> Iterator[tuple[tuple[str, Def], int, str]]:
    """((path, definition), line, maker): functions and classes that a library makes a command line from, those inside a
    table or tuple that is handed over too."""
    tables = {b.target: b.value for b in record.binds if b.value.startswith(("{", "[", "(", "dict("))}
    for mark in record.marks:  # a long table's text is cut; its entries are not
        if mark.kind == "entry" and mark.detail.get("table") in tables:
            tables[mark.detail["table"]] += " " + mark.detail.get("value", "")
    for call in record.calls:
        if not MAKERS.search(call.callee):
            continue
        seen = set()
        for argument in call.args:
            text = argument.partition("=")[2] if re.match(r"^\w+=", argument) else argument
            text = tables.get(text, text)
            for name in _NAME.findall(re.sub(r"""(["']).*?\1""", "", text)):
                place = look.follow(path, name) if name not in seen else None
                seen.add(name)
                if place and place[1].kind in ("function", "class", "method"):
                    yield place, call.line, call.callee


def _mains(program: Program, path: str, record: FileRecord) -> Iterator[dict[str, Any]]:
    """`main(args: argparse.Namespace)`, in files whose flags another file's command adds."""
    for definition in record.defs:
        if (
            definition.parent < 0
            and definition.name in ("main", "cli", "run")
            and definition.kind == "function"
        ):
            first = definition.params[0] if definition.params else None
            if definition.name == "main" or (first and _PARSED.search(first.annotation)):
                yield _entry(
                    path, definition, "", evidence(program, path, definition.line, "a main function")
                )
