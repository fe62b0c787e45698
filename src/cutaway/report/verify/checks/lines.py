# A line beyond the end of its file shows that nobody looked, or that the file is another one now.
from __future__ import annotations

from collections.abc import Iterator

from cutaway.report.verify.model import Check, Cited, Document, Finding
from cutaway.report.verify.sources import Sources

__all__ = ["CHECK", "stands"]


def stands(cited: Cited, sources: Sources) -> bool:
    """Whether its path and lines are there, so that later checks can read them. Places with evidence have their own."""
    return bool(
        cited.start
        and not cited.evidence
        and sources.has(cited.path)
        and 1 <= cited.start <= cited.end <= sources.count(cited.path)
    )


def find(document: Document, sources: Sources) -> Iterator[Finding]:
    for cited in document.cited:
        if not cited.start or cited.evidence or cited.end < cited.start or not sources.has(cited.path):
            continue
        count = sources.count(cited.path)
        if cited.end > count:
            yield Finding("line", f"{cited}: {cited.path} has {count} lines", cited.line, cited.where, cited)


CHECK = Check("line", "every cited line exists", find, needs_source=True)
