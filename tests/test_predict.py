# The public predictions: cuts, dtypes, memory and loads, and every error that a slip can make.
import json

import numpy as np
import pytest

from cutaway.catalogue.workloads import saved_workload
from cutaway.cli import run
from cutaway.errors import BadValue, CutawayError, UnknownTarget
from cutaway.hardware import find
from cutaway.predict.memory import state_bytes, weight_bytes
from cutaway.predict.pieces import messages, pieces, without_inner
from cutaway.predict.quant import FORMATS, Quant, quantisation, quantisation_of
from cutaway.predict.shard import Parallel, check, cut
from cutaway.predict.step import Step
from cutaway.predict.text import loads
from cutaway.predict.time import beside_prompts
from cutaway.predicting import predict

BF16 = Quant(FORMATS["bf16"], "bf16", FORMATS["bf16"])
LIGHT = "speed of light"


def shipped(name):
    return loads(saved_workload(name))


def light(*args, **kwargs):
    return predict(*args, tier=LIGHT, engine="ideal", **kwargs)


def op(w, role):
    return next(o for o in w.ops if o.role == role)


def test_what_runs_inside_a_mixture_is_not_counted_again():
    w = shipped("deepseek-ai/DeepSeek-V3")[0]
    kept = without_inner(w)
    top_k = op(w, "expert_row").dims["top_k"]
    wide = {str(o.dims["m"] * top_k) for o in w.ops if o.kind == "grouped_gemm"}
    inner = [o for o in w.ops if "rows" in o.dims and str(o.dims["rows"]) in wide]
    assert {o.kind for o in inner} == {"elementwise", "gather"} and len(kept) == len(w.ops) - len(inner)
    assert not any("rows" in o.dims and str(o.dims["rows"]) in wide for o in kept)
    lines = {p for o in kept if o.kind == "grouped_gemm" for p in o.places}
    assert all(set(o.places) <= lines for o in inner)


def test_keys_made_from_a_latent_are_wide():
    narrow = Quant(FORMATS["fp8"], "fp8", FORMATS["fp8"])
    found = pieces(*shipped("deepseek-ai/DeepSeek-V3"), Parallel(), narrow)
    assert {p.op.kind: p.cache for p in found if "attention" in p.op.kind} == {"attention": "bf16", "mla_attention": "fp8"}
    plain = pieces(*shipped("llama-3.1-8b"), Parallel(), narrow)
    assert {p.cache for p in plain if p.op.kind == "attention"} == {"fp8"}


# Cuts ------------------------------------------------------------------------------------------------------------------


def test_columns_rows_and_heads_are_cut():
    w, p = shipped("llama-3.1-8b")[0], Parallel(tp=4)
    assert cut(op(w, "qkv"), w, p).dims["n"] == 6144 // 4
    assert cut(op(w, "row"), w, p).dims["k"] == 4096 // 4
    assert cut(op(w, "attention"), w, p).dims["kv_heads"] == 2
    assert cut(op(w, "norm"), w, p) == op(w, "norm")


def test_few_key_value_heads_are_repeated():
    w, p = shipped("llama-3.1-8b")[0], Parallel(tp=16)
    assert cut(op(w, "qkv"), w, p).dims["n"] == 4096 // 16 + 2 * 128
    assert cut(op(w, "attention"), w, p).dims["kv_heads"] == 1
    assert state_bytes(w, 100, p, BF16) == 2 * 32 * 2 * 128 * 100


def test_experts_are_spread_or_cut():
    w = shipped("deepseek-ai/DeepSeek-V3")[0]
    whole = op(w, "expert_column")
    assert cut(whole, w, Parallel(tp=8)).dims["n"] == whole.dims["n"] // 8
    assert cut(whole, w, Parallel(tp=8, ep=8)).dims["n"] == whole.dims["n"]
    held = [weight_bytes(w, p, BF16) for p in (Parallel(tp=8), Parallel(tp=8, ep=8))]
    assert held[0] == held[1]


def test_what_travels():
    w, hw = shipped("llama-3.1-8b")[0], find("h100")
    assert [(m.kind, m.count, m.ranks) for m in messages(w, Parallel(tp=2), hw)] == [
        ("all_reduce", 65, 2),
        ("all_gather", 1, 2),
    ]
    moe = shipped("deepseek-ai/DeepSeek-V3")[0]
    kinds = {m.kind: m.count for m in messages(moe, Parallel(tp=1, dp=8, ep=8), hw)}
    assert kinds == {"all_to_all": 2 * 58}
    assert messages(w, Parallel(), hw) == []
    assert [m.kind for m in messages(w, Parallel(pp=2), hw)] == ["send_recv"]


@pytest.mark.parametrize(
    "sizes",
    [{"tp": 3}, {"tp": 64}, {"ep": 2, "tp": 2}, {"pp": 33}, {"tp": 0}, {"ep": 3, "tp": 2}, {"tp": -1}],
)
def test_cuts_that_do_not_divide(sizes):
    with pytest.raises(BadValue):
        check(shipped("llama-3.1-8b")[1], Parallel(**sizes))


# Dtypes ----------------------------------------------------------------------------------------------------------------


def test_scales_have_bytes():
    assert [FORMATS[n].bytes for n in ("fp8", "int4", "nvfp4", "mxfp4")] == [
        1,
        0.5 + 2.5 / 128,
        0.5625,
        0.53125,
    ]
    assert FORMATS["fp8_block"].bytes == 1 + 4 / 16384


def test_a_config_says_how_it_is_stored():
    block = {"quant_method": "fp8", "weight_block_size": [128, 128]}
    assert quantisation_of({"quantization_config": block}).weights.name == "fp8_block"
    packed = {"quant_method": "compressed-tensors", "ignore": ["re:.*self_attn.*", "lm_head"],
              "config_groups": {"group_0": {"weights": {"num_bits": 4, "type": "int", "group_size": 32}}}}  # fmt: skip
    found = quantisation_of({"quantization_config": packed, "n_routed_experts": 64})
    assert (found.weights.bytes, found.activations) == (0.5 + 2 / 32, "bf16")
    assert "expert_row" in found.roles and "qkv" not in found.roles
    assert quantisation_of({}) is None


def test_what_is_said_wins_over_the_config():
    said = {"quantization_config": {"quant_method": "fp8"}}
    hw = find("h100")
    assert quantisation(None, None, None, said, hw).weights.name == "fp8"
    assert quantisation("bf16", None, None, said, hw).weights.name == "bf16"
    assert quantisation("int4", None, "fp8", said, hw).activations == "bf16"
    assert quantisation(None, None, None, said, find("a100")).activations == "bf16"  # no such unit: widened


def test_logits_and_norms_stay_wide():
    w = shipped("llama-3.1-8b")[0]
    fp8 = Quant(FORMATS["fp8"], "fp8", FORMATS["bf16"])
    cutable = sum(w.weight_elements_by_role[r] for r in ("qkv", "row", "column"))
    assert weight_bytes(w, Parallel(), fp8) == 2 * w.parameters - cutable


# Memory ----------------------------------------------------------------------------------------------------------------


def test_tied_tables_are_kept_once():
    w = shipped("Qwen/Qwen3-0.6B")[0]
    assert weight_bytes(w, Parallel(), BF16) == 2 * w.parameters


def test_does_not_fit_says_by_how_much_and_what_would_do():
    found = light("llama-3.1-70b", "h100", prompt=1000, output=24)
    assert not found.fits
    assert found.memory.missing == found.memory.total - found.memory.usable
    assert "--tp 2" in found.memory.advice
    assert light("llama-3.1-70b", "h100", prompt=1000, output=24, tp=2).fits


def test_fewer_bits_are_advised_where_they_suffice_and_the_device_has_them():
    for hardware, model, bits in (("h100", "70b", "fp8"), ("a100-80gb", "70b", "int4"), ("a100-80gb", "405b", None)):
        found = light(f"llama-3.1-{model}", hardware, prompt=1000, output=24)
        assert [a for a in found.memory.advice if "weights" in a] == ([f"--weights {bits}"] if bits else [])
        assert bits is None or light(f"llama-3.1-{model}", hardware, prompt=1000, output=24, weights=bits).fits


def test_largest_batch_and_longest_context_are_the_edge():
    m = light("llama-3.1-8b", "h100", batch=4, prompt=1000, output=24).memory
    room = m.usable - m.weights - m.activations - m.runtime
    assert m.largest_batch * m.per_sequence <= room < (m.largest_batch + 1) * m.per_sequence
    w = shipped("llama-3.1-8b")[0]
    kept = lambda n: 4 * state_bytes(w, n, Parallel(), BF16, 16)  # noqa: E731
    assert kept(m.longest_context) <= room < kept(m.longest_context + 16)


# Steps -----------------------------------------------------------------------------------------------------------------


def test_a_step_runs_on_grids():
    import numpy as np

    step = Step(*shipped("llama-3.1-8b"), find("h100"), Parallel(tp=2), BF16, tier=LIGHT)
    batch, context = np.array([1, 8, 64])[:, None], np.array([128, 4096])[None]
    grid = step(0, 0, batch, context)
    assert grid.shape == (3, 2)
    assert float(step(0, 0, 8, 4096)) == pytest.approx(grid[1, 1])
    assert (np.diff(grid, axis=0) > 0).all() and (np.diff(grid, axis=1) > 0).all()


def test_one_kernel_for_prompts_and_decoding_costs_where_it_is_an_older_one():
    def beside(hardware, one_kernel):
        both = shipped("llama-3.1-8b")
        step = Step(*both, find(hardware), Parallel(), BF16, one_kernel=one_kernel)
        return float(step(256, 0, 32, 4096)), float(step(0, 0, 32, 4096))

    for hardware, grows in (("rtx-4090", True), ("h100", False)):
        (mixed, alone), (same_mixed, same_alone) = beside(hardware, True), beside(hardware, False)
        assert alone == same_alone and (mixed > 1.01 * same_mixed if grows else mixed == same_mixed)


def test_decoding_in_the_kernel_of_a_prompt_goes_by_query_heads_and_by_the_prompts_tiles():
    def adds(prompt, heads=32.0, kv_heads=8.0, kv_len=1024.0, batch=64.0):
        sizes = {"batch": batch, "q_len": 1.0, "kv_len": kv_len, "heads": heads, "kv_heads": kv_heads, "head_dim": 128.0}
        prompts = np.array([prompt])
        return float(beside_prompts(find("rtx-4090"), np.zeros(1), prompts, **{k: np.array([v]) for k, v in sizes.items()})[0])

    assert adds(0.0) == 0.0
    assert adds(512.0) == adds(512.0, kv_heads=4.0) == pytest.approx(adds(512.0, heads=64.0) / 2)
    assert adds(512.0, batch=128.0) == pytest.approx(2 * adds(512.0))
    # A tile without queries costs the same whatever the cache holds, and tiles are of 64 rows.
    empty = adds(2048.0) - adds(64.0)
    assert empty == pytest.approx(adds(2048.0, kv_len=4096.0) - adds(64.0, kv_len=4096.0))
    assert empty == pytest.approx(31 * (adds(128.0) - adds(64.0))) and adds(1.0) == adds(64.0)


def test_parts_add_up_to_the_step():
    step = Step(*shipped("deepseek-ai/DeepSeek-V3"), find("h200"), Parallel(tp=8), BF16, tier=LIGHT)
    for at in ((2048, 0, 0, 0), (0, 0, 32, 4096), (512, 1000, 32, 4096)):
        assert sum(float(part.seconds) for part in step.parts(*at)) == pytest.approx(float(step(*at)))


def test_a_decode_step_of_one_reads_the_weights_once():
    found = light("llama-3.1-8b", "h100", batch=1, prompt=16, output=2)
    table = 128256 * 4096 * 2
    assert found.tpot_s == pytest.approx((2 * 8030261248 - table) / 3.35e12, rel=0.02)


def test_communication_hides_behind_kernels():
    plain, hidden = (light("llama-3.1-70b", "h100", tp=8, batch=64, overlap=o) for o in (0.0, 1.0))
    assert hidden.tpot_s < plain.tpot_s


# Loads and errors ------------------------------------------------------------------------------------------------------


def test_the_contract(capsys):
    assert (
        run(["predict", "llama-3.1-8b", "--hardware", "h100", "--batch", "8", "--tier", LIGHT, "--json"]) == 0
    )
    found = json.loads(capsys.readouterr().out)
    keys = {
        "ttft_s",
        "tpot_s",
        "throughput_tokens_per_s",
        "memory_bytes",
        "fits",
        "tier",
        "definitions",
        "steps",
    }
    assert keys <= found.keys()
    assert found["fits"] is True and found["tier"] == LIGHT


def test_three_kinds_of_load():
    static, loop, rate = (
        light("llama-3.1-8b", "h100", output=32, **load)
        for load in ({"batch": 8}, {"concurrency": 8}, {"rate": 20.0})
    )
    assert [p.regime for p in (static, loop, rate)] == ["static", "closed loop", "arrivals"]
    assert all(p.tpot_s > 0 and p.ttft_s > 0 for p in (static, loop, rate))
    assert rate.served["ttft_s"]["p99"] >= rate.served["ttft_s"]["p50"]


def test_steps_say_what_they_hold(capsys):
    asked = ["--concurrency", "64", "--tp", "2", "--dp", "2", "--prompt", "1001", "--output", "201", "--tier", LIGHT]
    assert run(["predict", "llama-3.1-8b", "--hardware", "h100", *asked]) == 0
    text = capsys.readouterr().out
    assert "one prefill step, 8192 tokens of prompts: " in text  # a chunk, of the 32 prompts of one copy
    assert "one decode step, 32 sequences of 1101.5 tokens: " in text


def test_text_fits_eighty_columns(capsys):
    for extra in ([], ["--explain"], ["--concurrency", "16"], ["--tp", "2"]):
        assert run(["predict", "llama-3.1-70b", "--hardware", "h100", "--tier", LIGHT, *extra]) == 0
        text = capsys.readouterr().out
        assert max(map(len, text.splitlines())) <= 80
        before, _, after = text.partition("TTFT")  # nobody should read the figures as if it ran
        assert ["does not fit by" in said for said in (before, after)] == ["--tp" not in extra] * 2


def test_explain_names_lines_and_definitions(capsys):
    assert run(["predict", "llama-3.1-8b", "--tier", LIGHT, "--explain"]) == 0
    text = capsys.readouterr().out
    assert "modeling_llama.py:257" in text and "time to first token" in text


def test_where_a_difference_comes_from(capsys):
    words = [
        "compare",
        "llama-3.1-8b",
        "llama-3.1-8b,weights=fp8,hardware=h200",
        "--batch",
        "4",
        "--tier",
        LIGHT,
    ]
    assert run(words) == 0
    assert "projection by columns" in capsys.readouterr().out
    assert run([*words, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["differences"]["decode"]
    assert all({"name", "a_s", "b_s"} == set(row) for row in rows)


def test_longer_than_the_model_is_a_warning():
    assert any("131072 positions" in w for w in light("llama-3.1-8b", "h200", prompt=140_000).warnings)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--hardware", "h101"], "nearest: h100"),
        (["--weights", "fp7"], "fp8"),
        (["--weights", "nvfp4"], "no matrix rate for fp4"),
        (["--hardware", "a100", "--weights", "fp8"], "--activations bf16"),
        (["--kv", "nvfp4"], "--kv fp8"),
        (["--ep", "8"], "8 shares do not lie on 1 devices"),
        (["--tp", "3"], "do not divide over 3"),
        (["--batch", "-1"], "from 1 to"),
        (["--prompt", "99999999999"], "from 1 to"),
        (["--rate", "0"], "a millionth"),
        (["--batch", "2", "--rate", "3"], "a load is"),
        (["--ep", "2", "--tp", "2"], "no experts"),
        (["--overlap", "2"], "share from 0 to 1"),
    ],
)
def test_slips_are_told(words, said, capsys):
    assert run(["predict", "llama-3.1-8b", *words]) == 2
    assert said in capsys.readouterr().err


def test_encoders_have_no_next_token():
    with pytest.raises(BadValue, match="no next token"):
        light("google-bert/bert-base-uncased", "h100")
    assert light("google-bert/bert-base-uncased", "h100", prompt=128, output=1).ttft_s > 0


def test_unknown_models_are_told():
    with pytest.raises(CutawayError):
        light("llama-9-8b", "h100")
    with pytest.raises(UnknownTarget):
        light("llama-3.1-8b", "h9000")


def test_the_folder_and_the_function_share_a_name():
    import cutaway.predict.types

    assert cutaway.predict("llama-3.1-8b", "h100", tier=LIGHT).fits


def test_neither_torch_nor_sympy():
    import subprocess
    import sys

    code = "import sys; from cutaway.predicting import predict; str(predict('llama-3.1-8b', 'h100', tier='speed of light')); " \
           "sys.exit(any(m in sys.modules for m in ('torch', 'transformers', 'sympy')))"  # fmt: skip
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ("predict llama-3.1-8b --batch 1.5", "no whole number"),
        ("predict llama-3.1-8b --tp two", "no whole number"),
        ("predict llama-3.1-8b --weights=", "unknown dtype"),
        ("predict llama-3.1-8b --kv nvfp4", "no matrix rate for fp4"),
        ("compare llama-3.1-8b llama-3.1-8b,sp=maybe", "true or false"),
        ("compare llama-3.1-8b llama-3.1-8b,overlap=x", "overlap must be a number"),
        ("compare llama-3.1-8b llama-3.1-8b,tp=2.5", "tp must be a whole number"),
        ("compare llama-3.1-8b llama-3.1-8b,weights=1", "unknown dtype"),
        ("compare llama-3.1-8b llama-3.1-8b,wieghts=fp8", "NAME=VALUE"),
    ],
)
def test_values_are_taken_as_what_they_are(capsys, words, what):
    from cutaway.cli import run

    assert run(words.split()) == 2
    err = capsys.readouterr().err
    assert what in err and "itself failed" not in err


TRACE = "arrival,input_tokens,output_tokens\n"


def test_a_trace_of_requests_is_served_as_it_comes(tmp_path):
    trace = tmp_path / "t.csv"
    trace.write_text(TRACE + "".join(f"{100 * n},1000,50\n" for n in range(5)))  # one at a time
    alone = predict("llama-3.1-8b", "h100", prompt=1000, output=50, concurrency=1)
    served = predict("llama-3.1-8b", "h100", requests=trace)
    assert served.regime == "arrivals"
    assert (served.asked["prompt"], served.asked["output"]) == (1000, 50)
    assert served.ttft_s == pytest.approx(alone.ttft_s, rel=0.05)
    assert served.tpot_s == pytest.approx(alone.tpot_s, rel=0.03)
    trace.write_text(TRACE + "0,1000,50\n" * 200)  # all at once
    assert predict("llama-3.1-8b", "h100", requests=trace).ttft_s > 3 * served.ttft_s


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (TRACE, "no request"),
        (TRACE + "0,10,5\n1,-3,5\n", ".csv:3"),
        (TRACE + "0,10,5\n1,nan,5\n", ".csv:3"),
        (TRACE + "0,10\n", ".csv:2"),
        ("a,b\n1,2\n", "without arrival"),
        ('{"arrival": 0, "input_tokens": 5, "output_tokens": 5}\n{"arrival": 1,\n', ".csv:2"),
        (TRACE + "0,9000000,10\n" + "1,10,10\n" * 99, "larger than the whole cache"),
    ],
)
def test_the_line_of_a_trace_that_is_none_is_named(capsys, tmp_path, text, what):
    from cutaway.cli import run

    path = tmp_path / "t.csv"
    path.write_text(text)
    assert run(["predict", "llama-3.1-8b", "--requests", str(path)]) == 2
    err = capsys.readouterr().err
    assert what in err and "itself failed" not in err


def test_a_trace_of_one_request_that_does_not_fit_is_served_with_a_warning(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(TRACE + "0,500000,100\n")
    found = predict("llama-3.1-70b", "rtx-3090", requests=path)
    assert not found.fits
    assert "500100 tokens are more than the model's 131072" in found.warnings[0]


@pytest.mark.parametrize(
    ("ending", "starts"),
    [("csv", "schema_version,model,"), ("JSON", "{"), ("markdown", "# "), ("md", "# "), ("txt", "openai-community/gpt2 on")],
)
def test_a_file_is_written_as_its_ending_says(ending, starts, tmp_path):
    file = tmp_path / f"x.{ending}"
    assert run(["predict", "gpt2", "-o", str(file)]) == 0
    assert file.read_text().startswith(starts)


def test_a_table_has_a_row_of_figures_or_of_kernels(tmp_path):
    import csv

    file = tmp_path / "x.csv"
    assert run(["predict", "gpt2", "--batch", "3", "-o", str(file)]) == 0
    (row,) = csv.DictReader(file.read_text().splitlines())
    assert float(row["tpot_s"]) == predict("gpt2", "h100", batch=3).tpot_s and row["asked.batch"] == "3"
    assert run(["predict", "gpt2", "--explain", "-o", str(file)]) == 0
    rows = list(csv.DictReader(file.read_text().splitlines()))
    assert {r["phase"] for r in rows} == {"prefill", "decode"} and all(float(r["seconds"]) > 0 for r in rows)
    assert run(["compare", "gpt2", "gpt2,batch=8", "-o", str(file)]) == 0
    assert {"phase", "name", "a_s", "b_s"} == set(next(csv.DictReader(file.read_text().splitlines())))
