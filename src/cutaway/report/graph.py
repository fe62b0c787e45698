# Diagrams are compiled from facts, never typed: a graph is checked when it is built, cut into pictures that a person can
# read, and only then written as Mermaid (`mermaid.py`). So no name of a repository is ever read as syntax.
"""`Graph`: nodes with labels, groups, edges with labels; `split` cuts a large one into several."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from cutaway.errors import BadValue

__all__ = ["MAX_EDGES", "MAX_NODES", "Edge", "Graph", "Node", "fits", "split"]

MAX_NODES, MAX_EDGES = 40, 60  # of one picture

Shape = Literal["box", "round", "store", "choice"]
Stroke = Literal["solid", "dotted", "thick"]


@dataclass(frozen=True)
class Node:
    """`key` is the builder's own name for it; the picture shows `label`, inside the box of `group` ('' for none)."""

    key: str
    label: str
    group: str = ""
    shape: Shape = "box"


@dataclass(frozen=True)
class Edge:
    """From one node's key to another's. In a state diagram '' stands for the beginning, and for the end."""

    source: str
    target: str
    label: str = ""
    stroke: Stroke = "solid"


@dataclass
class Graph:
    """Nodes and edges in the order in which they were added; raises BadValue at the first that makes no sense."""

    title: str = ""
    kind: Literal["flowchart", "sequence", "state"] = "flowchart"
    direction: Literal["TB", "LR"] = "TB"
    nodes: list[Node] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)
    _keys: dict[str, Node] = field(default_factory=dict, repr=False)

    def node(self, key: str, label: str = "", group: str = "", shape: Shape = "box") -> str:
        """Add a node and return its key; one that is there already must be the same."""
        new = Node(key, label or key, group, shape)
        if not new.label.strip():
            raise BadValue("a node without a label", where=self.title)
        if self._keys.setdefault(key, new) is new:
            self.nodes.append(new)
        elif self._keys[key] != new:
            raise BadValue("two different nodes of one key", asked=key, where=self.title)
        return key

    def edge(self, source: str, target: str, label: str = "", stroke: Stroke = "solid") -> None:
        """Add an edge between nodes that are there; the same edge twice is one."""
        for key in (source, target):
            if key not in self._keys and not (self.kind == "state" and not key and source != target):
                raise BadValue("an edge to a node that is not there", asked=key, where=self.title)
        new = Edge(source, target, label, stroke)
        if self.kind == "sequence" or new not in self.edges:  # in a sequence a message may be sent again
            self.edges.append(new)

    def part(self, title: str, nodes: Iterable[Node], edges: Iterable[Edge]) -> Graph:
        """A picture of some of it."""
        nodes, edges = list(nodes), list(edges)
        return Graph(title, self.kind, self.direction, nodes, edges, {n.key: n for n in nodes})


def fits(graph: Graph) -> bool:
    """Whether it is one readable picture."""
    return len(graph.nodes) <= MAX_NODES and len(graph.edges) <= MAX_EDGES


def split(graph: Graph) -> list[Graph]:
    """`graph` as pictures that each fit; every node and every edge is in at least one.

    Groups stay together where they fit. What leads from one part to another comes in pictures of its own, after a first
    one that shows the groups alone."""
    if fits(graph):
        return [graph]
    if graph.kind == "sequence":
        return _numbered(graph, graph.title, list(_runs(graph.edges)))
    packs = _packs(graph)
    home = {node.key: i for i, pack in enumerate(packs) for node in pack}
    inside: list[list[Edge]] = [[] for _ in packs]
    between: list[Edge] = []
    for edge in graph.edges:
        ends = {home[key] for key in (edge.source, edge.target) if key}
        (inside[ends.pop()] if len(ends) == 1 else between).append(edge)
    pictures = _overview(graph)
    titles = _distinct([_title(graph.title, pack) for pack in packs])
    for title, pack, edges in zip(titles, packs, inside, strict=True):
        pictures += _drawn(graph, title, pack, edges)
    return pictures + _numbered(
        graph, f"{graph.title}: between parts".removeprefix(": "), list(_runs(between))
    )


def _packs(graph: Graph) -> list[list[Node]]:
    """Nodes in packs of at most MAX_NODES, a group in one pack where it fits."""
    groups: dict[str, list[Node]] = {}
    for node in graph.nodes:
        groups.setdefault(node.group, []).append(node)
    packs: list[list[Node]] = []
    for nodes in groups.values():
        if packs and len(packs[-1]) + len(nodes) <= MAX_NODES:
            packs[-1] += nodes
        else:
            packs += [nodes[i : i + MAX_NODES] for i in range(0, len(nodes), MAX_NODES)]
    return packs


def _drawn(graph: Graph, title: str, nodes: list[Node], edges: list[Edge]) -> list[Graph]:
    """All nodes of a pack, its edges over as many pictures as they need."""
    first = graph.part(title, nodes, edges[:MAX_EDGES])
    return [first, *_numbered(graph, f"{title}, more", list(_runs(edges[MAX_EDGES:])))]


def _runs(edges: list[Edge]) -> Iterable[list[Edge]]:
    """`edges` in runs whose ends and number fit."""
    run: list[Edge] = []
    ends: set[str] = set()
    for edge in edges:
        wider = ends | {edge.source, edge.target}
        if run and (len(run) == MAX_EDGES or len(wider - {""}) > MAX_NODES):
            yield run
            run, wider = [], {edge.source, edge.target}
        run, ends = [*run, edge], wider
    if run:
        yield run


def _numbered(graph: Graph, title: str, runs: list[list[Edge]]) -> list[Graph]:
    """A picture for each run, of its edges and their ends."""
    pictures = []
    for i, run in enumerate(runs, 1):
        keys = {key for edge in run for key in (edge.source, edge.target)}
        name = f"{title} ({i}/{len(runs)})" if len(runs) > 1 else title
        pictures.append(graph.part(name.strip(), (n for n in graph.nodes if n.key in keys), run))
    return pictures


def _overview(graph: Graph) -> list[Graph]:
    """The groups as nodes, with the number of edges between each two; nothing for a few groups or too many."""
    group_of = {node.key: node.group for node in graph.nodes}
    groups = list(dict.fromkeys(group_of.values()))
    if not 3 <= len(groups) <= MAX_NODES:
        return []
    pairs = Counter((group_of.get(e.source, ""), group_of.get(e.target, "")) for e in graph.edges)
    nodes = [Node(name, name or "others") for name in groups]
    known = set(groups)
    edges = [
        Edge(source, target, str(count) if count > 1 else "")
        for (source, target), count in pairs.items()
        if source != target and {source, target} <= known
    ]
    overview = graph.part(graph.title, nodes, edges)
    overview.kind = "flowchart"
    return [overview] if fits(overview) else []


def _title(title: str, pack: list[Node]) -> str:
    groups = list(dict.fromkeys(node.group or "others" for node in pack))
    return f"{title}: {', '.join(groups[:3])}{' …' if len(groups) > 3 else ''}".removeprefix(": ")


def _distinct(titles: list[str]) -> list[str]:
    """`titles`, those that occur more than once numbered."""
    return [
        f"{title} ({titles[: i + 1].count(title)}/{titles.count(title)})"
        if titles.count(title) > 1
        else title
        for i, title in enumerate(titles)
    ]
