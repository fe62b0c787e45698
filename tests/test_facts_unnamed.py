# Parts that no name gives away: what a type keeps, what a function writes into and how large it allocates, who draws and who
# only carries parameters, whose loop takes a permit before it takes a task.
from cutaway.facts.components import find_components
from cutaway.facts.config_surface import find_config_surface
from cutaway.read.memory import program_of

README = "# Ferro\n\nServes large language models: tokens, transformer, KV cache, attention, sampling of logits.\n"

ENGINE = """
pub struct Scratch {
    xb: Vec<f32>,
    key_cache: Vec<f32>,
    value_cache: Vec<f32>,
    logits: Vec<f32>,
}

pub struct Net<'a> { pub conf: Conf, weights: Weights<'a>, scratch: Scratch }

impl<'a> Net<'a> {
    pub fn new(data: &'a [u8]) -> Net<'a> {
        let kv_dim = conf.head_size * conf.n_kv_heads;
        let scratch = Scratch {
            xb: vec![0.0; conf.dim as usize],
            key_cache: vec![0.0; (conf.n_layers * conf.seq_len * kv_dim) as usize],
            value_cache: vec![0.0; (conf.n_layers * conf.seq_len * kv_dim) as usize],
            logits: vec![0.0; conf.vocab_size as usize],
        };
        Net { conf, weights, scratch }
    }

    fn forward_layer(&mut self, x: &mut [f32], l: u32, pos: u32) {
        let loff = l * self.conf.seq_len * self.conf.kv_dim;
        let k = &mut s.key_cache[(loff + pos * kv_dim) as usize..(loff + pos * kv_dim + kv_dim) as usize];
        let v = &mut s.value_cache[(loff + pos * kv_dim) as usize..(loff + pos * kv_dim + kv_dim) as usize];
        matmul(k, x, self.weights.wk);
        matmul(v, x, self.weights.wv);
        for h in 0..self.conf.n_heads { softmax(attend(h, k, v)); }
    }

    pub fn weights(&self) -> Weights<'a> {
        self.weights.clone()
    }
}
"""


def best(files, key):
    found = find_components(program_of({"README.md": README, **files}))[key].candidates
    return found[0].symbol if found else None


def test_a_cache_is_known_by_what_is_kept_written_and_allocated():
    files = {"src/net.rs": ENGINE}
    assert best(files, "kv_cache_structure") == "Scratch"
    assert best(files, "kv_cache_update") == "Net.forward_layer"
    assert best(files, "kv_cache_memory_accounting") == "Net.new"


def test_a_buffer_without_keys_and_values_is_no_cache():
    files = {"src/net.rs": ENGINE.replace("key_cache", "left").replace("value_cache", "right")}
    assert best(files, "kv_cache_structure") is None
    assert best(files, "kv_cache_memory_accounting") is None


def test_what_only_hands_its_weights_out_loads_none():
    loader = (
        "pub fn load_tensors(path: &str) -> Weights {\n    let f = File::open(path);\n"
        "    let m = mmap(&f);\n    read_tensor(&m)\n}\n"
    )
    assert best({"src/net.rs": ENGINE, "src/files.rs": loader}, "weight_loader") == "load_tensors"


SAMPLING = '''
from dataclasses import dataclass

@dataclass
class SamplingInputs:
    """Inputs of sampling: logits, temperature."""
    temperature: float
    top_k: int
    top_p: float
    random_seeds: list
    random_offsets: list
    logits_processors: list


def sample_token(logits, inputs):
    probs = softmax(logits / inputs.temperature)
    return multinomial(probs, inputs.top_k)
'''


def test_parameters_of_sampling_draw_nothing():
    found = find_components(program_of({"README.md": README, "src/net.rs": ENGINE, "ferro/sampling.py": SAMPLING}))
    assert found["sampler"].candidates[0].symbol == "sample_token"
    assert found["sampling_params"].candidates[0].symbol == "SamplingInputs"


def test_who_calls_the_steps_is_put_before_them():
    steps = '''
def process_temperature_(logits, temperature):
    """Divides logits by the temperature."""
    logits.div_(temperature)


def process_repetition_penalty_(logits, penalty):
    """Lowers the logits of tokens that were there before, by a penalty."""
    logits /= penalty


class Pipe:
    """Changes logits."""

    def apply_logits(self, logits, temperature, penalty):
        logits = logits / 1
        process_temperature_(logits, temperature)
        process_repetition_penalty_(logits, penalty)
        return logits.masked_fill(self.mask, float("-inf"))
'''
    assert best({"src/net.rs": ENGINE, "ferro/steps.py": steps}, "logits_processing") in ("Pipe", "Pipe.apply_logits")


QUEUE = """
package ferry

type janitor struct { done chan struct{} }

func (j *janitor) start() {
	go func() {
		for {
			select {
			case <-j.done:
				return
			default:
				j.exec()
			}
		}
	}()
}
"""
WORKER = """
package ferry

type worker struct { sema chan struct{}; done chan struct{}; queue Queue }

func (w *worker) start() {
	go func() {
		for {
			select {
			case <-w.done:
				return
			default:
				w.exec()
			}
		}
	}()
}

func (w *worker) exec() {
	w.sema <- struct{}{}
	msg, err := w.broker.Dequeue(w.queue)
	if err != nil {
		<-w.sema
		return
	}
	go func() {
		w.perform(msg)
		w.finished <- msg
		<-w.sema
	}()
}
"""


def test_of_many_loops_the_one_that_takes_tasks_under_a_permit():
    found = find_components(program_of({"janitor.go": QUEUE, "worker.go": WORKER}))
    assert found["runtime_loop"].candidates[0].symbol == "worker.start"
    assert found["admission_or_backpressure"].candidates[0].symbol == "worker.exec"


def test_a_type_that_is_told_argv_describes_its_flags():
    tree = {
        "args.h": "struct LoadArgs : public ArgsBase<LoadArgs> {\n"
        "  LoadArgs(int argc, char* argv[]) { Init(argc, argv); }\n  Path weights;\n  int n;\n"
        "  template <class V> void ForEach(const V& visit) {\n"
        '    visit(weights, "weights", Path(), "where they lie");\n    visit(n, "num-threads", 4, "how many");\n'
        '    visit(other, "other", 4, "no field");\n  }\n};\n'
        "struct kernel_params { float* q; float* k; int n; };\n"
        "struct run_params { int seed = -1; int n_ctx = 512; };\n"
    }
    found = find_config_surface(program_of(tree))
    assert [(f["name"], f["default"], f["sets"]["field"]) for f in found["cli_flags"]] == [
        ("--weights", "Path()", "weights"), ("--num-threads", "4", "n"),
    ]  # fmt: skip
    assert sorted(c["symbol"] for c in found["config_classes"]) == ["LoadArgs", "run_params"]


def test_flags_and_variables_of_a_literal_in_go():
    text = (
        'package main\nvar flags = []cli.Flag{\n\t&cli.StringFlag{Name: "log-level, l", Usage: "how much", Value: "info",\n'
        '\t\tEnvVars: []string{"FERRY_LOG"}},\n\t&cli.IntFlag{Name: name},\n\t&api.Flag{ID: "x"},\n}\n'
    )
    found = find_config_surface(program_of({"main.go": text}))
    assert [(f["name"], f["default"], f["help"]) for f in found["cli_flags"]] == [
        ("--log-level", '"info"', "how much")
    ]
    assert [(v["name"], v["line"]) for v in found["env_vars"]] == [("FERRY_LOG", 4)]  # the line that spells it


def test_a_long_table_of_commands_is_read_to_its_end():
    rows = "".join(f'    "command_{n}": command_{n},\n' for n in range(60))
    bodies = "".join(f"def command_{n}(option_{n}: int = {n}): ...\n" for n in range(60))
    text = f"from jsonargparse import CLI\n{bodies}TABLE = {{\n{rows}}}\nCLI(TABLE)\n"
    flags = find_config_surface(program_of({"main.py": text}))["cli_flags"]
    assert {f["name"] for f in flags} == {f"--option_{n}" for n in range(60)}


SERVICE = '''
class Store:
    """Holds tensors of sessions."""

    def __init__(self, config):
        self.key_cache = torch.zeros(config.max_batch, config.block_size, config.n_kv_head, config.head_dim)
        self.value_cache = torch.zeros(config.max_batch, config.block_size, config.n_kv_head, config.head_dim)

    async def wait_for_free_memory(self, size, timeout):
        """Waits until there is enough room."""
        while self.enqueued + size > self.max_size_bytes and self.remaining < size:
            await self.freed.wait(timeout)


class Backend:
    def inference_step(self, hidden_states, batch_size):
        seq_len = hidden_states.shape[1]
        chunk_length = self.estimate_chunk_length(hidden_states)
        for offset in range(0, seq_len, chunk_length):
            chunk = hidden_states[:, offset : offset + chunk_length]
            self.module.forward(chunk, use_cache=True)


def free_disk_space_for(size):
    """Evicts cached files, least recently used first."""
    cached_files = scan_cache_dir()
    cached_files.sort(key=lambda f: f.last_accessed)
    cached_files.delete_revisions()


def get_throttle_reason(gpu, limit):
    """Why the clock is throttled, and by which limit."""
    return REASONS[nvml(gpu, limit)]
'''


def test_a_service_without_the_usual_names():
    found = find_components(program_of({"README.md": README, "src/net.rs": ENGINE, "ferro/service.py": SERVICE}))
    named = {key: [c.symbol for c in one.candidates] for key, one in found.items()}
    assert "Store" in named["kv_cache_structure"]
    assert named["batching_or_chunked_prefill"] == ["Backend.inference_step"]
    assert named["admission_or_backpressure"] == ["Store.wait_for_free_memory"]
    assert named["kv_cache_eviction_or_prefix_reuse"] == []


def test_a_command_line_by_what_it_derives_and_a_configuration_by_what_it_extends():
    tree = {
        "main.rs": "#[derive(Parser)]\nstruct Cli {\n    #[arg(long)]\n    model: String,\n}\nstruct Other {\n    x: u8,\n}\n",
        "conf.py": "class LongConfig(BaseConfig, Mixin):\n    prefix = 3\n    kind = 'long'\n    def f(self): ...\n"
        "class Thing(Base):\n    prefix = 3\n",
    }
    found = {c["symbol"]: [f["name"] for f in c["fields"]] for c in find_config_surface(program_of(tree))["config_classes"]}
    assert found == {"Cli": ["model"], "LongConfig": ["prefix", "kind"]}


def test_options_of_letters_and_options_renamed():
    tree = {
        "main.cpp": "int main(int argc, char** argv) {\n  for (int i = 1; i < argc; i += 2) {\n"
        "    if (argv[i][1] == 'h') { help(); }\n    else if (argv[i][1] == 'n' && argv[i][2] == '\\0') { n = 1; }\n"
        "    else if (argv[i][1] == 'l' && argv[i][2] == 'g') { l = 2; }\n    else if (text[i][1] == 'x') { x(); }\n  }\n}\n",
        "main.rs": '#[derive(Parser)]\nstruct Cli {\n    #[arg(id = "hostname", long)]\n    host: String,\n}\n',
    }
    names = [f["name"] for f in find_config_surface(program_of(tree))["cli_flags"]]
    assert sorted(names) == ["--hostname", "-h", "-lg", "-n"]


SERVER = """
struct Listener {
    listener: TcpListener,
    limit_connections: Arc<Semaphore>,
}

impl Listener {
    async fn run(&mut self) -> Result<()> {
        loop {
            let permit = self.limit_connections.clone().acquire_owned().await.unwrap();
            let socket = self.accept().await?;
            tokio::spawn(async move { handle(socket).await; drop(permit); });
        }
    }
}
"""


def test_a_server_that_accepts_under_permits():
    found = find_components(program_of({"src/server.rs": SERVER}))
    assert found["runtime_loop"].candidates[0].symbol == "Listener.run"
    assert found["admission_or_backpressure"].candidates[0].symbol.startswith("Listener")


def test_a_block_of_the_network_is_no_page():
    block = (
        "struct Block {\n  int layer;\n  float* _rms_att_weight;\n  void* _wq;\n  void* _wo;\n  int block_size;\n"
        "  f16_t* _key_cache;\n  f16_t* _value_cache;\n  void block(State& s, int seq, int blocks);\n};\n"
    )
    assert best({"src/model.h": block, "src/net.rs": ENGINE}, "kv_cache_block_table_or_paging") is None
