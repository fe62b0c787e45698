# Markdown: titles, and the commands of shell blocks on pages that say how to build, install or start something.
"""`read_markdown(path, text) -> FileRecord`."""

from __future__ import annotations

import re

from cutaway.model.code import FileRecord
from cutaway.read.languages.manifests.common import Notes, shell_commands
from cutaway.read.languages.manifests.shell import TOOLS
from cutaway.read.languages.text import first_paragraph

__all__ = ["read_markdown"]

_PAGE = re.compile(
    r"readme|install|contributing|develop|quick.?start|getting.?started|build|setup|deploy|usage|serving|docker|running|run\b",
    re.IGNORECASE,
)
_FENCE = re.compile(r"^\s*(`{3,}|~{3,})\s*\{?\.?([\w+-]*)")
_TITLE = re.compile(r"^(#{1,6})\s+(.+?)\s*#*\s*$")
_SHELL = {"bash", "sh", "shell", "console", "zsh", "shell-session", "commandline", "powershell", "terminal"}
_FIRST = re.compile(r"(cd|export|mkdir|echo|sudo|set|env|[A-Z_]+=\S*)\s")
_LINK = re.compile(r"!?\[([^\[\]]{0,300})\]\([^()\s]{0,500}\)|<[^<>]{1,400}>")
_INLINE = re.compile(r"`((?:[A-Z_]\w*=\S+ |sudo )*(?:pip3?|pipx|uv|conda|brew|apt|apt-get|cargo|go|npm|yarn|pnpm|docker) "
                     r"(?:tool |pip )?(?:install|add|pull|get) [^`]+)`")  # fmt: skip
_HOW = re.compile(r"(?i)\W*(install|requirements|prerequisites|usage|setup|build|licen[sc]e)(ation|ing)?\W*$")  # not what it is
_NO_PROSE = re.compile(r"^\s*(\[?!\[|<li\b|[-*+|]\s|\d+[.)]\s)|^[^.]{0,40}:\s*<?https?:")  # badges, lists, links with a label


def read_markdown(path: str, text: str) -> FileRecord:
    notes = Notes("markdown", text)
    wanted = bool(_PAGE.search(path))
    section, fence, language = "", "", ""
    block: list[tuple[int, str]] = []
    prose: list[str] = []
    previous = ""
    for number, line in enumerate(text.split("\n"), 1):
        found = _FENCE.match(line)
        if fence:
            if found and found[1].startswith(fence) and not found[2]:
                _commands(notes, block, language, section, wanted)
                fence, block = "", []
            else:
                block.append((number, line))
        elif found:
            fence, language, block = found[1], found[2].lower(), []
        elif found := _TITLE.match(line):
            section = _LINK.sub(r"\1", found[2]).strip() or section
            notes.mark("title", number, section, level=str(len(found[1])))
        elif (
            re.match(r"^(=+|-{3,})\s*$", line)
            and previous.strip()
            and not previous.startswith(("#", "|", "-", ">"))
        ):
            section = _LINK.sub(r"\1", previous).strip()
            notes.mark("title", number - 1, section, level="1" if line[0] == "=" else "2")
        else:
            if wanted and (found := _INLINE.search(line)):
                notes.mark("command", number, found[1], where="document", section=section)
            if len(prose) < 40 and not _HOW.match(section):
                prose.append("" if _NO_PROSE.match(line) else _LINK.sub(r"\1", line))
        previous = line
    paragraphs = (p for p in re.split(r"\n\s*\n", "\n".join(prose)) if len(p.strip()) > 40)
    notes.doc = first_paragraph(next(paragraphs, ""))
    return notes.record(comment="")


def _commands(notes: Notes, block: list[tuple[int, str]], language: str, section: str, wanted: bool) -> None:
    """A console block holds output too: there, and in blocks without a language, only what starts like a command counts."""
    if not wanted or (language and language not in _SHELL):
        return
    prompts = any(line.lstrip().startswith("$ ") for _, line in block)
    rows: list[tuple[int, str]] = []
    for number, line in block:
        goes_on = bool(rows) and rows[-1][0] == number - 1 and rows[-1][1].rstrip().endswith("\\")
        if not prompts or goes_on or line.lstrip().startswith("$ "):
            rows.append((number, line))
    commands = shell_commands(rows)
    if not (language or prompts or _begins_with_commands([command for _, command in commands])):
        return
    for number, command in commands:
        if (language in _SHELL and language != "console") or prompts or TOOLS.match(command):
            notes.mark("command", number, command, where="document", section=section)


def _begins_with_commands(said: list[str]) -> bool:
    """Whether a block that says no language shows commands: the first of its lines is one, or every other. What a program
    printed may have lines that begin with `make` as well."""
    tools = sum(bool(TOOLS.match(command)) for command in said)
    return bool(said) and (bool(_FIRST.match(said[0]) or TOOLS.match(said[0])) or 2 * tools >= len(said))
