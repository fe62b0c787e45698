# `cutaway verify`: opens the source that the report is about, runs the checks, says what does not hold. The exit code is the
# answer for programs: 1 when there are findings.
"""Checks of reports on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cutaway.cli.output import Output, emit, format_of
from cutaway.errors import BadValue, CutawayError

if TYPE_CHECKING:
    from cutaway.read.source import Source

FORMATS = ("text", "json", "sarif")


def verify(
    report: str,
    /,
    *,
    source: str | None = None,
    commit: str | None = None,
    output: Output = Output(),
) -> int:
    """Check a report: every path, line, symbol, quote, number, table, section, diagram and formula in it.

    Parameters
    ----------
    report
        A report in Markdown or JSON, written by Cutaway, by a person or by an agent.
    source
        The repository that it is about; without it, the one that the report names, if that is here.
    commit
        Read the source at this commit; without it, at the one that the report names.
    """
    from cutaway.report.verify import said_source
    from cutaway.report.verify import verify as checked
    from cutaway.report.verify.render import to_json, to_sarif, to_text

    format_of(output, FORMATS)  # before the work
    place, at = said_source(report)
    opened = _opened(source, commit, place, at)
    try:
        verdict = checked(report, opened)
    finally:
        if opened is not None:
            opened.close()
    if opened is None and verdict.kind != "cost" and verdict.places:
        raise BadValue(
            "the report cites source that is not here",
            asked=report,
            known=f"it is about {place}" if place else None,
            try_=f"cutaway verify {report} --source REPOSITORY",
        )
    emit(
        {
            "text": lambda: to_text(verdict, report),
            "json": lambda: to_json(verdict),
            "sarif": lambda: to_sarif(verdict, report),
        },
        output,
    )
    return 1 if verdict.findings else 0


def _opened(source: str | None, commit: str | None, place: str, at: str) -> Source | None:
    """The repository to check against: the one that was named, or the one that the report names if it is a folder here."""
    from cutaway.read.source import open_source

    if source is None and not (place and Path(place).expanduser().is_dir()):
        if commit is not None:
            raise BadValue(
                "a commit of which repository?", asked=f"--commit {commit}", try_="--source REPOSITORY"
            )
        return None
    where = source or place
    if commit is not None or not at:
        return open_source(where, commit)
    try:
        return open_source(where, at)
    except CutawayError:  # a folder without history, or one that has not this commit: as it stands
        return open_source(where)
