# Of what the detector of a program's life found, what a reader is told. Many functions are called `start`, `load` or `close`
# and begin or end no program: a name alone is no statement. Told is what does something that starts or ends, or what such
# a function calls, each with the line that shows it.
"""`told(page, phase) -> rows with the text that says why`."""

from __future__ import annotations

import re
from typing import Any

from cutaway.report.repo.page import Page

__all__ = ["told"]

Row = tuple[dict[str, Any], str]  # a row of the phase, and why it is one
Node = tuple[str, str]

_NAMED = re.compile(r"named as ")
_REACHED = re.compile(r"reached from here")
_STANDING = re.compile(r"an entry point|runs as a")
_DRIVES = re.compile(
    r"(waits|works): |called by the event loop|iterates over |loops (without end|while (True|1)$|while .*\b("
    r"exit|stop|done|finish|shut|clos|cancel|complete|alive|active|running|handle|should|keep|poll|wait)\w*)",
    re.IGNORECASE,
)


def told(page: Page, phase: str, *, cell: bool = False) -> list[Row]:
    """The rows of `startup`, `main_loop` or `shutdown`, best first, that more than their names speak for."""
    rows = page.facts["lifecycle"].get(phase, [])
    if phase == "main_loop":
        return [
            (row, page.because(row, cell=cell))
            for row in rows
            if any(_DRIVES.match(e["why"]) for e in row["evidence"])
        ]
    near = {
        (e["path"], e["symbol"]) for e in page.facts.get("entrypoints", []) if e["kind"] in ("cli", "server")
    }
    if phase == "shutdown":
        near |= {_node(row) for row, _ in told(page, "startup")}
    said: dict[Node, str] = {}
    for row in rows:
        acts = [e for e in row["evidence"] if not _NAMED.match(e["why"]) and not _about(e)]
        runs = any(map(_about, row["evidence"]))
        if acts and (runs or phase == "startup"):
            said[_node(row)] = page.because({**row, "evidence": acts}, cell=cell)
        elif not acts and phase == "startup" and (standing := _standing(row)):
            said[_node(row)] = page.because({**row, "evidence": [standing]}, cell=cell)
    near |= said.keys()
    for row in rows:  # what is only called so, by what it is called from
        by = next((e for e in row["evidence"] if _REACHED.match(e["why"])), None)
        if by and _node(row) not in said and (by["path"], by["symbol"]) in near:
            place = page.place(by["path"], by["line"], cell=cell)
            said[_node(row)] = (
                f"called from {page.quoted(by['symbol'], by['path'], by['line'], cell=cell)} ({place})"
            )
    return [(row, said[_node(row)]) for row in rows if _node(row) in said]


def _node(row: dict[str, Any]) -> Node:
    return row["path"], row["symbol"]


def _about(evidence: dict[str, Any]) -> bool:
    """Does it say how the function comes to run, and not what it does?"""
    return bool(_REACHED.match(evidence["why"]) or _STANDING.match(evidence["why"]))


def _standing(row: dict[str, Any]) -> dict[str, Any] | None:
    return next((e for e in row["evidence"] if _STANDING.match(e["why"])), None)
