# Shell scripts: functions, options, variables of the environment, and the commands that build, install and start things.
"""`read_shell(path, text) -> FileRecord`."""

from __future__ import annotations

import re
from itertools import takewhile

from cutaway.model.code import MODULE, Call, Def, FileRecord
from cutaway.read.languages.manifests.common import MANY, Notes, shell_commands
from cutaway.read.languages.text import first_paragraph, uncommented

__all__ = ["TOOLS", "read_shell"]

TOOLS = re.compile(
    r"^(?:sudo\s+|exec\s+|time\s+|nohup\s+|[A-Z_]\w*=\S*\s+)*((?:pip3?|uv|uvx|pipx|conda|mamba|poetry|python[\d.]*|torchrun|accelerate|cargo|rustup|"
    r"cmake|make|ninja|meson|bazel|go|npm|npx|pnpm|yarn|bun|docker|docker-compose|podman|apt(?:-get)?|brew|git|wget|curl|pytest|"
    r"bash|sh|\./[\w./-]+|source|nvcc|hipcc|helm|kubectl|mpirun|ray)\b.*)"
)
_FUNCTION = re.compile(r"^\s*(?:function\s+([\w:.-]+)\s*(?:\(\s*\))?|([\w:.-]+)\s*\(\s*\))\s*\{?")
_EXPORT = re.compile(r"^\s*(?:export|declare\s+-x)\s+(.*)")
_PAIR = re.compile(r"""([A-Za-z_]\w*)(?:=("(?:[^"\\]|\\.)*"|'[^']*'|\S*))?""")
_DEFAULT = re.compile(r"\$\{([A-Z][A-Z0-9_]*):?[-=?]([^}]*)\}")
_OPTION = re.compile(r"^\s*((?:--?[A-Za-z][\w-]*\s*\|?\s*)+)(?:=\*)?\)")


def read_shell(path: str, text: str) -> FileRecord:
    notes = Notes("shell", text)
    lines = list(enumerate(text.split("\n"), 1))
    head = takewhile(lambda line: not line.strip() or line.startswith(("#", "set ")), (line for _, line in lines[:40]))
    comments = [line for line in head if line.startswith("#") and not line.startswith("#!")]
    notes.doc = first_paragraph(uncommented(comments))
    scopes = _functions(notes, lines)
    calls: list[Call] = []
    for number, line in lines:
        if line.lstrip().startswith("#"):
            continue
        if found := _EXPORT.match(line):
            for name, value in _PAIR.findall(found[1])[:20]:
                notes.mark("env", number, name, default=value.strip("\"'"), via="export", write="1")
        for name, default in _DEFAULT.findall(line)[:20]:
            notes.mark("env", number, name, default=default.strip("\"'"), via="${}")
        if found := _OPTION.match(line):
            names = re.findall(r"--?[A-Za-z][\w-]*", found[1])
            longest = max(names, key=len)
            notes.mark("flag", number, longest, also=" ".join(n for n in names if n != longest))
    names = {d.name for d in notes.defs}
    for number, command in shell_commands(lines):
        scope = scopes.get(number, MODULE)
        if found := TOOLS.match(command):
            notes.mark("command", number, found[1], scope, where="script")
        first = command.split(" ", 1)[0]
        if first in names and not _FUNCTION.match(command) and len(calls) < MANY:
            calls.append(Call(scope, number, first, command.split()[1:13]))
    record = notes.record()
    record.calls.extend(calls)
    return record


def _functions(notes: Notes, lines: list[tuple[int, str]]) -> dict[int, int]:
    """Notes functions and answers with line -> the function it stands in. A function ends at the next `}` of its indent."""
    scopes: dict[int, int] = {}
    name, start, indent, body = "", 0, "", []
    for number, line in lines:
        if not name and (found := _FUNCTION.match(line)):
            name, start, indent, body = (
                found[1] or found[2],
                number,
                line[: len(line) - len(line.lstrip())],
                [],
            )
        if name:
            body.append(number)
            closed = line.rstrip() == indent + "}" or (number == start and line.rstrip().endswith("}"))
            if closed or (len(body) > 1 and _FUNCTION.match(line) and not line.startswith(indent + " ")):
                notes.defs.append(Def(name, "function", start, start, number, signature=f"{name}()"))
                scopes.update(dict.fromkeys(body, len(notes.defs) - 1))
                name = ""
    return scopes
