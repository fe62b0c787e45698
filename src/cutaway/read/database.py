# What was read once is kept in a SQLite file. It is a cache: a file that is damaged is set aside, one that cannot be written
# is replaced by a private one that lives as long as we do, and a row that is not whole counts as absent.
"""`Database`: bytes by key, safe against a kill at any moment and against other writers."""

from __future__ import annotations

import contextlib
import hashlib
import re
import sqlite3
import time
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from cutaway.errors import OutputError

__all__ = ["Database"]

FORMAT = 1
_OLD = 30 * 86400  # s without use, then the index of another version of the reader is removed
_WAIT = 30.0  # s for another writer
_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS kept (kind TEXT NOT NULL, key BLOB NOT NULL, body BLOB NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS by_key ON kept (kind, key);
PRAGMA user_version = {FORMAT};
COMMIT;
"""


class Database:
    """One file per repository name and version of what makes the rows; private and temporary without a folder.
    `notes` says what was wrong with it."""

    def __init__(self, folder: Path | None, name: str, version: str):
        self.notes: list[str] = []
        self._path = _place(folder, name, version) if folder else None
        self._connection = self._open()

    def keys(self, kind: str) -> set[bytes]:
        """The keys of all rows of a kind."""
        return {key for (key,) in self._ask("SELECT key FROM kept WHERE kind = ?", (kind,))}

    def get(self, kind: str, keys: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
        """(key, body) of those rows that are there and whole."""
        for key in keys:
            for (stored,) in self._ask("SELECT body FROM kept WHERE kind = ? AND key = ?", (kind, key)):
                if (body := _whole(stored)) is not None:
                    yield key, body

    def put(self, kind: str, rows: Iterable[tuple[bytes, bytes]]) -> None:
        """Store rows, all or none; in place of those with the same keys."""
        ready = [(kind, key, zlib.crc32(body).to_bytes(4, "little") + body) for key, body in rows]

        def write() -> None:
            with self._connection as transaction:
                transaction.execute("BEGIN IMMEDIATE")
                transaction.executemany("INSERT OR REPLACE INTO kept VALUES (?, ?, ?)", ready)

        self._safely(write)

    def drop(self, kind: str, keys: Iterable[bytes]) -> None:
        """Forget rows."""

        def write() -> None:
            with self._connection as transaction:
                transaction.execute("BEGIN IMMEDIATE")
                transaction.executemany(
                    "DELETE FROM kept WHERE kind = ? AND key = ?", [(kind, key) for key in keys]
                )

        self._safely(write)

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def _ask(self, query: str, values: tuple) -> list[tuple]:
        return self._safely(lambda: self._connection.execute(query, values).fetchall()) or []

    def _safely(self, action):
        """The action's result; if the file fails, a new one takes its place and the result of an empty one is given."""
        try:
            return action()
        except sqlite3.Error as error:
            self._replace(error)
        try:
            return action()
        except sqlite3.Error as error:
            raise OutputError(
                "there is no room for an index", known=str(error), try_="CUTAWAY_CACHE_DIR"
            ) from None

    def _open(self) -> sqlite3.Connection:
        until = time.monotonic() + _WAIT
        while True:
            try:
                return self._connect(self._path)
            except (sqlite3.Error, OSError) as error:
                if self._path is None:
                    raise OutputError(
                        "there is no room for an index", known=str(error), try_="TMPDIR"
                    ) from None
                if "locked" in str(error) and time.monotonic() < until:
                    time.sleep(
                        0.05
                    )  # two that make it at the same moment: SQLite does not wait for this by itself
                else:
                    self._give_up(error)

    def _connect(self, path: Path | None) -> sqlite3.Connection:
        if path:
            path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path or "", timeout=_WAIT, isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version not in (0, FORMAT):
                raise sqlite3.DatabaseError(f"format {version}, not {FORMAT}")
            if version == 0:
                connection.executescript(_SCHEMA)
            connection.execute("SELECT body FROM kept WHERE kind = ? LIMIT 1", ("",)).fetchone()
        except BaseException:
            connection.close()
            raise
        return connection

    def _replace(self, error: sqlite3.Error) -> None:
        with contextlib.suppress(sqlite3.Error):
            self._connection.close()
        self._give_up(error)
        self._connection = self._open()

    def _give_up(self, error: Exception) -> None:
        """Set the file aside if it is damaged; else go on without it."""
        damaged = isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError)
        if damaged and self._path and self._set_aside(self._path):
            self.notes.append(f"the index was damaged ({error}) and is made anew")
        else:
            self.notes.append(f"the index cannot be kept ({error}); this run goes on without")
            self._path = None

    def _set_aside(self, path: Path) -> bool:
        try:
            for suffix in ("-wal", "-shm", ""):
                part = path.with_name(path.name + suffix)
                if part.exists():
                    part.replace(path.with_name(path.name + suffix + ".damaged"))
        except OSError:
            return False
        return True


def _place(folder: Path, name: str, version: str) -> Path:
    """The file's path; what other versions left long ago is removed."""
    readable = re.sub(r"[^A-Za-z0-9_.]+", "_", name)[:40]
    stem = f"{readable}-{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"
    own = folder / "index" / f"{stem}-{version}.db"
    for other in own.parent.glob(f"{stem}-*"):
        with contextlib.suppress(OSError):
            if not other.name.startswith(own.name) and time.time() - other.stat().st_mtime > _OLD:
                other.unlink()
    return own


def _whole(stored: bytes) -> bytes | None:
    body = stored[4:] if isinstance(stored, bytes) else b""
    return (
        body if isinstance(stored, bytes) and zlib.crc32(body).to_bytes(4, "little") == stored[:4] else None
    )
