# Parts known by what the code does with its state: a free place that is filled, a heap that orders what waits, progress that
# is forgotten, caches made inside a layer, a model's path handed on; and names that are no evidence at all.
from cutaway.facts.components import find_components
from cutaway.facts.config_surface import find_config_surface
from cutaway.facts.entrypoints import find_entrypoints
from cutaway.read.memory import program_of

README = (
    "# Ferro\n\nServes large language models: tokens, transformer, KV cache, attention, sampling of logits.\n"
)
# Enough for the verdict that the program is about language models, and nothing that any component is.
ABOUT = {
    "ferro/words.py": "def facts(kv_cache, n_heads, rope): return kv_cache.len, n_heads, rope, prefill_seen, logits\n"
}


def found(key, tree):
    """The candidates of one component, as (file, symbol)."""
    candidates = find_components(program_of({"README.md": README, **ABOUT, **tree}))[key].candidates
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


def test_a_free_place_of_a_table_is_where_a_request_is_taken_in():
    tree = {
        "ferro/batch.py": '''
def schedule_pending(slots, queue, max_batch_size):
    """Starts requests that wait while there is room."""
    for request in queue:
        for i in range(max_batch_size):
            if slots[i] is None:
                request.start()
                slots[i] = request
                break
'''
    }
    assert found("admission_or_backpressure", tree) == [("ferro/batch.py", "schedule_pending")]
    taken = tree["ferro/batch.py"].replace("slots[i] is None", "slots[i].ready").replace("room", "time")
    assert found("admission_or_backpressure", {"ferro/batch.py": taken}) == []


def test_a_request_whose_progress_is_forgotten_and_that_waits_again_was_preempted():
    source = """
class RaggedBatch:
    def schedule(self):
        for request in self.waiting:
            self.running.append(request)

    def reset_request(self):
        victim = self.running.pop()
        victim.clear_tokens()
        victim.seq_length = 0
        self.waiting.appendleft(victim)
"""
    place = "ferro/ragged.py", "RaggedBatch.reset_request"
    assert place in found("preemption", {"ferro/ragged.py": source})
    kept = source.replace("victim.seq_length = 0\n", "victim.seen = True\n").replace(
        "reset_request", "requests"
    )
    assert found("preemption", {"ferro/ragged.py": kept}) == []


def test_a_layer_that_makes_caches_of_its_own_is_their_structure():
    source = '''
class Mixer(nn.Module):
    """Attends, and keeps keys and values of past tokens in a store."""
    def forward(self, x, store):
        key, value = self.project(x)
        if "key" not in store:
            k_cache = torch.zeros((x.shape[0], self.max_seq_len, self.num_kv_heads, self.head_dim))
            v_cache = torch.zeros((x.shape[0], self.max_seq_len, self.num_kv_heads, self.head_dim))
            store.update({"key": k_cache, "value": v_cache})
        return attend(x, store["key"], store["value"])
'''
    assert ("ferro/mixer.py", "Mixer") in found("kv_cache_structure", {"ferro/mixer.py": source})


def test_weights_in_a_name_are_not_weights_that_are_read():
    holder = '''
class QuantizedWeights:
    """Scales and packed numbers of one layer."""
    def __init__(self, scales, weight):
        self.scales = scales
        self.weight = weight

    def copy(self):
        return QuantizedWeights(self.scales, self.weight)
'''
    loader = """
def load_model(config):
    init(config)
    return build_engine(path=config.model_name_or_path, settings=config.settings)
"""
    tree = {"ferro/quantize.py": holder, "ferro/models.py": loader}
    assert found("weight_loader", tree) == [("ferro/models.py", "load_model")]


def test_what_is_kept_of_the_past_steps_back():
    source = '''
@dataclass
class ModelConfig:
    """Settings of the engine."""
    model_path: str = ""
    dtype: str = "half"
    port: int = 80
    max_batch_size: int = int(os.getenv("SIZE", "1"))
'''
    tree = {"ferro/config.py": source, "ferro/legacy/config.py": source + "    tp_size: int = 1\n"}
    assert found("config_parser", tree)[0] == ("ferro/config.py", "ModelConfig")


def test_who_makes_a_function_is_named_before_the_function_within():
    source = """
def make_sampler(temp, top_p, top_k):
    def sample(logits):
        if temp == 0:
            return argmax(logits)
        logits = mask_top_k(logits, top_k)
        logits = mask_top_p(logits, top_p)
        return categorical(logits / temp)
    return sample
"""
    assert found("sampling_params", {"ferro/sampler.py": source})[0] == ("ferro/sampler.py", "make_sampler")


def test_whoever_reads_its_rank_and_joins_a_group_communicates():
    source = '''
def init_distributed(config):
    """Joins the other processes."""
    os.environ.setdefault("WORLD_SIZE", "1")
    os.environ.setdefault("LOCAL_RANK", "0")
    fleet.init_distributed(dist_backend="nccl", port=config.torch_dist_port)
'''
    place = "ferro/parallel.py", "init_distributed"
    assert found("tensor_parallel_comm", {"ferro/parallel.py": source}) == [place]


def test_who_listens_and_waits_is_the_loop_of_a_service():
    source = '''
async def worker_serve(app, config):
    servers = []
    for sock in config.sockets:
        servers.append(await asyncio.start_server(app.callback, sock=sock, backlog=config.backlog))
    await config.shutdown.wait()

class FrameDecoder:
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


def test_who_hands_a_cache_on_writes_nothing_into_it():
    source = """
class Attention(nn.Module):
    def forward(self, x, positions, kv_caches_given, layer_cache):
        q, k, v = self.qkv(x)
        q, k = self.rope(positions, q, k)
        return self.backend.forward(q, k, v, self.layer)
"""
    writer = """
class PlainBackend:
    def forward(self, query, key, value, layer_cache):
        append_paged_kv_cache(key, value, self.positions, self.indices)
        return self.attend(query, layer_cache)
"""
    tree = {"ferro/net.py": source, "ferro/attention.py": writer}
    assert found("kv_cache_update", tree) == [("ferro/attention.py", "PlainBackend.forward")]


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
