# The measured folder's other sources: layers of real models timed one by one in engines (Vidur, LLMServingSim) and
# published sweeps of single kernels (InferSim, LLMCompass). Most devices that NVIDIA's own tables lack are here.
"""`layer_tables(folder)`: their rows as `Table`s, by the names of our own sizes."""

from __future__ import annotations

import csv
import gzip
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from measured_rows import Table

DEVICES = {
    "a100": "a100-sxm-80gb", "a40": "a40", "h100": "h100-sxm", "A6000": "rtx-a6000", "RTX3090": "rtx-3090",
    "RTX4090": "rtx-4090", "RTXPRO6000": "rtx-pro-6000-server", "h20": "h20", "h800": "h800",
    "A100": "a100-sxm-80gb", "MI210": "mi210",
}  # fmt: skip
# hidden, heads, key heads, head_dim, intermediate, vocabulary of the models whose layers were timed
MODELS = {
    "meta-llama__Llama-3.1-8B": (4096, 32, 8, 128, 14336, 128256),
    "meta-llama__Llama-3.1-70B": (8192, 64, 8, 128, 28672, 128256),
    "Qwen__Qwen3-32B": (5120, 64, 8, 128, 25600, 151936),
    "Qwen__Qwen3-30B-A3B-Instruct-2507": (2048, 32, 4, 128, 0, 151936),
}
FP16_PEAK = "bf16"  # fp16 and bf16 run at the same rate


def layer_tables(folder: Path, families: str = ".*") -> Iterator[Table]:
    folder = Path(folder)
    for read in (_vidur, _servingsim, _servingsim_v0, _infersim, _llmcompass):
        for t in read(folder):
            if re.fullmatch(families, t.family) and len(t):
                yield t


def _rows(path: Path) -> dict[str, np.ndarray]:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, skipinitialspace=True)
        names = next(reader)
        if names[0] == "bf16":  # one file came without its head
            names = ["dtype", "kv_dtype", "batch_size", "kv_len", "latency_us", "mfu"]
        rows = [row for row in reader if len(row) == len(names)]
    return dict(zip((name.strip() for name in names), np.array(rows).T, strict=True))


def _table(family, device, source, dims, seconds, dtype="bf16", cache="") -> Table:
    """Rows of the same sizes, measured again for another model, become their median."""
    seconds = np.asarray(seconds, float)
    names = list(dims)
    columns = np.stack([np.broadcast_to(np.asarray(dims[n], np.int64), seconds.shape) for n in names], axis=1)
    kept = np.isfinite(seconds) & (seconds > 0) & np.all(columns >= 0, axis=1)
    keys, index = np.unique(columns[kept], axis=0, return_inverse=True)
    order = np.argsort(index.ravel(), kind="stable")
    groups = np.split(seconds[kept][order], np.cumsum(np.bincount(index.ravel(), minlength=len(keys)))[:-1])
    medians = np.array([np.median(group) for group in groups])
    return Table(
        family,
        device,
        dtype,
        cache,
        source,
        dict(zip(names, keys.T, strict=True)),
        medians,
        np.full(len(keys), source),
    )


def _stacked(parts: list[tuple[dict, np.ndarray]]) -> tuple[dict[str, np.ndarray], np.ndarray]:
    shaped = [({n: np.broadcast_to(v, s.shape) for n, v in d.items()}, s) for d, s in parts]
    return {n: np.concatenate([d[n] for d, _ in shaped]) for n in shaped[0][0]}, np.concatenate(
        [s for _, s in shaped]
    )


def _gemm(m, n, k) -> dict:
    return {"m": m, "n": n, "k": k}


def _moving(rows, width, read, write) -> dict:
    return {"rows": rows, "width": width, "read": read, "write": write}


def _vidur(folder: Path) -> Iterator[Table]:
    products: dict[str, list] = {}
    moves: dict[str, list] = {}
    for path in sorted((folder / "vidur").glob("compute__*.csv.gz")):
        c = _rows(path)
        device = DEVICES[path.name.split("__")[1]]

        def number(name, c=c):
            return c[name].astype(float)

        def ms(op, c=c):
            return 1e-3 * np.array([float(v) if v else np.nan for v in c[f"time_stats.{op}.median"]])

        m, tp, hidden = number("num_tokens"), number("num_tensor_parallel_workers"), number("n_embd")
        heads, kv, ffn = number("n_head"), number("n_kv_head"), number("n_expanded_embd") / tp
        head, gated = hidden / heads, (c["use_gated_mlp"] == "True").astype(float)
        products.setdefault(device, []).extend([
            (_gemm(m, (heads + 2 * kv) * head / tp, hidden), ms("attn_pre_proj")),
            (_gemm(m, hidden, hidden / tp), ms("attn_post_proj")),
            (_gemm(m, ffn * (1 + gated), hidden), ms("mlp_up_proj")),
            (_gemm(m, hidden, ffn), ms("mlp_down_proj")),
        ])  # fmt: skip
        moves.setdefault(device, []).extend([
            (_moving(m, hidden, 2 * m * hidden, 2 * m * hidden), ms("input_layernorm")),
            (_moving(m, ffn, 2 * m * ffn * (1 + gated), 2 * m * ffn), ms("mlp_act")),
            (_moving(m, hidden, 4 * m * hidden, 2 * m * hidden), ms("add")),
        ])  # fmt: skip
    for device in products:
        # Of the two that NVIDIA's tables cover, what those lack is taken.
        if device == "a40":
            yield _table("gemm", device, "vidur", *_stacked(products[device]))
        yield _table("moving", device, "vidur", *_stacked(moves[device]))


def _servingsim(folder: Path) -> Iterator[Table]:
    parts: dict[tuple[str, str], list] = {}
    for path in sorted((folder / "llmservingsim").glob("perf__*.csv.gz")):
        _, gpu, org, model, _, tp, kind = path.name.removesuffix(".csv.gz").split("__")
        device, c, t = DEVICES[gpu], _rows(path), int(tp[2:])
        hidden, heads, kv, head, ffn, vocabulary = MODELS[f"{org}__{model}"]
        us = 1e-6 * c["time_us"].astype(float)
        if kind == "dense":
            m = c["tokens"].astype(float)
            for layer, n, k in (
                ("qkv_proj", (heads + 2 * kv) * head // t, hidden),
                ("o_proj", hidden, heads * head // t),
                ("gate_up_proj", 2 * ffn // t, hidden),
                ("down_proj", hidden, ffn // t),
            ):
                rows = c["layer"] == layer
                if rows.any() and n and k:
                    parts.setdefault(("gemm", device), []).append((_gemm(m[rows], n, k), us[rows]))
            for layer, width, reads, writes in (("layernorm", hidden, 4, 4), ("act_fn", ffn // t, 4, 2)):
                rows = (c["layer"] == layer) & (width > 0)
                size = m[rows] * width
                parts.setdefault(("moving", device), []).append(
                    (_moving(m[rows], width, reads * size, writes * size), us[rows])
                )
        elif kind == "per_sequence":
            rows = c["layer"] == "lm_head"
            m = c["sequences"].astype(float)[rows]
            parts.setdefault(("gemm", device), []).append((_gemm(m, vocabulary // t, hidden), us[rows]))
        elif kind == "attention":
            chunk, past, n, kv_len = (
                c[name].astype(float) for name in ("prefill_chunk", "kv_prefill", "n_decode", "kv_decode")
            )
            shape = {"heads": heads // t, "kv_heads": kv // t, "head_dim": head, "window": 0, "causal": 1}
            one, many = (chunk == 0) & (n > 0), (chunk > 0) & (n == 0)
            dims = {"batch": n[one], "q_len": 1, "kv_len": kv_len[one]} | shape
            parts.setdefault(("decode", device), []).append((dims, us[one]))
            dims = {"batch": 1, "q_len": chunk[many], "kv_len": (chunk + past)[many]} | shape
            parts.setdefault(("prefill", device), []).append((dims, us[many]))
    for (family, device), found in sorted(parts.items()):
        cache = "bf16" if family in ("decode", "prefill") else ""
        yield _table(family, device, "LLMServingSim vllm-0.19.0", *_stacked(found), cache=cache)


def _servingsim_v0(folder: Path) -> Iterator[Table]:
    """Only products: its norms were timed with the host's launches."""
    parts: dict[str, list] = {}
    for path in sorted((folder / "llmservingsim").glob("v0__perf_models__*__layers.csv.gz")):
        _, _, gpu, org, model, tp, _ = path.name.removesuffix(".csv.gz").split("__")
        if gpu not in ("A6000", "RTX3090") or f"{org}__{model}" not in MODELS:
            continue
        hidden, heads, kv, head, ffn, vocabulary = MODELS[f"{org}__{model}"]
        c, t = _rows(path), int(tp[2:])
        seconds, m = 1e-9 * c["latency(ns)"].astype(float), c["input"].astype(float)
        for layer, n, k in (
            ("q_proj", heads * head // t, hidden), ("k_proj", kv * head // t, hidden),
            ("o_proj", hidden, heads * head // t), ("gate_proj", ffn // t, hidden),
            ("down_proj", hidden, ffn // t), ("lm_head", vocabulary // t, hidden),
        ):  # fmt: skip
            rows = (c["layer_name"] == layer) & ((m <= 64) | (m % 64 == 0) | (m % 61 == 0))
            if rows.any():
                parts.setdefault(DEVICES[gpu], []).append((_gemm(m[rows], n, k), seconds[rows]))
    for device, found in sorted(parts.items()):
        yield _table("gemm", device, "LLMServingSim v0", *_stacked(found))


def _infersim(folder: Path) -> Iterator[Table]:
    root = folder / "infersim"
    for gpu in ("h20", "h800"):
        c = _rows(root / f"gemm__{gpu}__data.csv")
        dims = {name: c[name].astype(float) for name in ("m", "n", "k")}
        yield _table("gemm", DEVICES[gpu], "InferSim", dims, 1e-6 * c["latency_us"].astype(float), "fp8")
        for cache in ("bf16", "fp8"):
            parts = []
            for path in sorted(root.glob(f"mha__decode__{gpu}__*.csv")):
                heads, kv, head = map(int, path.stem.split("__")[-1].split("-"))
                c = _rows(path)
                rows = c["kv_dtype"] == cache
                dims = {
                    "batch": c["batch_size"][rows].astype(float), "q_len": 1, "kv_len": c["kv_len"][rows].astype(float),
                    "heads": heads, "kv_heads": kv, "head_dim": head, "window": 0, "causal": 1,
                }  # fmt: skip
                parts.append((dims, 1e-6 * c["latency_us"][rows].astype(float)))
            if parts and sum(len(s) for _, s in parts):
                yield _table("decode", DEVICES[gpu], "InferSim", *_stacked(parts), cache=cache)
        parts = []
        for path in sorted(root.glob(f"mha__prefill__{gpu}__*.csv")):
            heads, kv, head = map(int, path.stem.split("__")[-1].split("-"))
            c = _rows(path)
            length = c["seq_len"].astype(float)
            dims = {
                "batch": 1, "q_len": length, "kv_len": length, "heads": heads, "kv_heads": kv, "head_dim": head,
                "window": 0, "causal": 1,
            }  # fmt: skip
            parts.append((dims, 1e-6 * c["latency_us"].astype(float)))
        if parts:
            yield _table("prefill", DEVICES[gpu], "InferSim", *_stacked(parts), cache="bf16")
        c = _rows(root / f"mla__decode__{gpu}__128-512-64.csv")
        rows = c["kv_dtype"] == "bf16"
        dims = {
            "batch": c["batch_size"][rows].astype(float),
            "q_len": 1,
            "kv_len": c["kv_len"][rows].astype(float),
        }
        seconds = 1e-6 * c["latency_us"][rows].astype(float)
        yield _table("mla_decode", DEVICES[gpu], "InferSim", dims | {"heads": 128}, seconds, cache="bf16")


def _llmcompass(folder: Path) -> Iterator[Table]:
    for gpu in ("A100", "MI210"):
        lines = (folder / "llmcompass" / f"matmul_{gpu}.csv").read_text().splitlines()
        found = [re.match(r"\s*(\d+),\s*(\d+),\s*(\d+),\s*([\d.]+)ms", text) for text in lines]
        m, k, n, ms = np.array([match.groups() for match in found if match], float).T
        yield _table("gemm", DEVICES[gpu], "LLMCompass", _gemm(m, n, k), 1e-3 * ms)
