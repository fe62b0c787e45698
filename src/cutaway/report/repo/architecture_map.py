# One picture of how the parts hang together: for an engine the parts on the way of a request, for anything else the modules
# and who imports whom. It is compiled from the facts through a checked graph.
"""`architecture_map(page)`: the lines of the section."""

from __future__ import annotations

from collections import Counter
from typing import Any

from cutaway.facts.imported import BODIES, imports
from cutaway.report.graph import MAX_EDGES, MAX_NODES, Graph
from cutaway.report.mermaid import fenced
from cutaway.report.repo.page import Page

__all__ = ["architecture_map"]

MODULES, EACH = 14, 2  # modules, and arrows for each of them


def architecture_map(page: Page) -> list[str]:
    """The diagram, and what its arrows mean."""
    steps = page.facts["call_nesting"]
    graph = _of_steps(steps) if len(steps) >= 4 else _of_modules(page)
    if not graph.nodes:
        return ["No modules were found to draw."]
    meaning = (
        "An arrow is a call on the way of a request, with the way it was resolved."
        if len(steps) >= 4
        else "An arrow says that a module imports another; where there are many, those of the most imports are drawn."
    )
    return [*fenced(graph).splitlines(), "", meaning]


def _of_steps(steps: list[dict[str, Any]]) -> Graph:
    """The steps that are a part of their own or lead to several, joined over what lies between."""
    graph = Graph("the way of a request")
    keep = [
        i
        for i, s in enumerate(steps)
        if s.get("parts") or s["depth"] <= 1 or s.get("origin") in ("rpc_string_method", "process_target")
    ]
    keep = keep[: MAX_NODES - 4]
    for index in keep:
        step = steps[index]
        graph.node(
            str(index),
            step["symbol"],
            step["path"].rpartition("/")[0] or "root",
            "round" if step.get("parts") else "box",
        )
    stack: list[tuple[int, int]] = []  # (depth, kept index) of the ancestors
    for index, step in enumerate(steps):
        while stack and stack[-1][0] >= step["depth"]:
            stack.pop()
        if index in keep:
            if stack and len(graph.edges) < MAX_EDGES:
                graph.edge(str(stack[-1][1]), str(index), step.get("origin", "").replace("_", " "))
            stack.append((step["depth"], index))
    return graph


def _of_modules(page: Page) -> Graph:
    """The modules with the most code, and their imports."""
    graph = Graph("modules")
    rows = [r["path"].rstrip("/") for r in page.facts["modules"]][:MODULES]
    for path in rows:
        graph.node(path, path or ".")
    links: Counter[tuple[str, str]] = Counter()
    for path, users in imports(page.program).items():
        theirs = _module(path, rows)
        for user in users if theirs else ():
            mine = _module(user, rows)
            if mine and mine != theirs:
                links[mine, theirs] += 1
    for mine, theirs in list(links):  # who includes a header has not included what implements it
        header = next((r for r in rows if r != theirs and r.partition(".")[0] == theirs.partition(".")[0]), None)
        if theirs.endswith(BODIES) and (mine, header) in links:
            del links[mine, theirs]
    most = min(MAX_EDGES, EACH * len(rows))  # beyond that one sees a ball of wool
    for (one, other), _ in sorted(links.items(), key=lambda i: (-i[1], i[0]))[:most]:
        graph.edge(one, other)
    return graph


def _module(path: str, rows: list[str]) -> str | None:
    """The most specific of the modules that a file belongs to."""
    fitting = [r for r in rows if path == r or path.startswith(r + "/")]
    return max(fitting, key=len, default=None)
