# Where a program starts: what a manifest installs as a command, what runs when a file is run, what starts to serve,
# what a user of the library constructs and calls. Every entry names the definition that runs, not the line of the
# manifest that mentions it; that line is its evidence.
"""`find_entrypoints(program)`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from cutaway.facts.dispatch import commands
from cutaway.facts.exported import exported_objects
from cutaway.facts.lookup import Lookup, evidence, lookup, scope_name
from cutaway.facts.public import public_objects
from cutaway.facts.roles import role_of
from cutaway.facts.serving import answering, serving_functions
from cutaway.facts.started import started_by
from cutaway.facts.web_entries import web_entries
from cutaway.model.code import FileRecord, Mark
from cutaway.read.program import Program

__all__ = ["find_entrypoints"]

SCORES = {
    "script": 1.0,
    "container": 0.9,
    "serves": 0.85,
    "public": 0.8,
    "main": 0.75,
    "command": 0.7,
    "image": 0.65,
    "alone": 0.6,
    "answers": 0.55,
    "data": 0.5,
}
OF_ROLE = {"code": 0.0, "tool": -0.2, "benchmark": -0.25, "example": -0.3}
NOT_RUN = ("setup.py", "conf.py", "conftest.py", "__init__.py", "noxfile.py")
SKIPPED = ("test", "doc", "vendored", "generated")
_MAIN = re.compile(r"^(main|run|cli|app|serve|start|launch)(_|$)|(_main|_cli|_server)$")
_WORD = re.compile(r"[A-Za-z_][\w.]*")
_HANDS_OVER = re.compile(
    r"(^|\.)(run|Fire|CLI|cli|spawn|start|launch\w*|run_until_complete|Process|main|wrapper)$"
)
EXAMPLE_CALLS = 2
SCRIPT_CALLS = 6  # fewer calls outside of definitions make constants, not a program


def find_entrypoints(program: Program) -> list[dict[str, Any]]:
    """`{kind, path, line, symbol, name, score, evidence}`, best first; `symbol` is empty where a file's own statements are
    what runs. Kinds: cli, server, page, benchmark, example, library. Tests are not entry points of the product."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    serving = serving_functions(program)
    for entry in _candidates(program, serving):
        role = role_of(entry["path"])
        if role in SKIPPED:
            continue
        via = entry.pop("via")
        entry["score"] = round(SCORES[via] + OF_ROLE.get(role, 0.0) - 0.01 * entry["path"].count("/"), 3)
        if entry["kind"] == "cli":
            entry["kind"] = role if role in ("benchmark", "example") else _kind(entry, serving)
        known = found.setdefault((entry["path"], entry["symbol"]), entry)
        if known is not entry:
            known["evidence"] += [e for e in entry["evidence"] if e not in known["evidence"]]
            known["name"] = known["name"] or entry["name"]
            if entry["score"] > known["score"]:
                known.update(score=entry["score"], kind=entry["kind"])
    rows = sorted(found.values(), key=lambda e: (-e["score"], e.get("order", 0), e["path"], e["line"]))
    return [{key: value for key, value in row.items() if key != "order"} for row in rows]


def _kind(entry: dict[str, Any], serving: dict) -> str:
    return "server" if (entry["path"], entry["symbol"]) in serving else "cli"


def _candidates(program: Program, serving: dict) -> Iterator[dict[str, Any]]:
    look = lookup(program)
    imported = _imported_files(program, look)
    for path in program.paths:
        record = program.record(path)
        for mark in record.marks:
            if mark.kind == "script" and mark.detail.get("group", "") in (
                "",
                "console_scripts",
                "gui_scripts",
            ):
                yield from _script(program, look, path, mark)
            elif mark.kind == "main" and path.rpartition("/")[2] != "build.rs":  # which Cargo runs
                yield from _main(program, look, path, record, mark)
            elif mark.kind == "command" and mark.detail.get("where") in ("ENTRYPOINT", "CMD"):
                yield from _container(program, path, mark)
            elif mark.kind == "command" and path.endswith("package.json") and mark.detail.get("target"):
                yield from _package(program, path, mark)
        if _is_script(look, path, record, imported):
            yield _entry(
                "cli",
                "main",
                path,
                1,
                "",
                "",
                [evidence(program, path, 1, "its statements run when the file is run")],
            )
    for kind, path, line, name, proof in web_entries(program):
        yield _entry(kind, "serves" if kind == "page" else "public", path, line, "", name, [proof])
    yield from commands(program)
    for (path, symbol), why in serving.items():
        definition = program.definition(path, symbol)
        if definition is not None and why["starts"]:
            yield _entry("server", "serves", path, definition.line, symbol, "", [why["evidence"]])
    for path, definition, mark in answering(program):
        proofs = [evidence(program, path, mark.line, f"answers {mark.detail['path']}")]
        yield _entry("server", "answers", path, definition.line, definition.name, "", proofs)
    listed = (*public_objects(program), *exported_objects(program))
    for order, (path, definition, name, works, proofs) in enumerate(listed):  # the most used first
        public = "public" if not path.endswith(".py") or look.packaged else "alone"
        yield _entry(
            "library", public if works else "data", path, definition.line, definition.name, name, proofs
        ) | {"order": order}


def _entry(kind: str, via: str, path: str, line: int, symbol: str, name: str, proofs: list) -> dict[str, Any]:
    return {
        "kind": kind,
        "via": via,
        "path": path,
        "line": line,
        "symbol": symbol,
        "name": name,
        "evidence": proofs,
    }


def _script(program: Program, look: Lookup, path: str, mark: Mark) -> Iterator[dict[str, Any]]:
    """`vllm = "vllm.entrypoints.cli.main:main"` of a manifest, `[[bin]] path = "src/main.rs"`."""
    target = mark.detail.get("target", "")
    proof = evidence(program, path, mark.line, f"installs the command `{mark.name}`")
    place = look.dotted(target)
    if place:
        yield _entry("cli", "script", place[0], place[1].line, place[1].name, mark.name, [proof])
        return
    folder = path.rpartition("/")[0]
    file = f"{folder}/{target}".lstrip("/").removeprefix("./")
    if target and file in program:
        main = program.definition(file, "main")
        yield _entry(
            "cli", "script", file, main.line if main else 1, main.name if main else "", mark.name, [proof]
        )


def _container(program: Program, path: str, mark: Mark) -> Iterator[dict[str, Any]]:
    """What a container runs: `python -m package.module`, a file, a program of the repository, or something from elsewhere."""
    proof = evidence(program, path, mark.line, "what the container runs")
    place = started_by(program, "", mark.name)
    if place:
        yield _entry("cli", "container", *place, mark.name[:60], [proof])
    elif not mark.name.rstrip(" ]\"'").endswith("--"):  # an init, which starts what is said elsewhere
        yield _entry("server", "image", path, mark.line, "", mark.name[:60], [proof])


def _package(program: Program, path: str, mark: Mark) -> Iterator[dict[str, Any]]:
    """What `npm start` runs, and whatever else a package.json starts of the repository's files."""
    place = started_by(program, path.rpartition("/")[0], mark.name)
    if place and role_of(place[0]) == "code":
        script = mark.detail["target"]
        via = "script" if script == "start" else "command"
        yield _entry("cli", via, *place, script, [evidence(program, path, mark.line, f"the script `{script}` runs it")])


def _main(
    program: Program, look: Lookup, path: str, record: FileRecord, mark: Mark
) -> Iterator[dict[str, Any]]:
    """The function that a file runs when it is run: the last of the repository's own that the block calls, `main` first."""
    if record.language != "python":
        name = scope_name(record, mark.scope) or mark.name
        yield _entry(
            "cli",
            "main",
            path,
            mark.line,
            name,
            "",
            [evidence(program, path, mark.line, "the program's main")],
        )
        return
    end = int(mark.detail.get("end", mark.line))
    proof = evidence(
        program, path, mark.line, "runs when the file is run", end if end - mark.line <= 12 else 0
    )
    best = None
    for call in record.calls:
        if call.scope >= 0 or not mark.line <= call.line <= end:
            continue
        handed = [a.rpartition("=")[2] for a in call.args] if _HANDS_OVER.search(call.callee) else []
        for text in (call.callee, *handed):
            place = look.follow(path, text) if _WORD.fullmatch(text) else None
            if place and place[1].kind in ("function", "method", "class"):
                strength = bool(_MAIN.search(place[1].name.rpartition(".")[2])) + (place[0] == path)
                if best is None or strength >= best[0]:
                    best = (strength, place, call.line)
    if best is None:
        yield _entry("cli", "main", path, mark.line, "", "", [proof])
        return
    target, definition = best[1]
    proofs = [proof, evidence(program, path, best[2], f"calls {definition.name}")]
    yield _entry("cli", "main", target, definition.line, definition.name, "", proofs)
    if target != path:  # `python -m package` runs this file
        yield _entry("cli", "main", path, mark.line, "", "", [proof])


def _is_script(look: Lookup, path: str, record: FileRecord, imported: set[str]) -> bool:
    """A Python file that does its work at the top level: nobody imports it, and it calls enough outside of definitions;
    or the `__main__.py` of a package that does without the usual test."""
    if record.language != "python" or any(m.kind == "main" for m in record.marks):
        return False
    decorated = {n for d in record.defs for n in range(d.start, d.line)}  # a route that is declared is no work
    calls = [c for c in record.calls if c.scope < 0 and c.line not in decorated]
    if path.endswith("__main__.py"):
        return bool(calls)
    folder = path.rpartition("/")[0]
    example = role_of(path) == "example"  # is there to be run, whatever lies beside it
    in_package = f"{folder}/__init__.py".lstrip("/") in look.program and not example
    return (
        not in_package
        and path not in imported
        and len(calls) >= (EXAMPLE_CALLS if example else SCRIPT_CALLS)
        and path.rpartition("/")[2] not in NOT_RUN
    )


def _imported_files(program: Program, look: Lookup) -> set[str]:
    """The Python files that another file of the repository imports."""
    found = set()
    for path in program.paths:
        for one in program.record(path).imports if path.endswith(".py") else ():
            target = look.modules.resolve(one.module, path)
            if target:
                found |= {target, look.modules.submodule(target, one.symbol) or target}
    return found
