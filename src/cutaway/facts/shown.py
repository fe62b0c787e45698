# What a repository shows of itself: the code in its README and its documents, its examples, its benchmarks and the programs
# it builds. What those use of a library is its face; what is merely visible in the language is not.
"""`Shown(program)`: who uses a name of a unit (a package, a crate, a header)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import NamedTuple

from cutaway.facts.roles import role_of
from cutaway.model.code import FileRecord
from cutaway.read.program import Program

__all__ = ["Showing", "Shown", "words_of"]

NATIVE = ("c", "cpp", "cuda", "rust", "go")
DOCUMENTS = 60  # read at most, those nearest to the root first
_README = re.compile(r"(^|/)readme[^/]*$", re.IGNORECASE)
_FENCE = re.compile(r"^(```|~~~)[^\n]*\n(.*?)^\1", re.MULTILINE | re.DOTALL)
_WORD = re.compile(r"[A-Za-z_]\w+")


class Showing(NamedTuple):
    """A file that uses the code from outside: its identifiers, what it imports, and the text of its code if it is a
    document."""

    path: str
    words: frozenset[str]
    imports: frozenset[str]
    text: str = ""


class Shown:
    """The files of a program that show how it is used."""

    def __init__(self, program: Program):
        self.program = program

    @cached_property
    def files(self) -> list[Showing]:
        """Programs, examples and benchmarks of declared languages, and the documents that hold code."""
        return [*self._programs(), *self._documents()]

    def _programs(self) -> Iterator[Showing]:
        for path in self.program.paths:
            record = self.program.record(path)
            role = role_of(path)
            if record.language in NATIVE and role not in ("test", "vendored", "generated"):
                runs = any(m.kind == "main" for m in record.marks)
                if runs or role in ("example", "benchmark"):
                    yield Showing(path, words_of(record), frozenset(i.module for i in record.imports))

    def _documents(self) -> Iterator[Showing]:
        texts = [
            p
            for p in self.program.paths
            if self.program.record(p).language == "markdown" and role_of(p) not in ("vendored", "test")
        ]
        texts.sort(key=lambda p: (not _README.search(p), p.count("/"), p))
        for path in texts[:DOCUMENTS]:
            code = "\n".join(found[2] for found in _FENCE.finditer(self.program.text(path)))
            if code:
                yield Showing(path, frozenset(_WORD.findall(code)), frozenset(), code)

    def using(self, uses: Callable[[Showing], bool]) -> list[Showing]:
        """The files that use a unit."""
        return [one for one in self.files if uses(one)]


def words_of(record: FileRecord) -> frozenset[str]:
    """Every identifier that a file uses."""
    return frozenset(record.words).union(*(d.words for d in record.defs))
