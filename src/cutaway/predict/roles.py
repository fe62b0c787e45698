# Who plays which part when a model is cut over several devices. A projection whose result goes to attention by heads, or
# through an activation into another projection, is cut by columns; the one that takes such a result by rows, and a sum over
# devices follows. What a norm over the whole row stands behind is not cut. All of it is read off the data flow.
"""`assign(graph, fused)`: gives every group its role."""

from __future__ import annotations

from dataclasses import dataclass

from cutaway.predict.fuse import Fused
from cutaway.predict.graph import Graph, reduces_row

CUT = {
    "qkv",
    "column",
    "expert_column",
    "attention",
    "state",
}  # what these hand on is spread over the devices
CHOOSES = ("aten.topk", "aten.sort", "aten.argmax")


@dataclass(frozen=True)
class Source:
    """The nearest anchor that a tensor comes from; `normed` if a norm stands between."""

    group: int
    normed: bool = False


def assign(g: Graph, found: Fused) -> None:
    """Fill in `role` of all groups."""
    sources = _sources(g, found)
    uses = _uses(g, found, sources)
    for number, group in enumerate(found.groups):
        if group.kind == "attention":
            group.role = "attention"
        elif group.kind == "scan":
            group.role = "state"
        elif group.kind == "gather":
            group.role = "embedding"
        elif group.kind in ("gemm", "grouped_gemm", "conv"):
            group.role = _role(number, found, sources, uses, g)
    for group in found.groups:
        if group.kind in ("smooth", "other"):
            _role_of_chain(g, found, group, sources)


def _role(
    number: int, found: Fused, sources: dict[int, frozenset[Source]], uses: dict[int, set[str]], g: Graph
) -> str:
    group = found.groups[number]
    used = uses.get(number, set())
    origins = _into(g, found, number, sources)
    kinds = {found.groups[s.group].kind for s in origins}
    if group.kind == "grouped_gemm":
        return (
            "expert_row"
            if any(found.groups[s.group].kind == "grouped_gemm" for s in origins)
            else "expert_column"
        )
    if "output" in used:
        return "lm_head"
    if "choice" in used:
        return "router"
    if origins and kinds & {"attention", "scan"}:
        return "row"
    if origins and kinds <= {"gemm", "conv"} and not any(s.normed for s in origins):
        return "row" if "attention" not in used else "qkv"
    if "scan" in used:
        return "column"
    if "normed projection" in used:
        return "replicated"
    if "attention" in used:
        return "qkv"
    return "column" if "projection" in used else "replicated"


def _into(g: Graph, found: Fused, number: int, sources: dict[int, frozenset[Source]]) -> frozenset[Source]:
    """Where the inputs of an anchor come from."""
    out: set[Source] = set()
    for n in found.groups[number].nodes:
        for m in g.makers[n]:
            if found.of.get(m) != number:
                out |= sources.get(m, frozenset())
    return frozenset(out)


def _sources(g: Graph, found: Fused) -> dict[int, frozenset[Source]]:
    """For each live node, the anchors that its result comes from. The sum of two different streams is an origin itself."""
    out: dict[int, frozenset[Source]] = {}
    for n in range(len(g.flow.nodes)):
        if n not in found.of:
            continue
        number = found.of[n]
        group = found.groups[number]
        if group.anchor or group.kind == "other":
            out[n] = frozenset([Source(number)])
            continue
        before = [out[m] for m in g.makers[n] if m in out and not _is_table(g, m)]
        if g[n].kernel.op.startswith("aten.add") and len({frozenset(s.group for s in b) for b in before}) > 1:
            out[n] = frozenset()  # a residual stream: whole on every device
            continue
        joined = frozenset().union(*before) if before else frozenset()
        out[n] = frozenset(Source(s.group, True) for s in joined) if reduces_row(g[n]) else joined
    return out


def _is_table(g: Graph, n: int) -> bool:
    """Rows chosen out of a parameter, as the biases of experts are: whoever adds them joins no streams."""
    return g[n].kind == "gather" and bool(g.weights[n])


def _uses(g: Graph, found: Fused, sources: dict[int, frozenset[Source]]) -> dict[int, set[str]]:
    """For each anchor, what its result goes into."""
    uses: dict[int, set[str]] = {}
    outputs = set(g.flow.outputs)
    for n in found.of:
        group = found.groups[found.of[n]]
        for m in g.makers[n]:
            for s in sources.get(m, ()):
                if s.group == found.of[n]:
                    continue
                if group.kind == "attention":
                    uses.setdefault(s.group, set()).add("attention")
                elif group.kind == "scan":
                    uses.setdefault(s.group, set()).add("scan")
                elif group.anchor:
                    uses.setdefault(s.group, set()).add("normed projection" if s.normed else "projection")
                elif g[n].kernel.op.startswith(CHOOSES):
                    uses.setdefault(s.group, set()).add("choice")
        if outputs & set(g[n].writes):
            for s in sources.get(n, ()):
                uses.setdefault(s.group, set()).add("output")
    return uses


def _role_of_chain(g: Graph, found: Fused, group, sources: dict[int, frozenset[Source]]) -> None:
    """A chain between cut kernels is cut with them; a choice of experts, a table's rows and a residual stream are not."""
    ops = [g[n].kernel.op for n in group.nodes]
    if any(o.startswith(CHOOSES) for o in ops):
        group.role = "router"
    else:
        first = [
            s
            for n in group.nodes
            for m in g.makers[n]
            if found.of.get(m) in group.makers
            for s in sources.get(m, ())
        ]
        residual = any(not sources.get(n) for n in group.nodes)
        cut = first and not residual and all(found.groups[s.group].role in CUT for s in first)
        cut = cut or (bool(first) and _only_for_heads(g, found, group))
        group.role = "activation" if cut else "norm" if group.norms else "replicated"


def _only_for_heads(g: Graph, found: Fused, group) -> bool:
    """Whether nothing but attention over heads reads the result: then a rank makes the part of its own heads."""
    own = set(group.nodes)
    readers = {found.of[n] for n in found.of if n not in own and own.intersection(g.makers[n])}
    return bool(readers) and all(found.groups[r].kind == "attention" for r in readers)
