# The template's own checklist: the TL;DR is 5-8 lines, and specific. What could stand in any report says nothing of this one.
from __future__ import annotations

import re
from collections.abc import Iterator

from cutaway.report.templates import Section
from cutaway.report.verify.checks.sections import body, under
from cutaway.report.verify.inline import spans
from cutaway.report.verify.model import Check, Document, Finding

__all__ = ["CHECK", "SPECIFIC"]

FEWEST, MOST, SPECIFICS = 5, 8, 3
_TLDR = Section("TL;DR (5–8 lines)")


def find(document: Document) -> Iterator[Finding]:
    heading, lines = _tldr(document)
    sentences = len(re.findall(r"[.!?](?=\s|$)", re.sub(r"`[^`]*`", "x", " ".join(lines))))
    counts = {len(lines), sentences}
    if lines and not any(FEWEST <= n <= MOST for n in counts):
        yield Finding("tldr", f"the TL;DR has {len(lines)} lines, not {FEWEST} to {MOST}", heading)


def find_specific(document: Document) -> Iterator[Finding]:
    heading, lines = _tldr(document)
    said = {p.text for line in lines for p in spans(line) if p.kind != "text"}
    said |= {n for line in lines for n in re.findall(r"(?<!\w)\d[\d,.]*(?!\w)", line)}
    if lines and len(said) < SPECIFICS:
        yield Finding(
            "tldr-specific", "the TL;DR names hardly any file, symbol or number of this repository", heading
        )


def _tldr(document: Document) -> tuple[int, list[str]]:
    heading = under(document, _TLDR) if document.kind == "repo" else None
    if heading is None:
        return 1, []
    return heading.line, [text for _, text in body(document, heading) if text.strip()]


CHECK = Check("tldr", f"the TL;DR has {FEWEST} to {MOST} lines", find)
SPECIFIC = Check(
    "tldr-specific", "the TL;DR is specific: it names files, symbols or numbers", find_specific, "warning"
)
