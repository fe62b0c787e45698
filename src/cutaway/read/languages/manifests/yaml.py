# YAML by lines: workflows and compose files for what they run, others for the keys at their top. Reading lines keeps line
# numbers, needs no parser, and aliases of a hostile file expand to nothing.
"""`read_yaml`, `read_workflow`, `read_compose`: (path, text) -> FileRecord."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cutaway.model.code import FileRecord
from cutaway.read.languages.manifests.common import Notes, shell_commands

__all__ = ["read_compose", "read_workflow", "read_yaml"]

_KEY = re.compile(
    r"""^(?:"([^"]*)"|'([^']*)'|([^\s#:\[{&*!|>'"%@`-][^:#]*?|-?[A-Za-z_][^:#]*?))\s*:(?:\s+(.*))?$"""
)
_BLOCK = re.compile(r"^[|>][+-]?\d?[+-]?$")
_COMMENT = re.compile(r"\s+#.*$")
DEEP = 60  # keys within keys


class Entry:
    """A key with its value: `path` are the keys above it, list items as `-`."""

    __slots__ = ("block", "line", "path", "value")

    def __init__(self, line: int, path: tuple[str, ...], value: str):
        self.line, self.path, self.value = line, path, value
        self.block: list[tuple[int, str]] = []  # lines of a block text

    def commands(self) -> list[tuple[int, str]]:
        return shell_commands(self.block or [(self.line, self.value)])


def read_yaml(path: str, text: str) -> FileRecord:
    notes = Notes("yaml", text)
    for entry in entries(text):
        if len(entry.path) == 1:
            notes.mark("literal", entry.line, entry.path[0], value=entry.value[:160])
    return notes.record()


def read_workflow(path: str, text: str) -> FileRecord:
    notes = Notes("yaml", text)
    for entry in entries(text):
        path_, last = entry.path, entry.path[-1]
        job = path_[1] if path_[0] == "jobs" and len(path_) > 1 else ""
        if path_ == ("name",):
            notes.mark("title", entry.line, entry.value)
        elif job and len(path_) == 2:
            notes.mark("target", entry.line, job, type="job")
        elif last == "run" and job:
            for line, command in entry.commands():
                notes.mark("command", line, command, where="run", target=job)
        elif last == "uses" and job:
            name, _, version = entry.value.partition("@")
            notes.mark("dependency", entry.line, name, version=version, kind="action")
        elif len(path_) > 1 and path_[-2] == "env":
            notes.mark("env", entry.line, last, default=entry.value, via="env")
    return notes.record()


def read_compose(path: str, text: str) -> FileRecord:
    notes = Notes("yaml", text)
    for entry in entries(text):
        path_, last = entry.path, entry.path[-1]
        service = path_[1] if path_[0] == "services" and len(path_) > 1 else ""
        if service and len(path_) == 2:
            notes.mark("target", entry.line, service, type="service")
        elif service and last in ("command", "entrypoint") and len(path_) == 3:
            notes.mark(
                "command",
                entry.line,
                entry.value or " ".join(c for _, c in entry.block),
                where=last,
                target=service,
            )
        elif service and last == "image":
            name, _, version = entry.value.partition(":")
            notes.mark("dependency", entry.line, name, version=version, kind="image")
        elif service and len(path_) == 4 and path_[2] == "environment":
            name, _, value = entry.value.partition("=") if last == "-" else (last, "", entry.value)
            notes.mark("env", entry.line, name, default=value, via="environment")
    return notes.record()


def entries(text: str) -> Iterator[Entry]:
    """Keys and list items in order. Flow collections stay texts; anchors, tags and documents are passed over."""
    above: list[tuple[int, str]] = []  # (indent, key)
    waiting: tuple[Entry, int] | None = None  # a block text and the indent of its key
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.rstrip()
        body = line.lstrip(" ")
        indent = len(line) - len(body)
        if waiting:
            if not body or indent > waiting[1]:
                waiting[0].block.append((number, body))
                continue
            yield waiting[0]
            waiting = None
        if not body or body.startswith(("#", "---", "...", "%")) or indent > 200:
            continue
        while (body.startswith("- ") or body == "-") and len(above) < DEEP:
            above = [*(a for a in above if a[0] < indent), (indent, "-")]
            rest = body[1:].lstrip(" ")
            indent += len(body) - len(rest)
            body = rest
            if body and not _KEY.match(body):
                yield Entry(number, tuple(k for _, k in above), _plain(body))
        found = _KEY.match(body)
        if found is None or len(above) >= DEEP:
            continue
        key = found[1] or found[2] or found[3] or ""
        above = [*(a for a in above if a[0] < indent), (indent, key.strip())]
        value = found[4] or ""
        entry = Entry(number, tuple(k for _, k in above), _plain(value))
        if _BLOCK.match(_COMMENT.sub("", value)):
            entry.value = ""
            waiting = (entry, indent)
        else:
            yield entry
    if waiting:
        yield waiting[0]


def _plain(value: str) -> str:
    value = value.strip()
    if value[:1] in "\"'" and value[:1]:
        end = value.find(value[0], 1)
        return value[1:end] if end > 0 else value[1:]
    return _COMMENT.sub("", value)
