# What people type is a name, a path, a class or a repository. This file decides which, reads the config
# if there is one, and imports nothing that is not installed unless the caller says the code is trusted.
"""`resolve("llama-3.1-8b") -> Target`: from the words on the command line to something to work on."""

import ast
import importlib
import importlib.util
import json
import pkgutil
import re
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FunctionType

from cutaway import catalogue
from cutaway.errors import BadConfig, BadValue, ForwardRaised, NeedsExtra, NeedsTrust, UnknownTarget
from cutaway.trace import hub
from cutaway.trace.classes import find_classes
from cutaway.trace.config import check_config, read_config
from cutaway.trace.factories import class_of
from cutaway.trace.imported import import_file, lacking

__all__ = ["Target", "load_class", "parse_args", "resolve"]

KINDS = ("model", "class", "file_class", "repo")
_CLASS = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")
_COLON = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
_HF_ID = re.compile(r"[\w.-]+/[\w.-]+")
_GIT_URL = re.compile(r"(https?|git|ssh)://|git@[\w.-]+:")


@dataclass(frozen=True)
class Target:
    """What a command works on.

    kind "model": `config` is known; "class": `class_name` is importable; "file_class": `path` holds
    `class_name`; "repo": `path` is a folder, or `text` a git URL.
    """

    kind: str
    name: str
    text: str
    config: dict | None = field(default=None, repr=False, compare=False)
    entry: catalogue.Entry | None = field(default=None, repr=False)
    class_name: str | None = None
    path: Path | None = None
    args: dict = field(default_factory=dict, compare=False)
    trust_code: bool = False


def resolve(text: str, trust_code: bool = False, args: dict | None = None) -> Target:
    """The target that `text` means; UnknownTarget with the nearest names if it means nothing.

    >>> resolve("llama-3.1-8b").name
    'meta-llama/Llama-3.1-8B'
    >>> resolve("torch.nn.Linear").kind
    'class'
    """
    text = text.strip()
    if not text:
        raise UnknownTarget("no target was given", try_="a model, a class, a config.json or a folder")
    found = _resolve(text)
    return Target(**{"name": text, "text": text, "args": dict(args or {}), "trust_code": trust_code} | found)


def load_class(target: Target) -> type:
    """The class of a "class" or "file_class" target, imported; of a function, that of what it makes. Code that is not
    installed needs trust."""
    if target.kind not in ("class", "file_class"):
        raise BadValue(f"a {target.kind} target is no class", asked=target.text)
    module_name, found = _of_file(target) if target.kind == "file_class" else _import_class(target)
    if isinstance(found, FunctionType):
        return class_of(found)
    if not isinstance(found, type):
        raise UnknownTarget(
            "that is no class and no function",
            asked=target.text,
            where=module_name,
            known=f"it is a {type(found).__name__}",
        )
    return found


def parse_args(pairs: list[str] | tuple[str, ...]) -> dict:
    """`["n_embd=768", "bias=false"]` -> `{"n_embd": 768, "bias": False}`.

    >>> parse_args(["n_embd=768", "act=gelu", "p=0.5", "bias=false"])
    {'n_embd': 768, 'act': 'gelu', 'p': 0.5, 'bias': False}
    """
    result = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.strip().isidentifier():
            raise BadValue("an argument is NAME=VALUE", asked=pair, try_="--arg n_embd=768")
        result[name.strip()] = _value(value.strip())
    return result


def _resolve(text: str) -> dict:
    """The fields of the Target for `text`. What exists on disk comes first, then names."""
    if _GIT_URL.match(text):
        return {"kind": "repo", "name": text.rstrip("/").rpartition("/")[2].removesuffix(".git")}
    file, colon, class_name = text.rpartition(":")
    if colon and file.endswith(".py"):
        return _file_class(text, Path(file).expanduser(), class_name)
    if _COLON.fullmatch(text):
        return _qualified(text.replace(":", "."))
    path = Path(text).expanduser()
    if path.is_dir():
        return _folder(path)
    if path.is_file():
        return _file(text, path)
    if path.suffix in (".json", ".py") or text.startswith((".", "/", "~")):
        raise _no_file(text, path)
    return _named(text)


def _named(text: str) -> dict:
    try:
        entry = catalogue.find(text)
    except UnknownTarget as unknown:
        if _CLASS.fullmatch(text):
            return _qualified(text)
        if _HF_ID.fullmatch(text):
            return {"kind": "model", "name": text, "config": check_config(hub.config_of(text, unknown), text)}
        raise _with_classes(text, unknown) from None
    return {"kind": "model", "name": entry.id, "config": entry.config, "entry": entry}


def _with_classes(name: str, error: UnknownTarget) -> UnknownTarget:
    """The error with the qualified names of classes called `name`, if torch or Transformers has any."""
    places = find_classes(name)
    if places:
        error.what = f"{name} is a class, and needs the module that it is in"
        error.known = ", ".join(places[:5]) + (f" and {len(places) - 5} more" if len(places) > 5 else "")
        error.try_ = f"cutaway cost {places[0]}"
    return error


def _folder(path: Path) -> dict:
    config = path / "config.json"
    if config.is_file():
        return _file(str(config), config) | {"name": path.resolve().name}
    return {"kind": "repo", "name": path.resolve().name, "path": path}


def _file(text: str, path: Path) -> dict:
    if path.suffix == ".py":
        raise UnknownTarget(
            "a Python file needs the class in it",
            asked=text,
            known=_classes_known(path),
            try_=f"{text}:ClassName",
        )
    name = path.resolve().parent.name if path.name == "config.json" else path.stem
    return {"kind": "model", "name": name, "path": path, "config": read_config(path)}


def _file_class(text: str, path: Path, class_name: str) -> dict:
    if not path.is_file():
        raise _no_file(text, path)
    classes, functions = _classes_in(path), _classes_in(path, ast.FunctionDef)
    if class_name not in (*classes, *functions):
        raise UnknownTarget.among(
            class_name,
            [*classes, *functions],
            what=f"no class or function {class_name!r} in that file",
            where=str(path),
            try_=_classes_known(path),
        )
    return {"kind": "file_class", "name": f"{path.name}:{class_name}", "path": path, "class_name": class_name}


def _qualified(text: str) -> dict:
    """A dotted name. Its package must be there; the rest is looked up when it is imported."""
    top = text.partition(".")[0]
    if importlib.util.find_spec(top) is None:
        if top in ("torch", "transformers"):
            raise NeedsExtra.named("torch", top, asked=text)
        raise UnknownTarget.among(
            top,
            _installed_packages(),
            what="no package of that name is installed",
            try_="a model of `cutaway models`, a config.json, or file.py:Class",
        )
    return {"kind": "class", "class_name": text}


def _import_class(target: Target) -> tuple[str, object]:
    """(module, object) for a dotted name, importing the longest prefix that is a module."""
    parts = target.class_name.split(".")
    if not target.trust_code and not is_installed(parts[0]):
        raise NeedsTrust(
            "that code is not in an installed package and would run",
            asked=target.text,
            try_="read it, then add --trust-code",
        )
    module, rest = _import_longest(parts, target.text)
    found = module
    for name in rest:
        if not hasattr(found, name):
            raise _with_classes(
                name,
                UnknownTarget.among(
                    name,
                    _names_in(module),
                    what=f"no {name!r} in {module.__name__}",
                    where=getattr(module, "__file__", None),
                ),
            )
        found = getattr(found, name)
    return module.__name__, found


def _import_longest(parts: list[str], asked: str):
    for end in range(len(parts) - 1, 0, -1):
        name = ".".join(parts[:end])
        try:
            return importlib.import_module(name), parts[end:]
        except ModuleNotFoundError as error:
            if error.name is None or not (name == error.name or name.startswith(error.name + ".")):
                raise lacking(error, f"importing {name}", asked) from error
        except Exception as error:
            raise ForwardRaised.caused_by(error, f"importing {name} failed", asked=asked) from error
    raise UnknownTarget("no such module", asked=asked)


def is_installed(package: str) -> bool:
    """Whether the top-level `package` is part of Python or of an installed distribution's files."""
    spec = importlib.util.find_spec(package)
    if spec is None:
        return False
    if spec.origin in ("built-in", "frozen"):
        return True
    places = [spec.origin] if spec.origin else list(spec.submodule_search_locations or ())
    return all(in_installed_place(Path(place)) for place in places)


def in_installed_place(path: Path) -> bool:
    """Whether `path` lies in site-packages or the standard library."""
    roots = {
        Path(sysconfig.get_path(key)).resolve() for key in ("stdlib", "platstdlib", "purelib", "platlib")
    }
    return any(path.resolve().is_relative_to(root) for root in roots)


def _of_file(target: Target) -> tuple[str, object]:
    path = target.path.resolve()
    if not target.trust_code and not in_installed_place(path):
        raise NeedsTrust(
            "that file's code would run",
            asked=target.text,
            where=str(target.path),
            try_="read it, then add --trust-code",
        )
    return path.name, getattr(import_file(path, target.text), target.class_name)


def _classes_in(path: Path, kind: type[ast.stmt] = ast.ClassDef) -> list[str]:
    """The classes, or functions, that a file defines at its top level or under an `if` or `try`, read without running it."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        raise BadConfig(
            "that file is not Python", where=f"{path}:{line}" if line else str(path), known=str(error)
        ) from error
    return [node.name for node in _statements(tree.body) if isinstance(node, kind)]


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for node in body:
        yield node
        if isinstance(node, (ast.If, ast.Try)):
            handled = (handler.body for handler in getattr(node, "handlers", ()))
            for block in (node.body, *handled, node.orelse, getattr(node, "finalbody", [])):
                yield from _statements(block)


def _classes_known(path: Path) -> str | None:
    classes = _classes_in(path)
    return "classes in it: " + ", ".join(classes[:12]) if classes else "there is no class in it"


def _names_in(module) -> list[str]:
    """What a module offers: its classes, and its submodules when it is a package."""
    names = [name for name in dir(module) if not name.startswith("_")]
    return names + [m.name for m in pkgutil.iter_modules(getattr(module, "__path__", ()))]


def _installed_packages() -> list[str]:
    return sorted({m.name for m in pkgutil.iter_modules() if not m.name.startswith("_")})


def _no_file(text: str, path: Path) -> UnknownTarget:
    folder = path.parent if path.parent.is_dir() else None
    names = [p.name for p in folder.iterdir()] if folder else []
    return UnknownTarget.among(path.name, names, what="no such file or folder", where=text)


def _value(text: str) -> object:
    """A number, true, false, none, a JSON list or object, or else the text."""
    words = {"true": True, "false": False, "none": None, "null": None}
    if text.casefold() in words:
        return words[text.casefold()]
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
