# The door to the time model: it checks what was asked, takes the best tier that is known and says which it was.
"""`op_time`: seconds of one kernel on one device."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from cutaway.errors import BadValue, nearest
from cutaway.hardware import Hardware, dtype_name, sheet
from cutaway.predict.recorded import whole
from cutaway.predict.time.attention import OLDER, decode_in_prompts
from cutaway.predict.time.constants import constants_of, fitted, table_of
from cutaway.predict.time.families import FEW, Family, family, family_of
from cutaway.predict.time.tables import correction
from cutaway.predict.time.work import BYTES, Bits, sizes, work

SPEED_OF_LIGHT, CALIBRATED, MEASURED = "speed of light", "calibrated", "measured"
TIERS = (SPEED_OF_LIGHT, CALIBRATED, MEASURED)
_FOUR = 0.5 + 1 / 16  # bytes of a 4-bit weight with one 8 or 16 bit scale for every group of 16 or 32


def op_time(
    hw: Hardware,
    kind: str,
    dtype: str = "bf16",
    *,
    weights: str | None = None,
    cache: str | None = None,
    tier: str | None = None,
    looped: bool = False,
    without: tuple[str, ...] = (),
    checked: bool = False,
    few: bool | None = None,
    told: bool = True,
    **dims: Any,
) -> tuple[np.ndarray, str, str]:
    """(seconds, tier, why) of one kernel; `dims` are those of `predict.types.Op`, numbers or arrays that broadcast.

    `dtype` is what the matmul computes in ("fp8_block" where scales are per block), `weights` and `cache` what those
    are stored in (else the same). `tier` is the best that may be used; where an array is answered by two, the lower is
    named. `looped` is the time in a benchmark's loop, `without` leaves out what was fitted on these devices. Sizes that are
    `checked` are arrays and taken as they are; `few` is whether queries are few, where that is known; who is not `told`
    gets no tier and no reason. Further kind: "moe", a whole mixture (m, hidden, inter, experts, top_k, gated). Of experts,
    `share` is what lies on this device and `skew` how uneven tokens choose: 0 dealt out in turn, 1 as in practice. Raises
    BadValue.
    """
    if tier is not None and tier not in TIERS:
        raise BadValue("unknown tier", asked=tier, known=", ".join(nearest(tier, TIERS) or TIERS))
    d, name = sizes(kind, dims, checked), dtype_name(dtype)
    bits, peak = _bits(name, weights, cache), hw.peak(name)
    if tier == SPEED_OF_LIGHT:
        return _roofline(hw, kind, d, bits, peak)
    causal = "causal" not in d or bool((d["causal"] > 0).any())
    measured_as = _constants_dtype(kind, dtype, weights, cache)
    answers = [
        _known(hw, family_of(kind, measured_as, few, causal), kind, d, bits, peak, tier, looped, without, told)
        for few in (_phases(kind, d) if few is None else (few,))
    ]
    seconds, used, why = min(answers, key=lambda answer: TIERS.index(answer[1]))
    if len(answers) == 2:
        seconds = np.where(_is_few(kind, d), answers[0][0], answers[1][0])
    return seconds, used, why


def _known(
    hw: Hardware,
    name: str,
    kind: str,
    d: dict,
    bits: Bits,
    peak: float,
    tier: str | None,
    looped: bool,
    without: tuple,
    told: bool = True,
) -> tuple[np.ndarray, str, str]:
    """The calibrated time of one family, corrected by its table where there is one."""
    found = constants_of(hw, name, without)
    if found is None:
        return _roofline(hw, kind, d, bits, peak)
    used = family(found.family)
    time = used.seconds(hw, _here(used, found.values, found.device, hw), d, bits, peak, looped, kind)
    ratio = 1.0 if found.exact else carried(hw, name, found.device, without)
    time = time if ratio == 1 else time * ratio
    said = found.why if ratio == 1 else f"times {ratio:.2f}, as its relatives here; {found.why}"
    # Where the kernel alone was timed behind its host, the table is of that loop, and what is known comes from layers.
    hidden = not looped and "around_us" in found.values
    table = table_of(hw.name, name) if found.exact and tier != CALIBRATED and not hidden else None
    if table is None:
        return time, CALIBRATED, said
    miss = _correction(table, used.nodes, used.axes(d))
    known = ~np.isnan(miss)
    time = time * np.exp(np.where(known, miss, 0.0))
    if not told or np.all(known):
        return time, MEASURED, f"interpolated between measured sizes; {found.why}"
    return time, CALIBRATED, f"{np.mean(~known):.0%} outside the measured sizes; {found.why}"


def beside_prompts(hw: Hardware, alone: np.ndarray, prompt: np.ndarray, **dims: Any) -> np.ndarray:
    """Seconds of decoding's attention of checked sizes where one kernel serves the prompts of a step as well, which have so
    many tokens: not less than `alone`, and that on devices whose kernels pack heads all the same."""
    found = constants_of(hw, "prefill bf16") if hw.architecture in OLDER else None
    if found is None:
        return alone
    c = _here(family(found.family), found.values, found.device, hw)
    together = decode_in_prompts(hw, c, sizes("attention", dims, True), prompt)
    return np.where(prompt > 0, np.maximum(alone, together), alone)


# Latent attention was measured on few devices, but what it grew out of on many. A device that runs the one faster than
# rates and constants of another say runs the other faster too: both are work of the same hands.
_SIBLINGS = {"mla_decode": "decode", "mla_prefill": "prefill"}
_USUAL = {"batch": (1.0, 8.0, 64.0, 256.0), "kv_len": (512.0, 4096.0, 16384.0)}


def carried(hw: Hardware, name: str, device: str, without: tuple[str, ...]) -> float:
    """By what the family's time with constants of `device` is multiplied: how its sibling does on this device, over how
    it would with constants of that device; the middle of usual sizes."""
    key = (hw.name, hw.bandwidth, hw.units, hw.peak("bf16"), name, device, without)
    if key not in _CARRIED:
        _CARRIED[key] = _ratio(hw, name, device, without)
    return _CARRIED[key]


_correction = whole(correction)
_CARRIED: dict[tuple, float] = {}


def _ratio(hw: Hardware, name: str, device: str, without: tuple[str, ...]) -> float:
    word, _, dtype = name.partition(" ")
    sibling = f"{_SIBLINGS.get(word)} {dtype}"
    own, other = constants_of(hw, sibling, without), fitted().get(sibling, {}).get(device)
    if word not in _SIBLINGS or own is None or other is None or own.device == device:
        return 1.0
    used = family(sibling)
    batch, kv = np.meshgrid(*_USUAL.values())
    heads = {"heads": 16.0, "kv_heads": 1.0 if word == "mla_decode" else 16.0, "head_dim": 128.0}
    d = sizes("attention", {"batch": batch, "q_len": 1.0 if word == "mla_decode" else kv, "kv_len": kv, **heads})
    times = [
        used.seconds(hw, c, d, _bits("bf16", None, dtype), hw.peak("bf16"), False, "attention")
        for c in (_here(used, own.values, own.device, hw), _here(used, other["constants"], device, hw))
    ]
    return float(np.median(times[0] / times[1]))


def _here(used: Family, values: Mapping[str, float], device: str, hw: Hardware) -> Mapping[str, float]:
    """Constants of `device` as they hold here."""
    return values if device == hw.name else used.of_other(values, sheet()[device], hw)


def _roofline(hw: Hardware, kind: str, d: dict, bits: Bits, peak: float) -> tuple[np.ndarray, str, str]:
    flops, moved = work(kind, d, bits)
    return (
        np.maximum(flops / peak, moved / hw.bandwidth),
        SPEED_OF_LIGHT,
        f"FLOPs / {peak:.4g}, bytes / {hw.bandwidth:.4g}",
    )


def _phases(kind: str, d: dict) -> tuple[bool, ...]:
    """Which of (a few queries, many) occur; other kinds know no phases."""
    few = _is_few(kind, d)
    if few.ndim == 0:
        return (bool(few),)
    return tuple(value for value in (True, False) if (few == value).any())


def _is_few(kind: str, d: dict) -> np.ndarray:
    if kind in ("attention", "mla_attention"):
        return d["q_len"] <= FEW
    return d["length"] <= 1 if kind == "scan" else np.asarray(False)


def _constants_dtype(kind: str, dtype: str, weights: str | None, cache: str | None) -> str:
    """Attention goes by the dtype of its cache, experts with narrow weights by those, all else by the matmul's."""
    plain = dtype_name(dtype)
    if "attention" in kind:
        return "fp8" if cache and BYTES[dtype_name(cache)] <= 1 else "bf16"
    if kind in ("grouped_gemm", "moe") and weights and BYTES[dtype_name(weights)] < 1 and BYTES[plain] >= 2:
        return "int4_wo"
    if "fp8_block" in (dtype, weights):
        return "fp8_block"
    return "bf16" if plain in ("fp16", "tf32", "fp32") else plain


def _bits(dtype: str, weights: str | None, cache: str | None) -> Bits:
    """Results leave in 16 bits unless everything is wider; four bits carry their scales."""
    wide = max(2.0, BYTES[dtype])

    def stored(name: str) -> float:
        return _FOUR if BYTES[name] < 1 else BYTES[name]

    return Bits(
        weight=stored(dtype_name(weights)) if weights else stored(dtype),
        activation=stored(dtype),
        cache=BYTES[dtype_name(cache)] if cache else wide,
        output=wide,
    )
