# What is asked of a server, and when: read from a trace or drawn from distributions. A trace comes from outside, so
# every line of it is checked, and the first bad one is named.
"""`Request`, `read_trace` and `draw`."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from cutaway.errors import BadValue, Unreadable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

LONGEST = 100_000_000  # tokens; more than any model takes, so a larger number is a mistake of units
# What the columns are called in traces that people have: ShareGPT conversions, the Azure traces, vLLM's own results.
NAMES = {
    "arrival": ("arrival", "arrival_time", "arrival_s", "arrived_at", "arrival_time_ns", "timestamp"),
    "input_tokens": (
        "input_tokens",
        "input_toks",
        "prompt_tokens",
        "prompt_len",
        "input_len",
        "contexttokens",
    ),
    "output_tokens": (
        "output_tokens",
        "output_toks",
        "completion_tokens",
        "output_len",
        "generatedtokens",
    ),
    "prefix": ("prefix", "prefix_id"),
    "prefix_tokens": ("prefix_tokens", "prefix_len"),
}


@dataclass(frozen=True)
class Request:
    """One request: seconds since the start, tokens in and out, and what it shares with others.

    Requests of the same `prefix` begin with the same `prefix_tokens` tokens; "" shares nothing.
    """

    arrival: float
    input_tokens: int
    output_tokens: int
    prefix: str = ""
    prefix_tokens: int = 0


def read_trace(path: str | Path) -> list[Request]:
    """The requests of a CSV (with a header) or JSONL file, by arrival, the first at 0 s.

    Raises `Unreadable` where the file cannot be read, and `BadValue` naming the first line that is no request.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        known = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
        raise Unreadable("the trace cannot be read", where=str(path), known=known) from error
    first = next((line for line in text.splitlines() if line.strip()), "")
    rows = _json_rows(text, path) if first.lstrip().startswith("{") else _csv_rows(text, path)
    found = [_request(row, path, line) for line, row in rows]
    if not found:
        raise BadValue(
            "the trace holds no request", asked=str(path), try_="arrival,input_tokens,output_tokens"
        )
    start = min(request.arrival for request in found)
    return sorted((replace(r, arrival=r.arrival - start) for r in found), key=lambda r: r.arrival)


def draw(
    count: int,
    *,
    rate: float,
    arrivals: str = "poisson",
    input_tokens: float,
    output_tokens: float,
    spread: float = 0.0,
    burstiness: float = 1.0,
    seed: int = 0,
) -> list[Request]:
    """`count` requests at `rate` per second; the same seed gives the same requests.

    arrivals: poisson, gamma (its shape is `burstiness`; below 1 is bursty) or constant. Lengths are lognormal with the
    given means and `spread` as the standard deviation of their logarithm; 0 makes all alike.
    """
    import numpy as np

    if arrivals not in ("poisson", "gamma", "constant"):
        raise BadValue("no such arrivals", asked=arrivals, known="poisson, gamma, constant")
    for name, value in {
        "count": count, "rate": rate, "input_tokens": input_tokens, "output_tokens": output_tokens,
        "burstiness": burstiness,
    }.items():  # fmt: skip
        if not 0 < value < math.inf:
            raise BadValue(f"{name} must be above 0 and finite", asked=str(value))
    if not 0 <= spread <= 5:
        raise BadValue("spread must be between 0 and 5", asked=str(spread))
    random = np.random.default_rng(seed)
    if arrivals == "constant":
        gaps = np.full(count, 1 / rate)
    else:
        shape = burstiness if arrivals == "gamma" else 1.0
        gaps = random.gamma(shape, 1 / (rate * shape), count)
    times = np.cumsum(gaps) - gaps[0]

    def lengths(mean: float) -> Iterable[int]:
        # exp(N(mu, s)) has the mean exp(mu + s^2/2)
        drawn = mean * np.exp(random.normal(0.0, spread, count) - spread**2 / 2) if spread else [mean] * count
        return (int(min(LONGEST, max(1, round(float(length))))) for length in drawn)

    return [
        Request(float(at), prompt, output)
        for at, prompt, output in zip(times, lengths(input_tokens), lengths(output_tokens), strict=True)
    ]


def _json_rows(text: str, path: Path) -> Iterator[tuple[int, Mapping]]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise BadValue(f"not JSON: {error.msg}", where=f"{path}:{number}") from error
        if not isinstance(row, dict):
            raise BadValue("a line of a trace is an object", where=f"{path}:{number}")
        yield number, row


def _csv_rows(text: str, path: Path) -> Iterator[tuple[int, Mapping]]:
    reader = csv.DictReader(text.splitlines())
    try:
        for row in reader:
            if None in row or None in row.values():
                raise BadValue(
                    "more or fewer fields than the header", where=f"{path}:{reader.line_num}",
                    known=", ".join(reader.fieldnames or ()),
                )  # fmt: skip
            yield reader.line_num, row
    except csv.Error as error:
        raise BadValue(f"not CSV: {error}", where=f"{path}:{reader.line_num}") from error


def _request(row: Mapping, path: Path, line: int) -> Request:
    where = f"{path}:{line}"
    fields = {str(key).strip().casefold(): value for key, value in row.items()}

    def field(name: str, default: object = None) -> object:
        for known in NAMES[name]:
            if fields.get(known) not in (None, ""):
                return fields[known]
        if default is None:
            raise BadValue(
                f"a request without {name.replace('_', ' ')}", where=where, known="it has " + ", ".join(map(str, row)),
                try_="a field called " + " or ".join(NAMES[name][:3]),
            )  # fmt: skip
        return default

    def number(name: str, low: float, high: float, default: object = None) -> float:
        asked = field(name, default)
        try:
            value = float(asked)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            value = math.nan
        if not low <= value <= high:
            raise BadValue(f"{name} must be a number from {low:g} to {high:g}", asked=str(asked), where=where)
        return value

    nanoseconds = "arrival_time_ns" in fields
    request = Request(
        number("arrival", 0, 1e19 if nanoseconds else 1e12) * (1e-9 if nanoseconds else 1),
        int(number("input_tokens", 1, LONGEST)),
        int(number("output_tokens", 1, LONGEST)),
        str(field("prefix", "-")),
        int(number("prefix_tokens", 0, LONGEST, default=0)),
    )
    if request.prefix_tokens > request.input_tokens:
        raise BadValue("prefix_tokens above input_tokens", where=where)
    return replace(request, prefix="") if request.prefix == "-" else request
