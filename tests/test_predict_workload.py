# What the fused kernels of a trace are: held against the trace's own totals, and against what engines are known to launch.
from pathlib import Path

import pytest

from cutaway.catalogue.workloads import lines, saved_workload
from cutaway.formula import sym
from cutaway.formula.core import add
from cutaway.predict.text import dumps, loads
from cutaway.predict.types import KINDS, ROLES, STATE_KINDS

B, S, C = sym("batch_size"), sym("seq_len"), sym("cache_len")
ODD = Path(__file__).parent / "fixtures" / "odd_gpt.py"


def shipped(name):
    return loads(saved_workload(name))


def kernels(w):
    """(times, kind, role) in order."""
    return [(op.count, op.kind, op.role) for op in w.ops]


def test_a_plain_layer_is_what_engines_launch():
    assert kernels(shipped("llama-3.1-8b")[1]) == [
        (1, "gather", "embedding"), (1, "norm", "norm"),
        (32, "gemm", "qkv"), (32, "elementwise", "activation"), (32, "attention", "attention"), (32, "gemm", "row"),
        (32, "norm", "norm"), (32, "gemm", "column"), (32, "elementwise", "activation"), (32, "gemm", "row"),
        (31, "norm", "norm"), (1, "norm", "norm"), (1, "gemm", "lm_head"),
    ]  # fmt: skip


def test_merged_projections_have_the_columns_of_all():
    qkv, gate_up = (
        next(op for op in shipped("llama-3.1-8b")[0].ops if op.role == r) for r in ("qkv", "column")
    )
    assert (qkv.dims["n"], qkv.dims["k"]) == (4096 + 2 * 1024, 4096)
    assert (gate_up.dims["n"], gate_up.dims["k"]) == (2 * 14336, 4096)


def test_grouped_queries_and_the_length_of_a_decode_step():
    found = next(op for op in shipped("llama-3.1-8b")[1].ops if op.kind == "attention")
    assert {k: found.dims[k] for k in ("q_len", "kv_len", "heads", "kv_heads", "head_dim", "window")} == {
        "q_len": 1, "kv_len": C + 1, "heads": 32, "kv_heads": 8, "head_dim": 128, "window": 0,
    }  # fmt: skip
    assert found.read == 2048 * B * ((C + 1) * sym("kv_bytes") + 2 * sym("a_bytes"))


def test_windows_are_found_in_both_phases():
    for w in shipped("gpt-oss-120b"):
        assert sorted(op.dims["window"] for op in w.ops if op.kind == "attention") == [0, 128]
    assert {(s.kind, s.window, s.count) for s in w.kv} == {("kv", 0, 18), ("window", 128, 18)}


def test_a_compressed_cache_is_attended_as_it_is():
    prefill, decode = shipped("deepseek-ai/DeepSeek-V3")
    found = next(op for op in decode.ops if op.kind == "mla_attention")
    assert [found.dims[k] for k in ("heads", "kv_heads", "head_dim", "v_head_dim")] == [128, 1, 576, 512]
    assert [(s.kind, s.count, s.elements_per_token) for s in decode.kv] == [("latent", 61, 576)]
    assert next(op for op in prefill.ops if op.kind == "attention").dims["head_dim"] == 192
    # Keys of all heads are put together from the latent, each rank's its own.
    assert {op.role for op in prefill.ops if op.kind == "elementwise" and op.dims["width"] == 192} == {"activation"}


def test_experts_and_their_router():
    ops = {op.role: op for op in shipped("mixtral-8x7b-v0.1")[0].ops}
    assert [ops["expert_column"].dims[k] for k in ("m", "n", "k", "experts", "top_k")] == [
        B * S,
        2 * 14336,
        4096,
        8,
        2,
    ]
    assert [ops["expert_row"].dims[k] for k in ("n", "k")] == [4096, 14336]
    routers = [op for op in shipped("mixtral-8x7b-v0.1")[0].ops if op.role == "router" and op.kind == "gemm"]
    assert [op.dims["n"] for op in routers] == [8]


def test_recurrences_keep_a_state_of_their_own_dtype():
    prefill, decode = shipped("Qwen/Qwen3-Next-80B-A3B-Thinking")
    for w, length in ((prefill, S), (decode, 1)):
        found = next(op for op in w.ops if op.kind == "scan")
        assert (found.count, found.dims["length"], found.dims["heads"], found.dims["state_dim"]) == (
            36,
            length,
            32,
            128,
        )
    states = [s for s in decode.kv if s.kind == "state"]
    assert {(s.elements_constant, s.element_bytes) for s in states} == {(8192 * 4, 0), (32 * 128 * 128, 4)}


def test_sums_that_wait_for_another_travel_once():
    """A shared expert's result is added to that of the experts before devices add theirs up."""
    rows = [op for op in shipped("deepseek-ai/DeepSeek-V3")[0].ops if op.role in ("row", "expert_row")]
    assert sum(op.count for op in rows if not op.joins) == 2 * 61


@pytest.mark.parametrize("name", sorted(lines()))
def test_what_ships_is_well_formed(name):
    for w in loads(lines()[name]):
        if w is None:
            continue
        assert {op.kind for op in w.ops} <= set(KINDS)
        assert {op.role for op in w.ops} <= set(ROLES)
        assert {s.kind for s in w.kv} <= set(STATE_KINDS)
        assert sum(w.weight_elements_by_role.values()) == w.parameters
        assert all(op.places or op.kind in ("elementwise", "norm", "gather", "softmax") for op in w.ops)


def test_text_is_read_back():
    both = shipped("gpt-oss-120b")
    assert loads(dumps(both)) == both


def test_a_trace_gives_the_same_and_its_totals():
    pytest.importorskip("torch")
    from cutaway.predict.workload import workloads
    from cutaway.trace.analyse import analyse

    prefill, decode = (analyse("HuggingFaceTB/SmolLM2-135M-Instruct", phase=p) for p in ("prefill", "decode"))
    first, second = workloads(prefill, decode)
    logits = next(op for op in first.ops if op.role == "lm_head")
    assert prefill.total.matmul_flops == add(
        op.matmul_flops * op.count for op in first.ops
    ) + logits.flops * (S - 1)
    assert decode.total.matmul_flops == add(op.matmul_flops * op.count for op in second.ops)
    table = next(
        op.weight_elements for op in first.ops if op.role == "embedding"
    )  # tied: read twice, kept once
    assert sum(op.weight_elements * op.count for op in first.ops) == first.parameters + table


def test_a_model_that_nobody_knows():
    pytest.importorskip("torch")
    from cutaway.predict.time import TIERS
    from cutaway.predicting import predict

    found = predict(
        f"{ODD}:GPT", "a100", batch=4, prompt=512, output=64, trust_code=True, tier="speed of light"
    )
    assert found.tier in TIERS
    assert 0 < found.tpot_s < found.ttft_s
    assert any(
        "no softmax of scores: tests/fixtures/odd_gpt.py:22" in g or "odd_gpt.py:22" in g for g in found.gaps
    )
    assert any("keeps no cache" in g for g in found.gaps)
    attention = next(part for part in found.parts["decode"] if part.kind == "attention" and part.seconds > 0)
    assert any("odd_gpt.py" in place for place in attention.places)
