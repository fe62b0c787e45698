# The template's own checklist: the module map has real paths (every cited path is checked) and says what each is for.
from __future__ import annotations

from collections.abc import Iterator

from cutaway.report.templates import Section
from cutaway.report.verify.checks.sections import under
from cutaway.report.verify.model import Check, Document, Finding

__all__ = ["CHECK"]

_MAP = Section("Module map (table)")


def find(document: Document) -> Iterator[Finding]:
    heading = under(document, _MAP) if document.kind == "repo" else None
    for table in document.tables if heading else ():
        columns = [cell.lower().strip("`* ") for cell in table.header]
        if table.section != (heading.title if heading else "") or not {"path", "role"} <= set(columns):
            continue
        path, role = columns.index("path"), columns.index("role")
        for row in table.rows[1:]:
            if len(row.cells) != len(columns):
                continue
            if not row.cells[path].strip("`- "):
                yield Finding("module-map", "a row without a path", row.line)
            elif not row.cells[role].strip("`-– "):
                yield Finding("module-map", f"{row.cells[path]} has no role", row.line)


CHECK = Check("module-map", "each row of the module map has a path and a role", find)
