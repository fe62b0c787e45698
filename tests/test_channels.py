# The two ends of queues, pipes and sockets: one object passed on, or one address; and what must not be linked.
import pytest

from cutaway.facts.processes import find_processes
from cutaway.facts.spine import call_nesting
from cutaway.read.memory import program_of
from cutaway.report.repo.architecture_map import _of_steps


def linked(**files):
    """{(function that puts, function that takes)} of a program of files written as `name__py="text"`."""
    program = program_of({name.replace("__", "."): text for name, text in files.items()})
    found = set()
    for link in program.graph.channels.links:
        (path, sent), (far, taken) = link.put, link.get
        found.add((program.record(path).defs[sent.scope].name, program.record(far).defs[taken.scope].name))
    return found


WORKER = """
def work(inbox, done):
    while True:
        done.put(inbox.get())
"""
MAIN = """
import multiprocessing as mp
from worker import work

def main():
    jobs, results = mp.Queue(), mp.Queue()
    mp.Process(target=work, {passed}).start()
    feed(jobs)
    collect(results)

def feed(q):
    q.put(1)

def collect(q):
    return q.get()
"""


@pytest.mark.parametrize(
    "passed",
    ["args=(jobs, results)", "kwargs={'inbox': jobs, 'done': results}", "kwargs=dict(inbox=jobs, done=results)"],
)
def test_a_queue_that_is_passed_to_a_process(passed) -> None:
    main = MAIN.replace("jobs, results = mp.Queue(), mp.Queue()", "jobs = mp.Queue()\n    results = mp.Queue()")
    assert linked(main__py=main.format(passed=passed), worker__py=WORKER) == {("feed", "work"), ("work", "collect")}


def test_arguments_that_a_record_would_cut() -> None:
    long = ", ".join(f"'a_setting_with_a_long_name_{i}': {i}" for i in range(6))
    main = MAIN.replace("jobs, results = mp.Queue(), mp.Queue()", "jobs = mp.Queue()\n    results = mp.Queue()")
    got = linked(main__py=main.format(passed=f"kwargs={{{long}, 'inbox': jobs, 'done': results}}"), worker__py=WORKER)
    assert ("feed", "work") in got


def test_a_queue_in_an_attribute_of_another_object() -> None:
    state = """
import queue
from dataclasses import dataclass

@dataclass
class State:
    inbox: queue.Queue

def start():
    inbox = queue.Queue()
    state = State(inbox=inbox)
    loop(state)

def loop(state: State):
    state.inbox.get()

def submit(state: State):
    state.inbox.put(1)
"""
    assert linked(state__py=state) == {("submit", "loop")}


def test_what_a_shared_helper_takes_is_taken_for_its_caller() -> None:
    code = """
import queue

class A:
    def __init__(self):
        self.one = queue.Queue()
        self.two = queue.Queue()

    def put_one(self):
        self.one.put(1)

    def put_two(self):
        self.two.put(1)

    def take_one(self):
        return drain(self.one)

    def take_two(self):
        return drain(self.two)

def drain(q):
    return q.get_nowait()
"""
    assert linked(a__py=code) == {("A.put_one", "A.take_one"), ("A.put_two", "A.take_two")}


def test_pipes_have_two_ends() -> None:
    code = """
import multiprocessing as mp

def main():
    ours, theirs = mp.Pipe()
    mp.Process(target=child, args=(theirs,)).start()
    ours.send(1)
    return ours.recv()

def child(end):
    end.send(end.recv())
"""
    assert linked(a__py=code) == {("main", "child"), ("child", "main")}


FRONT = """
import zmq

class Front:
    def __init__(self, args):
        context = zmq.Context()
        self.out = context.socket(zmq.PUSH)
        self.out.connect(f"tcp://127.0.0.1:{args.engine_port}")
        self.back = context.socket(zmq.PULL)
        self.back.bind(f"tcp://127.0.0.1:{args.front_port}")

    def submit(self, request):
        self.out.send_pyobj(request)

    def listen(self):
        return self.back.recv_pyobj()
"""
ENGINE = """
import zmq

class Engine:
    def __init__(self, engine_port, front_port):
        context = zmq.Context()
        self.requests = context.socket(zmq.PULL)
        self.requests.bind(f"tcp://127.0.0.1:{engine_port}")
        self.answers = context.socket(zmq.PUSH)
        self.answers.connect(f"tcp://127.0.0.1:{front_port}")

    def loop(self):
        while True:
            self.step(self.requests.recv_pyobj())

    def step(self, request):
        self.answers.send_pyobj(request)

def run_engine(args):
    Engine(args.engine_port, args.front_port).loop()
"""


def test_sockets_on_one_address() -> None:
    assert linked(front__py=FRONT, engine__py=ENGINE) == {("Front.submit", "Engine.loop"), ("Engine.step", "Front.listen")}


def test_ports_that_one_call_gives_are_told_apart() -> None:
    main = """
import multiprocessing as mp
from engine import Engine
from front import Front
from ports import free_ports

def run(one, two):
    Engine(one, two).loop()

def main():
    engine_port, front_port = free_ports(2)
    mp.Process(target=run, args=(engine_port, front_port)).start()
    Front(engine_port, front_port)
"""
    front = FRONT.replace("(self, args)", "(self, engine_port, front_port)").replace("args.", "")
    engine = ENGINE.partition("def run_engine")[0]
    ports = "def free_ports(count):\n    return [1, 2]\n"
    got = linked(front__py=front, engine__py=engine, main__py=main, ports__py=ports)
    assert got == {("Front.submit", "Engine.loop"), ("Engine.step", "Front.listen")}


def test_a_class_around_a_socket() -> None:
    wrapper = """
import zmq

class Pusher:
    def __init__(self, address, create):
        self.socket = zmq.Context().socket(zmq.PUSH)
        self.socket.bind(address) if create else self.socket.connect(address)

    def put(self, what):
        self.socket.send(what)

class Puller:
    def __init__(self, address):
        self.socket = zmq.Context().socket(zmq.PULL)
        self.socket.bind(address)

    def get(self):
        return self.socket.recv()
"""
    users = """
from wrapper import Pusher, Puller

class Client:
    def __init__(self, out):
        self.out = out

    def ask(self, question):
        self.out.put(question)

def client(config):
    return Client(Pusher(config.engine_address, create=False))

def engine(config):
    inbox = Puller(config.engine_address)
    while True:
        inbox.get()

def other(config):
    return Puller(config.metrics_address).get()
"""
    assert linked(wrapper__py=wrapper, users__py=users) == {("Client.ask", "engine")}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("context.socket(zmq.PUSH)", "context.socket(zmq.PUSH)"),  # two that send
        ("context.socket(zmq.PUSH)", "context.socket(zmq.SUB)"),  # kinds that do not speak to each other
    ],
)
def test_sockets_that_do_not_speak(one, other) -> None:
    engine = ENGINE.replace("self.requests = context.socket(zmq.PULL)", f"self.requests = {other}")
    front = FRONT.replace("self.out = context.socket(zmq.PUSH)", f"self.out = {one}")
    assert ("Front.submit", "Engine.loop") not in linked(front__py=front, engine__py=engine)


def test_names_that_say_nothing_link_nothing() -> None:
    front = FRONT.replace("args.engine_port", "args.port")
    engine = ENGINE.replace("engine_port", "port")
    assert ("Front.submit", "Engine.loop") not in linked(front__py=front, engine__py=engine)


def test_the_path_of_a_request_crosses_a_socket_and_the_process_map_shows_it() -> None:
    main = """
import multiprocessing as mp
from engine import run_engine
from front import Front

def serve(args):
    mp.Process(target=run_engine, args=(args,)).start()
    front = Front(args)
    front.listen()

def generate(args, prompt):
    Front(args).submit(prompt)
"""
    program = program_of({"front.py": FRONT, "engine.py": ENGINE, "main.py": main})
    entries = [
        {"kind": "server", "path": "main.py", "symbol": "serve", "score": 1.0, "line": 6, "evidence": []},
        {"kind": "library", "path": "main.py", "symbol": "generate", "score": 0.9, "line": 11, "evidence": []},
    ]
    loop = [{"path": "engine.py", "symbol": "Engine.loop", "line": 12}]
    steps = call_nesting(program, {"runtime_loop": loop}, entries)
    crossing = [(s.symbol, s.call) for s in steps if s.origin == "queue_peer"]
    assert ("Engine.loop", "front.py:13") in crossing
    assert [s.symbol for s in steps if s.depth == 0] == ["serve", "generate"]
    started = {"task_creation_points": [{"kind": "process", "spawns": True, "runs_as": "process", "path": "engine.py",
        "symbol": "run_engine", "line": 20, "evidence": [
            {"path": "main.py", "line": 7, "symbol": "serve", "note": ""}]}]}  # fmt: skip
    channels = find_processes(program, entries, started, [])["channels"]
    assert {(c["from"], c["to"], c["name"]) for c in channels} >= {("run_engine", "serve", "front_port")}


def test_the_map_draws_what_is_sent_and_each_definition_once() -> None:
    rows = [
        (0, "launch", "", []), (1, "engine", "process_target", []), (2, "loop", "self_method", ["runtime_loop"]),
        (3, "take", "local", []), (3, "helper", "local", []), (0, "generate", "", []), (1, "wrap", "local", []),
        (2, "send", "local", []), (3, "take", "queue_peer", []),
    ]  # fmt: skip
    keys = ("depth", "symbol", "origin", "parts")
    steps = [{**dict(zip(keys, row, strict=True)), "path": "a.py", "line": 1} for row in rows]
    graph = _of_steps(steps)
    names = {node.key: node.label for node in graph.nodes}
    assert sorted(names.values()) == ["engine", "generate", "launch", "loop", "send", "take", "wrap"]
    drawn = {(names[e.source], names[e.target], e.label) for e in graph.edges}
    assert ("send", "take", "sends to") in drawn
    assert ("launch", "engine", "starts a process") in drawn
