# `cutaway inspect MODEL`. Without torch it still says what the catalogue knows.
"""The module tree on the command line."""

from importlib.util import find_spec
from typing import Annotated

from cyclopts import Parameter

from cutaway.cli.output import Output, emit, format_of, say, to_json
from cutaway.errors import BadValue, NeedsExtra
from cutaway.trace.target import Target, parse_args, resolve


def inspect(
    target: str,
    /,
    *,
    depth: int | None = None,
    dtype: str | None = None,
    arg: Annotated[tuple[str, ...], Parameter(negative="", show_default=False)] = (),
    trust_code: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    output: Output = Output(),
) -> None:
    """The module tree: classes, shapes, dtypes, parameters. Nothing is downloaded or run.

    Parameters
    ----------
    target
        A model of `cutaway models`, a Hugging Face id, a config.json or its folder, a class
        (torch.nn.Linear), or file.py:Class.
    depth
        How many levels of the tree to show; all of them by default.
    dtype
        bf16, fp16, fp32 …; by default what the config says, else bf16.
    arg
        NAME=VALUE for the constructor or the config, such as n_embd=768; may be repeated.
    trust_code
        Let code run that is not part of an installed package.
    """
    if depth is not None and depth < 0:
        raise BadValue("--depth counts levels", asked=str(depth))
    found = resolve(target, trust_code, parse_args(arg))
    if found.kind == "repo":
        raise BadValue(
            "a repository has no module tree", asked=target, try_="file.py:Class for a class in it"
        )
    if found.entry and find_spec("torch") is None:
        _from_catalogue(found, output)
    else:
        _from_module(found, dtype, depth, output)


def _from_module(target: Target, dtype: str | None, depth: int | None, output: Output) -> None:
    from cutaway.report import inspect_text as report
    from cutaway.trace.inspect import inspect_target

    format_of(output, ("text", "json", "md", "csv"))
    result = inspect_target(target, dtype)
    emit(
        {
            "text": lambda: report.render_text(result, depth),
            "json": lambda: report.render_json(result),
            "md": lambda: report.render_markdown(result, depth),
            "csv": lambda: report.render_csv(result),
        },
        output,
    )


def _from_catalogue(target: Target, output: Output) -> None:
    """Without torch: the totals that the catalogue holds, and a word on how to get the rest."""
    entry = target.entry
    if entry.parameters is None:
        raise NeedsExtra.named("torch", "torch", asked=target.text)
    value = {
        "schema_version": 1,
        "target": entry.id,
        "class_name": entry.class_name,
        "model_type": entry.model_type,
        "parameters": {"total": entry.parameters},
        "modules": [],
    }
    say('from the catalogue; the module tree needs torch: pip install "cutaway[torch]"')
    emit(
        {
            "text": lambda: f"{entry.id}\nclass      {entry.class_name}\nparameters {entry.parameters:,}",
            "json": lambda: to_json(value),
        },
        output,
    )
