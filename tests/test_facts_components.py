# The detectors on programs of a page or two in four languages, whose names no known engine uses, and on two that lack most
# of what is looked for: what must not be claimed is tested as much as what must be found.
import re

import pytest

from cutaway.facts.components import CONCEPTS, find_components
from cutaway.facts.corpus import Corpus
from cutaway.facts.kinship import Kinship
from cutaway.facts.llm import llm_verdict
from cutaway.facts.roles import role_of
from cutaway.facts.vocabulary import Vocabulary, spellings
from cutaway.facts.words import beginnings, matcher, snake
from cutaway.read.languages import read_file
from cutaway.read.program import Program


class Memory:
    """A repository in memory: source and index in one."""

    name = "memory"

    def __init__(self, files):
        self.files = {path: text.encode() for path, text in files.items()}

    def read(self, path):
        return self.files[path]

    def records(self):
        return ((path, read_file(path, data)) for path, data in self.files.items())

    def record(self, path):
        return read_file(path, self.files[path])


def program(files):
    memory = Memory(files)
    return Program(memory, memory)


def first(found, key):
    candidates = found[key].candidates
    return (candidates[0].path, candidates[0].symbol) if candidates else None


PYTHON = {
    "lumen/planner.py": '''
from collections import deque

class TurnScheduler:
    """Decides which requests run in the next step."""
    def __init__(self, pages, max_num_seqs, token_budget):
        self.pages = pages
        self.max_num_seqs = max_num_seqs
        self.token_budget = token_budget
        self.waiting = deque()
        self.running = deque()

    def add_request(self, request):
        self.waiting.append(request)

    def schedule(self):
        batch, remaining = [], self.token_budget
        while self.waiting and len(batch) < self.max_num_seqs:
            request = self.waiting[0]
            if not self.pages.can_allocate(request):
                break
            chunk = min(request.num_tokens - request.num_computed_tokens, remaining)
            self.pages.allocate(request)
            request.num_scheduled_tokens = chunk
            remaining -= chunk
            self.running.append(self.waiting.popleft())
            batch.append(request)
        return batch

    def preempt(self, request):
        request.status = Status.WAITING
        self.pages.free(request)
        self.running.remove(request)
        self.waiting.appendleft(request)
''',
    "lumen/pages.py": '''
class PageManager:
    """Hands out blocks of the KV cache; full blocks are kept by hash and shared by prefix."""
    def __init__(self, num_blocks, block_size):
        self.block_size = block_size
        self.free_block_ids = list(range(num_blocks))
        self.hash_to_block_id = {}
        self.block_tables = {}

    def can_allocate(self, request):
        return len(self.free_block_ids) >= request.num_blocks

    def allocate(self, request):
        blocks = [self.free_block_ids.pop() for _ in range(request.num_blocks)]
        self.block_tables[request.id] = blocks

    def free(self, request):
        self.free_block_ids += self.block_tables.pop(request.id)

    def find_cached_prefix(self, token_ids):
        hit = []
        for i in range(0, len(token_ids), self.block_size):
            block_id = self.hash_to_block_id.get(hash(tuple(token_ids[: i + self.block_size])))
            if block_id is None:
                break
            hit.append(block_id)
        return hit
''',
    "lumen/sampler.py": """
import torch

class TokenSampler(torch.nn.Module):
    def forward(self, logits, temperatures, top_p):
        logits = logits.div_(temperatures.unsqueeze(1))
        probs = torch.softmax(logits, dim=-1)
        return torch.multinomial(probs, 1)
""",
    "lumen/params.py": """
from dataclasses import dataclass

@dataclass
class SamplingParams:
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = -1
    max_tokens: int = 64
""",
    "lumen/driver.py": """
import torch

class Engine:
    def __init__(self, scheduler, runner):
        self.scheduler = scheduler
        self.runner = runner

    def step(self):
        batch = self.scheduler.schedule()
        token_ids = self.runner.execute_model(batch)
        self.scheduler.postprocess(batch, token_ids)

    def generate(self):
        while not self.scheduler.is_finished():
            self.step()
""",
    "tests/test_planner.py": """
class FakeScheduler:
    def __init__(self):
        self.waiting, self.running, self.token_budget = [], [], 3
    def schedule(self):
        return self.waiting[: self.token_budget]
    def add_request(self, request):
        self.waiting.append(request)
""",
}

RUST = {
    "src/turns.rs": """
/// Decides which sequences run next.
pub struct TurnScheduler {
    waiting: VecDeque<Sequence>,
    running: VecDeque<Sequence>,
    max_num_seqs: usize,
    token_budget: usize,
}

impl TurnScheduler {
    pub fn add_seq(&mut self, seq: Sequence) {
        self.waiting.push_back(seq);
    }

    pub fn schedule(&mut self) -> Vec<Sequence> {
        let mut budget = self.token_budget;
        let mut batch = Vec::new();
        while let Some(seq) = self.waiting.pop_front() {
            let num_tokens = seq.num_tokens().min(budget);
            budget -= num_tokens;
            self.running.push_back(seq.clone());
            batch.push(seq);
        }
        batch
    }

    fn preempt(&mut self, seq: Sequence) {
        self.running.retain(|s| s.id != seq.id);
        seq.free_blocks();
        self.waiting.push_front(seq);
    }
}
""",
    "src/chooser.rs": """
pub struct Sampler {
    rng: StdRng,
    temperature: f64,
    top_p: f64,
}

impl Sampler {
    pub fn new(seed: u64, temperature: f64, top_p: f64) -> Self {
        Self { rng: StdRng::seed_from_u64(seed), temperature, top_p }
    }

    pub fn sample(&mut self, logits: &Tensor) -> u32 {
        let logits = logits / self.temperature;
        let probs = softmax(&logits);
        let distr = WeightedIndex::new(&probs).unwrap();
        distr.sample(&mut self.rng) as u32
    }
}
""",
    "src/cache.rs": """
/// The KV cache of one layer.
pub struct KvCache {
    k_cache: Tensor,
    v_cache: Tensor,
    max_seq_len: usize,
    num_kv_heads: usize,
    head_dim: usize,
}

impl KvCache {
    pub fn append(&mut self, k: &Tensor, v: &Tensor, pos: usize) {
        self.k_cache.slice_set(k, 2, pos);
        self.v_cache.slice_set(v, 2, pos);
    }
}
""",
}

GO = {
    "turns/turns.go": """package turns

// Scheduler picks the requests of the next batch.
type Scheduler struct {
	pending []*Request
	active  map[int]*Request
	maxBatch int
}

func (s *Scheduler) Submit(req *Request) error {
	if len(s.pending) >= maxQueue {
		return ErrBusy
	}
	s.pending = append(s.pending, req)
	return nil
}

func (s *Scheduler) NextBatch() []*Request {
	batch := []*Request{}
	for len(s.pending) > 0 && len(s.active) < s.maxBatch {
		req := s.pending[0]
		s.pending = s.pending[1:]
		s.active[req.ID] = req
		batch = append(batch, req)
	}
	return batch
}
""",
    "sample/sample.go": """package sample

type Sampler struct {
	temperature float32
	topK int
	topP float32
	rng *rand.Rand
}

func NewSampler(temperature float32, topK int, topP float32, seed uint64) *Sampler {
	return &Sampler{temperature, topK, topP, rand.New(rand.NewPCG(seed, 0))}
}

func (s *Sampler) Sample(logits []float32) int32 {
	probs := softmax(logits, s.temperature)
	return weightedIndex(topP(topK(probs, s.topK), s.topP), s.rng.Float32())
}
""",
    "cache/cache.go": """package cache

// KVCache holds keys and values of one layer.
type KVCache struct {
	keys, values *Tensor
	numKVHeads, headDim, capacity int
}

func (c *KVCache) Update(keys, values *Tensor, pos int) {
	c.keys = c.keys.SliceUpdate(keys, pos)
	c.values = c.values.SliceUpdate(values, pos)
}
""",
}

CPP = {
    "src/lumen.h": """
struct KVCache {
    std::vector<float> k_cache, v_cache;
    int max_seq_len, n_kv_heads, head_dim;
};

class Sampler {
public:
    Sampler(float temperature, float topp, uint64_t seed);
    int sample(float *logits);
private:
    float temperature;
    float topp;
    std::mt19937 rng;
};
""",
    "src/lumen.cpp": """
#include "lumen.h"

int Sampler::sample(float *logits) {
    for (int i = 0; i < vocab; i++) logits[i] /= temperature;
    softmax(logits, vocab);
    std::discrete_distribution<int> dist(logits, logits + vocab);
    return dist(rng);
}

void matmul(float *out, const float *x, const float *w, int n, int d) {
    for (int i = 0; i < d; i++) {
        float val = 0;
        for (int j = 0; j < n; j++) val += w[i * n + j] * x[j];
        out[i] = val;
    }
}

void generate(Transformer &model, Sampler &sampler, std::vector<int> prompt_tokens, int steps) {
    int token = prompt_tokens[0];
    for (int pos = 0; pos < steps; pos++) {
        float *logits = forward(model, token, pos);
        token = sampler.sample(logits);
    }
}
""",
}

TRAINER = {
    "net.py": '''
import torch
import torch.nn as nn
from torch.nn import functional as F

class MaskedSelfAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.n_head = config.n_head
        self.qkv = nn.Linear(config.n_embd, 3 * config.n_embd)

    def forward(self, x):
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)

class Block(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.norm = nn.LayerNorm(config.n_embd)
        self.attn = MaskedSelfAttention(config)

    def forward(self, x):
        return x + self.attn(self.norm(x))

class GPT(nn.Module):
    """A decoder-only transformer."""
    def __init__(self, config):
        super().__init__()
        self.wte = nn.Embedding(config.vocab_size, config.n_embd)
        self.blocks = nn.ModuleList([Block(config) for _ in range(config.n_layer)])
        self.ln_f = nn.LayerNorm(config.n_embd)
        self.lm_head = nn.Linear(config.n_embd, config.vocab_size)

    def forward(self, idx):
        x = self.wte(idx)
        for block in self.blocks:
            x = block(x)
        return self.lm_head(self.ln_f(x))

    def generate(self, idx, max_new_tokens, temperature=1.0, top_k=None):
        for _ in range(max_new_tokens):
            logits = self(idx)[:, -1, :] / temperature
            if top_k is not None:
                v, _ = torch.topk(logits, top_k)
                logits[logits < v[:, [-1]]] = -float("Inf")
            idx_next = torch.multinomial(F.softmax(logits, dim=-1), num_samples=1)
            idx = torch.cat((idx, idx_next), dim=1)
        return idx
''',
    "fit.py": """
import torch
from net import GPT

batch_size, learning_rate, max_iters = 12, 6e-4, 1000
seed = 7
torch.manual_seed(seed)
model = GPT(config)
optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate)
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max_iters)
while True:
    logits = model(get_batch())
    loss = criterion(logits)
    loss.backward()
    optimizer.step()
    scheduler.step()
""",
}

SERVICE = {
    "hook/server.py": '''
import asyncio

class Server:
    def __init__(self, config):
        self.config = config
        self.should_exit = False

    async def main_loop(self):
        while not self.should_exit:
            await asyncio.sleep(0.1)
            self.should_exit = await self.on_tick()

    async def on_tick(self):
        return False

class TaskQueue:
    """Waiting jobs of the service."""
    def __init__(self, max_queue):
        self.pending = []
        self.max_queue = max_queue

    def add(self, task):
        self.pending.append(task)
''',
    "hook/config.py": """
class Config:
    def __init__(self, app, host="127.0.0.1", port=8000, workers=1, timeout=5):
        self.host, self.port, self.workers, self.timeout = host, port, workers, timeout

    def load(self):
        self.loaded = True
""",
}


def test_a_python_engine():
    found = find_components(program(PYTHON))
    assert first(found, "scheduler") == ("lumen/planner.py", "TurnScheduler")
    assert first(found, "batching_or_chunked_prefill") == ("lumen/planner.py", "TurnScheduler.schedule")
    assert first(found, "preemption") == ("lumen/planner.py", "TurnScheduler.preempt")
    assert first(found, "admission_or_backpressure") in {
        ("lumen/planner.py", "TurnScheduler.schedule"),
        ("lumen/pages.py", "PageManager.can_allocate"),
    }
    assert first(found, "kv_cache_block_table_or_paging")[0] == "lumen/pages.py"
    assert first(found, "kv_cache_eviction_or_prefix_reuse")[0] == "lumen/pages.py"
    assert first(found, "sampler") == ("lumen/sampler.py", "TokenSampler")
    assert first(found, "logits_processing")[0] == "lumen/sampler.py"
    assert first(found, "sampling_params") == ("lumen/params.py", "SamplingParams")
    assert first(found, "runtime_loop") in {
        ("lumen/driver.py", "Engine.generate"),
        ("lumen/driver.py", "Engine.step"),
    }
    assert not found["seeds_determinism"].candidates
    assert not found["tensor_parallel_comm"].candidates


def test_a_tests_double_is_never_named():
    found = find_components(program(PYTHON))
    assert all(not c.path.startswith("tests/") for f in found.values() for c in f.candidates)


def test_every_candidate_says_why_and_where():
    repository = program(PYTHON)
    for key, component in find_components(repository).items():
        assert bool(component.candidates) != bool(component.absent_because), key
        for candidate in component.candidates:
            assert len({e.text for e in candidate.evidence}) >= 2, candidate
            for reason in candidate.evidence:
                assert 1 <= reason.line <= len(repository.lines(reason.path)), (key, reason)
                word = reason.text.partition("it uses ")[2]
                assert word in repository.lines(reason.path)[reason.line - 1]


def test_a_rust_engine():
    found = find_components(program(RUST))
    assert first(found, "scheduler") == ("src/turns.rs", "TurnScheduler")
    assert first(found, "preemption") == ("src/turns.rs", "TurnScheduler.preempt")
    assert first(found, "sampler") == ("src/chooser.rs", "Sampler")
    assert first(found, "seeds_determinism")[0] == "src/chooser.rs"
    assert first(found, "kv_cache_structure") == ("src/cache.rs", "KvCache")
    assert first(found, "kv_cache_update") == ("src/cache.rs", "KvCache.append")


def test_a_go_engine():
    found = find_components(program(GO))
    assert first(found, "scheduler") == ("turns/turns.go", "Scheduler")
    assert first(found, "admission_or_backpressure")[0] == "turns/turns.go"
    assert first(found, "sampler") == ("sample/sample.go", "Sampler")
    assert first(found, "seeds_determinism")[0] == "sample/sample.go"
    assert first(found, "kv_cache_structure") == ("cache/cache.go", "KVCache")
    assert first(found, "kv_cache_update") == ("cache/cache.go", "KVCache.Update")


def test_a_cpp_engine():
    found = find_components(program(CPP))
    assert first(found, "sampler")[1] in {"Sampler", "Sampler.sample"}
    assert first(found, "kv_cache_structure") == ("src/lumen.h", "KVCache")
    assert first(found, "gemm_or_quant_backend") == ("src/lumen.cpp", "matmul")
    assert first(found, "runtime_loop") == ("src/lumen.cpp", "generate")
    assert not found["scheduler"].candidates


SERVING = [c.key for c in CONCEPTS if c.key.startswith(("kv_", "sched", "batch", "preempt", "admission"))]


@pytest.mark.parametrize("key", [*SERVING, "tensor_parallel_comm", "gemm_or_quant_backend"])
def test_a_trainer_claims_no_serving(key):
    component = find_components(program(TRAINER))[key]
    assert not component.candidates
    assert component.absent_because


def test_a_trainer_has_a_model_and_samples():
    found = find_components(program(TRAINER))
    assert first(found, "model_definition") == ("net.py", "GPT")
    assert first(found, "attention_backend") == ("net.py", "MaskedSelfAttention")
    assert first(found, "sampler") == ("net.py", "GPT.generate")
    assert first(found, "seeds_determinism") == ("fit.py", "")


def test_a_plain_service():
    repository = program(SERVICE)
    assert not llm_verdict(repository).related
    found = find_components(repository)
    assert first(found, "runtime_loop") == ("hook/server.py", "Server.main_loop")
    assert first(found, "config_parser") == ("hook/config.py", "Config")
    claimed = {key for key, f in found.items() if f.candidates}
    assert claimed <= {"runtime_loop", "config_parser", "admission_or_backpressure"}
    assert "not about language models" in found["sampler"].absent_because


@pytest.mark.parametrize("files", [PYTHON, RUST, GO, TRAINER])
def test_the_verdict_cites_lines(files):
    repository = program(files)
    verdict = llm_verdict(repository)
    assert verdict.signals
    for signal in verdict.signals:
        word = signal.text.partition(": ")[2].partition(",")[0]
        assert word in repository.lines(signal.path)[signal.line - 1]


def test_who_answers_as_a_language_model_does_is_about_them():
    """A router in front of engines has no cache and samples nothing; the paths that it answers say what it is for."""
    proxy = """
package main

func main() {
    mux.HandleFunc("/v1/chat/completions", forward)
    serve(mux)
}

func forward(w http.ResponseWriter, r *http.Request) {
    promptTokens := count(r)
    relay(w, ChatCompletionRequest{promptTokens})
}
"""
    verdict = llm_verdict(program({"main.go": proxy}))
    assert verdict.related and verdict.signals[0].text == "it answers /v1/chat/completions"
    assert (verdict.signals[0].path, verdict.signals[0].line) == ("main.go", 5)
    assert not llm_verdict(program({"main.go": proxy.replace("/v1/chat/completions", "/v1/orders")})).related


def test_an_empty_repository_claims_nothing():
    found = find_components(program({}))
    assert set(found) == {c.key for c in CONCEPTS}
    assert all(f.absent_because and not f.candidates for f in found.values())


@pytest.mark.parametrize(
    ("path", "role"),
    [
        ("pkg/scheduler.py", "code"),
        ("tests/benchmarks/run.py", "test"),
        ("vendor/x/tests/y.c", "vendored"),
        ("pkg/attention_test.go", "test"),
        ("pkg/spec_decode/worker.py", "code"),
        ("examples/offline.py", "example"),
        ("crates/lib-wasm-examples/src/main.rs", "example"),
        ("benchmarks/serve.py", "benchmark"),
        ("api/service_pb2.py", "generated"),
        ("ui/_next/static/chunks/1a2b.js", "generated"),
        ("docs/design.md", "doc"),
        ("scripts/convert.py", "tool"),
    ],
)
def test_roles(path, role):
    assert role_of(path) == role


def test_identifiers_of_all_languages_are_the_same_words():
    assert {snake(n) for n in ("KVCacheManager", "kv_cache_manager", "kvCacheManager")} == {
        "kv_cache_manager"
    }
    assert snake("TopKTopPSampler") == "top_k_top_p_sampler"


def test_words_that_a_clue_cannot_begin_with_are_not_searched():
    assert beginnings(r"kv_?caches?|\w*_queue|^arg$") == {"kv", "que", "arg"}
    assert beginnings(r"n_?ctx") == {"n"}
    assert beginnings(r"\w*cache") is None
    assert beginnings("(?:kv|key)_cache") is None


@pytest.mark.parametrize(
    "identifier", ["kv_cache", "KVCache", "wait_queue", "n_ctx", "nctx", "top_k", "cacheK"]
)
def test_no_match_is_lost_by_looking_at_beginnings(identifier):
    text = snake(identifier)
    starts = {word[:length] for word in text.split("_") for length in (1, 2, 3)}
    for clue in (
        clue for concept in CONCEPTS for clue in concept.clues if clue.field not in ("about", "code")
    ):
        if matcher(clue.pattern).search(text):
            known = beginnings(clue.pattern)
            assert known is None or known & starts, clue


def test_a_branch_without_wildcards_is_spelt_out():
    assert set(spellings("(?:kv|key)_caches?")) == {"kv_cache", "kv_caches", "key_cache", "key_caches"}
    assert set(spellings("get_[kv]")) == {"get_k", "get_v"}
    assert spellings(r"\w*_queue") is None
    assert spellings(r"(?:\w+_)?queue") is None


def test_looking_words_up_finds_what_searching_finds():
    patterns = sorted(
        {c.pattern for concept in CONCEPTS for c in concept.clues if c.field not in ("about", "code")}
    )
    vocabulary = Vocabulary(enumerate(patterns))
    words = {snake(word) for path in PYTHON for word in re.findall(r"\w+", PYTHON[path])} - {""}
    words |= {"kv_cache", "n_ctx", "lumen/models/llama", "configs/base", "wait_queue", "top_kth", "k"}
    for word in words:
        mask = vocabulary.mask(word)
        assert [p for i, p in enumerate(patterns) if mask >> i & 1] == [
            p for p in patterns if matcher(p).search(word)
        ], word


def test_texts_are_read_in_one_go_where_the_source_can():
    class Many(Memory):
        asked = ()

        def read_many(self, paths):
            self.asked = list(paths)
            return ((path, self.files[path]) for path in self.asked)

    memory = Many(PYTHON)
    assert find_components(Program(memory, memory)) == find_components(program(PYTHON))
    assert "lumen/planner.py" in memory.asked and len(memory.asked) == len(set(memory.asked))


SHARED = """
class {name}({base}):
    def sample(self, logits, temperature, top_p):
        probs = softmax(logits / temperature)
        kept = probs.cumsum(-1) < top_p
        return multinomial(probs * kept)
"""


def test_the_shared_method_leads_the_one_that_overrides_it():
    files = {
        "lumen/draw.py": SHARED.format(name="TokenSampler", base=""),
        "lumen/draw_b.py": SHARED.format(name="SecondSampler", base="TokenSampler"),
        "lumen/draw_c.py": SHARED.format(name="ThirdSampler", base="SecondSampler"),
    }
    corpus = Corpus(program(files), [])
    kinship = Kinship(corpus)
    methods = {e.container: e for e in corpus.by_name["sample"]}
    assert {name for name, method in methods.items() if kinship.overrides(method)} == {
        "SecondSampler",
        "ThirdSampler",  # of a base's base, too
    }
    assert first(find_components(program({**PYTHON, **files})), "sampler")[0] != "lumen/draw_c.py"


def test_of_twins_the_one_that_the_loop_reaches_leads():
    body = """
def sample(logits, temperature, top_p):
    probs = softmax(logits / temperature)
    return multinomial(probs)
"""
    loop = """
from lumen import second

def generate_loop(model, tokens, max_new_tokens):
    while len(tokens) < max_new_tokens:
        logits = model.forward(tokens)
        tokens.append(second.sample(logits, 1.0, 0.9))
    return tokens

def weigh(model, kv_cache, n_heads, top_k, lm_head):
    return model.prefill(kv_cache, n_heads, top_k, lm_head)
"""
    files = {
        "lumen/__init__.py": "",
        "lumen/first.py": body,
        "lumen/second.py": body,
        "lumen/engine.py": loop,
    }
    found = find_components(program(files))
    assert first(found, "runtime_loop") == ("lumen/engine.py", "generate_loop")
    assert first(found, "sampler") == ("lumen/second.py", "sample")
    assert any(e.text == "the main loop reaches it" for e in found["sampler"].candidates[0].evidence)


def test_a_folder_under_a_licence_of_its_own_is_the_work_of_others():
    files = {"a.py": "x = 1", "LICENSE": "ours", "lib/LICENSE": "theirs", "lib/b.py": "x = 1"}
    corpus = Corpus(program({**files, "crate/LICENSE": "ours ", "crate/c.py": "x = 1"}), [])
    assert [corpus.of_others(p) for p in ("a.py", "lib/b.py", "crate/c.py")] == [False, True, False]


JOBS = {
    "ferry/harbour.py": '''
import asyncio

class Dock:
    """Runs jobs that others left in the store."""
    def __init__(self, store, max_jobs=10):
        self.store = store
        self.max_jobs = max_jobs
        self.pending_jobs, self.running_jobs = [], {}
        self.job_counter = 0
        self.sem = asyncio.BoundedSemaphore(max_jobs)

    async def main(self):
        while True:
            await self._poll_once()
            await asyncio.sleep(0.5)

    async def _poll_once(self):
        self.pending_jobs += await self.store.read_queue()
        await self.start_jobs()

    async def start_jobs(self):
        for job in list(self.pending_jobs):
            await self.sem.acquire()
            if self.job_counter >= self.max_jobs:
                self.sem.release()
                return
            self.pending_jobs.remove(job)
            self.job_counter += 1
            self.running_jobs.update({job.id: asyncio.create_task(self.run_job(job))})

    async def run_job(self, job):
        await job.call()
''',
    "ferry/__main__.py": "from ferry.harbour import Dock\n\nDock(None).main()\n",
}


def test_a_queue_of_jobs_has_a_loop_and_an_admission_too():
    found = find_components(program(JOBS))
    assert first(found, "runtime_loop") == ("ferry/harbour.py", "Dock.main")
    assert first(found, "scheduler")[0] == "ferry/harbour.py"
    assert first(found, "admission_or_backpressure") == ("ferry/harbour.py", "Dock.start_jobs")
    assert first(found, "sampler") is None


def test_tests_within_a_source_file_are_no_candidates():
    source = (
        "pub fn seed_rng(seed: u64) -> StdRng { StdRng::seed_from_u64(seed) }\n\n"
        "#[cfg(test)]\nmod tests {\n    use super::*;\n"
        "    fn set_seed(seed: u64) -> StdRng { StdRng::seed_from_u64(seed) }\n}\n"
    )
    corpus = Corpus(program({"src/lib.rs": source}), [])
    assert [e.definition.name for e in corpus.entities] == ["seed_rng"]


def test_a_library_in_one_file_is_carried_along():
    head = "a parser of texts\nversion 3.11.2\nhttps://github.com/somebody/library"
    assert role_of("include/third/text.hpp", head) == "vendored"
    assert role_of("src/text.hpp", "Parses texts, see version 2 of the format.") == "code"


def test_what_changes_logits_leads_the_sampler_that_divides_them():
    source = '''
class Sampler:
    """Samples tokens from logits."""
    def sample(self, logits, temperature, top_k, top_p):
        logits = logits / temperature
        logits = self.top_p_mask(logits, top_p)
        probs = softmax(logits)
        return multinomial(probs)

class RepetitionProcessor:
    """Changes logits of tokens that were there before."""

class LogitsProcessor:
    """Base of what changes logits: penalty, bias."""
    def apply(self, step, logits, penalty):
        logits[:, self.seen] /= penalty
        return logits.masked_fill(self.mask, float("-inf"))
'''
    files = {"lumen/sampling.py": source, "lumen/model.py": PYTHON["lumen/planner.py"]}
    files["README.md"] = "# Lumen\n\nServes large language models: tokens, KV cache, attention, sampling.\n"
    found = find_components(program({**PYTHON, **files}))
    assert first(found, "logits_processing")[1].startswith("LogitsProcessor")
