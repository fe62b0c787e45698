# Files of the cache appear whole or not at all, whoever else writes and whenever we are killed. A folder
# that cannot be written is no error: one line on stderr, and on without it.
"""Where answers lie: reading, writing, counting and clearing."""

import contextlib
import hashlib
import json
import os
import shutil
import sys
import tempfile
import zlib
from pathlib import Path

TAG = (
    "Signature: 8a477f597d28d172789f06886806bc55\n"
    "# This folder is a cache of cutaway; see https://bford.info/cachedir/\n"
)
_CLONE = "[0-9a-f]" * 24 + ".git"
_OF_REPOSITORIES = tuple(
    f"repositories/{rest}"
    for rest in ("index/*.db*", "index/*.stamps", "index/*.part", f"clones/{_CLONE}/**/*")
)
_warned = False


def location() -> Path:
    """`CUTAWAY_CACHE_DIR`, or the platform's cache folder."""
    if chosen := os.environ.get("CUTAWAY_CACHE_DIR"):
        return Path(chosen).expanduser().absolute()
    from platformdirs import user_cache_dir

    return Path(user_cache_dir("cutaway", appauthor=False))


def read(name: str) -> tuple[dict, str] | None:
    """(header, text) of an entry; None when there is none or it is not whole."""
    try:
        head, _, packed = (location() / name).read_bytes().partition(b"\n")
        header = json.loads(head)
        body = zlib.decompress(packed)
    except (OSError, ValueError, zlib.error):
        return None
    whole = isinstance(header, dict) and header.get("sha256") == hashlib.sha256(body).hexdigest()
    return (header, body.decode("utf-8")) if whole else None


def names(pattern: str) -> list[str]:
    """The entries whose name fits, in order."""
    return sorted(str(path.relative_to(location())) for path in location().glob(pattern))


def write(name: str, header: dict, text: str) -> bool:
    """Put an entry in place at once; False, with one warning for the process, when that cannot be done."""
    body = text.encode("utf-8")
    head = json.dumps(header | {"sha256": hashlib.sha256(body).hexdigest()}).encode("utf-8")
    try:
        _prepare(location())
        _replace(location() / name, head + b"\n" + zlib.compress(body, 1))
    except OSError as error:
        _warn_once(error)
        return False
    return True


def size() -> tuple[int, int]:
    """(entries, bytes); the bytes are also those of the indexes of repositories."""
    found = _entries()
    return sum(path.suffix == ".entry" for path in found), sum(_size_of(path) for path in found)


def clean() -> tuple[int, int]:
    """Remove every entry and whatever a killed process left; (entries, bytes) that are gone."""
    removed = [(path, _size_of(path)) for path in _entries()]
    for path, _ in removed:
        path.unlink(missing_ok=True)
    for clone in location().glob(f"repositories/clones/{_CLONE}"):
        shutil.rmtree(clone, ignore_errors=True)
    return sum(path.suffix == ".entry" for path, _ in removed), sum(amount for _, amount in removed)


def _entries() -> list[Path]:
    """Our files only, so that a folder shared by mistake loses nothing."""
    patterns = ("cost/*/*.entry", "cost/*/*.part", "*.part", *_OF_REPOSITORIES)
    return sorted(path for pattern in patterns for path in location().glob(pattern) if path.is_file())


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _prepare(base: Path) -> None:
    base.mkdir(parents=True, exist_ok=True)
    if not (base / "CACHEDIR.TAG").exists():
        _replace(base / "CACHEDIR.TAG", TAG.encode("ascii"))


def _replace(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, suffix=".part")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise


def _warn_once(error: OSError) -> None:
    global _warned
    if not _warned:
        _warned = True
        print(
            f"cutaway: the cache at {location()} cannot be written ({error.strerror or error}); "
            "going on without it",
            file=sys.stderr,
        )
