# Files on disk, of a work tree or of a plain folder. Nothing but regular files inside the folder is ever opened: no
# link is followed, no FIFO waited for. What a file's content is called is remembered by its size and times, so
# that a second look at 6,000 files need not read them.
"""Sources that lie on disk."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path

from cutaway.errors import Unreadable
from cutaway.read.files import (
    MAX_DEPTH,
    MAX_FILE,
    MAX_FILES,
    Source,
    SourceFile,
    blob_id,
    listed,
    too_large,
    too_many,
)
from cutaway.read.git import Git, why_not_mode
from cutaway.read.ignore import Ignored
from cutaway.read.stamps import Stamps

__all__ = ["DiskSource", "open_folder", "open_worktree"]

# A folder outside git says nothing of what was made by tools; these are never anybody's source.
_TOOLS = ".git .hg .svn .tox .nox .venv .mypy_cache .pytest_cache .ruff_cache __pycache__ node_modules"
_MADE_BY_TOOLS = frozenset(_TOOLS.split())
_FLAGS = os.O_RDONLY | sum(
    getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_NOCTTY", "O_BINARY")
)


class DiskSource(Source):
    """Files below `root`. A key is the hash of the content; `stamps` know those of files that have not been touched."""

    def __init__(self, kind: str, root: Path, files: Iterable[SourceFile], cache: Path | None, **about):
        super().__init__(kind, files=files, **about)
        self._root = (
            f"{root}{os.sep}"  # paths as text: thousands of Path objects take longer than the looking
        )
        self._real: dict[str, bool] = {"": True}
        stamps = Stamps(cache, root)
        for file in self.files:
            if not file.skipped:
                self._identify(file, stamps)
        stamps.save()

    def _identify(self, file: SourceFile, stamps: Stamps) -> None:
        try:
            if not self._inside(file.path.rpartition("/")[0]):
                file.skipped = "it lies behind a symbolic link (not followed)"
                return
            found = os.lstat(self._root + file.path)
        except OSError as error:
            file.skipped = _said(error)
            return
        file.size = found.st_size
        file.skipped = why_not_mode_on_disk(found.st_mode) or too_large(found.st_size)
        if file.skipped:
            return
        if known := stamps.find(file.path, found):
            file.key = known
        elif (data := self._bytes(file)) is not None:
            file.key = blob_id(data)
            stamps.keep(file.path, found, file.key)

    def _load(self, files: Iterable[SourceFile]) -> Iterator[tuple[SourceFile, bytes]]:
        for file in files:
            data = self._bytes(file)
            if data is not None:
                file.size, file.key = len(data), blob_id(data)  # it may have changed since it was listed
                yield file, data

    def _bytes(self, file: SourceFile) -> bytes | None:
        try:
            return read_regular(self._root + file.path)
        except OSError as error:
            file.skipped = _said(error)
            return None

    def _inside(self, folder: str) -> bool:
        """No part of the way to a folder is a link: git may track `a/b` where the disk has a link called `a`."""
        if folder not in self._real:
            mode = os.lstat(self._root + folder).st_mode
            self._real[folder] = self._inside(folder.rpartition("/")[0]) and stat.S_ISDIR(mode)
        return self._real[folder]


def read_regular(path: str | Path, limit: int = MAX_FILE) -> bytes:
    """The bytes of a regular file. Raises OSError for anything else, and for more than `limit` bytes."""
    descriptor = os.open(path, _FLAGS)
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(0, "not a regular file")
        data = file.read(limit + 1)
    if len(data) > limit:
        raise OSError(0, too_large(max(found.st_size, len(data))) or f"more than {limit} bytes")
    return data


def why_not_mode_on_disk(mode: int) -> str:
    """Why a thing of this mode is not read, or ''."""
    kinds: list[tuple[Callable[[int], bool], str]] = [
        (stat.S_ISREG, ""),
        (stat.S_ISLNK, "symbolic link (not followed)"),
        (stat.S_ISDIR, "another repository inside this one"),
        (stat.S_ISFIFO, "a FIFO, not a file"),
        (stat.S_ISSOCK, "a socket, not a file"),
    ]
    return next((why for is_kind, why in kinds if is_kind(mode)), "a device, not a file")


def open_worktree(git: Git, root: Path, cache: Path | None, **about) -> DiskSource:
    """The files of a work tree as they lie on disk: what git tracks, and what is new and not ignored.
    Raises `Unreadable` when git cannot tell."""
    notes: list[str] = []
    tracked = _tracked(git)
    names: Iterable[bytes] = git.entries("ls-files", "--others", "--exclude-standard", "-z")
    new = list(islice((n.rstrip(b"/") for n in names), max(0, MAX_FILES - len(tracked)) + 1))
    if len(tracked) + len(new) > MAX_FILES:
        notes.append(too_many())
        tracked, new = dict(islice(tracked.items(), MAX_FILES)), new[: max(0, MAX_FILES - len(tracked))]
    place = os.fsencode(f"{root}{os.sep}")
    there = {path: entry for path, entry in tracked.items() if os.path.lexists(place + path)}
    files = [listed(path, skipped=why_not_mode(mode)) for path, (mode, _) in there.items()]
    source = DiskSource("worktree", root, [*files, *map(listed, new)], cache, notes=notes, **about)
    if missing := len(tracked) - len(there):
        source.notes.append(f"{missing:,} tracked files are not on disk")
    source.dirty = bool(missing) or _staged(git) or _edited(source, there)
    return source


def _tracked(git: Git) -> dict[bytes, tuple[int, str]]:
    """path -> (mode, object name) of what git tracks; the first side of a file that is being merged."""
    found: dict[bytes, tuple[int, str]] = {}
    for entry in islice(git.entries("ls-files", "--cached", "--stage", "-z"), MAX_FILES + 1):
        about, _, path = entry.partition(b"\t")
        mode, key, _ = about.decode("ascii").split()
        found.setdefault(path, (int(mode, 8), key))
    return found


def _staged(git: Git) -> bool:
    """Something is staged, or there is no commit yet. Looks at git's own files only, never at those on disk, since
    that would run the repository's filters."""
    status, _ = git.ask(
        "diff-index", "--cached", "--quiet", "--no-ext-diff", "--no-textconv", "HEAD", "--", allow=(0, 1, 128)
    )
    return status != 0


def _edited(source: DiskSource, tracked: dict[bytes, tuple[int, str]]) -> bool:
    """A tracked file that is read differs from what git has. Another object format than SHA-1 is left unsaid."""
    for path, (_, key) in tracked.items():
        file = source.file(path.decode("utf-8", "backslashreplace"))
        if file.key and len(key) == 40 and file.key != key and not _only_line_ends(source, file, key):
            return True
    return False


def _only_line_ends(source: DiskSource, file: SourceFile, key: str) -> bool:
    """git may have stored a text with other line ends than it checked out."""
    return any(blob_id(data.replace(b"\r\n", b"\n")) == key for _, data in source.read_many([file.path]))


def open_folder(root: Path, cache: Path | None, **about) -> DiskSource:
    """The files of a folder that is no repository, without what its `.gitignore` files name."""
    notes: list[str] = []
    files = list(islice(_walk(root, notes), MAX_FILES + 1))
    if len(files) > MAX_FILES:
        notes.append(too_many())
    return DiskSource("folder", root, files[:MAX_FILES], cache, notes=notes, **about)


def _walk(root: Path, notes: list[str]) -> Iterator[SourceFile]:
    waiting = [("", Ignored.nothing())]
    while waiting:
        folder, ignored = waiting.pop()
        try:
            with os.scandir(root / folder) as found:
                entries = sorted(islice(found, MAX_FILES + 1), key=lambda entry: entry.name, reverse=True)
        except OSError as error:
            if not folder:
                raise Unreadable("this folder cannot be read", known=_said(error)) from None
            yield SourceFile(folder, skipped=_said(error))
            continue
        if any(entry.name == ".gitignore" for entry in entries):
            ignored = ignored.and_in(folder, root / folder / ".gitignore", notes)
        for entry in entries:
            path = f"{folder}/{entry.name}" if folder else entry.name
            is_folder = entry.is_dir(follow_symlinks=False)
            if (is_folder and _made_by_tools(entry)) or ignored.hides(path, is_folder):
                continue
            if is_folder and path.count("/") < MAX_DEPTH:
                waiting.append((path, ignored))
            else:
                yield listed(
                    os.fsencode(path), skipped=f"more than {MAX_DEPTH} folders deep" if is_folder else ""
                )


def _made_by_tools(entry: os.DirEntry) -> bool:
    return entry.name in _MADE_BY_TOOLS or os.path.lexists(os.path.join(entry.path, "pyvenv.cfg"))  # noqa: PTH118


def _said(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower() if error.errno else str(error.strerror)
