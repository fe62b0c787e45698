# A report is the facts in the template's order, and nothing that no detector found. This collects them; how they look is
# `markdown.py`'s and `result.py`'s.
"""`repo_report(program) -> RepoReport`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import to_builtins

from cutaway.facts.build_install import find_build_install
from cutaway.facts.components import find_components
from cutaway.facts.config_surface import find_config_surface
from cutaway.facts.engine import find_engine
from cutaway.facts.entrypoints import find_entrypoints
from cutaway.facts.languages import find_languages
from cutaway.facts.llm import llm_verdict
from cutaway.facts.modules import find_modules
from cutaway.facts.project import find_project
from cutaway.facts.questions import named_here
from cutaway.facts.spine import Step, call_nesting
from cutaway.report.repo.markdown import markdown
from cutaway.report.repo.result import RepoReport

if TYPE_CHECKING:
    from cutaway.read.program import Program

__all__ = ["SCHEMA", "repo_report"]

SCHEMA = 1
_PARSED = {"errors": "read in part", "fallback": "read by patterns", "skipped": "not read"}
_OF_PROJECT = (
    "lifecycle",
    "processes",
    "requests",
    "deprecation",
    "extension_points",
    "pitfalls",
    "questions",
)


def repo_report(program: Program) -> RepoReport:
    """Everything that the detectors find, each statement with the place that proves it."""
    found = find_components(program)
    components = {key: [to_builtins(c) for c in f.candidates] for key, f in found.items()}
    absent = {key: f.absent_because for key, f in found.items() if not f.candidates}
    verdict = llm_verdict(program)
    entrypoints = find_entrypoints(program)
    nesting = call_nesting(program, components, entrypoints)
    config = find_config_surface(program)
    project = find_project(program, entrypoints, config)
    places = {key: [(c["path"], c["symbol"]) for c in rows] for key, rows in components.items()}
    source = program.source
    facts: dict[str, Any] = {
        "schema_version": SCHEMA,
        "kind": "repo",
        "repo": {
            "name": source.name,
            "path_or_url": source.url or source.name,
            "commit": source.commit,
            "llm_related": verdict.related,
            "signals": [to_builtins(s) for s in verdict.signals],
        },
        "languages": find_languages(program),
        "build_install": find_build_install(program),
        "entrypoints": entrypoints,
        "config_surface": config,
        "modules": [_module(program, row) for row in find_modules(program)],
        "components": components,
        "absent": absent,
        "call_nesting": [_step(s) for s in nesting],
        "engine": find_engine(program, places, project["wiring"]) if verdict.related else {},
        **{key: project[key] for key in _OF_PROJECT},
        "gaps": _gaps(program, absent, nesting),
    }
    return RepoReport(facts, program, markdown)


def _module(program: Program, row: dict[str, Any]) -> dict[str, Any]:
    """A module's row; a folder has no line of its own, its evidence has."""
    return row if row["path"] in program else {k: v for k, v in row.items() if k != "line"}


def _step(step: Step) -> dict[str, Any]:
    row = {"depth": step.depth, "path": step.path, "line": step.line, "symbol": step.symbol}
    more = {"call": step.call, "origin": step.origin, "via": step.via, "parts": step.parts}
    return row | {k: v for k, v in more.items() if v}


def _gaps(program: Program, absent: dict[str, str], nesting: list[Step]) -> list[dict[str, str]]:
    """What could not be read or found: files, parts, calls on the path that lead nowhere known."""
    gaps = [
        {"what": f"note: {note}", "where": "", "why": "reading"}
        for note in getattr(program.source, "notes", ())
    ]
    for path in program.paths:
        record = program.record(path)
        if record.language == "json" and record.parse == "fallback":  # with comments, and read all the same
            continue
        if record.parse in ("fallback", "errors") or (record.parse == "skipped" and record.language):
            gaps.append(
                {
                    "what": f"{record.language} {_PARSED[record.parse]}",
                    "where": path,
                    "why": record.why or "text that its grammar could not read",
                }
            )
    for key, why in absent.items():
        gaps.append({"what": key, "where": "", "why": why})
    own = named_here(program)
    for step in nesting:
        for edge in program.callees(step.path, step.symbol) if step.path.endswith(".py") else ():
            if (
                edge.origin == "unresolved"
                and edge.callee.startswith("self.")
                and edge.callee.count(".") <= 2
                and edge.callee.rpartition(".")[2] in own
            ):
                gaps.append(
                    {"what": f"a call to {edge.callee}", "where": f"{step.path}:{edge.line}", "why": edge.why}
                )
    return gaps
