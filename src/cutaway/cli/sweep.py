# `cutaway sweep`: a prediction over grids. Needs neither torch nor a GPU for models of the catalogue.
"""Predictions over grids on the command line."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from cutaway.cli.output import Output, emit, say, to_json
from cutaway.errors import BadValue


@Parameter(name="*")
@dataclass(frozen=True)
class Answer:
    """How the answer leaves. `--output` counts tokens here, as in `predict`, so the file has `-o` alone."""

    json: Annotated[bool, Parameter(negative="", show_default=False)] = False
    """Short for --format json."""
    format: Literal["text", "json", "csv"] | None = None
    """The form of the answer; without it, the one that FILE's suffix says, else text."""
    file: Annotated[Path | None, Parameter(name=["-o", "--file"])] = None
    """Write to FILE instead of stdout; a .parquet file holds the columns as they are."""


def sweep(
    models: str,
    /,
    *,
    hardware: Annotated[str, Parameter(name="--hardware")],
    batch: str | None = None,
    concurrency: str | None = None,
    prompt: str = "1024",
    output: str = "256",
    weights: str | None = None,
    kv: str | None = None,
    tp: str = "1",
    pp: str = "1",
    ep: str = "1",
    dp: str = "1",
    engine: str = "vllm",
    pareto: str | None = None,
    slo_ttft: float | None = None,
    slo_tpot: float | None = None,
    plot: Path | None = None,
    jobs: int = 1,
    backend: str = "local",
    resume: Path | None = None,
    answer: Answer = Answer(),
) -> None:
    """Time, memory and money over grids of models, hardware, formats, cuts and lengths.

    Lists are separated by commas; LOW:HIGH:COUNT is a range of at most COUNT values, spread by their logarithm.

    Parameters
    ----------
    models
        Models of the catalogue, or what `cost` takes.
    hardware
        Devices of the sheet.
    batch
        Sequences that start and end together.
    concurrency
        Instead of --batch: users in a closed loop.
    prompt
        Tokens of each prompt.
    output
        Tokens of each answer.
    pareto
        LEAST,MOST: only the rows that no other beats, as in tpot_s,throughput_tokens_per_s.
    slo_ttft
        Only rows whose TTFT is at most so many milliseconds.
    slo_tpot
        Only rows whose TPOT is at most so many milliseconds; with a level, rows are ordered by price.
    plot
        Draw latency, throughput, memory and rooflines into a .png, .svg or .html file.
    jobs
        Processes.
    backend
        local, or a joblib back end: loky, dask, ray.
    resume
        Keep each finished machine in this folder, and do not compute it again.
    """
    from cutaway.predict import sweep as swept
    from cutaway.report import sweep_table as table

    if (batch is None) == (concurrency is None):
        raise BadValue("a sweep needs --batch or --concurrency, and not both")
    grid = swept.Grid(
        _numbers(batch or concurrency or "", "batch"), _numbers(prompt, "prompt"),
        _numbers(output, "output"), closed=concurrency is not None,
    )  # fmt: skip
    machines = swept.cases(
        model=_words(models), hardware=_words(hardware), engine=_words(engine), weights=_words(weights), kv=_words(kv),
        tp=_numbers(tp, "tp"), pp=_numbers(pp, "pp"), ep=_numbers(ep, "ep"), dp=_numbers(dp, "dp"),
    )  # fmt: skip
    found = swept.sweep(machines, grid, jobs=jobs, backend=backend, folder=resume)
    for case, why in found.refused:
        say(
            f"left out: {case.model} on {case.hardware}, tp {case.tp}: {why.splitlines()[0].removeprefix('error: ')}"
        )
    columns = _chosen(found.columns, pareto, slo_ttft, slo_tpot)
    if plot is not None:
        from cutaway.report.sweep_plot import plot as draw

        draw(found.columns, plot, ridges=_ridges(_words(hardware)))
    if answer.file is not None and answer.file.suffix == ".parquet":
        table.write_parquet(columns, answer.file)
        return
    emit(
        {
            "text": lambda: table.text(columns),
            "csv": lambda: table.csv_text(columns),
            "json": lambda: to_json({
                "schema_version": 1, "rows": table.records(columns),
                "refused": [{**asdict(case), "why": why} for case, why in found.refused],
            }),
        },
        Output(answer.json, answer.format, answer.file),
    )  # fmt: skip


def _chosen(
    columns: dict[str, Any], front: str | None, ttft: float | None, tpot: float | None
) -> dict[str, Any]:
    """The rows that meet the level, and of those the ones on the front; ordered by price where a level is given."""
    import numpy as np

    from cutaway.predict.sweep import pareto

    keep = np.ones(len(columns["ttft_s"]), bool)
    for name, limit in (("ttft_s", ttft), ("tpot_s", tpot)):
        if limit is not None:
            if not 0 < limit < 1e12:
                raise BadValue(f"the level for {name} is in milliseconds, above 0", asked=str(limit))
            keep &= (columns[name] * 1e3 <= limit) & columns["fits"]
    if not keep.any():
        fits = columns["fits"]
        best = {n: float(np.min(columns[n][fits])) * 1e3 for n in ("ttft_s", "tpot_s")} if fits.any() else {}
        raise BadValue(
            "no row of the sweep meets the level",
            known=", ".join(f"least {n[:-2].upper()} {v:.4g} ms" for n, v in best.items())
            or "nothing fits in memory",
            try_="a level above these, smaller batches, more devices (--tp), fewer bits (--weights), other hardware",
        )
    picked = {name: values[keep] for name, values in columns.items()}
    if ttft is not None or tpot is not None:
        usd = picked["usd_per_million_tokens"]
        order = np.lexsort((-picked["throughput_tokens_per_s"], usd))
        picked = {name: values[order] for name, values in picked.items()}
    if front is not None:
        least, _, most = front.partition(",")
        rows = pareto(picked, least.strip(), most.strip())
        picked = {name: values[rows] for name, values in picked.items()}
    return picked


def _ridges(hardware: list[str | None]) -> dict[str, tuple[float, float]]:
    from cutaway.hardware import find

    devices = [find(name) for name in hardware if name]
    return {d.title: (d.peak("bf16"), d.bandwidth) for d in devices if "bf16" in d.dtypes}


def _words(asked: str | None) -> list[str | None]:
    return [None] if asked is None else [word.strip() for word in asked.split(",") if word.strip()]


def _numbers(asked: str, name: str) -> tuple[int, ...]:
    """`1,2,4` or `1:256:9`."""
    from cutaway.predict.sweep import steps

    found: list[int] = []
    try:
        for word in asked.split(","):
            bounds = [int(part) for part in word.split(":")]
            found += bounds if len(bounds) == 1 else steps(*bounds)
    except (TypeError, ValueError) as error:
        raise BadValue(f"{name} takes whole numbers, as in 1,2,4 or 1:256:9", asked=asked) from error
    return tuple(dict.fromkeys(found))
