# Parts that are known by where things go, whatever they are called: free places counted and filled, what finds none put back,
# prompts consumed step by step, channels drained into one batch, loops that lead into the program and loops that lead nowhere.
from cutaway.facts.components import find_components
from cutaway.facts.config_surface import find_config_surface
from cutaway.facts.roles import role_of
from cutaway.read.memory import program_of

README = "# Ferro\n\nServes large language models.\n"
MODEL = """
int size(int n_heads, int rope_theta, float *logits, int *input_ids, int top_k) {
    return n_heads + rope_theta + top_k + logits[0] + input_ids[0];
}
"""

PRODUCER = """
package jobs

type producer struct {
	queueName  string
	activeJobs map[int64]*executor
	results    chan *Job
	maxJobs    int
}

func (p *producer) free() int {
	return p.maxJobs - len(p.activeJobs)
}

func (p *producer) fetchAndRunLoop(ctx context.Context) {
	for {
		select {
		case job := <-p.results:
			p.removeActiveJob(job)
		case <-p.wake:
			p.innerFetch(ctx)
		}
	}
}

func (p *producer) innerFetch(ctx context.Context) {
	limit := p.free()
	if limit <= 0 {
		return
	}
	jobs := p.store.fetch(ctx, p.queueName, limit)
	for _, job := range jobs {
		p.addActiveJob(job)
	}
}

func (p *producer) addActiveJob(job *Job) {
	p.activeJobs[job.ID] = newExecutor(job)
	go p.run(job)
}

func (p *producer) removeActiveJob(job *Job) { delete(p.activeJobs, job.ID); p.done(job) }
func (p *producer) run(job *Job)             { p.work(job); p.report(job) }
func (p *producer) work(job *Job)            { perform(job) }
func (p *producer) report(job *Job)          { send(job) }
func (p *producer) done(job *Job)            { forget(job) }
func newExecutor(job *Job) *executor         { return makeExecutor(job) }
func makeExecutor(job *Job) *executor        { return &executor{job} }
func perform(job *Job)                       { call(job) }
func send(job *Job)                          { call(job) }
func forget(job *Job)                        { call(job) }
func call(job *Job)                          { job.Handle() }
"""

TICKER = """
package ticks

func (t *Ticker) runLoop(ctx context.Context, run func()) {
	for {
		select {
		case tick := <-t.inner:
			t.C <- tick
		case <-ctx.Done():
			return
		}
	}
}
"""


def found(files, key, readme=README):
    model = {"src/size.cpp": MODEL} if readme is README else {}
    return find_components(program_of({"README.md": readme, **model, **files}))[key].candidates


def best(files, key, readme=README):
    candidates = found(files, key, readme)
    return candidates[0].symbol if candidates else None


def test_free_places_that_a_helper_counts_are_where_jobs_are_let_in():
    files = {"producer.go": PRODUCER}
    readme = "# Jobs\n\nA queue of jobs in a database.\n"
    (first, *_) = found(files, "admission_or_backpressure", readme)
    assert first.symbol == "producer.innerFetch"
    helper = PRODUCER.splitlines().index("\treturn p.maxJobs - len(p.activeJobs)") + 1
    assert any(e.text.startswith("its free does") and e.line == helper for e in first.evidence)
    without = PRODUCER.replace("p.maxJobs - len(p.activeJobs)", "p.maxJobs")
    assert best({"producer.go": without}, "admission_or_backpressure", readme) != "producer.innerFetch"


def test_a_type_that_takes_as_many_as_it_has_places_for_schedules():
    readme = "# Jobs\n\nA queue of jobs in a database.\n"
    assert best({"producer.go": PRODUCER}, "scheduler", readme) == "producer"


def test_a_loop_that_leads_nowhere_steps_back_behind_one_that_leads_into_the_program():
    files = {"producer.go": PRODUCER, "ticks/ticks.go": TICKER}
    assert best(files, "runtime_loop", "# Jobs\n\nA queue of jobs.\n") == "producer.fetchAndRunLoop"


ENQUEUE = """
async fn enqueue(runtime: Runtime, receiver: Receiver<Request>) {
    let mut queue = Vec::new();
    while let Ok(request) = receiver.recv_async().await {
        queue.push(request);
        loop {
            let mut temp = Vec::new();
            for request in queue.drain(..) {
                match runtime.offer(request).await {
                    Offer::No(request) => temp.push(request),
                    Offer::Yes(batch) => log::info!("{batch}"),
                }
            }
            std::mem::swap(&mut queue, &mut temp);
            if queue.is_empty() { break; }
        }
    }
}
"""


def test_what_finds_no_place_and_waits_again_was_held_back():
    assert best({"src/run.rs": ENQUEUE}, "admission_or_backpressure") == "enqueue"
    lost = ENQUEUE.replace("std::mem::swap(&mut queue, &mut temp);", "")
    assert best({"src/run.rs": lost}, "admission_or_backpressure") is None


DRAINED = """
async fn infer(model: Model, receiver: Receiver<Work>, max_batch: usize) {
    let mut batches = HashMap::new();
    while let Ok(batch) = receiver.recv_async().await {
        schedule(&mut batches, batch).await;
        for batch in receiver.drain() {
            schedule(&mut batches, batch).await;
        }
        let places = vec![None; model.max_batch_size];
        let output = model.run(Input::new(batches, places, model.token_chunk_size)).await;
        send(output);
    }
}
"""


def test_all_that_waits_on_a_channel_becomes_one_batch():
    assert best({"src/run.rs": DRAINED}, "batching_or_chunked_prefill") == "infer"
    single = DRAINED.replace("for batch in receiver.drain()", "if let Some(batch) = spare")
    assert best({"src/run.rs": single}, "batching_or_chunked_prefill") is None


STEPS = """
static void inference(Context *context) {
    unsigned pos = 0;
    for (;;) {
        long remainingTokens = nInputTokens - 1 - (long)pos;
        if (remainingTokens <= 0)
            break;
        unsigned batchSize = remainingTokens < context->nBatches
            ? remainingTokens
            : context->nBatches;
        context->setBatchSize(batchSize);
        context->forward();
        pos += batchSize;
    }
}
"""

LEFT = """
bool Base::next_token(const std::vector<int> &input_ids, const Config &config)
{
    int batch = batch_size > 1 ? batch_size : 1;
    const int *p = input_ids.data();
    int remain = (int)input_ids.size();
    int num_tokens = remain;
    for (; (remain > batch) && !aborted; p += batch, remain -= batch, past += batch)
    {
        if (!run_model(p, batch, config, past))
            return false;
    }
    return run_model(p, remain, config, past);
}
"""


def test_a_prompt_that_is_consumed_step_by_step_is_chunked():
    for source, name in ((STEPS, "inference"), (LEFT, "Base.next_token")):
        assert best({"src/run.cpp": source}, "batching_or_chunked_prefill") == name
    assert best({"src/run.cpp": STEPS.replace("pos += batchSize", "pos += 1")}, "batching_or_chunked_prefill") is None


ARGS = """
struct Args : ArgsBase<Args> {{
  Args(int argc, char* argv[]) {{ InitAndParse(argc, argv); }}
  int max_seq_len = 4096;
}};
"""


def test_what_settings_derive_from_is_no_part_of_them():
    shared = "template <class Visitor> struct ArgsBase { int argc; char** argv; void Init(Visitor &v); int port = 1; };\n"
    own = ARGS.format().replace("Args ", "JsonArgs ", 1).replace("Args(int", "JsonArgs(int").replace("<Args>", "<JsonArgs>")
    files = {"src/args.h": shared + ARGS.format(), "src/zz.h": own}
    notes = [e.text for c in found(files, "config_parser") for e in c.evidence]
    assert notes
    assert not any(text.startswith("it keeps ArgsBase") for text in notes)


def test_a_derived_command_line_is_settings_and_a_class_of_parsers_is_none():
    command = "#[derive(Parser, Debug)]\npub struct Cli {\n    #[arg(long)]\n    port: u16,\n    host: String,\n}\n"
    assert best({"src/main.rs": command}, "config_parser") == "Cli"
    parser = command.replace("#[derive(Parser, Debug)]\n", "").replace("Cli", "Jumbo: Parser")
    assert best({"src/main.rs": parser}, "config_parser") is None


def test_a_script_that_builds_is_a_tool():
    assert role_of("build.py") == "tool"
    assert role_of("engine/builder.py") == "code"


CONFIG_FILE = """
/// Configuration of a model.
pub struct {name}Config {{
    pub n_layers: usize,
    pub hidden_size: usize,
    pub max_seq_len: usize,
}}

impl {name}Config {{
    pub fn load(path: &str) -> Self {{ decode(path) }}
}}
"""

MODEL_FILE = """
pub struct {name}Model {{ embed_tokens: Embedding, layers: Vec<Block>, norm: RmsNorm, lm_head: Linear }}

impl {name}Model {{
    pub fn forward(&self, input_ids: &Tensor) -> Tensor {{
        for layer in self.layers {{ attn(layer) }}
        self.lm_head.forward(self.norm)
    }}
}}
"""


def test_what_one_of_many_models_has_of_its_own_steps_back_behind_what_they_share():
    names = ("Alpha", "Bravo", "Carla", "Delta", "Echo", "Foxtrot")
    whole = CONFIG_FILE + MODEL_FILE
    models = {f"src/nets/{n.lower()}/config.rs": whole.format(name=n) for n in names}
    shared = CONFIG_FILE.partition("impl")[0].format(name="Common")
    files = {"src/config.rs": shared}
    assert best({**models, **files}, "config_parser") == "CommonConfig"
    few = dict(list(models.items())[:2])
    assert best({**few, **files}, "config_parser") != "CommonConfig"


def test_options_that_libraries_of_c_and_rust_are_told():
    chained = """
int main(int argc, char* argv[]) {
    options.add_options()
    ("n,num_prompts", "how many", cxxopts::value<size_t>()->default_value("1000"))
    ("help,h", "prints this")("dry-run", "does nothing");
    app.add_option("-p,--port", port, "where it listens");
    program.add_argument("-v", "--verbose").help("says more");
    shelf.add_option("plain", 3);
}
"""
    marked = """
#[derive(FromArgs)]
pub struct Serve {
    #[argh(option, short = 'b')]
    pub uri: Vec<String>,
    #[argh(switch, short = 'g')]
    pub no_gui: bool,
}
"""
    flags = find_config_surface(program_of({"src/main.cpp": chained, "src/main.rs": marked}))["cli_flags"]
    assert {f["name"]: (f["line"], f["help"]) for f in flags if f["path"].endswith(".cpp")} == {
        "--num_prompts": (4, "how many"), "--help": (5, "prints this"), "--dry-run": (5, "does nothing"),
        "--port": (6, "where it listens"), "--verbose": (7, ""),
    }  # fmt: skip
    assert {f["name"] for f in flags if f["path"].endswith(".rs")} == {"--uri", "--no-gui"}


TOLD = """
bool params_parse(int argc, char **argv, Params &params) {
    for (int i = 1; i < argc; i++) {
        std::string arg = argv[i];
""" + "".join(
    f"""        if (arg == "--{name}") {{
            params.{name} = std::stoi(argv[++i]);
        }}
""" for name in ("seed", "threads", "ctx", "keep", "top", "beams", "batch", "port")
) + "    }\n    return true;\n}\n"


def test_who_compares_arguments_with_many_names_is_told_the_settings():
    (first, *_) = found({"src/a.cpp": TOLD}, "config_parser")
    assert first.symbol == "params_parse"
    assert any("--seed" in e.text for e in first.evidence)


def test_a_model_that_is_made_from_a_path_is_loaded():
    loads = """
async fn get_or_init_model(model: &Slot, path: impl AsRef<Path>) -> Result<Guard> {
    let path = path.as_ref().to_path_buf();
    let args = Params::default();
    info!("Loading {} into memory", path);
    LlamaModel::load_from_file_async(path, args).await.map_err(Error::Load)
}
"""
    assert best({"src/llm.rs": loads}, "weight_loader") == "get_or_init_model"
    resumes = loads.replace("LlamaModel::load_from_file_async(path", "Session::resume(id")
    assert best({"src/llm.rs": resumes}, "weight_loader") is None
