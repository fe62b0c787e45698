# The template's own checklist: what an LLM engine is asked about first, each part with a pointer to code or the word that
# there is none.
from __future__ import annotations

from collections.abc import Iterator

from cutaway.report.verify.checks.components import ABSENT
from cutaway.report.verify.checks.sections import body, required, under
from cutaway.report.verify.model import Check, Document, Finding

__all__ = ["CHECK"]


def find(document: Document) -> Iterator[Finding]:
    if document.kind == "repo" and document.format == "md" and document.llm is None:
        yield Finding("llm", "the report does not say whether the repository is LLM-related")
    for section in required(document):
        heading = under(document, section) if section.pointers else None
        if heading is None:
            continue
        said = body(document, heading)
        last = max((line + text.count("\n") + 1 for line, text in said), default=heading.line)
        pointers = sum(heading.line <= c.line <= last for c in document.cited if c.start)
        text = " ".join(text for _, text in said)
        if said and pointers < section.pointers and not ABSENT.search(text):
            yield Finding("llm", f"`{heading.title}` points to no line of code", heading.line)


CHECK = Check("llm", "the parts about LLMs point to code, or say that there is none", find)
