# The report on paper: the template's headings, each filled from the facts. A sentence is only written where a fact stands
# behind it, and every name that it quotes stands on the line that it cites.
"""`markdown(facts, program) -> str`: the report of kind `repo`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from cutaway.report.escape import code, prose
from cutaway.report.repo.architecture_map import architecture_map
from cutaway.report.repo.component_table import COMPONENTS, component_table
from cutaway.report.repo.llm import llm_sections
from cutaway.report.repo.page import Page
from cutaway.report.repo.summary import summary
from cutaway.report.repo.workflows import configuration, entrypoints, install
from cutaway.report.templates import template

if TYPE_CHECKING:
    from cutaway.read.program import Program

__all__ = ["markdown"]

QUESTIONS, GAPS = 12, 5  # of a report; places of one gap



def markdown(facts: dict[str, Any], program: Program) -> str:
    """The report; headings are those of `templates/sections.toml`."""
    page = Page(facts, program)
    rules = template("repo")
    assert rules
    bodies = {
        "TL;DR (5–8 lines)": summary,
        "What problem it solves": _problem,
        "Architecture map (one diagram)": architecture_map,
        "Module map (table)": _modules,
        "Primary workflows": lambda page: ["How it is installed, started and controlled."],
        "Install / build": install,
        "Entrypoints (how to run)": entrypoints,
        "Configuration surface (how to control it)": configuration,
        "Key components (with code locations)": component_table,
        "LLM deep dive (only if LLM-related)": lambda page: [
            "Each part as the code has it, followed through the calls."
        ],
        **llm_sections(),
        "Extension points (safe places to modify)": _extensions,
        "Pitfalls / time sinks": _pitfalls,
        "Open questions": _questions,
        "Self-review checklist (before calling it “done”)": _checklist,
    }
    lines = list(_head(page, rules.title))
    for section in rules.sections:
        if section.when == "llm" and not page.repo["llm_related"]:
            continue
        lines += ["", f"{'#' * section.level} {section.heading}", "", *bodies[section.heading](page)]
    return "\n".join(lines) + "\n"


def _head(page: Page, title: str) -> Iterator[str]:
    repo = page.repo
    signals = "; ".join(page.said(s) for s in repo["signals"][:4]) or "none found"
    yield f"# {title} {prose(repo['name'])}"
    yield ""
    yield f"**Repo:** {prose(repo['path_or_url'])}  "
    yield f"**Local clone:** {code(repo['name'])}  "
    yield f"**Commit:** {code(repo['commit'] or 'not a commit')}  "
    yield ""
    yield f"**LLM-related:** {'yes' if repo['llm_related'] else 'no'} (signals: {signals})"


def _problem(page: Page) -> list[str]:
    rows = [f"- {prose(text)} ({page.place(*place)})" for text, place in page.claims()[:5]]
    return rows or ["- unknown from repo: neither a README nor a manifest says it."]


def _modules(page: Page) -> list[str]:
    rows = [[page.path(r["path"]), prose(r["role"]), r.get("notes", "")] for r in page.facts["modules"][:40]]
    return page.table(["Path", "Role", "Notes"], [[a, b, prose(str(c))] for a, b, c in rows])


def _extensions(page: Page) -> list[str]:
    rows = [
        [prose(r["goal"]), page.place(r["path"], r["line"], cell=True), prose(r["why"])]
        for r in page.facts.get("extension_points", [])[:10]
    ]
    return page.table(
        ["Goal", "Recommended place", "Why"],
        rows or [["none found", "-", "no registry, plug-in table or abstract base with several subclasses"]],
    )


def _pitfalls(page: Page) -> list[str]:
    rows = [
        f"- {page.words(r['what'])} ({page.place(r['path'], r['line'])}; how to detect: {page.words(r['detect'])}; "
        f"fix: {page.words(r['fix'])})"
        for r in page.facts.get("pitfalls", [])[:10]
    ]
    return rows or ["- none found by the detectors."]


def _asked(page: Page, row: dict[str, Any]) -> str:
    """A question; what it names in backticks is code only where its own line has it."""
    parts = re.split(r"`([^`]*)`", row["question"])
    named = [page.quoted(name, row.get("path") or "", row.get("line") or 0) for name in parts[1::2]]
    pairs = zip_longest(map(page.words, parts[::2]), named)
    return " ".join(part for pair in pairs for part in pair if part)


def _gaps(page: Page) -> list[dict[str, str]]:
    """What could not be read or followed; the parts that are absent stand in the table of components."""
    return [gap for gap in page.facts["gaps"] if gap["what"] not in COMPONENTS]


def _questions(page: Page) -> list[str]:
    rows = [
        f"- {_asked(page, q)}"
        + (f" ({page.place(q['path'], q['line'])})" if q.get("path") and q.get("line") else "")
        for q in page.facts.get("questions", [])[:8]
    ]
    same: dict[tuple[str, str], list[str]] = {}
    for gap in _gaps(page):
        same.setdefault((gap["what"], gap["why"]), []).append(page.at(gap["where"]))
    for (what, why), places in list(same.items())[: max(0, QUESTIONS - len(rows))]:
        more = f" and in {len(places) - GAPS} more" if len(places) > GAPS else ""
        at = ", ".join(place.strip(" ()") for place in places[:GAPS] if place)
        rows.append(f"- {prose(what)}: {prose(why)}{f' ({at}{more})' if at else ''}")
    return rows or ["- none: every file was read and every call on the path was followed."]


def _checklist(page: Page) -> list[str]:
    return [
        "- TL;DR: every line of it comes from a fact of this report.",
        "- Module map: its paths are those of the commit, its roles have a source.",
        "- Key components: each has a definition and its line, or is said to be absent.",
        "- Prefill and decode, KV cache, scheduler and sampling: each statement has its line."
        if page.repo["llm_related"]
        else "- Not LLM-related: the deep dive is left out.",
        "- No placeholder is left; check it with: cutaway verify.",
    ]
