# Many predictions at once: a case is one machine (model, hardware, formats, cut, engine), and each case has a grid of
# numbers that numpy answers in one go. Cases are what is spread over processes or a cluster, and what is kept on disk, so
# that a sweep that was cut short goes on where it stopped and gives the same rows.
"""`sweep(...)`: one row per machine and point; `pareto(...)` the rows that nothing beats."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cutaway.errors import BadValue, CutawayError, NeedsExtra
from cutaway.predict.grid import COLUMNS, loop_grid, static_grid
from cutaway.predict.machine import Machine, build

BACKENDS = ("local", "loky", "dask", "ray")
LARGEST = 1_000_000_000  # rows; more is a mistake of units
RETRIES = 3  # of cases whose worker died
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

    def machine(self) -> Machine:
        return build(**asdict(self))


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
                if not 1 <= value <= 100_000_000:
                    raise BadValue(f"{name} must be from 1 to 100000000", asked=str(value))
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
    jobs: int = 1,
    backend: str = "local",
    folder: Path | None = None,
    told: Callable[[int, int], None] | None = None,
) -> Swept:
    """All cases on all points, in the order of the cases whatever the back end.

    jobs above 1, or a backend of dask or ray, spread cases over workers by joblib. With `folder`, each case is kept there
    when it is done, and is not computed again. A case that cannot be built is refused and the others go on; where all are,
    `BadValue` says why. `told(done, all)` hears of progress.
    """
    if backend not in BACKENDS:
        raise BadValue("no such back end", asked=backend, known=", ".join(BACKENDS))
    if not machines:
        raise BadValue("nothing to sweep over")
    if len(machines) * grid.points > LARGEST:
        raise BadValue(
            "too many rows", asked=f"{len(machines) * grid.points:,}", known=f"at most {LARGEST:,}"
        )
    done: dict[int, Rows | str] = {}
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        done = {i: kept for i, case in enumerate(machines) if (kept := _kept(folder, case, grid)) is not None}
    missing = [i for i in range(len(machines)) if i not in done]
    for i, answer in _answers(machines, grid, missing, jobs, backend):
        done[i] = answer
        if folder is not None:
            _keep(folder, machines[i], grid, answer)
        if told:
            told(len(done), len(machines))
    refused = tuple((machines[i], text) for i in range(len(machines)) if isinstance(text := done[i], str))
    good = [(machines[i], rows) for i in range(len(machines)) if not isinstance(rows := done[i], str)]
    if not good:
        raise BadValue("no machine of the sweep can be", known=refused[0][1], asked=_words(refused[0][0]))
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
        if name not in columns:
            raise BadValue("no such column", asked=name, known=", ".join(columns))
    cost, gain = np.asarray(columns[least], float), np.asarray(columns[most], float)
    there = np.flatnonzero(np.isfinite(cost) & np.isfinite(gain))
    order = there[np.lexsort((-gain[there], cost[there]))]
    best = np.maximum.accumulate(gain[order])
    first = np.ones(len(order), bool)
    first[1:] = best[1:] > best[:-1]
    return order[first]


def _answers(
    machines: Sequence[Case], grid: Grid, missing: list[int], jobs: int, backend: str
) -> Iterator[tuple[int, Rows | str]]:
    """Each missing case with its answer, as they come."""
    if backend == "local" and (jobs == 1 or len(missing) < 2):
        for i in missing:
            yield i, answer(machines[i], grid)
        return
    joblib = _joblib(backend)
    left = list(missing)
    for attempt in range(RETRIES + 1):
        try:
            with joblib.parallel_config(backend="loky" if backend == "local" else backend, n_jobs=jobs):
                tasks = (joblib.delayed(_numbered)(i, machines[i], grid) for i in left)
                for i, rows in joblib.Parallel(return_as="generator_unordered")(tasks):
                    left = [j for j in left if j != i]
                    yield i, rows
            return
        except _deaths(backend):
            # A killed worker takes its case with it; what had come back is kept, and the rest is asked again.
            if attempt == RETRIES:
                raise


def _numbered(i: int, case: Case, grid: Grid) -> tuple[int, Rows | str]:
    return i, answer(case, grid)


def _joblib(backend: str) -> Any:
    try:
        import joblib

        if backend == "ray":
            from ray.util.joblib import register_ray

            register_ray()
        elif backend == "dask":
            import distributed

            try:
                distributed.get_client()
            except ValueError:
                distributed.Client(processes=True)
    except ImportError as error:
        raise NeedsExtra(
            f"a sweep over {'processes' if backend in ('local', 'loky') else backend} needs {error.name}",
            try_="pip install joblib" + {"dask": " distributed", "ray": " ray"}.get(backend, ""),
        ) from error
    return joblib


def _deaths(backend: str) -> tuple[type[BaseException], ...]:
    """What the back end raises when a worker is gone."""
    if backend == "ray":
        from ray.exceptions import RayError

        return (RayError,)
    if backend == "dask":
        from distributed import KilledWorker

        return (KilledWorker, ConnectionError)
    return (BrokenExecutor,)


def _joined(good: list[tuple[Case, Rows]]) -> Rows:
    counts = [len(rows["ttft_s"]) for _, rows in good]
    out: Rows = {}
    for name in Case.__dataclass_fields__:
        values = [getattr(case, name) for case, _ in good]
        if (
            name in ("model", "hardware", "engine")
            or any(v != values[0] for v in values)
            or values[0] not in (None, 1)
        ):
            held = ["" if v is None else v for v in values]
            out[name] = np.repeat(np.asarray(held), counts)
    for name in COLUMNS:
        out[name] = np.concatenate([rows[name] for _, rows in good])
    return out


def _key(case: Case, grid: Grid) -> str:
    from cutaway import __version__

    text = json.dumps([__version__, asdict(case), asdict(grid)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _keep(folder: Path, case: Case, grid: Grid, rows: Rows | str) -> None:
    """A whole file or none: whoever is killed leaves nothing half written."""
    target = folder / f"{_key(case, grid)}.npz"
    half = target.with_suffix(f".{os.getpid()}.half")
    with half.open("wb") as file:
        np.savez(file, **({"refused": np.asarray(rows)} if isinstance(rows, str) else rows))
    half.replace(target)


def _kept(folder: Path, case: Case, grid: Grid) -> Rows | str | None:
    path = folder / f"{_key(case, grid)}.npz"
    try:
        with np.load(path, allow_pickle=False) as kept:
            return str(kept["refused"]) if "refused" in kept else {name: kept[name] for name in COLUMNS}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError):
        return None  # not of ours, or of a broken disk: computed again


def _words(case: Case) -> str:
    return ", ".join(f"{k} {v}" for k, v in asdict(case).items() if v not in (None, 1))


def steps(low: int, high: int, count: int) -> tuple[int, ...]:
    """At most `count` whole numbers from low to high, evenly spread by their logarithm."""
    if not 1 <= low <= high or count < 1:
        raise BadValue("a range is LOW:HIGH:COUNT with 1 <= LOW <= HIGH", asked=f"{low}:{high}:{count}")
    if count == 1:
        return (low,)
    return tuple(
        sorted({round(low * math.exp(math.log(high / low) * i / (count - 1))) for i in range(count)})
    )
