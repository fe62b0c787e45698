# A repository that is only in memory: for tests on trees small enough to be read beside their expectations, and for
# whoever has texts without a folder.
"""`program_of(files)`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cutaway.model.code import FileRecord
from cutaway.read.languages import read_file
from cutaway.read.program import Program

__all__ = ["program_of"]


class _Texts:
    """The files of a `Program`, and their records."""

    def __init__(self, files: Mapping[str, str], name: str):
        self.name = name
        self.files = dict(files)

    def read(self, path: str) -> bytes:
        return self.files[path].encode()

    def record(self, path: str) -> FileRecord | None:
        return read_file(path, self.read(path)) if path in self.files else None

    def records(self) -> Iterator[tuple[str, FileRecord]]:
        return ((path, read_file(path, self.read(path))) for path in sorted(self.files))


def program_of(files: Mapping[str, str], name: str = "memory") -> Program:
    """A program of texts by path."""
    texts = _Texts(files, name)
    return Program(texts, texts)
