# The parts of a repository and what each is for, as its own words say it: a docstring, a README, a manifest's
# description, and otherwise what stands in it.
"""`find_modules(program)`."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from cutaway.facts.describing import describes, named, plain, sentence
from cutaway.facts.imported import importers
from cutaway.facts.languages import CODE
from cutaway.facts.lookup import evidence
from cutaway.facts.outermost import local_name, outermost
from cutaway.facts.roles import role_of
from cutaway.read.program import Program

__all__ = ["find_modules"]

LARGE = 60  # code files: a folder beyond this is shown by its parts
MOST = 40
MANIFESTS = ("package.json", "Cargo.toml", "pyproject.toml")
NAMED = 4  # definitions named for a part without a description
LOOSE, FEW = 24, 8  # files of a folder, and of a large one, beyond which they are one part
_SPEAKS = {"class": 2, "struct": 2, "trait": 2, "function": 1, "kernel": 1, "interface": 1, "method": 0}


def find_modules(program: Program) -> list[dict[str, Any]]:
    """`{path, line, role, notes, files, code_lines, importers, evidence}`: folders that hold code (a small repository's files
    by themselves), those that others build on first. `role` is the part's own description, `notes` its size and dependents."""
    counts = importers(program)
    code = [
        p
        for p in program.paths
        if program.record(p).language in CODE and role_of(p) in ("code", "tool", "benchmark", "example")
    ]
    parts = _split(code, "")
    rows = [_row(program, name, files, counts) for name, files in parts.items()]
    rows = [row for row in rows if row["code_lines"]]
    rows.sort(key=lambda r: (r["kind"] != "code", -r["importers"] - r["code_lines"] / 2000, r["path"]))
    return rows[:MOST]


def _split(files: list[str], folder: str) -> dict[str, list[str]]:
    """Files by part: a folder, opened where it is large or the only one."""
    inside: dict[str, list[str]] = defaultdict(list)
    for path in files:
        rest = path[len(folder) :]
        head, slash, _ = rest.partition("/")
        inside[folder + head + slash].append(path)
    parts: dict[str, list[str]] = {}
    for name, its in sorted(inside.items()):
        opened = name.endswith("/") and (
            len(its) > LARGE or len(inside) <= 2 or (len(its) > 0.6 * len(files) and len(its) > 8)
        )
        if opened and name.count("/") < 6:
            parts.update(_split(its, name))
        else:
            parts[name] = its
    loose = [p for p in inside if not p.endswith("/")]
    if folder and len(loose) > (FEW if len(files) > LARGE else LOOSE):
        parts[folder] = [f for name in loose for f in parts.pop(name)]
    return parts


def _row(program: Program, name: str, files: list[str], counts: Counter[str]) -> dict[str, Any]:
    role, place, line = _description(program, name, files)
    lines = sum(program.record(f).code_lines for f in files)
    users = sum(counts[f] for f in files)
    languages = Counter(CODE[program.record(f).language] for f in files)
    kind = Counter(role_of(f) for f in files).most_common(1)[0][0]
    what = ", ".join(language for language, _ in languages.most_common(2))
    notes = (
        f"{len(files)} files, {lines:,} lines of {what}" if len(files) > 1 else f"{lines:,} lines of {what}"
    )
    notes += f"; imported {f'{users} times' if users > 1 else 'once'} by other files" if users else ""
    return {
        "path": name, "line": line if place == name else 1, "role": role, "notes": notes, "kind": kind, "files": len(files),
        "code_lines": lines, "importers": users, "evidence": [evidence(program, place, line, "says what it is for")],
    }  # fmt: skip


def _description(program: Program, name: str, files: list[str]) -> tuple[str, str, int]:
    """(text, file, line): of the package's docstring, its README, its only file, or of its largest classes and functions."""
    folder = name if name.endswith("/") else ""
    for manifest in (f"{folder}{n}" for n in MANIFESTS if folder):
        for mark in program.record(manifest).marks if manifest in program else ():
            if mark.kind == "title" and describes(said := mark.detail.get("text", "")):
                return sentence(said), manifest, _line(program, manifest, said)
    for candidate in (
        f"{folder}__init__.py",
        f"{folder}README.md",
        f"{folder}mod.rs",
        f"{folder}src/lib.rs",
        f"{folder}doc.go",
    ):
        if folder and candidate in program and (doc := _doc(program, candidate)):
            return sentence(plain(doc)), candidate, _line(program, candidate, doc)
    if len(files) == 1 and (doc := _doc(program, files[0])):
        return sentence(plain(doc)), files[0], _line(program, files[0], doc)
    found = []
    for path in files:
        for definition in outermost(program.record(path)):
            if definition.kind in _SPEAKS:
                size = definition.end - definition.line
                found.append((_SPEAKS[definition.kind], size, path, definition))
    if not found:
        return _without(program, files)
    found = [f for f in found if f[0]] or found  # methods speak where their class is declared elsewhere
    found.sort(key=lambda f: (-f[0], -f[1], f[2], f[3].line))
    names = list(dict.fromkeys(local_name(program.record(f[2]), f[3]) for f in found[: NAMED * 2]))
    first = found[0]
    described = next((f for f in found[:NAMED] if describes(f[3].doc) and f[0] == first[0]), None)
    if described and len(files) == 1:  # a class speaks for its file, a function beside classes does not
        return named(described[3].name, described[3].doc), described[2], described[3].line
    return "defines " + ", ".join(names[:NAMED]), first[2], first[3].line


def _without(program: Program, files: list[str]) -> tuple[str, str, int]:
    """Of files that define nothing: what they can be told to make, else that their statements are what they are."""
    for path in files:
        targets = [m for m in program.record(path).marks if m.kind == "target" and m.name.isidentifier()]
        if targets:
            names = list(dict.fromkeys(m.name for m in targets))
            more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
            return f"targets {', '.join(names[:NAMED])}{more}", path, targets[0].line
    if all(program.record(path).language == "docker" for path in files):
        return "builds an image of a container", files[0], 1
    return "defines nothing: its statements run when it is loaded", files[0], 1


def _doc(program: Program, path: str) -> str:
    """A file's description, '' without one."""
    doc = program.record(path).doc
    return doc if describes(doc) else ""


def _line(program: Program, path: str, doc: str) -> int:
    """The line on which a description begins."""
    start = doc.split("…")[0][:24]
    return next((n for n, text in enumerate(program.lines(path), 1) if start in text), 1)
