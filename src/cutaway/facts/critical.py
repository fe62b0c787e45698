# The few modules that make a program what it is: what others import and call, what lies on the way from the entry points,
# what holds state and loops. Each with its profile, every part of it with a line.
"""`find_critical(program, reached, life, machines)`."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from math import log2
from typing import Any

from cutaway.facts.imported import BODIES, importers, imports
from cutaway.facts.lookup import as_on_its_line, evidence
from cutaway.facts.outermost import outermost
from cutaway.facts.pseudocode import pseudocode
from cutaway.facts.reach import Node, Step, calls_of, holder
from cutaway.facts.roles import PRODUCT, role_of
from cutaway.model.code import Def
from cutaway.read.program import Program

__all__ = ["find_critical"]

MOST = 5
SHOWN = 8
HELPER = 0.65
USERS = 12  # files that import one, of which its callers are taken
HEADERS = (".h", ".hpp", ".hh", ".hxx", ".cuh")
_WORKING = ("class", "struct", "function", "method")
_HELPERS = re.compile(r"(^|/)(utils?|helpers?|common|logging|logger|types|constants|compat)(/|\.\w+$|_)")
_COMMON = re.compile(r"^(ABC|object|Enum|str|Exception|Generic\b|Protocol|NamedTuple|nn\.Module|Module)")
_IO = re.compile(
    r"(^|\.)(open|read_text|write_text|read_bytes|write_bytes|connect|create_server|create_connection|socket|urlopen|requests\.\w+|"
    r"Popen|run_subprocess|check_output|send|sendall|recv|send_multipart|recv_multipart|write|torch\.save|torch\.load|safe_open|"
    r"snapshot_download|from_pretrained|execute|commit|getenv|environ\.get)$"
)


def find_critical(
    program: Program,
    reached: dict[Node, Step],
    life: dict[str, list[dict[str, Any]]],
    machines: list[dict[str, Any]],
) -> list[dict[str, Any]]:
    """The 3 to 5 files that most depends on: `{path, line, symbol, role, score, why, state, callers, callees, asynchronous, io,
    pseudocode, evidence}`; the symbol is the file's chief class or function."""
    counts = importers(program)
    bodies = _bodies(program)
    for header, body in bodies.items():  # who includes the one uses the other
        counts[body] = max(counts[body], counts[header])
    phases = Counter(
        row["path"] for name in ("startup", "main_loop", "shutdown") for row in life.get(name, [])
    )
    loops = Counter(row["path"] for row in life.get("main_loop", [])[:8])
    made = Counter(row["path"] for row in life.get("task_creation_points", []))
    stateful: Counter[str] = Counter()
    for machine in machines:
        stateful[machine["path"]] += 2 * len(machine["states"]) + len(machine["events"])
    near: dict[str, float] = {}
    through: Counter[str] = Counter()
    for (path, _), step in reached.items():
        near[path] = min(near.get(path, 99.0), step.cost)
        through[path] += 1
    scores = []
    for path in program.paths:
        record = program.record(path)
        if role_of(path) != "code" or not any(d.kind in _WORKING for d in record.defs):
            continue
        parts = {
            "used by other files": min(4.0, 1.2 * log2(1 + counts[path])),
            "on the way from the entry points": max(0.0, 2.5 - 0.3 * near.get(path, 99.0)),
            "code that runs there": 0.8 * log2(1 + through[path]),
            "phases of the program's life": min(2.0, 0.6 * log2(1 + phases[path])),
            "main loops": 1.0 * min(1, loops[path]),
            "state": min(2.5, 0.1 * stateful[path]),
            "tasks": min(1.5, 0.5 * made[path]),
            "size": 0.5 * log2(1 + record.code_lines / 50),
        }
        works = sum(d.kind in ("function", "method") and "declaration" not in d.flags for d in record.defs)
        if works >= 2 and path not in bodies:
            factor = HELPER if _HELPERS.search(path) else 1.0
            scores.append((factor * sum(parts.values()), path, parts))
    scores.sort(key=lambda s: (-s[0], s[1]))
    kept: list[tuple[float, str, dict[str, float]]] = []
    family: Counter[str] = Counter()
    for score, path, parts in scores:
        names = _family(program, path)
        if len(kept) < MOST and not any(family[name] for name in names):
            kept.append((score, path, parts))
            family.update(names)
    return [_profile(program, path, score, parts, reached, machines) for score, path, parts in kept]


def _bodies(program: Program) -> dict[str, str]:
    """header -> the one file of its name that has the bodies of what it declares."""
    named: dict[str, list[str]] = defaultdict(list)
    for path in program.paths:
        if role_of(path) == "code":
            named[path.rpartition("/")[2].partition(".")[0]].append(path)
    found = {}
    for paths in named.values():
        bodies = [p for p in paths if p.endswith(BODIES)]
        if len(bodies) == 1:
            found.update({p: bodies[0] for p in paths if p.endswith(HEADERS)})
    return found


def _family(program: Program, path: str) -> set[str]:
    """What the classes of a file share with other variants of the same thing: a folder and a base. One variant stands for
    all of them."""
    folder = path.rpartition("/")[0]
    bases = {b for d in outermost(program.record(path)) if d.kind == "class" for b in d.bases}
    return {f"{folder}:{base}" for base in bases if not _COMMON.search(base)}


def _profile(
    program: Program,
    path: str,
    score: float,
    parts: dict[str, float],
    reached: dict[Node, Step],
    machines: list[dict[str, Any]],
) -> dict[str, Any]:
    record = program.record(path)
    chief = _chief(program, path, reached)
    why = [name for name, points in sorted(parts.items(), key=lambda p: -p[1]) if points > 0.5][:4]
    edges = [
        e
        for rows in calls_of(program, path).values()
        for e in rows
        if e.path and e.path != path and role_of(e.path) == "code"
    ]
    callees = Counter((e.path, e.symbol, e.at) for e in edges)
    on_the_way = ((where, symbol) for where, symbol in reached if where in program)
    callers = _callers(program, path, on_the_way)
    if not callers:  # by way of nothing that was followed: the files that import it are asked
        users = sorted(imports(program).get(path, ()), key=lambda p: (p.count("/"), p))[:USERS]
        callers = _callers(program, path, ((u, s) for u in users for s in calls_of(program, u)))
    main = _main_function(program, path, chief, reached)
    io = [
        {"path": path, "line": c.line, "call": as_on_its_line(c.callee), "symbol": holder(record, c.scope)}
        for c in record.calls
        if _IO.search(c.callee)
    ]
    return {
        "path": path, "line": chief.line, "symbol": chief.name, "role": chief.doc or record.doc or _does(record, chief),
        "score": round(score, 2), "why": why,
        "state": [_machine(m) for m in machines if m["path"] == path],
        "attributes": _attributes(record, chief),
        "callers": [{"path": p, "symbol": s, "line": n} for (p, s, n), _ in callers.most_common(SHOWN)],
        "callees": [{"path": p, "symbol": s, "line": n} for (p, s, n), _ in callees.most_common(SHOWN)],
        "asynchronous": _asynchronous(record),
        "io": io[:SHOWN],
        "pseudocode": pseudocode(program, path, main) if main else [],
        "evidence": [evidence(program, path, chief.line, "; ".join(why), symbol=chief.name)],
    }  # fmt: skip


def _callers(program: Program, path: str, nodes: Iterable[Node]) -> Counter[tuple[str, str, int]]:
    """(path, symbol, line) of the calls into a file that some functions make."""
    found: Counter[tuple[str, str, int]] = Counter()
    for where, symbol in nodes:
        if where != path and role_of(where) in PRODUCT:
            for edge in calls_of(program, where).get(symbol, ()):
                if edge.path == path:
                    found[where, symbol, edge.line] += 1
    return found


def _machine(machine: dict[str, Any]) -> dict[str, Any]:
    return {
        "machine": machine["name"],
        "line": machine["line"],
        "states": [s["name"] for s in machine["states"]],
    }


def _chief(program: Program, path: str, reached: dict[Node, Step]) -> Def:
    """The class (or function) of a file whose code is reached most, and largest."""
    record = program.record(path)
    own = outermost(record)
    # A file that only implements what a header declares is its methods.
    working = {d.name.rpartition(".")[0] for d in record.defs if d.kind in ("method", "function")}  # not a mere exception
    tops = [d for d in own if d.kind in ("class", "struct", "function", "trait", "interface")] or own

    def weight(definition: Def) -> tuple[float, int]:
        inside = sum(
            1 for d in record.defs if d.name.startswith(definition.name + ".") and (path, d.name) in reached
        )
        size = definition.end - definition.line
        own = (path, definition.name) in reached
        if definition.kind == "function":
            return own / 2 + size / 40, -definition.line
        return inside * 3 + 2 * (own and definition.name in working) + size / 40, -definition.line

    return max(tops, key=weight) if tops else record.defs[0]


def _main_function(program: Program, path: str, chief: Def, reached: dict[Node, Step]) -> Def | None:
    """The method of the chief that calls most of the repository's own code; itself where it is a function."""
    if chief.kind == "function":
        return chief
    calls = calls_of(program, path)
    methods = [
        d
        for d in program.record(path).defs
        if d.name.startswith(chief.name + ".") and d.kind in ("method", "function")
    ]

    def weight(definition: Def) -> tuple[float, int]:
        own = {(e.path, e.symbol) for e in calls.get(definition.name, ()) if e.path}
        start = definition.name.endswith("__init__")
        return len(own) * (0.4 if start else 1.0) + 2.0 * (
            (path, definition.name) in reached
        ), -definition.line

    return max(methods, key=weight, default=None)


def _attributes(record, chief: Def) -> list[dict[str, Any]]:
    """The attributes that the chief declares or gives itself, with the line that first does."""
    rows: dict[str, int] = {}
    own = record.defs.index(chief)
    for bind in record.binds:
        if bind.kind == "field" and bind.scope == own:
            rows.setdefault(bind.target, bind.line)
        elif (
            bind.target.startswith("self.")
            and bind.target.count(".") == 1
            and chief.line <= bind.line <= chief.end
        ):
            rows.setdefault(bind.target[5:], bind.line)
    return [{"name": n, "line": line} for n, line in list(rows.items())[:16]]


def _asynchronous(record) -> dict[str, Any]:
    tasks = [
        {"line": m.line, "kind": m.detail.get("how", ""), "runs": m.name}
        for m in record.marks
        if m.kind == "task"
    ]
    locks = [{"line": m.line, "kind": m.name} for m in record.marks if m.kind == "lock"]
    coroutines = sum("async" in d.flags for d in record.defs)
    return {"coroutines": coroutines, "tasks": tasks[:8], "locks": locks[:8]}


def _does(record, chief: Def) -> str:
    inside = [d.name.rpartition(".")[2] for d in record.defs if d.name.startswith(chief.name + ".")]
    names = [n for n in inside if not n.startswith("_")]
    return f"{chief.kind} with {', '.join(names[:5])}" if names else f"{chief.kind} {chief.name}"
