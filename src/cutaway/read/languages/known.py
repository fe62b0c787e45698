# Which language a file is written in: by name, by suffix, and for the few shared suffixes by what it begins with.
"""The language of a file."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

__all__ = ["HEAD", "language_of"]

HEAD = 16 << 10  # bytes of a file that are enough to tell

_SUFFIXES = {
    "python": ".py .pyi .pyw",
    "c": ".c",
    "cpp": ".cc .cpp .cxx .c++ .hpp .hh .hxx .h++ .ipp .tpp .inl .mm .m .metal",
    "cuda": ".cu .cuh .hip",
    "rust": ".rs",
    "go": ".go",
    "typescript": ".ts .tsx .mts .cts",
    "javascript": ".js .jsx .mjs .cjs",
    "shell": ".sh .bash .zsh",
    "docker": ".dockerfile",
    "make": ".mk .mak",
    "cmake": ".cmake",
    "toml": ".toml",
    "yaml": ".yaml .yml",
    "json": ".json",
    "markdown": ".md .markdown .mdx",
    "text": ".txt .rst .cfg .ini .mod",
}
_BY_SUFFIX = {suffix: language for language, row in _SUFFIXES.items() for suffix in row.split()}
_BY_NAME = {
    "makefile": "make",
    "gnumakefile": "make",
    "cmakelists.txt": "cmake",
    "go.mod": "text",
    "readme": "text",
    "license": "text",
}
_CONTAINER = re.compile(r"(dockerfile|containerfile)([._-].*)?")
_BY_SHEBANG = (
    (re.compile(rb"#!.*\bpython"), "python"),
    (re.compile(rb"#!.*\b(ba|z|da|k)?sh\b"), "shell"),
    (re.compile(rb"#!.*\bnode\b"), "javascript"),
)
# A `.h` belongs to C unless it says otherwise.
_CUDA = re.compile(rb"\b__(global|device|launch_bounds|shared)__\b|#\s*include\s*[<\"](cuda|hip)[\w/]*\.")
_CPP = re.compile(
    rb"^\s*(namespace\b|template\s*<|using\s|class\s+\w|public:|private:|#\s*include\s*<[a-z_]+>)"
    rb"|\bstd::|\bat::|\btorch::|\bconstexpr\b|\bnullptr\b",
    re.MULTILINE,
)


def language_of(path: str, head: bytes) -> str:
    """One of the languages of `FileRecord`, or empty. `head` is the first `HEAD` bytes of the file (fewer also do)."""
    if _binary(head):
        return ""
    pure = PurePosixPath(path.lower())
    name, suffix = pure.name, pure.suffix
    if name in _BY_NAME:
        return _BY_NAME[name]
    if _CONTAINER.fullmatch(name) and suffix not in (".py", ".md", ".sh"):
        return "docker"
    if suffix == ".h":
        return "cuda" if _CUDA.search(head) else "cpp" if _CPP.search(head) else "c"
    if suffix in _BY_SUFFIX:
        return _BY_SUFFIX[suffix]
    if not suffix and head.startswith(b"#!"):
        first = head.split(b"\n", 1)[0]
        return next((language for pattern, language in _BY_SHEBANG if pattern.match(first)), "")
    return ""


def _binary(head: bytes) -> bool:
    """NUL bytes stand in no source text, except in UTF-16 and UTF-32, which begin with their mark."""
    return b"\0" in head and not head.startswith((b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff"))
