# Parts known by what the code does with its state: a free place that is filled, progress that is forgotten, caches
# made inside a layer, a model's path handed on, tokens compared one by one; and names that are no evidence at all.
from cutaway.facts.components import find_components
from cutaway.facts.config_surface import find_config_surface
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


def test_what_stands_in_a_comment_alone_is_not_done():
    source = """
def sample(logits, temperature, top_k):
    # torch.manual_seed(42)
    return multinomial(softmax(logits / temperature), top_k)
"""
    assert found("seeds_determinism", {"ferro/sampler.py": source}) == []
    done = source.replace("# torch", "torch")
    assert found("seeds_determinism", {"ferro/sampler.py": done}) == [("ferro/sampler.py", "sample")]


def test_what_is_kept_and_compared_token_by_token_is_reused():
    source = """
class Speaker:
    def begin_reuse(self, tokens):
        n = 0
        while n < len(tokens) and n < len(self.sequence) and self.sequence[0, n] == tokens[0, n]:
            n += 1
        self.cache.length = n
        self.feed(tokens[:, n:])
"""
    key = "kv_cache_eviction_or_prefix_reuse"
    assert found(key, {"ferro/speaker.py": source}) == [("ferro/speaker.py", "Speaker.begin_reuse")]
    assert (
        found(key, {"ferro/speaker.py": source.replace(" and self.sequence[0, n] == tokens[0, n]", "")}) == []
    )


def test_a_prompt_cut_in_a_loop_over_its_length_is_chunked():
    source = '''
class Net:
    def forward(self, tokens, cache):
        """Runs the prompt in chunks."""
        chunk_begin = 0
        remaining = num_tokens = tokens.shape[-1]
        while chunk_begin < num_tokens:
            chunk_size = min(remaining, self.max_chunk)
            self.run(tokens[:, chunk_begin : chunk_begin + chunk_size], cache, self.seqs)
            chunk_begin += chunk_size
'''
    assert found("batching_or_chunked_prefill", {"ferro/net.py": source})[0] == ("ferro/net.py", "Net.forward")


def test_a_model_that_is_made_from_its_files_loads_its_weights():
    source = """
class Net:
    def __init__(self, config):
        self.layers = {}
        with safe_open(config.model_path, framework="pt") as f:
            for name in f.keys():
                self.layers[name] = f.get_tensor(name).to(config.device)
"""
    assert ("ferro/net.py", "Net") in found("weight_loader", {"ferro/net.py": source})


def test_settings_made_of_other_settings_are_the_whole():
    source = '''
@dataclass
class PartArgs:
    """Sizes."""
    n_layers: int = 2
    vocab_size: int = 10

@dataclass
class TrainArgs:
    """What a run is told."""
    name: str = ""
    seed: int = 1
    data: DataArgs = field(default_factory=DataArgs)
    model: PartArgs = field(default_factory=PartArgs)
    logs: LogArgs = field(default_factory=LogArgs)
'''
    assert found("config_parser", {"ferro/config.py": source})[0] == ("ferro/config.py", "TrainArgs")


def test_a_budget_of_a_batch_that_a_sum_is_held_against_batches():
    tree = {
        "core/src/queue.rs": """
//! Where requests wait.
fn blocking_task(max_batch_tokens: usize, mut receiver: Receiver<Command>) {
    let mut entries: VecDeque<Entry> = VecDeque::new();
    while let Some(cmd) = receiver.blocking_recv() {
        let mut current_tokens = 0;
        let mut cu_seq_lengths = vec![0];
        let mut requests = Vec::new();
        while let Some(entry) = entries.pop_front() {
            let total_tokens = current_tokens + entry.input_ids.len();
            if total_tokens > max_batch_tokens {
                entries.push_front(entry);
                break;
            }
            current_tokens = total_tokens;
            cu_seq_lengths.push(current_tokens);
            requests.push(entry);
        }
        cmd.sender.send(Batch { requests, cu_seq_lengths });
    }
}
"""
    }
    assert found("batching_or_chunked_prefill", tree)[:1] == [("core/src/queue.rs", "blocking_task")]


def test_shapes_that_are_spread_are_no_collective():
    tree = {
        "src/layers/linear.rs": """
pub struct Linear { weight: Tensor, bias: Option<Tensor> }
impl Linear {
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let w = self.weight.broadcast_left(x.dim(0)?)?;
        let x = x.matmul(&w.t()?)?;
        match &self.bias { Some(bias) => x.broadcast_add(bias), None => Ok(x) }
    }
}
"""
    }
    tree |= {f"src/models/part_{n}.rs": "use crate::layers::linear::Linear;\nstruct Part { a: Linear }\n" for n in range(9)}
    assert found("tensor_parallel_comm", tree) == []


def test_what_can_be_taken_in_is_asked_by_any_verb():
    tree = {
        "serve/prefill.cc": """
namespace serve {
bool PrefillAction::CanPrefill(State state, int num_requests, int num_required_pages, int num_available_pages) {
  if (num_requests > config_->max_num_seqs) {
    return false;
  }
  return num_required_pages <= num_available_pages && state->queue.size() > 0;
}
void PrefillAction::RateLimitWarnf(int limit) { log(limit); }
}
"""
    }
    places = [symbol.rpartition(".")[2] for _, symbol in found("admission_or_backpressure", tree)]
    assert places == ["CanPrefill"]


def test_an_enumeration_of_keys_is_no_model():
    keys = "  KEY_EMBEDDING,\n  KEY_N_LAYER,\n  KEY_BLOCK,\n  KEY_NORM,\n  KEY_ATTENTION,\n  KEY_OUTPUT,\n  KEY_LAYERS,\n"
    user = '#include "model.h"\nint use(enum llm_model key) { return key; }\n'
    tree = {"src/model.h": f"enum llm_model {{\n{keys}}};\n"}
    tree |= {f"src/user_{n}.cpp": user for n in range(8)}
    assert found("model_definition", tree) == []


def test_a_type_that_defaults_are_made_of_holds_settings():
    tree = {
        "include/run.h": "struct run_params {\n  int n_threads;\n  float share;\n};\n"
        "struct op_params {\n  int n;\n  int m;\n};\n",
        "src/run.cpp": "struct run_params run_default_params(void) {\n  run_params made = {4, 0.5f};\n  return made;\n}\n",
        "src/told.hpp": "struct told_params_sampling {\n  int top = 40;\n  float heat = 0.8f;\n};\n",
        "src/arg.cpp": 'void parse() { options.add("port").set_env("RUN_PORT"); keep("RUN_NAME"); }\n',
    }
    surface = find_config_surface(program_of(tree))
    assert [c["symbol"] for c in surface["config_classes"]] == ["run_params", "told_params_sampling"]
    assert [v["name"] for v in surface["env_vars"]] == ["RUN_PORT"]


def test_a_flag_of_a_type_of_its_own_in_go():
    tree = {
        "app/main.go": 'package main\n\nfunc main() {\n\tflagSet := flag.NewFlagSet("a", 0)\n'
        '\tflagSet.Var(&peers, "peer-address", "address of a peer")\n\tflagSet.Int("depth", 3, "how deep")\n}\n'
    }
    rows = {row["name"]: row for row in find_config_surface(program_of(tree))["cli_flags"]}
    assert set(rows) == {"--peer-address", "--depth"}
    assert rows["--peer-address"]["help"] == "address of a peer" and not rows["--peer-address"]["default"]


def test_what_leaves_the_running_for_the_waiting_is_preempted():
    tree = {
        "serve/src/engine.rs": """
impl Engine {
    fn evict_if_needed(&mut self) {
        while self.tracked_bytes > self.budget && !self.scheduler.running.is_empty() {
            let Some(victim) = self.scheduler.running.iter().max_by_key(|id| self.length(id)).cloned() else { break };
            if let Some(seq) = self.sequences.get_mut(&victim) {
                seq.caches.clear();
                seq.status = SequenceStatus::Waiting;
            }
            self.scheduler.running.retain(|id| id != &victim);
            self.scheduler.waiting.push_back(victim);
        }
    }
    fn run(&mut self) {
        loop {
            self.evict_if_needed();
            self.step();
        }
    }
}
"""
    }
    assert found("preemption", tree)[:1] == [("serve/src/engine.rs", "Engine.evict_if_needed")]


def test_a_server_that_reads_commands_of_its_clients():
    tree = {
        "nsqd/protocol.go": """package nsqd

func (p *protocolV2) IOLoop(c Client) error {
	for {
		line, err := client.Reader.ReadSlice('\\n')
		if err != nil {
			break
		}
		response, err := p.Exec(client, line)
		if response != nil {
			p.Send(client, response)
		}
	}
	return nil
}
""",
        "nsqd/statsd.go": """package nsqd

func (n *Daemon) statsdLoop() {
	for {
		select {
		case <-n.exitChan:
			goto exit
		case <-ticker.C:
			n.push(stats)
		}
	}
exit:
	n.log("closing")
}
""",
        "nsqd/client.go": """package nsqd

func (c *clientV2) IsReadyForMessages() bool {
	readyCount := atomic.LoadInt64(&c.ReadyCount)
	inFlightCount := atomic.LoadInt64(&c.InFlightCount)
	if inFlightCount >= readyCount || readyCount <= 0 {
		return false
	}
	return true
}
""",
    }
    components = find_components(program_of(tree))
    assert [c.symbol for c in components["runtime_loop"].candidates][:1] == ["protocolV2.IOLoop"]
    assert [c.symbol for c in components["admission_or_backpressure"].candidates] == ["clientV2.IsReadyForMessages"]


def test_a_loop_that_waits_and_then_steps_leads_one_that_generates_and_returns():
    tree = {
        "serve/threads.cc": """
void ThreadedEngine::RunBackgroundLoop() {
  while (!exit_now_.load()) {
    {
      std::unique_lock<std::mutex> lock(mutex_);
      changed_.wait(lock, [this] { return engine_->Busy() || exit_now_.load(); });
      orders = queue_;
      queue_.clear();
    }
    for (const auto& order : orders) { engine_->AddRequest(order); }
    engine_->Step();
  }
}
""",
        "serve/sync.py": """
class SyncEngine:
    def generate(self, prompts, config):
        for request in prompts:
            self.add_request(request)
        while num_finished < len(prompts):
            self.step()
        return outputs
    def step(self):
        return self.module.step()
""",
    }
    assert found("runtime_loop", tree)[:1] == [("serve/threads.cc", "ThreadedEngine.RunBackgroundLoop")]
