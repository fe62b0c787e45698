# One door to every language: what a file is, which reader it goes to, and what happens when that reader fails.
# The tables are the whole dispatch; a reader is imported when its first file comes.
"""Source files to records.

`read_file(path, data)` never raises: a reader that fails is followed by the next of its row, and a file that nothing
could read becomes a record with `parse='skipped'` and the reason. Nothing of a file is ever run or evaluated.
"""

from __future__ import annotations

from fnmatch import fnmatch
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

from msgspec.structs import replace

from cutaway.model.code import FileRecord
from cutaway.read.languages.decoding import count_lines, decode
from cutaway.read.languages.known import HEAD, language_of

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["HEAD", "decode", "language_of", "read_file", "readers_of"]

MAX_BYTES = 4 << 20  # larger files are data or generated

# language -> its reader, then those that take over when it fails.
READERS: dict[str, tuple[str, ...]] = {
    "python": ("python:read_python", "python_fallback:read_python_text"),
    "c": ("c_family:read_c", "patterns:read_patterns"),
    "cpp": ("c_family:read_cpp", "patterns:read_patterns"),
    "cuda": ("c_family:read_cuda", "patterns:read_patterns"),
    "rust": ("rust:read_rust",),
    "go": ("go:read_go",),
    "typescript": ("typescript:read_typescript",),
    "javascript": ("typescript:read_javascript",),
    "shell": ("manifests.shell:read_shell",),
    "docker": ("manifests.docker:read_docker",),
    "make": ("manifests.make:read_make",),
    "cmake": ("manifests.cmake:read_cmake",),
    "toml": ("manifests.toml:read_toml",),
    "yaml": ("manifests.yaml:read_yaml",),
    "json": ("manifests.json:read_json", "manifests.json:read_commented"),
    "markdown": ("manifests.markdown:read_markdown",),
    "text": ("manifests.text:read_text",),
}

# Files whose name says more than their language, first match of the pattern on the path.
NAMED: dict[str, tuple[str, ...]] = {
    "setup.py": ("manifests.setup:read_setup_py", *READERS["python"]),
    "setup.cfg": ("manifests.setup:read_setup_cfg",),
    "go.mod": ("manifests.text:read_go_mod",),
    "*requirements*.txt": ("manifests.text:read_requirements",),
    "requirements/*.txt": ("manifests.text:read_requirements",),
    "package.json": ("manifests.json:read_package",),
    "*.tsx": ("typescript:read_tsx",),
    "*.jsx": ("typescript:read_tsx",),
    ".github/workflows/*.y*ml": ("manifests.yaml:read_workflow",),
    "*compose*.y*ml": ("manifests.yaml:read_compose",),
}


def readers_of(path: str, language: str) -> tuple[str, ...]:
    """The readers of a file, best first, as `module:function`; none for a language that is not read. Two files of equal
    content and equal readers have equal records."""
    if language not in READERS:
        return ()
    anchored = f"/{path}"
    return next((r for pattern, r in NAMED.items() if fnmatch(anchored, f"*/{pattern}")), READERS[language])


def read_file(path: str, data: bytes) -> FileRecord:
    """What a file says. `path` is relative to its repository; only its name and folders are used."""
    language = language_of(path, data[:HEAD])
    readers = readers_of(path, language)
    if not readers:
        return FileRecord(language, 0, parse="skipped", why="no reader for this kind of file")
    if len(data) > MAX_BYTES:
        return FileRecord(language, count_lines(data), parse="skipped", why=f"more than {MAX_BYTES} bytes")
    text = decode(data)
    failures: list[str] = []
    for name in readers:
        try:
            record = _reader(name)(path, text)
        except Exception as error:  # hostile text may break any parser: the record says which and how
            failures.append(f"{type(error).__name__}: {str(error)[:160]}")
            continue
        return replace(record, parse="fallback", why="; ".join(failures)) if failures else record
    return FileRecord(language, text.count("\n") + 1, parse="skipped", why="; ".join(failures))


@cache
def _reader(name: str) -> Callable[[str, str], FileRecord]:
    module, function = name.split(":")
    return getattr(import_module(f"cutaway.read.languages.{module}"), function)
