# What makes a function a start, a main loop or an end of a program. Each judge adds points for kinds of evidence and says
# on which line each was seen; the weights were set on repositories of several kinds and name none of them.
"""`startup_score`, `loop_score`, `shutdown_score`."""

from __future__ import annotations

import re
from math import log2

from cutaway.facts.life import Function
from cutaway.facts.reach import Node
from cutaway.model.code import Mark

__all__ = ["loop_score", "shutdown_score", "startup_score"]

Judged = tuple[float, list[tuple[int, str]]]

_START = re.compile(
    r"^(?!__\w+__$)_{0,2}(startup|start(_\w+)?|init(_[a-z]\w*)?|initialize(_\w+)?|maybe_init\w*|setup(_\w+)?|set_up\w*|"
    r"load(_(model|weights|config|plugins|app))?|launch(_\w+)?|boot\w*|warm_?up\w*|\w+_warm_?up(_\w+)?|"
    r"capture_\w*(graph|model|signal)\w*|compile_or_\w+|build_\w*(engine|app|client|server|model)\w*|"
    r"create_(engine|app|server|model)\w*|bind(_\w+)?|configure\w*|allocate_kv\w*|run_(server|engine)\w*|serve|"
    r"install_\w+|spawn\w*|prepare_model\w*|from_(engine_args|config|args)|lifespan)$",
    re.IGNORECASE,
)
_END = re.compile(
    r"^_*(shutdown(_\w+)?|shut_down\w*|close(_\w+|_all)?|aclose|stop(_\w+)?|terminate(_\w+)?|exit|cleanup(_\w+)?|clean_up\w*|"
    r"tear_?down\w*|destroy(_\w+)?|finalize|handle_(shutdown|exit)\w*|join(_all)?|drain\w*|__exit__|__aexit__|__del__|"
    r"wait_\w+_complete|kill(_\w+)?|on_exit|release_all|handle_(sig)?term)$",
    re.IGNORECASE,
)
_LOOP = re.compile(
    r"(^|_)(loop|main_?loop|busy_loop|event_loop|run|serve|forever|worker|listen|consume|poll|watch|generate|step|handler|dispatch|"
    r"process|train|decode|main|monitor|receive|recv)(_|$)",
    re.IGNORECASE,
)
_UNBOUNDED = re.compile(
    r"^(True|1|not (self\.)?[\w.]*(exit|stop|done|finish|shut|clos|cancel|complete)\w*(\.(is_set|wait)?\(.*\)|\(.*\))?|"
    r"(self\.)?[\w.]*(alive|active|running)\w*(\(\))?|(self\.)?[\w.]*_(handle|should|keep|may|can)_\w+\(.*\)|"
    r"(self\.)?(handle|should|keep|may|can|poll|wait|step)\w*\(.*\)|\w+ is None or .*)$",
    re.IGNORECASE,
)
_WAITS = re.compile(
    r"(^|\.)(get|get_nowait|recv\w*|dequeue|poll|wait|sleep|accept|select|read_\w+|receive\w*|next|popleft|get_output\w*|"
    r"wait_for|listen|listen_\w+)$"
)
_WORKS = re.compile(
    r"(^|\.|_)(step|schedule\w*|process\w*|handle\w*|execute\w*|forward\w*|tick|on_tick|dispatch\w*|decode\w*|generate\w*|train\w*|"
    r"run\w*|step_fn|call|func|backward|update\w*|keep\w*|\w*loop|iteration)$"
)
_FREE = re.compile(
    r"(^|\.)(close|aclose|shutdown|terminate|join|kill|cancel|destroy\w*|unlink|stop|wait_closed|release|term|exit|cleanup\w*)$"
)
_RAISES_SIGNAL = re.compile(r"(raise_signal|os\.kill|os\._exit|killpg)$")
_ERROR = re.compile(r"(Error|Exception|Warning)(\.__init__)?$")
_LAYER = re.compile(r"\bModule(Dict|List)?\b|\bLayer\b")  # a network's parts are built, not started
_CALLBACK = re.compile(r"(Protocol|RequestHandler|Servicer|StreamRequestHandler|DatagramProtocol)\b")
_ASKED = ("data_received", "datagram_received", "do_GET", "do_POST", "handle", "on_message")


def _near(function: Function) -> tuple[float, list[tuple[int, str]]]:
    """Points for being on the way from an entry point, and for a file that others build on."""
    points = min(3.0, 0.5 * log2(1 + function.importers)) - 0.15 * max(0, function.path.count("/") - 3)
    points += max(0.0, 2.5 - 0.25 * function.nearness)
    if function.step:
        points += max(0.0, 3.0 - 0.25 * function.step.cost)
    reasons = []
    if function.entry in ("cli", "server"):
        points += 1.5
        reasons = [(function.definition.line, f"an entry point ({function.entry})")]
    if function.runs_as:
        points += 1.5
        reasons.append((function.definition.line, f"runs as a {function.runs_as}"))
    if function.definition.kind == "method" and "abstract" in function.definition.flags:
        points -= 4
    if "property" in function.definition.flags:
        points -= 3
    return points, reasons


def loop_score(function: Function, known: dict[Node, Function]) -> Judged:
    """A loop that ends when it is told to, that waits for work or does it, in a function that something starts."""
    points, reasons = 0.0, []
    callback = _callback(function)
    for mark in sorted(function.loops, key=_foremost):
        if _UNBOUNDED.match(mark.name):
            points = max(points, 3.5 if mark.name in ("True", "1") else 4.0)
            reasons.append((mark.line, f"loops while {mark.name}" if mark.name else "loops without end"))
        else:
            points = max(points, 1.0)
            reasons.append((mark.line, f"loops while {mark.name}" if mark.name else "loops without end"))
    for bind in function.fors:
        if bind.value == "self" or (
            bind.value.startswith("self.") and bind.value.endswith((".listen()", ".events()"))
        ):
            points = max(points, 3.5)
            reasons.append((bind.line, f"iterates over {bind.value}"))
        elif bind.value.startswith("range(") and "generator" not in function.definition.flags:
            points = max(points, 0.5)
    if callback:
        points, reasons = 5.5, [(function.definition.line, callback)]
    elif not points or (points < 3 and not _LOOP.search(function.name)):
        return 0.0, []  # a loop with an end is a main loop only where the function is the program's work
    inside = [c for c in function.calls if "loop" in c.how]
    waits = next((c for c in inside if _WAITS.search(c.callee)), None)
    works = next((c for c in inside if _WORKS.search(c.callee) and _own(function, c.line)), None)
    if waits:
        points += 1.5
        reasons.append((waits.line, f"waits: {waits.callee}"))
    if works:
        points += 2.0
        reasons.append((works.line, f"works: {works.callee}"))
    elif own := next((c for c in inside if function.edges and _own(function, c.line)), None):
        points += 0.5
        reasons.append((own.line, f"calls {own.callee}"))
    elif not (waits or callback):
        return 0.0, []
    if _LOOP.search(function.name):
        points += 1.5
    if _END.match(function.name) or (
        _START.match(function.name) and not function.entry and function.name not in ("run", "serve")
    ):
        points -= 3
    near, why = _near(function)
    return points + near, [*reasons, *why]


def _foremost(loop: Mark) -> tuple[bool, int]:
    """Of a function's loops the one that ends when it is told to tells what the function does, then the longest."""
    return not _UNBOUNDED.match(loop.name), loop.line - int(loop.detail.get("end", loop.line))


def _own(function: Function, line: int) -> bool:
    """Does a line call something of this repository?"""
    return any(e.line == line and e.path for e in function.edges) or not function.edges


def _callback(function: Function) -> str:
    """Methods that a library's event loop calls with each piece of work."""
    if function.name in _ASKED and (base := _CALLBACK.search(" ".join(function.bases))):
        return f"called by the event loop for each piece of work ({base[0]})"
    return ""


def _may_start(function: Function, looping: set[Node]) -> bool:
    """What the calls need not be followed for: most functions are no starts, by what they are called and what they name."""
    if _END.match(function.name) or "profil" in function.name:
        return False
    if function.name == "init" and function.path.endswith(".go"):  # each file may have one, and most only register
        return False
    if _START.match(function.name):
        return True
    if function.name == "__init__":
        return not _LAYER.search(" ".join(function.bases))
    if function.entry in ("cli", "server") or any(
        m.kind == "task" and m.detail.get("how") in ("process", "thread", "signal") for m in function.marks
    ):
        return True
    loops = {symbol.removesuffix(".__init__").rpartition(".")[2] for _, symbol in looping}
    named = "\n".join(text for c in function.calls for text in (c.callee, *c.args))
    return any(name in named for name in loops)


def startup_score(function: Function, known: dict[Node, Function], looping: set[Node]) -> Judged:
    """What runs before a main loop, or builds the objects that have one."""
    points, reasons = 0.0, []
    head = function.definition.line
    if not _may_start(function, looping):
        return 0.0, []
    constructs = [
        e for e in function.edges if e.path and e.origin == "constructor" and not _ERROR.search(e.symbol)
    ]
    starts = [e for e in function.edges if (e.path, e.symbol) in looping and e.origin != "queue_peer"]
    tasks = [m for m in function.marks if m.kind == "task" and m.detail.get("how") in ("process", "thread")]
    signals = [m for m in function.marks if m.kind == "task" and m.detail.get("how") == "signal"]
    begins = [
        e
        for e in function.edges
        if e.path and e.origin != "constructor" and _START.match(e.symbol.rpartition(".")[2])
    ]
    if _START.match(function.name):
        points += 3.0
        reasons.append((head, "named as a start"))
    elif function.name == "__init__":
        parts = len({(e.path, e.symbol) for e in constructs})
        if _LAYER.search(" ".join(function.bases)) or not (
            tasks or begins or signals or starts or parts >= 3
        ):
            return 0.0, []
        points += 2.0
    elif not (starts or tasks or signals) and function.entry not in ("cli", "server"):
        return 0.0, []
    for edge in (constructs if len({(e.path, e.symbol) for e in constructs}) > 1 or starts else [])[:4]:
        reasons.append((edge.line, f"makes {edge.symbol.removesuffix('.__init__')}"))
    points += min(2.0, 0.5 * len({(e.path, e.symbol) for e in constructs}))
    for edge in begins[:3]:
        reasons.append((edge.line, f"calls {edge.symbol}"))
    points += min(1.5, 0.5 * len({(e.path, e.symbol) for e in begins}))
    if starts:
        points += 2.0
        reasons.append((starts[0].line, f"enters the loop {starts[0].symbol}"))
    if tasks:
        points += 1.0
        reasons.append((tasks[0].line, f"starts a {tasks[0].detail['how']}"))
    scoped = any("contextmanager" in d for d in function.definition.decorators)
    if function.owner == "" and function.entry == "" and not (signals or scoped):
        points -= 0.75  # a helper beside the classes that live
    if scoped:
        points += 1.0
        reasons.append((function.definition.start, "a context: it ends what it starts"))
    if signals:
        points += 1.0
        reasons.append((signals[0].line, "installs a handler of signals"))
    near, why = _near(function)
    return points + near, [*reasons, *why]


def shutdown_score(function: Function, known: dict[Node, Function], looping: set[Node]) -> Judged:
    """What ends things: named so and frees something, or runs after a loop."""
    points, reasons = 0.0, []
    head = function.definition.line
    frees = [
        c
        for c in function.calls
        if _FREE.search(c.callee) and not c.callee.startswith(("os.path", "str", '"', "'", 'b"', "b'"))
    ]
    exits = [m for m in function.marks if m.kind == "task" and m.detail.get("how") == "exit"]
    if _END.match(function.name):
        points += 3.0
        reasons.append((head, "named as an end"))
    elif not any(_RAISES_SIGNAL.search(c.callee) for c in function.calls):
        return 0.0, []
    if frees:
        points += 1.0 + min(1.0, 0.25 * len(frees))
        reasons += [(c.line, f"ends: {c.callee}") for c in frees[:5]]
    for call in function.calls:
        if _RAISES_SIGNAL.search(call.callee):
            points += 1.0
            reasons.append((call.line, f"ends the process: {call.callee}"))
            break
    if exits:
        points += 0.5
    if function.loops and _END.match(function.name):
        points += 0.5
    near, why = _near(function)
    return points + near, [*reasons, *why]
