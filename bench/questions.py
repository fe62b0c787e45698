# What `op_time` is asked for each measured table: the one place that says which of our kernels a source's row is. Fits
# and judgements both ask through it.
"""`question(table)`: how to ask `op_time`, or `collective`, for a table's rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from measured_rows import Table

COLLECTIVES = ("all_reduce", "all_gather", "reduce_scatter", "all_to_all", "custom_all_reduce", "send_recv")


@dataclass(frozen=True)
class Question:
    """Arguments of `op_time`; `dims` are arrays, one entry per row."""

    kind: str
    dtype: str
    weights: str | None
    cache: str | None
    dims: dict[str, np.ndarray]
    looped: bool = True

    def arguments(self) -> dict:
        return {
            "dtype": self.dtype,
            "weights": self.weights,
            "cache": self.cache,
            "looped": self.looped,
            **self.dims,
        }


def question(t: Table) -> Question | None:
    """None for collectives and for what is no single kernel of ours."""
    d = {name: column.astype(float) for name, column in t.dims.items()}
    one = np.ones(len(t))
    cache = t.cache or None
    if t.family == "gemm":
        return Question("gemm", t.dtype, None, None, d)
    if t.family in ("prefill", "decode", "encoder"):
        # In an engine each call has another cache to read.
        return Question("attention", "bf16", None, cache, d, looped=not t.source.startswith("LLMServingSim"))
    if t.family == "mla_prefill":  # not absorbed: every head has keys and values of its own
        dims = {"head_dim": 192 * one, "v_head_dim": 128 * one, "kv_heads": d["heads"]}
        return Question("mla_attention", "bf16", None, cache, d | dims)
    if t.family == "mla_decode":  # absorbed: all heads look at one latent of 512 and 64 of position
        dims = {"head_dim": 576 * one, "v_head_dim": 512 * one, "kv_heads": one}
        # InferSim's are of FlashMLA's own test, which empties the device's cache before each call and waits for no host.
        return Question("mla_attention", "bf16", None, cache, d | dims, looped=t.source != "InferSim")
    if t.family == "moe":
        dims = {name: d[name] for name in ("m", "hidden", "inter", "experts", "top_k", "gated")}
        dims |= {"share": 1 / d["ep"], "skew": d["skew"] / 100}
        narrow = t.dtype == "int4_wo"
        return Question("moe", "bf16" if narrow else t.dtype, "int4" if narrow else None, None, dims)
    if t.family.endswith("_scan"):
        names = ("batch", "length", "heads", "head_dim", "state_dim")
        return Question("scan", "bf16", None, None, {name: d[name] for name in names})
    if t.family.endswith("_conv"):
        width = 2 * d["groups"] * d["state_dim"] + d["heads"] * d["head_dim"]
        return Question("conv", "bf16", None, None, {"rows": d["batch"] * d["length"], "width": width})
    if t.family == "moving":
        return Question("elementwise", "bf16", None, None, d)
    if t.family == "quantise":
        size = d["rows"] * d["width"]
        return Question("elementwise", "bf16", None, None, d | {"read": 2 * size, "write": size})
    return None
