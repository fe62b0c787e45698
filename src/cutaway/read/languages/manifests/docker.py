# Dockerfiles: what image, what is installed, what is set, what is started.
"""`read_docker(path, text) -> FileRecord`."""

from __future__ import annotations

import json
import re

from cutaway.model.code import FileRecord
from cutaway.read.languages.manifests.common import Notes, shell_commands

__all__ = ["read_docker"]

_PAIR = re.compile(r"""([A-Za-z_]\w*)=("(?:[^"\\]|\\.)*"|'[^']*'|[^\s]*)""")
_VARIABLE = re.compile(r"\$\{?(\w+)\}?")
_HEREDOC = re.compile(r"<<-?\s*[\"']?(\w+)")


def read_docker(path: str, text: str) -> FileRecord:
    notes = Notes("docker", text)
    stage = ""
    stages: set[str] = set()
    given: dict[str, tuple[int, str]] = {}  # arguments with a default, and where that stands
    for line, instruction, rest in _instructions(text):
        if instruction == "FROM":
            words = [w for w in rest.split() if not w.startswith("--")]
            stage = words[2] if len(words) > 2 and words[1].upper() == "AS" else ""
            where, whole = line, words[0] if words else ""
            if found := _VARIABLE.fullmatch(whole):
                where, whole = given.get(found[1], (line, whole))
            image, _, version = whole.partition(":")
            if whole.lower() not in stages:  # an earlier stage of this file is no image from elsewhere
                notes.mark("dependency", where, image, version=version, kind="image", stage=stage)
            if stage:
                stages.add(stage.lower())
                notes.mark("target", line, stage, type="stage")
        elif instruction == "RUN":
            notes.mark("command", line, re.sub(r"^(--\w+=\S+\s+)+", "", rest), where="RUN", stage=stage)
        elif instruction in ("CMD", "ENTRYPOINT"):
            notes.mark("command", line, _exec_form(rest), where=instruction, stage=stage)
        elif instruction in ("ENV", "ARG"):
            pairs = _PAIR.findall(rest)
            if not pairs and rest:
                name, _, value = rest.partition(" ")
                pairs = [(name, value)]
            for name, value in pairs:
                value = value.strip("\"'")
                notes.mark("env", line, name, default=value, via=instruction)
                if instruction == "ARG" and value:
                    given[name] = line, value
        elif instruction in ("EXPOSE", "WORKDIR", "USER"):
            notes.mark("literal", line, instruction, value=rest)
    return notes.record()


def _instructions(text: str) -> list[tuple[int, str, str]]:
    """(line, instruction, arguments), continuations and here-documents taken in."""
    lines = list(enumerate(text.split("\n"), 1))
    kept: list[tuple[int, str]] = []
    end = ""
    for number, line in lines:
        if end:
            if line.strip() == end:
                end = ""
            else:
                last, joined = kept[-1]
                kept[-1] = (last, f"{joined}; {line.strip()}"[:4000])
            continue
        if line.strip().startswith("#"):
            continue
        kept.append((number, line))
        if found := _HEREDOC.search(line):
            end = found[1]
    rows = []
    for number, command in shell_commands(kept):
        instruction, _, rest = command.partition(" ")
        if re.fullmatch(r"[A-Za-z]{3,12}", instruction):
            rows.append((number, instruction.upper(), rest.strip()))
    return rows


def _exec_form(text: str) -> str:
    if text.startswith("["):
        try:
            parts = json.loads(text)
        except ValueError:  # not JSON: the shell form, as it stands
            return text
        return " ".join(map(str, parts)) if isinstance(parts, list) else text
    return text
