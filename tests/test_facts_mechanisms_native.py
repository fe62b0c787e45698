# Engines in C++, CUDA, Rust and Go that keep all they do in one loop, and what only looks like a part of one: kernels, caches
# of any program, one model's own variants, tables of a rotation.
import pytest

from cutaway.facts.components import find_components
from cutaway.facts.concept import kinds
from cutaway.facts.roles import role_of
from cutaway.read.memory import program_of

ABOUT = {
    "README.md": "# Marl\n\nRuns large language models: tokens, transformer, KV cache, attention, sampling.\n",
    "marl/words.py": "def facts(kv_cache, n_heads, rope): return kv_cache.len, n_heads, rope, prefill_seen, logits\n",
}


def all_of(key, tree):
    """(file, symbol) of the candidates, best first."""
    return [(c.path, c.symbol) for c in find_components(program_of({**ABOUT, **tree}))[key].candidates]


def first(key, tree):
    """(file, symbol) of the best candidate, or None."""
    return next(iter(all_of(key, tree)), None)


# One loop that takes requests in, chooses, batches, throws out and steps: no part of it is a function of its own.
LOOP = """
void Marl::MainLoop() {
  int maxBatch = model->maxBatch;
  while (true) {
    std::vector<Request*> batch;
    std::vector<int> tokens;
    int running = 0;
    for (auto& it : pending) {
      if (it->preTokens > 0) running++;
    }
    for (auto& it : pending) {
      if (running >= maxBatch) {
        continue;
      }
      if (tokens.size() + it->prompt.size() > maxBatchTokens) {
        continue;
      }
      if (freePages < it->pages) {
        it->Release();
        it->preTokens = 0;
        it->currentTokens = it->allTokens;
        evictedRequests.push_back(it);
        continue;
      }
      running++;
      batch.push_back(it);
      for (int token : it->prompt) tokens.push_back(token);
    }
    auto logits = model->ForwardBatch(tokens, batch.size());
    for (auto* request : batch) {
      request->Append(sampler->Sample(logits));
      if (request->finished) finish(request);
    }
  }
}
"""
MARL = """
class Marl {
 public:
  void MainLoop();
  void Release();
  std::vector<Request*> pending;
  Model* model;
};
"""


@pytest.mark.parametrize(
    "key",
    ["runtime_loop", "scheduler", "batching_or_chunked_prefill", "admission_or_backpressure", "preemption"],
)
def test_a_loop_that_does_it_all_itself_is_each_part(key):
    tree = {"src/marl.h": MARL, "src/marl.cpp": LOOP}
    assert first(key, tree) == ("src/marl.cpp", "Marl.MainLoop")


def test_a_loop_that_passes_nobody_over_schedules_nothing():
    plain = LOOP.replace("running >= maxBatch", "it->aborted")
    assert first("scheduler", {"src/marl.h": MARL, "src/marl.cpp": plain}) is None


def test_a_type_named_for_it_stands_before_its_loop():
    tree = {
        "src/marl.h": MARL.replace("Marl", "Scheduler"),
        "src/marl.cpp": LOOP.replace("Marl::", "Scheduler::"),
    }
    assert first("scheduler", tree) == ("src/marl.h", "Scheduler")


def test_what_runs_on_a_device_decides_nothing():
    assert "kernel" in kinds(callables=1.0) and "kernel" not in kinds(callables=1.0, device=False)
    body = """plan(int* seqs, int n, int* chunk_size, int max_num_batched_tokens) {
  int num_tokens = 0, batch = 0;
  for (int i = 0; i < n; ++i) {
    if (num_tokens + seqs[i] > max_batch_tokens) break;
    num_tokens += seqs[i];
    chunk_size[batch++] = num_tokens;
  }
}
"""
    key = "batching_or_chunked_prefill"
    assert first(key, {"src/plan.cu": f"void {body}", "src/plan.cuh": "struct Requests;"}) == (
        "src/plan.cu",
        "plan",
    )
    assert first(key, {"src/plan.cu": f"__global__ void {body}"}) is None


def test_a_prompt_taken_in_steps_that_grow_and_shrink_together():
    step = """
bool Model::generate_next_token(const std::vector<int>& input_ids, std::vector<float>& logits) {
  int batch = batch_input > 1 ? batch_input : 1;
  const int* p = input_ids.data();
  int remain = (int)input_ids.size();
  int past = n_past;
  for (; (remain > batch) && !aborted; p += batch, remain -= batch, past += batch) {
    if (!run_model(p, batch, past, logits)) return false;
  }
  return run_model(p, remain, past, logits);
}
"""
    found = first("batching_or_chunked_prefill", {"src/models.cpp": step})
    assert found == ("src/models.cpp", "Model.generate_next_token")


INFER = """
impl Infer {
    pub async fn complete(&self, request: Request) -> Result<Stream, InferError> {
        let permit = self
            .limit_requests
            .clone()
            .TAKE()
            .map_err(|err| InferError::Busy(err))?;
        let input = self.tokenize(request.prompt, request.max_tokens).await?;
        let (sender, receiver) = channel(input.max_concurrent);
        self.backend.schedule(input, sender)?;
        Ok((permit, receiver))
    }
}
"""


def test_a_permit_that_is_tried_for_turns_requests_away():
    key, tree = "admission_or_backpressure", {"src/infer.rs": INFER.replace("TAKE", "try_acquire_owned")}
    assert first(key, tree) == ("src/infer.rs", "Infer.complete")
    assert first(key, {"src/infer.rs": INFER.replace("TAKE", "look")}) is None


def test_whether_a_device_can_run_an_operator_is_no_admission():
    ask = """
bool CanRunMLP() {
  return ((Executor*)GetExecutor())->
    CanRunOnFirstDevice("MLP", {}, {});
}
bool Executor::CanRunOnFirstDevice(const std::string& op) { return devices[0]->CanRun(op); }
"""
    asked = {
        f"src/{name}.cpp": "void Block() { if (CanRunMLP()) run(); }\n" for name in ("mlp", "moe", "block")
    }
    assert first("admission_or_backpressure", {"src/executor.cpp": ask, **asked}) is None


SEEDED = """
class Sampler {
 public:
  virtual void seed(int x) { gen.seed((unsigned int)x); }
  virtual int sampling(float* logits, int vocab_size) = 0;
 protected:
  std::mt19937 gen;
};
"""
UNSEEDED = """
void multinomial(const float* dist, int* indices, int dim, float temperature) {
  thread_local static std::random_device rd;
  thread_local static std::mt19937 gen(rd());
  for (int n = 0; n < dim; n++) indices[n] = pick(dist, gen, temperature);
}
"""


def test_who_is_told_a_seed_stands_before_who_draws_anew():
    key = "seeds_determinism"
    found = all_of(key, {"src/priv.h": SEEDED, "src/store.cpp": UNSEEDED})
    assert found[0][0] == "src/priv.h" and ("src/store.cpp", "multinomial") in found
    assert first(key, {"src/store.cpp": UNSEEDED}) == ("src/store.cpp", "multinomial")


def test_an_engine_of_random_numbers_that_asks_the_system_unless_told_not_to():
    head = """
// Pseudo-random number generator with random or deterministic seeding, for sampling.
class CounterEngine {
 public:
  explicit CounterEngine(bool deterministic);
  uint64_t operator()(uint64_t stream, uint64_t counter) const;
 private:
  uint64_t key_[12];
};
"""
    source = """
CounterEngine::CounterEngine(bool deterministic) {
  key_[0] = 0x243F6A8885A308D3ull;
  if (!deterministic) {
    if (!FillBytesSecure(key_)) key_[0] ^= timer::Start();
  }
}
"""
    tree = {
        "util/basics.h": head,
        "util/basics.cc": source,
        "src/run.cc": "void Run() { CounterEngine gen(true); }",
    }
    assert first("seeds_determinism", tree) == ("util/basics.h", "CounterEngine")
    foretold = source.replace("FillBytesSecure", "Zeroed")
    assert first("seeds_determinism", {**tree, "util/basics.cc": foretold}) is None


CONTEXT_GO = """package llama

type Context struct {
	kvSelf KVCache
	Logits []float32
}

func NewContext(model *Model, params *ModelParams) *Context {
	size := model.hparams.embdSize * model.hparams.layersCount * params.CtxSize
	return &Context{
		kvSelf: KVCache{
			K: NewTensor1D(nil, dt, size),
			V: NewTensor1D(nil, dt, size),
		},
		Logits: make([]float32, model.hparams.vocabSize),
	}
}
"""
CONTEXT_RS = """
impl Session {
    pub fn create(config: Config, n_layer: usize, n_embd: usize, n_ctx: usize) -> Session {
        let n_mem = n_layer * n_ctx;
        let n_elements = n_embd * n_mem;
        let memory_k = context.new_tensor(config.k_type, n_elements);
        let memory_v = context.new_tensor(config.v_type, n_elements);
        Session { kv_cache: KvCache { memory_k, memory_v }, n_past: 0 }
    }
}
"""


@pytest.mark.parametrize(
    ("path", "text", "symbol"),
    [("llama/llama.go", CONTEXT_GO, "NewContext"), ("src/session.rs", CONTEXT_RS, "Session.create")],
)
def test_a_product_of_layers_and_positions_sizes_the_cache_in_any_order(path, text, symbol):
    key = "kv_cache_memory_accounting"
    assert first(key, {path: text}) == (path, symbol)
    summed = text.replace(" * ", " + ")
    assert first(key, {path: summed}) is None


def test_a_table_of_a_rotation_is_no_cache_of_tokens():
    table = """
class Marl(Module):
    def build_ROPE_cache(self, idx):
        self.kv_caches = self.kv_caches or []
        return make_table(seq_len=self.config.block_size, n_elem=self.config.n_embd // self.config.num_heads)
"""
    key = "kv_cache_memory_accounting"
    assert first(key, {"marl/model.py": table.replace("ROPE", "kv")}) is not None
    assert first(key, {"marl/model.py": table.replace("ROPE", "rope")}) is None


ANY_CACHE = """package cache

type Cache struct {
	size    int
	entries []string
}

func (c *Cache) Get(id int) string { return c.entries[id%c.size] }
func (c *Cache) Remove(id int)     { c.entries[id%c.size] = "" }
func (c *Cache) Reset()            { c.entries = make([]string, c.size) }
"""


def test_a_cache_of_anything_is_not_of_keys_and_values_unless_it_says_so():
    key = "kv_cache_structure"
    assert first(key, {"internal/cache/cache.go": ANY_CACHE}) is None
    named = ANY_CACHE.replace("Cache", "KVCache")
    assert first(key, {"internal/cache/cache.go": named}) == ("internal/cache/cache.go", "KVCache")


def test_a_log_of_requests_that_drops_the_oldest_is_no_prefix_cache():
    log = """package store

func (s *Store) Insert(entry Entry) {
	s.entries = append(s.entries, entry.prompt, entry.tokens, entry.cache_tokens)
	if len(s.entries) > s.capacity {
		oldest := s.entries[0]
		s.evict(oldest)
	}
}
"""
    key = "kv_cache_eviction_or_prefix_reuse"
    assert first(key, {"internal/store.go": log}) is None
    pool = log.replace("*Store", "*PrefixCache")
    assert first(key, {"internal/store.go": pool}) == ("internal/store.go", "PrefixCache.Insert")


SHIFTS = """
void Model::shift_memory(int keep) {
  if (keep >= n_past) return;
  transformer->shift_cache(n_past - keep, n_past, kv_cache);
}
"""
WINDOW = """
class SlidingWindowATTENTIONPartialCache : public Base {
 public:
  void save(const int n_past, tensor* k, tensor* v);
 private:
  const int sliding_window_len;
  const int window_size;
  const int recent_len;
  tensor* kv_cache;
};
"""


def test_attention_over_a_window_is_not_what_evicts():
    key = "kv_cache_eviction_or_prefix_reuse"
    tree = {"src/models.cpp": SHIFTS, "src/layers.h": WINDOW.replace("ATTENTION", "Attention")}
    assert first(key, tree) == ("src/models.cpp", "Model.shift_memory")
    assert first(key, {"src/layers.h": WINDOW.replace("ATTENTION", "Keys")})[0] == "src/layers.h"


def test_who_does_without_a_prefix_cache_steps_back():
    body = "\n    def find(self, block_hashes, prefix):\n        return evict(prefix, self.kv_blocks, lru)\n"
    more = "\n    def look(self):\n        return self.children\n"
    tree = {
        "marl/coordinator.py": f"class CoordinatorNoPrefixCache:{body}{more}",
        "marl/pool.py": f"class CoordinatorPrefixCache:{body}",
    }
    assert first("kv_cache_eviction_or_prefix_reuse", tree) == ("marl/pool.py", "CoordinatorPrefixCache")


def test_a_file_that_weights_come_from_is_no_stain_and_weights_on_disk_are_a_special_case():
    reads = """
void WeightMap::LoadFromFile(const std::string& path) {
  FileReader reader(path);
  while (reader.read()) weights[reader.name()].copy(mmap(reader), reader.size());
}
"""
    disk = """
void LoadDiskWeights(const std::vector<Data*>& weights) {
  for (auto* weight : weights) pool.submit(read_file(weight->path, fread(weight)));
}
"""
    tree = {"src/map.cpp": reads, "src/disk.cpp": disk}
    assert first("weight_loader", tree) == ("src/map.cpp", "WeightMap.LoadFromFile")


def test_memory_whose_rows_are_dealt_out_to_devices_is_tensor_parallel():
    rows = """
static void backend_split_buffer_init_tensor(buffer_t buffer, tensor* weight) {
  for (int id = 0; id < device_count; ++id) {
    int64_t row_low, row_high, num_shards = device_count;
    get_rows(&row_low, &row_high, weight, tensor_split, id);
    cudaMemcpyPeerAsync(weight->data[id], id, weight->data, main_device, nbytes(row_low, row_high));
  }
}
"""
    found = first("tensor_parallel_comm", {"src/backend.cu": rows})
    assert found == ("src/backend.cu", "backend_split_buffer_init_tensor")
    plain = rows.replace("split_buffer_", "")
    assert first("tensor_parallel_comm", {"src/backend.cu": plain}) is None


def test_a_phase_of_a_step_stands_behind_the_loop():
    engine = """
impl Engine {
    pub fn run(&mut self) {
        loop {
            self.scheduler.schedule();
            self.step_prefill();
        }
    }
    fn step_prefill(&mut self) {
        let batch = self.scheduler.schedule_next();
        for seq in batch {
            let logits = self.model.forward(seq.tokens);
            let token = self.sampler.sample(logits);
            if token == self.eos { self.finish(seq); }
        }
    }
}
"""
    assert first("runtime_loop", {"src/engine.rs": engine}) == ("src/engine.rs", "Engine.run")


PARAMS = """
pub struct NAME {
    pub temperature: f32,
    pub top_p: f32,
    pub top_k: usize,
    pub repetition_penalty: f32,
    pub max_tokens: usize,
}
"""


def test_knobs_as_the_clients_of_another_program_send_them_step_back():
    tree = {
        "src/other_api.rs": PARAMS.replace("NAME", "SamplingParams"),
        "src/config.rs": PARAMS.replace("NAME", "GenerationConfig"),
    }
    assert first("sampling_params", tree) == ("src/config.rs", "GenerationConfig")


def test_knobs_of_several_samplers_are_parameters():
    chain = """
pub struct ConfiguredSamplers {
    builder: Chain,
    strict: bool,
}

impl ConfiguredSamplers {
    pub fn usual() -> Self {
        let builder = Chain::of(temperature(0.8), top_p(0.95), top_k(40), min_p(0.0), repeat(1.3), seed, max_tokens);
        Self { builder }
    }
}
"""
    found = first("sampling_params", {"src/samplers.rs": chain})
    assert found == ("src/samplers.rs", "ConfiguredSamplers")


def test_who_hands_logits_on_with_the_tokens_before_them_processes_them():
    draw = """
pub fn sample_token(chain: impl Sampler, previous_tokens: &[u32], logits: &[f32]) -> u32 {
    Logits::from(logits).run(chain, PREVIOUS).unwrap()
}
"""
    tree = {"src/samplers.rs": draw.replace("PREVIOUS", "previous_tokens")}
    assert first("logits_processing", tree) == ("src/samplers.rs", "sample_token")
    assert (
        first(
            "logits_processing", {"src/samplers.rs": draw.replace("PREVIOUS", "0").replace("previous_", "")}
        )
        is None
    )


ATTENTION = """
struct NAME { q_proj: Linear, k_proj: Linear, v_proj: Linear, head_dim: usize, num_heads: usize }

impl NAME {
    fn forward(&self, x: &Tensor, kv_cache: &mut Cache) -> Tensor {
        let (q, k, v) = (self.q_proj.forward(x), self.k_proj.forward(x), self.v_proj.forward(x));
        let (k, v) = kv_cache.append(k, v);
        let att = q.matmul(&k.t()) / (self.head_dim as f64).sqrt();EXTRA
        softmax(&att).matmul(&v)
    }
}
"""
MODEL = """
pub struct NAMEModel { embed_tokens: Embedding, layers: Vec<DecoderLayer>, norm: RmsNorm, lm_head: Linear }

impl NAMEModel {
    pub fn forward(&self, tokens: &Tensor) -> Tensor {
        let mut x = self.embed_tokens.forward(tokens);
        for layer in &self.layers { x = layer.forward(&x); }
        self.lm_head.forward(&self.norm.forward(&x))
    }
}
"""
FAMILY = ("llama", "qwen", "phi", "gemma", "falcon", "mixtral")


def test_what_a_folder_of_models_shares_is_no_ones_own():
    models = {f"src/models/{name}/model.rs": MODEL.replace("NAME", name.title()) for name in FAMILY}
    tree = models | {
        "src/models/common/attention.rs": ATTENTION.replace("NAME", "CausalAttention")
        .replace("EXTRA", "")
        .replace(".sqrt()", ""),
        "src/models/common/model.rs": MODEL.replace("NAME", "Base"),
        "src/models/qwen/full_attention.rs": ATTENTION.replace("NAME", "QwenAttention").replace(
            "EXTRA",
            "\n        let q_len = q.dim(0); let scale = self.softmax_scale; flash_attn(&q, &k, &v, scale);",
        ),
    }
    assert first("attention_backend", tree)[0] == "src/models/common/attention.rs"


def test_what_bears_the_number_of_one_model_is_its_own_wherever_it_stands():
    models = {f"src/models/{name}3.rs": MODEL.replace("NAME", f"{name.title()}3") for name in FAMILY}
    write = """
void NAMEKVCache(float* k_cache, float* v_cache, const float* key, const float* value, int pos) {
  memcpy(k_cache + pos, key, sizeof(float));
  memcpy(v_cache + pos, value, sizeof(float));
}
"""
    tree = models | {
        "src/devices/cache/qwen3-kernels.cpp": write.replace("NAME", "UpdateQwen3").replace(
            "int pos", "int pos, Cache kv_cache"
        ),
        "src/devices/copies.cpp": write.replace("NAME", "Append")
        .replace("key", "first")
        .replace("value", "second"),
    }
    assert first("kv_cache_update", tree) == ("src/devices/copies.cpp", "AppendKVCache")


def test_files_that_all_begin_with_one_name_are_parts_of_one_program():
    parts = ("arch", "context", "graph", "hparams", "model", "vocab")
    tree = {f"src/llama-{part}.rs": MODEL.replace("NAME", f"Llama{part.title()}") for part in parts}
    own = ATTENTION.replace("NAME", "LlamaAttention").replace("EXTRA", "")
    tree["src/llama-context.rs"] += own.replace("x: &T", "query: &T")
    tree["kernels/latent.rs"] = ATTENTION.replace("NAME", "LatentAttention").replace("EXTRA", "")
    assert first("attention_backend", tree)[0] == "src/llama-context.rs"


def test_the_naive_way_is_not_the_one_that_is_used():
    plain = ATTENTION.replace("EXTRA", "").replace(".sqrt()", "")
    naive = plain.replace("NAME", "NaiveAttention").replace("x: &T", "query: &T")
    tree = {"src/attention.rs": plain.replace("NAME", "PlainAttention"), "src/first/attention.rs": naive}
    assert first("attention_backend", tree)[0] == "src/attention.rs"
    tree["src/first/attention.rs"] = naive.replace("Naive", "Quick")
    assert first("attention_backend", tree)[0] == "src/first/attention.rs"


@pytest.mark.parametrize(
    ("path", "role"),
    [
        ("tools/link_latency_bench/latency.cu", "benchmark"),
        ("examples/benchmark/main.cpp", "benchmark"),
        ("tools/convert/main.cpp", "tool"),
        ("workbench/main.cpp", "code"),
    ],
)
def test_a_benchmark_among_tools_is_one(path, role):
    assert role_of(path) == role
