# What every command shares: the options --json, --format and -o, and the one place where results leave the
# program. A file appears whole or not at all; stdout carries data and nothing else.
"""`emit({"text": …, "json": …}, output)`: send a result where and how it was asked for."""

import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from cutaway.errors import BadValue, OutputError

__all__ = ["Output", "emit", "format_of", "make_folder", "say", "to_json", "write_atomic"]

_SUFFIXES = {
    ".json": "json", ".md": "md", ".markdown": "md", ".html": "html", ".htm": "html", ".csv": "csv", ".txt": "text",
    ".sarif": "sarif",
}  # fmt: skip


@Parameter(name="*")
@dataclass(frozen=True)
class Output:
    """How the answer leaves; a command takes it as its last parameter."""

    json: Annotated[bool, Parameter(negative="", show_default=False)] = False
    """Short for --format json."""
    format: Literal["text", "json", "md", "html", "csv", "sarif"] | None = None
    """The form of the answer; without it, the one that FILE's suffix says, else text."""
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None
    """Write to FILE instead of stdout."""


def emit(renderers: Mapping[str, Callable[[], str]], output: Output) -> None:
    """Render in the wanted format and write it. `renderers` maps a format's name to what makes it."""
    text = renderers[format_of(output, renderers)]()
    text = text if text.endswith("\n") else text + "\n"
    if output.output is None or str(output.output) == "-":
        _to_stdout(text)
    else:
        write_atomic(output.output, text)


def format_of(output: Output, available: Mapping | tuple, others: str = "") -> str:
    """The format that `output` asks for, one of `available`. `others` are endings that the command takes besides; raises
    BadValue for what it does not come in, so that it can be asked before the work."""
    if output.json and output.format not in (None, "json"):
        raise BadValue("--json and --format disagree", asked=f"--json --format {output.format}")
    wanted = "json" if output.json else output.format or _meant(output.output, available, others)
    if wanted not in available:
        raise BadValue("that answer does not come in this format", asked=wanted, known=", ".join(available))
    return wanted


def _meant(file: Path | None, available: Mapping | tuple, others: str) -> str:
    """The format that the ending of a file says; text where it has none. A table in a file that says to be something else
    would be found out late, so an ending that nobody knows is an error."""
    suffix = file.suffix.casefold() if file else ""
    if suffix and suffix not in _SUFFIXES:
        known = " ".join([*(ending for ending, name in _SUFFIXES.items() if name in available), others]).strip()
        raise BadValue("no answer has this ending", asked=str(file), known=known, try_=f"--format text -o {file}")
    return _SUFFIXES.get(suffix, "text")


def to_json(value: object) -> str:
    """JSON as every command writes it: indented, in the order given, no NaN."""
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def write_atomic(path: Path, text: str) -> None:
    """Write all of `text` to `path`, or leave what was there and raise OutputError."""
    path = Path(path).expanduser()
    try:
        if path.exists() and not path.is_file() and not path.is_dir():  # /dev/null, a pipe
            path.write_text(text, encoding="utf-8")
        else:
            _replace(path.resolve(), text)
    except OSError as error:
        raise OutputError(
            "the answer could not be written",
            where=str(path),
            known=error.strerror or str(error),
            try_="another file with -o, or no -o for stdout",
        ) from error


def make_folder(folder: Path) -> None:
    """A folder for several answers, with those above it. Raises OutputError where it cannot be."""
    try:
        folder.expanduser().mkdir(parents=True, exist_ok=True)
    except OSError as error:
        known = "it is a file" if folder.is_file() else error.strerror or str(error)
        raise OutputError("the folder cannot be made", where=str(folder), known=known, try_="another folder") from error


def say(*words: object) -> None:
    """Talk goes to stderr."""
    print(*words, file=sys.stderr)


def _replace(path: Path, text: str) -> None:
    if path.is_dir():
        raise IsADirectoryError(21, "it is a folder", str(path))
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(_mode(path))
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise


def _mode(path: Path) -> int:
    """The permissions the file has, or that a new one would get."""
    if path.exists():
        return path.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def _to_stdout(text: str) -> None:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError("the answer could not be written", where="stdout", known=error.strerror) from error
