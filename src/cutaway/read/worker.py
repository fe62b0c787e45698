# Hostile text may bring a parser down, make it hang, or fill the memory. A process of its own, started clean (not forked, and
# without importing the caller's script), bounds what a file can do to one message: no answer.
"""The process that reads files: lists of files on stdin, a record for each on stdout, all with their lengths before them."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import time
from importlib import import_module
from typing import TYPE_CHECKING, Protocol

import msgspec

from cutaway.model.code import FileRecord

if TYPE_CHECKING:
    from io import BufferedReader

__all__ = ["Reader", "encoded", "reader_named", "receive", "skipped"]

SECONDS = 20  # of processor time for one file
_MEMORY = 3 * 2**29
_PIPE = 2**16  # bytes given at once
_encoder = msgspec.msgpack.Encoder()


class Reader(Protocol):
    """What turns a file into its record: `cutaway.read.languages.read_file`."""

    def __call__(self, path: str, data: bytes) -> FileRecord: ...


def reader_named(name: str) -> Reader:
    """The function that `module:function` names."""
    module, _, function = name.partition(":")
    return getattr(import_module(module), function)


def encoded(read: Reader, path: str, data: bytes) -> bytes:
    """The record of a file as it is stored, of whatever kind the file is."""
    try:
        return _encoder.encode(read(path, data))
    except Exception as error:  # whatever a reader does on hostile text, the record says so
        return _encoder.encode(
            skipped(f"the reader failed: {type(error).__name__}: {str(error)[:160]!a}", data)
        )


def skipped(why: str, data: bytes = b"") -> FileRecord:
    """The record of a file that is not read."""
    return FileRecord(
        "", data.count(b"\n") + bool(data and not data.endswith(b"\n")), parse="skipped", why=why
    )


def receive(stream: BufferedReader) -> bytes | None:
    """The next message; None at the end, or where the other side broke off."""
    head = stream.read(4)
    length = int.from_bytes(head, "little")
    body = stream.read(length) if len(head) == 4 else b""
    return body if len(head) == 4 and len(body) == length else None


def message(body: bytes) -> bytes:
    """A message as it is sent."""
    return len(body).to_bytes(4, "little") + body


def main(reader: str, seconds: int) -> None:
    """Answer until stdin ends; a file may take so many seconds of processor time."""
    requests = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb", _PIPE)
    with open(os.devnull, "r+b") as nothing:  # noqa: PTH123  # whatever a parser prints is no answer
        for descriptor in (0, 1, 2):
            os.dup2(nothing.fileno(), descriptor)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one who asked ends us, by ending the requests
    _limit_memory()
    read = reader_named(reader)
    decoder = msgspec.msgpack.Decoder(list[tuple[str, bytes]])
    gc.disable()  # trees hold no cycles, and looking for some while they are made takes a tenth of the time
    while (request := receive(requests)) is not None:
        try:
            for path, data in decoder.decode(request):
                _limit_time(seconds)
                answers.write(message(encoded(read, path, data)))
            answers.flush()
        except BrokenPipeError:
            return


def _limit_memory() -> None:
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))


def _limit_time(seconds: int) -> None:
    """Processor time, so that a busy machine gives the same records as an idle one."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time()) + seconds + 1, hard))
