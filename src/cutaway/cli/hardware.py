# `cutaway hardware`: the sheet, so that every figure of a prediction can be looked up with its source.
"""The hardware sheet on the command line."""

import csv
import io
from pathlib import Path

from cutaway.cli.output import Output, emit, to_json
from cutaway.hardware import Hardware, find, load, sheet


def hardware(name: str = "", /, *, sheet_file: Path | None = None, output: Output = Output()) -> None:
    """The hardware sheet: rates, memory, links, power and price of each device, with their sources.

    Parameters
    ----------
    name
        One device, by name or alias; or a sheet of your own (FILE.toml).
    sheet_file
        Take the devices from this sheet instead.
    """
    if sheet_file is not None:
        devices = load(sheet_file)
        found = [_among(devices, name)] if name else list(devices.values())
    elif name.endswith(".toml"):
        found = list(load(name).values())
    else:
        found = [find(name)] if name else list(sheet().values())
    one = found[0] if name and len(found) == 1 else None
    emit(
        {
            "text": lambda: _card(one) if one else _table(found),
            "md": lambda: _markdown(found),
            "csv": lambda: _csv(found),
            "json": lambda: to_json({"schema_version": 1, "hardware": [d.to_dict() for d in found]}),
        },
        output,
    )


def _among(devices: dict[str, Hardware], name: str) -> Hardware:
    from cutaway.errors import UnknownTarget

    if name not in devices:
        raise UnknownTarget.among(name, devices, what="no such device in the sheet", try_=", ".join(devices))
    return devices[name]


_COLUMNS = ("name", "bf16 TFLOP/s", "fp8", "fp4", "GB/s", "GiB", "link GB/s", "W", "USD/h")


def _cells(d: Hardware) -> tuple[str, ...]:
    rates = [_number(d.matrix.get(dtype), 1e12) for dtype in ("bf16", "fp8", "fp4")]
    rest = [_number(d.bandwidth, 1e9), _number(d.capacity, 2**30), _number(d.link, 1e9)]
    return (d.name, *rates, *rest, _number(d.power, 1), _number(d.price, 1))


def _number(value: float | None, unit: float) -> str:
    return "-" if value is None else f"{value / unit:.5g}"


def _table(found: list[Hardware]) -> str:
    rows = [_COLUMNS, *map(_cells, found)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(_COLUMNS))]
    lines = [
        "  ".join(
            c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    return "\n".join(
        [*lines, "", "Dense rates, one device. `cutaway hardware NAME` shows every figure with its source."]
    )


def _card(d: Hardware) -> str:
    rate = lambda table: ", ".join(f"{k} {_number(v, 1e12)}" for k, v in table.items()) or "-"  # noqa: E731
    fields = {
        "also": ", ".join(d.aliases) or "-",
        "architecture": f"{d.vendor} {d.architecture}, {d.units} units",
        "matrix": f"{rate(d.matrix)} TFLOP/s dense",
        "vector": f"{rate(d.vector)} TFLOP/s",
        "memory": f"{_number(d.capacity, 2**30)} GiB at {_number(d.bandwidth, 1e9)} GB/s",
        "cache": f"{_number(d.cache, 1e6)} MB",
        "links": ", ".join(f"{k} {_number(v, 1e9)}" for k, v in d.links.items()) + " GB/s one way"
        if d.links
        else "-",
        "node": f"{d.devices_per_node} devices",
        "power": f"{_number(d.power, 1)} W",
        "price": f"{_number(d.price, 1)} USD/h ({d.price_date})" if d.price else "-",
    }
    lines = [f"{d.name}: {d.title}", *(f"  {k:<13} {v}" for k, v in fields.items()), "  sources"]
    return "\n".join([*lines, *(f"    {part:<11} {text}" for part, text in d.sources.items())])


def _markdown(found: list[Hardware]) -> str:
    lines = ["| " + " | ".join(_COLUMNS) + " |", "| --- " + "| ---: " * (len(_COLUMNS) - 1) + "|"]
    return "\n".join(lines + ["| " + " | ".join(_cells(d)) + " |" for d in found])


def _csv(found: list[Hardware]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("name", "vendor", "architecture", "figure", "value", "unit", "source"))
    for d in found:
        for figure, value, unit, source in _figures(d):
            writer.writerow((d.name, d.vendor, d.architecture, figure, f"{value:.10g}", unit, source))
    return text.getvalue()


def _figures(d: Hardware):
    """Every figure of a device as (name, value, unit, source)."""
    device = d.sources["device"]
    yield from ((f"matrix {k}", v, "FLOP/s", device) for k, v in d.matrix.items())
    yield from ((f"vector {k}", v, "FLOP/s", device) for k, v in d.vector.items())
    yield "bandwidth", d.bandwidth, "B/s", device
    yield "capacity", d.capacity, "B", device
    yield from ((f"link {k}", v, "B/s", d.sources.get(k, device)) for k, v in d.links.items())
    if d.power:
        yield "power", d.power, "W", device
    if d.price:
        yield "price", d.price, "USD/h", d.sources["price"]
