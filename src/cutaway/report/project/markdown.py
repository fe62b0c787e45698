# The project report on paper: life, states, core modules, what runs at once, the map, experiments. Each row is a fact with its
# line; a section without facts says so.
"""`markdown(page) -> str`: the report of kind `project`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cutaway.facts.describing import sentence
from cutaway.facts.languages import CODE
from cutaway.facts.roles import PRODUCT, role_of
from cutaway.report.escape import code, prose, visible
from cutaway.report.graph import Graph
from cutaway.report.mermaid import fenced
from cutaway.report.project.concurrency import async_map, process_map
from cutaway.report.repo.page import Page
from cutaway.report.repo.phases import told
from cutaway.report.templates import template

__all__ = ["markdown"]

RETURNED = {"rust", "go", "c", "shell", "cmake", "make", "docker"}  # where a failure is a value that a function returns
_BARE = ("else:", "try:", "finally:")  # these stand wherever their block begins
MACHINES, MODULES, ROWS = 8, 5, 12
PHASES = ("startup", "main_loop", "shutdown")


def markdown(page: Page) -> str:
    """The report; headings are those of `templates/sections.toml`."""
    rules = template("project")
    assert rules
    bodies = {
        "Lifecycle": _lifecycle,
        "State machines": _states,
        "Core modules": _modules,
        "Async map": async_map,
        "Architecture map": process_map,
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


def _experiments(page: Page) -> list[str]:
    rows = []
    for number, row in enumerate(page.facts["experiments"][:3], 1):
        seen = f"One should then see: {page.words(row['see'])}."
        do, place = page.words(row["do"]), page.place(row["path"], row["line"])
        rows.append(f"{number}. {do}. {seen}" + ("" if place in do else f" ({place})"))
    return rows or [
        "None: no state, loop or setting was found that could be watched without changing what the program does."
    ]
