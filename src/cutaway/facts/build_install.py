# How to install, build and run: the commands that documents show, and what the manifests imply, each with the line that
# says so. Nothing is made up: a command that no file shows is marked as implied by the manifest's line.
"""`find_build_install(program)`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from cutaway.facts.command_words import command_does
from cutaway.facts.describing import plain
from cutaway.facts.lookup import evidence
from cutaway.facts.roles import role_of
from cutaway.model.code import Mark
from cutaway.read.program import Program

__all__ = ["find_build_install"]

MOST = 40
LONG = 30  # lines that a command may go on over
_KINDS = tuple(
    (kind, re.compile(pattern))
    for kind, pattern in (
        (
            "install",
            r"\b(pip3?|uv|pipx|conda|mamba|poetry|pdm|npm|yarn|pnpm|brew|apt(-get)?|cargo|go|gem)\s+(\w+\s+)?"
            r"(install|add|sync|ci|get)\b|\buv\s+(venv|sync|tool)\b|setup\.py\s+(install|develop)|\binstall\.sh\b",
        ),
        (
            "build",
            r"\b(cmake|make|ninja|cargo\s+build|go\s+build|docker\s+build|npm\s+run\s+build|maturin|bazel|meson|nvcc|"
            r"python3?\s+-m\s+build|setup\.py\s+build\w*|xcodebuild|docker\s+compose\s+build)\b",
        ),
        (
            "download",
            r"\b(huggingface-cli|hf)\s+download\b|\b(wget|git\s+lfs|git\s+clone)\b|\bcurl\b.*-[oO]|"
            r"(download|prepare)\w*\.(py|sh)\b",
        ),
        ("test", r"\b(pytest|tox|nox|cargo\s+test|go\s+test|ctest|npm\s+test|make\s+test)\b"),
        (
            "run",
            r"\b(python3?|torchrun|accelerate|uvicorn|docker\s+run|cargo\s+run|go\s+run|npm\s+(start|run)|mpirun|deepspeed)\b",
        ),
    )
)
_ORDER = ("install", "build", "download", "run", "test")
_BACKEND = re.compile(r"^\s*build-backend\s*=\s*[\"']([^\"']+)")
_README = re.compile(
    r"(^|/)(readme|install|installation|getting_?started|quickstart|building|build)[\w.-]*\.(md|mdx|rst|txt)$",
    re.IGNORECASE,
)


def find_build_install(program: Program) -> list[dict[str, Any]]:
    """`{cmd, kind, source, path, line, end, what, evidence}`: the README's commands first, then what manifests imply, other
    documents, scripts and workflows. `kind` is install, build, download, run or test; `what` says where it was found;
    `line` to `end` spell the command, and `end` is 0 where no line does."""
    rows = {}
    for rank, row in [*_shown(program), *_implied(program)]:
        known = rows.setdefault(row["cmd"], (rank, row))
        if rank < known[0]:
            rows[row["cmd"]] = (rank, row)
    best = sorted(rows.values(), key=lambda r: (r[0], _ORDER.index(r[1]["kind"]), r[1]["path"], r[1]["line"]))
    return [row for _, row in best[:MOST]]


def _row(program: Program, cmd: str, kind: str, path: str, line: int, what: str) -> dict[str, Any]:
    end = _end(program.lines(path), line, cmd)
    proof = evidence(program, path, line, what, end)
    return {
        "cmd": cmd,
        "kind": kind,
        "source": path,
        "path": path,
        "line": line,
        "end": end,
        "what": what,
        "does": command_does(cmd),
        "evidence": [proof],
    }


def _end(lines: Sequence[str], line: int, cmd: str) -> int:
    """The last line of a command (or of as much of it as is kept) that begins on `line` and may go on over others; 0 if the
    lines spell another."""
    said, kept = "", " ".join(cmd.removesuffix("…").split())
    for number in range(line, min(line + LONG, len(lines) + 1)):
        said = " ".join(f"{said} {lines[number - 1].strip().removesuffix(chr(92))}".split())
        if kept in said:
            return number
    return 0


def _shown(program: Program) -> Iterator[tuple[float, dict[str, Any]]]:
    """Commands that a file shows: (rank, row), lower ranks first."""
    for path in program.paths:
        role = role_of(path)
        if role in ("test", "vendored", "generated"):
            continue
        for mark in program.record(path).marks:
            if mark.kind != "command" or _HOOK.match(mark.detail.get("target", "")):
                continue
            kind = _kind(mark.name)
            if by_name := _named(program, path, mark, kind):
                yield by_name
            if not kind or by_name:
                continue
            where = mark.detail.get("where", "")
            section = mark.detail.get("section", "")
            depth = path.count("/")
            rank = (
                0.0 + depth if _README.search(path) else 3.0 + depth if where == "document" else 6.0 + depth
            )
            section = _NUMBERED.sub("", section).strip()  # a heading's figures stand on its own line, not on the command's
            what = f"shown under {plain(section)}" if section else f"a step of {path.rpartition('/')[2]}"
            yield rank, _row(program, mark.name, kind, path, mark.line, what)


def _named(program: Program, path: str, mark: Mark, kind: str) -> tuple[float, dict[str, Any]] | None:
    """What one types for a script of a package.json or a target of a Makefile: its name, and not what it runs in turn."""
    target = mark.detail.get("target", "")
    folder, _, name = path.rpartition("/")
    kind = next((k for k, words in _TARGETS.items() if re.match(rf"({words})(?![a-z])", target)), kind)
    if not kind or _SAYS.match(mark.name):
        return None
    if name == "package.json" and target:
        line, cmd, what = mark.line, f"{_manager(program, folder)} run {target}", f"a script of {name}"
    elif mark.detail.get("where") == "recipe" and re.fullmatch(r"[A-Za-z][\w-]*", target):
        marks = program.record(path).marks
        line = next((m.line for m in marks if m.kind == "target" and m.name == target), mark.line)
        cmd, what = f"make {f'-C {folder} ' if folder else ''}{target}", f"a target of {name}"
    else:
        return None
    return 2.75 + path.count("/"), _row(program, cmd, kind, path, line, what)


def _manager(program: Program, folder: str) -> str:
    """Which of npm and its like has left a lock beside a package.json, or at the root."""
    for at in dict.fromkeys((f"{folder}/" if folder else "", "")):
        for lock, manager in LOCKS.items():
            if at + lock in program:
                return manager
    return "npm"


_TARGETS = {
    "install": "install|setup", "build": "build|compile|dist|release", "test": "tests?|check", "run": "run|start|serve|dev",
}  # fmt: skip
_HOOK = re.compile(r"(pre|post)(?!view)[a-z]+|prepare$")  # what runs by itself
LOCKS = {"yarn.lock": "yarn", "pnpm-lock.yaml": "pnpm", "bun.lockb": "bun", "bun.lock": "bun"}
_SAYS = re.compile(r"@?(echo|printf|cat)\b|usage:", re.IGNORECASE)  # what tells of a command is none
_NUMBERED = re.compile(r"\s*\([^()]*\d[^()]*\)|\s*\S*\d\S*")


def _kind(text: str) -> str:
    if _SAYS.match(text):
        return ""
    return next((kind for kind, pattern in _KINDS if pattern.search(text)), "") or (
        "run" if text.startswith("./") else ""
    )


def _implied(program: Program) -> Iterator[tuple[float, dict[str, Any]]]:
    """What a manifest is for: `pip install .` of a build backend, `cargo build` of a Cargo.toml."""
    for path in program.paths:
        folder, _, name = path.rpartition("/")
        if role_of(path) in ("test", "vendored", "generated", "example") or path.count("/") > 2:
            continue
        if role_of(f"{folder}/") == "doc":  # what its documents are made with
            continue
        if not program.record(path).lines:  # empty, or not read: a link, say
            continue
        rank = 2.0 + path.count("/")
        target = f"./{folder}" if folder else "."
        if name == "pyproject.toml":
            for number, text in enumerate(program.lines(path), 1):
                if backend := _BACKEND.match(text):
                    yield (
                        rank,
                        _row(
                            program,
                            f"pip install {target}",
                            "install",
                            path,
                            number,
                            f"build backend {backend[1]}",
                        ),
                    )
        elif name == "setup.py":
            line = next(
                (
                    n
                    for n, t in enumerate(program.lines(path), 1)
                    if re.match(r"\s*(setuptools\.)?setup\(", t)
                ),
                1,
            )
            yield (
                rank + 0.5,
                _row(program, f"pip install {target}", "install", path, line, "setuptools' setup()"),
            )
        elif re.fullmatch(r"requirements[\w.-]*\.txt", name):
            yield rank, _row(program, f"pip install -r {path}", "install", path, 1, "a list of requirements")
        elif name in IMPLIED:
            kind, command = IMPLIED[name]
            pattern = STANDS.get(name)
            found = (n for n, t in enumerate(program.lines(path), 1) if pattern and re.match(pattern, t))
            command = command.replace("npm", _manager(program, folder))
            cmd = command if not folder else f"cd {folder} && {command}"
            yield rank, _row(program, cmd, kind, path, next(found, 1), f"{name} is there for it")


IMPLIED = {
    "Cargo.toml": ("build", "cargo build --release"), "go.mod": ("build", "go build ./..."),
    "package.json": ("install", "npm install"),
    "CMakeLists.txt": ("build", "cmake -B build && cmake --build build"), "Makefile": ("build", "make"),
    "Dockerfile": ("build", "docker build ."),
}  # fmt: skip
STANDS = {
    "Cargo.toml": r"\[(package|workspace)\]",
    "go.mod": r"module ",
    "CMakeLists.txt": r"(?i)\s*project\(",
    "Dockerfile": r"FROM ",
}
