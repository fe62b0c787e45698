# What tells the part that is meant from one beside it: who imports it, whether one of many programs has it for itself,
# whose name it only bears, and what a loop, a pool or a batch of plain functions does without a class around it.
import pytest

from cutaway.facts.components import find_components
from cutaway.facts.roles import role_of
from cutaway.read.memory import program_of

README = (
    "# Ferro\n\nServes large language models: tokens, transformer, KV cache, attention, sampling of logits.\n"
)
ABOUT = "def facts(kv_cache, n_heads, rope): return kv_cache.len, n_heads, rope, prefill_seen, logits\n"


def found(key, tree):
    """(file, symbol) of each candidate, best first."""
    components = find_components(program_of({"README.md": README, "ferro/words.py": ABOUT, **tree}))
    return [(c.path, c.symbol) for c in components[key].candidates]


def first(key, tree):
    return next(iter(found(key, tree)), None)


PARSER = """
import argparse

def parse_args():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model")
    parser.add_argument("--prompt")
    parser.add_argument("--max-tokens")
    parser.add_argument("--out")
    parser.add_argument("--device")
    parser.add_argument("--seed")
    parser.add_argument("--revision")
    parser.add_argument("--verbose")
    return parser.parse_args()
"""
SETTINGS = '''
from dataclasses import dataclass

@dataclass
class ModelConfig:
    """The settings of a model, read from its config.json."""

    hidden_size: int = 64
    n_layers: int = 2
    n_heads: int = 2
    vocab_size: int = 100
    dtype: str = "bfloat16"

    @classmethod
    def from_file(cls, path):
        return cls(**json.load(open(path)))
'''


def test_what_programs_share_stands_before_what_each_of_several_is_told():
    tree = {
        "ferro/__init__.py": "",
        "ferro/config.py": SETTINGS,
        "ferro/engine.py": "from ferro.config import ModelConfig\n",
        "ferro/model.py": "from ferro.config import ModelConfig\n",
    }
    programs = {f"ferro/{name}.py": PARSER for name in ("chat", "share", "fuse")}
    assert first("config_parser", {**tree, **programs}) == ("ferro/config.py", "ModelConfig")
    alone = {"ferro/chat.py": PARSER}  # of one program the flags are those of the whole
    assert first("config_parser", {**tree, **alone}) == ("ferro/chat.py", "parse_args")


def test_a_parser_in_the_program_that_others_build_on_is_put_before_its_namesakes():
    programs = {f"ferro/{name}.py": PARSER for name in ("bake", "chat", "run")}
    others = {f"ferro/{name}.py": "from ferro.run import generate\n" for name in ("serve", "train")}
    assert first("config_parser", {"ferro/__init__.py": "", **programs, **others}) == (
        "ferro/run.py",
        "parse_args",
    )


def test_the_methods_of_a_library_make_no_namesake_popular():
    from cutaway.facts.components import CONFIG
    from cutaway.facts.corpus import Corpus
    from cutaway.facts.scoring import rank

    tree = {
        f"tools/t{n}.py": "import argparse\nargs = argparse.ArgumentParser().parse_args()\n" for n in range(6)
    }
    program = program_of({"README.md": README, "ferro/launch.py": PARSER, **tree})
    ranked = rank(Corpus(program, list(CONFIG.clues)), [CONFIG], {CONFIG.key: list(range(len(CONFIG.clues)))})
    assert ranked[CONFIG.key][0].entity.path == "ferro/launch.py"
    assert not any("use it" in note for note in ranked[CONFIG.key][0].notes)


@pytest.mark.parametrize(
    ("path", "role"),
    [
        ("scripts/infer_bench.py", "benchmark"),
        ("scripts/chat.py", "tool"),
        ("scripts/test_chat.py", "test"),
        ("ferro/bench_utils/x.py", "code"),
    ],
)
def test_a_benchmark_among_the_scripts_is_one(path, role):
    assert role_of(path) == role


POOL = """
def batch_generate(model, tokenizer, prompts, batch_size=5):
    prompts = list(prompts)
    active_requests = [None] * batch_size
    pending_request = None
    while prompts or pending_request:
        if pending_request is None:
            pending_request = Request(model, tokenizer, prompts.pop(0))
        pending_request.try_prefill()
        for i in range(batch_size):
            if active_requests[i] is None:
                active_requests[i] = pending_request
                pending_request = None
                break
        decode(model, active_requests)
"""


@pytest.mark.parametrize("key", ["scheduler", "admission_or_backpressure"])
def test_a_function_that_gives_free_places_to_those_that_wait(key):
    assert first(key, {"ferro/batch.py": POOL}) == ("ferro/batch.py", "batch_generate")
    without = POOL.replace("active_requests[i] is None", "i == 0")
    assert first(key, {"ferro/batch.py": without}) is None


def test_whoever_gives_a_request_to_the_least_busy_of_the_workers_schedules():
    source = '''
class Controller:
    """Keeps the workers and gives each request to one."""

    def worker_for(self, request):
        names, queue_lengths = [], []
        for name, info in self.workers.items():
            if request.model in info.models:
                names.append(name)
                queue_lengths.append(info.queue / info.speed)
        least = np.argmin(queue_lengths)
        return names[least]
'''
    assert first("scheduler", {"ferro/controller.py": source}) == ("ferro/controller.py", "Controller")
    assert first("scheduler", {"ferro/controller.py": source.replace("argmin(", "first(")}) is None


def test_blocks_reckoned_off_those_that_are_free():
    source = """
class Batch:
    def schedule_tokens(self, requests):
        free_blocks = self.engine.free_blocks
        for r in requests[: self.max_num_tokens]:
            if free_blocks > 0:
                free_blocks -= 1
                self.scheduled.append(r)
"""
    assert first("kv_cache_memory_accounting", {"ferro/batch.py": source}) == (
        "ferro/batch.py",
        "Batch.schedule_tokens",
    )
    assert (
        first("kv_cache_memory_accounting", {"ferro/batch.py": source.replace("free_blocks -= 1", "pass")})
        is None
    )


def test_texts_that_become_one_padded_tensor_lot_by_lot_are_batched():
    source = """
def lots(texts, tokenizer, max_batch_size):
    requests = list(texts)
    for batch in chunks(requests, chunk_size=max_batch_size):
        ids = tokenizer([one.text for one in batch], return_tensors="pt", padding=True)
        yield ids.to("cuda")
"""
    assert first("batching_or_chunked_prefill", {"ferro/decode.py": source}) == ("ferro/decode.py", "lots")
    assert (
        first("batching_or_chunked_prefill", {"ferro/decode.py": source.replace(", padding=True", "")})
        is None
    )


def test_records_drawn_from_those_kept_are_no_tokens():
    source = """
class ReplayBuffer:
    def sample(self, count):
        scores = torch.tensor([one[0] for one in self.records])
        probs = scores / scores.sum()
        picked = torch.multinomial(probs, count)
        return [self.records[i] for i in picked]
"""
    assert first("sampler", {"ferro/buffer.py": source}) is None
    drawn = source.replace("[self.records[i] for i in picked]", "picked")
    assert first("sampler", {"ferro/buffer.py": drawn}) == ("ferro/buffer.py", "ReplayBuffer.sample")


def test_a_function_that_is_told_the_temperature_is_where_it_is_declared():
    source = """
class Net:
    def generate(self, ids, count, temperature=1.0, top_p=0.9):
        for _ in range(count):
            probs = softmax(self(ids)[:, -1] / temperature)
            ids = append(ids, draw(probs, top_p))
        return ids
"""
    assert first("sampling_params", {"train.py": source}) == ("train.py", "Net.generate")


def test_what_answers_the_requests_that_run_a_model_is_an_entry_point():
    from cutaway.facts.entrypoints import find_entrypoints

    source = """
app = FastAPI()

@app.post("/generate")
async def generate(request):
    return await manager.generate(request)

@app.get("/health")
def health():
    return "OK"
"""
    entries = find_entrypoints(program_of({"ferro/__init__.py": "", "ferro/api.py": source}))
    assert [(e["kind"], e["symbol"]) for e in entries if e["path"] == "ferro/api.py"] == [
        ("server", "generate")
    ]


def test_a_class_that_is_made_of_the_arguments_of_a_program_holds_settings_and_so_does_a_base_of_many():
    from cutaway.facts.config_classes import find_config_classes

    source = """
@dataclass
class Policy:
    batch: int
    share: float
    overlap: bool

@dataclass
class Pair:
    left: int
    right: int
    both: int

def main(args):
    return run(Policy(args.batch, args.share, overlap=args.overlap), Pair(1, 2, 3))
"""
    bases = "class BaseConfig:\n    def to_dict(self): return vars(self)\n\nclass LoneConfig:\n    pass\n"
    bases += "".join(
        f"class {name}Config(BaseConfig):\n    size: int = 1\n\n" for name in ("Model", "Cache", "Serve")
    )
    found = find_config_classes(program_of({"ferro/run.py": source, "ferro/config.py": bases}))
    assert {one["symbol"] for one in found} == {
        "Policy",
        "BaseConfig",
        "ModelConfig",
        "CacheConfig",
        "ServeConfig",
    }


def test_who_reads_weights_by_a_method_of_its_own_loads_them():
    source = """
class Module:
    def load_weight(self, key):
        names = {"packed": ["qweight", "scales"], "plain": ["weight"]}
        tensors = self.load_multi(key, names["packed" if key in self.packed else "plain"])
        return tensors["weight"]

    def load_multi(self, key, names):
        found = {}
        for name in names:
            file = self.files.get(key + name)
            if file is None:
                continue
            with safe_open(file) as opened:
                found[name] = opened.get_tensor(key + name)
        return found
"""
    path = "ferro/module.py"
    users = {
        f"ferro/{n}.py": "def load(module):\n    return module.load_weight('w')\n"
        for n in ("mlp", "attn", "head")
    }
    assert (path, "Module.load_weight") in found("weight_loader", {path: source, **users})
    without = source.replace("self.load_multi(", "ask(")
    assert (path, "Module.load_weight") not in found("weight_loader", {path: without, **users})
