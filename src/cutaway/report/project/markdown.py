# The project report on paper: life, states, core modules, what runs at once, the map, experiments. Each row is a fact with its
# line; a section without facts says so.
"""`markdown(page) -> str`: the report of kind `project`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from cutaway.facts.describing import sentence
from cutaway.facts.languages import CODE
from cutaway.facts.roles import PRODUCT, role_of
from cutaway.report.escape import code, prose, visible
from cutaway.report.graph import Graph
from cutaway.report.mermaid import fenced
from cutaway.report.repo.page import Page
from cutaway.report.repo.phases import told
from cutaway.report.templates import template

__all__ = ["markdown"]

RETURNED = {"rust", "go", "c", "shell", "cmake", "make", "docker"}  # where a failure is a value that a function returns
_BARE = ("else:", "try:", "finally:")  # these stand wherever their block begins
MACHINES, MODULES, ROWS, CLOSURES = 8, 5, 12, 8
PHASES = ("startup", "main_loop", "shutdown")


def markdown(page: Page) -> str:
    """The report; headings are those of `templates/sections.toml`."""
    rules = template("project")
    assert rules
    bodies = {
        "Lifecycle": _lifecycle,
        "State machines": _states,
        "Core modules": _modules,
        "Async map": _async,
        "Architecture map": _map,
        "Experiments": _experiments,
    }
    repo = page.repo
    lines = [f"# {rules.title} {prose(repo['name'])}", "", f"**Repo:** {prose(repo['path_or_url'])}  "]
    lines.append(f"**Commit:** {code(repo['commit'] or 'not a commit')}  ")
    for section in rules.sections:
        lines += ["", f"{'#' * section.level} {section.heading}", "", *bodies[section.heading](page)]
    return "\n".join(lines) + "\n"


def _lifecycle(page: Page) -> list[str]:
    lines = []
    for title, key in (
        ("Start", "startup"),
        ("Main loop", "main_loop"),
        ("Shutdown", "shutdown"),
        ("What ends it", "exit_triggers"),
    ):
        rows = [f"{_row(page, r)}: {why}" for r, why in told(page, key)] if key in PHASES else _ends_it(page)
        lines += [f"**{title}**", ""]
        lines += [f"- {row}" for row in rows[:ROWS]] or ["- none found"]
        lines.append("")
    return [*lines, "**How errors end**", "", *(_errors(page) or [f"- {_unthrown(page)}"])]


def _ends_it(page: Page) -> list[str]:
    """Signals, flags and exits, those of one kind in one function together."""
    same: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for row in page.facts["lifecycle"]["exit_triggers"]:
        kind = row["evidence"][0]["why"].partition("(")[0]
        same.setdefault((row["path"], row["symbol"], kind), []).append(row)
    return [
        f"{prose(kind)} in {prose(symbol or 'the module')}: {_places(page, path, rows)}"
        for (path, symbol, kind), rows in same.items()
    ]


def _places(page: Page, path: str, rows: list[dict[str, Any]]) -> str:
    more = f" and {len(rows) - 3} more" if len(rows) > 3 else ""
    return ", ".join(page.place(path, row["line"]) for row in rows[:3]) + more


def _errors(page: Page) -> list[str]:
    """What is done with failures: where a function does the same with several of one kind, they are one statement."""
    same: dict[tuple[str, str, str, str], list[dict[str, Any]]] = {}
    for error in page.facts["errors"]:
        same.setdefault((error["path"], error["symbol"], error["kind"], error["caught"]), []).append(error)
    lines = []
    for (path, symbol, kind, caught), rows in list(same.items())[:ROWS]:
        what = f"{code(caught)} {prose(kind)}" if caught else prose(kind)
        lines.append(f"- {what} in {prose(symbol or 'the module')}: {_places(page, path, rows)}")
    return lines


def _unthrown(page: Page) -> str:
    """Why no handler is listed."""
    records = (page.program.record(path) for path in page.program.paths if role_of(path) in PRODUCT)
    used = {r.language for r in records if r.language in CODE and r.defs}
    return "as values that functions return: its languages throw nothing" if used and used <= RETURNED else "none caught"


def _row(page: Page, row: dict[str, Any]) -> str:
    """A definition at its line, or a line inside of one."""
    definition = page.program.definition(row["path"], row.get("symbol") or "")
    if definition is not None and definition.line == row["line"]:
        return page.pointer(row)
    return f"In {prose(row.get('symbol') or 'the module')} {page.place(row['path'], row['line'])}"


def _states(page: Page) -> list[str]:
    machines = [m for m in page.facts["states"] if any(s.get("set") for s in m["states"])][:MACHINES]
    if not machines:
        return ["No enumeration, flag or table of states that the code assigns was found."]
    lines = []
    for machine in machines:
        lines += [
            f"**{prose(machine['name'])}** ({prose(machine['kind'])}) {page.place(machine['path'], machine['line'])}",
            "",
        ]
        if drawn := _drawn(machine):
            lines += [*fenced(drawn).splitlines(), ""]
            lines += ["An arrow from the dot says who sets a state, whatever was before.", ""]
        shown = machine["states"][:ROWS]
        lines += page.table(["State", "Declared", "Set by"], list(_state_rows(page, shown)))
        events = machine.get("events", [])[:ROWS]
        if events:
            lines += ["", "Events: " + "; ".join(map(_event, events)) + "."]
        lines.append("")
    return lines[:-1]


def _event(event: dict[str, Any]) -> str:
    """What moves a machine; a handler that the event has its name from is named once."""
    handler = "" if event["handler"] == event["name"] else f" in {code(event['handler'])}"
    return f"{code(event['name'])}{handler} ({prose(event.get('how', ''))})"


def _state_rows(page: Page, states: list[dict[str, Any]]) -> Iterator[list[str]]:
    for state in states:
        by = [
            f"{prose(s.get('by') or s.get('symbol') or '')} {page.place(s['path'], s['line'], cell=True)}"
            for s in state.get("set", [])[:4]
        ]
        yield [
            code(state["name"], cell=True),
            page.place(state["path"], state["line"], cell=True),
            "; ".join(by),
        ]


def _drawn(machine: dict[str, Any]) -> Graph | None:
    """The transitions whose both ends are known; '' is the beginning."""
    known = {s["name"] for s in machine["states"]}
    rows = [t for t in machine.get("transitions", []) if t.get("to") in known][:40]
    if machine["kind"] != "enum" or not rows:
        return None
    graph = Graph(machine["name"], kind="state")
    for state in machine["states"]:
        graph.node(state["name"], state["name"])
    for row in rows:
        start = row.get("from") or ""
        if start != row["to"]:
            graph.edge(start if start in known else "", row["to"], row.get("by", "").rpartition(".")[2])
    return graph


def _modules(page: Page) -> list[str]:
    lines = []
    for module in page.facts["critical"][:MODULES]:
        chief = page.pointer(module) if module["symbol"] else page.place(module["path"], module["line"])
        lines += [f"**{prose(module['path'])}**, chiefly {chief}", ""]
        role = prose(sentence(module["role"])).rstrip(".")
        lines.append(f"- Role: {role}; ranked for: {prose(', '.join(module['why']))}.")
        lines.append(
            "- State: " + (_named(page, module, module["attributes"][:10]) or "none of its own") + "."
        )
        lines.append("- Callers: " + (_calls(page, module["callers"]) or "none found") + ".")
        lines.append("- Calls: " + (_calls(page, module["callees"], alike=True) or "nothing of this repository") + ".")
        lines.append("- Async: " + _asynchronous(page, module) + ".")
        io = [f"{code(r['call'])} {page.place(r['path'], r['line'])}" for r in module["io"][:6]]
        lines.append("- I/O: " + ("; ".join(io) or "none found") + ".")
        if len(module["pseudocode"]) > 1:  # the head alone says no more than the table
            lines += ["", "```text"]
            lines += [
                f"{'  ' * r['depth']}{visible(r['text'])}"
                + ("" if r["text"] in _BARE else f"  # {visible(r['path'])}:{_lines(r)}")
                for r in module["pseudocode"][:24]
            ]
            lines.append("```")
        lines.append("")
    return lines[:-1] or ["No module stands out: nothing was found that others depend on."]


def _lines(row: dict[str, Any]) -> str:
    return f"{row['line']}-{row['end']}" if "end" in row else str(row["line"])


def _named(page: Page, module: dict[str, Any], rows: list[dict[str, Any]]) -> str:
    return ", ".join(f"{code(r['name'])} {page.place(module['path'], r['line'])}" for r in rows)


def _calls(page: Page, rows: list[dict[str, Any]], *, alike: bool = False) -> str:
    """Each definition once; of those that one call may reach (`alike`: methods of one name) the first, and how many more."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        name = row["symbol"] or row["path"]
        groups.setdefault(name.rpartition(".")[2] if alike and row["symbol"] else name, []).append(row)
    said = []
    for same in list(groups.values())[:6]:
        first, more = same[0], len({(r["path"], r["symbol"]) for r in same}) - 1
        place = f" {page.place(first['path'], first['line'])}" if first.get("line") else ""
        others = f" and {more} more of that name" if more else ""
        said.append(f"{prose(first['symbol'] or first['path'])}{place}{others}")
    return "; ".join(said)


def _asynchronous(page: Page, module: dict[str, Any]) -> str:
    facts = module["asynchronous"]
    places: dict[str, list[str]] = {}
    for task in facts["tasks"][:6]:
        places.setdefault(task["kind"], []).append(page.place(module["path"], task["line"]))
    starts = [f"{prose(kind)} at {', '.join(where)}" for kind, where in places.items()]
    locks = dict.fromkeys(prose(k["kind"]) for k in facts["locks"] if k)
    said = [
        "has coroutines" if facts["coroutines"] else "",
        f"starts: {'; '.join(starts)}" if starts else "",
        f"holds: {', '.join(locks)}" if locks else "",
    ]
    return ". ".join(filter(None, said)) or "none: it starts nothing and waits for nothing"


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


def _async(page: Page) -> list[str]:
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


def _kind(queue: dict[str, Any]) -> str:
    """What a queue is, and whether it has a size; a socket or pipe has one that its system gives it."""
    kind = prose(queue["kind"])
    return kind if re.search(r"(?i)socket|pipe", kind) else f"{kind}, {'bounded' if queue.get('bounded') else 'unbounded'}"


def _ends(page: Page, rows: list[dict[str, Any]]) -> str:
    return "; ".join(page.place(r["path"], r["line"], cell=True) for r in rows[:4])


def _map(page: Page) -> list[str]:
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
    for task in [t for t in page.facts["lifecycle"]["task_creation_points"] if role_of(t["path"]) in PRODUCT][:CLOSURES]:
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


def _experiments(page: Page) -> list[str]:
    rows = []
    for number, row in enumerate(page.facts["experiments"][:3], 1):
        seen = f"One should then see: {page.words(row['see'])}."
        do, place = page.words(row["do"]), page.place(row["path"], row["line"])
        rows.append(f"{number}. {do}. {seen}" + ("" if place in do else f" ({place})"))
    return rows or [
        "None: no state, loop or setting was found that could be watched without changing what the program does."
    ]
