# The measured folder as tables of one family, device and dtype each, in SI units and in the names of our own sizes, so
# that fitting and judging read the very same rows. What each source's columns mean is said in the folder's README.
"""`tables(folder)`: NVIDIA's per-op timings as `Table`s; the other sources are in measured_layers."""

from __future__ import annotations

import csv
import gzip
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

DEVICES = {
    "a100_sxm": "a100-sxm-80gb", "b200_sxm": "b200", "h100_sxm": "h100-sxm", "h200_sxm": "h200-sxm", "l40s": "l40s",
    "h20": "h20", "h800": "h800", "a100": "a100-sxm-80gb", "a40": "a40", "h100": "h100-sxm",
    "RTX4090": "rtx-4090", "RTXPRO6000": "rtx-pro-6000", "A100": "a100-sxm-80gb", "MI210": "mi210",
}  # fmt: skip
DTYPES = {
    "bfloat16": "bf16", "fp8": "fp8", "fp8_block": "fp8_block", "nvfp4": "fp4", "int4_wo": "int4_wo",
    "w4a16_mxfp4": "int4_wo", "half": "fp16", "int8": "int8",
}  # fmt: skip


@dataclass(frozen=True)
class Table:
    """Rows of one `family` (gemm, prefill, decode, mla_prefill, …) on one device: sizes and seconds, equally long."""

    family: str
    device: str
    dtype: str  # of the matmul
    cache: str  # of the keys and values, else ""
    source: str
    dims: dict[str, np.ndarray]
    seconds: np.ndarray
    kernel: np.ndarray  # its name, one per row

    def where(self, rows: np.ndarray) -> Table:
        """The rows that are True."""
        dims = {name: column[rows] for name, column in self.dims.items()}
        return Table(
            self.family,
            self.device,
            self.dtype,
            self.cache,
            self.source,
            dims,
            self.seconds[rows],
            self.kernel[rows],
        )

    def __len__(self) -> int:
        return len(self.seconds)


def tables(folder: Path, families: str = ".*") -> Iterator[Table]:
    """All tables whose family matches, in the order of the files."""
    perop = Path(folder) / "aiconfigurator" / "perop"
    constants = {e["file"]: e["constant_columns"] for e in json.loads((perop / "MANIFEST.json").read_text())}
    for path in sorted(perop.glob("*.csv.gz")):
        device, _, _, table = path.name.removesuffix(".csv.gz").split("__")
        family, make = _AICONFIGURATOR.get(table, (None, None))
        if family is None or not re.fullmatch(families, family):
            continue
        columns = _columns(path, constants[path.name])
        yield from make(family, DEVICES[device], f"aiconfigurator {path.name.split('__')[2]}", columns)


def _columns(path: Path, constants: dict[str, str]) -> dict[str, np.ndarray]:
    """The file's columns as arrays of text, and those that were constant."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        reader = csv.reader(file)
        names = next(reader)
        rows = list(reader)
    found = dict(zip(names, np.array(rows).T, strict=True))
    return found | {name: np.full(len(rows), value) for name, value in constants.items()}


def _split(family, device, source, dims, seconds, kernel, dtype, cache=None) -> Iterator[Table]:
    """One table per dtype (and dtype of the cache). A shape that several kernels were measured on takes the fastest,
    as an engine would."""
    cache = np.full(len(seconds), "") if cache is None else cache
    for d in np.unique(dtype):
        for c in np.unique(cache[dtype == d]):
            rows = (dtype == d) & (cache == c) & np.isfinite(seconds) & (seconds > 0)
            sizes = {name: column[rows] for name, column in dims.items()}
            best = _fastest(sizes, seconds[rows])
            sizes = {name: column[best] for name, column in sizes.items()}
            yield Table(
                family,
                device,
                DTYPES[d],
                DTYPES.get(c, c),
                source,
                sizes,
                seconds[rows][best],
                kernel[rows][best],
            )


def _fastest(dims: dict[str, np.ndarray], seconds: np.ndarray) -> np.ndarray:
    order = np.lexsort((seconds, *dims.values()))
    stacked = np.stack([column[order] for column in dims.values()])
    first = np.ones(len(order), bool)
    first[1:] = np.any(stacked[:, 1:] != stacked[:, :-1], axis=0)
    return order[first]


def _ints(columns, *names):
    return [columns[name].astype(float).astype(np.int64) for name in names]


def _ms(columns):
    return columns["latency"].astype(float) * 1e-3


def _gemm(family, device, source, c):
    m, n, k = _ints(c, "m", "n", "k")
    yield from _split(
        family, device, source, {"m": m, "n": n, "k": k}, _ms(c), c["kernel_source"], c["gemm_dtype"]
    )


def _attention(family, device, source, c):
    batch, heads, kv, dim = _ints(c, "batch_size", "num_heads", "num_key_value_heads", "head_dim")
    window = _ints(c, "window_size")[0] if "window_size" in c else np.zeros_like(batch)
    prefill = family == "prefill"
    past = _ints(c, "isl" if prefill else "step")[0]
    dims = {
        "batch": batch, "q_len": past if prefill else np.ones_like(past), "kv_len": past if prefill else past + 1,
        "heads": heads, "kv_heads": np.where(kv == 0, heads, kv), "head_dim": dim, "window": window,
        "causal": np.ones_like(batch),
    }  # fmt: skip
    yield from _split(
        family, device, source, dims, _ms(c), c["kernel_source"], c["attn_dtype"], c["kv_cache_dtype"]
    )


def _encoder(family, device, source, c):
    batch, heads, dim, length = _ints(c, "batch_size", "num_heads", "head_dim", "isl")
    dims = {
        "batch": batch, "q_len": length, "kv_len": length, "heads": heads, "kv_heads": heads, "head_dim": dim,
        "window": 0 * batch, "causal": 0 * batch,
    }  # fmt: skip
    yield from _split(family, device, source, dims, _ms(c), c["kernel_source"], c["attn_dtype"])


def _mla(family, device, source, c):
    batch, heads = _ints(c, "batch_size", "num_heads")
    prefill = "prefill" in family
    past = _ints(c, "isl" if prefill else "step")[0]
    # The kernel alone stores one token at `step` past ones; the module's own steps are counted with it.
    kv = past if prefill or family.startswith("mla_module") else past + 1
    dims = {"batch": batch, "q_len": past if prefill else np.ones_like(past), "kv_len": kv, "heads": heads}
    dtype = c.get("gemm_type", c["mla_dtype"])
    yield from _split(family, device, source, dims, _ms(c), c["kernel_source"], dtype, c["kv_cache_dtype"])


def _moe(family, device, source, c):
    m, n, k, top, e, tp, ep = _ints(
        c, "num_tokens", "inter_size", "hidden_size", "topk", "num_experts", "moe_tp_size", "moe_ep_size"
    )
    skew = np.where(c["distribution"] == "balanced", 0, 0)
    for i, text in enumerate(c["distribution"]):
        skew[i] = 0 if text == "balanced" else round(100 * float(text.rsplit("_", 1)[1]))
    # Of the measured models only Nemotron's have experts without a gate; they are known by their sizes.
    plain = ((k == 2688) & (n == 1856)) | (top == 22)
    dims = {
        "m": m, "inter": n // tp, "hidden": k, "top_k": top, "experts": e, "ep": ep, "skew": skew,
        "gated": np.where(plain, 0, 1),
    }  # fmt: skip
    yield from _split(family, device, source, dims, _ms(c), c["kernel_source"], c["moe_dtype"])


def _scan(family, device, source, c):
    phase = (c["phase"] == "generation").astype(np.int64)
    batch, length = _ints(c, "batch_size", "seq_len")
    length = np.where(phase == 1, 1, length)
    gdn = "num_v_heads" in c
    names = ("num_v_heads", "head_v_dim", "head_k_dim") if gdn else ("nheads", "head_dim", "d_state")
    heads, dim, state = _ints(c, *names)
    groups = _ints(c, "num_k_heads" if gdn else "n_groups")[0]
    dims = {
        "batch": batch,
        "length": length,
        "heads": heads,
        "head_dim": dim,
        "state_dim": state,
        "groups": groups,
    }
    conv = np.char.startswith(c["kernel_source"], "causal_conv1d")
    for name, rows in (("conv", conv), ("scan", ~conv)):
        if rows.any():
            part = {k: v[rows] for k, v in dims.items()}
            dtype = np.full(int(rows.sum()), "bfloat16")
            kind = f"{'gdn' if gdn else 'mamba2'}_{name}"
            yield from _split(kind, device, source, part, _ms(c)[rows], c["kernel_source"][rows], dtype)


def _quantise(family, device, source, c):
    m, k = _ints(c, "m", "k")
    yield from _split(
        family, device, source, {"rows": m, "width": k}, _ms(c), c["kernel_source"], c["quant_dtype"]
    )


def _nccl(family, device, source, c):
    ranks, elements = _ints(c, "num_gpus", "message_size")
    width = np.where(c["nccl_dtype"] == "half", 2, 1)
    names = {"alltoall": "all_to_all"}
    for op in np.unique(c["op_name"]):
        rows = c["op_name"] == op
        dims = {"bytes": (elements * width)[rows], "ranks": ranks[rows]}
        kernel = np.full(int(rows.sum()), "nccl")
        yield from _split(
            names.get(op, op), device, source, dims, _ms(c)[rows], kernel, c["nccl_dtype"][rows]
        )


def _custom(family, device, source, c):
    ranks, elements = _ints(c, "num_gpus", "message_size")
    graph = c["backend"] == "vllm_graph"
    dims = {"bytes": (elements * 2)[graph], "ranks": ranks[graph]}
    yield from _split(
        family, device, source, dims, _ms(c)[graph], c["kernel_source"][graph], c["allreduce_dtype"][graph]
    )


_AICONFIGURATOR = {
    "gemm_perf": ("gemm", _gemm),
    "context_attention_perf": ("prefill", _attention),
    "generation_attention_perf": ("decode", _attention),
    "encoder_attention_perf": ("encoder", _encoder),
    "context_mla_perf": ("mla_prefill", _mla),
    "generation_mla_perf": ("mla_decode", _mla),
    "mla_context_module_perf": ("mla_module_prefill", _mla),
    "mla_generation_module_perf": ("mla_module_decode", _mla),
    "moe_perf": ("moe", _moe),
    "gdn_perf": ("gdn", _scan),
    "mamba2_perf": ("mamba2", _scan),
    "scale_matrix_perf": ("quantise", _quantise),
    "nccl_perf": ("collective", _nccl),
    "custom_allreduce_perf": ("custom_all_reduce", _custom),
}
