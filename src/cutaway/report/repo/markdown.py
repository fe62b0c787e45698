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
from cutaway.report.repo.llm import llm_sections
from cutaway.report.repo.page import Page
from cutaway.report.repo.phases import told
from cutaway.report.templates import template

if TYPE_CHECKING:
    from cutaway.read.program import Program

__all__ = ["COMPONENTS", "markdown"]

PHASES = {"start": "startup", "main loop": "main_loop", "shutdown": "shutdown"}
COMPONENT_ROWS, ENTRIES = 6, 4  # at least so many components; of entry points, that many where others are plenty
STATEMENT = 12  # lines in which a statement spells what it declares
# The rows of the component table: key in the facts -> (name, what such a part is responsible for).
COMPONENTS = {
    "runtime_loop": (
        "runtime loop",
        "drives every step: takes requests in, runs the model, hands tokens out",
    ),
    "scheduler": ("scheduler", "decides which requests run in the next step"),
    "batching_or_chunked_prefill": ("batching", "puts the tokens of several requests into one step"),
    "preemption": ("preemption", "takes the memory of a running request back"),
    "admission_or_backpressure": ("admission", "tests whether there is room for a request"),
    "kv_cache_structure": ("KV cache", "holds the keys and values of earlier tokens"),
    "kv_cache_update": ("KV cache update", "writes the keys and values of new tokens"),
    "kv_cache_block_table_or_paging": ("block tables", "map a request's tokens to blocks of the cache"),
    "kv_cache_eviction_or_prefix_reuse": (
        "prefix reuse and eviction",
        "shares blocks of equal prefixes, gives up those least needed",
    ),
    "kv_cache_memory_accounting": ("KV cache memory", "computes how many blocks fit"),
    "sampler": ("sampling", "draws the next token from the logits"),
    "logits_processing": ("logits processing", "changes logits before a token is drawn"),
    "sampling_params": ("sampling parameters", "what a request may ask of sampling"),
    "seeds_determinism": ("seeds", "make sampling repeatable"),
    "attention_backend": ("attention backend", "computes attention over the cache"),
    "gemm_or_quant_backend": ("GEMM and quantisation", "multiplies by the weights, as they are stored"),
    "model_definition": ("model definition", "the layers and their order"),
    "config_parser": ("config parser", "turns settings into what the program runs with"),
    "tensor_parallel_comm": ("tensor parallelism", "splits layers over devices and joins their results"),
    "weight_loader": ("weight loading", "puts a checkpoint's tensors into the model"),
}
# What they do where no model is run.
GENERAL = {
    "runtime_loop": "takes what comes in and has it done, turn by turn",
    "scheduler": "decides what is done next",
    "batching_or_chunked_prefill": "does several things in one step",
    "preemption": "takes back what was begun",
    "admission_or_backpressure": "tests whether there is room for more",
}


def markdown(facts: dict[str, Any], program: Program) -> str:
    """The report; headings are those of `templates/sections.toml`."""
    page = Page(facts, program)
    rules = template("repo")
    assert rules
    bodies = {
        "TL;DR (5–8 lines)": _summary,
        "What problem it solves": _problem,
        "Architecture map (one diagram)": architecture_map,
        "Module map (table)": _modules,
        "Primary workflows": lambda page: ["How it is installed, started and controlled."],
        "Install / build": _install,
        "Entrypoints (how to run)": _entrypoints,
        "Configuration surface (how to control it)": _configuration,
        "Key components (with code locations)": _components,
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


def _summary(page: Page) -> list[str]:
    """Five to eight lines: what it is, in what, how one starts it, what drives it, where its parts are, what is missing."""
    facts = page.facts
    lines = []
    about = page.about()
    if about:
        lines.append(f"- {prose(about[0])} ({page.place(*about[1])}).")
    languages = [f"{r['name']} ({r['code_lines']:,} lines of code)" for r in facts["languages"][:4]]
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
            lines.append(f"- It has no {', no '.join(absent[:6])}, as far as its code shows.")
    else:
        for name, key in (("runs in", "main_loop"), ("starts at", "startup"), ("stops at", "shutdown")):
            rows = [page.pointer(row) for row, _ in told(page, key)[:2]]
            if rows:
                lines.append(f"- It {name} {' and '.join(rows)}.")
    surface = facts["config_surface"]
    lines.append(
        f"- It is controlled by {len(surface['env_vars'])} environment variables, {len(surface['cli_flags'])} "
        f"command-line flags and {len(surface['config_classes'])} configuration classes."
    )
    if len(lines) < 5:
        count = len(_gaps(page))
        lines.append(
            f"- {count} thing{'s' if count != 1 else ''} could not be read or followed; the open questions list them."
        )
    while len(lines) < 5:
        lines.append(
            f"- It holds {len(page.program.paths):,} files."
            if len(lines) == 4
            else f"- Its modules are {len(facts['modules'])}."
        )
    return lines[:8]


def _problem(page: Page) -> list[str]:
    rows = [f"- {prose(text)} ({page.place(*place)})" for text, place in page.claims()[:5]]
    return rows or ["- unknown from repo: neither a README nor a manifest says it."]


def _modules(page: Page) -> list[str]:
    rows = [[page.path(r["path"]), prose(r["role"]), r.get("notes", "")] for r in page.facts["modules"][:40]]
    return page.table(["Path", "Role", "Notes"], [[a, b, prose(str(c))] for a, b, c in rows])


def _install(page: Page) -> list[str]:
    rows = []
    for row in page.facts["build_install"][:12]:
        command = code(row["cmd"]) if row["end"] else prose(row["cmd"])  # what a manifest implies stands in no line
        place = page.place(row["path"], row["line"], row["end"])
        rows.append(f"- {command} (what it does: {prose(row['what'])}; {place})")
    return rows or ["- unknown from repo: no file says how it is installed or built."]


def _entrypoints(page: Page) -> list[str]:
    names = {
        "cli": "CLI",
        "server": "Server",
        "library": "Library",
        "benchmark": "Benchmarks/examples",
        "example": "Benchmarks/examples",
    }
    rows = []
    for kind in ("cli", "server", "library", "benchmark", "example"):
        for row in [e for e in page.facts["entrypoints"] if e["kind"] == kind][:8]:
            rows.append(f"- {names[kind]}: {page.pointer(row)} (what it does: {page.does(row)})")
    return rows or ["- none found: nothing is installed as a command, and no file runs when it is started."]


def _setting(page: Page, row: dict[str, Any]) -> str:
    """Its name, as code where the lines spell it: a variable that a framework makes of a field's name stands nowhere."""
    name = row.get("name") or row["symbol"]
    if not name.startswith("-"):
        return page.quoted(name, row["path"], row["line"], cell=True)
    lines = "\n".join(page.line(row["path"], row["line"] + n) for n in range(STATEMENT)).replace("-", "_")
    return code(name, cell=True) if name.lstrip("-").replace("-", "_") in lines else prose(name)


def _configuration(page: Page) -> list[str]:
    surface = page.facts["config_surface"]
    rows = []
    for name, key in (
        ("env vars", "env_vars"),
        ("CLI flags", "cli_flags"),
        ("config classes", "config_classes"),
    ):
        by_path: dict[str, list[dict[str, Any]]] = {}
        for row in surface[key]:
            by_path.setdefault(row["path"], []).append(row)
        for path, some in sorted(by_path.items(), key=lambda i: (-len(i[1]), i[0]))[:6]:
            first = some[0]
            examples = ", ".join(
                f"{_setting(page, r)} {page.place(path, r['line'], cell=True)}" for r in some[:4]
            )
            more = " and more" if len(some) > 4 else ""
            rows.append([name, page.place(path, first["line"], cell=True), examples + more])
    for row in surface["config_files"][:6]:
        keys = ", ".join(
            f"{code(key, cell=True)} {page.place(row['path'], line, cell=True)}"
            for key, line in list(zip(row["keys"], row["lines"], strict=True))[:4]
        )
        rows.append(["config files", page.place(row["path"], row["line"], cell=True), keys or "-"])
    return page.table(
        ["Mechanism", "Where", "Examples"], rows or [["none found", "-", "no variables, flags or settings"]]
    )


def _components(page: Page) -> list[str]:
    rows = []
    general = {} if page.repo["llm_related"] else GENERAL
    for key, (name, duty) in COMPONENTS.items():
        candidates = page.facts["components"][key]
        if candidates:
            rows.append([name, page.pointer(candidates[0], cell=True), general.get(key, duty)])
        elif page.repo["llm_related"]:
            rows.append(
                [name, "not present", prose(page.facts["absent"].get(key, "nothing of the kind was found"))]
            )
    if not page.repo["llm_related"]:
        life = page.facts["lifecycle"]
        parts = {
            name: [[name, page.pointer(r, cell=True), why] for r, why in told(page, key, cell=True)[:3]]
            for name, key in PHASES.items()
        }
        tasks = [t for t in life["task_creation_points"] if not t.get("runs_as")][:3]
        parts["tasks"] = [["tasks", page.pointer(r, cell=True), page.why(r)] for r in tasks]
        classes = page.facts["config_surface"]["config_classes"][:3]
        parts["configuration"] = [["configuration", page.pointer(r, cell=True), "holds settings"] for r in classes]
        rows += [row for some in parts.values() for row in some]
        entries = page.facts["entrypoints"][: max(ENTRIES, COMPONENT_ROWS - len(rows))]
        parts["entry"] = [["entry", page.pointer(r, cell=True), page.because(r, cell=True)] for r in entries]
        rows += parts["entry"]
        if len(rows) < COMPONENT_ROWS:  # of a small program what it lacks is worth a line too
            rows += [[name, "not present", "nothing of the kind was found"] for name, some in parts.items() if not some]
    return page.table(["Component", "Location", "Responsibility"], rows)


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
    for gap in _gaps(page)[: max(0, 12 - len(rows))]:
        where = page.at(gap["where"])
        rows.append(f"- {prose(gap['what'])}: {prose(gap['why'])}{where}")
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
