# The five to eight lines on top: what it is, in what it is written, where one enters, what drives it, what it lacks, how it is
# controlled.
"""`summary(page)`."""

from __future__ import annotations

from cutaway.report.escape import prose
from cutaway.report.repo.component_table import COMPONENTS
from cutaway.report.repo.page import Page
from cutaway.report.repo.phases import told

__all__ = ["summary"]

LACKING = 6  # parts that are named as absent


def summary(page: Page) -> list[str]:
    """Five to eight lines: what it is, in what, how one starts it, what drives it, where its parts are, what is missing."""
    facts = page.facts
    lines = []
    about = page.about()
    if about:
        lines.append(f"- {prose(about[0])} ({page.place(*about[1])}).")
    languages = [f"{r['name']} ({_number(r['code_lines'], 'line')} of code)" for r in facts["languages"][:4]]
    lines.append(
        f"- Written in {', '.join(map(prose, languages))}." if languages else "- No source code was found."
    )
    entries = facts["entrypoints"][:3]
    if entries:
        lines.append("- It is entered at " + ", ".join(page.pointer(e) for e in entries) + ".")
    present = {k: v[0] for k, v in facts["components"].items() if v}
    if page.repo["llm_related"]:
        chosen = [
            k
            for k in ("runtime_loop", "scheduler", "kv_cache_structure", "attention_backend", "sampler")
            if k in present
        ]
        lines += [f"- Its {COMPONENTS[k][0]} is {page.pointer(present[k])}." for k in chosen[:3]]
        absent = [COMPONENTS[k][0] for k, v in facts["components"].items() if not v]
        if absent:
            more = f" and {len(absent) - LACKING} more parts of an engine" if len(absent) > LACKING else ""
            lines.append(f"- Its code shows no {', no '.join(absent[:LACKING])}{more}.")
    else:
        for name, key in (("runs in", "main_loop"), ("starts at", "startup"), ("stops at", "shutdown")):
            rows = [page.pointer(row) for row, _ in told(page, key)[:2]]
            if rows:
                lines.append(f"- It {name} {' and '.join(rows)}.")
    surface = facts["config_surface"]
    names = {
        "env_vars": "environment variable",
        "cli_flags": "command-line flag",
        "config_classes": "configuration class",
    }
    controls = [_number(len(surface[key]), name) for key, name in names.items() if surface[key]]
    lines.append(
        f"- It is controlled by {_listed(controls)}." if controls else "- Nothing was found that controls it."
    )
    if len(lines) < 5 and (parts := [page.path(row["path"]) for row in facts["modules"][:4]]):
        lines.append(f"- Most of it stands in {_listed(parts)}.")
    while len(lines) < 5:
        more = (
            _number(len(page.program.paths), "file")
            if len(lines) == 4
            else _number(len(facts["modules"]), "module")
        )
        lines.append(f"- It has {more}.")
    return lines[:8]


def _number(count: int, word: str) -> str:
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}{'es' if word.endswith('s') else 's'}"


def _listed(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if words[1:] else words)
