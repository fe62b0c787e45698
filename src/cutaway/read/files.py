# Whatever a repository lies in, readers see the same thing: a sorted list of files, each with an identity of its
# content or the reason why it is not read, and a way to get bytes. All limits stand here.
"""`Source` and `SourceFile`, and what is not read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cutaway.errors import UnknownTarget, Unreadable

__all__ = ["Source", "SourceFile", "blob_id"]

MAX_FILE = 4 * 2**20
MAX_FILES = 200_000
MAX_DEPTH = 100
ARCHIVES = (".whl", ".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
# Formats that hold no source: not worth the reading to find a zero byte in them.
_BINARY_SUFFIXES = """
7z a avif bin bmp bz2 class dll dylib egg eot exe flac gguf gif gz h5 ico icns jar jpeg jpg lib lz4 mkv mov mp3 mp4 mpg
npy npz o obj ogg onnx otf parquet pb pdf pickle pkl png pt pth pyc pyd pyo rar rlib safetensors so sqlite tar tflite
tgz tif tiff ttf wasm wav webm webp whl woff woff2 xz zip zst
"""
_NO_NAMES = frozenset(("", ".", ".."))
_BINARY = frozenset(_BINARY_SUFFIXES.split())


@dataclass(slots=True)
class SourceFile:
    """One file. `path` is relative with `/`, exactly as it is named (it may hold newlines, escapes or markup, so
    whoever renders it escapes it). `key` is the same for the same bytes. `skipped` says why it is not read, or ''."""

    path: str
    size: int = 0
    key: str = ""
    skipped: str = ""


class Source:
    """The files of a repository at one moment.

    `kind` is worktree, git, folder or archive. `url` and `commit` are '' where unknown; `prefix` is where in its
    repository the files lie ('' or ending in '/'). `dirty`: tracked files differ from the commit. `notes` are
    what a reader of a report should know about the listing, such as a limit that was reached.
    """

    def __init__(
        self,
        kind: str,
        name: str,
        files: Iterable[SourceFile],
        *,
        url: str = "",
        commit: str = "",
        dirty: bool = False,
        prefix: str = "",
        notes: Iterable[str] = (),
    ):
        self.kind, self.name, self.url, self.commit = kind, name, url, commit
        self.dirty, self.prefix = dirty, prefix
        by_path = {file.path: file for file in files}
        self.notes = list(notes)  # after the files: listing them may add some
        self.files = [by_path[path] for path in sorted(by_path)]
        self._by_path = by_path

    def file(self, path: str) -> SourceFile:
        """The listed file. Raises `UnknownTarget` with the nearest paths."""
        try:
            return self._by_path[path]
        except KeyError:
            raise UnknownTarget.among(path, self._by_path, what=f"no such file in {self.name}") from None

    def __contains__(self, path: str) -> bool:
        return path in self._by_path

    def read(self, path: str) -> bytes:
        """The content of one file. Raises `Unreadable` with the reason for one that is not read."""
        for _, data in self.read_many([path]):
            return data
        raise Unreadable("this file is not read", asked=path, known=self.file(path).skipped)

    def read_many(self, paths: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """(path, content), one at a time and in the order asked. A file that cannot be read is left out, and its
        `skipped` says why."""
        for file, data in self._load(f for f in map(self.file, paths) if not f.skipped):
            yield file.path, data

    def _load(self, files: Iterable[SourceFile]) -> Iterator[tuple[SourceFile, bytes]]:
        raise NotImplementedError

    def close(self) -> None:
        """Let go of what is held open."""

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def blob_id(data: bytes, algorithm: str = "sha1") -> str:
    """What git would call these bytes: one name for one content, wherever it was read from.

    >>> blob_id(b"")
    'e69de29bb2d1d6434b8b29ae775ad8c2e48c5391'
    """
    digest = hashlib.new(algorithm, b"blob %d\0" % len(data), usedforsecurity=False)
    digest.update(data)
    return digest.hexdigest()


def listed(raw: bytes | str, size: int = 0, key: str = "", skipped: str = "") -> SourceFile:
    """The file of this name, skipped where its name or size says so."""
    if isinstance(raw, str):
        raw = raw.encode("utf-8", "surrogateescape")
    try:
        path = raw.decode("utf-8")
    except UnicodeDecodeError:
        return SourceFile(raw.decode("utf-8", "backslashreplace"), size, key, "its name is not UTF-8")
    return SourceFile(path, size, key, skipped or why_not(path, size))


def why_not(path: str, size: int) -> str:
    """Why a file of this path and size is not read, or ''."""
    parts = path.split("/")
    if not _NO_NAMES.isdisjoint(parts):
        return "its path leaves the repository"
    if len(parts) > MAX_DEPTH:
        return f"more than {MAX_DEPTH} folders deep"
    suffix = parts[-1].rpartition(".")[2].lower()
    if suffix in _BINARY and len(suffix) < len(parts[-1]):
        return f"binary (.{suffix})"
    return too_large(size)


def too_large(size: int) -> str:
    """Why a file of this size is not read, or ''."""
    return (
        f"{size / 2**20:,.1f} MB; files over {MAX_FILE // 2**20} MB are not read" if size > MAX_FILE else ""
    )


def too_many(count: int = MAX_FILES) -> str:
    """The note for a listing that was cut."""
    return f"more than {count:,} files: the rest is not listed"
