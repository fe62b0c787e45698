# setup.py and setup.cfg. setup.py is a program: it is read as Python, and what stands literally in its `setup(...)` call is
# what it declares; nothing of it is run.
"""`read_setup_py`, `read_setup_cfg`: (path, text) -> FileRecord."""

from __future__ import annotations

import ast
import re

from msgspec.structs import replace

from cutaway.model.code import FileRecord
from cutaway.read.languages.manifests.common import Notes, dependency
from cutaway.read.languages.python import read_python

__all__ = ["read_setup_cfg", "read_setup_py"]

_EXTENSION = re.compile(
    r"(Extension|CUDAExtension|CppExtension|SYCLExtension|RustExtension|Pybind11Extension|CMakeExtension)$"
)


def read_setup_py(path: str, text: str) -> FileRecord:
    record = read_python(path, text)
    notes = Notes("python", text)
    tree = ast.parse(text)
    assigned = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        callee = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        words = {k.arg: k.value for k in node.keywords if k.arg}
        if callee == "setup":
            _setup(notes, words, assigned)
        elif _EXTENSION.search(callee):
            name = _text(node.args[0] if node.args else words.get("name"), assigned)
            notes.mark("target", node.lineno, name, type="extension", callee=callee)
    return replace(record, marks=sorted([*record.marks, *notes.marks], key=lambda mark: mark.line))


def _setup(notes: Notes, words: dict[str, ast.expr], assigned: dict[str, ast.expr]) -> None:
    if "name" in words:
        notes.mark("title", words["name"].lineno, _text(words["name"], assigned))
    if "python_requires" in words:
        notes.mark(
            "dependency",
            words["python_requires"].lineno,
            "python",
            version=_text(words["python_requires"], assigned),
        )
    for key, group in (("install_requires", ""), ("setup_requires", "build"), ("tests_require", "test")):
        for line, text in _texts(words.get(key), assigned):
            dependency(notes, line, text, group=group)
    for group, value in _items(words.get("extras_require"), assigned):
        for line, text in _texts(value, assigned):
            dependency(notes, line, text, group=group)
    for group, value in _items(words.get("entry_points"), assigned):
        for line, text in _texts(value, assigned):
            name, _, target = text.partition("=")
            notes.mark(
                "script",
                line,
                name.strip(),
                target=target.strip(),
                group="" if group == "console_scripts" else group,
            )
    for line, text in _texts(words.get("scripts"), assigned):
        notes.mark("script", line, text.rpartition("/")[2], target=text)


def _followed(node: ast.expr | None, assigned: dict[str, ast.expr]) -> ast.expr | None:
    return assigned.get(node.id) if isinstance(node, ast.Name) else node


def _text(node: ast.expr | None, assigned: dict[str, ast.expr]) -> str:
    node = _followed(node, assigned)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _texts(node: ast.expr | None, assigned: dict[str, ast.expr]) -> list[tuple[int, str]]:
    node = _followed(node, assigned)
    if isinstance(node, ast.List | ast.Tuple | ast.Set):
        return [
            (e.lineno, e.value) for e in node.elts if isinstance(e, ast.Constant) and isinstance(e.value, str)
        ]
    text = _text(node, assigned)
    return (
        [(node.lineno, line.strip()) for line in text.split("\n") if line.strip()]
        if node is not None and text
        else []
    )


def _items(node: ast.expr | None, assigned: dict[str, ast.expr]) -> list[tuple[str, ast.expr]]:
    node = _followed(node, assigned)
    if not isinstance(node, ast.Dict):
        return []
    return [(_text(k, assigned), v) for k, v in zip(node.keys, node.values, strict=True) if k is not None]


def read_setup_cfg(path: str, text: str) -> FileRecord:
    """By lines: a key's value may go on, indented, below it."""
    notes = Notes("text", text)
    section = key = ""
    for number, line in enumerate(text.split("\n"), 1):
        if found := re.match(r"^\[([^\]]+)\]", line):
            section, key = found[1], ""
            continue
        if line.strip().startswith(("#", ";")) or not line.strip():
            continue
        value = line.strip()
        if not line.startswith((" ", "\t")):
            key, _, value = (part.strip() for part in line.partition("="))
        if not value:
            continue
        if section == "metadata" and key == "name":
            notes.mark("title", number, value)
        elif section == "options" and key in ("install_requires", "setup_requires"):
            dependency(notes, number, value, group="" if key.startswith("install") else "build")
        elif section == "options" and key == "python_requires":
            notes.mark("dependency", number, "python", version=value)
        elif section == "options.extras_require":
            dependency(notes, number, value, group=key)
        elif section == "options.entry_points":
            name, _, target = (part.strip() for part in value.partition("="))
            notes.mark("script", number, name, target=target, group="" if key == "console_scripts" else key)
    return notes.record()
