# What a model keeps of a sequence between steps is read off the tensors that its decode step was given as a cache: by the
# module that reads them, how they grow with the length, and whether attention or a recurrence uses them.
"""`states_of(graph)`: the caches of a decode step, and the modules that keep a state of constant size."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from cutaway.formula import Formula, sym
from cutaway.formula.core import product
from cutaway.predict.fuse import attentions
from cutaway.predict.graph import Graph
from cutaway.predict.types import StateSpec

FAR = 1 << 20  # a length beyond every window, where a cache that is no polynomial is measured


@dataclass(frozen=True)
class Caches:
    """`specs` by kind; `paths` of modules with a constant state, and the shape of the largest state of each."""

    specs: tuple[StateSpec, ...]
    paths: dict[str, tuple[Formula, ...]]
    odd: tuple[str, ...]  # what could not be read exactly


def states_of(g: Graph) -> Caches:
    """The caches that the pass of `g` was given."""
    attended = {n: members[0] for members in attentions(g, ()) for n in members}
    made, held = set(), {}  # module call -> memory of its caches
    first: dict[int, int] = {}
    for n, node in enumerate(g.flow.nodes):
        for u in node.reads:
            if u not in made and u not in first and g.flow.memory[u].role == "kv_cache":
                first[u] = n
                held.setdefault((node.path, node.call), []).append(u)
        made.update(node.writes)
    specs: Counter[StateSpec] = Counter()
    paths: dict[str, tuple[Formula, ...]] = {}
    odd: list[str] = []
    for (path, _), memories in held.items():
        fixed = [u for u in memories if _elements(g, u).constant() is not None]
        windows = [u for u in fixed if _feeds_attention(g, first[u], attended)]
        states = [u for u in fixed if u not in windows]
        if states and not windows:
            paths[path] = max((g.flow.memory[u].dims for u in states), key=lambda d: _at(product(d), 2))
        for spec in (
            *_growing(g, [u for u in memories if u not in fixed], odd),
            *_windows(g, windows),
            *_states(g, states),
        ):
            specs[spec] += 1
    return Caches(tuple(_counted(s, n) for s, n in specs.items()), paths, tuple(dict.fromkeys(odd)))


def _counted(spec: StateSpec, count: int) -> StateSpec:
    return StateSpec(
        count, spec.kind, spec.elements_per_token, spec.elements_constant, spec.window, spec.element_bytes
    )


def _elements(g: Graph, u: int) -> Formula:
    """Of one sequence."""
    return product(g.flow.memory[u].dims) / sym("batch_size")


def _feeds_attention(g: Graph, start: int, attended: dict[int, int]) -> bool:
    """Whether a cache read by node `start` reaches a product of attention through copies alone."""
    todo, seen = [start], set()
    while todo:
        n = todo.pop()
        if n in attended:
            return True
        if n in seen or g[n].kind not in ("copy", "cast", "elementwise", "gather"):
            continue
        seen.add(n)
        todo += g.users[n]
    return False


def _growing(g: Graph, memories: list[int], odd: list[str]) -> list[StateSpec]:
    """Keys and values of one layer. What does not grow by a whole number of elements a token is measured far out."""
    if not memories:
        return []
    total = sum((_elements(g, u) for u in memories), start=Formula({}))
    others = total.symbols() - {"cache_len"}
    if others:
        odd.append(f"a cache also grows with {', '.join(sorted(others))}: taken at 1500")
        total = total.substitute(dict.fromkeys(others, 1500))
    per_token = (_at(total, 2 * FAR) - _at(total, FAR)) / FAR
    constant = _at(total, FAR) - per_token * FAR
    if per_token != int(per_token):
        odd.append("a cache grows by a fraction of its elements a token: rounded up")
        per_token = int(per_token) + 1
    return [StateSpec(1, "kv", int(per_token), max(0, int(constant)))]


def _windows(g: Graph, memories: list[int]) -> list[StateSpec]:
    """A window of W tokens holds W - 1 before the step."""
    if not memories:
        return []
    per_token = sum(int((_elements(g, u) / g.flow.memory[u].dims[-2]).constant()) for u in memories)
    window = max(int(g.flow.memory[u].dims[-2].constant()) for u in memories) + 1
    return [StateSpec(1, "window", per_token, 0, window)]


def _states(g: Graph, memories: list[int]) -> list[StateSpec]:
    """A state in a dtype of its own says so."""
    by_bytes: Counter[int] = Counter()
    for u in memories:
        size = g.flow.memory[u].element_bytes.constant()
        by_bytes[int(size or 0)] += int(_at(_elements(g, u), 1))
    return [StateSpec(1, "state", 0, n, 0, size) for size, n in by_bytes.items()]


def _at(f: Formula, length: int):
    return f.evaluate(dict.fromkeys(f.symbols(), length))
