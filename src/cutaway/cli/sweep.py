# `cutaway sweep`: a prediction over grids. Needs neither torch nor a GPU for models of the catalogue.
"""Predictions over grids on the command line."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from cutaway.cli.output import Output, emit, format_of, say, to_json
from cutaway.cli.progress import told
from cutaway.cli.whole import WholeOrNone
from cutaway.errors import BadValue, OutputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np

    from cutaway.hardware import Hardware
    from cutaway.predict.sweep import Case, Grid, Rows


FORMATS = ("text", "csv", "json")


@Parameter(name="*")
@dataclass(frozen=True)
class Axes:
    """What is swept over: lists separated by commas."""

    hardware: str
    """Devices of the sheet, or sheets of your own (FILE.toml)."""
    batch: str | None = None
    """Sequences that start and end together."""
    concurrency: str | None = None
    """Instead of --batch: users in a closed loop."""
    prompt: str = "1024"
    """Tokens of each prompt."""
    output: str = "256"
    """Tokens of each answer."""
    weights: str | None = None
    """bf16, fp16, fp8, fp8_block, int8, int4, nvfp4 or mxfp4; without it, what the config says."""
    kv: str | None = None
    """The dtype of the cache."""
    tp: str = "1"
    """Devices that share each layer."""
    pp: str = "1"
    """Stages of layers."""
    ep: str = "1"
    """Groups of devices that the experts are spread over."""
    dp: str = "1"
    """Copies of the attention."""
    engine: str = "vllm"
    """vllm, sglang, trtllm, ideal: whose overheads and habits."""

    def grid(self) -> Grid:
        """The loads that each machine is asked for."""
        from cutaway.predict.sweep import Grid

        if (self.batch is None) == (self.concurrency is None):
            raise BadValue("a sweep needs --batch or --concurrency, and not both")
        load = "batch" if self.concurrency is None else "concurrency"
        return Grid(
            *(self._numbers(name) for name in (load, "prompt", "output")), closed=self.concurrency is not None
        )

    def cases(self, models: str, trust_code: bool) -> list[Case]:
        """The machines: every model on every device in every way."""
        from cutaway.predict import sweep as swept
        from cutaway.predict.shipped import workloads_of

        words = {name: _words(getattr(self, name), name) for name in ("hardware", "engine", "weights", "kv")}
        _check(words)
        for model in _words(models, "models"):
            workloads_of(str(model), trust_code)
        cuts = {name: self._numbers(name) for name in ("tp", "pp", "ep", "dp")}
        return swept.cases(model=_words(models, "models"), **words, **cuts, trust_code=[trust_code])

    def _numbers(self, name: str) -> tuple[int, ...]:
        """`1,2,4` or `1:256:9`."""
        from cutaway.predict.sweep import steps

        asked, found = getattr(self, name), []
        try:
            for word in asked.split(","):
                bounds = [int(part) for part in word.split(":")]
                found += bounds if len(bounds) == 1 else steps(*bounds)
        except (TypeError, ValueError) as error:
            raise BadValue(f"--{name} takes whole numbers, as in 1,2,4 or 1:256:9", asked=asked) from error
        return tuple(dict.fromkeys(found))


@Parameter(name="*")
@dataclass(frozen=True)
class Choice:
    """Which rows are answered."""

    pareto: str | None = None
    """LEAST,MOST: only the rows that no other beats, as in tpot_s,throughput_tokens_per_s."""
    slo_ttft: float | None = None
    """Only rows whose TTFT is at most so many milliseconds."""
    slo_tpot: float | None = None
    """Only rows whose TPOT is at most so many milliseconds; with a level, rows are ordered by price."""

    def of(self, columns: Rows) -> Rows:
        """The rows that meet the level, and of those the ones on the front; ordered by price where a level is given."""
        from cutaway.predict.sweep import meeting, pareto

        if self.slo_ttft is not None or self.slo_tpot is not None:
            ttft, tpot = (None if v is None else v / 1e3 for v in (self.slo_ttft, self.slo_tpot))
            columns = _rows(columns, meeting(columns, ttft=ttft, tpot=tpot))
        if self.pareto is not None:
            least, _, most = self.pareto.partition(",")
            columns = _rows(columns, pareto(columns, least.strip(), most.strip()))
        return columns


@Parameter(name="*")
@dataclass(frozen=True)
class Workers:
    """Who computes."""

    jobs: WholeOrNone = None
    """Processes; without it one, and on a cluster all that it has."""
    backend: Literal["local", "loky", "dask", "ray"] = "local"
    """Processes of this machine, or a cluster: the one that DASK_SCHEDULER_ADDRESS or RAY_ADDRESS names, else one here."""
    resume: Path | None = None
    """Keep each finished machine in this folder, and do not compute it again."""


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
    plot: Path | None = None
    """Draw latency, throughput, memory and rooflines into a .png, .svg or .html file."""

    @property
    def place(self) -> Output:
        return Output(self.json, self.format, self.file)

    @property
    def parquet(self) -> Path | None:
        """The file, where it is to be Parquet: by its ending, as nothing else was asked for."""
        asked = self.json or self.format
        return None if asked or self.file is None or self.file.suffix.casefold() != ".parquet" else self.file

    def check(self) -> None:
        """Raises what would be raised at the end, before hours of work."""
        if self.plot is not None:
            from cutaway.report.sweep_plot import check

            check(self.plot)
        if self.parquet is not None:
            from cutaway.report.sweep_table import check_parquet

            check_parquet(self.parquet)
        else:
            format_of(self.place, FORMATS, ".parquet")
        for path in (self.plot, self.file):
            if path is not None and not path.expanduser().parent.is_dir():
                raise OutputError("there is no such folder", where=str(path.parent))


def sweep(
    models: str,
    /,
    *,
    axes: Axes,
    choice: Choice = Choice(),
    trust_code: Annotated[bool, Parameter(negative="")] = False,
    workers: Workers = Workers(),
    answer: Answer = Answer(),
) -> None:
    """Time, memory and money over grids of models, hardware, formats, cuts and lengths.

    Lists are separated by commas; LOW:HIGH:COUNT is a range of at most COUNT values, spread by their logarithm.

    Parameters
    ----------
    models
        Models of the catalogue, or what `cost` takes.
    trust_code
        Run code that is not in an installed package.
    """
    from cutaway.predict import sweep as swept

    answer.check()
    grid, cases = axes.grid(), axes.cases(models, trust_code)
    with told("predicting", "machines") as progress:
        found = swept.sweep(
            cases, grid, jobs=workers.jobs, backend=workers.backend, folder=workers.resume, told=progress
        )
    _name_refused(found.refused, len(cases))
    _name_lengths(dict.fromkeys(case.model for case in cases), grid, trust_code)
    chosen = choice.of(found.columns)
    if answer.plot is not None:
        from cutaway.report.sweep_plot import plot

        plot(found.columns, answer.plot, devices=_devices(axes.hardware))
    _emit(chosen, found.refused, answer)


def _emit(columns: Rows, refused: tuple[tuple[Case, str], ...], answer: Answer) -> None:
    from cutaway.report import sweep_table as table

    if answer.parquet is not None:
        table.write_parquet(columns, answer.parquet)
        return
    emit(
        {
            "text": lambda: table.text(columns),
            "csv": lambda: table.csv_text(columns),
            "json": lambda: to_json({
                "schema_version": 1, "rows": table.records(columns),
                "refused": [{**asdict(case), "why": why} for case, why in refused],
            }),
        },
        answer.place,
    )  # fmt: skip


def _rows(columns: Rows, rows: np.ndarray) -> Rows:
    return {name: values[rows] for name, values in columns.items()}


def _check(words: dict[str, list[str | None]]) -> None:
    """Raises what is raised for unknown names: those are slips, and no machines that cannot be."""
    from cutaway.hardware import find
    from cutaway.predict.engine import find as find_engine
    from cutaway.predict.quant import format_of

    for name, known in (("hardware", find), ("engine", find_engine), ("weights", format_of), ("kv", format_of)):
        for word in words[name]:
            if word is not None:
                known(word)


def _name_refused(refused: tuple[tuple[Case, str], ...], count: int) -> None:
    """Each reason once, with the machines that it holds for."""
    reasons: dict[str, list[Case]] = {}
    for case, why in refused:
        reasons.setdefault(why, []).append(case)
    for why, cases in reasons.items():
        words = {name: dict.fromkeys(str(getattr(c, name)) for c in cases) for name in ("model", "hardware", "tp")}
        named = " ".join(f"{name} {', '.join(values)}" for name, values in words.items())
        say(f"left out, {len(cases)} of {count} machines ({named}):")
        say("  " + why.removeprefix("error: "))


def _name_lengths(models: Iterable[str], grid: Grid, trust_code: bool) -> None:
    """Says which models have fewer positions than the longest sequences, and what becomes of those rows."""
    from cutaway.predict.shipped import workloads_of

    longest = max(grid.prompt) + max(grid.output)
    for model in models:
        positions = workloads_of(model, trust_code)[0].max_positions
        if positions and longest > positions:
            say(
                f"warning: {longest} tokens are more than the {positions} positions of {model}: an engine refuses or cuts "
                "such requests; their rows count as not fitting"
            )


def _devices(asked: str) -> list[Hardware]:
    """Those of the sweep; a name and its alias are one."""
    from cutaway.hardware import find

    devices = [find(str(name)) for name in _words(asked, "hardware")]
    return list({device.name: device for device in devices}.values())


def _words(asked: str | None, name: str) -> list[str | None]:
    found = [None] if asked is None else [word.strip() for word in asked.split(",") if word.strip()]
    if not found:
        raise BadValue(f"{name} names nothing", asked=repr(asked))
    return found
