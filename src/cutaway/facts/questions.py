# What reading alone did not decide, for a reader to ask: calls that lead nowhere known, twins of which none is plainly live,
# loops that nobody was seen to enter, notes of things to do.
"""`find_questions(program, project, deprecated, reached)`."""

from __future__ import annotations

import re
from typing import Any

from cutaway.facts.lookup import evidence
from cutaway.facts.reach import Node, Step
from cutaway.facts.roles import role_of
from cutaway.read.program import Program

__all__ = ["find_questions", "named_here"]

MOST = 24
_WHOSE = re.compile(
    r"^[\s\w]{0,30}\)[\s.:-]*|^[\s.:)-]+"
)  # `TODO(ann). Write it`: what is left of whose it is


def find_questions(
    program: Program, project: dict[str, Any], deprecated: list[dict[str, Any]], reached: dict[Node, Step]
) -> list[dict[str, Any]]:
    """`{question, path, line, symbol, evidence}`: what reading alone could not decide: calls on the way that were not resolved,
    twins of which none is plainly live, loops nobody was seen to enter, notes of things to do in the critical modules."""
    rows = []
    loops = [(r["path"], r["symbol"]) for r in project["lifecycle"]["main_loop"][:6]]
    own = named_here(program)
    for path, symbol in loops:
        for edge in program.callees(path, symbol):
            if (
                edge.origin == "unresolved"
                and "self." in edge.callee
                and edge.callee.rpartition(".")[2] in own
            ):
                rows.append(
                    _question(
                        program, f"What does {edge.callee} call in {symbol}? ({edge.why})", path, edge.line
                    )
                )
    entered = {(e["path"], e["symbol"]) for e in project["entrypoints"]}
    for row in project["lifecycle"]["main_loop"][:8]:
        owner = (
            row["path"],
            row["symbol"].rpartition(".")[0],
        )  # a class that is entered is so by its methods
        if role_of(row["path"]) != "code" or owner in entered or _runs_itself(program, row):
            continue
        if (row["path"], row["symbol"]) not in reached:
            rows.append(_question(program, f"Who enters the loop {row['symbol']}?", row["path"], row["line"]))
    for twin in deprecated:
        if twin["kind"] == "twins" and twin["live"] is None:
            places = " and ".join(f"{e['path']}:{e['line']}" for e in twin["evidence"][:2])
            rows.append(
                _question(
                    program, f"Which {twin['name']} is used when: {places}?", twin["path"], twin["line"]
                )
            )
    for module in project["critical"]:
        for mark in program.record(module["path"]).marks:
            if mark.kind == "note" and mark.name == "TODO" and mark.detail.get("text"):
                rows.append(
                    _question(
                        program,
                        f"Is this still to do: {_WHOSE.sub('', mark.detail['text'])[:100]}?",
                        module["path"],
                        mark.line,
                    )
                )
    seen, kept = set(), []
    for row in rows:
        if row["question"] not in seen and len(kept) < MOST:
            seen.add(row["question"])
            kept.append(row)
    return kept


def _runs_itself(program: Program, row: dict[str, Any]) -> bool:
    """Is it what a thread or process does, whose class is made of one?"""
    owner, _, name = row["symbol"].rpartition(".")
    definition = program.definition(row["path"], owner) if name == "run" else None
    return definition is not None and any(re.search(r"(Thread|Process)$", base) for base in definition.bases)


def named_here(program: Program) -> set[str]:
    """The own names of what the repository defines: a call by no such name leads out of it."""
    kept = program.__dict__.get("_named_here")
    if kept is None:
        kept = {d.name.rpartition(".")[2] for path in program.paths for d in program.record(path).defs}
        program.__dict__["_named_here"] = kept
    return kept


def _question(program: Program, question: str, path: str, line: int) -> dict[str, Any]:
    proof = evidence(program, path, line, question.partition(" (")[0])  # what is known besides stands elsewhere
    return {"question": question, "path": path, "line": line, "symbol": proof["symbol"], "evidence": [proof]}
