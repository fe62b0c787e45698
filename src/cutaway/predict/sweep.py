# Many predictions at once: a case is one machine (model, hardware, formats, cut, engine), and each case has a grid of
# numbers that numpy answers in one go. Cases are what is spread over processes or a cluster, and what is kept on disk, so
# that a sweep that was cut short goes on where it stopped and gives the same rows.
"""`sweep`: one row per machine and point; `pareto`: the rows that nothing beats; `meeting`: those within a level."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cutaway.errors import BadValue, CutawayError, nearest
from cutaway.predict.grid import COLUMNS, loop_grid, static_grid
from cutaway.predict.kept import Kept
from cutaway.predict.machine import Machine, build
from cutaway.predict.spread import BACKENDS, spread

LONGEST = 100_000_000  # tokens, or sequences
MOST = 100_000  # values of a range
LARGEST = 100_000_000  # rows, of about a hundred bytes; more is rather a slip than a question
Rows = dict[str, np.ndarray]


@dataclass(frozen=True)
class Case:
    """One machine of the sweep, in the words that `build` takes."""

    model: str
    hardware: str
    engine: str = "vllm"
    tp: int = 1
    pp: int = 1
    ep: int = 1
    dp: int = 1
    weights: str | None = None
    kv: str | None = None
    tier: str | None = None
    trust_code: bool = False

    def machine(self) -> Machine:
        return build(**asdict(self))


WORDS = tuple(name for name in Case.__dataclass_fields__ if name != "trust_code")
ALWAYS = ("model", "hardware", "engine")  # of a case; the others where they say something


@dataclass(frozen=True)
class Grid:
    """The numbers that each machine is asked. `closed`: `batch` are users in a closed loop, and not a static batch."""

    batch: tuple[int, ...]
    prompt: tuple[int, ...]
    output: tuple[int, ...]
    closed: bool = False

    def __post_init__(self) -> None:
        for name in ("batch", "prompt", "output"):
            for value in getattr(self, name):
                if not 1 <= value <= LONGEST:
                    raise BadValue(f"{name} must be from 1 to {LONGEST}", asked=str(value))
            if not getattr(self, name):
                raise BadValue(f"no value for {name}")

    @property
    def points(self) -> int:
        return len(self.batch) * len(self.prompt) * len(self.output)


@dataclass(frozen=True)
class Swept:
    """Rows as columns, and which cases could not be, with the reason."""

    columns: Rows
    refused: tuple[tuple[Case, str], ...]

    def __len__(self) -> int:
        return len(self.columns["ttft_s"])


def cases(**axes: Sequence[Any]) -> list[Case]:
    """The product of the axes, named as the fields of `Case`."""
    return [Case(**dict(zip(axes, values, strict=True))) for values in itertools.product(*axes.values())]


def sweep(
    machines: Sequence[Case],
    grid: Grid,
    *,
    jobs: int | None = None,
    backend: str = "local",
    folder: Path | None = None,
    told: Callable[[int, int], None] | None = None,
) -> Swept:
    """All cases on all points, in the order of the cases whatever the back end.

    jobs above 1, or a backend of dask or ray, spread cases over workers by joblib; without jobs a cluster gives all that it
    has. With `folder`, each case is kept there when it is done, and is not computed again. A case that cannot be built is
    refused and the others go on; where all are, `BadValue` says why. `told(done, all)` hears of progress.
    """
    if backend not in BACKENDS:
        raise BadValue("no such back end", asked=backend, known=", ".join(BACKENDS))
    if not machines:
        raise BadValue("nothing to sweep over")
    if jobs is not None and not 1 <= jobs <= 100_000:
        raise BadValue("jobs is a number of workers, from 1", asked=str(jobs))
    if len(machines) * grid.points > LARGEST:
        raise BadValue(
            "too many rows", asked=f"{len(machines) * grid.points:,}", known=f"at most {LARGEST:,}"
        )
    kept = Kept(folder, grid) if folder is not None else None
    done: dict[int, Rows | str] = {}
    if kept:
        done = {i: rows for i, case in enumerate(machines) if (rows := kept.rows(case)) is not None}
    missing = {i: (case, grid) for i, case in enumerate(machines) if i not in done}
    for i, found in spread(answer, missing, jobs, backend):
        done[i] = found
        if kept and not isinstance(found, str):  # what was refused is tried again: something may be installed by then
            kept.keep(machines[i], found)
        if told:
            told(len(done), len(machines))
    refused = tuple((machines[i], text) for i in range(len(machines)) if isinstance(text := done[i], str))
    good = [(machines[i], rows) for i in range(len(machines)) if not isinstance(rows := done[i], str)]
    if not good:
        why = refused[0][1].removeprefix("error: ")
        raise BadValue("no machine of the sweep can be", known=why, asked=_words(refused[0][0]))
    return Swept(_joined(good), refused)


def answer(case: Case, grid: Grid) -> Rows | str:
    """The rows of one case, or why there are none."""
    try:
        machine = case.machine()
    except CutawayError as error:
        return error.render()
    return rows_of(machine, grid)


def rows_of(machine: Machine, grid: Grid) -> Rows:
    """The rows of one machine."""
    function = loop_grid if grid.closed else static_grid
    return function(machine, grid.batch, grid.prompt, grid.output)


def pareto(columns: Mapping[str, np.ndarray], least: str, most: str) -> np.ndarray:
    """Indices of the rows that no other row beats in both: little of `least` and much of `most`; by rising `least`.

    Rows with a value that is not a number are left out.
    """
    for name in (least, most):
        if name not in columns or columns[name].dtype.kind not in "iuf":
            numbers = [other for other, values in columns.items() if values.dtype.kind in "iuf"]
            close = nearest(name, numbers)
            known = f"nearest: {', '.join(close)}; " if close else ""
            raise BadValue("a front is between two columns of numbers", asked=name, known=f"{known}all: {', '.join(numbers)}")
    cost, gain = np.asarray(columns[least], float), np.asarray(columns[most], float)
    there = np.flatnonzero(np.isfinite(cost) & np.isfinite(gain))
    order = there[np.lexsort((-gain[there], cost[there]))]
    best = np.maximum.accumulate(gain[order])
    first = np.ones(len(order), bool)
    first[1:] = best[1:] > best[:-1]
    return order[first]


def meeting(
    columns: Mapping[str, np.ndarray], *, ttft: float | None = None, tpot: float | None = None
) -> np.ndarray:
    """Indices of the rows that fit and are within the levels (s), the cheapest first, of equal price the fastest.

    Raises `BadValue` where there is none, with the least that there is.
    """
    fits = columns["fits"]
    keep = fits.copy()
    for name, limit in (("ttft_s", ttft), ("tpot_s", tpot)):
        if limit is None:
            continue
        if not 0 < limit < 1e9:
            raise BadValue(f"the level for {name} must be above 0", asked=f"{limit * 1e3:g} ms")
        keep &= columns[name] <= limit
    if not keep.any():
        least = {n: float(columns[n][fits].min()) * 1e3 for n in ("ttft_s", "tpot_s")} if fits.any() else {}
        raise BadValue(
            "no row of the sweep meets the level",
            known=", ".join(f"least {n[:-2].upper()} {v:.4g} ms" for n, v in least.items())
            or "nothing fits in memory",
            try_="a level above these, smaller batches, more devices (--tp), fewer bits (--weights), other hardware",
        )
    rows = np.flatnonzero(keep)
    return rows[np.lexsort((-columns["throughput_tokens_per_s"][rows], columns["usd_per_million_tokens"][rows]))]


def _joined(good: list[tuple[Case, Rows]]) -> Rows:
    """One row per point; of the words of a case, those that say which one it is."""
    counts = [rows["ttft_s"].size for _, rows in good]
    out: Rows = {}
    for name in WORDS:
        values = ["" if (v := getattr(case, name)) is None else v for case, _ in good]
        if name in ALWAYS or any(v != values[0] for v in values) or values[0] not in ("", 1):
            out[name] = np.repeat(np.asarray(values, object if isinstance(values[0], str) else int), counts)
    ends = np.cumsum(counts)
    for name in COLUMNS:
        out[name] = np.empty(ends[-1], good[0][1][name].dtype)
        for (_, rows), end in zip(good, ends, strict=True):
            out[name][end - rows[name].size : end].reshape(rows[name].shape)[...] = rows[name]
    return out


def _words(case: Case) -> str:
    return ", ".join(f"{k} {v}" for k, v in asdict(case).items() if v not in (None, 1, False))


def steps(low: int, high: int, count: int) -> tuple[int, ...]:
    """At most `count` whole numbers from low to high, evenly spread by their logarithm."""
    if not 1 <= low <= high or count < 1:
        raise BadValue("a range is LOW:HIGH:COUNT with 1 <= LOW <= HIGH", asked=f"{low}:{high}:{count}")
    if count > MOST:
        raise BadValue("too many values in one range", asked=f"{low}:{high}:{count}", known=f"at most {MOST:,}")
    if count == 1:
        return (low,)
    return tuple(
        sorted({round(low * math.exp(math.log(high / low) * i / (count - 1))) for i in range(count)})
    )
