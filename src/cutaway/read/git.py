# git reads the repository for us, but a repository's own configuration may name programs to run (a file system monitor,
# filters, hooks, an ssh command, a transport). Here git runs as if nobody had configured anything, with no way
# to the network, and with a limit on its time; contents come as stored, never through a filter.
"""git on one repository: its files at a commit, straight from objects, and those of a work tree."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path

from cutaway.errors import NeedsExtra, UnknownTarget, Unreadable
from cutaway.read.files import MAX_FILES, Source, SourceFile, listed, too_many

__all__ = ["CommitSource", "Git", "public_url"]

SECONDS = 120  # for any one answer of git
_ABSENT = "its content is not in this repository (a partial clone?)"
_WINDOW = 256  # objects asked for at once: their names fit into a pipe that nobody reads yet
_QUIET = (
    "core.fsmonitor=false",
    f"core.hooksPath={os.devnull}",
    "core.untrackedCache=false",
    f"core.excludesFile={os.devnull}",
    f"core.attributesFile={os.devnull}",
    "core.quotePath=false",
    "protocol.ext.allow=never",
    "submodule.recurse=false",
    "safe.directory=*",
)


@cache
def executable() -> str:
    """The absolute path of git. Raises `NeedsExtra` when there is none."""
    found = shutil.which("git", path=_safe_path())
    if not found:
        raise NeedsExtra("this needs git, which is not installed", try_="install git, or give a plain folder")
    return found


def environment(**more: str) -> dict[str, str]:
    """What git may know of its surroundings; nothing that the user, the machine or the repository configured."""
    kept = {name: os.environ[name] for name in ("SYSTEMROOT", "TMPDIR", "TEMP", "TMP") if name in os.environ}
    return {
        **kept,
        "PATH": _safe_path(),
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_ALLOW_PROTOCOL": "none",  # objects that a partial clone lacks are not fetched, by whatever command
        "GIT_PAGER": "cat",
        **more,
    }


def command(*args: str) -> list[str]:
    """git with every setting that could run something turned off."""
    return [executable(), "--no-pager", *(word for setting in _QUIET for word in ("-c", setting)), *args]


def _safe_path() -> str:
    """PATH without relative folders, which would mean folders of the repository."""
    return os.pathsep.join(
        p for p in os.environ.get("PATH", os.defpath).split(os.pathsep) if Path(p).is_absolute()
    )


class Git:
    """git on one git directory, with a work tree or without. The explicit directory also answers git's question
    whose repository this is: nothing of it is trusted in any case."""

    def __init__(
        self,
        git_dir: Path,
        work_tree: Path | None = None,
        folder: Path | None = None,
        *,
        seconds: float = SECONDS,
    ):
        """`folder`: the part of the work tree that is meant; names are relative to it."""
        self.git_dir, self.work_tree, self.seconds = git_dir, work_tree, seconds
        self._folder = folder or work_tree or git_dir

    def ask(self, *args: str, allow: tuple[int, ...] = (0,)) -> tuple[int, bytes]:
        """(exit status, output) of a short answer. Raises `Unreadable` for a status that is not allowed."""
        with self._running(args) as process:
            out, err = process.communicate()
        if process.returncode not in allow:
            raise self._failed(process.returncode, err)
        return process.returncode, out

    def text(self, *args: str) -> str:
        """One line of answer, or '' where git has none."""
        return self.ask(*args, allow=(0, 1, 128))[1].decode("utf-8", "replace").strip()

    def entries(self, *args: str) -> Iterator[bytes]:
        """The answer's parts between zero bytes, as they come: a tree can name more files than memory holds."""
        with self._running(args) as process:
            rest = b""
            while chunk := process.stdout.read1(1 << 16):  # pyrefly: ignore[missing-attribute]
                *whole, rest = (rest + chunk).split(b"\0")
                yield from whole
            _, err = process.communicate()
        if process.returncode != 0:
            raise self._failed(process.returncode, err)

    def contents(self, files: Iterable[SourceFile]) -> Iterator[tuple[SourceFile, bytes | None]]:
        """(file, bytes) by object name, from one process; None for an object that is not there."""
        waiting = iter(files)
        with self._running(("cat-file", "--batch"), stdin=subprocess.PIPE) as process:
            asked, answers = process.stdin, process.stdout
            while window := [file for file, _ in zip(waiting, range(_WINDOW), strict=False)]:
                with self._deadline(process):
                    asked.write(b"".join(f"{f.key}\n".encode() for f in window))  # pyrefly: ignore
                    asked.flush()  # pyrefly: ignore
                    got = [(file, self._object(answers)) for file in window]
                yield from got

    @contextmanager
    def one_by_one(self) -> Iterator[Callable[[SourceFile], bytes | None]]:
        """A function that gives the content of one file at a time, all from one process."""
        with (
            self._running(("cat-file", "--batch"), stdin=subprocess.PIPE) as process,
            _Watch(process, self.seconds) as watch,
        ):

            def content(file: SourceFile) -> bytes | None:
                watch.since = time.monotonic()
                process.stdin.write(f"{file.key}\n".encode())  # pyrefly: ignore
                process.stdin.flush()  # pyrefly: ignore
                found = self._object(process.stdout)
                watch.since = None
                return found

            yield content

    def _object(self, answers) -> bytes | None:
        head = answers.readline()
        if head.endswith(b" missing\n"):
            return None
        words = head.split()
        data = answers.read(int(words[2]) + 1) if len(words) == 3 else b""
        if not data.endswith(b"\n"):
            raise Unreadable("git broke off while giving contents", where=self.git_dir.name)
        return data[:-1]

    @contextmanager
    def _running(self, args: Iterable[str], stdin: int = subprocess.DEVNULL) -> Iterator[subprocess.Popen]:
        where = [f"--git-dir={self.git_dir}", *([f"--work-tree={self.work_tree}"] if self.work_tree else [])]
        process = subprocess.Popen(
            command(*where, *args),
            cwd=self._folder,
            env=environment(),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if stdin == subprocess.DEVNULL else subprocess.DEVNULL,
        )
        try:
            if stdin == subprocess.DEVNULL:
                with self._deadline(process):
                    yield process
            else:
                yield process
        finally:
            process.kill()
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe:
                    _close(pipe)
            process.wait()

    @contextmanager
    def _deadline(self, process: subprocess.Popen) -> Iterator[None]:
        """Kill a git that hangs, for instance on a FIFO where it expects a file of its own."""
        timer = threading.Timer(self.seconds, process.kill)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _failed(self, status: int, err: bytes) -> Unreadable:
        if status == -9:
            return Unreadable(f"git did not answer within {self.seconds:g} s", where=self.git_dir.name)
        said = err.decode("utf-8", "replace").strip().splitlines()
        return Unreadable(
            "git cannot read this repository", known=(said[-1][:300] if said else f"exit {status}")
        )

    def commit_of(self, name: str) -> str:
        """The full name of a commit. Raises `UnknownTarget` with the nearest refs, or `Unreadable` for a repository
        without commits."""
        found = self.text("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
        if re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", found):
            return found
        refs = self.text("for-each-ref", "--count=2000", "--format=%(refname:short)").splitlines()
        if not refs and name == "HEAD":
            raise Unreadable("this repository has no commit yet", try_="give its work tree, or a commit")
        error = UnknownTarget.among(name, refs, what="no such commit in this repository", try_="--commit REF")
        error.known = error.known or (
            f"refs: {', '.join(refs[:8])}" if refs else "the repository has no refs"
        )
        raise error

    def url(self) -> str:
        """The address of the remote (`origin`, or the first), without credentials; '' where there is none."""
        found = {}
        for entry in self.ask("config", "-z", "--get-regexp", r"^remote\..*\.url$", allow=(0, 1))[1].split(
            b"\0"
        ):
            key, _, value = entry.decode("utf-8", "replace").partition("\n")
            found.setdefault(key, value)
        return public_url(found.get("remote.origin.url") or next(iter(found.values()), ""))


class _Watch:
    """Kills a git that does not answer a question in time; one thread for thousands of questions, where a timer for each
    costs more than the answer. `since` is when the question was asked, None between questions."""

    def __init__(self, process: subprocess.Popen, seconds: float):
        self.since: float | None = None
        self._process, self._seconds, self._over = process, seconds, threading.Event()

    def __enter__(self) -> _Watch:
        threading.Thread(target=self._watch, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()

    def _watch(self) -> None:
        while not self._over.wait(self._seconds / 4):
            since = self.since
            if since is not None and time.monotonic() - since > self._seconds:
                self._process.kill()
                return


def _close(pipe) -> None:
    try:
        pipe.close()
    except BrokenPipeError:
        return


class CommitSource(Source):
    """The files of one commit, whatever is checked out."""

    def __init__(self, git: Git, commit: str, *, prefix: str = "", **about):
        self._git = git
        self._open = ExitStack()
        self._content: Callable[[SourceFile], bytes | None] | None = None
        notes: list[str] = []
        super().__init__(
            "git", files=self._list(commit, prefix, notes), commit=commit, prefix=prefix, notes=notes, **about
        )

    def _list(self, commit: str, prefix: str, notes: list[str]) -> Iterator[SourceFile]:
        tree = f"{commit}:{prefix.rstrip('/')}" if prefix else commit
        for count, entry in enumerate(self._git.entries("ls-tree", "-r", "-z", "-l", "--full-tree", tree)):
            if count >= MAX_FILES:
                notes.append(too_many())
                return
            about, _, path = entry.partition(b"\t")
            mode, _, key, size = about.decode("ascii").split()
            why = _ABSENT if size == "BAD" else why_not_mode(int(mode, 8))
            yield listed(path, int(size) if size.isdigit() else 0, key, why)

    def read(self, path: str) -> bytes:
        """The content of one file; questions about many lines ask for thousands, so git stays open between them."""
        file = self.file(path)
        if not file.skipped:
            self._content = self._content or self._open.enter_context(self._git.one_by_one())
            data = self._content(file)
            if data is not None:
                return data
            file.skipped = _ABSENT
        raise Unreadable("this file is not read", asked=path, known=file.skipped)

    def close(self) -> None:
        """Let go of git."""
        self._content = None
        self._open.close()

    def _load(self, files: Iterable[SourceFile]) -> Iterator[tuple[SourceFile, bytes]]:
        for file, data in self._git.contents(files):
            if data is None:
                file.skipped = _ABSENT
            else:
                yield file, data


def why_not_mode(mode: int) -> str:
    """Why git's entry of this mode is not read, or ''."""
    if mode == 0o160000:
        return "submodule (another repository)"
    return "" if stat.S_ISREG(mode) else "symbolic link (not followed)"


def public_url(url: str) -> str:
    """An address that can be shown and opened: no credentials, no local path, https instead of ssh's two forms.

    >>> public_url("git@github.com:owner/name.git")
    'https://github.com/owner/name'
    >>> public_url("https://user:secret@example.org/owner/name.git/")
    'https://example.org/owner/name'
    >>> public_url("/home/me/name")
    ''
    """
    host = r"(?P<host>[A-Za-z0-9][A-Za-z0-9.-]*)"
    found = re.fullmatch(
        rf"(?:https?|git|(?:git\+)?ssh)://(?:[^/@]*@)*{host}(?::\d+)?/(?P<path>[^?#\s]+)", url
    )
    found = found or re.fullmatch(rf"(?:[^/@:\s]+@){host}:(?P<path>[^?#\s]+)", url)
    return f"https://{found['host']}/{found['path'].strip('/').removesuffix('.git')}" if found else ""
