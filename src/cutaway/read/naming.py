# The same commit in two folders is the same repository: where no address names it, it is called what it calls itself.
"""The name that a repository declares."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable

from cutaway.errors import Unreadable
from cutaway.read.files import Source

__all__ = ["declared_name"]


def declared_name(source: Source) -> str:
    """The name in the first of its manifests that has one, or ''."""
    for path, name_in in _MANIFESTS.items():
        if path not in source:
            continue
        try:
            name = name_in(source.read(path).decode("utf-8"))
        except (Unreadable, ValueError, LookupError, TypeError, AttributeError, RecursionError):
            continue  # a manifest that is broken or says nothing names nothing
        if isinstance(name, str) and re.fullmatch(r"[\w@./+-]{1,100}", name):
            return name.rpartition("/")[2]
    return ""


def _from_pyproject(text: str) -> str:
    found = tomllib.loads(text)
    return found["project"]["name"] if "project" in found else found["tool"]["poetry"]["name"]


def _matching(pattern: str) -> Callable[[str], str]:
    compiled = re.compile(pattern, re.MULTILINE)
    return lambda text: compiled.search(text)[1]  # pyrefly: ignore[unsupported-operation]


_MANIFESTS: dict[str, Callable[[str], str]] = {
    "pyproject.toml": _from_pyproject,
    "setup.cfg": _matching(r"^name\s*=\s*(\S+)"),
    "Cargo.toml": lambda text: tomllib.loads(text)["package"]["name"],
    "go.mod": _matching(r"^module\s+(\S+)"),
    "package.json": lambda text: json.loads(text)["name"],
    "CMakeLists.txt": _matching(r"(?i)^\s*project\s*\(\s*\"?([\w.-]+)"),
}
