"""The path of a request: which of several calls an engine's reader wants to see."""

from cutaway.facts.spine import _decided, call_nesting
from cutaway.read.memory import program_of

ENGINE = """
class Engine:
    def __init__(self):
        self.attention = Attention()

    def generate(self, ids):
        while True:
            self.attention.forward(ids, KVCache())

class KVCache: pass

class Attention:
    def forward(self, x, kv_cache=None):
        if kv_cache is None:
            return flash_attn_func(x)
        return flash_attn_with_kvcache(x, kv_cache)

def flash_attn_func(x): pass
def flash_attn_with_kvcache(x, kv_cache): pass

def main():
    Engine().generate([1])
"""


def test_of_two_kernels_the_one_that_reads_the_cache_is_on_the_path():
    components = {
        "runtime_loop": [{"path": "engine.py", "line": 6, "symbol": "Engine.generate"}],
        "attention_backend": [{"path": "engine.py", "line": 12, "symbol": "Attention"}],
    }
    entries = [{"kind": "cli", "path": "engine.py", "line": 21, "symbol": "main", "score": 1}]
    steps = call_nesting(program_of({"engine.py": ENGINE}), components, entries)
    assert [(s.depth, s.symbol) for s in steps] == [
        (0, "main"),
        (1, "Engine.generate"),
        (2, "Attention.forward"),
        (3, "flash_attn_with_kvcache"),
    ]


def test_a_search_ends_where_what_lies_farther_can_win_no_more():
    first, second, third = (("a.py", name) for name in "xyz")
    done = _decided({first: 0, second: 1, third: 2}, nearness=1.0, wanted=1)
    assert not done(("a.py", "other"), 1.0)
    assert not done(second, 2.0)  # 3 in all: the first in rank wins up to a cost of 3
    assert not done(("a.py", "other"), 3.0)
    assert done(("a.py", "other"), 3.5)
    assert _decided({first: 0}, nearness=1.0, wanted=2)(first, 1.0)
    assert _decided({first: 0}, nearness=1.0, wanted=2)(("a.py", "other"), 31.0)
