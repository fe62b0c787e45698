# The door to the time model: it checks what was asked, takes the best tier that is known and says which it was.
"""`op_time`: seconds of one kernel on one device."""

from __future__ import annotations

from typing import Any

import numpy as np

from cutaway.errors import BadValue, nearest
from cutaway.hardware import Hardware, dtype_name
from cutaway.predict.time.work import BYTES, Bits, sizes, work

SPEED_OF_LIGHT, CALIBRATED, MEASURED = "speed of light", "calibrated", "measured"
TIERS = (SPEED_OF_LIGHT, CALIBRATED, MEASURED)


def op_time(
    hw: Hardware,
    kind: str,
    dtype: str = "bf16",
    *,
    weights: str | None = None,
    cache: str | None = None,
    tier: str | None = None,
    **dims: Any,
) -> tuple[np.ndarray, str, str]:
    """(seconds, tier, why) of one kernel; `dims` are those of `predict.types.Op`, numbers or arrays that broadcast.

    `dtype` is what the matmul computes in, `weights` and `cache` what those are stored in (else the same). `tier` is
    the best that may be used. Where an array is answered by two tiers, the lower is named. Raises BadValue.
    """
    if tier is not None and tier not in TIERS:
        raise BadValue("unknown tier", asked=tier, known=", ".join(nearest(tier, TIERS) or TIERS))
    d = sizes(kind, dims)
    name = dtype_name(dtype)
    bits = _bits(name, weights, cache)
    flops, moved = work(kind, d, bits)
    seconds = np.maximum(flops / hw.peak(name), moved / hw.bandwidth)
    return (
        seconds,
        SPEED_OF_LIGHT,
        f"max(FLOPs / {hw.peak(name):.4g}, bytes / {hw.bandwidth:.4g}) of {hw.name}",
    )


def _bits(dtype: str, weights: str | None, cache: str | None) -> Bits:
    """Results leave in 16 bits unless everything is wider."""
    wide = max(2, BYTES[dtype])
    stored = BYTES[dtype_name(weights)] if weights else BYTES[dtype]
    return Bits(stored, BYTES[dtype], BYTES[dtype_name(cache)] if cache else wide, wide)
