# Parts of C++, Rust and Go programs that no name tells: what stands in the middle of one large function, settings that only
# seem to keep others, caches written under another name; and makers and readers that are taken for none of it.
import pytest

from cutaway.facts.components import find_components
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


GO_STEP = """package marl

func Step(token int, pos int, config Config, s State, w Weights) {
	for l := 0; l < config.NumLayers; l++ {
		MatMul(s.K, s.XB, w.WK[l])
		MatMul(s.V, s.XB, w.WV[l])
		loff := l * config.SeqLen * kvDim
		copy(s.KCache[(loff+pos*kvDim):(loff+(pos+1)*kvDim)], s.K)
		copy(s.VCache[(loff+pos*kvDim):(loff+(pos+1)*kvDim)], s.V)
		for h := 0; h < config.NumHeads; h++ {
			q := s.Q[h*headSize : (h+1)*headSize]
			for t := 0; t <= pos; t++ {
				k := s.KCache[loff+t*kvDim:]
				var score float32
				for i := 0; i < headSize; i++ {
					score += q[i] * k[i]
				}
				score /= float32(math.Sqrt(float64(headSize)))
				att[t] = score
			}
			SoftMax(att[:pos+1])
			for t := 0; t <= pos; t++ {
				s.XB[t] += att[t] * s.VCache[loff+t*kvDim]
			}
		}
	}
}
"""


@pytest.mark.parametrize("key", ["attention_backend", "kv_cache_update"])
def test_attention_and_its_cache_in_the_middle_of_one_function_of_go(key):
    assert first(key, {"marl/step.go": GO_STEP}) == ("marl/step.go", "Step")


def test_without_a_root_or_a_copy_the_function_is_neither():
    plain = (
        GO_STEP.replace("copy(s.", "look(s.").replace("score /=", "score +=").replace("math.Sqrt", "math.Abs")
    )
    assert first("attention_backend", {"marl/step.go": plain}) is None
    assert first("kv_cache_update", {"marl/step.go": plain}) is None


CPP_BLOCK = """
void Block::apply(State& s, int pos, int kv_pos, int kv_len) const {
  matmul(s.k(), s.xb(), wk(), dim, kv_dim);
  matmul(s.v(), s.xb(), wv(), dim, kv_dim);
  half* kb = (half*)key_cache();
  half* vb = (half*)value_cache();
  for (int i = 0; i < kv_dim; ++i) {
    kb[kv_pos * kv_dim + i] = to_half(s.k()[i]);
    vb[kv_pos * kv_dim + i] = to_half(s.v()[i]);
  }
  matmul(s.hb(), s.xb2(), wo(), q_dim, dim);
}
"""


def test_a_cache_that_is_written_under_a_shorter_name():
    path = "src/block.cpp"
    assert first("kv_cache_update", {path: CPP_BLOCK}) == (path, "Block.apply")
    reads = CPP_BLOCK.replace("kb[kv_pos * kv_dim + i] =", "total +=").replace(
        "vb[kv_pos * kv_dim + i] =", "total +="
    )
    assert first("kv_cache_update", {path: reads}) is None


RUST_POOL = """
pub struct KVCacheAllocator { kv_fraction: f64, block_size: usize, fp8_kvcache: bool, num_gpu_blocks: usize }
impl KVCacheAllocator {
    pub fn new(config: &Config, max_position_embeddings: usize) -> Self {
        let fp8_kvcache = config.fp8_kvcache;
        let num_v_heads = config.num_v_heads;
        Self { kv_fraction: 0.9, block_size: config.block_size, fp8_kvcache, num_gpu_blocks: num_v_heads }
    }
    pub fn plan_allocation(&self, max_num_seqs: usize) -> usize {
        let free = self.available_memory();
        let wanted = max_num_seqs * self.block_size * self.num_gpu_blocks;
        wanted.min(free / self.per_block_bytes())
    }
    pub fn init_kv_cache(&self) -> Vec<Tensor> { Tensor::zeros((self.num_gpu_blocks, self.block_size)) }
}
"""
RUST_BLOCKS = """
pub struct BlockManager { blocks: Vec<Block>, free_block_ids: VecDeque<usize>, block_size: usize }
impl BlockManager {
    pub fn ensure(&mut self, seq: &mut Sequence) -> Result<()> {
        for _ in seq.block_table.len()..seq.num_blocks() {
            let id = self
                .free_block_ids
                .pop_front()
                .ok_or_else(|| Error::msg("no free blocks"))?;
            seq.block_table.push(id);
        }
        Ok(())
    }
    pub fn deallocate(&mut self, seq: &mut Sequence) { self.free_block_ids.extend(seq.block_table.drain(..)) }
}
"""
RUST_ATTENTION = """
pub struct Attention { num_heads: usize, head_dim: usize }
impl Attention {
    pub fn forward(&self, xs: &Tensor, positions: &Tensor, cache: &KVCache) -> Result<Tensor> {
        let k = self.k_proj.forward(xs)?.narrow(0, 0, self.head_dim)?;
        let v = self.v_proj.forward(xs)?;
        self.attn.forward(&q, &k, &v, cache, positions)
    }
}
"""


def test_who_makes_the_cache_neither_writes_it_nor_hands_out_its_blocks():
    tree = {
        "src/utils/kvcache_allocator.rs": RUST_POOL,
        "src/core/block_manager.rs": RUST_BLOCKS,
        "src/layers/attention.rs": RUST_ATTENTION,
    }
    written = all_of("kv_cache_update", tree)
    assert written[0] == ("src/layers/attention.rs", "Attention.forward")
    assert ("src/utils/kvcache_allocator.rs", "KVCacheAllocator.new") not in written
    paged = all_of("kv_cache_block_table_or_paging", tree)
    assert paged[0] == ("src/core/block_manager.rs", "BlockManager")


def test_a_state_with_an_entry_for_the_keys_and_one_for_the_values_of_each_layer():
    source = """
State TransformerDecoder::initial_state(bool iterative) const {
  State state;
  const size_t state_size = _layers.size() * 2;
  state.reserve(state_size);
  for (size_t i = 0; i < _layers.size(); ++i) {
    state.emplace("self_keys_" + std::to_string(i), Tensor(dtype, _device));
    state.emplace("self_values_" + std::to_string(i), Tensor(dtype, _device));
  }
  return state;
}
"""
    path = "src/layers/transformer.cc"
    assert first("kv_cache_structure", {path: source}) == (path, "TransformerDecoder.initial_state")
    assert first("kv_cache_structure", {path: source.replace("self_values_", "self_scores_")}) is None


def test_settings_keep_what_their_fields_are_and_not_what_their_methods_name():
    manager = """
pub struct ToolManagerConfig { pub servers: Vec<String>, pub refresh_interval: Duration }
impl ToolManagerConfig {
    pub fn from_file(path: &Path) -> Result<Self, ClientError> {
        let text = std::fs::read_to_string(path).map_err(|e| ClientError::Config(e))?;
        serde_json::from_str(&text).map_err(|e| ClientError::MoEConfig(e))
    }
}
"""
    settings = """
#[derive(Deserialize)]
pub struct Config { pub hidden_size: usize, pub num_hidden_layers: usize, pub max_model_len: usize, pub moe: MoEConfig }
#[derive(Deserialize)]
pub struct MoEConfig { pub num_experts: usize, pub hidden_size: usize, pub max_model_len: usize }
impl Config { pub fn load(path: &Path) -> Self { serde_json::from_str(&read_to_string(path)) } }
"""
    tree = {"src/tools/manager.rs": manager, "src/utils/config.rs": settings}
    assert first("config_parser", tree) == ("src/utils/config.rs", "Config")


def test_a_converter_is_told_what_to_make_and_sets_no_engine_up():
    flags = "".join(
        f"    parser.add_argument('--{n}')\n"
        for n in ("in", "out", "type", "size", "lang", "dir", "map", "all")
    )
    tree = {
        "tools/converters/other.py": f"def main():\n    parser = ArgumentParser()\n{flags}    return parser.parse_args()\n",
        "include/engine.h": "struct EngineConfig {\n  int max_batch_size = 8;\n  int num_threads = 4;\n  int port = 80;\n};\n",
    }
    assert first("config_parser", tree) == ("include/engine.h", "EngineConfig")


GO_QUEUE = """package server

func Engine() {
	for {
		for jobID := range Queue {
			if RunningPods >= MaxPods {
				continue
			}
			delete(Queue, jobID)
			atomic.AddInt64(&RunningPods, 1)
			go Do(jobID)
		}
		time.Sleep(time.Second)
	}
}
"""


def test_who_starts_what_waits_while_not_too_many_run_schedules():
    path = "pkg/server/server.go"
    assert first("scheduler", {path: GO_QUEUE}) == (path, "Engine")
    assert first("scheduler", {path: GO_QUEUE.replace("go Do(jobID)", "fmt.Println(jobID)")}) is None


def test_a_maker_of_samplers_seeds_them():
    source = """
pub fn create_logits_processor(ctx: &Context) -> LogitsProcessor {
    let temperature = ctx.args.temperature;
    let sampling = if temperature <= 0. { Sampling::ArgMax } else { Sampling::All { temperature } };
    LogitsProcessor::from_sampling(ctx.args.seed, sampling)
}
"""
    path = "src/text.rs"
    assert first("seeds_determinism", {path: source}) == (path, "create_logits_processor")
    assert first("seeds_determinism", {path: source.replace("ctx.args.seed, ", "")}) is None


def test_tokens_drawn_within_the_program_itself():
    source = """package main

func main() {
	for pos < steps {
		Forward(token, pos, state)
		if temperature == 0 {
			next = ArgMax(state.Logits)
		} else {
			for q := 0; q < config.VocabSize; q++ {
				state.Logits[q] /= float32(temperature)
			}
			SoftMax(state.Logits)
			next = Sample(state.Logits)
		}
		pos++
	}
}
"""
    assert first("logits_processing", {"main.go": source}) == ("main.go", "main")
    assert first("sampler", {"main.go": source}) == ("main.go", "main")
    plain = source.replace("/= float32(temperature)", "+= 1")
    assert first("logits_processing", {"main.go": plain}) is None


def test_python_beside_a_program_that_is_built_from_another_language_only_helps():
    script = """
def generate(model, idx, temperature, top_k):
    for _ in range(9):
        logits = model(idx) / temperature
        v, _ = topk(logits, top_k)
        probs = softmax(logits)
        idx_next = multinomial(probs, num_samples=1)
        idx = cat((idx, idx_next))
    return idx
"""
    engine = """
int sample(Sampler* sampler, float* logits, float temperature) {
  if (temperature == 0.0f) return argmax(logits, sampler->vocab_size);
  for (int q = 0; q < sampler->vocab_size; q++) logits[q] /= temperature;
  softmax(logits, sampler->vocab_size);
  return sample_multinomial(logits, sampler->vocab_size, sampler->topp);
}
float* forward(Transformer* t, int token) {
  for (int l = 0; l < t->n_layers; l++) matmul(t->x, t->w, t->dim, t->dim);
  return t->logits;
}
"""
    tree = {"model.py": script, "run.c": engine, "Makefile": "run: run.c\n\tcc -o run run.c\n"}
    assert first("sampler", tree) == ("run.c", "sample")

    def points(some):
        found = find_components(program_of({**ABOUT, **some}))["sampler"].candidates
        return next(c.score for c in found if c.path == "model.py")

    assert points({**tree, "setup.py": "setup(name='marl')\n"}) > points(tree)  # a package is the product too


def test_whether_a_table_of_keys_is_full_admits_no_request():
    source = """
class table {
  bool is_full() const {
    if (m_values.size() >= m_max_bucket_capacity) throw_too_many(m_bucket);
    return m_values.size() >= m_max_bucket_capacity;
  }
};
"""
    assert first("admission_or_backpressure", {"src/dense.h": source}) is None
    queue = source.replace("class table", "class requests")
    assert first("admission_or_backpressure", {"src/dense.h": queue}) is not None
