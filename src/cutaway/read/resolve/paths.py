# Ways through the call graph: the likeliest path between two definitions, where a hop that is less sure, or that only a
# test, a warm-up or another platform takes, costs more. Every hop keeps the call site and the way it was resolved.
"""`Hop`, `Ways`: likeliest paths over a program's edges."""

from __future__ import annotations

import heapq
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from cutaway.model.code import Edge
from cutaway.read.origins import CONFIDENCE

if TYPE_CHECKING:
    from cutaway.read.program import Program

__all__ = ["Hop", "Node", "Ways"]

Node = tuple[str, str]  # (path, symbol)
MOST = 60_000  # nodes that one search may visit

_ASIDE = re.compile(
    r"(^|[_./])(dummy|profil\w*|warm_?up|capture\w*|mock|fake|debug|bench\w*|tests?|examples?|docs?|stub|legacy|deprecated|"
    r"dry_?run|spec_?decod\w*|draft\w*|propos\w*|eagle\w*|mtp|ngram|medusa|sleep|wake\w*|shutdown|abort\w*|reset\w*|elastic\w*)(?=$|[_./])"
)
_PLATFORM = re.compile(
    r"(^|[_./])(cpu|rocm|hip|xpu|tpu|hpu|npu|neuron|mps|metal|ascend|aiter|openvino|musa)(?=$|[_./0-9])",
    re.IGNORECASE,
)
_FIXED = ("super", "constructor", "override")  # origins that name exactly what runs
_QUOTED = re.compile(r"[\"']([\w.:]+)[\"']")


class Hop(NamedTuple):
    """One step: `node` is reached from `source` by the call at `source[0]:line`. `declared` is the definition that the code
    names where `node` overrides it."""

    node: Node
    source: Node
    line: int
    origin: str
    via: str = ""
    declared: Node | None = None


class Ways:
    """Paths over one program."""

    def __init__(self, program: Program):
        self.program = program
        self._out: dict[Node, list[Hop]] = {}
        self._ranked: dict[Node, list[Node]] = {}
        self.preferred: set[str] = set()  # files whose overrides an earlier way took

    def prefer(self, hops: list[Hop]) -> None:
        """Keep to the back ends of this way where others meet the same choice."""
        self.preferred |= {h.node[0] for h in hops if h.origin == "override"}

    def hops(self, node: Node) -> list[Hop]:
        """Where a definition leads, in order of line; a method that subclasses override leads to theirs as well."""
        if node not in self._out:
            self._out[node] = list(self._hops(node))
        return self._out[node]

    def _hops(self, node: Node) -> Iterator[Hop]:
        path, symbol = node
        if path not in self.program:
            return
        edges = [
            e
            for e in self.program.callees(path, symbol)
            if e.path and e.symbol and (e.path, e.symbol) != node
        ]
        ranked = {
            (e.line, e.callee, *n)
            for e in edges
            if e.origin not in _FIXED
            for n in self.ranked((e.path, e.symbol))
        }
        for edge in edges:  # an override that its declaration leads to as well is met there, in its rank
            if edge.origin != "override" or (edge.line, edge.callee, edge.path, edge.symbol) not in ranked:
                yield from self._of_edge(node, edge)

    def _of_edge(self, node: Node, edge: Edge) -> Iterator[Hop]:
        target = (edge.path, edge.symbol)
        yield Hop(target, node, edge.line, edge.origin, edge.via)
        if edge.origin not in _FIXED:
            for other in self.ranked(target):
                yield Hop(other, node, edge.line, "override", edge.via, target)

    def ranked(self, declared: Node) -> list[Node]:
        """The overrides of a method, the likeliest first: not of a special platform, named first in the code's own tables."""
        if declared in self._ranked:
            return self._ranked[declared]
        found = self.program.graph.overrides(*declared)
        self._ranked[declared] = sorted(
            found,
            key=lambda n: (
                bool(_PLATFORM.search(n[0] + "/" + n[1])),
                bool(_ASIDE.search(n[0])),
                self.order.get(n[0], 10**6),
                n,
            ),
        )
        return self._ranked[declared]

    def likeliest(self, declared: Node) -> Node | None:
        """The override to follow: one that an earlier way took, else the first in rank."""
        others = self.ranked(declared)
        return next((n for n in others if n[0] in self.preferred), others[0] if others else None)

    @cached_property
    def order(self) -> dict[str, int]:
        """File -> the place at which a table or enumeration first names something in it."""
        modules = self.program.modules
        places: dict[str, int] = {}
        for path in self.program.paths:
            rows = [m for m in self.program.record(path).marks if m.kind in ("member", "entry")]
            for position, mark in enumerate(rows):
                for text in _QUOTED.findall(mark.detail.get("value", "")):
                    if "." in text and (
                        found := modules.find(
                            text.partition(":")[0].rpartition(".")[0]
                            if ":" not in text
                            else text.partition(":")[0]
                        )
                    ):
                        places[found] = min(position, places.get(found, position))
        return places

    def cost(self, hop: Hop) -> float:
        """What a hop costs: 1 for a plain one, more where it is less likely to be the way of a request."""
        path, symbol = hop.node
        cost = 1.0 + (1 - CONFIDENCE.get(hop.origin, 0.5))
        if hop.origin == "override":
            cost += self._choice(hop)
        if hop.origin in ("callback", "queue_peer"):  # what is called by itself, or started, is the likelier way
            cost += 1.5
        last = symbol.rpartition(".")[2]
        cost += (
            4.0 * bool(_ASIDE.search(last))
            + 3.0 * bool(_PLATFORM.search(f"{path}/{symbol}"))
            + 6.0 * bool(_ASIDE.search(path))
        )
        definition = self.program.definition(path, symbol)
        return cost + (0.4 if definition and "abstract" in definition.flags else 0.0)

    def _choice(self, hop: Hop) -> float:
        if hop.node[0] in self.preferred:
            return 0.0
        if hop.declared is None:
            return (
                1.0
                + (1.0 if _ASIDE.search(hop.node[0]) else 0.0)
                + 0.05 * min(40, self.order.get(hop.node[0], 40))
            )
        others = self.ranked(hop.declared)
        return 0.1 * min(20, others.index(hop.node)) + (
            3.0 if any(n[0] in self.preferred for n in others) else 0.0
        )

    def search(
        self, roots: Iterable[Node], until: Callable[[Node, float], bool] | None = None, most: int = MOST
    ) -> dict[Node, tuple[float, Hop | None]]:
        """node -> (cost, the hop that reaches it) from the nearest root, nearest first; ends where `until` accepts a node
        and its cost."""
        reached: dict[Node, tuple[float, Hop | None]] = {}
        heap: list[tuple[float, int, Node, Hop | None]] = [
            (0.0, i, root, None) for i, root in enumerate(roots)
        ]
        count = len(heap)
        while heap and len(reached) < most:
            cost, _, node, hop = heapq.heappop(heap)
            if node in reached:
                continue
            reached[node] = (cost, hop)
            if until and until(node, cost):
                break
            for following in self.hops(node):
                if following.node not in reached:
                    count += 1
                    heapq.heappush(heap, (cost + self.cost(following), count, following.node, following))
        return reached

    def path(self, roots: Iterable[Node], goal: Callable[[Node], bool]) -> list[Hop]:
        """The likeliest hops from a root to the first node that `goal` accepts; empty when there is no way."""
        reached = self.search(roots, lambda node, _: goal(node))
        node = next(reversed(reached), None)
        if node is None or not goal(node):
            return []
        return trail(reached, node)


def trail(reached: dict[Node, tuple[float, Hop | None]], node: Node) -> list[Hop]:
    """The hops of a search that lead to a node, first to last."""
    hops = []
    while (hop := reached[node][1]) is not None:
        hops.append(hop)
        node = hop.source
    return hops[::-1]
