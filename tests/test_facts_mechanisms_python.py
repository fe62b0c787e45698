# Parts of Python programs known by what their code does: kernels that keys and the cache are handed to, requests taken
# from those that run, tasks that are due, buckets of tokens, plans of split layers, long lists of flags.
from cutaway.facts.components import find_components
from cutaway.read.memory import program_of

README = (
    "# Ferro\n\nServes large language models: tokens, transformer, KV cache, attention, sampling of logits.\n"
)
ABOUT = {
    "ferro/words.py": "def facts(kv_cache, n_heads, rope): return kv_cache.len, n_heads, rope, prefill_seen, logits\n"
}


def first(key, tree, about=ABOUT):
    """(file, symbol) of the best candidate, or None."""
    readme = {"README.md": README} if about else {}
    candidates = find_components(program_of({**readme, **about, **tree}))[key].candidates
    return (candidates[0].path, candidates[0].symbol) if candidates else None


def test_a_running_request_that_is_put_among_the_swapped_was_preempted():
    source = '''
class Scheduler:
    def get_next_batch(self):
        """Admits what waits, or swaps out what runs."""
        if self.waiting_q and self.used < self.limit:
            return self.waiting_q.popleft()
        while self.used > self.limit:
            self.moved.append(self.running_q.pop())
        self.swapped_q.extendleft(self.moved)
        return self.running_q
'''
    path = "ferro/scheduler.py"
    assert first("preemption", {path: source}) == (path, "Scheduler.get_next_batch")
    assert first("preemption", {path: source.replace("swapped_q", "finished_q")}) is None


def test_what_hands_keys_and_the_cache_to_a_kernel_writes_the_cache_and_attention_does_not():
    source = '''
def store_kvcache(k, v, k_cache, v_cache, table):
    grid = (len(table),)
    _kernel[grid](k_cache, v_cache, k, v, table)

@triton.jit
def _attention_kernel(q, k_cache, v_cache, positions, out):
    scores = tl.exp(tl.dot(q, tl.load(k_cache + positions)))
    tl.store(out, scores * tl.load(v_cache + positions))
'''
    assert first("kv_cache_update", {"ferro/kernels.py": source}) == ("ferro/kernels.py", "store_kvcache")


def test_blocks_that_change_places_with_those_of_the_host_are_evicted():
    source = '''
class Model:
    def _swap(self, seq_ids, is_swap_in):
        blocks = self.cpu_block_manager.take(seq_ids)
        native.swap_blocks(blocks, self.k_cache, self.k_swap, block_ids=blocks)
'''
    found = first("kv_cache_eviction_or_prefix_reuse", {"ferro/kv_cache.py": source})
    assert found == ("ferro/kv_cache.py", "Model._swap")
    other = source.replace("swap_blocks", "count").replace("k_swap", "k").replace("cpu_", "").replace("is_swap_in", "x")
    assert first("kv_cache_eviction_or_prefix_reuse", {"ferro/kv_cache.py": other}) is None


def test_a_heap_of_what_is_due_is_a_scheduler():
    source = '''
class Scheduler:
    def tick(self):
        event = heapq.heappop(self.schedule_queue)
        if event.entry.is_due():
            self.send(event.entry.task)

    def add(self, task):
        heapq.heappush(self.schedule_queue, task)
'''
    assert first("scheduler", {"jobs/beat.py": source}, {}) == ("jobs/beat.py", "Scheduler")
    assert first("scheduler", {"jobs/beat.py": source.replace("is_due", "is_odd")}, {}) is None


def test_tasks_faster_than_their_bucket_fills_are_held():
    source = '''
class Consumer:
    def _limit_task(self, request, bucket, tokens):
        if not bucket.can_consume(tokens):
            self.later(bucket.expected_time(tokens), request)
'''
    place = first("admission_or_backpressure", {"jobs/consumer.py": source}, {})
    assert place == ("jobs/consumer.py", "Consumer._limit_task")
    free = source.replace("bucket", "pot").replace("can_consume", "odd").replace("expected_time", "even")
    assert first("admission_or_backpressure", {"jobs/consumer.py": free}, {}) is None


def test_a_plan_of_how_each_layer_is_split_is_tensor_parallel():
    source = '''
def tp_plan(model):
    """Tensor parallel plan of the layers."""
    return {"wq": ColwiseParallel(), "wo": RowwiseParallel()}
'''
    assert first("tensor_parallel_comm", {"ferro/parallel.py": source}) == ("ferro/parallel.py", "tp_plan")
    whole = source.replace("ColwiseParallel", "Whole").replace("RowwiseParallel", "Whole")
    assert first("tensor_parallel_comm", {"ferro/parallel.py": whole}) is None


def test_where_many_flags_are_added_settings_are_read():
    flags = "".join(f"    parser.add_argument('--{n}')\n" for n in ("port", "host", "tp", "dtype", "mode", "a", "b", "c"))
    source = f"def main():\n    parser = argparse.ArgumentParser()\n{flags}    serve(parser.parse_args())\n"
    shapes = '''
class ModelConfig:
    n_layers = 4
    n_heads = 4
    def load(self): ...
'''
    tree = {"ferro/api_server.py": source, "ferro/sim/model_config.py": shapes}
    assert first("config_parser", tree) == ("ferro/api_server.py", "main")


def test_a_loop_that_drives_a_loop_of_events():
    source = '''
def asynloop(consumer, hub, on_task_received):
    consumer.on_message = on_task_received
    loop = hub.create_loop()
    while consumer.connection:
        try:
            next(loop)
        except StopIteration:
            loop = hub.create_loop()
'''
    idle = source.replace("next(loop)", "pause()").replace("asynloop", "workloop")
    assert first("runtime_loop", {"jobs/loops.py": idle + source}, {}) == ("jobs/loops.py", "asynloop")


def test_a_prompt_that_is_run_batch_by_batch_is_cut_into_chunks():
    source = '''
class Llama:
    def eval(self, tokens):
        for i in range(0, len(tokens), self.n_batch):
            batch = tokens[i : min(len(tokens), i + self.n_batch)]
            self.batch.set_batch(batch, n_past=self.n_tokens)
            self.ctx.decode(self.batch)
'''
    assert first("batching_or_chunked_prefill", {"ferro/batch.py": source}) == ("ferro/batch.py", "Llama.eval")
    whole = source.replace("range(0, len(tokens), self.n_batch)", "(0,)")
    assert first("batching_or_chunked_prefill", {"ferro/batch.py": whole}) is None


def test_who_only_asks_whether_a_request_fits_is_not_who_forms_the_batch():
    source = '''
class Scheduler:
    def draft_allowed(self, batch, requests):
        return self.num_tokens + batch.num_tokens <= self.max_batch_tokens
    def build_batch(self, requests):
        for request in self.waiting:
            if self.num_tokens + request.num_tokens <= self.max_batch_tokens:
                self.batch.append(request)
'''
    found = first("batching_or_chunked_prefill", {"ferro/scheduler.py": source})
    assert found == ("ferro/scheduler.py", "Scheduler.build_batch")


def test_an_application_that_is_handed_to_a_server_runs_there():
    source = "def main():\n    app = make(parse_args())\n    uvicorn.run(app, port=80)\n"
    assert first("runtime_loop", {"jobs/app.py": source}, {}) == ("jobs/app.py", "main")
    assert first("runtime_loop", {"jobs/app.py": source.replace("uvicorn.run", "describe")}, {}) is None


def test_prompts_hashed_chunk_by_chunk_in_a_tree_find_shared_prefixes():
    source = '''
class HashTrie:
    def hashes(self, request):
        for i in range(0, len(request), self.chunk_size):
            yield xxhash.xxh64(request[i : i + self.chunk_size]).intdigest()

    def longest_prefix_match(self, request):
        node = self.root
        for value in self.hashes(request):
            node = node.children.get(value) or node
        return node
'''
    found = first("kv_cache_eviction_or_prefix_reuse", {"ferro/trie.py": source})
    assert found == ("ferro/trie.py", "HashTrie")
    words = source.replace("request[i : i + self.chunk_size]", "request[i]")
    assert first("kv_cache_eviction_or_prefix_reuse", {"ferro/trie.py": words}) is None


def test_what_sampling_is_told_draws_nothing_and_what_holds_an_engine_is_no_model():
    source = '''
class SamplingParams:
    """Parameters of sampling the next token from logits."""
    def top_k_only(self): return self.top_k and self.logits and self.temperature
'''
    assert first("sampler", {"ferro/request.py": source}) is None
    front = '''
class AsyncLLM:
    """A language model: a transformer with its decoder."""
    def __init__(self, config):
        self.engine = Engine(config.num_layers, config.head, config.layers, config.attention, config.embed)
    def generate(self, tokens): return self.engine.generate(tokens)
'''
    assert first("model_definition", {"ferro/llm.py": front}) is None
