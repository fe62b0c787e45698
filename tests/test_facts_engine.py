# The details of an engine, on one small enough to be read here.
from cutaway.facts.engine import find_engine
from cutaway.read.memory import program_of

ENGINE = """\
import torch

class Scheduler:
    def schedule(self):
        budget = self.max_num_batched_tokens
        while self.waiting:
            seq = self.waiting[0]
            if not self.blocks.can_allocate(seq):
                break
            if seq.num_tokens > budget:
                break
        while not self.blocks.can_append(seq):
            self.preempt(self.running.pop())
        return seq

    def postprocess(self, seq, token):
        if token == self.eos or seq.num_completion_tokens == seq.max_tokens:
            seq.finish()

class Runner:
    def allocate(self, config):
        block_bytes = 2 * config.layers * config.block_size * config.heads * config.head_dim * 2
        config.num_blocks = int(free * config.gpu_memory_utilization) // block_bytes
        self.kv_cache = torch.empty(2, config.layers, config.num_blocks, config.block_size)

    def capture_cudagraph(self):
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.run()
        graph.replay()
"""
PLACES = {"scheduler": [("e.py", "Scheduler.schedule")], "kv_cache_structure": [("e.py", "Runner.allocate")]}


def test_conditions_of_a_scheduler():
    found = find_engine(program_of({"e.py": ENGINE}), PLACES)["scheduling"]
    lines = {aspect: [c["line"] for c in rows] for aspect, rows in found.items() if rows}
    assert lines == {"admission": [8, 12], "budget": [10]}


def test_stop_conditions():
    found = find_engine(program_of({"e.py": ENGINE}), PLACES)["stopping"]
    assert [(c["line"], c["symbol"]) for c in found["end of sequence"]] == [(17, "Scheduler.postprocess")]


def test_the_layout_of_the_cache_as_the_code_says_it():
    layout = find_engine(program_of({"e.py": ENGINE}), PLACES)["kv_layout"]
    assert [(r["line"], r["expression"].split("(")[0]) for r in layout["allocation"]] == [(24, "torch.empty")]
    assert [(r["name"], r["line"]) for r in layout["bytes_per_block"]] == [("block_bytes", 22)]
    assert [(r["name"], r["line"]) for r in layout["number_of_blocks"]] == [("config.num_blocks", 23)]


def test_features_are_shown_by_several_lines_or_absent():
    features = find_engine(program_of({"e.py": ENGINE}), {})["features"]
    assert {row["line"] for row in features["graph_capture"]} == {26, 27, 28, 30}
    assert features["lora"] == features["speculative_decoding"] == []
