# The only writer of Mermaid. Ids are generated (`end`, `graph` and `o` are words of Mermaid's own), labels are quoted
# and every character that its grammar or its HTML could take for something else is written as an entity.
"""A `Graph` as Mermaid text: `flowchart`, `sequenceDiagram`, `stateDiagram-v2`."""

from __future__ import annotations

import re

from cutaway.errors import BadValue
from cutaway.report.escape import one_line
from cutaway.report.graph import MAX_EDGES, MAX_NODES, Graph, Node, fits

__all__ = ["LABEL", "fenced", "mermaid"]

LABEL = 80  # characters of a label

_SHAPES = {"box": "[{}]", "round": "([{}])", "store": "[({})]", "choice": "{{{}}}"}
_STROKES = {"solid": "-->", "dotted": "-.->", "thick": "==>"}
_SPECIAL = re.compile(r"""["#<>&`;|\\$%{}@]""")
_SPECIAL_BARE = re.compile(r"""["#<>&`;|\\*_~$%{}\[\]():@]""")
_LEAD = re.compile(r"^\d+(?=[.)])|^[-+*]")  # read as a list, which a label cannot be
_DIRECTION = re.compile(r"direction(?=\s+(?:TB|BT|TD|RL|LR))")  # read as a statement wherever it stands
_WORD = re.compile(r"(?i)\b(end|default|href|call|click|style|as|note|state|loop|alt|opt|par)\b")


def mermaid(graph: Graph) -> str:
    """The text of one picture. Raises BadValue for a graph that is too large (`split` it) or has nothing in it."""
    if not fits(graph):
        size = f"{len(graph.nodes)} nodes, {len(graph.edges)} edges"
        raise BadValue(
            f"too large for one picture: {size}", known=f"{MAX_NODES} and {MAX_EDGES}", where=graph.title
        )
    if not graph.nodes:
        raise BadValue("a picture of nothing", where=graph.title)
    ids = {node.key: f"n{i}" for i, node in enumerate(graph.nodes, 1)}
    lines = {"flowchart": _flowchart, "sequence": _sequence, "state": _state}[graph.kind](graph, ids)
    return "\n".join(lines) + "\n"


def fenced(graph: Graph) -> str:
    """The picture as a block of Markdown."""
    return f"```mermaid\n{mermaid(graph)}```\n"


def _flowchart(graph: Graph, ids: dict[str, str]) -> list[str]:
    lines = [f"flowchart {graph.direction}"]
    groups: dict[str, list[Node]] = {}
    for node in graph.nodes:
        groups.setdefault(node.group, []).append(node)
    for number, (group, nodes) in enumerate(groups.items(), 1):
        indent = "    " if group else "  "
        if group:
            lines.append(f"  subgraph g{number}[{_quoted(group)}]")
        lines += [indent + ids[n.key] + _SHAPES[n.shape].format(_quoted(n.label)) for n in nodes]
        if group:
            lines.append("  end")
    for edge in graph.edges:
        label = f"|{_quoted(edge.label)}|" if edge.label.strip() else ""
        lines.append(f"  {ids[edge.source]} {_STROKES[edge.stroke]}{label} {ids[edge.target]}")
    return lines


def _sequence(graph: Graph, ids: dict[str, str]) -> list[str]:
    lines = ["sequenceDiagram"]
    lines += [f"  participant {ids[n.key]} as {_bare(n.label)}" for n in graph.nodes]
    for edge in graph.edges:
        arrow = "-->>" if edge.stroke == "dotted" else "->>"
        lines.append(f"  {ids[edge.source]}{arrow}{ids[edge.target]}: {_bare(edge.label) or '·'}")
    return lines


def _state(graph: Graph, ids: dict[str, str]) -> list[str]:
    lines = ["stateDiagram-v2", *(f"  direction {graph.direction}" for _ in range(graph.direction == "LR"))]
    lines += [f"  state {_quoted(n.label)} as {ids[n.key]}" for n in graph.nodes]
    ends = ids | {"": "[*]"}
    for edge in graph.edges:
        label = f" : {_bare(edge.label)}" if edge.label.strip() else ""
        lines.append(f"  {ends[edge.source]} --> {ends[edge.target]}{label}")
    return lines


def _quoted(label: str) -> str:
    text = _SPECIAL.sub(_entity, one_line(label, LABEL))
    return f'"{_LEAD.sub(_entity, _DIRECTION.sub(_entity, text))}"'


def _bare(label: str) -> str:
    """A label where Mermaid knows no quotes: words that it would read as its own are spelled with an entity."""
    return _WORD.sub(_entity, _SPECIAL_BARE.sub(_entity, one_line(label, LABEL)))


def _entity(match: re.Match[str]) -> str:
    """The match with its first character as an entity."""
    return f"#{ord(match[0][0])};{match[0][1:]}"
