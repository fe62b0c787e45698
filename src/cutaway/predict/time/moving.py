# Kernels that only move bytes: norms, activations, gathers, convolutions over a few tokens, quantisation.
"""`seconds(hw, c, d, bits, peak)`: the calibrated time of an elementwise kernel."""

from __future__ import annotations

from cutaway.hardware import Hardware
from cutaway.predict.time.looped import REUSE, kept_in_cache
from cutaway.predict.time.work import Array, Bits, work

START = {
    "launch_us": (2.0, 0.3, 100.0),
    "memory": (0.75, 0.02, 1.5),
    "ramp_kb": (500.0, 1.0, 50000.0),  # bytes whose time is lost before memory streams at full speed, in kB
    "row_ns": (0.1, 0.00001, 100.0),  # of each row, on the whole device
} | REUSE


def seconds(
    hw: Hardware, c: dict[str, float], d: dict[str, Array], bits: Bits, peak: float, looped: bool, kind: str
) -> Array:
    """Broadcasts over the sizes in `d`."""
    _, moved = work(kind, d, bits)
    ramp = c["ramp_kb"] * 1e3
    stream = (moved + ramp * moved / (moved + ramp)) / (c["memory"] * hw.bandwidth)
    if looped:
        stream = stream * kept_in_cache(hw, c, moved)
    return c["launch_us"] * 1e-6 + stream + c["row_ns"] * 1e-9 * d["rows"]
