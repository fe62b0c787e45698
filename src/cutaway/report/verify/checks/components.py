# The template's own checklist: at least six key components, each with a pointer to its line. Where a repository has no such
# thing, the row says so.
from __future__ import annotations

import re
from collections.abc import Iterator

from cutaway.report.templates import Section
from cutaway.report.verify.checks.sections import under
from cutaway.report.verify.model import Check, Document, Finding

__all__ = ["ABSENT", "CHECK"]

FEWEST = 6
_COMPONENTS = Section("Key components (with code locations)")
ABSENT = re.compile(r"(?i)\b(?:none|not present|not found|absent|n/a|no such|has no|unknown from repo)\b")


def find(document: Document) -> Iterator[Finding]:
    heading = under(document, _COMPONENTS) if document.kind == "repo" else None
    if heading is None:
        return
    tables = [t for t in document.tables if t.section == heading.title]
    rows = [row for table in tables for row in table.rows[1:] if len(row.cells) == len(table.header)]
    pointed = {cited.line for cited in document.cited if cited.start}
    for row in rows:
        if row.line not in pointed and not ABSENT.search(" ".join(row.cells)):
            yield Finding("components", f"{row.cells[0]} has no pointer to a line", row.line)
    if tables and rows and len(rows) < FEWEST:
        yield Finding("components", f"{len(rows)} key components, fewer than {FEWEST}", heading.line)


CHECK = Check("components", f"at least {FEWEST} key components, each with a pointer to a line", find)
