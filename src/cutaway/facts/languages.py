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
    """`{name, files, code_lines, share, role, path, line, evidence}`, most lines first; vendored and generated files do not
    count. `role` says in which folders the language stands and what for; the evidence is its largest file there."""
    files: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for path in program.paths:
        record = program.record(path)
        if record.language in CODE and role_of(path) not in ("vendored", "generated"):
            files[record.language].append((record.code_lines or record.lines, path))
    total = sum(lines for rows in files.values() for lines, _ in rows) or 1
    rows = []
    for language, sizes in files.items():
        lines = sum(n for n, _ in sizes)
        biggest = max(sizes, key=lambda s: (role_of(s[1]) == "code", s[0], s[1]))[1]
        where = {
            "path": biggest,
            "line": 1,
            "evidence": [evidence(program, biggest, 1, f"most {CODE[language]}")],
        }
        size = {"files": len(sizes), "code_lines": lines, "share": round(lines / total, 4)}
        rows.append({"name": CODE[language], **size, "role": _role(program, language, sizes), **where})
    return sorted(rows, key=lambda r: (-r["code_lines"], r["name"]))


def _role(program: Program, language: str, sizes: list[tuple[int, str]]) -> str:
    folders: Counter[str] = Counter()
    parts: Counter[str] = Counter()
    kernels = routes = mains = 0
    for lines, path in sizes:
        folders[path.split("/")[0] if "/" in path else "."] += lines
        parts[role_of(path)] += lines
        record = program.record(path)
        kernels += sum(d.kind == "kernel" for d in record.defs)
        routes += sum(m.kind == "route" for m in record.marks)
        mains += sum(m.kind == "main" for m in record.marks)
    counted = ((kernels, "device kernels"), (routes, "routes"), (mains, "programs"))
    does = [f"{count} {what}" for count, what in counted if count]
    does += ["build"] if language in BUILD else ["scripts"] if language == "shell" else []
    part = parts.most_common(1)[0][0]
    if part != "code":
        does.append({"tool": "tools", "test": "tests", "doc": "documents"}.get(part, f"{part}s"))
    where = ", ".join(name if name == "." else f"{name}/" for name, _ in folders.most_common(FOLDERS))
    return f"in {where}" + (f": {', '.join(does)}" if does else "")
