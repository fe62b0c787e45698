# Makefiles: targets, what they need, what they run, which variables may be set from outside.
"""`read_make(path, text) -> FileRecord`."""

from __future__ import annotations

import re

from cutaway.model.code import FileRecord
from cutaway.read.languages.manifests.common import Notes

__all__ = ["read_make"]

_TARGET = re.compile(r"^([A-Za-z0-9_./%$(){}-][^:=#\n\t]{0,300}?)\s*::?(?!=)\s*([^=#\n]*)(#.*)?$")
_VARIABLE = re.compile(r"^\s*(export\s+)?([A-Za-z_]\w*)\s*(\?=|:=|::=|\+=|=)\s*(.*)$")


def read_make(path: str, text: str) -> FileRecord:
    notes = Notes("make", text)
    target = ""
    for number, line in _joined(text):
        if line.startswith("\t"):
            command = line.strip().lstrip("@-+")
            if command and not command.startswith("#"):
                notes.mark("command", number, command, where="recipe", target=target)
        elif found := _VARIABLE.match(line):
            if found[1] or found[3] == "?=":
                notes.mark(
                    "env", number, found[2], default=found[4].strip(), via="export" if found[1] else "?="
                )
        elif found := re.match(r"^-?include\s+(.+)", line):
            notes.importing(number, found[1].strip())
        elif (found := _TARGET.match(line)) and not line.startswith(
            (".PHONY", ".DEFAULT", ".SUFFIXES", "ifeq", "ifneq", "define")
        ):
            target = found[1].strip()
            notes.mark("target", number, target, needs=found[2].strip(), help=(found[3] or "").strip("# "))
    return notes.record()


def _joined(text: str) -> list[tuple[int, str]]:
    """Lines with their continuations."""
    rows: list[tuple[int, str]] = []
    open_row = False
    for number, line in enumerate(text.split("\n"), 1):
        if open_row:
            start, before = rows[-1]
            rows[-1] = (start, f"{before[:-1].rstrip()} {line.strip()}" if len(before) < 4000 else before)
        else:
            rows.append((number, line))
        open_row = line.endswith("\\")
    return rows
