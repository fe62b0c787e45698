# A range of 300 lines proves nothing that a reader could check. What a report cites is narrow, or one whole definition.
from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from cutaway.report.evidence import NARROW, WIDEST
from cutaway.report.verify.checks.lines import stands
from cutaway.report.verify.model import Check, Document, Finding
from cutaway.report.verify.sources import Sources

__all__ = ["CHECK", "MEDIAN"]

ENOUGH = 5  # places from which on a median says something


def find(document: Document, sources: Sources) -> Iterator[Finding]:
    for cited in document.cited:
        if not cited.start or cited.evidence:
            continue
        if cited.end < cited.start or cited.start < 1:
            yield Finding("range", f"{cited} runs backwards", cited.line, cited.where, cited)
        elif cited.end - cited.start >= WIDEST and stands(cited, sources):
            whole = any(d.end == cited.end for d in sources.begun(cited.path, cited.start, cited.start))
            if not whole and document.kind != "cost":
                width = cited.end - cited.start + 1
                said = f"{cited} spans {width} lines, more than {WIDEST}, and is no whole definition"
                yield Finding("range", said, cited.line, cited.where, cited)


def find_median(document: Document) -> Iterator[Finding]:
    sizes = [c.end - c.start + 1 for c in document.cited if c.start and c.end >= c.start]
    if len(sizes) >= ENOUGH and median(sizes) > NARROW and document.kind != "cost":
        said = f"half of the {len(sizes)} cited places span more than {NARROW} lines"
        yield Finding("range-median", said, severity="warning")


CHECK = Check(
    "range",
    f"ranges run forwards and span at most {WIDEST} lines, or one definition",
    find,
    needs_source=True,
)
MEDIAN = Check(
    "range-median", f"the median of the cited ranges is at most {NARROW} lines", find_median, "warning"
)
