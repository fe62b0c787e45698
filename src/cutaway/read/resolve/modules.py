# Python's module names and the files behind them, without a search path: a repository is laid out as packages under
# roots (`.`, `src`, `python`, ...), and every suffix of a path that only one file has is a name for it.
"""`Modules`: dotted names to files and back."""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from collections.abc import Iterable
from itertools import takewhile

__all__ = ["STUBS", "Modules", "shared"]

# What a type checker is told of the packages of others: nothing of it runs.
STUBS = re.compile(r"(?:^|/)(?:\.?typings|stubs|[\w.-]+-stubs)/.*\.pyi$")


class Modules:
    """The Python files of a repository as modules."""

    def __init__(self, paths: Iterable[str]):
        self.package: dict[str, str] = {}  # path -> the dotted name below its root
        self.files: dict[str, list[str]] = defaultdict(list)
        self._meant: dict[str, list[str]] = {}  # dotted name -> the files that it may mean
        python = [p for p in paths if p.endswith((".py", ".pyi")) and not STUBS.search(p)]
        packages = {p.rpartition("/")[0] for p in python if p.rpartition("/")[2] == "__init__.py"}
        for path in python:
            parts = path.removesuffix("i").removesuffix(".py").split("/")
            root = len(parts) - 1
            while root > 0 and "/".join(parts[:root]) in packages:
                root -= 1
            dotted = parts[root:] if parts[-1] != "__init__" else parts[root:-1]
            self.package[path] = ".".join(dotted)
            for start in range(
                len(parts)
            ):  # folders without __init__.py are packages too, when they are imported so
                name = parts[start:] if parts[-1] != "__init__" else parts[start:-1]
                if name:
                    self.files[".".join(name)].append(path)

    def find(self, name: str, near: str = "") -> str | None:
        """The file of a dotted module name, preferring the one whose package is exactly this and that lies nearest to
        the importing file `near`."""
        if name not in self.files:
            return None
        some = self._meant.get(name)
        if some is None:
            found = self.files[name]
            exact = [p for p in found if self.package[p] == name and ("." in name or self._importable(p))]
            some = self._meant[name] = exact or (found if "." in name else [])
        if len(some) < 2:
            return some[0] if some else None
        return max(some, key=lambda p: (shared(p, near), -len(p), p))

    def _importable(self, path: str) -> bool:
        """Does a one-part name mean this file, wherever it is imported? Not a script in some folder, nor what the standard
        library calls so."""
        if self.package[path] in sys.stdlib_module_names:
            return False
        return path.endswith("__init__.py") or path.rpartition("/")[0] in ("", "src", "python", "lib")

    def absolute(self, module: str, path: str) -> str:
        """`module` as written in `path`, its leading dots resolved."""
        if not module.startswith("."):
            return module
        rest = module.lstrip(".")
        up = len(module) - len(rest)
        here = path.removesuffix(".py").split("/")
        folder = here[: len(here) - up]
        return ".".join([*folder, *([rest] if rest else [])])

    def resolve(self, module: str, path: str) -> str | None:
        """The file that `from module import ...` in `path` reads."""
        if not module.startswith("."):
            sibling = self._sibling(module, path)
            return sibling or self.find(module, path)
        name = self.absolute(module, path)
        base = name.replace(".", "/")
        for candidate in (f"{base}.py", f"{base}/__init__.py", f"{base}.pyi"):
            if candidate in self.package:
                return candidate
        return None

    def _sibling(self, module: str, path: str) -> str | None:
        """A script imports what lies beside it."""
        folder = path.rpartition("/")[0]
        if f"{folder}/__init__.py".lstrip("/") in self.package:
            return None
        base = "/".join(filter(None, [folder, module.replace(".", "/")]))
        return next((c for c in (f"{base}.py", f"{base}/__init__.py") if c in self.package), None)

    def submodule(self, path: str, name: str) -> str | None:
        """The file of the module `name` in the package whose `__init__.py` is `path`."""
        if not path.endswith("__init__.py"):
            return None
        base = f"{path.removesuffix('__init__.py')}{name}"
        return next((c for c in (f"{base}.py", f"{base}/__init__.py") if c in self.package), None)


def shared(one: str, other: str) -> int:
    """How many parts two paths have in common from the root on."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one.split("/"), other.split("/"), strict=False)))
