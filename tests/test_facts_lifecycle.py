# From the start to the end of a program's life, on a server small enough to be read here.
from cutaway.facts.entrypoints import find_entrypoints
from cutaway.facts.lifecycle import find_lifecycle
from cutaway.read.memory import program_of

SERVER = {
    "app/server.py": """\
import signal, threading
from app.engine import Engine

class Server:
    def __init__(self, config):
        self.should_exit = False
        self.engine = Engine()

    def run(self):
        self.startup()
        self.main_loop()
        self.shutdown()

    def startup(self):
        signal.signal(signal.SIGTERM, self.handle_exit)
        self.thread = threading.Thread(target=self.listen)
        self.thread.start()
        self.engine.warmup()

    def listen(self):
        while True:
            self.engine.add(self.socket.recv())

    def main_loop(self):
        while not self.should_exit:
            self.engine.step()

    def handle_exit(self, sig, frame):
        self.should_exit = True

    def shutdown(self):
        self.thread.join()
        self.engine.close()
""",
    "app/engine.py": """\
class Engine:
    def step(self):
        for item in self.items:
            item.work()
    def add(self, item): self.items.append(item)
    def warmup(self): self.step()
    def close(self): self.pool.shutdown()
class GpuEngine(Engine):
    def warmup(self): self.capture()
    def capture(self): pass
""",
    "app/__main__.py": "from app.server import Server\ndef main():\n    Server(None).run()\n"
    "if __name__ == '__main__':\n    main()\n",
}


def life(tree):
    program = program_of(tree)
    return find_lifecycle(program, find_entrypoints(program))


def symbols(rows):
    return [row["symbol"] for row in rows]


def test_phases_of_a_server():
    found = life(SERVER)
    assert {"Server.main_loop", "Server.listen"} == set(symbols(found["main_loop"]))
    assert {"Server.startup", "Engine.warmup", "GpuEngine.warmup"} <= set(symbols(found["startup"]))
    assert {"Server.shutdown", "Engine.close"} <= set(symbols(found["shutdown"]))
    triggers = [(t["symbol"], t["flag"], t["evidence"][0]["why"]) for t in found["exit_triggers"]]
    assert triggers == [
        ("Server.startup", "", "asks to be told of SIGTERM: signal.signal"),
        ("Server.handle_exit", "should_exit", "sets self.should_exit = True"),
    ]


def test_makers_what_they_run_and_their_owner():
    rows = {r["symbol"]: (r["kind"], r["at"]) for r in life(SERVER)["task_creation_points"]}
    assert rows == {
        "Server.startup": ("thread", 16), "Server.listen": ("thread", 16), "Server": ("thread", 16),
    }  # fmt: skip


def test_a_batch_program_loops_without_threads_or_shutdown():
    found = life(
        {
            "generate.py": "def decode(model, n):\n    for i in range(n):\n        step(model, i)\n"
            "def step(model, i): return model(i)\ndef load_model(path): return open(path)\n"
            "def main(path):\n    m = load_model(path)\n    decode(m, 3)\nif __name__ == '__main__':\n    main('x')\n"
        }
    )
    assert symbols(found["main_loop"]) == ["decode"]
    assert {"main", "load_model"} <= set(symbols(found["startup"]))
    assert found["shutdown"] == found["task_creation_points"] == []


def test_the_parts_of_a_network_are_not_starts():
    tree = {
        "m.py": "import torch.nn as nn\nclass A(nn.Module):\n    def __init__(self):\n        self.b = B()\n"
        "        self.c = C()\n        self.d = D()\nclass B(nn.Module):\n    pass\n"
        "class C(nn.Module):\n    pass\nclass D(nn.Module):\n    pass\n"
    }
    assert life(tree)["startup"] == []


def test_every_statement_cites_a_line_that_exists():
    for rows in life(SERVER).values():
        for row in rows:
            assert row["evidence"]
            for proof in row["evidence"]:
                assert proof["text"] == SERVER[proof["path"]].splitlines()[proof["line"] - 1].strip()
