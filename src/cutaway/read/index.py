# Reading 6,000 files takes half a minute; most of them were read yesterday. What a file says depends on its bytes, its path and
# the reader alone, so it is stored under these three, and only what is new is read.
"""`Index`: the records of a repository's files."""

from __future__ import annotations

import contextlib
import gc
import hashlib
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from itertools import islice
from pathlib import Path

import msgspec

from cutaway.model.code import FileRecord
from cutaway.read.database import Database
from cutaway.read.files import Source, SourceFile
from cutaway.read.pool import parsed, processes_for
from cutaway.read.worker import skipped

__all__ = ["Index", "reader_version"]

READER = "cutaway.read.languages:read_file"
_BATCH, _BATCH_BYTES = 256, 4 * 2**20
_REMEMBERED = 12 * 2**20  # bytes of encoded records; decoded they take some seven times as much
_decode = msgspec.msgpack.Decoder(FileRecord).decode

Progress = Callable[[int, int], None]


class Index:
    """Records by path. `read` is the number of files that were read anew; `notes` what went wrong with the kept ones."""

    def __init__(self, source: Source, database: Database, reader: str, processes: int | None):
        self._source, self._database = source, database
        self._reader, self._processes = reader, processes
        self._lately: OrderedDict[str, tuple[FileRecord, int]] = OrderedDict()
        self._held = self.read = 0

    @classmethod
    def open(
        cls,
        source: Source,
        cache: Path | None = None,
        *,
        reader: str = READER,
        processes: int | None = None,
        progress: Progress | None = None,
    ) -> Index:
        """Bring the index of `source` up to date, in the folder `cache` or, without one, for this run only.

        `reader` names what reads a file (`module:function`); `processes` how many do so (0: this one; None: as many
        as the work is worth); `progress` is told (files done, files to do). A file that cannot be read never raises.
        """
        index = cls(source, Database(cache, source.name, reader_version(reader)), reader, processes)
        try:
            index._bring_up_to_date(progress)
        except BaseException:
            index.close()
            raise
        return index

    @property
    def notes(self) -> list[str]:
        """What went wrong with the kept index; the records are right all the same."""
        return self._database.notes

    @property
    def paths(self) -> list[str]:
        """Every file of the source, sorted; also those that are not read."""
        return [file.path for file in self._source.files]

    def record(self, path: str) -> FileRecord:
        """What a file says. Raises `UnknownTarget` for a path that the source does not list."""
        if path in self._lately:
            self._lately.move_to_end(path)
            return self._lately[path][0]
        return next(record for _, record in self._records([self._source.file(path)]))

    def records(self) -> Iterator[tuple[str, FileRecord]]:
        """(path, record) of every file, in order of path; also of those that are not read."""
        files = iter(self._source.files)
        while chunk := list(islice(files, _BATCH)):
            yield from self._records(chunk)

    def get_derived(self, kind: str, key: str) -> bytes | None:
        """What was stored under a key that the caller makes of everything it was derived from."""
        return next((body for _, body in self._database.get(f"derived:{kind}", [key.encode()])), None)

    def put_derived(self, kind: str, rows: Iterable[tuple[str, bytes]]) -> None:
        """Store (key, body) pairs, all or none."""
        self._database.put(f"derived:{kind}", [(key.encode(), body) for key, body in rows])

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()

    def __enter__(self) -> Index:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _bring_up_to_date(self, progress: Progress | None) -> None:
        known = self._database.keys("record")
        files = [file for file in self._source.files if not file.skipped]
        new = [file for file in files if _key(file) not in known]
        for done, _ in enumerate(self._read(new), 1):
            if progress:
                progress(done, len(new))
        if len(known) > 3 * len(files) + 10_000:  # other commits, most of them old
            self._database.drop("record", known - {_key(file) for file in files})

    def _read(self, files: list[SourceFile]) -> Iterator[tuple[SourceFile, bytes]]:
        """(file, encoded record), each stored before long."""
        if not files:
            return
        by_path = {file.path: file for file in files}
        contents = ((by_path[path], path, data) for path, data in self._source.read_many(by_path))
        processes = processes_for(len(files)) if self._processes is None else self._processes
        batch: list[tuple[bytes, bytes]] = []
        size = 0
        for file, body in parsed(contents, self._reader, processes):
            self.read += 1
            batch.append((_key(file), body))
            size += len(body)
            if len(batch) >= _BATCH or size > _BATCH_BYTES:
                self._database.put("record", batch)
                batch, size = [], 0
            yield file, body
        self._database.put("record", batch)

    def _records(self, files: list[SourceFile]) -> Iterator[tuple[str, FileRecord]]:
        """The records of a few files; what is not kept, or not whole, is read again."""
        keys = [_key(file) for file in files if not file.skipped]
        found = {key: (record, size) for key, record, size in self._kept(keys)}
        lost = [file for file in files if not file.skipped and _key(file) not in found]
        for file, body in self._read(lost):
            record = _decoded(body) or skipped("the reader gave something that is no record")
            found[_key(file)] = (record, len(body))
        for file in files:
            if file.skipped:
                yield file.path, skipped(file.skipped)
            else:
                record, size = found[_key(file)]
                self._remember(file.path, record, size)
                yield file.path, record

    def _kept(self, keys: list[bytes]) -> list[tuple[bytes, FileRecord, int]]:
        """(key, record, size) of those that are there and whole. Records hold no cycles, and looking for some
        while thousands of lists are made takes as long as making them."""
        collecting = gc.isenabled()
        gc.disable()
        try:
            bodies = self._database.get("record", keys)
            return [(key, record, len(body)) for key, body in bodies if (record := _decoded(body))]
        finally:
            if collecting:
                gc.enable()

    def _remember(self, path: str, record: FileRecord, size: int) -> None:
        if path in self._lately:
            return
        self._lately[path] = (record, size)
        self._held += size
        while self._held > _REMEMBERED and len(self._lately) > 1:
            _, (_, gone) = self._lately.popitem(last=False)
            self._held -= gone


def _key(file: SourceFile) -> bytes:
    """A record depends on the path too: what a file called `Dockerfile` says is not what `notes.txt` says."""
    return hashlib.blake2b(f"{file.key}\0{file.path}".encode(), digest_size=16).digest()


def _decoded(body: bytes) -> FileRecord | None:
    try:
        return _decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


@cache
def reader_version(reader: str = READER) -> str:
    """The same for readers that give the same records: their sources, their grammars, and the Python that they use."""
    import cutaway

    root = Path(cutaway.__file__).parent
    digest = hashlib.sha256(repr((reader, sys.version_info[:2], _grammars())).encode())
    for path in sorted([root / "model" / "code.py", *(root / "read" / "languages").rglob("*.py")]):
        digest.update(f"{path.relative_to(root).as_posix()}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _grammars() -> list[str]:
    """Names and versions of the installed grammars, by the names of their folders."""
    found = set()
    for folder in sys.path:
        with contextlib.suppress(OSError):
            found.update(path.name for path in Path(folder or ".").glob("tree_sitter*-info"))
    return sorted(found)
