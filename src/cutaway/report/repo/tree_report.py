# The report of kind `tree`, in the form that every kind of report has.
"""`tree_report(program)`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cutaway.report.tree import TreeReport, build_tree
from cutaway.report.tree_text import to_json, to_markdown

if TYPE_CHECKING:
    from cutaway.read.program import Program

__all__ = ["tree_report"]


class _Printed:
    """A tree that prints itself."""

    def __init__(self, tree: TreeReport):
        self.tree = tree

    def to_json(self) -> str:
        return to_json(self.tree)

    def to_markdown(self) -> str:
        return to_markdown(self.tree)

    def __str__(self) -> str:
        return self.to_markdown()


def tree_report(program: Program) -> _Printed:
    """The annotated tree of a repository."""
    source = program.source
    return _Printed(build_tree(program, name=source.name, url=source.url, commit=source.commit))
