# Plain text, and the two lists of dependencies that are plain text: requirements files and go.mod.
"""`read_text`, `read_requirements`, `read_go_mod`: (path, text) -> FileRecord."""

from __future__ import annotations

import re

from cutaway.model.code import FileRecord
from cutaway.read.languages.manifests.common import Notes, dependency, shell_commands
from cutaway.read.languages.text import first_paragraph

__all__ = ["read_go_mod", "read_requirements", "read_text"]

_UNDERLINE = re.compile(r"^([=\-~^\"'*#+])\1{2,}\s*$")
_BLOCK = re.compile(r"^\s*(?:\.\. code(?:-block)?:: *(bash|sh|shell|console)|.*::)\s*$")
_REQUIRED = re.compile(r"^\s*(?:require\s+)?([\w.\-]+\.[\w.\-]+/[^\s]+)\s+(v[^\s]+)(\s*//\s*indirect)?")


def read_text(path: str, text: str) -> FileRecord:
    """Titles of reStructuredText, commands of its shell blocks; of other text only its size and first words."""
    notes = Notes("text", text)
    lines = text.split("\n")
    notes.doc = first_paragraph(text[:4000])
    if path.lower().endswith(".rst"):
        for at, line in enumerate(lines[1:], 1):
            above = lines[at - 1].strip()
            if (
                _UNDERLINE.match(line)
                and above
                and not _UNDERLINE.match(above)
                and len(line.strip()) >= len(above) - 2
            ):
                notes.mark("title", at, above, sign=line[0])
        for at, line in enumerate(lines):
            if (found := _BLOCK.match(line)) and found[1]:
                block = []
                for number, inner in enumerate(lines[at + 1 : at + 200], at + 2):
                    if inner.strip() and not inner.startswith((" ", "\t")):
                        break
                    block.append((number, inner))
                block = [b for b in block if not b[1].strip().startswith(":")]
                if any(inner.lstrip().startswith("$ ") for _, inner in block):  # what has no prompt was printed
                    block = [b for b in block if b[1].lstrip().startswith("$ ")]
                for number, command in shell_commands(block):
                    notes.mark("command", number, command, where="document")
    return notes.record(comment="")


def read_requirements(path: str, text: str) -> FileRecord:
    notes = Notes("text", text)
    for number, line in shell_commands(list(enumerate(text.split("\n"), 1))):
        if found := re.match(r"(-r|--requirement|-c|--constraint)[ =]\s*(\S+)", line):
            notes.importing(number, found[2])
        elif not line.startswith("-"):
            dependency(notes, number, line)
        elif found := re.match(r"(-e|--editable)\s+(\S+)", line):
            notes.mark("dependency", number, found[2], kind="editable")
    return notes.record()


def read_go_mod(path: str, text: str) -> FileRecord:
    notes = Notes("text", text)
    for number, line in enumerate(text.split("\n"), 1):
        words = line.split()
        if line.startswith("module ") and len(words) > 1:
            notes.mark("title", number, words[1], kind="module")
        elif line.startswith(("go ", "toolchain ")) and len(words) > 1:
            notes.mark("dependency", number, words[0], version=words[1])
        elif "=>" not in line and (found := _REQUIRED.match(line)):
            notes.mark("dependency", number, found[1], version=found[2], group="indirect" if found[3] else "")
    return notes.record(comment="//")
