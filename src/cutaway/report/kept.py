# A report depends on the repository's files and on this package alone, so that of files that have not changed is the one that
# was made before: it lies beside the index, one of each kind, and is given again in the time that finding it takes.
"""`KeptReport`, `kept(index, source, kind)`, `keep(index, source, kind, report)`."""

from __future__ import annotations

import hashlib
import json
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from cutaway.read.index import reader_version

if TYPE_CHECKING:
    from cutaway.read.files import Source
    from cutaway.read.index import Index

__all__ = ["KeptReport", "keep", "kept"]

_ROW = "report"
_IDENTITY = 32  # bytes before the texts
_decode = msgspec.msgpack.Decoder(tuple[str, str]).decode


class Printed(Protocol):
    """What every report can do."""

    def to_json(self) -> str: ...

    def to_markdown(self) -> str: ...


class KeptReport:
    """A report that was made before, as the texts that it was printed as."""

    def __init__(self, as_json: str, as_markdown: str):
        self._json, self._markdown = as_json, as_markdown

    @cached_property
    def facts(self) -> dict[str, Any]:
        """What the JSON holds."""
        return json.loads(self._json)

    def to_json(self) -> str:
        return self._json

    def to_markdown(self) -> str:
        return self._markdown

    def __str__(self) -> str:
        return self._markdown

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return {"text/markdown": self._markdown, "text/plain": self._markdown}


def kept(index: Index, source: Source, kind: str) -> KeptReport | None:
    """The report of this kind about exactly these files, if one was kept whole."""
    body = index.get_derived(_ROW, kind)
    if body is None or body[:_IDENTITY] != _identity(source, kind):
        return None
    try:
        return KeptReport(*_decode(body[_IDENTITY:]))
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def keep(index: Index, source: Source, kind: str, report: Printed) -> None:
    """Keep a report in the place of the last one of its kind."""
    texts = msgspec.msgpack.encode((report.to_json(), report.to_markdown()))
    index.put_derived(_ROW, [(kind, _identity(source, kind) + texts)])


def _identity(source: Source, kind: str) -> bytes:
    """The same for what gives the same report: the files, what is said of them, and the code that reports."""
    digest = hashlib.sha256(_code().encode())
    about = (kind, source.kind, source.name, source.url, source.commit, source.dirty, source.prefix, source.notes)
    digest.update(repr(about).encode("utf-8", "surrogatepass"))
    for file in source.files:
        row = f"{file.path}\0{file.key}\0{file.size}\0{file.skipped}\n"
        digest.update(row.encode("utf-8", "surrogatepass"))
    return digest.digest()


@cache
def _code() -> str:
    """The same for packages whose reports are the same."""
    import cutaway

    root = Path(cutaway.__file__).parent
    digest = hashlib.sha256(reader_version().encode())
    for folder in ("facts", "model", "read", "report"):
        for path in sorted((root / folder).rglob("*")):
            if path.is_file() and path.suffix != ".pyc":
                digest.update(f"{path.relative_to(root).as_posix()}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()
