# Runs inside a peer's own environment, so it imports nothing of ours but for the tool that is us. Each tool is asked the same
# question in its own words, by its documented call: what it does not know of devices and models it is told, as its users
# would tell it.
"""`python peer_answers.py TOOL QUESTIONS.json ANSWERS.json`: (TTFT, TPOT) in seconds of each question, and the time it took.

A question: model (what cutaway takes), name and config (as on the Hub), hardware, system, spec, engine, quant, tp, dp, ep,
users, prompt, output, regime (closed loop or static). spec: flops by dtype, bandwidth, capacity, link, watts; SI units.
"""

import contextlib
import io
import json
import os
import sys
import tempfile
import time
import traceback
from functools import lru_cache
from pathlib import Path


def cutaway():
    from cutaway import predict

    def ask(q):
        load = {"concurrency" if q["regime"] == "closed loop" else "batch": q["users"]}
        got = predict(
            q["model"], q["hardware"], prompt=q["prompt"], output=q["output"], engine=q["engine"], tp=q["tp"], dp=q["dp"],
            ep=q["ep"], weights=q["quant"], kv=q["kv"], **load,
        )  # fmt: skip
        return got.ttft_s, got.tpot_s

    return ask


def aiconfigurator(mode):
    from aiconfigurator.cli.api import cli_estimate

    quants = {"bf16": "bfloat16", "int4": "int4_wo"}
    versions = {}  # to find the newest one takes seconds, so it is found once for each device and engine

    @lru_cache
    def folder(name, config):
        place = Path(tempfile.mkdtemp()) / name.replace("/", "--")
        place.mkdir()
        (place / "config.json").write_text(config)
        return str(place)

    def ask(q):
        place = q["system"], q["engine"]
        quant = quants.get(q["quant"], q["quant"])
        devices = q["tp"] * q["dp"]
        moe = {"moe_tp_size": devices // q["ep"], "moe_ep_size": q["ep"], "moe_quant_mode": quant} if q["experts"] else {}
        got = cli_estimate(
            folder(q["name"], json.dumps(q["config"])), q["system"], backend_name=q["engine"],
            mode="agg" if q["regime"] == "closed loop" else "static", backend_version=versions.get(place),
            database_mode=mode, isl=q["prompt"], osl=q["output"],
            batch_size=max(1, q["users"] // q["dp"]), tp_size=q["tp"], attention_dp_size=q["dp"],
            # a product with 4-bit weights has 16-bit inputs, and attention and the other weights stay as they are
            gemm_quant_mode="bfloat16" if quant == "int4_wo" and moe else quant,
            kvcache_quant_mode="fp8" if q["kv"] else "bfloat16", **moe,
        )  # fmt: skip
        versions[place] = got.backend_version
        return got.ttft / 1e3, got.tpot / 1e3

    return ask


def genz():
    from GenZ import decode_moddeling, prefill_moddeling
    from GenZ.Models import ModelConfig, get_configs

    @lru_cache
    def model(name, config):
        with contextlib.suppress(ValueError):
            return get_configs(name)
        c = json.loads(config)
        c = c.get("text_config", c)
        if "kv_lora_rank" in c:
            raise ValueError("attention on a latent cache cannot be said to it")
        experts = c.get("num_local_experts") or c.get("num_experts") or c.get("n_routed_experts") or 1
        return ModelConfig(
            model=name, vocab_size=c["vocab_size"], hidden_size=c["hidden_size"],
            intermediate_size=c.get("intermediate_size") or c["moe_intermediate_size"], num_ffi=2,
            num_decoder_layers=c["num_hidden_layers"], num_attention_heads=c["num_attention_heads"],
            num_key_value_heads=c["num_key_value_heads"], head_dim=c.get("head_dim"), num_experts=experts,
            expert_top_k=c.get("num_experts_per_tok", 1), moe_intermediate_size=c.get("moe_intermediate_size"),
        )  # fmt: skip

    def ask(q):
        if q["dp"] > 1:
            raise ValueError("copies of the attention cannot be said to it")
        bits = {"fp8_block": "fp8", "nvfp4": "fp4"}.get(q["quant"], q["quant"])
        tp, s = max(1, q["tp"] // q["ep"]), q["spec"]
        system = {"Flops": s["flops"]["bf16"] / 1e12, "Memory_size": s["capacity"] / 2**30, "Memory_BW": s["bandwidth"] / 1e9,
                  "ICN": s["link"] / 1e9, "real_values": True}  # fmt: skip
        common = {
            "model": model(q["name"], json.dumps(q["config"])), "system_name": system, "bits": bits,
            "tensor_parallel": tp, "expert_parallel": q["ep"],
            "parallelism_heirarchy": f"TP{{{tp}}}_EP{{{q['ep']}}}_PP{{1}}",
        }  # fmt: skip
        alone = 1 if q["regime"] == "closed loop" else q["users"]
        first = prefill_moddeling(batch_size=alone, input_tokens=q["prompt"], **common)
        # the cache of half the answer is there on average
        later = decode_moddeling(
            batch_size=q["users"], input_tokens=q["prompt"] + q["output"] // 2, output_tokens=0, Bb=1, **common
        )
        return first["Latency"] / 1e3, later["Latency"] / 1e3

    return ask


def llm_flops():
    from llmflops import GPUSpec, estimate
    from llmflops.parallelism import ParallelConfig
    from llmflops.registry import _map_hf_config, get_config
    from llmflops.serving import throughput

    @lru_cache
    def model(name, config):
        try:
            return get_config(name, allow_hf_fetch=False)
        except Exception:  # what it would have read from the Hub
            return _map_hf_config(name, json.loads(config))

    def ask(q):
        if q["dp"] > 1:
            raise ValueError("copies of the attention cannot be said to it")
        s, quant = q["spec"], {"fp8_block": "fp8"}.get(q["quant"], q["quant"])
        peaks = {dtype: peak / 1e12 for dtype, peak in s["flops"].items()}
        gpu = GPUSpec(q["hardware"], s["capacity"] / 1e9, s["bandwidth"] / 1e9, s["watts"], peaks)
        cut = ParallelConfig(tensor_parallel=q["tp"], expert_parallel=q["ep"], interconnect_gbps=s["link"] / 1e9)
        m = model(q["name"], json.dumps(q["config"]))
        alone = 1 if q["regime"] == "closed loop" else q["users"]
        first = estimate(
            m, batch_size=alone, sequence_length=q["prompt"], precision=quant, gpu=gpu, parallelism=cut, causal=True,
            include_backward=False,
        )  # fmt: skip
        later = throughput(
            m, gpu=gpu, precision=quant, sequence_length=q["prompt"], output_tokens=max(1, q["output"] // 2),
            parallelism=cut, max_batch=q["users"],
        )  # fmt: skip
        return first["details"]["parallelism"]["prefill_latency_s"], later["decode_step_ms"] / 1e3

    return ask


TOOLS = {
    "cutaway": cutaway,
    "aiconfigurator": lambda: aiconfigurator("SILICON"),
    "aiconfigurator SOL": lambda: aiconfigurator("SOL"),
    "GenZ": genz,
    "llm-flops": llm_flops,
}


def main() -> None:
    os.environ |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    tool, questions, answers = sys.argv[1:]
    asked = json.loads(Path(questions).read_text())
    found = []
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            ask = TOOLS[tool]()
        except Exception:
            found = [{"why": _last_line()}] * len(asked)
            asked = []
        for question in asked:
            start, busy = time.perf_counter(), time.process_time()
            try:
                ttft, tpot = ask(question)
                row = {"ttft": float(ttft), "tpot": float(tpot)}
            except Exception:
                row = {"why": _last_line()}
            found.append(row | {"wall": time.perf_counter() - start, "cpu": time.process_time() - busy})
    Path(answers).write_text(json.dumps(found))


def _last_line() -> str:
    """What a traceback ends with."""
    lines = [line for line in traceback.format_exc().strip().splitlines() if line.strip()]
    return next((line for line in lines if line[0] not in " T"), lines[-1])[:200]


if __name__ == "__main__":
    main()
