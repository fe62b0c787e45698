# TOML: pyproject.toml and Cargo.toml for what they declare, others for their keys. `tomllib` reads values but forgets lines, so
# a pass over the text remembers where each key of each section stands.
"""`read_toml(path, text) -> FileRecord`."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from cutaway.model.code import FileRecord
from cutaway.read.languages.manifests.common import Lines, Notes, dependency
from cutaway.read.languages.text import one_line

__all__ = ["read_toml"]

_SECTION = re.compile(r"^\s*\[\[?\s*([^\[\]]+?)\s*\]\]?")
_KEY = re.compile(r"^\s*([\w.\-\"']+)\s*=")


class _Document:
    """Values with the lines of their keys."""

    def __init__(self, text: str):
        self.values: dict[str, Any] = tomllib.loads(text)
        self.lines = Lines(text)
        self.at: dict[tuple[str, str], int] = {}
        section = ""
        for number, line in enumerate(text.split("\n"), 1):
            if found := _SECTION.match(line):
                section = found[1].replace('"', "")
                self.at.setdefault((section, ""), number)
            elif found := _KEY.match(line):
                self.at.setdefault((section, found[1].strip("\"'")), number)

    def get(self, path: str) -> Any:
        value: Any = self.values
        for part in path.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        return value

    def line(self, section: str, key: str = "") -> int:
        """Of `key` in `section`, which may be written as a section of its own (`[dependencies.name]`) or as a dotted key."""
        head = section.rpartition(".")
        options = (
            self.at.get((section, key)),
            self.at.get((f"{section}.{key}", "")),
            self.at.get((head[0], f"{head[2]}.{key}")),
            self.at.get((head[0], head[2])),
            self.at.get((section, "")),
        )
        return next((n for n in options if n), 1)

    def table(self, path: str) -> Iterator[tuple[str, Any, int]]:
        value = self.get(path)
        for key, its in value.items() if isinstance(value, dict) else ():
            yield key, its, self.line(path, key)

    def texts(self, path: str) -> Iterator[tuple[str, int]]:
        """The strings of a list, each on its own line."""
        section, _, key = path.rpartition(".")
        line = self.line(section, key)
        for text in value if isinstance(value := self.get(path), list) else ():
            if isinstance(text, str):
                line = self.lines.of(text, line)
                yield text, line


def read_toml(path: str, text: str) -> FileRecord:
    notes = Notes("toml", text)
    document = _Document(text)
    name = PurePosixPath(path).name
    if name == "pyproject.toml":
        _pyproject(notes, document)
    elif name == "Cargo.toml":
        _cargo(notes, document)
    else:
        for key, value in list(document.values.items())[:100]:
            shown = "" if isinstance(value, dict | list) else str(value)
            notes.mark(
                "literal", document.at.get(("", key)) or document.line(key), key, value=one_line(shown, 160)
            )
    return notes.record()


def _pyproject(notes: Notes, document: _Document) -> None:
    for holder in ("project", "tool.poetry"):
        if isinstance(name := document.get(f"{holder}.name"), str):
            description = document.get(f"{holder}.description")
            notes.mark(
                "title",
                document.line(holder, "name"),
                name,
                text=description if isinstance(description, str) else "",
            )
    if isinstance(version := document.get("project.requires-python"), str):
        notes.mark("dependency", document.line("project", "requires-python"), "python", version=version)
    for path, group in (("project.dependencies", ""), ("build-system.requires", "build")):
        for text, line in document.texts(path):
            dependency(notes, line, text, group=group)
    for path in ("project.optional-dependencies", "dependency-groups", "tool.uv.dev-dependencies"):
        for group, _, _ in document.table(path):
            for text, line in document.texts(f"{path}.{group}"):
                dependency(notes, line, text, group=group)
    for path in ("tool.poetry.dependencies", "tool.poetry.dev-dependencies"):
        for name, value, line in document.table(path):
            notes.mark(
                "dependency", line, name, version=_version(value), group="dev" if "dev-" in path else ""
            )
    for path in ("project.scripts", "project.gui-scripts", "tool.poetry.scripts"):
        for name, value, line in document.table(path):
            if isinstance(value, str):
                notes.mark("script", line, name, target=value)
    for group, entries, _ in document.table("project.entry-points"):
        for name, value in entries.items() if isinstance(entries, dict) else ():
            line = document.line(f"project.entry-points.{group}", name)
            notes.mark("script", line, name, target=str(value), group=group)


def _cargo(notes: Notes, document: _Document) -> None:
    name = document.get("package.name")
    if isinstance(name, str):
        notes.mark(
            "title",
            document.line("package", "name"),
            name,
            text=str(document.get("package.description") or ""),
        )
    if isinstance(version := document.get("package.rust-version"), str):
        notes.mark("dependency", document.line("package", "rust-version"), "rust", version=version)
    bins = (
        [b for b in document.get("bin") or [] if isinstance(b, dict)]
        if isinstance(document.get("bin"), list)
        else []
    )
    line = document.line("bin")
    for one in bins:
        line = document.lines.of(f'"{one.get("name")}"', line)
        notes.mark("script", line, str(one.get("name") or ""), target=str(one.get("path") or "src/main.rs"))
    if isinstance(name, str) and not bins and document.get("package.autobins") is not False:
        # What Cargo builds if the file is there; whoever uses the mark looks whether it is.
        notes.mark("script", document.line("package", "name"), name, target="src/main.rs", how="default")
    if isinstance(library := document.get("lib"), dict):
        notes.mark(
            "target",
            document.line("lib"),
            str(library.get("name") or name or ""),
            type="library",
            crates=str(library.get("crate-type") or ""),
        )
    for member, at in document.texts("workspace.members"):
        notes.mark("target", at, member, type="member")
    for feature, value, at in document.table("features"):
        notes.mark(
            "target",
            at,
            feature,
            type="feature",
            needs=", ".join(map(str, value)) if isinstance(value, list) else "",
        )
    tables = ["dependencies", "dev-dependencies", "build-dependencies", "workspace.dependencies"]
    targets = document.get("target")
    for target in targets if isinstance(targets, dict) else ():
        for crate, value in (
            (targets[target].get("dependencies") or {}).items() if isinstance(targets[target], dict) else ()
        ):
            notes.mark("dependency", document.lines.of(crate), crate, version=_version(value), group=target)
    for path in tables:
        for crate, value, at in document.table(path):
            notes.mark(
                "dependency", at, crate, version=_version(value), group="" if path == "dependencies" else path
            )


def _version(value: Any) -> str:
    if isinstance(value, dict):
        parts = (
            value.get("version"),
            value.get("git"),
            value.get("rev"),
            value.get("path"),
            "workspace" if value.get("workspace") else None,
        )
        return " ".join(str(p) for p in parts if p)
    return str(value)
