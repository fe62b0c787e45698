# A sheet is TOML that people write by hand, so every mistake in it is answered with the file, the line and what was
# expected there. tomllib keeps no lines of values; they are found again in the text, which is only done on an error.
"""`find(name)`, `names()`, `sheet()` over what is shipped, `load(path)` for a user's own file."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType

from cutaway.errors import BadValue, UnknownTarget, Unreadable
from cutaway.hardware.device import DTYPES, Hardware

LINKS = ("nvlink", "xgmi", "ici", "host", "pcie", "inter_node")
# key -> (what it must be, required)
_KEYS = {
    "title": (str, True), "aliases": (list, False), "vendor": (str, True), "architecture": (str, True),
    "units": (int, True), "capacity_gib": (float, True), "bandwidth_gb_s": (float, True), "cache_mb": (float, False),
    "power_w": (float, False), "devices_per_node": (int, False), "matrix_tflops": (dict, True),
    "vector_tflops": (dict, False), "links_gb_s": (dict, False), "price": (dict, False), "sources": (dict, True),
}  # fmt: skip
_INSIDE = {
    "matrix_tflops": DTYPES,
    "vector_tflops": DTYPES,
    "links_gb_s": LINKS,
    "price": ("usd_per_hour", "date"),
}
_LARGEST = 1e9  # no figure of the sheet, in its units, is near it; more is a slip of units


@cache
def sheet() -> dict[str, Hardware]:
    """Every shipped device by name, in the order of the files."""
    found: dict[str, Hardware] = {}
    for path in sorted((files("cutaway.hardware") / "sheets").iterdir(), key=lambda p: p.name):
        if path.name.endswith(".toml"):
            found |= parse(path.read_text(encoding="utf-8"), path.name)
    return found


def names() -> list[str]:
    """The names of the shipped devices."""
    return list(sheet())


def find(name: str) -> Hardware:
    """The device of this name or alias in any case; or, where `name` is a .toml file, the only device in it.

    Raises UnknownTarget with the nearest names, and what `load` raises.
    """
    if str(name).endswith(".toml"):
        own = load(name)
        if len(own) > 1:
            raise BadValue(
                "the sheet has several devices",
                asked=str(name),
                known=", ".join(own),
                try_="one device per file",
            )
        return next(iter(own.values()))
    index = _index()
    found = index.get(_folded(name))
    if found is None:
        raise UnknownTarget.among(str(name), [*index], what="unknown hardware", try_="cutaway hardware")
    return found


def load(path: str | Path) -> dict[str, Hardware]:
    """The devices of a user's own sheet. Raises Unreadable, or BadValue naming the line."""
    try:
        text = Path(path).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
        raise Unreadable("the sheet cannot be read", where=str(path), known=why) from error
    found = parse(text, str(path))
    if not found:
        raise BadValue("the sheet has no device", where=str(path), try_="a table [name] for each device")
    return found


def parse(text: str, where: str) -> dict[str, Hardware]:
    """The devices of one sheet's text."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"line (\d+)", str(error))
        at = f"{where}:{line[1]}" if line else f"{where}:{text.count(chr(10)) + 1}"
        raise BadValue("the sheet is not TOML", where=at, known=str(error)) from error
    sources = tables.pop("sources", {})
    return {name: _device(name, table, sources, _Lines(text, where)) for name, table in tables.items()}


def _device(name: str, table: object, documents: dict, lines: _Lines) -> Hardware:
    if not isinstance(table, dict):
        raise lines.wrong("a device is a table", name, "")
    for key in table:
        if key not in _KEYS:
            raise lines.wrong(f"unknown key {key!r}", name, key, ", ".join(_KEYS))
    for key, (kind, required) in _KEYS.items():
        if key not in table:
            if required:
                raise lines.wrong(f"{key} is missing", name, "")
            continue
        _check(table[key], kind, name, key, lines)
    for key, known in _INSIDE.items():
        for inner, value in table.get(key, {}).items():
            if inner not in known:
                raise lines.wrong(f"unknown {inner!r} in {key}", name, key, ", ".join(known))
            _check(value, str if inner == "date" else float, name, key, lines)
    if not table["matrix_tflops"]:
        raise lines.wrong("matrix_tflops has no dtype", name, "matrix_tflops", ", ".join(DTYPES))
    sources = _sources(table, documents, name, lines)

    def scaled(key: str, unit: float) -> MappingProxyType[str, float]:
        return MappingProxyType({inner: value * unit for inner, value in table.get(key, {}).items()})

    cache_mb, price = table.get("cache_mb"), table.get("price", {})
    return Hardware(
        name=name,
        title=table["title"],
        vendor=table["vendor"],
        architecture=table["architecture"],
        units=table["units"],
        capacity=int(table["capacity_gib"] * 2**30),
        bandwidth=table["bandwidth_gb_s"] * 1e9,
        cache=None if cache_mb is None else cache_mb * 1e6,
        power=table.get("power_w"),
        devices_per_node=table.get("devices_per_node", 1),
        matrix=scaled("matrix_tflops", 1e12),
        vector=scaled("vector_tflops", 1e12),
        links=scaled("links_gb_s", 1e9),
        price=price.get("usd_per_hour"),
        price_date=price.get("date"),
        aliases=tuple(table.get("aliases", ())),
        sources=MappingProxyType(sources),
    )


def _check(value: object, kind: type, name: str, key: str, lines: _Lines) -> None:
    """Of the right type, and a number is positive and within reason."""
    if kind is float or kind is int:
        fits = isinstance(value, int if kind is int else (int, float)) and not isinstance(value, bool)
        if not fits or not 0 < value <= _LARGEST:  # nan compares false
            raise lines.wrong(f"{key} must be a positive number", name, key, f"{value!r} is none")
    elif not isinstance(value, kind):
        raise lines.wrong(f"{key} must be a {kind.__name__}", name, key, f"{value!r} is none")


def _sources(table: dict, documents: dict, name: str, lines: _Lines) -> dict[str, str]:
    """Each source in words: a key of the sheet's [sources], or the words themselves."""
    sources = {part: documents.get(text, text) for part, text in table["sources"].items()}
    if "device" not in sources:
        raise lines.wrong('sources says nothing of "device"', name, "sources")
    if "price" in table and not {"usd_per_hour", "date"} <= set(table["price"]):
        raise lines.wrong("a price has usd_per_hour and date", name, "price")
    if "price" in table and "price" not in sources:
        raise lines.wrong('sources says nothing of "price"', name, "sources")
    return sources


class _Lines:
    """Where in the text a key of a device stands."""

    def __init__(self, text: str, where: str):
        self.lines, self.where = text.splitlines(), where

    def wrong(self, what: str, name: str, key: str, known: str | None = None) -> BadValue:
        """The error for `key` of the device `name`; an empty key is the device's own line."""
        return BadValue(what, asked=name, where=f"{self.where}:{self._line(name, key)}", known=known)

    def _line(self, name: str, key: str) -> int:
        header = re.compile(rf'\s*(\[\s*"?{re.escape(name)}"?\s*[\].]|"?{re.escape(name)}"?\s*[.=])')
        start = next((i for i, line in enumerate(self.lines) if header.match(line)), 0)
        wanted = re.compile(rf'\s*(\[[^\]]*\.)?"?{re.escape(key)}"?\s*[\]=.]')
        if key:
            for i in range(start, len(self.lines)):
                if wanted.match(self.lines[i]):
                    return i + 1
        return start + 1


@cache
def _index() -> dict[str, Hardware]:
    """Names and aliases, folded, to devices. A name that two devices claim is an error of the sheet."""
    found: dict[str, Hardware] = {}
    for device in sheet().values():
        for name in (device.name, *device.aliases):
            if found.setdefault(_folded(name), device) is not device:
                raise BadValue("two devices of the sheet have the same name", asked=name)
    return found


def _folded(name: str) -> str:
    return re.sub(r"[\s_]+", "-", str(name).strip().casefold())
