# How a program keeps its state, what it is told, what its parts talk over, and where it fails.
from cutaway.facts.chains import chains, class_chains
from cutaway.facts.errors import find_errors
from cutaway.facts.extensions import find_extension_points
from cutaway.facts.project import find_project
from cutaway.facts.pseudocode import pseudocode
from cutaway.facts.queues import find_queues, find_sync
from cutaway.facts.states import find_states
from cutaway.facts.trees import tree_of
from cutaway.facts.wiring import find_wiring
from cutaway.read.memory import program_of

MACHINE = """\
import asyncio
import threading

class Cycle:
    def __init__(self, n):
        self.started = False
        self.done = False
        self.ready = asyncio.Event()
        self.queue = asyncio.Queue()
        self.lock = threading.Lock()

    async def send(self, message):
        if message["type"] == "start":
            assert not self.ready.is_set()
            self.started = True
            self.ready.set()
        elif message["type"] == "stop":
            self.done = True
            await self.queue.put({"type": "gone"})

    async def receive(self):
        await self.ready.wait()
        return await self.queue.get()

    def handle(self, name):
        getattr(self, f"on_{name}")()

    def on_close(self):
        with self.lock:
            self.done = True

def work(cycle):
    try:
        cycle.handle("close")
    except BaseException as exc:
        raise RuntimeError("failed") from exc
"""
STATUS = """\
from enum import Enum, auto

class Status(Enum):
    WAITING = auto()
    RUNNING = auto()

class Task:
    def __init__(self):
        self.status = Status.WAITING

    def start(self):
        self.status = Status.RUNNING
"""


def test_flags_events_and_what_moves_them():
    (machine,) = find_states(program_of({"a.py": MACHINE}))
    assert [(s["name"], s["line"], len(s["set"])) for s in machine["states"]] == [
        ("started", 6, 1), ("done", 7, 2), ("ready", 8, 1),
    ]  # fmt: skip
    events = {(e["name"], e["line"], e["how"]) for e in machine["events"]}
    assert {
        ("start", 13, "compared"),
        ("stop", 17, "compared"),
        ("gone", 19, "emitted"),
        ("close", 28, "named"),
    } <= events
    assert machine["guard"]["line"] == 14
    assert machine["dispatch"]["line"] == 26
    assert {h["name"] for h in machine["handlers"]} >= {"send", "receive"}


def test_enumerations_of_states_and_their_transitions():
    (machine,) = find_states(program_of({"t.py": STATUS}))
    assert machine["kind"] == "enum"
    assert [(t["to"], t["by"], t["line"]) for t in machine["transitions"]] == [
        ("WAITING", "Task.__init__", 9), ("RUNNING", "Task.start", 12),
    ]  # fmt: skip


def test_both_ends_of_a_queue_and_who_waits():
    program = program_of({"a.py": MACHINE})
    (queue,) = find_queues(program)
    assert (queue["name"], queue["kind"], queue["bounded"]) == ("Cycle.queue", "asyncio.Queue", False)
    assert ([p["line"] for p in queue["put"]], [g["line"] for g in queue["get"]]) == ([19], [23])
    event, lock = find_sync(program)
    assert ([w["line"] for w in event["waits"]], [s["line"] for s in event["sets"]]) == ([14, 22], [16])
    assert [(g["line"], g["writes"]) for g in lock["guards"]] == [(29, ["self.done"])]


def test_what_is_done_with_failures():
    rows = find_errors(program_of({"a.py": MACHINE}))
    assert {(r["kind"], r["line"]) for r in rows} == {("becomes another", 35), ("becomes another", 36)}


def test_what_catches_everything_is_shown_as_the_line_has_it():
    (row,) = find_errors(program_of({"a.py": "def f(x):\n    try:\n        x()\n    except:\n        x.undo()\n"}))
    assert (row["caught"], row["line"]) == ("except:", 4)


def test_tables_and_abstract_classes_are_places_to_extend():
    tree = {
        "r.py": "from k import A, B\nTABLE = {'a': A, 'b': B}\ndef make(name):\n    return TABLE[name]()\n",
        "k.py": "from abc import ABC\nclass Base(ABC):\n    def run(self): ...\nclass A(Base): ...\nclass B(Base): ...\n",
    }
    program = program_of(tree)
    assert [(w["kind"], w["name"], w["choices"]) for w in find_wiring(program)] == [
        ("table", "TABLE", ["a", "b"])
    ]
    assert {(x["symbol"], x["path"]) for x in find_extension_points(program)} == {
        ("TABLE", "r.py"),
        ("Base", "k.py"),
    }


def test_pseudocode_keeps_control_flow_and_lines():
    program = program_of({"a.py": MACHINE})
    lines = [
        (p["depth"], p["text"], p["line"])
        for p in pseudocode(program, "a.py", program.definition("a.py", "work"))
    ]
    assert lines[0] == (0, "def work(cycle)", 32)
    assert (1, "try:", 33) in lines
    assert (1, "except BaseException:", 35) in lines
    for _, text, line in lines[1:]:
        assert text.split("(")[0].rstrip(":").split(" ")[0] in MACHINE.splitlines()[line - 1]


def test_pseudocode_of_a_long_match_is_its_cases():
    noise = "".join(f"            x{n} = {n}\n" for n in range(150))
    text = (
        "class A:\n    def told(self, one):\n        match one.kind:\n            case 'a' if one.big:\n"
        "                self.go()\n            case _:\n                pass\n"
        f"        for x in one:\n{noise}            self.go()\n    def go(self): ...\n"
    )
    program = program_of({"a.py": text})
    rows = pseudocode(program, "a.py", program.definition("a.py", "A.told"))[1:]
    assert [(r["depth"], r["text"], r["line"]) for r in rows] == [
        (1, "match one.kind:", 3), (2, "case 'a' if one.big:", 4), (3, "self.go()", 5),
        (1, "for x in one:", 8), (2, "self.go()", 159),
    ]  # fmt: skip


def test_critical_modules_of_a_small_program():
    tree = {
        "app/main.py": "from app.core import Core\ndef main():\n    Core().run()\nif __name__ == '__main__':\n    main()\n",
        "app/core.py": "from app.part import part\nclass Core:\n    def run(self):\n"
        "        while True:\n            self.step()\n"
        "    def step(self):\n        part()\n",
        "app/part.py": "def part():\n    return helper()\ndef helper():\n    return 1\n",
    }
    critical = find_project(program_of(tree))["critical"]
    assert critical[0]["symbol"] == "Core"
    assert critical[0]["callers"] and critical[0]["callees"] and critical[0]["pseudocode"]


BRANCHED = """\
def other(kind):
    return kind == "elsewhere"


if True:
    class Pump:
        def told(self, message):
            class Inner:
                def told(self, event):
                    return event == "inner"
            if message == "start":
                return 1


class Broken:
    def told(self, message):
        return message != "stop"
"""


def test_the_tree_of_one_class_has_the_lines_of_its_file():
    program = program_of({"a.py": BRANCHED})
    whole = [(c.kind, c.name, c.line, c.handler) for c in chains(program, "a.py")]
    classes = [(c.kind, c.name, c.line, c.handler) for c in class_chains(program, "a.py")]
    assert classes == whole[1:] and whole[0][1] == "elsewhere"
    assert ("compared", "inner", 10, "Pump.told.Inner.told") in classes


def test_no_tree_of_a_file_that_does_not_parse():
    program = program_of({"a.py": BRANCHED + "def (:\n"})
    assert program.record("a.py").parse != "ok"
    assert tree_of(program, "a.py", next(d for d in program.record("a.py").defs if d.kind == "class")) is None
