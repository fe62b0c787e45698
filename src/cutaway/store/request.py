# Two questions are the same when nothing that can change the answer differs: what was asked, the config
# it names, this program, and the packages whose code runs. All of it is found without importing any of
# those packages.
"""`Request`: a question, and the key under which its answer is kept."""

import hashlib
import json
import os
import sys
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

from cutaway import __version__

PACKAGES = ("torch", "transformers")


@dataclass(frozen=True)
class Request:
    """What `analyse` is asked. `values` do not make another question, unless they lead to other branches."""

    target: str
    phase: str = "prefill"
    symbols: str = "shapes"
    dtype: str = "bfloat16"
    trust_code: bool = False
    args: dict = field(default_factory=dict)
    inputs: dict = field(default_factory=dict)
    execution: str = "eager"
    values: dict = field(default_factory=dict)

    def key(self) -> str:
        """The same for the same question to the same code."""
        asked = asdict(self)
        del asked["values"]
        known = {
            "asked": asked,
            "target": _identity(self.target.strip()),
            "cutaway": [__version__, _own_state()],
            "python": sys.version_info[:2],
            "packages": {name: version_of(name) for name in PACKAGES},
            "rules": _plugins(),
        }
        return digest(known)

    def folders(self) -> list[str]:
        """Where, besides sys.path, files of the target may lie."""
        path = _file_of(self.target)
        return [str(path.parent), os.getcwd()] if path else []  # noqa: PTH109


@cache
def _plugins() -> list[list[str]]:
    """Packages that bring rules of their own: with other rules the answer is another."""
    found = entry_points(group="cutaway.rules")
    return sorted([e.name, e.value, e.dist.version if e.dist else ""] for e in found)


def version_of(package: str) -> str | None:
    """The installed version, read from the names of the folders on sys.path."""
    for root in sys.path:
        try:
            names = os.listdir(root or ".")  # noqa: PTH208
        except OSError:
            continue
        for name in names:
            if name.startswith(f"{package}-") and name.endswith(".dist-info"):
                return name[len(package) + 1 : -len(".dist-info")]
    return None


def _identity(target: str) -> list[str | None]:
    """The content that a target's name stands for: its file, its config, or the hub's copy of it."""
    path = _file_of(target)
    if path:
        return [str(path), _digest(path)]
    folder = Path(target).expanduser() / "config.json"
    if folder.is_file():
        return [str(folder.absolute()), _digest(folder)]
    return ["name", _hub_revision(target) if target.count("/") == 1 else None]


def _file_of(target: str) -> Path | None:
    """The file in `config.json` or `file.py:Class`."""
    for text in (target, target.rpartition(":")[0]):
        path = Path(text).expanduser()
        if text and path.is_file():
            return path.absolute()
    return None


def _hub_revision(model_id: str) -> str | None:
    """The commit of the hub's local copy, if there is one."""
    home = os.environ.get("HF_HOME") or os.path.join(  # noqa: PTH118
        os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "huggingface"
    )
    cache = Path(os.environ.get("HF_HUB_CACHE") or Path(home) / "hub").expanduser()
    try:
        return (cache / f"models--{model_id.replace('/', '--')}" / "refs" / "main").read_text().strip()
    except OSError:
        return None


def _own_state() -> str:
    """Name, size and time of each of our files: an edit here is another program."""
    base = Path(__file__).parent.parent
    found = []
    for folder, folders, files in os.walk(base):
        folders[:] = sorted(f for f in folders if f != "__pycache__")
        stats = ((name, os.stat(os.path.join(folder, name))) for name in sorted(files))  # noqa: PTH116, PTH118
        found += [(os.path.relpath(folder, base), name, s.st_size, s.st_mtime_ns) for name, s in stats]
    return digest(found)


def _digest(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None


def digest(value: object) -> str:
    """One text for equal JSON values."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode("utf-8")).hexdigest()
