# `cutaway models`: what is in the catalogue. Needs neither torch nor a network.
"""The catalogue on the command line."""

import csv
import io
from typing import Annotated

from cyclopts import Parameter

from cutaway import catalogue
from cutaway.cli.output import Output, emit, to_json
from cutaway.errors import UnknownTarget


def models(
    filter: str = "",
    /,
    *,
    model_type: Annotated[str | None, Parameter(name="--type")] = None,
    output: Output = Output(),
) -> None:
    """The catalogue of models.

    Parameters
    ----------
    filter
        Only models with this in their id, in any case.
    model_type
        Only models of this Transformers model_type.
    """
    found = [
        entry
        for entry in catalogue.entries()
        if filter.casefold() in entry.id.casefold() and model_type in (None, entry.model_type)
    ]
    if not found:
        asked = " ".join(word for word in (filter, model_type) if word)
        raise UnknownTarget.among(asked, catalogue.names(), what="no model fits", try_="cutaway models")
    emit(
        {
            "text": lambda: _text(found),
            "md": lambda: _markdown(found),
            "csv": lambda: _csv(found),
            "json": lambda: to_json({"schema_version": 1, "models": [entry.to_dict() for entry in found]}),
        },
        output,
    )


def _text(found: list[catalogue.Entry]) -> str:
    width = min(46, max(len(entry.id) for entry in found))
    lines = [f"{'model':<{width}}  {'parameters':>17}  type"]
    for entry in found:
        count = f"{entry.parameters:,}" if entry.parameters else f"~{entry.published}"
        mark = " *" if entry.needs_remote_code else ""
        lines.append(f"{entry.id:<{width}}  {count:>17}  {entry.model_type}{mark}")
    if any(entry.needs_remote_code for entry in found):
        lines += ["", "* its code is not part of Transformers; the count is the published one"]
    return "\n".join(lines)


def _markdown(found: list[catalogue.Entry]) -> str:
    lines = ["| model | parameters | type | config from |", "| --- | ---: | --- | --- |"]
    lines += [
        f"| {e.id} | {e.parameters or e.published} | {e.model_type} | {e.provenance.replace('|', '/')} |"
        for e in found
    ]
    return "\n".join(lines)


def _csv(found: list[catalogue.Entry]) -> str:
    columns = ("id", "class_name", "model_type", "parameters", "published", "needs_remote_code", "provenance")
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(entry.to_dict() for entry in found)
    return text.getvalue()
