# Most timings are of one kernel in a loop. There, what fits into the cache is read from it, and where the host launches
# each kernel the loop is no faster than the host. A model's step has neither. Fits must know both so that they do not
# end up in constants of the kernel itself.
"""What a benchmark's loop changes: `kept_in_cache` and `from_host`."""

from __future__ import annotations

import numpy as np

from cutaway.hardware import Hardware
from cutaway.predict.time.work import Array

REUSE = {
    "reuse": (1.5, 1.0, 12.0),  # how much faster what still lies in the cache is read
    "kept": (0.5, 0.05, 2.0),  # up to which share of the cache's size that holds
}


def kept_in_cache(hw: Hardware, c: dict[str, float], moved: Array) -> Array:
    """By what the time of streaming `moved` bytes is multiplied."""
    if not hw.cache:
        return np.ones_like(moved)
    return 1 - (1 - 1 / c["reuse"]) / (1 + (moved / (c["kept"] * hw.cache)) ** 4)


def from_host(total: Array, c: dict[str, float], few: Array | bool = False) -> Array:
    """No faster than the host launches; `few` where another kernel with its own way of launching is taken."""
    if "host_us" not in c:
        return total
    host = np.where(few, c.get("host_few_us", c["host_us"]), c["host_us"]) * 1e-6
    return (total**8 + host**8) ** (1 / 8)
