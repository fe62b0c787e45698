# A report is worth what can be checked in it, by anyone, later, from the file and the source alone. This reads the report,
# runs the table of checks, and says what does not hold; it never asks who wrote it.
"""`verify(report, source)`: what in a report does not hold."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from cutaway.errors import BadValue, UnknownTarget
from cutaway.model.code import FileRecord
from cutaway.read.languages import read_file
from cutaway.report.verify.checks import CHECKS
from cutaway.report.verify.markdown import header_facts, read_markdown
from cutaway.report.verify.model import Check, Document, Finding
from cutaway.report.verify.records import read_record
from cutaway.report.verify.sources import Files, Sources, likely_path

__all__ = ["CHECKS", "Check", "Finding", "Verdict", "load", "said_source", "verify"]

LARGEST = 256 << 20  # bytes of a report


class Verdict(Struct, frozen=True):
    """What `verify` found, in the order of the checks and of the report; `skipped` are the checks that need a source when
    there was none; `places` is how many places the report cites."""

    report: str
    kind: str
    places: int
    findings: tuple[Finding, ...]
    skipped: tuple[str, ...] = ()
    commit: str = ""


def verify(
    report: str | Path, source: Files | None = None, *, read: Callable[[str, bytes], FileRecord] = read_file
) -> Verdict:
    """Check the report in the file `report` against `source`, an open `cutaway.read.source.Source`.

    Without a source, the checks that need one are skipped. Raises `UnknownTarget` for a file that is not there, `BadValue`
    for one that is no report: neither Markdown nor JSON, or JSON that says nothing of code."""
    sources = Sources(source, read) if source else None
    document = load(report, sources)
    found: list[Finding] = []
    for check in CHECKS:
        if not check.needs_source:
            found += check.find(document)
        elif sources:
            found += check.find(document, sources)
    skipped = () if sources else tuple(check.id for check in CHECKS if check.needs_source)
    places = sum(bool(cited.start) for cited in document.cited)
    commit = sources.commit if sources else ""
    return Verdict(document.name, document.kind, places, tuple(found), skipped, commit)


def load(report: str | Path, sources: Sources | None = None) -> Document:
    """The report as a document. Raises as `verify`."""
    path, text = Path(report), _text(Path(report))
    likely = sources.likely if sources else likely_path
    if path.suffix.lower() == ".json" or text.lstrip()[:1] == "{":
        return read_record(_object(path, text), path.name, likely)
    if path.suffix.lower() in (".md", ".markdown", ".txt", "") and text.strip():
        return read_markdown(text, path.name, likely)
    raise BadValue("not a report", asked=str(report), known="Markdown (.md) and JSON (.json) can be checked")


def said_source(report: str | Path) -> tuple[str, str]:
    """Where the report says that its repository is, and at which commit; '' for what it does not say."""
    path, text = Path(report), _text(Path(report))
    if path.suffix.lower() == ".json" or text.lstrip()[:1] == "{":
        document = read_record(_object(path, text), path.name, likely_path)
        return document.source, document.commit
    facts = header_facts(text)
    return facts["source"], facts["commit"]


def _text(path: Path) -> str:
    try:
        if path.is_file() and path.stat().st_size > LARGEST:
            raise BadValue("too large for a report", asked=str(path), known=f"at most {LARGEST >> 20} MiB")
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise BadValue("not a report", asked=str(path), known="it is not UTF-8 text") from None
    except (OSError, ValueError) as error:
        known = getattr(error, "strerror", None) or str(error)
        raise UnknownTarget("the report cannot be read", asked=str(path), known=known) from None


def _object(path: Path, text: str) -> dict:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadValue("not a report", asked=str(path), known=f"it is no JSON: {error}") from None
    if not isinstance(data, dict) or not _says_something(data):
        raise BadValue(
            "not a report", asked=str(path), known="its JSON is of no known kind and cites no source"
        )
    return data


def _says_something(data: dict) -> bool:
    document = read_record(data, "", likely_path)
    return bool(document.kind or document.cited)
