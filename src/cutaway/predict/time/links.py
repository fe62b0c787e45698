# Collectives between devices. Each rank sends a known number of bytes, over a link that reaches its speed only with
# large messages, after a start that grows with the number of ranks; small messages take another protocol that is quick
# to start and slow to send, so that between the two the time grows with the root of the size. Engines have an all-reduce
# of their own for messages that are not large: each rank reads what all others have, at once or in two halves.
"""`collective(hw, op, bytes, ranks)`: seconds of one collective, and what its constants mean."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from cutaway.errors import BadValue, nearest
from cutaway.hardware import Hardware, sheet
from cutaway.predict.time.constants import Found, constants_of, joined
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
    "crowd": (1.1, 0.5, 8.0),  # how this falls with each doubling of the ranks: divided by it; switches do better with more
    "root": (0.5, 0.001, 10.0),  # what middle sizes lose: times the root of (send time x 1 us)
    "bend": (2.0, 0.5, 8.0),  # how sharply start passes into sending
}
# An engine's own all-reduce. Every rank reads the messages of all others and adds them up; or, of longer messages, a part
# of each, and after another meeting the sums of the other parts.
DIRECT = {
    "start_us": (4.0, 0.2, 100.0),  # of two ranks
    "step_us": (0.3, 0.001, 50.0),  # more for each doubling of the ranks
    "meet_us": (2.0, 0.01, 50.0),  # of the second meeting, per doubling of the ranks
    "read_gb_s": (250.0, 1.0, 5000.0),  # what its few blocks can read from others, whatever the link
}
READABLE = 0.8  # of the link at most
HALVES, HALVES_OF_MANY = 2**19, 2**18  # bytes from which it is two halves: up to four ranks, and of more (vLLM's rule)
# Bytes up to which an engine has one: in buffers of its own, or where switches reach into memory that all devices share.
OWN, SHARED = 4 * 2**20, 64 * 2**20
SHARING = ("hopper", "blackwell")
# By way of the host's memory. nccl-tests between two boards without P2P take 11 to 12 us for the smallest messages, twice what
# L40S do with it (tinygrad/open-gpu-kernel-modules, issue 17).
HOPS = 2
ACROSS = {"start_us": 12.0, "step_us": 6.0, "link": 0.8, "crowd": 1.0, "root": 1.0, "bend": 1.0}


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
    time = seconds(speed, _carried(hw, speed, found), op, nbytes, ranks)
    reads = op == "all_reduce" and custom and not _staged(hw)
    own = constants_of(hw, "custom_all_reduce", without) if reads else None
    if own is not None:
        time = _engines(hw, speed, own.values, time, nbytes, ranks)
    return time, "calibrated", found.why


def _engines(
    hw: Hardware, speed: float, c: Mapping[str, float], library: Array, nbytes: Array, ranks: Array
) -> Array:
    """An all-reduce as an engine runs it: the library's, or its own where that is quicker. More than two cards in slots
    cannot read one another, and an engine leaves them to the library: its times there stand for all sizes."""
    if "meet_us" not in c:
        return library if joined(hw) else seconds(speed, c, "all_reduce", nbytes, ranks)
    quicker = np.minimum(library, direct(speed, c, nbytes, ranks))
    most = SHARED if hw.architecture in SHARING else OWN
    return np.where((nbytes <= most) & (joined(hw) | (ranks <= 2)), quicker, library)


def _carried(hw: Hardware, speed: float, found: Found) -> Mapping[str, float]:
    """Constants of one device's link for another. What middle sizes lose is spent on steps and hand-overs, and a faster link
    does not shorten it. By way of the host's memory each step is two: one device writes, and then the other reads."""
    of = sheet()[found.device]
    c = dict(found.values)
    if of.link is not None:
        c["root"] *= (speed / of.link) ** 0.5
    if _staged(hw) and not _staged(of):
        c |= {name: HOPS * c[name] for name in ("start_us", "step_us")}
    return c


def _staged(hw: Hardware) -> bool:
    """Whether its devices reach each other by way of the host's memory alone, so that none can read another's."""
    return hw.link is not None and hw.link == hw.links.get("host")


def direct(speed: float, c: Mapping[str, float], nbytes: Array, ranks: Array) -> Array:
    """Seconds of an engine's own all-reduce."""
    several = np.maximum(ranks, 2)
    halves = (several > 2) & (nbytes >= np.where(several <= 4, HALVES, HALVES_OF_MANY))
    doublings = np.log2(several / 2)
    start = c["start_us"] + c["step_us"] * doublings + np.where(halves, c["meet_us"] * (doublings + 1), 0.0)
    read = np.where(halves, 2 * (several - 1) / several, several - 1) * nbytes
    return np.where(ranks > 1, start * 1e-6 + read / min(READABLE * speed, c["read_gb_s"] * 1e9), 0.0)


def seconds(speed: float, c: Mapping[str, float], op: str, nbytes: Array, ranks: Array) -> Array:
    """Over a link of `speed` bytes/s in one direction."""
    several = np.maximum(ranks, 2)
    doublings = np.log2(several / 2)
    reached = speed * c["link"] / c["crowd"] ** doublings
    send = SENT[op](several) * nbytes / reached
    start = (c["start_us"] + c["step_us"] * doublings) * 1e-6
    middle = c["root"] * np.sqrt(send * 1e-6)
    p = c["bend"]
    return np.where(ranks > 1, (start**p + (send + middle) ** p) ** (1 / p), 0.0)
