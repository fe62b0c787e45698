# A layer that an engine runs op by op does more than its kernels: it casts, copies and joins what they hand to each other,
# in small kernels that no table times. Latent attention was measured so, as whole layers. Engines that compile or fuse
# their steps have next to none of it, which whole runs show, so a step is not charged for it.
"""`around(hw, tokens, width, few)`: seconds that a latent-attention layer takes beyond its kernels, op by op."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from cutaway.hardware import Hardware
from cutaway.predict.time.constants import constants_of
from cutaway.predict.time.work import Array

START = {
    "around_us": (40.0, 0.1, 300.0),  # starts of the small kernels, however few tokens there are
    "copies": (1.0, 0.01, 60.0),  # how often activations of the layer's width are read or written besides
}


def around(hw: Hardware, tokens: Array, width: Array, few: bool, without: tuple[str, ...] = ()) -> Array:
    """`tokens` of all sequences, `width` elements of 16 bits of each; `few`: decoding. 0 without constants of any device."""
    found = constants_of(hw, family_of(few), without)
    return np.zeros(np.broadcast(tokens, width).shape) if found is None else seconds(hw, found.values, tokens, width)


def family_of(few: bool) -> str:
    return "around_decode" if few else "around_prefill"


def seconds(hw: Hardware, c: Mapping[str, float], tokens: Array, width: Array) -> Array:
    return c["around_us"] * 1e-6 + c["copies"] * 2 * tokens * width / hw.bandwidth
