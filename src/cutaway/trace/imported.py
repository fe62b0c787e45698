# A user's file is imported as its own code expects: alone, with its folder at hand, or, where it imports relatively, as a
# part of the package that its folders are.
"""`import_file(path, asked)`: the module of a file, and what to say when that fails."""

import ast
import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError
from itertools import takewhile
from pathlib import Path
from types import ModuleType

from cutaway.errors import BadValue, CutawayError, ForwardRaised, NeedsExtra


def import_file(path: Path, asked: str) -> ModuleType:
    """Runs the file at the absolute `path`. ForwardRaised, NeedsExtra or BadValue say why it could not."""
    packages = [f.name for f in takewhile(lambda folder: (folder / "__init__.py").exists(), path.parents)]
    climbs = _climbs(path)
    names = [f.name for f in path.parents][: max(len(packages), climbs)][::-1]
    relative = climbs > 0 and all(name.isidentifier() for name in (*names, path.stem))
    with _at_hand(path.parent, path.parents[len(names)]):
        try:
            return _as_part(path, names, asked) if relative else _alone(path)
        except ModuleNotFoundError as error:
            raise lacking(error, f"importing {path.name}", asked) from error
        except CutawayError:
            raise
        except Exception as error:
            raise ForwardRaised.caused_by(error, f"importing {path.name} failed", asked=asked) from error


def lacking(error: ModuleNotFoundError, doing: str, asked: str) -> NeedsExtra | ForwardRaised:
    """What to say of an import that is missing. A package that looks for its distributions at import (`requires(...)` of
    Transformers and its kin) raises the same class with a sentence in place of the name."""
    if isinstance(error, PackageNotFoundError) or not error.name:
        return ForwardRaised.caused_by(error, f"{doing} failed", asked=asked)
    package = error.name.partition(".")[0]
    return NeedsExtra(
        f"{doing} needs {error.name}, which is not installed", asked=asked, try_=f"pip install {package}"
    )


def _climbs(path: Path) -> int:
    """How many packages up the file's imports reach: 1 for `from .layers import Norm`."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return 0  # importing it says where
    return max((node.level for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)), default=0)


def _as_part(path: Path, names: list[str], asked: str) -> ModuleType:
    module = importlib.import_module(".".join((*names, path.stem)))
    if Path(module.__file__ or "").resolve() != path:
        raise BadValue(
            f"another package {names[0]!r} is loaded already",
            asked=asked,
            where=module.__file__,
            try_=f"rename the folder {names[0]}",
        )
    return module


def _alone(path: Path) -> ModuleType:
    name = path.name  # `plain.py`: what was typed, and no name that an import could ask for
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    module.__package__ = ""
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@contextmanager
def _at_hand(*folders: Path) -> Iterator[None]:
    """The file's neighbours, and its package by its full name, can be imported, before what is installed."""
    added = [str(folder) for folder in folders]
    sys.path[:0] = added
    try:
        yield
    finally:
        for folder in added:
            sys.path.remove(folder)
