# How a repository is installed, entered and controlled: commands that one types, definitions that run, settings.
"""`install(page)`, `entrypoints(page)`, `configuration(page)`."""

from __future__ import annotations

from typing import Any

from cutaway.report.escape import code, prose
from cutaway.report.repo.page import Page

__all__ = ["configuration", "entrypoints", "install"]

STATEMENT = 12  # lines in which a statement spells what it declares
COMMANDS = 12
QUOTA = {
    "install": 4,
    "build": 3,
    "download": 1,
    "run": 3,
    "test": 1,
}  # of each kind, before there is more of any


def install(page: Page) -> list[str]:
    """The commands: some of each kind, in the order in which one needs them."""
    lines = []
    for row in _commands(page.facts["build_install"]):
        command = (
            code(row["cmd"]) if row["end"] else prose(row["cmd"])
        )  # what a manifest implies stands in no line
        place = page.place(row["path"], row["line"], row["end"])
        does = "; ".join(prose(text) for text in (row["does"], row["what"]) if text)
        lines.append(f"- {command} (what it does: {does}, {place})")
    return lines or ["- unknown from repo: no file says how it is installed or built."]


def _commands(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of the commands the first of each kind; one of those that do the same, and none with what only a CI fills in."""
    once: dict[str, dict[str, Any]] = {}
    for row in rows:
        if "${{" not in row["cmd"]:
            once.setdefault(row["does"] or row["cmd"], row)
    kept, left, steps, taken = [], [], [], dict.fromkeys(QUOTA, 0)
    for row in once.values():
        taken[row["kind"]] += not (step := row["what"].startswith("a step of"))
        (steps if step else kept if taken[row["kind"]] <= QUOTA[row["kind"]] else left).append(row)
    kept += left[: max(0, COMMANDS - len(kept))]
    kept += steps[: max(0, COMMANDS // 2 - len(kept))]  # of a container or of a CI, which nobody types
    return sorted(kept[:COMMANDS], key=lambda r: list(QUOTA).index(r["kind"]))


def entrypoints(page: Page) -> list[str]:
    names = {
        "cli": "CLI",
        "server": "Server",
        "page": "Page",
        "library": "Library",
        "benchmark": "Benchmarks/examples",
        "example": "Benchmarks/examples",
    }
    rows = []
    for kind in ("cli", "server", "page", "library", "benchmark", "example"):
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


def configuration(page: Page) -> list[str]:
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
