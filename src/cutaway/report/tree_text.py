# The tree on paper: one fence of Markdown whose every comment ends in the place it was taken from, or JSON. Names come from
# the repository, so they are made harmless, and the fence is longer than any run of backticks in it.
"""A `TreeReport` as Markdown and as JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from cutaway.report.escape import code, prose, visible
from cutaway.report.evidence import Citation, place, to_dict
from cutaway.report.templates import template
from cutaway.report.tree import Entry, TreeReport

__all__ = ["to_json", "to_markdown", "to_record"]

_PLAIN = re.compile(r"^[\w./+@-]+$")
WIDEST = 44  # columns after which comments no longer line up


def to_markdown(report: TreeReport) -> str:
    """The report; its headings are those of `templates/sections.toml`."""
    rules = template("tree")
    assert rules
    rows = list(_rows(report.root, "", ""))
    column = max((len(head) for head, _ in rows if len(head) <= WIDEST), default=0)
    body = "\n".join(f"{head:<{column}}  # {tail}" if tail else head for head, tail in rows)
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", body)), default=0))
    facts = [("Repo", prose(report.url)), ("Commit", visible(report.commit))]
    head = [f"# {rules.title} {prose(report.name)}", "", *(f"**{k}:** {v}  " for k, v in facts if v), ""]
    files = f"{report.root.files} files, {report.root.lines} lines of code."
    return "\n".join(
        [*head, f"## {rules.sections[0].heading}", "", files, "", f"{fence}text", body, fence, ""]
    )


def to_record(report: TreeReport) -> dict[str, Any]:
    """The tree as JSON holds it; what an entry has not is left out."""
    repo = {"name": report.name, "path_or_url": report.url, "commit": report.commit}
    return {"schema_version": 1, "kind": "tree", "repo": repo, "root": _record(report.root)}


def to_json(report: TreeReport) -> str:
    """The text of it. Halves of surrogate pairs in names are spelled out."""
    text = json.dumps(to_record(report), indent=2, ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "backslashreplace").decode("utf-8") + "\n"


def _rows(entry: Entry, lead: str, branch: str, around: str = "") -> Iterator[tuple[str, str]]:
    """(tree, comment) of an entry and of what is shown below it; a role that the folder `around` has is not said again."""
    yield f"{lead}{branch}{visible(entry.name)}", _comment(entry, "" if entry.role == around else entry.role)
    deeper = lead + {"": "", "├── ": "│   ", "└── ": "    "}[branch]
    for i, child in enumerate(entry.children):
        last = i == len(entry.children) - 1
        yield from _rows(child, deeper, "└── " if last else "├── ", entry.role)


def _comment(entry: Entry, role: str) -> str:
    """`role: comment (place) [n files]`."""
    said = entry.comment + (f" ({_place(entry.source)})" if entry.source else "")
    files = (
        f"[{entry.files} file{'' if entry.files == 1 else 's'}]"
        if entry.kind == "folder" and entry.shut
        else ""
    )
    return " ".join(part for part in (f"{role}:" if role and said else role, said, files) if part)


def _place(source: Citation) -> str:
    """The place; in backticks where its path could not be told from the text around it."""
    return place(source) if _PLAIN.match(source.path) else code(place(source))


def _record(entry: Entry) -> dict[str, Any]:
    row: dict[str, Any] = {
        "name": visible(entry.name),
        "path": visible(entry.path),
        "kind": entry.kind,
        "files": entry.files,
        "code_lines": entry.lines,
        "role": entry.role,
        "comment": entry.comment,
        "source": to_dict(entry.source) if entry.source else None,
        "shut": entry.shut,
        "examples": [visible(e) for e in entry.examples],
        "children": [_record(child) for child in entry.children],
    }
    return {key: value for key, value in row.items() if value not in ("", None, [], False)}
