# Parts of engines and clients that live in an event loop: permits around what answers, writers that wait for what is there to
# leave, tasks that run beside, makers that are told everything; and copies of a folder, and models that a library fills.
from cutaway.facts.components import find_components
from cutaway.read.memory import program_of

README = (
    "# Ferro\n\nServes large language models: tokens, transformer, KV cache, attention, sampling of logits.\n"
)
WORDS = "def facts(kv_cache, n_heads, rope): return kv_cache.len, n_heads, rope, prefill_seen, logits\n"


def found(key, tree, models=False):
    """The candidates of one component, as (file, symbol)."""
    about = {"README.md": README, "ferro/words.py": WORDS} if models else {}
    return [(c.path, c.symbol) for c in find_components(program_of({**about, **tree}))[key].candidates]


ENGINE = """
class QuietEngine:
    def __init__(self):
        self.semaphore = asyncio.Semaphore(4)

    async def chat(self, text):
        async with self.semaphore:
            return await asyncio.to_thread(self._chat, text)
"""


def test_what_answers_only_under_a_permit_admits():
    path = "ferro/quiet_engine.py"
    assert (path, "QuietEngine.chat") in found("admission_or_backpressure", {path: ENGINE})
    lock = ENGINE.replace("semaphore", "guard").replace("Semaphore(4)", "Lock()")
    assert (path, "QuietEngine.chat") not in found("admission_or_backpressure", {path: lock})


PARCELS = '''
class Parcels:
    async def add_record(self, key, value, timeout):
        """Adds to the parcel of `key`; where that is already full, waits until it was taken away."""
        while True:
            parcel = self.pending[key]
            if (future := parcel.append(value)) is not None:
                return future
            await parcel.wait_drain(timeout)
'''


def test_whoever_brings_more_waits_for_what_is_there_to_leave():
    path = "haul/parcels.py"
    assert found("admission_or_backpressure", {path: PARCELS})[:1] == [(path, "Parcels.add_record")]
    sent = PARCELS.replace("wait_drain", "send")
    assert found("admission_or_backpressure", {path: sent}) == []


CARRIER = """
class Carrier:
    async def start(self):
        self.task = create_task(self._carry_routine())

    async def _carry_routine(self):
        tasks = set()
        while True:
            for node, parcels in self.parcels.ready().items():
                tasks.add(create_task(self._carry(node, parcels)))
            done, tasks = await asyncio.wait(tasks | {self.parcels.waiter()}, return_when=FIRST_COMPLETED)
"""


def test_a_task_beside_the_others_that_starts_what_is_ready_and_waits_is_the_loop():
    path = "haul/carrier.py"
    assert found("runtime_loop", {path: CARRIER})[:1] == [(path, "Carrier._carry_routine")]
    once = CARRIER.replace("while True", "if self.parcels")
    assert found("runtime_loop", {path: once}) == []


CLIENT = """
class Hauler:
    def __init__(self, *, servers="localhost", client_id=None, request_timeout_ms=40000, acks=1, linger_ms=0,
                 key_serializer=None, max_request_size=1048576, compression=None, retry_backoff_ms=100, tls=None):
        self.servers = servers
"""
TOLD = """
import argparse, dataclasses
@dataclasses.dataclass
class HaulerConfig:
    port: int = 9
    host: str = "localhost"
    workers: int = 2
    max_batch_size: int = 8
    @classmethod
    def from_args(cls):
        parser = argparse.ArgumentParser()
        parser.add_argument("--port")
        return cls(**vars(parser.parse_args()))
"""


def test_a_maker_with_a_value_for_each_of_many_settings_is_told_them_where_no_config_is():
    path = "haul/client.py"
    assert (path, "Hauler.__init__") in found("config_parser", {path: CLIENT})
    few = CLIENT.replace("acks=1, linger_ms=0,", "acks, linger_ms,")
    assert found("config_parser", {path: few}) == []
    both = found("config_parser", {path: CLIENT, "haul/config.py": TOLD})
    assert both[0][0] == "haul/config.py"


MODEL = """
def complete(text, name):
    tokenizer = AutoTokenizer.from_pretrained(name)
    model = AutoModelForCausalLM.from_pretrained(name, dtype=float16, device="auto", path=name)
    return answer(model, tokenizer.encode(text))
"""


def test_who_has_a_library_make_the_model_and_fill_it_loads_weights_where_nothing_else_does():
    assert found("weight_loader", {"main.py": MODEL}, models=True)[:1] == [("main.py", "complete")]
    words = MODEL.replace("AutoModelForCausalLM", "AutoTokenizer")
    assert found("weight_loader", {"main.py": words}, models=True) == []


WRITER = """
class Writer:
    def quickgenerate(self, tokens, max_new_tokens):
        for step in range(max_new_tokens):
            logits = self.model(tokens)
            next_token = self.sample(logits)
            if next_token == self.eos_token:
                break
        return tokens
"""


def test_a_copy_of_a_folder_made_to_look_for_a_bug_stands_behind_it():
    later = WRITER.replace(
        "logits = self.model(tokens)", "logits = self.model.forward(self.batches.schedule(tokens))"
    )
    tree = {"ferro/bughunt/core/writer_two.py": later, "ferro/core/writer.py": WRITER}
    assert found("runtime_loop", tree, models=True)[0] == ("ferro/core/writer.py", "Writer.quickgenerate")
    other = {"ferro/swift/core/writer_two.py": later, "ferro/core/writer.py": WRITER}
    assert found("runtime_loop", other, models=True)[0][0] == "ferro/swift/core/writer_two.py"
