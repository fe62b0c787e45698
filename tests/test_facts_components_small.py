# Programs of a few files, in which one function does several things and nothing bears the name of what it does: inference code
# beside a paper, a cache that forgets, a page that starts another's server.
import pytest

from cutaway.facts.components import find_components
from cutaway.facts.roles import role_of
from cutaway.read.memory import program_of


def find(files):
    return find_components(program_of(files))


def first(found, key):
    candidates = found[key].candidates
    return (candidates[0].path, candidates[0].symbol) if candidates else None


MODEL = '''
import torch
from torch import nn
import torch.nn.functional as F

class Settings:
    n_layers: int = 4
    n_heads: int = 8
    dim: int = 64
    max_seq_len: int = 128
    rope_theta: float = 10000.0

class Latent(nn.Module):
    """Attention over what was kept."""
    def __init__(self, args):
        super().__init__()
        self.n_heads, self.head_dim = args.n_heads, args.dim // args.n_heads
        self.wq, self.wkv = nn.Linear(args.dim, args.dim), nn.Linear(args.dim, 2 * args.dim)
        self.register_buffer("k_cache", torch.zeros(args.max_batch_size, args.max_seq_len, args.n_heads, self.head_dim))
        self.register_buffer("v_cache", torch.zeros(args.max_batch_size, args.max_seq_len, args.n_heads, self.head_dim))

    def forward(self, x, start_pos):
        q = self.wq(x).unflatten(-1, (self.n_heads, self.head_dim))
        k, v = self.wkv(x).chunk(2, -1)
        self.k_cache[:, start_pos : start_pos + x.size(1)] = k
        self.v_cache[:, start_pos : start_pos + x.size(1)] = v
        scores = torch.einsum("bshd,bthd->bsht", q, self.k_cache[:, : start_pos + x.size(1)])
        scores = scores.softmax(dim=-1)
        return torch.einsum("bsht,bthd->bshd", scores, self.v_cache[:, : start_pos + x.size(1)])

class Transformer(nn.Module):
    def __init__(self, args):
        super().__init__()
        self.embed = nn.Embedding(args.vocab_size, args.dim)
        self.layers = nn.ModuleList(Latent(args) for _ in range(args.n_layers))
        self.head = nn.Linear(args.dim, args.vocab_size)

    def forward(self, tokens, start_pos=0):
        h = self.embed(tokens)
        for layer in self.layers:
            h = layer(h, start_pos)
        return self.head(h)
'''
SAY = '''
import os
import torch
from safetensors.torch import load_model
from model import Settings, Transformer

def sample(logits, temperature=1.0):
    """Samples a token from the logits."""
    probs = torch.softmax(logits / max(temperature, 1e-5), dim=-1)
    return probs.div_(torch.empty_like(probs).exponential_(1)).argmax(dim=-1)

def generate(model, prompt_tokens, max_new_tokens, eos_id, temperature=1.0):
    tokens = torch.full((len(prompt_tokens), 100), -1)
    prev_pos = 0
    for cur_pos in range(1, max_new_tokens):
        logits = model.forward(tokens[:, prev_pos:cur_pos], prev_pos)
        if temperature > 0:
            next_token = sample(logits, temperature)
        else:
            next_token = logits.argmax(dim=-1)
        tokens[:, cur_pos] = next_token
        if (next_token == eos_id).all():
            break
        prev_pos = cur_pos
    return tokens.tolist()

def main(ckpt_path, config):
    """Loads the model from a checkpoint and answers."""
    torch.manual_seed(7)
    with open(config) as f:
        settings = Settings(**json.load(f))
    model = Transformer(settings).to(torch.bfloat16)
    load_model(model, os.path.join(ckpt_path, "model.safetensors"))
    print(generate(model, [[1]], 10, 2))
'''


def test_code_beside_a_paper():
    found = find({"model.py": MODEL, "generate.py": SAY})
    assert first(found, "kv_cache_structure") == ("model.py", "Latent")
    assert first(found, "attention_backend") == ("model.py", "Latent")
    assert first(found, "sampler") == ("generate.py", "sample")
    assert first(found, "weight_loader") == ("generate.py", "main")


def test_a_model_that_takes_its_weights_out_of_a_file_and_counts_its_steps():
    code = """
import numpy as np

def load_parameters(model_path):
    return np.load(model_path)

class Llama:
    def __init__(self, model_path, args):
        weight = load_parameters(model_path)
        self.embedding = weight.get("model.embed_tokens.weight")
        self.layers = [TransformerBlock(weight, layer_id, args) for layer_id in range(args.n_layers)]
        self.lm_head_weight = weight.get("lm_head.weight").T

    def __call__(self, input_ids, start_pos):
        h = self.embedding[input_ids]
        for layer in self.layers:
            h = layer(h, start_pos)
        return h @ self.lm_head_weight

    def generate(self, input_ids, max_new_tokens):
        for i, pos in enumerate(range(len(input_ids), max_new_tokens)):
            logits = self(input_ids if i == 0 else next_id, pos)
            next_id = logits[:, -1, :].argmax(-1, keepdims=True)
            yield next_id
"""
    found = find({"llama.py": code})
    assert first(found, "runtime_loop") == ("llama.py", "Llama.generate")
    assert first(found, "weight_loader") == ("llama.py", "Llama.__init__")


FORGETS = """
import torch

class StartRecentKVCache:
    def __init__(self, start_size=4, recent_size=512):
        self.start_size, self.recent_size = start_size, recent_size
        self.cache_size = start_size + recent_size

    def evict_for_space(self, past_key_values, num_coming):
        seq_len = past_key_values[0][0].size(2)
        if seq_len + num_coming <= self.cache_size:
            return past_key_values
        return [
            [torch.cat([t[:, :, : self.start_size], t[:, :, seq_len - self.recent_size + num_coming :]], dim=2) for t in kv]
            for kv in past_key_values
        ]
"""


def test_a_cache_that_keeps_the_first_and_the_latest_tokens_evicts():
    found = find({"streaming/kv_cache.py": FORGETS, "model.py": MODEL, "generate.py": SAY})
    path, symbol = first(found, "kv_cache_eviction_or_prefix_reuse")
    assert path == "streaming/kv_cache.py" and symbol.startswith("StartRecentKVCache")


BLOCKS = """
from flax import linen as nn

class LlamaBlockCollection(nn.Module):
    def setup(self):
        self.blocks = [LlamaBlock(self.config, name=str(i)) for i in range(self.config.num_hidden_layers)]

    def __call__(self, hidden_states, attention_mask=None, seq_id=None):
        for block in self.blocks:
            hidden_states = block(hidden_states, attention_mask)
        return hidden_states
"""


def test_blocks_of_layers_are_no_pages():
    assert first(find({"model.py": MODEL, "blocks.py": BLOCKS}), "kv_cache_block_table_or_paging") is None


SHARED = "import argparse\nimport os\nparser = argparse.ArgumentParser()\n" + "".join(
    f'parser.add_argument("--{flag}", type=str, default=None)\n'
    for flag in (
        "model",
        "host",
        "port",
        "dtype",
        "max-seq-len",
        "cache-type",
        "workers",
        "timeout",
        "seed",
        "lora",
    )
)
ENDS = """
args = parser.parse_args()
if args.host is None:
    args.host, args.port = os.environ.get("HOST", "localhost"), int(os.environ.get("PORT", 0))
lora_names = list(filter(None, (args.lora or "").split(",")))
"""
STARTS = """
import subprocess
from shared import args

class Other:
    def start(self, model_path):
        cmd = [self.binary, "--model", model_path]
        cmd += ["--host", args.host,
                "--port", str(args.port),
                "--ctx-size", str(args.n_ctx),
                "--batch-size", str(args.n_batch),
                "--threads", str(args.n_threads),
                "--flash-attn", "on",
                "--no-mmap",
                "--parallel", "1",
                "--cache-type", args.cache_type]
        self.process = subprocess.Popen(cmd)
"""


def test_who_writes_flags_for_another_program_reads_none():
    found = find({"shared.py": SHARED + ENDS, "other.py": STARTS})
    assert first(found, "config_parser") == ("shared.py", "")
    assert not any(c.path == "other.py" for c in found["config_parser"].candidates)


TRAIN = """
import torch
from transformers import AutoTokenizer
from model import Settings, Transformer

tokenizer = AutoTokenizer.from_pretrained("some/where")

def train_step(model, loader, device):
    total = 0.0
    for _ in range(loader.grad_acc_steps):
        batch = next(loader)
        loss = torch.nn.functional.cross_entropy(model(batch["input_ids"]), batch["target_ids"])
        loss.backward()
        total += loss.item()
    return total

if __name__ == "__main__":
    model = Transformer(Settings())
    optimizer = torch.optim.AdamW(model.parameters())
    while step < max_steps:
        optimizer.zero_grad()
        print(train_step(model, loader, "cuda"))
        optimizer.step()
"""


def test_where_nothing_serves_the_loop_is_the_trainers():
    loops = find({"model.py": MODEL, "train.py": TRAIN})["runtime_loop"].candidates
    assert {(c.path, c.symbol) for c in loops} <= {("train.py", "train_step"), ("train.py", "")} and loops
    assert (
        first(find({"model.py": MODEL, "train.py": TRAIN, "generate.py": SAY}), "runtime_loop")[0]
        == "generate.py"
    )


PAIRS = """
import torch
from torch import nn

class GroupedQuery(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        self.n_heads, self.n_kv_heads, self.head_dim = cfg.n_heads, cfg.n_kv_heads, cfg.dim // cfg.n_heads

    def forward(self, x, past):
        q, k, v = self.q_proj(x), self.k_proj(x), self.v_proj(x)
        if past is not None:
            k, v = torch.cat([past["key"], k], dim=2), torch.cat([past["value"], v], dim=2)
        cache = past or {}
        cache["key"] = k
        cache["value"] = v
        return torch.nn.functional.scaled_dot_product_attention(q, k, v), cache
"""


def test_a_dictionary_of_keys_and_values_is_a_cache():
    found = find({"lm.py": PAIRS, "generate.py": SAY})
    path, symbol = first(found, "kv_cache_structure")
    assert path == "lm.py" and symbol.startswith("GroupedQuery")


SERVER = """
from frames.config import Settings as Base
from hypercorn.asyncio import serve
from hypercorn.config import Config as HyperConfig

class Config(Base):
    def from_prefixed_env(self, prefix="APP", *, loads=json.loads):
        return super().from_prefixed_env(prefix, loads=loads)

class App:
    def run_task(self, host="127.0.0.1", port=80, shutdown_trigger=None):
        config = HyperConfig()
        config.bind = [f"{host}:{port}"]
        return serve(self, config, shutdown_trigger=shutdown_trigger)

class BaseServer:
    def readable(self):
        self.overflow = len(self._map) >= self.settings.connection_limit
        if self.overflow:
            self.logger.warning("limit reached")
        return self.accepting and not self.overflow
"""


def test_an_application_that_is_handed_to_a_library_that_serves():
    found = find({"app.py": SERVER})
    assert first(found, "runtime_loop") == ("app.py", "App.run_task")
    assert first(found, "admission_or_backpressure") == ("app.py", "BaseServer.readable")


def test_a_class_of_settings_in_a_file_of_settings():
    config = "class Config(dict):\n    def from_prefixed_env(self, prefix='APP', *, loads=json.loads):\n"
    config += (
        "        for key, value in sorted(os.environ.items()):\n            if key.startswith(prefix):\n"
    )
    config += "                self[key.removeprefix(prefix)] = loads(value)\n        return self\n"
    assert first(find({"app/config.py": config, "app/app.py": SERVER}), "config_parser") == (
        "app/config.py",
        "Config",
    )


@pytest.mark.parametrize(
    "path, role",
    [
        (".typings/other/core.pyi", "vendored"),
        ("stubs/other/core.pyi", "vendored"),
        ("other-stubs/core.pyi", "vendored"),
        ("stubs/server.py", "code"),
        ("src/own/core.pyi", "code"),
    ],
)
def test_stubs_of_other_packages_are_theirs(path, role):
    assert role_of(path) == role
