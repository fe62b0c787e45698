# A reader of many reports finds things by their headings; one that is missing or empty is a question without an answer.
from __future__ import annotations

import re
from collections.abc import Iterator

from cutaway.report.templates import Section, template
from cutaway.report.verify.model import Check, Document, Finding, Heading

__all__ = ["CHECK", "body", "required", "under"]


def required(document: Document) -> list[Section]:
    """The sections that a report of this kind must have; those about LLMs unless it says that it is not about one."""
    rules = template(document.kind)
    sections = rules.sections if rules and document.format == "md" else ()
    return [s for s in sections if s.when != "llm" or document.llm is True]


def under(document: Document, section: Section) -> Heading | None:
    """The heading of the report that carries this one over: what stands in brackets may be left out."""
    wanted = _words(section.heading)
    same = [h for h in document.headings if h.level == section.level and _words(h.title) == wanted]
    return same[0] if same else None


def body(document: Document, heading: Heading) -> list[tuple[int, str]]:
    """What stands under a heading and the deeper ones that follow it."""
    at = document.headings.index(heading)
    found = list(heading.body)
    for deeper in document.headings[at + 1 :]:
        if deeper.level <= heading.level:
            break
        found += deeper.body
    return found


def find(document: Document) -> Iterator[Finding]:
    for section in required(document):
        heading = under(document, section)
        if heading is None:
            yield Finding("section", f"the section `{section.heading}` is missing")
        elif not any(text.strip() for _, text in body(document, heading)):
            yield Finding("section", f"the section `{heading.title}` is empty", heading.line)


def _words(title: str) -> str:
    return " ".join(re.findall(r"\w+", re.sub(r"\([^()]*\)", "", title).lower()))


CHECK = Check("section", "the required sections are there and not empty", find)
