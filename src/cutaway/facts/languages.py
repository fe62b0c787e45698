# In which languages a repository is written, by lines of code, and what each is there for.
"""`find_languages(program)`."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from cutaway.facts.lookup import evidence
from cutaway.facts.roles import role_of
from cutaway.read.program import Program

__all__ = ["CODE", "find_languages"]

CODE = {
    "python": "Python", "c": "C", "cpp": "C++", "cuda": "CUDA", "rust": "Rust", "go": "Go", "typescript": "TypeScript",
    "javascript": "JavaScript", "shell": "Shell", "cmake": "CMake", "make": "Make", "docker": "Docker",
}  # fmt: skip
BUILD = ("cmake", "make", "docker")
FOLDERS = 4  # named as where a language lives


def find_languages(program: Program) -> list[dict[str, Any]]:
    """`{name, files, code_lines, share, role, holds, path, line, evidence}`, most lines first; vendored and generated files
    do not count. `role` says in which folders the language stands and what for; `holds` counts what it is there for over
    all of its files. The evidence is its largest file, and the first of each that `holds` counts."""
    files: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for path in program.paths:
        record = program.record(path)
        if record.lines and record.language in CODE and role_of(path) not in ("vendored", "generated"):
            files[record.language].append((record.code_lines or record.lines, path))
    total = sum(lines for rows in files.values() for lines, _ in rows) or 1
    rows = []
    for language, sizes in files.items():
        lines = sum(n for n, _ in sizes)
        biggest = max(sizes, key=lambda s: (role_of(s[1]) == "code", s[0], s[1]))[1]
        held = _held(program, sizes)
        places = [evidence(program, biggest, 1, f"most {CODE[language]}")]
        places += [evidence(program, *found[0], f"one of the {what}") for what, found in held.items()]
        rows.append(
            {
                "name": CODE[language], "files": len(sizes), "code_lines": lines, "share": round(lines / total, 4),
                "role": _role(language, sizes, list(held)), "holds": {what: len(found) for what, found in held.items()},
                "path": biggest, "line": 1, "evidence": places,
            }
        )  # fmt: skip
    return sorted(rows, key=lambda r: (-r["code_lines"], r["name"]))


def _held(program: Program, sizes: list[tuple[int, str]]) -> dict[str, list[tuple[str, int]]]:
    """What a language is there for -> (path, line) of each, those of code first."""
    found: dict[str, list[tuple[str, int]]] = {"device kernels": [], "routes": [], "programs": []}
    marks = {"route": found["routes"], "main": found["programs"]}
    for path in sorted((path for _, path in sizes), key=lambda path: (role_of(path) != "code", path)):
        record = program.record(path)
        found["device kernels"] += [(path, d.line) for d in record.defs if d.kind == "kernel"]
        for mark in record.marks:
            if mark.kind in marks:
                marks[mark.kind].append((path, mark.line))
    return {what: places for what, places in found.items() if places}


def _role(language: str, sizes: list[tuple[int, str]], does: list[str]) -> str:
    folders: Counter[str] = Counter()
    parts: Counter[str] = Counter()
    for lines, path in sizes:
        folders[path.split("/")[0] if "/" in path else "."] += lines
        parts[role_of(path)] += lines
    does = [*does, *(["build"] if language in BUILD else ["scripts"] if language == "shell" else [])]
    part = parts.most_common(1)[0][0]
    if part != "code":
        does.append({"tool": "tools", "test": "tests", "doc": "documents"}.get(part, f"{part}s"))
    where = ", ".join(name if name == "." else f"{name}/" for name, _ in folders.most_common(FOLDERS))
    return f"in {where}" + (f": {', '.join(does)}" if does else "")
