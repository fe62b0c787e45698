# What checks ask of the repository: is this path there, what are these lines, which definition is around them. Files are
# read when they are first asked for; a path is looked up as reports spell it, with what cannot be printed spelled out.
"""`Sources`: a repository, as the checks see it."""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import cached_property, lru_cache
from typing import Protocol

from cutaway.errors import Unreadable, nearest
from cutaway.model.code import Def, FileRecord
from cutaway.read.languages import decode, read_file
from cutaway.report.escape import visible

__all__ = ["Files", "Sources", "likely_path", "words"]

SUFFIXES = frozenset({
    "py", "pyi", "pyx", "c", "h", "cc", "cpp", "cxx", "hpp", "cu", "cuh", "hip", "rs", "go", "ts", "tsx", "js", "jsx",
    "mjs", "java", "kt", "swift", "m", "mm", "metal", "sh", "bash", "toml", "yaml", "yml", "json", "cfg", "ini", "md",
    "rst", "txt", "cmake", "proto", "sql", "html", "css", "ipynb",
})  # fmt: skip
_WORD = re.compile(r"[A-Za-z_$][\w$]*")
_PATH = re.compile(r"^(?!\W*$)(?!.*//)[^\s`|<>\"'(){}=,;:]+$")


class File(Protocol):
    """A file of a source."""

    path: str


class Files(Protocol):
    """Where the text comes from: `cutaway.read.source.Source`."""

    files: Iterable[File]
    commit: str

    def read(self, path: str) -> bytes: ...


def likely_path(word: str) -> bool:
    """Whether a word is spelled like a source file's path, when nothing is known of the repository."""
    return (
        bool(_PATH.match(word))
        and posixpath.basename(word).rpartition(".")[2].lower() in SUFFIXES
        and "." in word[1:]
    )


class Sources:
    """`read` makes a record of a file's bytes, as `cutaway.read.languages.read_file`."""

    def __init__(self, source: Files, read: Callable[[str, bytes], FileRecord] = read_file):
        self._source = source
        self._read = read
        self._spelled = {visible(file.path): file.path for file in source.files}
        self.lines = lru_cache(maxsize=512)(self._lines)
        self.record = lru_cache(maxsize=512)(self._record)

    @property
    def commit(self) -> str:
        """The commit that is read, '' for a folder."""
        return self._source.commit

    @cached_property
    def folders(self) -> set[str]:
        """Every folder that holds a file, as reports spell it."""
        found: set[str] = set()
        for path in self._spelled:
            while path := posixpath.dirname(path):
                if path in found:
                    break
                found.add(path)
        return found

    @property
    def paths(self) -> Iterable[str]:
        """Every file, as reports spell it."""
        return self._spelled.keys()

    def has(self, path: str) -> bool:
        """Whether there is such a file."""
        return path in self._spelled

    def has_folder(self, path: str) -> bool:
        """Whether there is such a folder; `.` is the root."""
        return path.strip("/") in self.folders or path in (".", "./")

    def likely(self, word: str) -> bool:
        """Whether a word names a file or folder of this repository, or means to."""
        if self.has(word) or self.has(word.removeprefix("./")):
            return True
        if likely_path(word):
            return True
        if not _PATH.match(word) or ("/" not in word.strip("/") and not word.endswith("/")):
            return False
        first, _, rest = word.removeprefix("./").partition("/")
        return first in self.folders and (not rest or word.isascii())

    def nearest(self, path: str) -> list[str]:
        """The paths most like one that is not there: those that end in it, of its name, or spelled much like it."""
        tail = [p for p in self._spelled if p.endswith(f"/{path}")]
        return (
            sorted(tail)[:3]
            or sorted(self._by_name[posixpath.basename(path)])[:3]
            or nearest(path, self._spelled, 2)
        )

    @cached_property
    def _by_name(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = defaultdict(list)
        for path in self._spelled:
            found[posixpath.basename(path)].append(path)
        return found

    def _lines(self, path: str) -> list[str]:
        """A file's lines without their ends; none of a file that the source does not read (too large, a link, binary)."""
        try:
            return decode(self._source.read(self._spelled[path])).split("\n")
        except Unreadable:
            return [""]

    def _record(self, path: str) -> FileRecord:
        """What a file declares."""
        real = self._spelled[path]
        try:
            return self._read(real, self._source.read(real))
        except Unreadable as error:
            return FileRecord("", 0, parse="skipped", why=error.known or error.what)

    def count(self, path: str) -> int:
        """The number of its lines; an end of line at the end of the file begins no line."""
        lines = self.lines(path)
        return len(lines) - (lines[-1] == "")

    def around(self, path: str, start: int, end: int) -> list[Def]:
        """The definitions that hold all of these lines, innermost first."""
        held = [d for d in self.record(path).defs if d.start <= start and end <= d.end]
        return sorted(held, key=lambda d: (d.end - d.start, -d.start))

    def begun(self, path: str, start: int, end: int) -> list[Def]:
        """The definitions whose head, from the first decorator to the name, meets these lines."""
        return [d for d in self.record(path).defs if d.start <= end and start <= d.line]

    def text(self, path: str, start: int, end: int) -> str:
        """Lines `start` to `end`."""
        return "\n".join(self.lines(path)[max(0, start - 1) : end])


def words(text: str) -> set[str]:
    """The identifiers of a text; a flag's dashes are underscores, and a shell's `$NAME` is also NAME."""
    found = {*_WORD.findall(text), *_WORD.findall(re.sub(r"(?<=\w)-(?=\w)", "_", text))}
    return found | {word[1:] for word in found if word[0] == "$" and len(word) > 1}
