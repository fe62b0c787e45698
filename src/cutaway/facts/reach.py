# What runs from where: the shortest way from the entry points to each function through the call edges. A process, a
# thread or a task begins afresh, so that what it runs is as near to the start as what started it.
"""`reach(program, starts)`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from heapq import heappop, heappush
from typing import Any, NamedTuple

from cutaway.facts.roles import role_of
from cutaway.model.code import Edge, FileRecord
from cutaway.read.program import Program

__all__ = ["STARTS", "Step", "calls_of", "chain", "entry_reach", "holder", "reach", "runs_as"]

STARTS = ("process_target", "thread_target", "task_target")
COST = {"process_target": 0.0, "thread_target": 0.2, "task_target": 0.2, "rpc_string_method": 0.5, "callback": 1.5,
        "override": 1.2, "queue_peer": 0.5, "property": 1.5}  # fmt: skip
OVERRIDE = 0.8
FAN = 12  # overrides of one call site beyond this are a family of variants, not steps of one run
UNSEEN = 3.0  # the cost of a process or thread whose maker is not reached
FARTHEST, MOST = 14.0, 12_000
OUTSIDE = ("test", "doc", "vendored", "generated")

Node = tuple[str, str]


class Step(NamedTuple):
    """How a function is reached: the cost from the start, and the call that leads to it (none for a start)."""

    cost: float
    path: str = ""
    symbol: str = ""
    line: int = 0
    origin: str = ""


def holder(record: FileRecord, scope: int) -> str:
    """The outermost function or method around a scope: what a nested function does is done by its owner."""
    name = ""
    while scope >= 0:
        if record.defs[scope].kind in ("function", "method", "kernel"):
            name = record.defs[scope].name
        scope = record.defs[scope].parent
    return name


def runs_as(point: dict[str, Any]) -> str:
    """What a creation point runs as (process, thread, task, ...), or empty where it only makes others."""
    return point.get("runs_as", "")


class Calls(Mapping[str, list[Edge]]):
    """The edges of a file by the outermost function that holds them; the module's own under the empty name. Those of a
    function are made when it is asked for."""

    def __init__(self, program: Program, path: str):
        record = program.record(path)
        self._program, self._path = program, path
        self._scopes: dict[str, list[int]] = defaultdict(list)
        for scope in range(-1, len(record.defs)):
            self._scopes[holder(record, scope)].append(scope)
        self._kept: dict[str, list[Edge]] = {}

    def __getitem__(self, symbol: str) -> list[Edge]:
        if symbol not in self._kept:
            self._kept[symbol] = self._program.graph.within(self._path, self._scopes.get(symbol, []))
        return self._kept[symbol]

    def __contains__(self, symbol: object) -> bool:
        return symbol in self._scopes

    def __iter__(self) -> Iterator[str]:
        return iter(self._scopes)

    def __len__(self) -> int:
        return len(self._scopes)


def calls_of(program: Program, path: str) -> Calls:
    """The edges of a file by function. Kept, since every detector asks."""
    kept = program.__dict__.setdefault("_calls_of", {})
    if path not in kept:
        kept[path] = Calls(program, path)
    return kept[path]


def reach(
    program: Program,
    starts: Iterable[tuple[Node, float]],
    farthest: float = FARTHEST,
    most: int = MOST,
    across: bool = True,
) -> dict[Node, Step]:
    """Every function that the starts reach within a cost, with the last step of the cheapest way, nearest first; what takes
    from a queue or socket that they put into counts where `across` is set."""
    heap: list[tuple[float, int, Node, Step]] = []
    for order, (node, cost) in enumerate(starts):
        heappush(heap, (cost, order, node, Step(cost)))
    done: dict[Node, Step] = {}
    count = len(heap)
    while heap and len(done) < most:
        cost, _, node, step = heappop(heap)
        if node in done:
            continue
        done[node] = step
        path, symbol = node
        if path not in program or cost > farthest:
            continue
        edges = calls_of(program, path).get(symbol, ())
        variants: dict[int, int] = defaultdict(int)
        for edge in edges:
            variants[edge.line] += edge.origin == "override"
        for far in _overrides(program, path, symbol):
            if far not in done and role_of(far[0]) not in OUTSIDE:
                count += 1
                heappush(
                    heap, (cost + OVERRIDE, count, far, Step(cost + OVERRIDE, path, symbol, 0, "override"))
                )
        for edge in edges:
            far = (edge.path, edge.symbol)
            if not edge.path or far in done or (edge.origin == "override" and variants[edge.line] > FAN):
                continue
            if edge.origin == "queue_peer" and not across:
                continue
            if role_of(edge.path) not in OUTSIDE:
                count += 1
                reached = cost + COST.get(edge.origin, 1.0)
                heappush(heap, (reached, count, far, Step(reached, path, symbol, edge.line, edge.origin)))
    return done


def _overrides(program: Program, path: str, symbol: str) -> list[Node]:
    """What subclasses put in place of a method: where the declared one is called, theirs runs."""
    found = program.graph.overrides(path, symbol) if "." in symbol else []
    return found if len(found) <= FAN else []


def entry_reach(
    program: Program,
    entries: list[dict[str, Any]],
    tasks: Iterable[dict[str, Any]] = (),
    chosen: Iterable[Node] = (),
) -> dict[Node, Step]:
    """What the entry points reach; lesser entry points start a little later, and so does what runs as a process or thread
    (of `creation_points`) when no call was seen to lead to its maker, and the methods of what tables choose."""
    starts = []
    for entry in entries:
        late = max(0.0, 1.0 - entry["score"]) * 2
        starts.append(((entry["path"], entry["symbol"]), late))
        if entry["kind"] == "library" and "." not in entry["symbol"]:
            starts.append(((entry["path"], f"{entry['symbol']}.__init__"), late))
    starts += [((t["path"], t["symbol"]), UNSEEN) for t in tasks if runs_as(t) in ("process", "thread")]
    starts += [(node, UNSEEN) for node in chosen]
    return reach(program, starts)


def chain(done: dict[Node, Step], node: Node) -> list[tuple[Node, Step]]:
    """The way from a start to a node."""
    way = []
    while node in done and len(way) < 64:
        step = done[node]
        way.append((node, step))
        if not step.path:
            break
        node = (step.path, step.symbol)
    return way[::-1]
