# Wholes and their parts: settings that keep other settings, a base that models share, a loop that hands on what a channel
# gives; and caches by what they do to themselves.
from cutaway.facts.components import find_components
from cutaway.facts.roles import role_of
from cutaway.read.memory import program_of

README = "# Ferro\n\nServes large language models: tokens, transformer, KV cache, attention, sampling of logits.\n"

CACHE = """
pub struct StepCache<B> { cache: Tensor<B, 4>, max_seq_len: usize, cur_seq_len: usize }

impl<B> StepCache<B> {
    pub fn new(batch: usize, num_heads: usize, max_seq_len: usize, d_model: usize) -> Self {
        Self { cache: Tensor::empty([batch, num_heads, max_seq_len, d_model]), max_seq_len, cur_seq_len: 0 }
    }

    pub fn forward(&mut self, tensor: Tensor<B, 4>) -> Tensor<B, 4> {
        let [batch, heads, seq_len, d] = tensor.dims();
        let mut end = self.cur_seq_len + seq_len;
        if self.cur_seq_len + seq_len > self.max_seq_len {
            self.cur_seq_len = self.max_seq_len - seq_len;
            let rest = self.cache.clone().slice([0..batch, 0..heads, seq_len..self.max_seq_len, 0..d]);
            self.cache = self.cache.clone().slice_assign([0..batch, 0..heads, 0..self.cur_seq_len, 0..d], rest);
            end = self.max_seq_len;
        }
        self.cache = self.cache.clone().slice_assign([0..batch, 0..heads, self.cur_seq_len..end, 0..d], tensor);
        self.cache.clone().slice([0..batch, 0..heads, 0..end, 0..d])
    }
}

pub struct KeyValueCache<B> { key: StepCache<B>, value: StepCache<B> }
"""

ABOUT = "pub struct Net { logits: Vec<f32>, n_heads: usize, rope_theta: f32, tokenizer: Tokenizer, top_k: usize }\n"


def found(key, files):
    tree = {"README.md": README, "src/net.rs": ABOUT, **files}
    return [c.symbol for c in find_components(program_of(tree))[key].candidates]


def test_a_cache_of_one_tensor_writes_into_itself_and_pushes_out_the_oldest():
    files = {"src/cache.rs": CACHE}
    assert found("kv_cache_update", files)[0] == "StepCache.forward"
    assert found("kv_cache_eviction_or_prefix_reuse", files)[0] in ("StepCache.forward", "StepCache")
    assert found("kv_cache_memory_accounting", files)[0] == "StepCache.new"


def test_answers_that_age_are_no_cache_of_keys_and_values():
    body = """
    keys: HashMap<CacheKey, Answer>,
    values: Vec<Answer>,
    capacity: usize,
    size: usize,{ttl}
}

impl AnswerCache {
    pub fn get(&self, key: &CacheKey) -> Option<String> { self.keys.get(key).filter(|a| self.fresh(a)) }
    pub fn put(&mut self, key: CacheKey, answer: String) { self.keys.insert(key, answer); self.values.push(answer); }
    fn fresh(&self, a: &Answer) -> bool { a.age() < self.{limit} }
}
"""
    named = "pub struct AnswerCache {" + body
    ages = {"src/cache/answers.rs": named.replace("{ttl}", "\n    ttl: Duration,").replace("{limit}", "ttl")}
    plain = {"src/cache/answers.rs": named.replace("{ttl}", "").replace("{limit}", "capacity")}
    assert found("kv_cache_structure", plain) == ["AnswerCache"]
    assert found("kv_cache_structure", ages) == []


LOOPS = """package hub

func (r *Retrier) exec(ctx context.Context, step func() error) error {
	for {
		if err := step(ctx); err == nil {
			return nil
		}
		r.Step(time.Second)
	}
}

func (h *Hub) run(it Iterator) {
	items := it.Next()
	for {
		select {
		case item, ok := <-items:
			if !ok {
				return
			}
			h.processResult(item)
		case <-h.ctx.Done():
			return
		}
	}
}
"""


def test_the_loop_that_hands_on_what_a_channel_gives_leads_one_that_tries_again():
    assert found("runtime_loop", {"hub/hub.go": LOOPS})[0] == "Hub.run"


PERMIT = """package api

// guard keeps requests out when their number is at its limit: concurrency is what it counts.
func (a *API) guard(h http.Handler) http.Handler {
	limit := a.limits.maxConcurrency
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		select {
		case a.inFlight <- struct{}{}:
			defer func() { <-a.inFlight }()
		default:
			http.Error(w, fmt.Sprint("limit reached", limit), http.StatusServiceUnavailable)
			return
		}
		h.ServeHTTP(w, req)
	})
}
"""


def test_whoever_turns_a_request_away_when_no_permit_is_left_admits():
    assert found("admission_or_backpressure", {"api/api.go": PERMIT})[:1] == ["API.guard"]
    always = PERMIT.replace("case a.inFlight <- struct{}{}:", "case <-req.Context().Done():")
    assert found("admission_or_backpressure", {"api/api.go": always}) == []


SETTINGS = """package config

type Config struct {
	Global    *GlobalSettings `yaml:"global,omitempty"`
	Route     *Route          `yaml:"route,omitempty"`
	Receivers []Receiver      `yaml:"receivers,omitempty"`
	Templates []string        `yaml:"templates"`
}

type Receiver struct {
	Name string
	Mail *MailConfig
	Chat *ChatConfig
}
"""
PART = """
// {name} is the config of one receiver.
type {name}Config struct {{
	Host    string        `yaml:"host"`
	Port    int           `yaml:"port"`
	Timeout time.Duration `yaml:"timeout"`
	Workers int           `yaml:"workers"`
}}

func (c *{name}Config) UnmarshalYAML(unmarshal func(any) error) error {{ return yaml.Unmarshal(c) }}
"""


def test_settings_that_keep_what_keeps_settings_are_the_whole():
    parts = "package config\n" + PART.format(name="Mail") + PART.format(name="Chat")
    files = {"config/config.go": SETTINGS, "config/notifiers.go": parts}
    assert found("config_parser", files)[0] == "Config"


BASE = """
class CommonDecoder {
public:
    Tensor forward(Ids ids) {
        Tensor x = embedding.forward(ids);
        for (int i = 0; i < layers.size(); i++) { x = layers[i].forward(x, attention); }
        return lm_head.forward(norm.forward(x));
    }
    Embedding embedding; std::vector<Layer> layers; Norm norm; Linear lm_head; Attention attention;
};
"""
HEIR = """
class {name}LLM : public CommonDecoder {{
public:
    Tensor forward(Ids ids) {{ for (auto &l : layers) {{ embed_tokens(ids); attention(l); norm(l); }} return lm_head(ids); }}
    Embedding embed_tokens; Layers layers; Norm norm; Linear lm_head; Attention attention;
}};
"""


def test_a_base_that_many_models_derive_from_stands_before_them():
    names = ("Llama", "Qwen", "Mistral")
    files = {"models/common_decoder.h": BASE, **{f"models/{n.lower()}.h": HEIR.format(name=n) for n in names}}
    assert found("model_definition", files)[0] == "CommonDecoder"
    alone = {k: v.replace(": public CommonDecoder ", "") for k, v in files.items()}
    assert found("model_definition", alone)[0] != "CommonDecoder"


KNOBS = """
use clap::Parser;

#[derive(Parser, Debug)]
pub struct Config {
    #[arg(long, default_value_t = 0.9)]
    top_p: f64,
    #[arg(long, default_value_t = 40)]
    top_k: usize,
    #[arg(long, default_value_t = 0.6)]
    temperature: f64,
    #[arg(long, default_value_t = 65)]
    max_tokens: usize,
    #[arg(long, default_value_t = 42)]
    seed: u64,
}
"""


def test_what_a_library_leaves_to_its_examples_is_found_there():
    assert found("sampling_params", {"examples/chat.rs": KNOBS}) == ["Config"]
    assert found("sampling_params", {}) == []


def test_cargo_makes_programs_of_examples_and_of_bin_whatever_their_names():
    assert role_of("crate/examples/test_tiny.rs") == "example"
    assert role_of("src/bin/test_weights.rs") == "tool"
    assert role_of("tests/test_weights.rs") == "test"
    assert role_of("examples/test_tiny.py") == "test"


def test_whether_a_kernel_can_run_admits_no_request():
    files = {
        "src/sched.cpp": """
bool Sched::CanRun(Request &req, int limit) { return pending.size() < limit && free_blocks > 0; }
bool CanRunLinear(Tensor &x, int limit) { return pending.size() < limit && free_blocks > 0; }
"""
    }
    assert found("admission_or_backpressure", files)[0] == "Sched.CanRun"


def test_who_is_told_the_settings_is_none_of_them():
    settings = """
class CacheConfig:
    block_size: int = 16

class EngineArgs:
    model: str = "m"
    max_model_len: int = 4096
    dtype: str = "auto"

    @staticmethod
    def add_cli_args(parser):
        parser.add_argument("--model", default="m")
        parser.add_argument("--max-model-len", type=int)
        parser.add_argument("--dtype", default="auto")
        return parser

    @classmethod
    def from_cli_args(cls, args):
        return cls(model=args.model, max_model_len=args.max_model_len, dtype=args.dtype)

class AsyncEngineArgs(EngineArgs):
    enable_log_requests: bool = False

    @staticmethod
    def add_cli_args(parser):
        parser.add_argument("--enable-log-requests", default=False)
        return EngineArgs.add_cli_args(parser)
"""
    engine = """
from serve.settings import AsyncEngineArgs, CacheConfig

class AsyncServer:
    def __init__(self, cache_config: CacheConfig, config, model: str, dtype: str, max_model_len: int):
        self.cache_config, self.config = cache_config, config
        self.model, self.dtype, self.max_model_len = model, dtype, max_model_len

    @classmethod
    def from_engine_args(cls, args: AsyncEngineArgs):
        return cls(CacheConfig(), args, args.model, args.dtype, args.max_model_len)

    @classmethod
    def from_config(cls, config_file, **kwargs):
        return cls.from_engine_args(AsyncEngineArgs.from_cli_args(yaml.safe_load(open(config_file))))

    @classmethod
    def from_cli_args(cls, parser: ArgumentParser):
        parser.add_argument("--host", default="localhost")
        parser.add_argument("--port", type=int, default=8000)
        args = AsyncEngineArgs.add_cli_args(parser).parse_args()
        return cls.from_engine_args(AsyncEngineArgs.from_cli_args(args))
"""
    files = {"serve/settings.py": settings, "serve/server.py": engine}
    assert found("config_parser", files)[0].startswith(("EngineArgs", "AsyncEngineArgs"))
