# Fitted constants and tables, as `scripts/fit_time.py` wrote them. A device without rows of its own takes those of its
# nearest relative: constants are shares of the sheet's rates, so that they carry over, and the answer says whose.
"""`constants_of(hw, family)` and `table_of(hw, family)`."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from math import log, log10

import numpy as np

from cutaway.hardware import Hardware, sheet
from cutaway.predict.time.attention import LATENT_KERNELS

# Which family stands in for one that nobody measured: nearest in what the kernel does.
_INSTEAD = {
    "fp16": "bf16", "tf32": "bf16", "fp32": "bf16", "int8": "fp8", "int4": "bf16", "fp4": "fp8_block", "fp8_block": "fp8",
    "fp8": "bf16", "int4_wo": "bf16", "gemm fp4": "fp8",
}  # fmt: skip
_WORDS = {"encoder": "prefill", "mla_prefill": "prefill", "mla_decode": "decode", "conv": "moving"}


@dataclass(frozen=True)
class Found:
    """Constants, the device that they were fitted on, and both in words."""

    values: Mapping[str, float]
    device: str
    family: str
    exact: bool
    why: str


def constants_of(hw: Hardware, family: str, without: tuple[str, ...] = ()) -> Found | None:
    """The constants of `family` for this device or its nearest relative; None if only those in `without` have any."""
    return _found(hw, family, without)


@cache
def table_of(device: str, family: str) -> np.ndarray | None:
    """Logarithms of measured over calibrated at the nodes of the family's axes, NaN where nothing was measured."""
    key = f"{family}@{device}"
    tables = _tables()
    if key not in tables:
        return None
    stored = tables[key]
    return np.where(stored == EMPTY, np.nan, stored / SCALE)


SCALE, EMPTY = 100.0, -128  # one step is one percent; what is further off than 127 % is cut there


@cache
def fitted() -> dict[str, dict[str, dict]]:
    """family -> device -> {constants…, "rows", "error"}."""
    text = (files("cutaway.predict") / "constants" / "time.json").read_text(encoding="utf-8")
    return json.loads(text)["families"]


@cache
def _tables() -> np.lib.npyio.NpzFile:
    return np.load(io.BytesIO((files("cutaway.predict") / "constants" / "tables.npz").read_bytes()))


_KEPT: dict[tuple, Found | None] = {}


def forget() -> None:
    """What was found among `fitted()`, for a fit that changes these."""
    _KEPT.clear()


def _found(hw: Hardware, family: str, without: tuple[str, ...]) -> Found | None:
    """Kept by what it depends on: a sheet of the user's own may reuse a name."""
    key = (hw.name, hw.vendor, hw.architecture, hw.bandwidth, hw.matrix.get("bf16"), family, without)
    if key not in _KEPT:
        _KEPT[key] = _search(hw, family, without)
    return _KEPT[key]


def _search(hw: Hardware, family: str, without: tuple[str, ...]) -> Found | None:
    best = min(
        (
            (
                steps + _distance(hw, device, entry["rows"]) + _other_kernel(hw, device, name, family),
                name != family, name, device,
            )
            for name, steps in _stand_ins(family)
            for device, entry in fitted().get(name, {}).items()
            if device not in without
        ),
        default=None,
    )
    if best is None:
        return None
    _, other, name, device = best
    entry = fitted()[name][device]
    words = f"{name} on {device}: {entry['rows']} rows, {entry['error']:.1f} % on others"
    if device != hw.name:
        words = f"nearest relative of {hw.name}, scaled by its rates; {words}"
    if other:
        words = f"for want of {family}; {words}"
    return Found(entry["constants"], device, name, device == hw.name and not other, words)


# What stands between a kernel and another's constants, in one unit: a factor of e in bandwidth or in peak counts 1. Chosen on
# devices left out in turn; a card is better described by another card's 16 bits than by eight bits on a server's board.
OTHER_DTYPE, OTHER_WORD, OTHER_GENERATION, OTHER_VENDOR, OTHER_CLASS = 0.7, 10.0, 0.5, 1.5, 1.0
OTHER_KERNEL = 2.0  # times of another program: rates of the device say little of them
QUANTISING = ("fp8", "fp8_block", "int8", "fp4")  # what products compute in after their inputs have been turned into it
ANOTHER = 1e-3  # the least between two devices: none is nearer than the device itself


def _stand_ins(family: str) -> list[tuple[str, float]]:
    """The family, then what may stand in for it, and how far off that is."""
    word, _, dtype = family.partition(" ")
    dtypes = [dtype]
    while (after := _INSTEAD.get(f"{word} {dtypes[-1]}") or _INSTEAD.get(dtypes[-1])) is not None:
        dtypes.append(after)
    names = [(f"{word} {d}".strip(), n * OTHER_DTYPE) for n, d in enumerate(dtypes)]
    other = _WORDS.get(word)
    return names + ([(n, s + OTHER_WORD) for n, s in _stand_ins(f"{other} {dtype}".strip())] if other else [])


ENOUGH = 3000  # rows; constants of fewer are trusted less when they stand in for another device's


def _distance(hw: Hardware, device: str, rows: int = ENOUGH) -> float:
    """How far apart: by generation and maker, by rates and units, by class of board, and by how little is known."""
    other = sheet()[device]
    if device == hw.name:
        return 0.0
    far = 0.0 if other.architecture == hw.architecture else OTHER_GENERATION if other.vendor == hw.vendor else OTHER_VENDOR
    far += abs(log(other.bandwidth / hw.bandwidth)) + abs(log(other.peak("bf16") / hw.peak("bf16")))
    # Boards made to work in groups differ from cards in more than rates.
    far += (joined(hw) != joined(other)) * OTHER_CLASS
    far += abs(log(other.units / hw.units)) / 2 + max(0.0, log10(ENOUGH / max(rows, 1)))
    return max(far, ANOTHER)


def _other_kernel(hw: Hardware, device: str, family: str, asked: str) -> float:
    """How far apart two devices are by what they run: latent decoding has kernels of a generation's own and a portable one,
    how decoding widens a narrow cache is each generation's own way, and products in few bits turn their inputs into them
    first, which those in 16 bits tell nothing of."""
    other = sheet()[device].architecture
    word, _, dtype = family.partition(" ")
    if word in ("gemm", "moe") and dtype == "bf16" != asked.partition(" ")[2] in QUANTISING:
        return OTHER_KERNEL
    latent = word == "mla_decode" and (other in LATENT_KERNELS) != (hw.architecture in LATENT_KERNELS)
    narrow = word in ("decode", "mla_decode") and dtype != "bf16" and other != hw.architecture
    return OTHER_KERNEL * (latent or narrow)


def joined(hw: Hardware) -> bool:
    """Whether its devices are joined by more than a card's slot or bridge."""
    return (hw.link or 0) >= 1e11
