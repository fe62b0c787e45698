# CMake: what is built from what, with which options and packages.
"""`read_cmake(path, text) -> FileRecord`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cutaway.model.code import Def, FileRecord
from cutaway.read.languages.manifests.common import Lines, Notes

__all__ = ["read_cmake"]

_COMMAND = re.compile(r"^[ \t]*([A-Za-z_]\w*)[ \t]*\(", re.MULTILINE)
_BRACKET = re.compile(r"[()\"#]")
_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"|([^\s"]+)')
_ENV = re.compile(r"\$ENV\{(\w+)\}")
_TARGETS = re.compile(
    r"(add_(executable|library|custom_target|test|subdirectory)|\w*(extension_target|add_module|add_library|add_extension))$",
    re.IGNORECASE,
)
LONG = 20_000  # characters of one command


def read_cmake(path: str, text: str) -> FileRecord:
    notes, lines = Notes("cmake", text), Lines(text)
    for name, words, start, end in _commands(text):
        line, lower = lines.at(start), name.lower()
        if not words:
            continue
        first = words[0]
        if lower == "project":
            notes.mark(
                "title",
                line,
                first,
                languages=" ".join(w for w in words[1:] if w in ("C", "CXX", "CUDA", "HIP", "OBJC")),
            )
        elif lower in ("add_subdirectory", "include"):
            notes.importing(line, first)
        elif _TARGETS.match(lower):
            kind = "executable" if "executable" in lower else "library"
            if words[1:2] in (["OBJECT"], ["INTERFACE"]):
                kind = words[1].lower()
            elif "IMPORTED" in words[1:4]:  # built elsewhere
                kind = "imported"
            notes.mark(
                "target",
                lines.at(max(text.find(first, start, end), start)),  # often below the command's own line
                first,
                type=kind,
                callee=name,
                sources=" ".join(w for w in words[1:] if "." in w or "$" in w),
            )
        elif lower in ("find_package", "fetchcontent_declare", "externalproject_add", "pkg_check_modules"):
            notes.mark(
                "dependency",
                line,
                first,
                version=_after(words, "GIT_TAG")
                or (
                    words[1] if lower == "find_package" and len(words) > 1 and words[1][:1].isdigit() else ""
                ),
                url=_after(words, "GIT_REPOSITORY") or _after(words, "URL"),
            )
        elif lower in ("option", "cmake_dependent_option"):
            notes.mark(
                "flag",
                line,
                f"-D{first}",
                help=words[1] if len(words) > 1 else "",
                default=words[2] if len(words) > 2 else "OFF",
            )
        elif lower == "set" and "CACHE" in words:
            at = words.index("CACHE")
            notes.mark(
                "flag",
                line,
                f"-D{first}",
                default=" ".join(words[1:at]),
                type=words[at + 1] if len(words) > at + 1 else "",
            )
        elif lower in ("function", "macro"):
            notes.defs.append(
                Def(
                    first, "function", line, line, lines.at(end), signature=f"{name}({' '.join(words)})"[:240]
                )
            )
        elif lower == "add_definitions" or lower == "target_compile_definitions":
            notes.mark("literal", line, lower, value=" ".join(words))
    for found in _ENV.finditer(text):
        notes.mark("env", lines.at(found.start()), found[1], via="$ENV")
    return notes.record()


def _commands(text: str) -> Iterator[tuple[str, list[str], int, int]]:
    """(command, words, start, end). Parentheses in strings and comments do not count."""
    position = 0
    while found := _COMMAND.search(text, position):
        depth, at, limit = 1, found.end(), found.end() + LONG
        while depth and (sign := _BRACKET.search(text, at, limit)):
            at = sign.end()
            if sign[0] == "#":
                end = text.find("\n", at)
                at = end if end >= 0 else len(text)
            elif sign[0] == '"':
                close = re.compile(r'(?:[^"\\]|\\.)*"', re.DOTALL).match(text, at, limit)
                at = close.end() if close else at
            else:
                depth += 1 if sign[0] == "(" else -1
        body = re.sub(r"(?m)(^|\s)#[^\n]*", " ", text[found.end() : max(at - 1, found.end())])
        yield found[1], [a or b for a, b in _WORD.findall(body)][:400], found.start(1), at
        position = max(at, found.end())


def _after(words: list[str], key: str) -> str:
    return words[words.index(key) + 1] if key in words[:-1] else ""
