# Diagrams: whatever the labels are, what is compiled is Mermaid; and what is not Mermaid is refused, line by line. The
# examples on both sides were held against Mermaid 11's own parser.
import pytest

from cutaway.errors import BadValue
from cutaway.report.graph import MAX_EDGES, MAX_NODES, Graph, fits, split
from cutaway.report.mermaid import LABEL, fenced, mermaid
from cutaway.report.mermaid_check import check_mermaid

LABELS = [
    "plain", "a\nb", "`x`", "a]b[c", "x|y", "<b>h</b>", "\x1b[31m", "end", "graph", 'say "hi"', "a;b", "%% c", "#quot;",
    "{x}", "(y)", "--> z", "note left of a", "A:B", "é 中", "@{x}", "‮rtl", "1. x", "- x", "~~~", "direction TB", "[*]",
    "%%{init: {}}%%", "```", "'", "\\", "$$x$$", "x" * 500,
]  # fmt: skip


def pair(kind, label):
    graph = Graph("t", kind)
    graph.node("a", label, group=label if kind == "flowchart" else "")
    graph.node("end", "b", shape="choice")
    graph.edge("a", "end", label)
    graph.edge("end", "a")
    return graph


@pytest.mark.parametrize("kind", ["flowchart", "sequence", "state"])
@pytest.mark.parametrize("label", LABELS)
def test_any_label_makes_a_diagram(kind, label):
    text = mermaid(pair(kind, label))
    assert check_mermaid(text) == []
    assert all(line.isprintable() for line in text.splitlines())
    assert "```" not in text and not set("<`") & set(text) and "%%" not in text
    assert len(text.splitlines()) == {"flowchart": 7, "sequence": 5, "state": 5}[kind]


def test_a_flowchart():
    graph = Graph("parts")
    graph.node("cli", "cutaway", group="front")
    graph.node("db", "cache", group="back", shape="store")
    graph.edge("cli", "db", "reads", "dotted")
    assert mermaid(graph) == (
        'flowchart TB\n  subgraph g1["front"]\n    n1["cutaway"]\n  end\n  subgraph g2["back"]\n    n2[("cache")]\n  end\n'
        '  n1 -.->|"reads"| n2\n'
    )
    assert fenced(graph).startswith("```mermaid\nflowchart") and fenced(graph).endswith("n2\n```\n")


def test_a_sequence_and_states():
    calls = Graph("", "sequence")
    calls.node("a"), calls.node("b")
    calls.edge("a", "b", "step"), calls.edge("a", "b", "step"), calls.edge("b", "a", stroke="dotted")
    assert mermaid(calls).splitlines()[3:] == ["  n1->>n2: step", "  n1->>n2: step", "  n2-->>n1: ·"]
    states = Graph("", "state")
    states.node("WAITING")
    states.edge("", "WAITING"), states.edge("WAITING", "", "abort")
    assert mermaid(states).splitlines()[2:] == ["  [*] --> n1", "  n1 --> [*] : abort"]


def test_long_labels_are_cut():
    graph = Graph()
    graph.node("a", "x" * 500)
    assert len(mermaid(graph)) < LABEL + 40


def test_what_makes_no_sense_is_refused():
    graph = Graph("t")
    graph.node("a", "x")
    graph.node("a", "x")
    assert len(graph.nodes) == 1
    for wrong in (lambda: graph.node("a", "y"), lambda: graph.node("b", " \n"), lambda: graph.edge("a", "z")):
        with pytest.raises(BadValue):
            wrong()
    with pytest.raises(BadValue, match="nothing"):
        mermaid(Graph())


def ring(nodes, groups, steps):
    graph = Graph("big")
    for i in range(nodes):
        graph.node(str(i), f"node {i}", group=f"g{i * groups // nodes}" if groups else "")
    for i in range(nodes):
        for step in steps:
            graph.edge(str(i), str((i + step) % nodes), f"{step}")
    return graph


@pytest.mark.parametrize(
    ("nodes", "groups", "steps"), [(41, 0, [1]), (130, 5, [1, 7, 40]), (30, 2, [1, 2, 3]), (400, 90, [1])]
)
def test_a_large_graph_becomes_several_that_lose_nothing(nodes, groups, steps):
    graph = ring(nodes, groups, steps)
    with pytest.raises(BadValue, match="too large"):
        mermaid(graph)
    pictures = split(graph)
    assert all(map(fits, pictures)) and all(check_mermaid(mermaid(p)) == [] for p in pictures)
    assert {n.key for p in pictures for n in p.nodes} >= {n.key for n in graph.nodes}
    drawn = [e for p in pictures for e in p.edges]
    assert all(drawn.count(edge) == 1 for edge in graph.edges)
    assert len({p.title for p in pictures}) == len(pictures)


def test_a_long_sequence_keeps_its_order():
    graph = Graph("calls", "sequence")
    for key in "ab":
        graph.node(key)
    for i in range(150):
        graph.edge("a", "b", str(i))
    pictures = split(graph)
    assert [e.label for p in pictures for e in p.edges] == [str(i) for i in range(150)]
    assert all(map(fits, pictures)) and pictures[0].title == "calls (1/3)"


def test_a_small_graph_stays_one():
    graph = ring(MAX_NODES, 4, [1])
    assert split(graph) == [graph] and len(graph.edges) <= MAX_EDGES


FLOWCHARTS = """
A --> B|A[x] --> B[y]|A["x (y)"] --> B|A -- yes --> B|A -.-> B|A -. no .-> B|A == t ==> B|A --- B|A --> B & C --> D
A:::big --> B|A --o B|A --x B|A <--> B|A ~~~ B|A{dec} --> C((circle))|A([s]) --> B[(db)]|A[[x]] --> B{{h}}|A>flag] --> B
A[/p/] --> B|A --> B;B --> C|classDef big fill:#f9f|style A fill:#fff|A-->B|A---->B|A[a<br/>b] --> B|A-b --> C
A["a#124;b"] --> B|subgraph x [Title here]; A --> B; end|subgraph "a (b)"; A; end|A@{ shape: rect, label: "x" }
A e1@--> B|endpoint --> B|2 --> 1
"""


@pytest.mark.parametrize("statement", [s for line in FLOWCHARTS.split("\n") if line for s in line.split("|")])
def test_flowcharts_that_are_drawn(statement):
    assert check_mermaid("flowchart TB\n" + statement) == []


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("A[x (y)] --> B", "`(` in a label without quotes"),
        ("B1[Block/Layer (shape)]", "`(` in a label"),
        ("A --> end", "`end` is a word"),
        ("A[x", "unbalanced `[`"),
        ('A["x] --> B', "unbalanced quotes"),
        ("A(x)) --> B", "unbalanced `)`"),
        ("A((x) --> B", "unbalanced `((`"),
        ('A["a"b] --> C', "beside the quotes"),
        ('A --> B[""]', "empty label"),
        ("A --> B[]", "empty label"),
        ("A -->|| B", "empty label"),
        ("A -> B", "unknown arrow"),
        ("A => B", "unknown arrow"),
        ("A B", "not a statement"),
        ("A --> ", "an arrow"),
        ("subgraph x\nA", "without its `end`"),
        ("subgraph\nA\nend", "empty label"),
        ("end", "`end` of nothing"),
        ("A[a|b]", "`|` in a label"),
    ],
)
def test_flowcharts_that_are_not(statement, what):
    problems = check_mermaid("flowchart TB\n" + statement)
    assert len(problems) == 1 and what in problems[0].what and problems[0].line == 2


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "empty"),
        ("A --> B", "no header"),
        ("Flowchart TD\nA-->B", "no header"),
        ("graph XX\nA-->B", "no such direction"),
        ("sequenceDiagram\nA=>B: x", "unknown arrow"),
        ("sequenceDiagram\nA->>B", "without `: text`"),
        ("sequenceDiagram\nloop x\nA->>B: y", "without its `end`"),
        ("sequenceDiagram\nend", "`end` of nothing"),
        ("sequenceDiagram\nA->>end: x", "`end` is a word"),
        ("sequenceDiagram\nA->>B: a; b", "`;`"),
        ("stateDiagram-v2\nA -> B", "unknown arrow"),
        ("stateDiagram-v2\nstate A {\n[*] --> B", "not closed"),
        ('stateDiagram-v2\nstate "" as A', "empty label"),
        ("classDiagram\nclass A {\n+int x", "unbalanced `{`"),
        ("classDiagram\nA -> B", "unknown arrow"),
        ("flowchart LR\n" + "A --> B\n" * 501, "501 edges"),
        (
            "flowchart LR\n"
            + " & ".join("abcdefghijklmnopqrstuvw")
            + " --> "
            + " & ".join("abcdefghijklmnopqrstuvw"),
            "529",
        ),
    ],
)
def test_other_diagrams_that_are_not(text, what):
    problems = check_mermaid(text)
    assert len(problems) == 1 and what in problems[0].what


@pytest.mark.parametrize(
    "text",
    [
        "---\ntitle: x\n---\nflowchart LR\nA-->B",
        '%%{init: {"theme":"dark"}}%%\nflowchart LR\n%% why\nA-->B',
        'flowchart LR\nA["a\nb"] --> C',
        "sequenceDiagram\nparticipant A as x y\nalt a\nA->>+B: x\nelse b\nB-->>-A: y\nend\nNote over A,B: text",
        "stateDiagram-v2\n[*] --> A\nA --> B : x\nstate A {\n[*] --> C\n}\nnote right of A\nany --> text\nend note",
        "classDiagram\nclass A {\n+int x\n}\nA <|-- B\nA *-- C : has",
        'pie\n"a" : 1',
        "graph TB;A-->B;",
    ],
)
def test_diagrams_that_are_drawn(text):
    assert check_mermaid(text) == []
