# Collectives between devices: what each rank must send at the least, over the link that joins them.
"""`collective(hw, op, bytes, ranks)`: seconds of one collective."""

from __future__ import annotations

import numpy as np

from cutaway.errors import BadValue, nearest
from cutaway.hardware import Hardware

# op -> bytes that one rank sends, per byte of message, as a function of ranks. `bytes` is the whole message: what
# every rank has after an all-reduce or all-gather, and had before a reduce-scatter or all-to-all.
SENT = {
    "all_reduce": lambda r: 2 * (r - 1) / r,
    "all_gather": lambda r: (r - 1) / r,
    "reduce_scatter": lambda r: (r - 1) / r,
    "all_to_all": lambda r: (r - 1) / r,
    "send_recv": lambda r: np.minimum(r - 1, 1),
}


def collective(hw: Hardware, op: str, nbytes, ranks, *, across_nodes: bool = False) -> np.ndarray:
    """Seconds. One rank costs nothing. Raises BadValue for an unknown op or a device without links."""
    if op not in SENT:
        raise BadValue("unknown collective", asked=op, known=", ".join(nearest(op, SENT) or SENT))
    ranks, nbytes = np.asarray(ranks, float), np.asarray(nbytes, float)
    speed = hw.links.get("inter_node") if across_nodes else hw.link
    if speed is None:
        if np.all(ranks <= 1):
            return np.zeros(np.broadcast(ranks, nbytes).shape)
        raise BadValue(f"{hw.title} has no link to another", asked=hw.name, try_="a sheet with links_gb_s")
    return np.where(ranks > 1, SENT[op](np.maximum(ranks, 1)) * nbytes / speed, 0.0)
