# JSON: package.json for what it declares, others for the keys at their top.
"""`read_json`, `read_package`: (path, text) -> FileRecord."""

from __future__ import annotations

import json
import re
from typing import Any

from cutaway.model.code import FileRecord
from cutaway.read.languages.manifests.common import Lines, Notes
from cutaway.read.languages.text import one_line

__all__ = ["read_commented", "read_json", "read_package"]

_EXTRA = re.compile(r'"(?:[^"\\\n]|\\.)*"|//[^\n]*|/\*.*?\*/', re.DOTALL)
LARGE = 256 << 10  # characters; beyond it a JSON file is data, of which the keys say nothing


def read_json(path: str, text: str) -> FileRecord:
    notes = Notes("json", text)
    value = json.loads(text) if len(text) <= LARGE else None
    lines = Lines(text)
    for key, its in list(value.items())[:100] if isinstance(value, dict) else ():
        shown = "" if isinstance(its, dict | list) else str(its)
        notes.mark("literal", lines.of(json.dumps(key, ensure_ascii=False)), key, value=one_line(shown, 160))
    return notes.record(comment="")


def read_commented(path: str, text: str) -> FileRecord:
    """JSON as editors and compilers write it: with comments and with commas before a closing bracket."""
    bare = _EXTRA.sub(lambda m: m[0] if m[0].startswith('"') else re.sub(r"[^\n]", " ", m[0]), text)
    return read_json(path, re.sub(r",(\s*[}\]])", r" \1", bare))


def read_package(path: str, text: str) -> FileRecord:
    notes = Notes("json", text)
    package = json.loads(text)
    if not isinstance(package, dict):
        return notes.record(comment="")
    lines = Lines(text)
    name = str(package.get("name") or "")
    notes.mark("title", lines.of('"name"'), name, text=str(package.get("description") or ""))
    if isinstance(package.get("main"), str):
        notes.mark("target", lines.of('"main"'), package["main"], type="main")
    commands = package.get("bin")
    for command, target in ({name: commands} if isinstance(commands, str) else _table(commands)).items():
        notes.mark("script", lines.of(f'"{target}"', lines.of('"bin"')), command, target=str(target))
    for script, command in _table(package.get("scripts")).items():
        notes.mark(
            "command",
            lines.of(f'"{script}"', lines.of('"scripts"')),
            str(command),
            where="script",
            target=script,
        )
    for group in ("dependencies", "devDependencies", "peerDependencies", "optionalDependencies"):
        start = lines.of(f'"{group}"')
        for package_name, version in _table(package.get(group)).items():
            short = "" if group == "dependencies" else group.removesuffix("Dependencies")
            notes.mark(
                "dependency",
                lines.of(f'"{package_name}"', start),
                package_name,
                version=str(version),
                group=short,
            )
    return notes.record(comment="")


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
