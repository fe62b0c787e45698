# What will cost a reader of this repository time, each with how to see it and what to do about it. Only what a line shows.
"""`find_pitfalls(program, project, config, reached)`."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from typing import Any

from cutaway.facts.async_map import find_loose_ends
from cutaway.facts.lookup import evidence
from cutaway.facts.reach import Node, Step, calls_of, holder
from cutaway.facts.roles import role_of
from cutaway.model.code import Call, Edge, Mark
from cutaway.read.program import Program
from cutaway.read.resolve.edges import order

__all__ = ["find_pitfalls"]

MOST = 24
OF_KIND = 4
NEAR = 8  # lines of a flag's declaration
CERTAIN = ("local", "imported", "self_method", "module_call_forward", "attribute_type")
_GOES_ON = re.compile(r"[(\[{,=|+\\]\s*((#|//).*)?$")
GRAVE = ("FIXME", "HACK", "XXX", "BUG")


def find_pitfalls(
    program: Program, project: dict[str, Any], config: dict[str, Any], reached: dict[Node, Step]
) -> list[dict[str, Any]]:
    """`{kind, what, detect, fix, path, line, symbol, evidence}`, those nearest to the entry points first, a few of each kind.
    `project` is `find_project`'s, `config` `find_config_surface`'s."""
    rows = [*_swallowed(program), *_loose(program), *_queues(program, project), *_notes(program)]
    rows += [*_config(program, config), *_signatures(program, reached), *_pins(program)]
    near = {node: step.cost for node, step in reached.items()}
    rows.sort(key=lambda r: (near.get((r["path"], r["symbol"]), 50.0), r["path"], r["line"]))
    kept, of_kind = [], defaultdict(int)
    for row in rows:
        if role_of(row["path"]) != "code":
            continue
        of_kind[row["kind"]] += 1
        if of_kind[row["kind"]] <= OF_KIND:
            kept.append(row)
    return kept[:MOST]


def _row(
    program: Program, kind: str, path: str, line: int, what: str, detect: str, fix: str, symbol: str = ""
) -> dict[str, Any]:
    proof = evidence(program, path, line, what)
    where = {"path": path, "line": line, "symbol": symbol or proof["symbol"]}
    return {"kind": kind, "what": what, "detect": detect, "fix": fix, **where, "evidence": [proof]}


def _swallowed(program: Program):
    for path in program.paths:
        record = program.record(path)
        if record.language != "python" or role_of(path) != "code":
            continue
        for mark in record.marks:
            broad = mark.kind == "except" and (
                mark.detail.get("bare") or mark.name in ("Exception", "BaseException")
            )
            if broad and mark.detail.get("does", "").strip() in (
                "pass",
                "continue",
                "return",
                "return None",
                "...",
            ):
                what = f"every failure is swallowed: except {mark.name}: {mark.detail['does']}"
                detect = "log in the handler; run with a failing input and see that nothing is said"
                symbol = holder(record, mark.scope)
                yield _row(
                    program,
                    "swallowed",
                    path,
                    mark.line,
                    what,
                    detect,
                    "catch what is expected, log the rest",
                    symbol,
                )


def _loose(program: Program):
    detects = {
        "dropped task": "run with PYTHONASYNCIODEBUG=1; an exception in it is only seen when the task is collected",
        "never joined": "end the parent and look whether the child is still there",
        "never awaited": "run with -X dev: 'coroutine … was never awaited'",
    }
    fixes = {"dropped task": "keep the task in a set until it is done", "never joined": "keep it and join it at the end",
             "never awaited": "await it or hand it to the loop"}  # fmt: skip
    for end in find_loose_ends(program):
        yield _row(
            program,
            end["kind"],
            end["path"],
            end["line"],
            end["what"],
            detects[end["kind"]],
            fixes[end["kind"]],
            end["symbol"],
        )


def _queues(program: Program, project: dict[str, Any]):
    for queue in project["queues"]:
        asynchronous = queue["kind"].rpartition(".")[2] in (
            "Queue",
            "SimpleQueue",
            "JoinableQueue",
            "PriorityQueue",
        )
        if asynchronous and not queue["bounded"] and queue["put"] and queue["get"]:
            what = f"{queue['name']} grows without end when its reader is slower than its writers"
            detect = f"log {queue['attribute']}.qsize() where it is filled (line {queue['put'][0]['line']})"
            yield _row(
                program,
                "unbounded queue",
                queue["path"],
                queue["line"],
                what,
                detect,
                "give it a size",
                queue["symbol"],
            )


def _notes(program: Program):
    for path in program.paths:
        record = program.record(path)
        if role_of(path) != "code":
            continue
        for mark in record.marks:
            told = mark.detail.get("text", "").strip(" :-.")
            if mark.kind == "note" and mark.name in GRAVE and told and _commented(program, path, mark):
                what = f"its author marked it {mark.name}: {told}"[:160]
                symbol = holder(record, mark.scope)
                yield _row(
                    program,
                    "note",
                    path,
                    mark.line,
                    what,
                    "run into the case that the comment names",
                    "do what it asks for, or work around it",
                    symbol,
                )


def _commented(program: Program, path: str, mark: Mark) -> bool:
    """The word stands in a comment, not in a text that the program prints."""
    line = program.lines(path)[mark.line - 1]
    before = line.partition(mark.name)[0]
    return bool(re.search(r"#|//|/\*|^\s*\*|--|;", before))


def _config(program: Program, config: dict[str, Any]):
    """Variables that must be set, and settings with two sources."""
    prefixes = Counter(map(_prefix, config["env_vars"]))
    name = re.sub(r"\W", "", program.source.name).lower()
    own = {p for p, count in prefixes.items() if p == name or 2 * count > prefixes.total()}
    flags = {f["name"].lstrip("-").replace("-", "_").lower(): f for f in config["cli_flags"]}
    for variable in config["env_vars"]:
        if not variable["default"] and _demanded(program, variable):
            what = f"{variable['name']} must be set, or KeyError"
            detect, fix = f"unset {variable['name']} and start", "give it a default, or set it"
            yield _row(program, "must be set", variable["path"], variable["line"], what, detect, fix)
        name = _unprefixed(variable)
        flag = flags.get(name) if len(name) > 5 and _prefix(variable) in own else None
        if flag and role_of(flag["path"]) == "code" and not _one_statement(program, variable, flag):
            what = f"{variable['name']} and {flag['name']} ({flag['path']}:{flag['line']}) set the same thing"
            detect, fix = "set both to different values", "find which is read last"
            yield _row(program, "two sources", variable["path"], variable["line"], what, detect, fix)


def _prefix(variable: dict[str, Any]) -> str:
    """The word before the first `_`: the project's own name, or what kind of thing the variable is about (`DB_PASSWORD`)."""
    return variable["name"].lower().partition("_")[0]


def _unprefixed(variable: dict[str, Any]) -> str:
    """A variable's name behind the project's own prefix, as a flag would spell it."""
    return variable["name"].lower().partition("_")[2]


def _one_statement(program: Program, variable: dict[str, Any], flag: dict[str, Any]) -> bool:
    """Is the variable read where the flag is declared, as its default or by the library? Then who wins is said there."""
    if variable["path"] != flag["path"]:
        return False
    first, last = sorted((variable["line"], flag["line"]))
    above = program.lines(flag["path"])[first - 1 : last - 1]
    return last - first <= NEAR and all(_GOES_ON.search(line) for line in above)


def _demanded(program: Program, variable: dict[str, Any]) -> bool:
    """Read by subscript, in a file that does not ask first whether it is there."""
    name = variable["name"]
    texts = [t.replace("'", '"') for t in program.lines(variable["path"])]
    asked = any(f'"{name}" in ' in t or f'get("{name}"' in t or f'getenv("{name}"' in t for t in texts)
    line = texts[variable["line"] - 1]
    return f'environ["{name}"]' in line and not asked and not re.match(r"\s*[\w.]*environ\[.*\]\s*=", line)


def _signatures(program: Program, reached: dict[Node, Step]):
    """Calls in what runs whose number of positional arguments does not fit the one function that they can mean."""
    running: dict[str, list[str]] = defaultdict(list)
    for path, symbol in reached:
        running[path].append(symbol)
    for path in sorted(running):
        if path not in program or program.record(path).language != "python":
            continue
        calls = {(c.line, c.callee): c for c in program.record(path).calls}
        ends: dict[tuple[int, str], list[Edge]] = defaultdict(list)
        edges = [e for symbol in running[path] for e in calls_of(program, path)[symbol]]
        for edge in sorted(edges, key=order):
            if edge.path:
                ends[edge.line, edge.callee].append(edge)
        for key, edges in ends.items():
            if key in calls and len(edges) == 1 and edges[0].origin in CERTAIN:
                yield from _misfit(program, path, calls[key], edges[0])


def _misfit(program: Program, path: str, call: Call, edge: Edge):
    definition = program.definition(edge.path, edge.symbol)
    if (
        definition is None
        or set(definition.decorators) - {"staticmethod", "classmethod"}
        or len(call.args) >= 12
    ):
        return
    names = [p.name for p in definition.params]
    named = any("*" in a[:2] or re.match(r"^\w+=[^=]", a) for a in call.args)
    if named or any(n.startswith("*") for n in names):
        return
    bound = (
        definition.kind == "method"
        and bool(names)
        and names[0] in ("self", "cls")
        and "staticmethod" not in definition.decorators
        and not (_by_class(call.callee, definition.name) and "classmethod" not in definition.decorators)
    )
    needs = sum(not p.default for p in definition.params) - bound
    if not needs <= len(call.args) <= len(names) - bound:
        takes = f"{needs}" if needs == len(names) - bound else f"{needs} to {len(names) - bound}"
        given = f"{edge.callee}() is given {len(call.args)} arguments"
        what = f"{given}; {definition.name} takes {takes} arguments ({edge.path}:{edge.at})"
        yield _row(
            program, "wrong call", path, edge.line, what, "call this path: TypeError", "follow the signature"
        )


def _by_class(callee: str, name: str) -> bool:
    """Is a method called as its class's function, so that whose it is comes as an argument: `cls.work(one)`?"""
    receiver = callee.rpartition(".")[0].rpartition(".")[2]
    return receiver == "cls" or receiver == name.rpartition(".")[0].rpartition(".")[2] != ""


def _pins(program: Program):
    """One package with two different exact versions."""
    pins: dict[str, dict[str, tuple[str, int]]] = defaultdict(dict)
    for path in program.paths:
        if role_of(path) in ("test", "doc", "vendored", "example"):
            continue
        for mark in program.record(path).marks:
            version = (
                mark.detail.get("version", "")
                if mark.kind == "dependency" and not mark.detail.get("kind")
                else ""
            )
            if version.startswith("=="):
                pins[mark.name.lower()].setdefault(version, (path, mark.line))
    for name, versions in sorted(pins.items()):
        if len(versions) > 1:
            (first, (path, line)), (second, (other, at)) = sorted(versions.items())[:2]
            what = f"{name} is pinned to {first} here and to {second} in {other}:{at}"
            yield _row(
                program, "conflicting pins", path, line, what, "install both lists", "agree on one version"
            )
