# Citations that carry digests are held against the lines as they are: what moved is found again, what changed is said.
from __future__ import annotations

from collections.abc import Iterator

from cutaway.report.evidence import Found, relocate
from cutaway.report.verify.model import Check, Cited, Document, Finding
from cutaway.report.verify.sources import Sources

__all__ = ["CHECK", "found"]


def found(cited: Cited, sources: Sources) -> Found:
    """Where a place with evidence is now."""
    assert cited.evidence
    if not sources.has(cited.path):
        return relocate(cited.evidence, None)
    lines = sources.lines(cited.path)
    now = relocate(cited.evidence, lines)  # mostly current, and then the file need not be parsed
    return now if now.state == "current" else relocate(cited.evidence, lines, sources.record(cited.path).defs)


def find(document: Document, sources: Sources) -> Iterator[Finding]:
    for cited in document.cited:
        if cited.evidence is None:
            continue
        now = found(cited, sources)
        if now.state == "current":
            continue
        at = f"{cited.path}:{now.start}" + (f"-{now.end}" if now.end > now.start else "")
        said = {
            "moved": f"{cited} has moved to {at}",
            "changed": f"{cited} has changed; it is now {at}",
            "gone": f"{cited} is gone",
        }[now.state]
        severity = "warning" if now.state == "moved" else "error"
        yield Finding("evidence", said, cited.line, cited.where, cited, severity)


CHECK = Check("evidence", "cited lines are what they were when they were cited", find, needs_source=True)
