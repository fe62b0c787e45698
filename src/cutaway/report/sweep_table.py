# A sweep as people and programs read it: columns of numbers. Text shows the first rows, files hold all of them.
"""`text`, `csv_text`, `records` and `write_parquet` of a sweep's columns."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cutaway.errors import NeedsExtra, OutputError

SHOWN = 40  # rows of text
# name -> (heading, factor): what people read; files keep the names and the SI units
HEADINGS = {
    "ttft_s": ("TTFT ms", 1e3),
    "tpot_s": ("TPOT ms", 1e3),
    "throughput_tokens_per_s": ("tok/s", 1.0),
    "memory_bytes": ("GB/dev", 1e-9),
    "usd_per_million_tokens": ("$/Mtok", 1.0),
    "joules_per_token": ("J/tok", 1.0),
}


def text(columns: Mapping[str, np.ndarray], shown: int = SHOWN) -> str:
    """The first rows, aligned, and how many more there are."""
    count = len(next(iter(columns.values())))
    heads, body = [], []
    for name, values in columns.items():
        heading, factor = HEADINGS.get(name, (name, 1.0))
        heads.append(heading)
        body.append([_cell(v, factor) for v in values[:shown].tolist()])
    widths = [max(len(h), *(len(c) for c in cells)) for h, cells in zip(heads, body, strict=True)]
    lines = ["  ".join(h.rjust(w) for h, w in zip(heads, widths, strict=True))]
    lines += [
        "  ".join(cells[i].rjust(w) for cells, w in zip(body, widths, strict=True))
        for i in range(min(count, shown))
    ]
    if count > shown:
        lines.append(f"… {count - shown:,} more rows; -o FILE.csv or FILE.parquet has them all")
    return "\n".join(lines)


def csv_text(columns: Mapping[str, np.ndarray]) -> str:
    """All rows; numbers with nine digits, nothing where there is no number."""
    out = io.StringIO()
    out.write(",".join(columns) + "\n")
    texts = [[_exact(v) for v in values.tolist()] for values in columns.values()]
    out.writelines(",".join(row) + "\n" for row in zip(*texts, strict=True))
    return out.getvalue()


def records(columns: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    """All rows as objects; null where there is no number."""
    lists = [[None if _nan(v) else v for v in values.tolist()] for values in columns.values()]
    return [dict(zip(columns, row, strict=True)) for row in zip(*lists, strict=True)]


def check_parquet(path: Path) -> Callable[[dict[str, np.ndarray], Path], None]:
    """What writes Parquet here: polars or pyarrow. Raises `NeedsExtra` where there is neither."""
    try:
        import polars

        return lambda columns, half: polars.DataFrame(columns).write_parquet(half)
    except ImportError:
        pass
    try:
        import pyarrow
        import pyarrow.parquet

        return lambda columns, half: pyarrow.parquet.write_table(pyarrow.table(columns), half)
    except ImportError as error:
        raise NeedsExtra.named("frames", "polars or pyarrow", asked=str(path)) from error


def write_parquet(columns: Mapping[str, np.ndarray], path: Path) -> None:
    """All rows into a Parquet file, whole or not at all."""
    write = check_parquet(path)
    half = path.with_name(path.name + ".half")
    try:
        write(dict(columns), half)
        half.replace(path)
    except OSError as error:
        raise OutputError("the table could not be written", where=str(path), known=str(error)) from error


def _cell(value: Any, factor: float) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return (
            "-"
            if math.isnan(value)
            else f"{value * factor:,.4g}"
            if value * factor < 1e4
            else f"{value * factor:,.0f}"
        )
    return str(value)


def _exact(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.9g}"
    return (
        '"' + value.replace('"', '""') + '"'
        if isinstance(value, str) and ("," in value or '"' in value)
        else str(value)
    )


def _nan(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)
