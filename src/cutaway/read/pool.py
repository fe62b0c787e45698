# Reading 6,000 files takes as many processes as there are processors, and one file may kill its process. A thread
# stands beside each process: it hands over some files at a time, since a process that waits for each reads nothing
# meanwhile; and where answers are missing, one at a time, so that it is known why and for which.
"""`parsed`: files to stored records, in this process when there are few, else in several."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import accumulate, islice
from pathlib import Path
from queue import Queue
from typing import TypeVar

import msgspec

from cutaway.read import worker

__all__ = ["parsed", "processes_for"]

FEW = 150  # files that are read sooner than a process has started
MOST = 8
_WALL = 6 * worker.SECONDS  # for one file, on however busy a machine
_HANDFUL, _HANDFUL_BYTES = 32, 96 * 2**10  # files asked for at once: as much as is read in some 50 ms
_PIPE = 2**18  # bytes that are taken from a process at once
_SIZE, _LINE, _DEPTH = 256 * 2**10, 20_000, 200
_START = "import sys; sys.path += sys.argv[3:]; from cutaway.read.worker import main; main(sys.argv[1], int(sys.argv[2]))"
_BRACKETS = {ord(c): step for c, step in (*((c, 1) for c in "([{"), *((c, -1) for c in ")]}"))}
_REST = bytes(set(range(256)) - set(_BRACKETS))
_encode = msgspec.msgpack.encode

Tag = TypeVar("Tag")
Job = tuple[Tag, str, bytes]


def processes_for(files: int) -> int:
    """How many processes read this many files; 0 for this one."""
    if files <= FEW:
        return 0
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(MOST, usable, -(-files // (FEW // 2)))


def parsed(jobs: Iterable[Job[Tag]], reader: str, processes: int) -> Iterator[tuple[Tag, bytes]]:
    """(tag, encoded record) of each (tag, path, content), as they get ready. A file that brings its reader down
    gets a record that says so. Text that might is never read in this process."""
    return _in_processes(jobs, reader, processes) if processes else _here(jobs, reader)


def _here(jobs: Iterable[Job[Tag]], reader: str) -> Iterator[tuple[Tag, bytes]]:
    read = worker.reader_named(reader)
    with _guarded([_Lane(reader)]) as (lane,):
        for tag, path, data in jobs:
            yield tag, lane.ask([(path, data)])[0] if _risky(data) else worker.encoded(read, path, data)


def _risky(data: bytes) -> bool:
    """Large, deep or of one endless line: what parsers break on."""
    if len(data) > _SIZE or max(map(len, data.split(b"\n"))) > _LINE:
        return True
    return max(accumulate(_BRACKETS[c] for c in data.translate(None, _REST)), default=0) > _DEPTH


def _in_processes(jobs: Iterable[Job[Tag]], reader: str, count: int) -> Iterator[tuple[Tag, bytes]]:
    waiting, taking = iter(jobs), threading.Lock()
    ready: Queue = Queue(maxsize=2 * count)
    stop = threading.Event()

    def serve(lane: _Lane) -> None:
        try:
            while not stop.is_set():
                with taking:
                    some = _some(waiting)
                if not some:
                    break
                records = lane.ask([(path, data) for _, path, data in some])
                ready.put([(tag, record) for (tag, _, _), record in zip(some, records, strict=True)])
        except BaseException as error:  # raised again where the records are awaited
            ready.put(error)
        ready.put(None)

    with _guarded([_Lane(reader) for _ in range(count)]) as lanes:
        threads = [threading.Thread(target=serve, args=(lane,), daemon=True) for lane in lanes]
        for thread in threads:
            thread.start()
        running = len(threads)
        try:
            while running:
                found = ready.get()
                if isinstance(found, BaseException):
                    raise found
                if found is None:
                    running -= 1
                else:
                    yield from found
        finally:
            stop.set()
            for lane in lanes:
                lane.end()
            while running and any(thread.is_alive() for thread in threads):
                while not ready.empty():
                    ready.get()
                time.sleep(0.01)


def _some(waiting: Iterator[Job[Tag]]) -> list[Job[Tag]]:
    """The next few jobs; none at the end."""
    some, size = [], 0
    for job in islice(waiting, _HANDFUL):
        some.append(job)
        size += len(job[2])
        if size >= _HANDFUL_BYTES:
            break
    return some


@contextmanager
def _guarded(lanes: list[_Lane]) -> Iterator[list[_Lane]]:
    """Watch over the lanes: whoever takes too long is ended."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(1.0):
            for lane in lanes:
                lane.end_if_late()

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield lanes
    finally:
        over.set()
        for lane in lanes:
            lane.end()


class _Lane:
    """One process after another, each until it dies."""

    def __init__(self, reader: str):
        self._reader = reader
        self._process: subprocess.Popen | None = None
        self._since: float | None = None
        self._ended = self._late = False

    def ask(self, files: list[tuple[str, bytes]]) -> list[bytes]:
        """The encoded records of (path, content) pairs."""
        found, most = [], len(files)
        while len(found) < len(files):
            asked = files[len(found) :][:most]
            records, why = self._heard(asked)
            found += records
            if why and most == 1:
                found.append(_encode(worker.skipped(why, asked[0][1])))
            most = 1 if why else most
        return found

    def _heard(self, files: list[tuple[str, bytes]]) -> tuple[list[bytes], str]:
        """The records of the first files, and why there are no more."""
        process = self._process = self._process or self._started()
        self._since = time.monotonic()
        found: list[bytes] = []
        try:
            process.stdin.write(worker.message(_encode(files)))  # pyrefly: ignore[missing-attribute]
            process.stdin.flush()  # pyrefly: ignore[missing-attribute]
            while len(found) < len(files):
                answer = worker.receive(process.stdout)  # pyrefly: ignore[bad-argument-type]
                if answer is None:
                    break
                self._since = time.monotonic()
                found.append(answer)
        except (OSError, ValueError):
            pass  # it died before it had heard all: as no answer
        finally:
            self._since = None
        if len(found) == len(files):
            return found, ""
        why = self._epitaph(process)
        self._drop()
        return found, why

    def _epitaph(self, process: subprocess.Popen) -> str:
        process.kill()
        status = process.wait()
        if self._late or status == -getattr(signal, "SIGXCPU", 0):
            self._late = False
            return f"the reader was stopped after {worker.SECONDS} s"
        return f"the reader crashed ({signal.Signals(-status).name if status < 0 else f'exit {status}'})"

    def end_if_late(self) -> None:
        """End a process that has been at one file for too long, however little it computes."""
        since, process = self._since, self._process
        if since is not None and process is not None and time.monotonic() - since > _WALL:
            self._late = True
            process.kill()

    def end(self) -> None:
        """No more questions."""
        self._ended = True
        if self._process is not None:
            self._process.kill()
            self._drop()

    def _drop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            for pipe in (process.stdin, process.stdout):
                try:
                    pipe.close()  # pyrefly: ignore[missing-attribute]
                except OSError:
                    continue
            process.wait()

    def _started(self) -> subprocess.Popen:
        if self._ended:
            raise RuntimeError("this lane is closed")
        return subprocess.Popen(
            [
                sys.executable,
                "-I",
                "-S",
                "-c",
                _START,
                self._reader,
                str(worker.SECONDS),
                *_folders(self._reader),
            ],
            bufsize=_PIPE,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=Path(sys.executable).anchor,
        )


def _folders(reader: str) -> list[str]:
    """Where this process finds its packages, but for the folder that the user stands in: it may be the repository."""
    found = {
        path: None for path in sys.path if Path(path).is_absolute() and Path(path).resolve() != Path.cwd()
    }
    for name in ("cutaway", reader.partition(":")[0].partition(".")[0]):
        spec = find_spec(name)
        if spec and spec.origin:
            found[str(Path(spec.origin).resolve().parents[1 if spec.submodule_search_locations else 0])] = (
                None
            )
    return list(found)
