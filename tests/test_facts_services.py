# Services without a model: heaps of what waits, listening and waiting, masters of workers, buffers that push back; and what
# they are told: variables of any letters, flags kept in classes, entries behind a facade.
from cutaway.facts.components import find_components
from cutaway.facts.config_surface import find_config_surface
from cutaway.facts.entrypoints import find_entrypoints
from cutaway.read.memory import program_of


def found(key, tree):
    """The candidates of one component, as (file, symbol)."""
    candidates = find_components(program_of(tree))[key].candidates
    return [(c.path, c.symbol) for c in candidates]


def test_a_variable_of_small_letters_is_one_where_only_the_environment_is_read():
    tree = {
        "app/a.py": "import os\nx = os.getenv('app_delay', 3)\ny = table.getenvelope('not_one')\n",
        "app/b.py": "z = getenv_int('app_depth')\nw = settings.get('app_other')\nv = env.get('app_third')\n",
    }
    rows = find_config_surface(program_of(tree))["env_vars"]
    assert [row["name"] for row in rows] == ["app_delay", "app_depth"]


def test_who_orders_what_waits_by_a_heap_schedules():
    tree = {
        "ferry/dock.py": '''
class DockThread(Thread):
    """Takes tasks of a queue and orders them by the time at which they are due."""
    def __init__(self, work_queue: PriorityQueue[Item]):
        self.running = False
        self.work_queue = work_queue
        self.delay_queue: PriorityQueue[Item] = PriorityQueue()

    def run(self):
        self.running = True
        while self.running:
            task = self.source.consume()
            self.handle(task)

    def handle(self, task):
        if task.due > now():
            self.delay_queue.put(Item(task.due, task))
        else:
            self.work_queue.put(Item(task.priority, task))

    def requeue(self, tasks):
        self.work_queue.put(tasks)

    def put(self, task):
        self.work_queue.put(task)
'''
    }
    assert found("scheduler", tree)[0] == ("ferry/dock.py", "DockThread")


def test_who_listens_and_waits_is_the_loop_of_a_service():
    source = '''
async def worker_serve(app, config):
    servers = []
    for sock in config.sockets:
        servers.append(await asyncio.start_server(app.callback, sock=sock, backlog=config.backlog))
    await config.shutdown.wait()

class FrameCodec:
    """Parses frames of bytes."""
    def decode(self, data):
        for part in data:
            value = self.decode(part)
        while self.rest:
            value = self.decode(self.rest)
        return value
'''
    tree = {"ferry/run.py": source}
    candidates = find_components(program_of(tree))["runtime_loop"].candidates
    assert [(c.path, c.symbol) for c in candidates] == [("ferry/run.py", "worker_serve")]


def test_the_master_of_workers_loops_over_what_it_manages():
    source = '''
class Keeper:
    """Keeps workers alive."""
    def run(self):
        self.start()
        while True:
            for sig in self.signals(timeout=1.0):
                if sig not in self.names:
                    self.log("unknown")
                    continue
                name = self.names[sig]
                handler = getattr(self, name)
                if not handler:
                    continue
                handler()
            self.manage_workers()
'''
    candidates = find_components(program_of({"ferry/keeper.py": source}))["runtime_loop"].candidates
    assert [(c.path, c.symbol) for c in candidates] == [("ferry/keeper.py", "Keeper.run")]


def test_who_waits_above_a_mark_of_what_is_buffered_pushes_back():
    source = """
class Buffer:
    async def push(self, data):
        self.buffer.extend(data)
        if len(self.buffer) >= HIGH_WATER:
            await self.drained.wait()
"""
    tree = {"ferry/buffer.py": source}
    candidates = find_components(program_of(tree))["admission_or_backpressure"].candidates
    assert [(c.path, c.symbol) for c in candidates] == [("ferry/buffer.py", "Buffer.push")]
    never = {"ferry/buffer.py": source.replace("await self.drained.wait()", "self.log()")}
    assert not find_components(program_of(never))["admission_or_backpressure"].candidates


def test_flags_that_stand_in_an_attribute_of_each_class():
    source = """
class Setting:
    cli = None

    def add_option(self, parser):
        args = tuple(self.cli)
        parser.add_argument(*args, dest=self.name)


class Bind(Setting):
    cli = ["-b", "--bind"]
    default = "localhost"


class Quiet(Setting):
    name = "quiet"
"""
    flags = find_config_surface(program_of({"ferry/config.py": source}))["cli_flags"]
    assert [(f["name"], f["line"], f["default"]) for f in flags] == [("--bind", 11, '"localhost"')]


def test_what_a_facade_imports_and_what_a_package_below_defines_are_entries():
    tree = {
        "ferry/__init__.py": "from ferry.api import Engine\n",
        "ferry/api.py": "def Engine(*args):\n    from ferry.core import Engine\n\n    return Engine(*args)\n",
        "ferry/core.py": "class Engine:\n    def generate(self, prompt):\n        return prompt\n",
        "ferry/aio/__init__.py": "async def serve(app):\n    await app()\n\ndef helper():\n    pass\n",
    }
    entries = {(e["path"], e["symbol"]) for e in find_entrypoints(program_of(tree))}
    assert {("ferry/core.py", "Engine"), ("ferry/aio/__init__.py", "serve")} <= entries
    assert not {("ferry/api.py", "Engine"), ("ferry/aio/__init__.py", "helper")} & entries


def test_a_loop_over_schedules_and_a_permit_that_is_kept():
    source = '''
class ClockLoop:
    """Runs what is due."""
    def __init__(self, scheduler):
        self.scheduled_tasks = []
        self.sem = asyncio.Semaphore(8)

    async def start_tasks(self):
        running_tasks = {}
        while True:
            await self.sem.acquire()
            for task in self.scheduled_tasks:
                if task.ready:
                    running_tasks[task.id] = self.loop.create_task(task.send())
'''
    parts = find_components(program_of({"ferry/scheduler/clock.py": source}))
    for key in ("scheduler", "admission_or_backpressure"):
        assert parts[key].candidates[0].symbol.startswith("ClockLoop"), key
