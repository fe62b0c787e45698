# `cutaway predict` and `cutaway compare`: flags in, one call of `cutaway.predicting`, `emit`.
"""Predictions on the command line."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, get_args, get_type_hints

from cyclopts import Parameter

from cutaway.cli.output import Output, emit, format_of, to_json
from cutaway.cli.whole import Whole, WholeOrNone
from cutaway.errors import BadValue

FORMATS = ("text", "json", "md", "csv")


@Parameter(name="*")
@dataclass(frozen=True)
class Load:
    """What is served, how, and on what."""

    hardware: str = "h100"
    """A device of `cutaway hardware`, or a sheet of your own (FILE.toml)."""
    batch: WholeOrNone = None
    """Requests that start and end together; 1 if no load is given."""
    prompt: Whole = 1024
    """Tokens of each prompt."""
    output: Whole = 128
    """Tokens of each answer."""
    concurrency: WholeOrNone = None
    """Users, each of whom asks again when answered."""
    rounds: WholeOrNone = None
    """Requests of each of those users, who all begin at once, as in a benchmark; without it, TTFT is of the steady state."""
    rate: float | None = None
    """Requests per second that arrive by chance."""
    requests: Path | None = None
    """A trace of requests: CSV or JSONL with arrival (s), input_tokens and output_tokens."""
    engine: Literal["vllm", "sglang", "trtllm", "ideal"] = "vllm"
    """Whose overheads and habits."""
    tp: Whole = 1
    """Devices that share each layer."""
    pp: Whole = 1
    """Stages of layers."""
    ep: Whole = 1
    """Groups of devices that the experts are spread over."""
    dp: Whole = 1
    """Copies of the attention; with --ep above --tp they share the experts."""
    sp: Annotated[bool, Parameter(negative="")] = False
    """Cut norms and residual streams by tokens."""
    weights: str | None = None
    """bf16, fp16, fp8, fp8_block, int8, int4, nvfp4 or mxfp4; without it, what the config says."""
    activations: str | None = None
    """What products compute in, if not what the weights ask for."""
    kv: str | None = None
    """The dtype of the cache."""
    tier: Literal["speed of light", "calibrated", "measured"] | None = None
    """The best tier of the time model that may be used."""
    overlap: float = 0.0
    """The share of communication that hides behind kernels, 0 to 1."""
    draft: str | None = None
    """Who guesses tokens ahead: a model, or ngram (looked up in the text); with --acceptance."""
    draft_tokens: WholeOrNone = None
    """Tokens that are guessed in each step; 3 if nothing is said."""
    acceptance: float | None = None
    """The share of guesses that are right if those before are, 0 to 1."""
    prefill_instances: WholeOrNone = None
    """Machines that compute prompts alone; with --decode-instances, under --rate, --requests or --concurrency."""
    decode_instances: WholeOrNone = None
    """Machines that compute answers alone."""
    transfer: float | None = None
    """GB/s of each device between the two; without it, the sheet's network across nodes."""
    target_tpot: float | None = None
    """Milliseconds per token: which memory bandwidth, and which batch, would reach them?"""
    trust_code: Annotated[bool, Parameter(negative="")] = False
    """Run code that is not in an installed package."""


@Parameter(name="*")
@dataclass(frozen=True)
class Answer:
    """How the answer leaves. `--output` counts tokens here, so the file has `-o` alone."""

    json: Annotated[bool, Parameter(negative="", show_default=False)] = False
    """Short for --format json."""
    format: Literal["text", "json", "md", "csv"] | None = None
    """The form of the answer; without it, the one that FILE's suffix says, else text."""
    file: Annotated[Path | None, Parameter(name=["-o", "--file"])] = None
    """Write to FILE instead of stdout."""

    @property
    def place(self) -> Output:
        return Output(self.json, self.format, self.file)


def predict(
    model: str,
    /,
    *,
    load: Load = Load(),
    explain: Annotated[bool, Parameter(negative="")] = False,
    arg: Annotated[list[str] | None, Parameter(negative="", consume_multiple=False)] = None,
    answer: Answer = Answer(),
) -> None:
    """Latency, throughput, memory and money of serving a model, and what bounds each part.

    Parameters
    ----------
    model
        A model of the catalogue, a config.json or its folder, or file.py:Class.
    explain
        Each kernel with its time, tier, constants and source lines; each figure with its definition.
    arg
        NAME=VALUE for the constructor of a class, repeatable.
    """
    format_of(answer.place, FORMATS)  # before the work
    found = _predict(model, load, arg)
    _emit(found, explain, answer.place)


def compare(
    a: str,
    b: str,
    /,
    *,
    load: Load = Load(),
    answer: Answer = Answer(),
) -> None:
    """Where the difference between two predictions comes from.

    Parameters
    ----------
    a
        A model, with options of its own after commas: llama-3.1-8b,hardware=h100,weights=fp8.
    b
        The other; what neither names is as the options say.
    """
    format_of(answer.place, FORMATS)
    first, second = (_predict(*_own(words, load), None) for words in (a, b))

    def text() -> str:
        from cutaway.report.predict_text import compare_text

        return compare_text(first, second)

    from cutaway.report.predict_csv import csv_rows
    from cutaway.report.predict_text import changed

    def as_json() -> str:
        rows = {
            phase: [{"name": n, "a_s": x, "b_s": y} for n, x, y in found] for phase, found in changed(first, second).items()
        }
        return to_json({"schema_version": 1, "a": first.to_dict(), "b": second.to_dict(), "differences": rows})

    def as_csv() -> str:
        rows = [(phase, *row) for phase, found in changed(first, second).items() for row in found]
        return csv_rows(("phase", "name", "a_s", "b_s"), rows)

    def markdown() -> str:
        from cutaway.report.predict_text import compare_markdown

        return compare_markdown(first, second)

    emit({"text": text, "json": as_json, "md": markdown, "csv": as_csv}, answer.place)


def _own(words: str, load: Load) -> tuple[str, Load]:
    """`llama-3.1-8b,tp=2` as the model and the load with these options changed."""
    model, *pairs = words.split(",")
    values = dict(vars(load))
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or name not in values:
            raise BadValue(
                "this takes NAME=VALUE", asked=pair, known=", ".join(values), try_="llama-3.1-8b,weights=fp8"
            )
        values[name] = _typed(name, value)
    return model, Load(**values)


def _typed(name: str, text: str) -> object:
    """The value of an option of that name, as the option itself would take it."""
    kind = get_type_hints(Load)[name]
    kinds = {kind, *get_args(kind)}
    said = {int: "a whole number", float: "a number", bool: "true or false"}
    for wanted, words in said.items():
        if wanted in kinds:
            try:
                return {"true": True, "false": False}[text.casefold()] if wanted is bool else wanted(text)
            except (KeyError, ValueError) as error:
                raise BadValue(f"{name} must be {words}", asked=text) from error
    return text


def _predict(model: str, load: Load, arg: list[str] | None):
    from cutaway.predicting import predict

    given = {}
    if arg:
        from cutaway.trace.target import parse_args

        given = parse_args(arg)
    return predict(model, **vars(load), args=given)


def _emit(found, explain: bool, output: Output) -> None:
    def text() -> str:
        from cutaway.report.predict_text import render_text

        return render_text(found, explain=explain)

    def markdown() -> str:
        from cutaway.report.predict_text import render_markdown

        return render_markdown(found, explain=explain)

    def as_csv() -> str:
        from cutaway.report.predict_csv import to_csv

        return to_csv(found, explain)

    emit({"text": text, "json": lambda: found.to_json(explain), "md": markdown, "csv": as_csv}, output)
