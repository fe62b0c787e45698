# Parts of Python programs known by what they hold, return and take next: keys and values that no type holds, sizes that are
# returned, sums over a named axis, messages taken over and over; and what only looks like one of these.
from cutaway.facts.components import find_components
from cutaway.read.memory import program_of

ABOUT = {
    "README.md": "# Ferro\n\nServes large language models: tokens, transformer, KV cache, attention, sampling.\n",
    "ferro/words.py": "def facts(kv_cache, n_heads, rope): return kv_cache.len, n_heads, rope, prefill_seen, logits\n",
}


def first(key, tree, about=ABOUT):
    """(file, symbol) of the best candidate, or None."""
    candidates = find_components(program_of({**about, **tree}))[key].candidates
    return (candidates[0].path, candidates[0].symbol) if candidates else None



def test_a_pair_that_grows_and_is_given_again_holds_the_keys_and_values():
    source = '''
class Block:
    def attention(self, q, k, v, layer_past=None, use_cache=False):
        k = k.view(1, -1, self.n_kv_heads, self.head_dim)
        if layer_past is not None:
            past_key, past_value = layer_past
            k, v = cat((past_key, k)), cat((past_value, v))
        present = (k, v) if use_cache else None
        return self.attend(q, k, v), present
'''
    path = "ferro/model.py"
    assert first("kv_cache_structure", {path: source}) == (path, "Block")
    plain = source.replace("past_key, past_value = layer_past", "pass").replace("present = (k, v)", "done = (k, v)")
    assert first("kv_cache_structure", {path: plain}) is None


def test_who_makes_the_arrays_is_before_who_hands_out_their_pages():
    source = '''
class KVCacheStorage:
    def __init__(self, n_layers, n_kv_heads, head_dim, page_size, num_pages):
        self.shape = (n_kv_heads, num_pages, page_size, head_dim)
        self.layers = [Pair(k=np.ones(self.shape), v=np.ones(self.shape)) for _ in range(n_layers)]

class KVCacheManager:
    """Hands out pages of the kv cache."""
    def __init__(self, num_pages, page_size):
        self.page_size = page_size
        self.available_pages = Queue()
    def alloc_pages(self, n):
        return [self.available_pages.get() for _ in range(n)]
    def free_pages(self, pages):
        for page in pages:
            self.available_pages.put(page)
'''
    path = "ferro/kv_cache.py"
    assert first("kv_cache_structure", {path: source}) == (path, "KVCacheStorage")
    assert first("kv_cache_block_table_or_paging", {path: source}) == (path, "KVCacheManager")


def test_a_size_that_is_returned_is_before_the_cache_that_has_one():
    source = '''
class KVCache:
    def __init__(self, n_kv_heads, head_dim, max_seq_len):
        self.keys = zeros(n_kv_heads, max_seq_len, head_dim)
        self.values = zeros(n_kv_heads, max_seq_len, head_dim)
    def update(self, keys, values, at):
        self.keys[:, at] = keys
        self.values[:, at] = values
    def nbytes(self):
        if self.keys is None:
            return 0
        return self.keys.nbytes + self.values.nbytes
'''
    path = "ferro/cache.py"
    assert first("kv_cache_memory_accounting", {path: source}) == (path, "KVCache.nbytes")


def test_a_sum_over_a_named_axis_joins_parts_and_a_sum_of_gradients_does_not():
    sums = "def all_reduce(operand, axis_names):\n    'All-reduce.'\n    return lax.psum(operand, axis_name=axis_names)\n"
    path = "ferro/parallel/operations.py"
    assert first("tensor_parallel_comm", {path: sums}) == (path, "all_reduce")
    clips = '''
class Optimizer:
    def clip_grads(self, grads, process_group, world_size):
        total = sum(g.norm() for g in grads)
        dist.all_reduce(total, group=process_group)
        return [g * self.max_grad_norm / total for g in grads]
'''
    assert first("tensor_parallel_comm", {"ferro/parallel/optim.py": clips}) is None


def test_the_past_that_is_joined_by_its_places_holds_the_keys_and_values_too():
    source = '''
def attend(query, key, value, n_heads, n_kv_heads, past_key_value=None):
    if past_key_value is not None:
        if len(past_key_value) != 0:
            key = torch.cat([past_key_value[0], key], dim=1)
            value = torch.cat([past_key_value[1], value], dim=1)
        past_key_value = (key, value)
    return scores(query, key, value, n_heads, n_kv_heads), past_key_value
'''
    path = "ferro/attention.py"
    assert first("kv_cache_structure", {path: source}) == (path, "attend")


def test_who_takes_the_next_message_over_and_over_runs_the_server_and_who_asks_another_does_not():
    source = '''
class RequestHandler:
    async def start(self):
        while not self.closed:
            if not self.messages:
                await self.waiter
            message = self.messages.popleft()
            try:
                await self.handle(message)
            except HTTPBadRequest:
                self.close()
'''
    path = "web/protocol.py"
    assert first("runtime_loop", {path: source}, about={}) == (path, "RequestHandler.start")
    asks = source.replace("await self.handle(message)", "await self.session.post(message)")
    assert first("runtime_loop", {path: asks}, about={}) is None


def test_settings_are_declared_where_they_are_kept_and_not_where_another_engine_is_told_them():
    told = '''
class Worker:
    async def stream(self, params):
        temperature, top_p, top_k = params["temperature"], params["top_p"], params["top_k"]
        sampling_params = SamplingParams(temperature=temperature, top_p=top_p, top_k=top_k, max_tokens=1, seed=0)
        return await self.engine.add(sampling_params, self.presence_penalty)
'''
    kept = "class GenerateParams(Struct):\n    temperature: float = 1.0\n    top_p: float = 1.0\n    max_tokens: int = 9\n"
    tree = {"ferro/worker.py": told, "ferro/protocol.py": kept}
    assert first("sampling_params", tree) == ("ferro/protocol.py", "GenerateParams")
    assert first("sampling_params", {"ferro/worker.py": told}) is not None


def test_what_writes_checkpoints_when_it_is_told_loads_none():
    saves = '''
class ModelCheckpointer(Callback):
    """Saves a checkpoint of the weights."""
    def batch_end(self, state, path):
        weights = self.gather(state.model.state_dict())
        self.model.save_pretrained(path, weights)
'''
    assert first("weight_loader", {"ferro/checkpoint.py": saves}) is None


def test_the_best_experts_are_no_tokens():
    source = '''
class LearnedRouter:
    def _top_k(self, scores):
        """The top-k scores."""
        if self.moe_top_k == 1:
            return scores.softmax(dim=-1).max(dim=-1, keepdim=True)
        return torch.topk(scores, self.moe_top_k, dim=-1)
'''
    assert first("logits_processing", {"ferro/dmoe.py": source}) is None


def test_a_parser_of_messages_reads_no_settings():
    source = '''
class ResponseParser(HttpParser[RawResponse]):
    def __init__(self, timeout, max_field_size, host, args):
        self.timeout, self.max_field_size, self.host = timeout, max_field_size, host
        self.parser = args
    def parse_message(self, lines):
        return self.parser.parse_headers(lines)
'''
    assert first("config_parser", {"web/http_parser.py": source}, about={}) is None
