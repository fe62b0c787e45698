# How a program lives: what runs once at the start, what runs until it is told to stop, what runs at the end, and where it
# makes the processes, threads and tasks that live beside it. Judged by the shape of the code first (a loop that ends only
# when a flag says so, a handler of signals, a call before such a loop), by names second, and by the way from the entry points.
"""`find_lifecycle(program, entries)`."""

from __future__ import annotations

from math import log2
from typing import Any

from cutaway.facts.exits import triggers
from cutaway.facts.life import Function, functions
from cutaway.facts.life_phases import loop_score, shutdown_score, startup_score
from cutaway.facts.lookup import evidence
from cutaway.facts.reach import Node, entry_reach, reach
from cutaway.facts.tasks import creation_points
from cutaway.read.program import Program

__all__ = ["find_lifecycle"]

MOST = {"startup": 60, "main_loop": 24, "shutdown": 40}
LEAST = {"startup": 4.5, "main_loop": 5.0, "shutdown": 4.0}
CANDIDATES, DRIVEN = 80, 5.0  # loops that are held against each other; how far, in calls
CERTAIN = 8.5  # a main loop whose callers are starts
OF_CLASS = 5  # of one class in one phase


def find_lifecycle(program: Program, entries: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """`{startup, main_loop, shutdown, exit_triggers, task_creation_points}`, each a list of `{path, line, symbol, score,
    evidence}`, best first. `entries` are `find_entrypoints`'s. A phase that was not found is an empty list."""
    tasks = creation_points(program)
    reached = entry_reach(program, entries, tasks)
    known = functions(program, reached, entries, tasks)
    loops = _driving(
        program, _ranked(program, known, "main_loop", lambda f: loop_score(f, known), CANDIDATES)
    )
    _set_nearness(program, known, loops)
    looping = {(row["path"], row["symbol"]) for row in loops if row["score"] >= CERTAIN}
    life = {
        "startup": _ranked(program, known, "startup", lambda f: startup_score(f, known, looping)),
        "main_loop": loops,
        "shutdown": _ranked(program, known, "shutdown", lambda f: shutdown_score(f, known, looping)),
    }
    life["exit_triggers"] = triggers(program, known, looping)
    life["task_creation_points"] = tasks
    return life


def _driving(program: Program, loops: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Loops by how much of the program they drive: the main loop of an engine reaches most of it, that of a plug-in
    little."""
    for row in loops:
        done = reach(program, [((row["path"], row["symbol"]), 0.0)], DRIVEN, 800)
        row["drives"] = len(done) - 1
        row["score"] = round(row["score"] + 0.5 * log2(1 + row["drives"]), 2)
    return sorted(loops, key=lambda r: (-r["score"], r["path"], r["line"]))[: MOST["main_loop"]]


def _set_nearness(program: Program, known: dict[Node, Function], loops: list[dict[str, Any]]) -> None:
    """How many calls lie between the main loops and each class: what starts and ends a class that does the loop's work
    matters more than what starts a helper."""
    done = reach(program, [((r["path"], r["symbol"]), 0.0) for r in loops if r["score"] >= CERTAIN])
    nearest: dict[Node, float] = {}
    for node, step in done.items():
        function = known.get(node)
        if function and function.owner:
            key = (function.path, function.owner)
            nearest[key] = min(nearest.get(key, 99.0), step.cost)
    for function in known.values():
        function.nearness = nearest.get((function.path, function.owner), 99.0)


def _ranked(program: Program, known: dict, phase: str, judge, most: int = 0) -> list[dict[str, Any]]:
    rows = []
    for function in known.values():
        score, reasons = judge(function)
        if score >= LEAST[phase]:
            rows.append((score, function, reasons))
    rows.sort(key=lambda r: (-r[0], r[1].path, r[1].definition.line))
    kept, of_class = [], {}
    for score, function, reasons in rows:
        key = (function.path, function.owner)
        of_class[key] = of_class.get(key, 0) + 1
        if len(kept) < (most or MOST[phase]) and of_class[key] <= OF_CLASS:
            kept.append(_row(program, function, score, reasons))
    return kept


def _row(
    program: Program, function: Function, score: float, reasons: list[tuple[int, str]]
) -> dict[str, Any]:
    told = dict.fromkeys(reasons)  # what speaks for the phase comes before what speaks for the function
    proofs = [evidence(program, function.path, line, why) for line, why in told]
    step = function.step
    if step and step.line:
        proofs.append(evidence(program, step.path, step.line, f"reached from here ({step.origin})"))
    return {
        "path": function.path, "line": function.definition.line, "symbol": function.definition.name,
        "score": round(score, 2), "evidence": proofs,
    }  # fmt: skip
