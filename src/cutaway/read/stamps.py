# To know that nothing has changed, the contents of all files would have to be read. A file whose size, times and place on
# disk are as they were has the content that it had; one that was touched is read again.
"""Content keys of files on disk, remembered by what `stat` says."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import time
from pathlib import Path

import msgspec

__all__ = ["Stamps"]

_FORMAT = 1
_SETTLED = 2 * 10**9  # ns: a file changed as recently as this may change again within one tick of its clock


class Stamp(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """`changed` is the inode's own time, which nobody can set back."""

    size: int
    modified: int
    changed: int
    inode: int
    key: str


class _Kept(msgspec.Struct, array_like=True):
    format: int
    stamps: dict[str, Stamp]


class Stamps:
    """Those of the files below `root`, in `cache`; without a cache, nothing is remembered."""

    def __init__(self, cache: Path | None, root: Path):
        name = hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:24]
        self._path = cache / "index" / f"{name}.stamps" if cache else None
        self._old = self._read()
        self._new: dict[str, Stamp] = {}
        self._now = time.time_ns()

    def find(self, path: str, found: os.stat_result) -> str:
        """The key of a file that is as it was, or ''."""
        stamp = self._old.get(path)
        if stamp is None or stamp != _stamp(found, stamp.key):
            return ""
        self._new[path] = stamp
        return stamp.key

    def keep(self, path: str, found: os.stat_result, key: str) -> None:
        """Remember what was read, unless the file may still be changing."""
        if max(found.st_mtime_ns, found.st_ctime_ns) < self._now - _SETTLED:
            self._new[path] = _stamp(found, key)

    def save(self) -> None:
        """Whole or not at all; a cache that cannot be written only costs time."""
        if self._path is None or self._new == self._old:
            return
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(dir=self._path.parent, suffix=".part")
            with os.fdopen(descriptor, "wb") as file:
                file.write(msgspec.msgpack.encode(_Kept(_FORMAT, self._new)))
            Path(name).replace(self._path)

    def _read(self) -> dict[str, Stamp]:
        try:
            kept = msgspec.msgpack.decode(self._path.read_bytes(), type=_Kept) if self._path else None
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            return {}
        return kept.stamps if kept and kept.format == _FORMAT else {}


def _stamp(found: os.stat_result, key: str) -> Stamp:
    return Stamp(found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, key)
