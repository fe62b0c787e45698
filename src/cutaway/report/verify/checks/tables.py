# A row with a cell too few or too many is shown shifted, and says something else than was meant.
from __future__ import annotations

import re
from collections.abc import Iterator

from cutaway.report.verify.checks.sections import required, under
from cutaway.report.verify.model import Check, Document, Finding

__all__ = ["CHECK"]


def find(document: Document) -> Iterator[Finding]:
    for table in document.tables:
        for row in table.rows:
            if len(row.cells) != len(table.header):
                said = f"a row of {len(row.cells)} cells under {len(table.header)} columns"
                yield Finding("table", said, row.line)
        if len(table.rows) < 2:
            yield Finding("table", "a table without rows", table.line)
    for section in required(document):
        heading = under(document, section)
        if not section.columns or heading is None or not heading.body:
            continue
        tables = [t for t in document.tables if t.section == heading.title]
        wanted = [c.lower() for c in section.columns]
        if not any(set(wanted) <= {re.sub(r"[`*]", "", cell).lower() for cell in t.header} for t in tables):
            yield Finding(
                "table", f"`{heading.title}` has no table of {', '.join(section.columns)}", heading.line
            )


CHECK = Check("table", "rows have the columns of their table, tables those of the template", find)
