# What a kernel must compute and move at the least, from its sizes alone. All three tiers start from it, and the
# roofline is nothing else, so the sizes of every kind of kernel are interpreted in this one place.
"""`work(kind, dims, bits)`: FLOPs and bytes of one kernel, vectorised over numpy arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cutaway.errors import BadValue, nearest

Array = np.ndarray

# kind -> the sizes it takes, and those that have a default
SIZES: dict[str, tuple[tuple[str, ...], dict[str, float]]] = {
    "gemm": (("m", "n", "k"), {}),
    "grouped_gemm": (("m", "n", "k", "experts", "top_k"), {"share": 1.0, "skew": 1.0}),
    "moe": (("m", "hidden", "inter", "experts", "top_k"), {"share": 1.0, "skew": 1.0, "gated": 1.0}),
    "attention": (
        ("batch", "q_len", "kv_len", "heads", "kv_heads", "head_dim"),
        {"v_head_dim": 0, "window": 0, "causal": 1},
    ),
    "mla_attention": (
        ("batch", "q_len", "kv_len", "heads", "head_dim"),
        {"kv_heads": 1, "v_head_dim": 0, "window": 0, "causal": 1},
    ),
    "scan": (("batch", "length", "heads", "head_dim", "state_dim"), {}),
} | {
    kind: (("rows", "width"), {"read": -1.0, "write": -1.0})
    for kind in ("norm", "elementwise", "gather", "softmax", "conv", "other")
}  # fmt: skip
_DEFAULTS = {kind: {name: np.array(value, float) for name, value in optional.items()} for kind, (_, optional) in SIZES.items()}
BYTES = {"fp32": 4, "tf32": 4, "bf16": 2, "fp16": 2, "fp8": 1, "int8": 1, "int4": 0.5, "fp4": 0.5}


@dataclass(frozen=True)
class Bits:
    """Bytes of one element of what a kernel reads and writes."""

    weight: float = 2
    activation: float = 2
    cache: float = 2
    output: float = 2


def sizes(kind: str, given: dict[str, Any], checked: bool = False) -> dict[str, Array]:
    """`given` as float arrays with the defaults filled in. Raises BadValue for what is missing, unknown or negative,
    unless the caller has `checked` that there is no such thing."""
    if kind not in SIZES:
        raise BadValue("unknown kind of kernel", asked=kind, known=", ".join(nearest(kind, SIZES) or SIZES))
    needed, optional = SIZES[kind]
    if checked:
        return {**_DEFAULTS[kind], **given}
    missing = [name for name in needed if name not in given]
    unknown = [name for name in given if name not in needed and name not in optional]
    if missing or unknown:
        what = f"{kind} lacks {', '.join(missing)}" if missing else f"{kind} takes no {', '.join(unknown)}"
        raise BadValue(what, asked=", ".join(given), known=", ".join((*needed, *optional)))
    values = {name: np.asarray(value, dtype=float) for name, value in ({**optional, **given}).items()}
    for name in needed:
        if not _countable(values[name]):
            raise BadValue(f"{name} of {kind} must be a number that is not negative", asked=str(given[name]))
    return values


def _countable(value: Array) -> bool:
    """Finite and not negative; nan compares false."""
    if value.ndim == 0:
        return 0 <= float(value) < np.inf
    return value.size == 0 or bool(value.min() >= 0 and value.max() < np.inf)


def work(kind: str, d: dict[str, Array], b: Bits) -> tuple[Array, Array]:
    """(FLOPs in the matrix units, bytes) of useful work: causal pairs only, each weight and cached token once."""
    return _WORK[kind](d, b)


def experts_hit(tokens: Array, experts: Array, top_k: Array) -> Array:
    """How many of `experts` at least one of `tokens` is sent to, in expectation, each choosing `top_k` of them."""
    share = np.minimum(top_k / np.maximum(experts, 1), 1)
    return experts * -np.expm1(tokens * np.log1p(-np.minimum(share, 1 - 1e-12)))


def pairs(d: dict[str, Array]) -> Array:
    """How many (query, key) pairs one head of one sequence looks at; the queries are the last of the kv_len."""
    q, kv, window = d["q_len"], d["kv_len"], d["window"]
    causal = q * kv - q * (q - 1) / 2
    if not np.any(window > 0):  # as nearly always
        return np.where(d["causal"] > 0, causal, q * kv)
    reach = np.where(window > 0, np.minimum(window, kv), kv)
    # With a window the first queries see fewer than `reach` keys only where the past is shorter than that.
    short = np.clip(reach - (kv - q) - 1, 0, q)
    windowed = q * reach - short * (short + 1) / 2
    return np.where(d["causal"] > 0, np.where(window > 0, windowed, causal), q * reach)


def keys_read(d: dict[str, Array]) -> Array:
    """How many keys of one sequence are read at all."""
    reach = np.where(d["window"] > 0, d["window"] + d["q_len"] - 1, d["kv_len"])
    return np.minimum(d["kv_len"], reach)


def value_dim(d: dict[str, Array]) -> Array:
    return np.where(d["v_head_dim"] > 0, d["v_head_dim"], d["head_dim"])


def _gemm(d: dict[str, Array], b: Bits) -> tuple[Array, Array]:
    m, n, k = d["m"], d["n"], d["k"]
    return 2 * m * n * k, b.weight * n * k + b.activation * m * k + b.output * m * n


def _grouped(d: dict[str, Array], b: Bits) -> tuple[Array, Array]:
    """`share` of the experts (and of the tokens sent to them) lies on this device."""
    sent, n, k = d["m"] * d["top_k"] * d["share"], d["n"], d["k"]
    hit = experts_hit(d["m"], d["experts"], d["top_k"]) * d["share"]
    return 2 * sent * n * k, b.weight * hit * n * k + sent * (b.activation * k + b.output * n)


def _mixture(d: dict[str, Array], b: Bits) -> tuple[Array, Array]:
    up = _grouped(d | {"n": d["inter"] * (1 + d["gated"]), "k": d["hidden"]}, b)
    down = _grouped(d | {"n": d["hidden"], "k": d["inter"]}, b)
    return up[0] + down[0], up[1] + down[1]


def _attention(d: dict[str, Array], b: Bits) -> tuple[Array, Array]:
    wide = d["head_dim"] + value_dim(d)
    cached = d["kv_heads"] * keys_read(d) * wide * b.cache
    return 2 * d["batch"] * d["heads"] * pairs(d) * wide, d["batch"] * (cached + _ends(d, b))


def _latent(d: dict[str, Array], b: Bits) -> tuple[Array, Array]:
    """Values are a part of the keys, so the cache is read once."""
    cached = d["kv_heads"] * keys_read(d) * d["head_dim"] * b.cache
    flops = 2 * d["batch"] * d["heads"] * pairs(d) * (d["head_dim"] + value_dim(d))
    return flops, d["batch"] * (cached + _ends(d, b))


def _ends(d: dict[str, Array], b: Bits) -> Array:
    """Queries in and results out, of one sequence."""
    return d["heads"] * d["q_len"] * (d["head_dim"] * b.activation + value_dim(d) * b.output)


def _scan(d: dict[str, Array], b: Bits) -> tuple[Array, Array]:
    """Per token: decay, read, update and ask of a head_dim x state_dim state, which is kept in fp32."""
    state = d["heads"] * d["head_dim"] * d["state_dim"]
    ends = d["heads"] * (2 * d["head_dim"] + 2 * d["state_dim"]) * b.activation
    return 6 * d["batch"] * d["length"] * state, d["batch"] * (2 * 4 * state + d["length"] * ends)


def _moved(d: dict[str, Array], b: Bits) -> tuple[Array, Array]:
    size = d["rows"] * d["width"]
    read = np.where(d["read"] >= 0, d["read"], size * b.activation)
    write = np.where(d["write"] >= 0, d["write"], size * b.output)
    return np.zeros_like(size), read + write


_WORK = {
    "gemm": _gemm, "grouped_gemm": _grouped, "moe": _mixture, "attention": _attention, "mla_attention": _latent, "scan": _scan,
} | dict.fromkeys(("norm", "elementwise", "gather", "softmax", "conv", "other"), _moved)  # fmt: skip
