# Parts whose names and classes say something else: what a body shows stands for the thing, and of a class that does many
# things the one method is meant.
import pytest

from cutaway.facts.components import find_components
from cutaway.facts.config_surface import find_config_surface
from cutaway.facts.entrypoints import find_entrypoints
from cutaway.facts.roles import role_of
from cutaway.read.memory import program_of

README = "# Ferro\n\nServes large language models: tokens, transformer, KV cache, attention, sampling of logits.\n"
# Enough for the verdict that the program is about language models, and nothing that any component is.
ABOUT = "def facts(kv_cache, n_heads, rope): return kv_cache.len, n_heads, rope, prefill_seen, logits\n"

DEVICE = """
class Device:
    def allocate(self, shape, dtype): return Tensor(shape, dtype)

    def output_embed(self, inputs, w_token, do_sample, temperature):
        logits = F.linear(inputs, w_token)
        last_logits = logits[:, -1, :]
        if do_sample:
            probs = torch.softmax(last_logits / temperature, dim=-1)
            ids = torch.multinomial(probs, num_samples=1)
        else:
            ids = last_logits.argmax(dim=1)
        return ids

    def cache_for_batch(self, config, task):
        shape = (task.prompt_len + task.size, config.n_head, config.input_dim)
        k_cache = self.allocate(shape, float16)
        v_cache = self.allocate(shape, float16)
        return k_cache, v_cache

    def synchronise(self, stream, event, reason, deadline):
        while not stream.query() and clock.monotonic() < deadline:
            event.record(stream); self.watchers.notify(reason); self.log.debug(stream.name, reason)
        return self.report(stream, event, self.started, self.finished, self.counter, self.usage)

    def describe(self, output_file, headline, footer, columns, width, height, colour, alignment):
        lines = [headline.center(width), *self.rows(columns, alignment, colour), footer.rjust(width)]
        with output_file.reopen("a") as sink: sink.writelines(line.ljust(height) for line in lines)
"""
SHRINK = """
def compress(tensor, group_size):
    data = tensor.view(-1, group_size)
    scale = 255 / (data.max() - data.min())
    return data.mul_(scale).clamp_(0, 255).round_().to(torch.uint8), scale
"""
TIMED = """
import time

class Scheduler:
    def loop(self):
        ready = self.store.read_until(time.monotonic())
        for task in ready:
            self.store.enqueue(task)

class Store:
    def put_by(self, task): self.pending.append(task)
    def scheduled_count(self): return len(self.pending)
    def cancel(self, task): self.running.remove(task)
    def enqueue(self, task): self.queue.append(task)
"""


def found(key, tree):
    """The candidates of one component, as (file, symbol)."""
    program = program_of({"README.md": README, "ferro/words.py": ABOUT, **tree})
    return [(c.path, c.symbol) for c in find_components(program)[key].candidates]


@pytest.mark.parametrize("key", ["sampler", "logits_processing"])
def test_of_a_class_that_does_many_things_the_method_that_draws_is_meant(key):
    tree = {"ferro/device.py": DEVICE}
    assert found(key, tree)[0] == ("ferro/device.py", "Device.output_embed")
    named = DEVICE.replace("torch.multinomial(probs, num_samples=1)", "self.pick(probs)")
    named = named.replace("last_logits.argmax(dim=1)", "self.best(inputs)").replace("last_logits / temp", "(temp")
    assert found(key, {"ferro/device.py": named}) == []


def test_a_cache_is_made_where_room_for_keys_and_values_is_allocated():
    assert found("kv_cache_structure", {"ferro/device.py": DEVICE})[0][1] == "Device.cache_for_batch"


def test_numbers_scaled_into_small_integers_are_quantised():
    assert found("gemm_or_quant_backend", {"ferro/shrink.py": SHRINK}) == [("ferro/shrink.py", "compress")]
    assert found("gemm_or_quant_backend", {"ferro/shrink.py": SHRINK.replace("uint8", "float")}) == []


def test_a_scheduler_by_the_clock_needs_no_budget_and_a_store_of_schedules_is_none():
    assert found("scheduler", {"ferro/consumer.py": TIMED}) == [("ferro/consumer.py", "Scheduler")]
    idle = TIMED.replace("self.store.enqueue(task)", "self.log(task)")
    assert found("scheduler", {"ferro/consumer.py": idle}) == []


def test_the_order_of_a_data_set_is_no_seed_of_sampling():
    tree = {
        "ferro/order.py": "class DistributedSampler(Sampler):\n"
        "    def __init__(self, dataset, num_replicas, seed, drop_last):\n"
        "        self.num_replicas, self.seed, self.drop_last = num_replicas, seed, drop_last\n"
        "    def __iter__(self):\n        g = torch.Generator()\n        g.manual_seed(self.seed)\n"
        "        return iter(torch.randperm(len(self.dataset), generator=g))\n"
    }
    assert found("seeds_determinism", tree) == []


def test_a_formula_of_one_line_is_no_alias():
    tree = {
        "ferro/sizes.py": "class Sizes:\n    def cache_bytes(self, batch_size, size):\n"
        "        return 2 * batch_size * size * self.num_hidden_layers * self.kv_dim * 2\n"
    }
    assert found("kv_cache_memory_accounting", tree) == [("ferro/sizes.py", "Sizes.cache_bytes")]


def test_options_name_the_variables_that_they_are_taken_from():
    text = (
        "import click\n@click.option('--url', '-u', envvar='APP_URL', default='here')\n"
        "@click.option('--key', envvar=['APP_KEY', 'OLD_KEY'])\ndef main(url, key): ...\n"
    )
    variables = find_config_surface(program_of({"app/cli.py": text}))["env_vars"]
    assert [(v["name"], v["default"]) for v in variables] == [("APP_KEY", ""), ("APP_URL", "here"), ("OLD_KEY", "")]


def test_what_others_wrote_is_theirs_in_a_folder_of_benchmarks_too():
    assert role_of("benchmark/third_party/lib/src/lib/trainer.py") == "vendored"
    assert role_of("benchmark/own/trainer.py") == "benchmark"


def test_tensors_handed_out_by_name_are_the_loader_and_their_bytes_the_memory():
    tree = {
        "ferro/loader.py": "class Collection:\n    def __init__(self, folder):\n        self.files = glob(folder)\n"
        "    def get_tensor(self, key):\n        with safe_open(self.files[key]) as file:\n"
        "            file.seek(self.offset[key])\n            return weight_of(file.read(self.size[key]))\n",
        "ferro/cache.py": "class CacheLayer:\n    def storage_size(self):\n"
        "        return 2 * prod(self.shape) * self.dtype.itemsize * len(self.k_cache)\n",
    }
    assert found("weight_loader", tree)[0] == ("ferro/loader.py", "Collection")
    assert found("kv_cache_memory_accounting", tree) == [("ferro/cache.py", "CacheLayer.storage_size")]


def test_a_service_runs_in_the_loop_of_a_library_and_waits_until_it_can_write():
    tree = {
        "ferro/server.py": "class Server:\n    def run(self):\n        for one in self.endpoints:\n"
        "            one.listen(self.factory)\n        reactor.run()\n",
        "ferro/protocol.py": "class Protocol:\n    def pause_writing(self):\n        self._can_write.clear()\n"
        "    async def send(self, data):\n        await self._can_write.wait()\n        self.transport.write(data)\n",
    }
    assert found("runtime_loop", tree)[0] == ("ferro/server.py", "Server.run")
    assert found("admission_or_backpressure", tree)[0] == ("ferro/protocol.py", "Protocol.pause_writing")


def test_commands_that_django_finds_by_their_file():
    text = "class Command(BaseCommand):\n    def handle(self): ...\nclass Other: ...\n"
    entries = find_entrypoints(program_of({"app/management/commands/serve.py": text, "app/serve.py": text}))
    commands = [(e["path"], e["symbol"], e["name"]) for e in entries if e["kind"] == "cli"]
    assert commands == [("app/management/commands/serve.py", "Command", "serve")]
