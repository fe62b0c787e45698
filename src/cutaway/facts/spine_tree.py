# The ways from an entry to the loop and on to the kernels, laid into one tree in the order of the calls: each definition
# once, below the call that reaches it first, with what it calls besides where its name says that it leads.
"""`Step` and `Tree`."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cutaway.read.resolve.paths import Hop, Node, Ways

if TYPE_CHECKING:
    from cutaway.read.program import Program

__all__ = ["KERNELWARDS", "Step", "Tree"]

FEW = 3  # overrides among which the first stands for all; one of many would be a guess
STEPS = 120  # a nesting that is longer is no longer read
LEVELS = 5  # how far a part is followed towards its kernel
KERNELWARDS = {
    "attention_backend": re.compile(r"attn|attention|flash|sdpa|mla", re.IGNORECASE),
    "kv_cache_update": re.compile(r"cache|kv|slot|reshape|store|scatter", re.IGNORECASE),
}
_ASKS = re.compile(
    r"_*(get|is|has|can|supports?|needs?|make|build|check|init|set|validate|canonicalize|maybe|reset|assert)(_|$)"
)
_LEADS = re.compile(
    r"^_?_?(prepare|process|schedule|step|execute|run|forward|model_forward|generate|decode|prefill|sample|allocate|append|update|post_?process|"
    r"compute_logits|logits|load_model|setup_cache\w*|add|store|write|reshape_and_cache|dispatch|busy_loop|event_loop|recv|send|get_next|form|select)(_|$)"
)
_QUIET = re.compile(
    r"(^|_)(log|logging|stats?|metrics?|trac\w+|profil\w+|record|events?|lora|mm|multimodal|encoder|grammar|connector|spec|draft\w*|debug|"
    r"health|mrope|xdrope)(_|$)"
)


@dataclass
class Step:
    """One definition on the path. `call` is the place of the call that leads here, `origin` how that call was resolved."""

    depth: int
    path: str
    symbol: str
    line: int
    call: str = ""
    origin: str = ""
    via: str = ""
    parts: list[str] = field(default_factory=list)


class Tree:
    """The union of several ways, each definition once, below the call that reaches it first."""

    def __init__(self, program: Program):
        self.program = program
        self.parent: dict[Node, Hop] = {}
        self.children: dict[Node, list[Hop]] = defaultdict(list)
        self.parts: dict[Node, list[str]] = defaultdict(list)
        self.again: dict[Node, list[Hop]] = defaultdict(list)  # calls to what stands elsewhere in the tree
        self.ways_in: set[Node] = set()  # where requests come in

    def add(self, hops: list[Hop]) -> None:
        for hop in hops:
            for one in self._through(hop):
                if one.node not in self.parent:
                    self.parent[one.node] = one
                    self.children[one.source].append(one)

    def come_in(self, hops: list[Hop], ends: set[Node]) -> None:
        """Add a way by which requests come in, as far as it meets another way or one of the `ends`, and say so there."""
        self.ways_in.add(hops[0].source)
        for hop in hops:
            known = self.parent.get(hop.node)
            if hop.node in ends or (known and known.source != hop.source):
                if hop not in self.children[hop.source] and hop not in self.again[hop.source]:
                    self.again[hop.source].append(hop)
                return
            self.add([hop])

    def _through(self, hop: Hop) -> list[Hop]:
        """A method that a string names is reached through the function that takes the string."""
        if hop.origin != "rpc_string_method":
            return [hop]
        plain = [
            e
            for e in self.program.callees(*hop.source)
            if e.line == hop.line and e.path and e.origin not in ("rpc_string_method", "callback")
        ]
        carriers = [
            (e.path, e.symbol)
            for e in plain
            if re.search(r"call|rpc|remote|invoke|dispatch|execute|broadcast", e.symbol.rpartition(".")[2])
        ]
        if not carriers or carriers[0] in (hop.source, hop.node):
            return [hop]
        return [
            Hop(carriers[0], hop.source, hop.line, plain[0].origin, plain[0].via),
            hop._replace(source=carriers[0]),
        ]

    def beside(self, ways: Ways) -> None:
        """What the steps on the way call besides, where its name says that it leads: a step's preparation, its update; and
        what those call in turn."""
        on_the_way = [n for n, hops in list(self.children.items()) if hops]
        self._beside(ways, on_the_way)
        self._beside(
            ways, [n for n in self.parent if n not in on_the_way and n[0] in {w[0] for w in on_the_way}]
        )

    def _beside(self, ways: Ways, nodes: list[Node]) -> None:
        for node in nodes:
            for hop in ways.hops(node):
                last = hop.node[1].rpartition(".")[2]
                if (
                    hop.node in self.parent
                    or hop.node in self.children
                    or not _LEADS.match(last)
                    or _QUIET.search(last)
                ):
                    continue
                if hop.origin == "callback" or ways.cost(hop) > 2.0 or self._small(hop.node):
                    continue
                if hop.origin == "override" and not self._stands_for(hop, ways):
                    continue
                self.add([hop])

    def _stands_for(self, hop: Hop, ways: Ways) -> bool:
        """Is an override what runs, because the declared method says nothing itself?"""
        declared = self.program.definition(*hop.declared) if hop.declared else None
        if declared is None or "abstract" not in declared.flags or hop.node != ways.likeliest(hop.declared):
            return False
        few = len(ways.ranked(hop.declared)) <= FEW
        return few or hop.node[0] in ways.preferred or hop.node[0] in ways.order

    def down(self, ways: Ways, node: Node, part: str) -> None:
        """From a part on to its kernel: the calls that go on in its own words."""
        words = KERNELWARDS.get(part)
        for _ in range(LEVELS if words else 0):
            onward = [
                h
                for h in ways.hops(node)
                if words.search(h.node[1]) and h.node not in self.parent and ways.cost(h) < 3.0
            ]
            onward = [h for h in onward if not _ASKS.match(h.node[1].rpartition(".")[2])]
            if not onward:
                return
            # Of several that are as near, what serves requests reads the cache; the others are for training.
            best = min(onward, key=lambda h: (ways.cost(h), "cache" not in h.node[1].lower(), h.line))
            ways.prefer([best])
            self.add([best])
            node = best.node

    def _small(self, node: Node) -> bool:
        definition = self.program.definition(*node)
        return definition is None or definition.end - definition.line < 2 or "abstract" in definition.flags

    def steps(self, roots: list[Node], loop: Node) -> list[Step]:
        """Every tree's steps, a root that leads to the loop first."""
        tops = [n for n in self.children if n not in self.parent]
        tops.sort(key=lambda n: (not self._leads(n, loop), roots.index(n) if n in roots else len(roots), n))
        tops = [n for n in tops if self._leads(n, loop) or n in self.ways_in]
        steps: list[Step] = []
        for top in tops:
            self._walk(top, None, 0, steps, set())
        return steps[:STEPS]

    def _step(self, node: Node, hop: Hop | None, depth: int) -> Step:
        definition = self.program.definition(*node)
        call = f"{hop.source[0]}:{hop.line}" if hop else ""
        return Step(depth, node[0], node[1], definition.line if definition else 0, call,
                    hop.origin if hop else "", hop.via if hop else "", self.parts.get(node, []))  # fmt: skip

    def _leads(self, node: Node, goal: Node) -> bool:
        while node != goal and goal in self.parent:
            goal = self.parent[goal].source
        return node == goal

    def _walk(self, node: Node, hop: Hop | None, depth: int, steps: list[Step], seen: set[Node]) -> None:
        if node in seen:
            return
        seen.add(node)
        steps.append(self._step(node, hop, depth))
        further = [*self.children.get(node, ()), *self.again.get(node, ())]
        for child in sorted(further, key=lambda h: h.line):
            if child in self.again.get(node, ()):
                steps.append(self._step(child.node, child, depth + 1))
            else:
                self._walk(child.node, child, depth + 1, steps, seen)
