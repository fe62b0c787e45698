# One picture of how the parts hang together: for an engine the parts on the way of a request, for anything else the modules
# and who imports whom. It is compiled from the facts through a checked graph.
"""`architecture_map(page)`: the lines of the section."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from cutaway.facts.imported import BODIES, imports
from cutaway.report.graph import MAX_EDGES, MAX_NODES, Graph
from cutaway.report.mermaid import fenced
from cutaway.report.origin_words import said
from cutaway.report.repo.page import Page

__all__ = ["architecture_map"]

_ELSEWHERE = ("rpc_string_method", "process_target", "queue_peer")
MODULES, EACH = 14, 2  # modules, and arrows for each of them


def architecture_map(page: Page) -> list[str]:
    """The diagram, and what its arrows mean."""
    steps = page.facts["call_nesting"]
    graph = _of_steps(steps) if len(steps) >= 4 else _of_modules(page)
    if not graph.nodes:
        return ["No modules were found to draw."]
    meaning = (
        "An arrow is a call on the way of a request, or what it sends over a queue or socket, with the way it was resolved."
        if len(steps) >= 4
        else "An arrow says that a module imports another; where there are many, those of the most imports are drawn."
    )
    return [*fenced(graph).splitlines(), "", meaning]


def _of_steps(steps: list[dict[str, Any]]) -> Graph:
    """The steps that are a part of their own, lead to several, or send to or start what runs elsewhere, joined over what lies
    between. What stands in the nesting twice is one node."""
    graph = Graph("the way of a request")
    first: dict[tuple[str, str], int] = {}
    for index, step in enumerate(steps):
        first.setdefault((step["path"], step["symbol"]), index)
    same = [first[step["path"], step["symbol"]] for step in steps]
    above = list(_above(steps))
    ends = {same[i] for i, s in enumerate(steps) if s.get("origin") in _ELSEWHERE}
    ends |= {same[above[i]] for i, s in enumerate(steps) if s.get("origin") == "queue_peer" and above[i] >= 0}
    ranked = sorted(range(len(steps)), key=lambda i: (i not in ends and not steps[i].get("parts"), steps[i]["depth"] > 0, i))
    wanted = [i for i in ranked if i == same[i] and (i in ends or steps[i].get("parts") or steps[i]["depth"] <= 1)]
    keep = set(wanted[: MAX_NODES - 4])
    for index in sorted(keep):
        step = steps[index]
        folder = step["path"].rpartition("/")[0] or "root"
        graph.node(str(index), step["symbol"], folder, "round" if step.get("parts") else "box")
    drawn = set()
    for index, step in enumerate(steps):
        near = above[index]
        while near >= 0 and same[near] not in keep:
            near = above[near]
        edge = (same[near] if near >= 0 else -1, same[index])
        if edge[0] >= 0 and edge[1] in keep and edge[0] != edge[1] and edge not in drawn and len(drawn) < MAX_EDGES:
            drawn.add(edge)
            graph.edge(str(edge[0]), str(edge[1]), said(step.get("origin", "")))
    return graph


def _above(steps: list[dict[str, Any]]) -> Iterator[int]:
    """Of each step the index of the one that it stands below, -1 for none."""
    stack: list[int] = []
    for index, step in enumerate(steps):
        while stack and steps[stack[-1]]["depth"] >= step["depth"]:
            stack.pop()
        yield stack[-1] if stack else -1
        stack.append(index)


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
