# A whole latent-attention layer as the sum of its kernels. It judges how far kernels that were fitted one by one add up to
# what an engine runs; and as the kernel of latent decoding alone was measured in a loop that its host holds up, what a
# layer takes beyond its other kernels is the one sight of it. Sizes are DeepSeek-V3's, the only model measured whole.
"""`module_time(hw, table)`: predicted seconds of each row of a table of whole modules."""

from __future__ import annotations

import numpy as np
from measured_rows import Table

from cutaway.hardware import Hardware
from cutaway.predict.time import SPEED_OF_LIGHT, op_time
from cutaway.predict.time.around import around

HIDDEN, QUERIES, LATENT, ROTARY, PLAIN, VALUE = 7168, 1536, 512, 64, 128, 128


def module_time(
    hw: Hardware, t: Table, *, attention: bool = True, others: bool = True, **tier
) -> np.ndarray:
    """`tier` is passed to `op_time`; without `attention`, all but its kernel; without `others`, no more than kernels."""
    batch, length, keys, heads = (
        t.dims[name].astype(float) for name in ("batch", "q_len", "kv_len", "heads")
    )
    tokens, total = batch * length, np.zeros(len(t))

    def add(kind, dtype="bf16", **dims):
        nonlocal total
        total = total + op_time(hw, kind, dtype, **tier, **dims)[0]

    add("gemm", t.dtype, m=tokens, n=QUERIES + LATENT + ROTARY, k=HIDDEN)
    add("norm", rows=tokens, width=QUERIES)
    add("norm", rows=tokens, width=LATENT)
    add("gemm", t.dtype, m=tokens, n=heads * (PLAIN + ROTARY), k=QUERIES)
    add("elementwise", rows=tokens, width=heads * ROTARY)
    add("elementwise", rows=tokens, width=LATENT + ROTARY)
    if t.family == "mla_module_decode":  # absorbed: queries go into the latent, results come out of it
        add("gemm", m=tokens, n=heads * LATENT, k=PLAIN)
        if attention:
            dims = {"heads": heads, "head_dim": LATENT + ROTARY, "v_head_dim": LATENT, "kv_heads": 1}
            add("mla_attention", cache=t.cache, batch=batch, q_len=length, kv_len=keys, **dims)
        add("gemm", m=tokens, n=heads * VALUE, k=LATENT)
    else:
        add("gemm", t.dtype, m=tokens, n=heads * (PLAIN + VALUE), k=LATENT)
        add("elementwise", rows=tokens, width=heads * (PLAIN + ROTARY))
        if attention:
            dims = {"heads": heads, "head_dim": PLAIN + ROTARY, "v_head_dim": VALUE, "kv_heads": heads}
            add("attention", batch=batch, q_len=length, kv_len=keys, **dims)
    add("gemm", t.dtype, m=tokens, n=HIDDEN, k=heads * VALUE)
    if others and tier.get("tier") != SPEED_OF_LIGHT:
        total = total + around(hw, tokens, HIDDEN, t.family == "mla_module_decode", tier.get("without", ()))
    return total
