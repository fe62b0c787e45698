# An sdist or wheel is read as it is: nothing is unpacked to disk, so that no member's name, link or size can do harm.
# What is text is kept packed in memory, since an archive cannot be entered in its middle.
"""Sources that lie in one archive file."""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from cutaway.errors import Unreadable
from cutaway.read.files import (
    ARCHIVES,
    MAX_FILE,
    MAX_FILES,
    Source,
    SourceFile,
    blob_id,
    listed,
    too_large,
    too_many,
)

__all__ = ["ArchiveSource", "open_archive"]

MAX_UNPACKED = 2**30
MAX_KEPT = 192 * 2**20  # packed text in memory
_RATIO = 200  # no text packs better than this
_FREE = 64 * 2**20  # small archives may
_CHUNK = 16 * 2**20
_BROKEN = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    ValueError,
    OverflowError,
)

Member = tuple[SourceFile, bytes | None]


class ArchiveSource(Source):
    """The files of an archive, read once when it is opened."""

    def __init__(self, members: Iterable[Member], **about):
        self._packed: dict[str, bytes] = {}
        kept, files = 0, []
        for file, data in members:
            if data is not None and not file.skipped:
                packed = zlib.compress(data, 1)
                kept += len(packed)
                if kept <= MAX_KEPT:
                    file.size, file.key = len(data), blob_id(data)
                    self._packed[file.path] = packed
                else:
                    file.skipped = "the archive holds more text than is read"
            files.append(file)
        super().__init__("archive", files=files, **about)

    def _load(self, files: Iterable[SourceFile]) -> Iterator[tuple[SourceFile, bytes]]:
        for file in files:
            yield file, zlib.decompress(self._packed[file.path])


def open_archive(path: Path) -> ArchiveSource:
    """The archive's files; the one folder that an sdist has around everything is left out.
    Raises `Unreadable` for what is no archive or breaks off before its first file."""
    members: list[Member] = []
    notes: list[str] = []
    reader = _zip_members if path.suffix in (".whl", ".zip") else _tar_members
    try:
        with path.open("rb") as file:
            for member in reader(file, notes):
                if len(members) >= MAX_FILES:
                    notes.append(too_many())
                    break
                members.append(member)
    except (*_BROKEN, _TooMuch) as error:
        if not members:
            raise Unreadable(
                "this archive cannot be read", asked=path.name, known=str(error) or repr(error)
            ) from None
        notes.append(f"the archive breaks off after {len(members):,} files: {error or type(error).__name__}")
    suffix = next(s for s in sorted(ARCHIVES, key=len, reverse=True) if path.name.endswith(s))
    wrapper = "" if suffix == ".whl" else _wrapper([file.path for file, _ in members])
    for file, _ in members:
        file.path = file.path.removeprefix(wrapper)
    name = re.match(r"(.+?)(-v?\d.*)?$", path.name.removesuffix(suffix))
    return ArchiveSource(members, name=name[1] if name else path.name, notes=notes)


def _wrapper(paths: list[str]) -> str:
    """The folder that everything lies in, unless it is a Python package itself."""
    folders = {path.partition("/")[0] for path in paths}
    folder = f"{folders.pop()}/" if len(folders) == 1 else ""
    return "" if f"{folder}__init__.py" in paths or not all(p.startswith(folder) for p in paths) else folder


class _TooMuch(Exception):
    """An archive unpacks to more than any repository is."""


class _Counted:
    """An unpacking stream that stops where a bomb would not."""

    def __init__(self, stream: IO[bytes], limit: int):
        self._stream, self._limit, self._at = stream, limit, 0

    def read(self, size: int = -1) -> bytes:
        if size < 0 or size > _CHUNK:
            raise _TooMuch(f"it asks for {size:,} bytes at once")
        self._move(self._at + size)
        data = self._stream.read(size)
        self._at = self._stream.tell()
        return data

    def seek(self, to: int) -> int:
        self._move(to)
        self._at = self._stream.seek(to)
        return self._at

    def tell(self) -> int:
        return self._at

    def _move(self, to: int) -> None:
        if to > self._limit + _CHUNK:
            raise _TooMuch(f"it unpacks to more than {self._limit / 2**20:,.0f} MB")


def _limit(packed: int) -> int:
    return min(MAX_UNPACKED, _FREE + _RATIO * packed)


def _tar_members(file: IO[bytes], notes: list[str]) -> Iterator[Member]:
    """In the archive's order, forwards only."""
    packed = file.seek(0, 2)
    file.seek(0)
    with tarfile.open(fileobj=_Counted(_unpacking(file), _limit(packed)), mode="r:") as tar:  # pyrefly: ignore
        while (member := tar.next()) is not None:
            tar.members = []  # pyrefly: ignore[missing-attribute]  # it keeps every member otherwise
            if member.isdir():
                continue
            found = listed(
                member.name.removeprefix("./"),
                member.size,
                skipped="" if member.isreg() else _not_regular(member),
            )
            taken = tar.extractfile(member) if not found.skipped else None
            yield found, taken.read() if taken else None


def _not_regular(member: tarfile.TarInfo) -> str:
    return "a link (not followed)" if member.issym() or member.islnk() else "a device or FIFO, not a file"


def _unpacking(file: IO[bytes]) -> IO[bytes]:
    head = file.read(6)
    file.seek(0)
    if head.startswith(b"\x1f\x8b"):
        return gzip.open(file)  # pyrefly: ignore[bad-return]
    if head.startswith(b"BZh"):
        return bz2.open(file)  # pyrefly: ignore[bad-return]
    return lzma.open(file) if head.startswith(b"\xfd7zXZ\0") else file  # pyrefly: ignore[bad-return]


def _zip_members(file: IO[bytes], notes: list[str]) -> Iterator[Member]:
    packed = file.seek(0, 2)
    left = _limit(packed)
    with zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            if info.is_dir():
                continue
            found = listed(info.filename, info.file_size, skipped=_not_taken(info))
            data = None
            if not found.skipped and (left := left - info.file_size) < 0:
                raise _TooMuch("it unpacks to more than is read")
            if not found.skipped:
                data = _unpacked(archive, info, found)
            yield found, data


def _not_taken(info: zipfile.ZipInfo) -> str:
    mode = info.external_attr >> 16
    if stat.S_IFMT(mode) and not stat.S_ISREG(mode):
        return "a link (not followed)" if stat.S_ISLNK(mode) else "a device or FIFO, not a file"
    if info.flag_bits & 1:
        return "encrypted"
    bomb = info.file_size > 2**20 and info.file_size > _RATIO * max(1, info.compress_size)
    return "packed too well to be text" if bomb else ""


def _unpacked(archive: zipfile.ZipFile, info: zipfile.ZipInfo, found: SourceFile) -> bytes | None:
    try:
        with archive.open(info) as member:
            data = member.read(MAX_FILE + 1)
    except (*_BROKEN, NotImplementedError, RuntimeError) as error:
        found.skipped = f"cannot be unpacked: {error}"
        return None
    found.skipped = too_large(len(data))
    return data
