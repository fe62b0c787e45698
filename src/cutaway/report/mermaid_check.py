# Whether a diagram in a report would be drawn, without a browser: strict readers for the part of Mermaid that people and
# agents write in reports. What they refuse, Mermaid refuses too; the kinds of diagram they do not know are let pass.
"""`check_mermaid(text)`: the problems of one diagram, each with its line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from cutaway.report.mermaid_flowchart import check_flowchart
from cutaway.report.mermaid_text import Line, Problem, statements

__all__ = ["MAX_MERMAID_EDGES", "Problem", "check_mermaid"]

MAX_MERMAID_EDGES = 500  # Mermaid draws no more, and a page cannot ask it to

OTHERS = frozenset({
    "erDiagram", "gantt", "pie", "journey", "gitGraph", "mindmap", "timeline", "quadrantChart", "requirementDiagram",
    "C4Context", "C4Container", "C4Component", "C4Dynamic", "C4Deployment", "sankey-beta", "xychart-beta", "block-beta",
    "packet-beta", "architecture-beta", "kanban", "radar-beta", "treemap-beta", "zenuml", "sankey", "xychart", "block",
    "packet", "info",
})  # fmt: skip
_HEADER = re.compile(r"^([A-Za-z][\w-]*)\s*(.*)$")
_ID = r"[^\s:;,<>\-+()\[\]{}\"]+(?:-(?![->x)])[^\s:;,<>\-+()\[\]{}\"]+)*"


def check_mermaid(text: str) -> list[Problem]:
    """What is wrong with the diagram `text`, in the order of its lines; an empty list if it would be drawn."""
    lines = statements(text)
    if not lines:
        return [Problem(1, "an empty diagram")]
    header = _HEADER.match(lines[0].text)
    kind = header[1] if header else ""
    if kind in OTHERS:
        return []
    if header is None or kind not in _READERS:
        return [
            Problem(
                lines[0].number, f"no header: a diagram begins with its kind, not with {lines[0].text[:40]!r}"
            )
        ]
    problems = list(_READERS[kind](lines, header[2]))
    return sorted(set(problems), key=lambda p: (p.line, p.what))


def _flowchart(lines: list[Line], rest: str) -> Iterator[Problem]:
    edges = 0
    for found in check_flowchart(lines, rest):
        if isinstance(found, Problem):
            yield found
        else:
            edges += found
    if edges > MAX_MERMAID_EDGES:
        yield Problem(lines[0].number, f"{edges} edges; Mermaid draws at most {MAX_MERMAID_EDGES}")


_ARROW = r"(?:<<)?--?(?:>>|>|x|\))|-[\\/]{1,2}|--?\|[\\/]"
_MESSAGE = re.compile(rf"^({_ID})\s*({_ARROW})\s*([+-]?)\s*({_ID}|\(\))\s*(?::(.*))?$")
_ALONE = re.compile(
    r"^(?:(?:participant|actor)\s+\S.*|create\s+(?:participant|actor)\s+\S.*|destroy\s+\S+|(?:de)?activate\s+\S+"
    r"|autonumber(?:\s+\d+){0,2}(?:\s+off)?|title:?\s+.+|acc(?:Title|Descr)\s*:.*|links?\s+\S+:.*|properties\s+.*"
    r"|(?:note|Note)\s+(?:over|left of|right of)\s+[^:]+:.*)$"
)
_BLOCK = re.compile(r"^(loop|alt|opt|par|par_over|critical|break|rect|box)\b(.*)$")
_BRANCH = {"else": ("alt",), "and": ("par", "par_over"), "option": ("critical",)}


def _sequence(lines: list[Line], rest: str) -> Iterator[Problem]:
    if rest:
        yield Problem(lines[0].number, f"unexpected after the header: {rest[:40]!r}")
    blocks: list[tuple[str, int]] = []
    messages = 0
    for line in lines[1:]:
        word = line.text.split(None, 1)[0]
        block = _BLOCK.match(line.text)
        if block:
            blocks.append((block[1], line.number))
        elif word == "end" and line.text == "end":
            if not blocks:
                yield Problem(line.number, "`end` of nothing")
            else:
                blocks.pop()
        elif word in _BRANCH:
            if not blocks or blocks[-1][0] not in _BRANCH[word]:
                yield Problem(line.number, f"`{word}` outside of {_BRANCH[word][0]}")
        elif not _ALONE.match(line.text):
            messages += 1
            yield from _message(line)
    for name, number in blocks:
        yield Problem(number, f"`{name}` without its `end`")
    if messages > MAX_MERMAID_EDGES:
        yield Problem(lines[0].number, f"{messages} messages; more than {MAX_MERMAID_EDGES}")


def _message(line: Line) -> Iterator[Problem]:
    match = _MESSAGE.match(line.text)
    if not match:
        what = "unknown arrow or statement" if re.search(r"[-=~.<>]{2,}", line.text) else "not a statement"
        yield Problem(line.number, f"{what}: {line.text[:60]!r}")
    elif "end" in (match[1].lower(), match[4].lower()):
        yield Problem(line.number, "`end` is a word of Mermaid's and cannot be an id")
    elif match[5] is None:
        yield Problem(line.number, f"a message without `: text`: {line.text[:60]!r}")
    elif not match[5].strip():
        yield Problem(line.number, "an empty label")
    elif ";" in re.sub(r"#\w+;", "", match[5]).rstrip().removesuffix(";"):
        yield Problem(line.number, f"`;` ends a message: {line.text[:60]!r}")


_STATE_ID = r"(?:\[\*\]|[A-Za-z_0-9\u00c0-\uffff][\w.]*?)(?:\s*<<\w+>>)?(?::::\w+)?"
_TRANSITION = re.compile(rf"^({_STATE_ID})\s*-->\s*({_STATE_ID})\s*(?::(.*))?$")
_STATE = re.compile(
    r'^state\s+(?:"([^"]*)"\s+as\s+([\w.-]+)|([\w.-]+))\s*(<<(?:fork|join|choice)>>|\[\[\w+\]\])?\s*(\{)?$'
)
_STATE_ALONE = re.compile(
    r"^(?:direction\s+(?:TB|TD|BT|RL|LR)|note\s+(?:left|right)\s+of\s+\S+.*|classDef\s+.+|class\s+.+|style\s+.+|click\s+.+"
    r"|hide empty description|scale\s+\d+.*|acc(?:Title|Descr)\s*:.*|[\w.]+(?::::\w+)?(?:\s*:.*)?)$"
)


def _state(lines: list[Line], rest: str) -> Iterator[Problem]:
    if rest:
        yield Problem(lines[0].number, f"unexpected after the header: {rest[:40]!r}")
    open_at: list[int] = []
    note = 0
    for line in lines[1:]:
        if note:
            note = 0 if re.match(r"^end\s+note$", line.text) else note
            continue
        state = _STATE.match(line.text)
        transition = _TRANSITION.match(line.text)
        if line.text == "}":
            if not open_at:
                yield Problem(line.number, "unbalanced `}`")
            else:
                open_at.pop()
        elif re.match(r"^note\s+(?:left|right)\s+of\s+[^:]+$", line.text):
            note = line.number
        elif state:
            if state[1] is not None and not state[1].strip():
                yield Problem(line.number, "an empty label")
            if state[5]:
                open_at.append(line.number)
        elif transition:
            if transition[3] is not None and not transition[3].strip():
                yield Problem(line.number, "an empty label")
        elif line.text.startswith("state ") or "->" in line.text or not _STATE_ALONE.match(line.text):
            yield _unread(line)
    for number in [*open_at, *([note] if note else [])]:
        yield Problem(number, "not closed")


_CLASS_ID = r"[\w\u00c0-\uffff.\-]+|`[^`]+`"
_RELATION = re.compile(
    rf'^(?:{_CLASS_ID})(?:~[^~]+~)?\s*(?:"[^"]*"\s*)?(?:<\||\*|o|<|\(\))?(?:--|\.\.)(?:\|>|\*|o|>|\(\))?\s*(?:"[^"]*"\s*)?'
    rf"(?:{_CLASS_ID})(?:~[^~]+~)?\s*(?::.+)?$"
)
_CLASS = re.compile(
    rf'^class\s+(?:{_CLASS_ID})(?:~[^~]+~)?\s*(?:\["[^"]*"\])?(?::::\w+)?\s*(?:<<[\w ]+>>\s*)?(\{{\s*\}}?)?$'
)
_CLASS_ALONE = re.compile(
    rf"^(?:direction\s+(?:TB|TD|BT|RL|LR)|note\s+.*\".*\"|<<[\w ]+>>\s+\S+|(?:{_CLASS_ID})(?:~[^~]+~)?\s*:.+|classDef\s+.+"
    r"|cssClass\s+.+|style\s+.+|click\s+.+|link\s+.+|callback\s+.+|acc(?:Title|Descr)\s*:.*)$"
)


def _class(lines: list[Line], rest: str) -> Iterator[Problem]:
    if rest:
        yield Problem(lines[0].number, f"unexpected after the header: {rest[:40]!r}")
    open_at: list[tuple[str, int]] = []
    for line in lines[1:]:
        name = _CLASS.match(line.text)
        if line.text == "}":
            if not open_at:
                yield Problem(line.number, "unbalanced `}`")
            else:
                open_at.pop()
        elif open_at and open_at[-1][0] == "class":
            continue  # members are free text
        elif name:
            if (name[1] or "").strip() == "{":
                open_at.append(("class", line.number))
        elif re.match(r"^namespace\s+[\w.]+\s*\{$", line.text):
            open_at.append(("namespace", line.number))
        elif not (_RELATION.match(line.text) or _CLASS_ALONE.match(line.text)):
            yield _unread(line)
    for _, number in open_at:
        yield Problem(number, "unbalanced `{`")


def _unread(line: Line) -> Problem:
    arrow = re.search(r"[-=~.<>|*]{2,}", line.text)
    what = f"unknown arrow {arrow[0]!r}" if arrow else "not a statement"
    return Problem(line.number, f"{what}: {line.text[:60]!r}")


_READERS: dict[str, Callable[[list[Line], str], Iterator[Problem]]] = {
    "flowchart": _flowchart,
    "flowchart-elk": _flowchart,
    "graph": _flowchart,
    "sequenceDiagram": _sequence,
    "stateDiagram": _state,
    "stateDiagram-v2": _state,
    "classDiagram": _class,
}
