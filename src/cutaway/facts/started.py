# A container and a package's script say in a command what they start: a module, a file, or a program that the repository
# builds, which goes by the name of its folder, module or crate. The definition that runs is what a reader wants to see.
"""`started_by(program, folder, command)`."""

from __future__ import annotations

import re
from itertools import pairwise
from weakref import WeakKeyDictionary

from cutaway.facts.lookup import lookup
from cutaway.facts.roles import role_of
from cutaway.read.program import Program

__all__ = ["started_by"]

ENDINGS = ("", ".js", ".ts", ".mjs", ".cjs", "/index.js", "/index.ts")
_RUNTIME = re.compile(r"(node|tsx|ts-node|nodemon|bun|deno|next|python[\d.]*|uv|gunicorn|uvicorn)$")
_TAKES = re.compile(r"(-c|-p|-r|--config|--project|--require|--import|--loader|--env-file)$")
_VERSION = re.compile(r"/v\d+$")
_programs: WeakKeyDictionary[Program, dict[str, tuple[str, int, str]]] = WeakKeyDictionary()


def started_by(program: Program, folder: str, command: str) -> tuple[str, int, str] | None:
    """(path, line, symbol) of what a command of a file in `folder` starts; the symbol is empty where a file's own statements
    run. None where that is not of the repository."""
    modules = lookup(program).modules
    words = [w.removeprefix("./") for w in re.split(r"[\s\[\],\"']+", command) if w]
    module = words[words.index("-m") + 1] if "-m" in words[:-1] else ""
    file = modules.find(f"{module}.__main__") or modules.find(module) if module else None
    file = file or next(filter(None, (_file(program, folder, w) for w in _programs_of(words))), None)
    if file and program.record(file).language in ("python", "javascript", "typescript"):
        main = program.definition(file, "main") if file.endswith(".py") else None
        return (file, main.line, main.name) if main else (file, 1, "")
    built = built_programs(program)
    return next((built[name] for w in words if (name := w.rpartition("/")[2]) in built), None)


def _programs_of(words: list[str]) -> list[str]:
    """The words of a command that may be the file that it runs: the first, and what follows an interpreter, values of
    options that are no programs left out."""
    first = next((at for at, word in enumerate(words) if _RUNTIME.match(word)), None)
    if first is None:
        return words[:1]
    return [word for before, word in pairwise(words[first:]) if not _TAKES.match(before)]


def built_programs(program: Program) -> dict[str, tuple[str, int, str]]:
    """The name of a program in a compiled language -> the definition that it runs."""
    if program not in _programs:
        _programs[program] = _built(program)
    return _programs[program]


def _built(program: Program) -> dict[str, tuple[str, int, str]]:
    found: dict[str, tuple[str, int, str]] = {}
    for path in program.paths:
        if role_of(path) in ("test", "vendored", "generated"):
            continue
        record = program.record(path)
        folder = path.rpartition("/")[0]
        for mark in record.marks:
            if mark.kind == "script" and path.endswith("Cargo.toml"):
                file = f"{folder}/{mark.detail.get('target', '')}".lstrip("/")
                if main := program.definition(file, "main") if file in program else None:
                    found.setdefault(mark.name, (file, main.line, main.name))
            elif mark.kind == "main" and record.language == "go":
                name = folder.rpartition("/")[2] or _module(program)
                main = program.definition(path, "main")
                if name and main:
                    found.setdefault(name, (path, main.line, main.name))
    return found


def _module(program: Program) -> str:
    """What the Go module at the root is called, without its host and version."""
    marks = program.record("go.mod").marks if "go.mod" in program else []
    title = next((m.name for m in marks if m.kind == "title"), "")
    return _VERSION.sub("", title).rpartition("/")[2]


def _file(program: Program, folder: str, word: str) -> str | None:
    """The file that a word of a command names, from the folder or from the root."""
    if _RUNTIME.match(word):
        return None
    names = (
        f"{at}{word}{end}" for at in dict.fromkeys((f"{folder}/" if folder else "", "")) for end in ENDINGS
    )
    return next((name for name in names if name in program), None)
