# The facts of a program's life in one record, and the report that prints them.
"""`project_report(program)`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cutaway.facts.project import find_project
from cutaway.report.project.markdown import markdown
from cutaway.report.repo.page import Page
from cutaway.report.repo.result import RepoReport

if TYPE_CHECKING:
    from cutaway.read.program import Program

__all__ = ["SCHEMA", "project_report"]

SCHEMA = 1


def project_report(program: Program) -> RepoReport:
    """Start, loop, end, states, tasks and core modules of a program, each with its place."""
    found = find_project(program)
    source = program.source
    facts: dict[str, Any] = {
        "schema_version": SCHEMA,
        "kind": "project",
        "repo": {"name": source.name, "path_or_url": source.url or source.name, "commit": source.commit},
        **{key: value for key, value in found.items() if key != "config_surface"},
    }
    return RepoReport(facts, program, lambda facts, program: markdown(Page(facts, program)))
