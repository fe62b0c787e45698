# Which function gives the calibrated time of a kernel, and which measured family its constants come from: the one
# place that joins kinds of kernels, constants and tables, for predictions and for fits alike.
"""`FAMILIES`, and `family_of(kind, dtype, cache, d)`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from cutaway.predict.time import attention, gemm, grouped, moving, scan
from cutaway.predict.time.work import Array, keys_read

FEW = 8  # so many queries per sequence (one, or the guesses of speculation) are still decoding
_MOVING = ("norm", "elementwise", "gather", "softmax", "conv", "other")


@dataclass(frozen=True)
class Family:
    """One kind of measured kernel: its function, where fits start, and the coordinates of its tables."""

    seconds: Callable[..., Array]
    start: dict[str, tuple[float, float, float]]
    axes: Callable[[dict[str, Array]], tuple[Array, ...]]  # sizes, of which tables take the base-2 logarithm
    nodes: tuple[tuple[float, ...], ...]  # of each axis, as logarithms
    of_other: Callable[..., Mapping[str, float]] = lambda c, of, hw: c  # a device's constants for another device


def family_of(kind: str, dtype: str, few: bool, causal: bool) -> str:
    """The family of a kernel; `dtype` is that of a matmul or, of attention, that of the cache."""
    if kind == "gemm":
        return f"gemm {dtype}"
    if kind in ("grouped_gemm", "moe"):
        return f"moe {dtype}"
    if kind == "attention":
        return f"{'decode' if few else 'prefill' if causal else 'encoder'} {dtype}"
    if kind == "mla_attention":
        return f"{'mla_decode' if few else 'mla_prefill'} {dtype}"
    if kind == "scan":
        return "scan_decode" if few else "scan_prefill"
    return "conv" if kind == "conv" else "moving"


def family(name: str) -> Family:
    """By the first word of the name."""
    word, _, dtype = name.partition(" ")
    if word == "gemm" and dtype != "bf16":
        return _QUANTISED
    if word == "moe" and dtype == "int4_wo":
        return _WIDENED
    return _NARROW[word] if word in _NARROW and dtype != "bf16" else FAMILIES[word]


def _lengths(d: dict[str, Array]) -> tuple[Array, ...]:
    return d["batch"] * d["kv_heads"], keys_read(d), d["heads"] / d["kv_heads"], d["head_dim"], d["batch"]


def _prompts(d: dict[str, Array]) -> tuple[Array, ...]:
    return d["batch"] * d["heads"], d["q_len"], keys_read(d) / d["q_len"], d["head_dim"], d["batch"]


def _experts(d: dict[str, Array]) -> tuple[Array, ...]:
    """One product stands for the half of a mixture that it is."""
    local = np.maximum(d["experts"] * d["share"], 1.0)
    size = d["n"] * d["k"] / np.sqrt(2) if "n" in d else d["inter"] * d["hidden"]
    return d["m"] * d["top_k"] / d["experts"], local, size, 1 / d["share"]


def _steps(low: float, high: float, step: float) -> tuple[float, ...]:
    return tuple(np.arange(low, high + step / 2, step).round(3).tolist())


_GEMM_NODES = (
    (0, 1, 2, 3, 4, 5, 6, 6.5, 7, 7.5, 8, 8.5, 9, 9.5, 10, 11, 12, 13, 14, 15),
    (5, 7, 8, 9, 10, 10.585, 11, 11.585, 12, 12.585, 13, 13.585, 14, 16),
    (5, 7, 8, 9, 10, 10.585, 11, 11.585, 12, 12.585, 13, 13.585, 14, 16),
)
_HEADS = (6.0, 7.0, 7.585, 8.0, 9.0)
_GEMM = Family(gemm.seconds, gemm.START, lambda d: (d["m"], d["n"], d["k"]), _GEMM_NODES)
_QUANTISED = Family(gemm.seconds, gemm.QUANTISED, _GEMM.axes, _GEMM_NODES)
_DECODE_NODES = (_steps(0, 14, 1), _steps(1, 17, 1), (0, 1, 2, 3, 4, 5, 6, 6.585), _HEADS)
_PREFILL_NODES = (_steps(0, 14, 1), _steps(4, 15, 1), (-7, -4, -2, -1, 0), _HEADS)
FAMILIES = {
    "gemm": _GEMM,
    "moe": Family(
        grouped.seconds, grouped.START, _experts, (_steps(-9, 12, 1.5), _steps(0, 9, 1.5), _steps(15, 27, 1.5), _steps(0, 8, 2))
    ),
    "prefill": Family(attention.prefill, attention.PREFILL, lambda d: _prompts(d)[:4], _PREFILL_NODES),
    "encoder": Family(attention.prefill, attention.PREFILL, lambda d: _prompts(d)[:4], _PREFILL_NODES),
    "decode": Family(attention.decode, attention.DECODE, lambda d: _lengths(d)[:4], _DECODE_NODES, attention.decode_of_other),
    "mla_prefill": Family(
        attention.prefill, attention.LATENT_PREFILL, lambda d: (d["batch"], d["q_len"], d["heads"]),
        (_steps(0, 8, 1), _steps(4, 15, 1), _steps(0, 7, 1)),
    ),
    "mla_decode": Family(
        attention.decode, attention.LATENT_DECODE, lambda d: (d["batch"], d["kv_len"], d["heads"]),
        (_steps(0, 10, 1), _steps(1, 17, 1), _steps(0, 7, 1)), attention.decode_of_other,
    ),
    "scan_prefill": Family(
        scan.seconds, scan.PREFILL, lambda d: (d["batch"] * d["heads"], d["length"]), (_steps(0, 12, 1), _steps(0, 15, 1))
    ),
    "scan_decode": Family(scan.seconds, scan.DECODE, lambda d: (d["batch"] * d["heads"],), (_steps(0, 16, 1),)),
    "conv": Family(moving.seconds, moving.START, lambda d: (d["rows"], d["width"]), (_steps(0, 20, 1), _steps(8, 15, 1))),
    "moving": Family(moving.seconds, moving.START, lambda d: (d["rows"], d["width"]), (_steps(0, 15, 1), _steps(5, 16, 1))),
}  # fmt: skip
_WIDENED = replace(FAMILIES["moe"], of_other=grouped.widened_of_other)
_NARROW = {w: replace(FAMILIES[w], start=FAMILIES[w].start | attention.NARROW) for w in ("decode", "mla_decode")}
