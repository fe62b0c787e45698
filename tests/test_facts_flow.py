# Parts that are known by where things go, whatever they are called: free places counted and filled, what finds none put back,
# prompts consumed step by step, channels drained into one batch, loops that lead into the program and loops that lead nowhere.
from cutaway.facts.components import find_components
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
