# The path of a request, from where it enters to the kernel and back to the sampled token: the shortest likely ways through
# the call graph from the entry points to the loop, and from the loop to each part that was found, laid into one tree in
# the order of the calls. Every step has its call site and the way it was resolved.
"""`call_nesting(program, components, entrypoints) -> list[Step]`."""

from __future__ import annotations

import re
from bisect import insort
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from cutaway.facts.roles import role_of
from cutaway.facts.serving import answering
from cutaway.facts.spine_tree import KERNELWARDS, Step, Tree
from cutaway.read.resolve.paths import Hop, Node, Ways, trail

if TYPE_CHECKING:
    from cutaway.read.program import Program

__all__ = ["Step", "call_nesting"]

FAR = 30.0  # the cost at which a search for a part gives up
CONSIDERED = 8  # candidates of one part
NEARER = 3.0  # as much as one place further down in the ranking, a candidate may cost more to reach
MOST_INSIDE = 8000  # definitions that the search for one part visits
MOST_FROM_ENTRY = 2500  # definitions on the way from the entry points to the loop
ROOTS = 60  # definitions that the search begins at
MOST_NEAR, NEAR = 400, 8.0  # definitions around a loop and their cost that say what it drives
AHEAD = 1.5  # times the points that a loop needs to stand before one that is ranked higher
MOST_ONWARD = 3000  # definitions on the way of a request to the loop
WAYS_IN = 6

# What is looked for below the loop. The model and its attention come first: they decide which of several back ends is followed.
PARTS = ("model_definition", "attention_backend", "scheduler", "batching_or_chunked_prefill", "kv_cache_block_table_or_paging",
         "admission_or_backpressure", "kv_cache_update", "logits_processing", "sampler")  # fmt: skip
_MAIN_METHODS = (
    "forward",
    "__call__",
    "call",
    "schedule",
    "step",
    "run",
    "generate",
    "execute_model",
    "execute",
    "sample",
    "update",
    "allocate",
    "allocate_slots",
    "append_slots",
    "allocate_blocks",
)
_ENTERS = re.compile(
    r"^_?(generate|add_request|submit|enqueue|chat|infer|create_completion|put_request|process_request)\w*$"
)


def call_nesting(
    program: Program, components: dict[str, list[dict[str, Any]]], entrypoints: list[dict[str, Any]]
) -> list[Step]:
    """The steps in the order in which they are entered; empty where no loop was found."""
    ways = Ways(program)
    roots = _roots(program, entrypoints)
    loops = [n for c in components.get("runtime_loop", [])[:4] for n in _callable(program, c)]
    if not roots or not loops:
        return []
    tree = Tree(program)
    loops = _fullest(ways, loops, [n for p in PARTS for c in components.get(p, [])[:2] for n in _callable(program, c)])
    goals = set(loops)
    outside = [r for r in roots if r not in goals] or roots
    start = ways.search(outside, most=MOST_FROM_ENTRY)
    reached = [n for n in loops if n in start]
    if reached:  # the loop itself rather than a variant of it in a subclass
        first = reached[0]
        declared = [n for n in reached if first in program.graph.overrides(*n)]
        reached = [*declared, *reached]
    if reached:
        tree.add(trail(start, reached[0]))
    loop = reached[0] if reached else loops[0]
    ends = {loop, *(hop.node for hop in ways.hops(loop))}
    for hops in _entering(ways, start, goals, ends):
        tree.come_in(hops, ends)
    for part in PARTS:  # each part alone: what one search chose where code overrides, the next ones keep to
        candidates = [n for c in components.get(part, [])[:CONSIDERED] for n in _callable(program, c)]
        rank = {n: i for i, n in reversed(list(enumerate(candidates)))}
        # Kernels are those of the back end that was taken before.
        nearness, wanted = (1.0, 1) if part in KERNELWARDS else (NEARER, 2)
        inside = ways.search([loop], _decided(rank, nearness, wanted), most=MOST_INSIDE)
        near = [n for n in rank if n in inside and inside[n][0] <= FAR]
        near.sort(key=lambda n: (inside[n][0] / nearness + rank[n], n))
        for goal in near[:wanted]:
            hops = trail(inside, goal)
            ways.prefer(hops)
            tree.add(hops)
            tree.parts[goal].append(part)
            tree.down(ways, goal, part)
    tree.parts[loop].append("runtime_loop")
    tree.beside(ways)
    return tree.steps(roots, loop)


def _roots(program: Program, entrypoints: list[dict[str, Any]]) -> list[Node]:
    """The definitions at which a request can enter: servers, commands, the library's methods, routes, examples."""
    order = {"server": 0, "request": 1, "cli": 2, "library": 3, "example": 4, "benchmark": 5}
    ranked = [("request", 0.0, (path, definition.name)) for path, definition, _ in answering(program)]
    for entry in (e for e in entrypoints if role_of(e["path"]) in ("code", "example", "benchmark")):
        for node in _callable(program, entry):
            asked = entry["kind"] == "library" and _ENTERS.match(node[1].rpartition(".")[2])
            ranked.append(("request" if asked else entry["kind"], -entry.get("score", 0), node))
    ranked.sort(key=lambda row: (order.get(row[0], 9), row[1]))
    return list(dict.fromkeys(node for *_, node in ranked))[:ROOTS]


def _callable(program: Program, pointer: dict[str, Any]) -> list[Node]:
    """The functions that a pointer stands for: itself, or the main methods of a class."""
    path, symbol = pointer["path"], pointer.get("symbol") or ""
    definition = program.definition(path, symbol) if symbol else None
    if definition is None:
        return []
    if definition.kind not in ("class", "struct", "trait", "interface"):
        return [(path, symbol)]
    methods = [d.name for d in program.record(path).defs if d.name.startswith(symbol + ".")]
    return [(path, f"{symbol}.{m}") for m in _MAIN_METHODS if f"{symbol}.{m}" in methods][:3]


def _decided(rank: dict[Node, int], nearness: float, wanted: int) -> Callable[[Node, float], bool]:
    """True where a search has met the first `wanted` candidates: what lies farther can come before none of them."""
    left = dict(rank)
    best: list[float] = []

    def done(node: Node, cost: float) -> bool:
        if node in left:
            insort(best, cost / nearness + left.pop(node))
        if not left or cost > FAR:
            return True
        return len(best) >= wanted and cost / nearness + min(left.values()) > best[wanted - 1]

    return done


def _fullest(ways: Ways, loops: list[Node], parts: list[Node]) -> list[Node]:
    """The loops, the one first that has far more of the parts near by than the one that stands first."""
    distinct = list(dict.fromkeys(loops))
    if len(distinct) < 2:
        return loops
    near = {n: ways.search([n], most=MOST_NEAR) for n in distinct}
    points = {n: sum(max(0.0, NEAR - inside[p][0]) for p in set(parts) if p in inside) for n, inside in near.items()}
    best = max(distinct, key=lambda n: points[n])
    return [best, *(n for n in distinct if n != best)] if points[best] > AHEAD * points[distinct[0]] else distinct


def _entering(
    ways: Ways, start: dict[Node, tuple[float, Hop | None]], goals: set[Node], ends: set[Node]
) -> Iterator[list[Hop]]:
    """The ways by which requests come in, the nearest first: to a definition that takes them, and on to the loop or to what
    it calls, across whatever queue or socket lies between."""
    named = [
        n
        for n, (cost, _) in start.items()
        if _ENTERS.match(n[1].rpartition(".")[2]) and cost <= FAR / 2 and n not in goals and role_of(n[0]) == "code"
    ]
    shown = 0
    for node in sorted(named, key=lambda n: start[n][0]):
        onward = _onward(ways, node, ends)
        if hops := [*trail(start, node), *onward]:
            yield hops
            shown += 1
        if shown == WAYS_IN:
            return


def _onward(ways: Ways, entry: Node, ends: set[Node]) -> list[Hop]:
    """From a definition by which requests come in to one of the ends, else to the next definition that takes them."""
    inside = ways.search([entry], lambda n, _: n in ends, MOST_ONWARD)
    last = next(reversed(inside))
    if last in ends:
        return trail(inside, last)
    taking = (n for n in inside if n != entry and _ENTERS.match(n[1].rpartition(".")[2]) and inside[n][0] <= NEAR)
    return trail(inside, near) if (near := next(taking, None)) else []
