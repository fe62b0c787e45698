# A diagram that is not drawn is an error box in the middle of the page.
from __future__ import annotations

from collections.abc import Iterator

from cutaway.report.mermaid_check import check_mermaid
from cutaway.report.verify.model import Check, Document, Finding

__all__ = ["CHECK"]


def find(document: Document) -> Iterator[Finding]:
    for block in document.blocks:
        if block.language == "mermaid":
            for problem in check_mermaid(block.text):
                line = 1 if block.where else block.line + problem.line - 1
                yield Finding("mermaid", problem.what, line, block.where)


CHECK = Check("mermaid", "every Mermaid diagram would be drawn", find)
