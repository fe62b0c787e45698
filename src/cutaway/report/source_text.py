# A result names its sources by path below sys.path and by hash. The text of a line is read from the
# installed file only while that file is still the one that was analysed; otherwise what the analysis
# itself kept is shown.
"""The text of source statements, from the files that an analysis names."""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Iterable
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cutaway.model import Analysis


def find_file(path: str, roots: Iterable[str] = ()) -> Path | None:
    """The file that a result calls `path`, looked for as Python would find its package."""
    for root in (*roots, *sys.path):
        found = Path(root or ".") / path
        if found.is_file():
            return found
    return None


class Sources:
    """The statements of an analysis' files, each file read once."""

    def __init__(self, analysis: Analysis):
        self._hashes = dict(analysis.source.get("files", {}))
        self._kept = {
            (line.path, line.line): line.text for m in analysis.modules for line in m.lines if line.text
        }
        self._texts: dict[str, list[str]] = {}

    def statement(self, path: str, line: int) -> str:
        """The statement that starts at `line`, on one line; empty when its text is not to be had."""
        lines = self._lines(path)
        return _one_line(lines[line - 1 :]) if 0 < line <= len(lines) else self._kept.get((path, line), "")

    def _lines(self, path: str) -> list[str]:
        if path not in self._texts:
            self._texts[path] = self._read(path)
        return self._texts[path]

    def _read(self, path: str) -> list[str]:
        found = find_file(path)
        try:
            data = found.read_bytes() if found else b""
        except OSError:
            data = b""
        known = self._hashes.get(path)
        if known and not hashlib.sha256(data).hexdigest().startswith(known):
            return []
        return data.decode("utf-8", "replace").splitlines(keepends=True)


def _one_line(lines: list[str]) -> str:
    """The first logical line of `lines`, without comments, its physical lines joined."""
    import tokenize

    parts: dict[int, list[str]] = {}
    try:
        for token in tokenize.generate_tokens(StringIO("".join(lines[:200])).readline):
            if token.type == tokenize.NEWLINE:
                break
            if token.type == tokenize.COMMENT:
                parts[token.start[0]] = [token.line[: token.start[1]]]
            elif token.start[0] not in parts and token.type != tokenize.NL:
                parts[token.start[0]] = [token.line.partition("\n")[0]]
    except (tokenize.TokenError, SyntaxError):
        return lines[0].strip()
    joined = " ".join(text.strip() for pieces in parts.values() for text in pieces).strip()
    return re.sub(r",? ([)\]}])", r"\1", re.sub(r"([(\[{]) ", r"\1", joined))
