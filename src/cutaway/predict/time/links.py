# Collectives between devices. Each rank sends a known number of bytes, over a link that reaches its speed only with
# large messages, after a start that grows with the number of ranks; small messages take another protocol that is quick
# to start and slow to send, so that between the two the time grows with the root of the size.
"""`collective(hw, op, bytes, ranks)`: seconds of one collective, and what its constants mean."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from cutaway.errors import BadValue, nearest
from cutaway.hardware import Hardware, sheet
from cutaway.predict.time.constants import Found, constants_of
from cutaway.predict.time.work import Array

# op -> bytes that one rank sends, per byte of message, as a function of ranks. `bytes` is the whole message: what
# every rank has after an all-reduce or all-gather, and had before a reduce-scatter or all-to-all.
SENT = {
    "all_reduce": lambda r: 2 * (r - 1) / r,
    "custom_all_reduce": lambda r: 2 * (r - 1) / r,
    "all_gather": lambda r: (r - 1) / r,
    "reduce_scatter": lambda r: (r - 1) / r,
    "all_to_all": lambda r: (r - 1) / r,
    "send_recv": lambda r: np.minimum(r - 1, 1),
}
START = {
    "start_us": (8.0, 0.2, 100.0),  # of two ranks
    "step_us": (2.0, 0.001, 50.0),  # more for each doubling of the ranks
    "link": (0.75, 0.02, 1.3),  # share of the link that a large message reaches
    "crowd": (0.1, 0.001, 2.0),  # how this falls with the ranks: divided by (ranks / 2) to this power
    "root": (0.5, 0.001, 10.0),  # what middle sizes lose: times the root of (send time x 1 us)
    "bend": (2.0, 0.5, 8.0),  # how sharply start passes into sending
}
SWITCH = 4 * 2**20  # bytes: an engine's own all-reduce hands larger messages to the library
ACROSS = {"start_us": 12.0, "step_us": 6.0, "link": 0.8, "crowd": 0.0, "root": 1.0, "bend": 1.0}


def collective(
    hw: Hardware,
    op: str,
    nbytes,
    ranks,
    *,
    across_nodes: bool = False,
    custom: bool = True,
    tier: str | None = None,
    checked: bool = False,
) -> Array:
    """Seconds. One rank costs nothing. `custom`: an all-reduce inside a node may take the engine's own kernel, which
    is quicker for small messages. Sizes that are `checked` are taken as they are. Raises BadValue for an unknown op or a
    device without links.
    """
    return explained(hw, op, nbytes, ranks, across_nodes=across_nodes, custom=custom, tier=tier, checked=checked)[0]


def explained(
    hw: Hardware,
    op: str,
    nbytes,
    ranks,
    *,
    across_nodes: bool = False,
    custom: bool = True,
    tier: str | None = None,
    without: tuple[str, ...] = (),
    checked: bool = False,
) -> tuple[Array, str, str]:
    """(seconds, tier, why), as of `collective`."""
    if op not in SENT:
        raise BadValue("unknown collective", asked=op, known=", ".join(nearest(op, SENT) or SENT))
    ranks, nbytes = np.asarray(ranks, float), nbytes if checked else np.asarray(nbytes, float)
    if not checked and not (np.all(np.isfinite(nbytes)) and np.all(nbytes >= 0) and np.all(ranks >= 1)):
        raise BadValue("a collective has bytes that are not negative, and at least one rank", asked=op)
    speed = hw.links.get("inter_node") if across_nodes else hw.link
    if speed is None:
        if np.all(ranks <= 1):
            return nbytes * ranks * 0.0, "speed of light", "one rank"
        raise BadValue(f"{hw.title} has no link to another", asked=hw.name, try_="a sheet with links_gb_s")
    if tier == "speed of light":
        sent = SENT[op](np.maximum(ranks, 1)) * nbytes
        return np.where(ranks > 1, sent / speed, 0.0), tier, f"bytes sent / {speed:.4g}"
    if across_nodes:
        return (
            seconds(speed, ACROSS, op, nbytes, ranks),
            "calibrated",
            "assumed constants of a network across nodes",
        )
    found = constants_of(hw, op, without)
    if found is None:  # left out by `without`
        return explained(hw, op, nbytes, ranks, tier="speed of light", checked=checked)
    time = seconds(speed, _carried(speed, found), op, nbytes, ranks)
    if op == "all_reduce" and custom:
        own = constants_of(hw, "custom_all_reduce", without)
        if own is not None:
            small = np.minimum(time, seconds(speed, _carried(speed, own), op, nbytes, ranks))
            time = np.where(nbytes <= SWITCH, small, time)
    return time, "calibrated", found.why


def _carried(speed: float, found: Found) -> Mapping[str, float]:
    """Constants for a link of another speed than that of the device that they are of: what middle sizes lose is spent on
    steps and hand-overs, and a faster link does not shorten it."""
    own = sheet()[found.device].link
    if own is None or own == speed:
        return found.values
    return {**found.values, "root": found.values["root"] * (speed / own) ** 0.5}


def seconds(speed: float, c: dict[str, float], op: str, nbytes: Array, ranks: Array) -> Array:
    """Over a link of `speed` bytes/s in one direction."""
    several = np.maximum(ranks, 2)
    reached = speed * c["link"] / (several / 2) ** c["crowd"]
    send = SENT[op](several) * nbytes / reached
    start = (c["start_us"] + c["step_us"] * np.log2(several / 2)) * 1e-6
    middle = c["root"] * np.sqrt(send * 1e-6)
    p = c["bend"]
    return np.where(ranks > 1, (start**p + (send + middle) ** p) ** (1 / p), 0.0)
