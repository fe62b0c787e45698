# Linear attention and state spaces. A prompt is cut into chunks that follow one another for each head, so a short batch
# waits for the chain of chunks; one token reads and writes the state of every head once.
"""`seconds(hw, c, d, bits, peak)`: the calibrated time of a chunked scan or of one recurrent step."""

from __future__ import annotations

import numpy as np

from cutaway.hardware import Hardware
from cutaway.predict.time.work import Array, Bits, work

CHUNK = 64.0

PREFILL = {
    "launch_us": (10.0, 0.5, 500.0),
    "chunk_us": (1.0, 0.01, 50.0),  # one chunk after another, of one head
    "matrix": (0.2, 0.005, 1.2),
    "memory": (0.6, 0.02, 1.2),
    "slots": (1.0, 0.2, 8.0),  # chains that one unit runs side by side
    "blend": (3.0, 1.0, 12.0),
}
DECODE = {
    "launch_us": (4.0, 0.5, 100.0),
    "memory": (0.8, 0.05, 1.2),
    "ramp_kb": (500.0, 1.0, 50000.0),
}


def seconds(
    hw: Hardware, c: dict[str, float], d: dict[str, Array], bits: Bits, peak: float, looped: bool, kind: str
) -> Array:
    """Broadcasts over the sizes in `d`; `c` is of the phase that `length` is of."""
    flops, moved = work(kind, d, bits)
    chains = d["batch"] * d["heads"]
    if "chunk_us" not in c:
        ramp = c["ramp_kb"] * 1e3
        stream = (moved + ramp * moved / (moved + ramp)) / (c["memory"] * hw.bandwidth)
        return c["launch_us"] * 1e-6 + stream
    waves = np.maximum(chains / (hw.units * c["slots"]), 1.0)
    chunks = np.ceil(d["length"] / CHUNK)
    chain = waves * chunks * c["chunk_us"] * 1e-6 * (d["head_dim"] * d["state_dim"] / 128**2)
    # Inside a chunk the tokens look at each other: CHUNK more pairs per token.
    inside = 4 * d["batch"] * d["length"] * d["heads"] * CHUNK * (d["head_dim"] + d["state_dim"])
    compute = (flops + inside) / (c["matrix"] * peak)
    stream = moved / (c["memory"] * hw.bandwidth)
    p = c["blend"]
    return c["launch_us"] * 1e-6 + (chain**p + compute**p + stream**p) ** (1 / p)
