# What runs at once: what is started and what it runs, queues, locks, what nobody waits for; and the picture of who starts whom.
"""`async_map(page)` and `process_map(page)`."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from cutaway.facts.roles import PRODUCT, role_of
from cutaway.report.escape import prose
from cutaway.report.graph import Graph
from cutaway.report.mermaid import fenced
from cutaway.report.repo.page import Page

__all__ = ["async_map", "process_map"]

ROWS, CLOSURES = 12, 8  # of a table; closures in the picture


def async_map(page: Page) -> list[str]:
    facts = page.facts
    rows = []
    tasks = facts["lifecycle"]["task_creation_points"]
    run = {spawned for task in tasks for spawned in task["spawns"]}
    for task in tasks[: 2 * ROWS]:
        ran = [_started(page, task, s) for s in task["spawns"][:3]]
        spawns = ", ".join([*ran, *(_closure(page, task, c) for c in task["closures"][: 3 - len(ran)])])
        if spawns or f"{task['path']}:{task['symbol']}" not in run:  # else the row of its starter tells more
            rows.append([prose(task.get("kind", "task")), page.pointer(task, cell=True), spawns])
    lines = (
        ["**What is started**", "", *page.table(["Kind", "Where", "Runs"], rows)]
        if rows
        else ["Nothing is started beside the main flow."]
    )
    queues = [
        [
            f"{page.quoted(q['name'], q['path'], q['line'], cell=True)} {page.place(q['path'], q['line'], cell=True)}",
            _kind(q),
            _ends(page, q["put"]),
            _ends(page, q["get"]),
        ]
        for q in [q for q in facts["queues"] if q["put"] or q["get"]][:ROWS]
    ]
    if queues:
        lines += ["", "**Queues**", "", *page.table(["Queue", "Kind", "Put", "Get"], queues)]
    sync = [
        [
            page.quoted(s["name"], s["path"], s["line"], cell=True),
            page.place(s["path"], s["line"], cell=True),
            _ends(page, [*s["guards"], *s["waits"]]),
            _ends(page, s["sets"]),
        ]
        for s in [s for s in facts["sync"] if s["guards"] or s["waits"] or s["sets"]][:ROWS]
    ]
    if sync:
        lines += [
            "",
            "**Locks and events**",
            "",
            *page.table(["Name", "Where", "Guards or waits", "Set"], sync),
        ]
    loose = [
        f"- {page.words(r.get('what', ''))} ({page.place(r['path'], r['line'])})"
        for r in facts["loose_ends"][:ROWS]
    ]
    return [*lines, "", "**Never awaited or joined**", "", *(loose or ["- nothing found"])]


def process_map(page: Page) -> list[str]:
    """Processes, threads and tasks, who starts them and what they talk over."""
    found = page.facts["processes"]
    graph = Graph("what runs", direction="LR")
    names = Counter(unit["name"] for unit in found["units"])
    for unit in found["units"][:30]:
        graph.node(
            f"{unit['path']}:{unit['symbol']}",
            unit["name"] + (f" of {unit['path']}" if names[unit["name"]] > 1 else ""),
            unit["kind"],
            "round" if unit["kind"] == "main" else "box",
        )
    keys = {n.key for n in graph.nodes}
    starters = {u["symbol"]: f"{u['path']}:{u['symbol']}" for u in found["units"]}
    for unit in found["units"][:30]:
        by = unit.get("started_by")
        if by:
            key = f"{by['path']}:{by['symbol']}"
            if key not in keys and len(graph.nodes) < 38:
                graph.node(key, by["symbol"] or by["path"], "code")
                keys.add(key)
            if key in keys and key != f"{unit['path']}:{unit['symbol']}":
                graph.edge(key, f"{unit['path']}:{unit['symbol']}", "starts")
    for task in [t for t in page.facts["lifecycle"]["task_creation_points"] if role_of(t["path"]) in PRODUCT][
        :CLOSURES
    ]:
        maker = f"{task['path']}:{task['symbol']}"
        for row in task["closures"][:1] if len(graph.nodes) < 36 else ():
            if maker not in keys:
                graph.node(maker, task["symbol"] or task["path"], "code")
            closure = f"{task['path']}:{row['line']}"
            graph.node(closure, f"closure at {closure}", task["kind"])
            graph.edge(maker, closure, "starts")
            keys |= {maker, closure}
    for channel in found["channels"][:12]:
        ends = [starters.get(str(channel.get(end, ""))) for end in ("from", "to")]
        if all(e in keys for e in ends) and ends[0] != ends[1]:
            graph.edge(str(ends[0]), str(ends[1]), str(channel.get("name", "")), "dotted")
    if not graph.nodes:
        return ["One flow of control: no process, thread, task or server was found."]
    return [
        *fenced(graph).splitlines(),
        "",
        "An arrow says who starts whom; a dotted one is a queue, pipe or socket between them.",
    ]


def _started(page: Page, task: dict[str, Any], name: str) -> str:
    """`path:Symbol` with its own place; what could not be resolved, as the code names it, a lambda by what it calls."""
    path, _, symbol = name.partition(":")
    definition = page.program.definition(path, symbol) if path in page.program else None
    if definition is None:  # of a coroutine the function, of a command's arguments all
        shown = name if task["kind"] == "process" else name.partition("(")[0]
        return page.quoted(shown, task["path"], task["at"], cell=True)
    return page.pointer({"path": path, "symbol": symbol, "line": definition.line}, cell=True)


def _closure(page: Page, task: dict[str, Any], row: dict[str, Any]) -> str:
    """A function without a name, by where it stands and a call that it makes."""
    place = page.place(task["path"], row["line"], cell=True)
    return f"a closure {place}" + (f" that calls {prose(row['calls'])}" if row["calls"] else "")


def _kind(queue: dict[str, Any]) -> str:
    """What a queue is, and whether it has a size; a socket or pipe has one that its system gives it."""
    kind = prose(queue["kind"])
    return (
        kind
        if re.search(r"(?i)socket|pipe", kind)
        else f"{kind}, {'bounded' if queue.get('bounded') else 'unbounded'}"
    )


def _ends(page: Page, rows: list[dict[str, Any]]) -> str:
    return "; ".join(page.place(r["path"], r["line"], cell=True) for r in rows[:4])
