# `cutaway cost`: reads the flags, asks `cutaway.costing`, renders. A kept answer as plain JSON is passed
# on as it is, without even reading it back.
"""Costs on the command line."""

import os
import sys
from collections.abc import Callable
from typing import Annotated, Literal

from cyclopts import Parameter

from cutaway.cli.output import Output, emit, format_of
from cutaway.errors import BadValue
from cutaway.report.asked import check_value
from cutaway.store import Request

Many = Annotated[list[str] | None, Parameter(negative="", consume_multiple=False)]
FORMATS = ("text", "json", "md", "csv")


def cost(
    target: str,
    /,
    *,
    phase: Literal["prefill", "decode"] = "prefill",
    set_: Annotated[list[str] | None, Parameter(name="--set", negative="", consume_multiple=False)] = None,
    symbols: Literal["shapes", "all"] = "shapes",
    depth: int | None = None,
    expand: Annotated[bool, Parameter(negative="")] = False,
    totals: Annotated[bool, Parameter(negative="")] = False,
    lines: Literal["costly", "all"] = "costly",
    execution: Literal["eager", "fused"] = "eager",
    dtype: str = "bfloat16",
    no_cache: Annotated[bool, Parameter(negative="")] = False,
    trust_code: Annotated[bool, Parameter(negative="")] = False,
    arg: Many = None,
    input: Many = None,
    output: Output = Output(),
) -> None:
    """FLOPs and bytes of a forward pass, per module and source line, as formulas or numbers.

    Parameters
    ----------
    target
        A model, a config.json or its folder, a class, file.py:Class, a function that makes a module, or a saved --json.
    phase
        The whole prompt at once, or one token with a filled cache.
    set_
        NAME=VALUE, repeatable: with a value for every symbol, numbers are shown.
    symbols
        Which sizes are symbols: those of the input, or the architecture's too.
    depth
        Show so many levels below the target.
    expand
        In JSON, replace each reference by the kernels of its module.
    totals
        Only the totals; those of the catalogue's models are at hand at once, without torch.
    lines
        Only the lines that cost something, or all of them with the reason.
    execution
        Each op by itself as the code stands, or the compulsory traffic of a good engine.
    dtype
        Of weights and activations.
    no_cache
        Derive again, and keep nothing.
    trust_code
        Run code that is not in an installed package.
    arg
        NAME=VALUE for the constructor of a class, repeatable.
    input
        NAME=dim,dim[:dtype] for a tensor that forward takes, NAME=None or NAME=0 for a value; repeatable.
    """
    from cutaway import costing

    if depth is not None and depth < 0:
        raise BadValue("out of range", asked=f"--depth {depth}", known="levels are counted from 0")
    pairs = _pairs([part for word in set_ or () for part in word.split(",")], "--set batch_size=1")
    values = {name: check_value(name, text) for name, text in pairs.items()}
    shapes = _pairs(input, "--input x=batch_size,seq_len,n_embd")
    request = Request(target, phase, symbols, dtype, trust_code, _arguments(arg), shapes, execution, values)
    wanted = format_of(output, FORMATS)
    kept = (costing.saved_totals(request) if totals else None) or costing.saved_text(request, not no_cache)
    if kept and wanted == "json" and not values and not expand:
        return emit({"json": lambda: kept}, output)
    result = costing.answer(request, kept, cache=not no_cache)
    analysis = result.analysis.totals_only() if totals else result.analysis
    return emit(_renderers(analysis, depth, expand, lines == "all", output), output)


def _renderers(
    analysis, depth: int | None, expand: bool, all_lines: bool, output: Output
) -> dict[str, Callable]:
    """What makes each format, imported when it is wanted."""

    def text() -> str:
        from cutaway.report.cost_text import render_text
        from cutaway.report.paper import terminal_width

        width = terminal_width() if output.output is None else 100
        return render_text(analysis, width=width, colour=_colour(output), depth=depth, all_lines=all_lines)

    def to_json() -> str:
        from cutaway.report.cost_json import to_json
        from cutaway.report.expand import expand as expanded

        return to_json(analysis, **({"kernels": expanded(analysis, depth)} if expand else {}))

    def markdown() -> str:
        from cutaway.report.cost_markdown import render_markdown

        return render_markdown(analysis, depth=depth, all_lines=all_lines)

    def csv() -> str:
        from cutaway.report.cost_records import to_csv

        return to_csv(analysis)

    return {"text": text, "json": to_json, "md": markdown, "csv": csv}


def _colour(output: Output) -> bool:
    """Colour on a terminal that has it, unless NO_COLOR."""
    if output.output is not None or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return bool(os.environ.get("FORCE_COLOR")) or sys.stdout.isatty()


def _arguments(words: list[str] | None) -> dict[str, object]:
    """Arguments of a constructor: numbers, true and false, lists, or text."""
    if not words:
        return {}
    from cutaway.trace.target import parse_args

    return parse_args(words)


def _pairs(words: list[str] | None, example: str) -> dict[str, str]:
    """NAME=VALUE words as a dict; the last of a name wins."""
    found = {}
    for word in words or ():
        name, equals, value = word.partition("=")
        if not equals or not name.strip() or not value.strip():
            raise BadValue("this takes NAME=VALUE", asked=word, try_=example)
        found[name.strip()] = value.strip()
    return found
