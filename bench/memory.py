"""Weight and cache bytes per device of every catalogue model against closed forms worked out here from the config alone.

    python bench/memory.py [--all]

Exact or wrong: a row that differs by one byte is printed and the exit code is 1. Configs whose cache follows none of the
forms below are counted as such and not as right. The forms are independent of the tracer: they read sizes out of the
config by their names, as a person would.
"""

from __future__ import annotations

import argparse
import sys

from cutaway import catalogue
from cutaway.catalogue.workloads import lines
from cutaway.errors import BadValue
from cutaway.predict.memory import state_bytes, weight_bytes
from cutaway.predict.quant import FORMATS, Quant
from cutaway.predict.shard import Parallel, check
from cutaway.predict.text import loads

LENGTHS = (1, 127, 4096, 100_000)
CUTS = (1, 2, 4, 8, 16)
BF16 = Quant(FORMATS["bf16"], "bf16", FORMATS["bf16"])
GATED = (
    "llama",
    "mistral",
    "qwen2",
    "qwen3",
    "seed_oss",
    "ministral",
)  # families of one plain form, for weights under a cut


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", action="store_true", help="print the rows that are exact too")
    everything = parser.parse_args().all
    wrong = checked = without = 0
    for entry in catalogue.entries():
        text = lines().get(entry.id)
        if text is None:
            continue
        w = loads(text)[0]
        rows = list(weight_rows(entry, w))
        kept = list(cache_rows(entry, w))
        without += not kept and bool(w.kv)
        for what, ours, closed in (*rows, *kept):
            checked += 1
            wrong += ours != closed
            if ours != closed or everything:
                print(
                    f"{'ok  ' if ours == closed else 'WRONG'} {entry.id} {what}: {ours:,} against {closed:,}"
                )
    print(f"{checked} figures, {wrong} wrong; {without} models keep something that has no closed form here")
    return 1 if wrong else 0


def weight_rows(entry, w):
    """(what, ours, closed form): 2 bytes a parameter of the card's count; cut by hand for the plain families."""
    if entry.parameters:
        yield "weights", weight_bytes(w, Parallel(), BF16), 2 * entry.parameters
    c = entry.config
    if c["model_type"] in GATED and not c.get("attention_bias") and c["model_type"] != "qwen2":
        for tp in CUTS[1:]:
            if divides(w, tp):
                yield f"weights tp {tp}", weight_bytes(w, Parallel(tp=tp), BF16), 2 * gated(c, tp)


def gated(c, tp: int) -> int:
    """Parameters of one rank of a gated transformer: heads and columns cut, norms whole, few key-value heads repeated."""
    h, heads, inner = c["hidden_size"], c["num_attention_heads"], c["intermediate_size"]
    kv = c.get("num_key_value_heads") or heads
    d = c.get("head_dim") or h // heads
    norms = 2 * h + (2 * d if c["model_type"] == "qwen3" else 0)
    attention = 2 * h * heads * d // tp + 2 * h * d * max(1, kv // tp)
    layer = attention + 3 * h * inner // tp + norms
    tables = 1 if c.get("tie_word_embeddings") else 2
    return c["num_hidden_layers"] * layer + tables * -(-c["vocab_size"] // tp) * h + h


def cache_rows(entry, w):
    """(what, ours, closed form) of one sequence at some lengths and cuts."""
    c = entry.config.get("text_config") or entry.config
    form = cache_form(c)
    if form is None or not w.kv:
        return
    for length in LENGTHS:
        for tp in CUTS:
            if divides(w, tp) and length <= (w.max_positions or length):
                ours = state_bytes(w, length, Parallel(tp=tp), BF16)
                yield f"cache of {length} tokens, tp {tp}", ours, form(length, tp)


def divides(w, tp: int) -> bool:
    try:
        check(w, Parallel(tp=tp))
    except BadValue:
        return False
    return True


def cache_form(c):
    """Bytes of a cache in 16 bits as a function of (length, tp); None for configs that follow no form known here."""
    if c.get("kv_lora_rank") and "index_topk" not in c:
        return lambda n, tp: 2 * c["num_hidden_layers"] * n * (c["kv_lora_rank"] + c["qk_rope_head_dim"])
    kinds = layer_kinds(c)
    heads = c.get("num_attention_heads") or c.get("n_head") or c.get("n_heads")
    hidden = c.get("hidden_size") or c.get("n_embd") or c.get("d_model")
    if kinds is None or not heads or not hidden or c.get("is_encoder_decoder"):
        return None
    d = c.get("head_dim") or hidden // heads
    kv = 1 if c.get("multi_query") and not c.get("new_decoder_architecture") else None
    kv = kv or c.get("num_key_value_heads") or c.get("num_kv_heads") or heads
    window = c.get("sliding_window") or 0

    def form(n: int, tp: int) -> int:
        full, near = kinds.count("full_attention"), kinds.count("sliding_attention")
        return 2 * 2 * max(1, kv // tp) * d * (full * n + near * min(n, window))

    return form


def layer_kinds(c):
    """One word a layer; None where there are recurrences or where kinds differ in more than their window."""
    layers = c.get("num_hidden_layers") or c.get("n_layer") or c.get("n_layers") or c.get("num_layers")
    odd = (
        "mamba", "ssm", "linear_", "state_size", "attn_layer_period", "hybrid", "num_global_key_value_heads",
        "global_head_dim", "index_topk", "compress", "num_kv_shared_layers", "block_configs", "cross_attention_layers",
        "attn_type_list",
    )  # fmt: skip
    if layers is None or any(key.startswith(odd) or "mamba" in key for key in c):
        return None
    kinds = c.get("layer_types")
    if kinds:
        return list(kinds) if set(kinds) <= {"full_attention", "sliding_attention"} else None
    if c["model_type"] == "gemma2":
        return ["full_attention" if n % 2 else "sliding_attention" for n in range(layers)]
    every = c.get("sliding_window_pattern") or {"gemma3_text": 6, "cohere2": 4}.get(c["model_type"])
    if every and c.get("sliding_window"):
        return ["sliding_attention" if (n + 1) % every else "full_attention" for n in range(layers)]
    slides = c.get("sliding_window") and c.get("use_sliding_window", True)
    return ["sliding_attention" if slides else "full_attention"] * layers


if __name__ == "__main__":
    sys.exit(main())
