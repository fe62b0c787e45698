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

# Which family stands in for one that nobody measured: nearest in what the kernel does.
_INSTEAD = {
    "fp16": "bf16", "tf32": "bf16", "fp32": "bf16", "int8": "fp8", "int4": "bf16", "fp4": "fp8_block", "fp8_block": "fp8",
    "fp8": "bf16", "int4_wo": "bf16",
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


def _found(hw: Hardware, family: str, without: tuple[str, ...]) -> Found | None:
    """Kept by what it depends on: a sheet of the user's own may reuse a name."""
    key = (hw.name, hw.vendor, hw.architecture, hw.bandwidth, hw.matrix.get("bf16"), family, without)
    if key not in _KEPT:
        _KEPT[key] = _search(hw, family, without)
    return _KEPT[key]


def _search(hw: Hardware, family: str, without: tuple[str, ...]) -> Found | None:
    for name in _stand_ins(family):
        devices = [device for device in fitted().get(name, {}) if device not in without]
        if not devices:
            continue
        device = min(devices, key=lambda d: (_distance(hw, d, fitted()[name][d]["rows"]), d))
        entry = fitted()[name][device]
        words = f"{name} on {device}: {entry['rows']} rows, {entry['error']:.1f} % on others"
        if device != hw.name:
            words = f"nearest relative of {hw.name}, scaled by its rates; {words}"
        if name != family:
            words = f"for want of {family}; {words}"
        return Found(entry["constants"], device, name, device == hw.name and name == family, words)
    return None


def _stand_ins(family: str) -> list[str]:
    """The family, then what may stand in for it, nearest first."""
    word, _, dtype = family.partition(" ")
    dtypes = [dtype]
    while dtypes[-1] in _INSTEAD:
        dtypes.append(_INSTEAD[dtypes[-1]])
    names = [f"{word} {d}".strip() for d in dtypes]
    other = _WORDS.get(word)
    return names + (_stand_ins(f"{other} {dtype}".strip()) if other else [])


ENOUGH = 3000  # rows; constants of fewer are trusted less when they stand in for another device's


def _distance(hw: Hardware, device: str, rows: int = ENOUGH) -> tuple[int, float]:
    """How far apart: itself, of one architecture, of one vendor, of another; then by rates and by how little is known."""
    other = sheet()[device]
    if device == hw.name:
        return 0, 0.0
    kin = 1 if other.architecture == hw.architecture else 2 if other.vendor == hw.vendor else 3
    rates = abs(log(other.bandwidth / hw.bandwidth)) + abs(log(other.peak("bf16") / hw.peak("bf16")))
    doubt = max(0.0, log10(ENOUGH / max(rows, 1)))
    rates += (
        _joined(hw) != _joined(other)
    ) * 1.0  # boards made to work in groups differ from cards in more than rates
    return kin, rates + abs(log(other.units / hw.units)) / 2 + doubt / 2


def _joined(hw: Hardware) -> bool:
    """Whether its devices are joined by more than a card's slot or bridge."""
    return (hw.link or 0) >= 1e11
