# The public `cutaway.report` and `cutaway.path`: a repository is opened, brought into the index, asked, and closed again.
# Nothing of it is imported or run, and no network is needed unless the target is an address.
"""`report("folder", kind="repo")`, `path("folder", "A", "B")`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cutaway.errors import BadValue, UnknownTarget

if TYPE_CHECKING:
    from cutaway.read.files import Source
    from cutaway.read.index import Index
    from cutaway.read.program import Program
    from cutaway.read.resolve.paths import Hop
    from cutaway.report.kept import Printed

__all__ = ["KINDS", "opened", "path", "report"]

KINDS = ("repo", "tree", "project")
_IN_FILE = re.compile(r"(?P<where>[^:]*\.\w+|[^:]*/[^:]*):(?!:)(?P<name>.+)")  # `a/b.rs:Engine::step`, not `Engine::step`
Progress = Callable[[int, int], None]


@contextmanager
def opened(
    target: str, commit: str | None = None, *, cache: bool = True, progress: Progress | None = None
) -> Iterator[Program]:
    """The program that lies at `target`: a folder, a work tree, a git directory at `commit`, an archive, an address."""
    from cutaway.read.program import Program

    with _indexed(target, commit, cache, progress) as (source, index):
        yield Program(source, index)


@contextmanager
def _indexed(
    target: str, commit: str | None, cache: bool, progress: Progress | None
) -> Iterator[tuple[Source, Index]]:
    from cutaway.read.index import Index
    from cutaway.read.source import open_source
    from cutaway.store.folder import location

    folder: Path | None = location() / "repositories" if cache else None
    with (
        open_source(target, commit, cache=folder) as source,
        Index.open(source, folder, progress=progress) as index,
    ):
        yield source, index


def report(
    target: str,
    *,
    kind: str = "repo",
    commit: str | None = None,
    cache: bool = True,
    progress: Progress | None = None,
) -> Printed:
    """A report about the repository at `target`: what it is, where its parts are, which call reaches what.

    `kind` is one of `KINDS`. With `cache`, that of files that have not changed is not made again. Raises `UnknownTarget`
    where there is no repository.
    """
    if kind not in KINDS:
        raise BadValue("no report of that kind", asked=kind, known=", ".join(KINDS))
    from cutaway.read.program import Program
    from cutaway.report.kept import keep, kept

    with _indexed(target, commit, cache, progress) as (source, index):
        if cache and (before := kept(index, source, kind)):
            return before
        made = _made(Program(source, index), kind)
        if cache:
            keep(index, source, kind, made)
        return made


def _made(program: Program, kind: str) -> Printed:
    if kind == "tree":
        from cutaway.report.repo.tree_report import tree_report

        return tree_report(program)
    if kind == "project":
        from cutaway.report.project.build import project_report

        return project_report(program)
    from cutaway.report.repo.build import repo_report

    return repo_report(program)


def path(
    target: str,
    start: str,
    end: str,
    *,
    commit: str | None = None,
    cache: bool = True,
    progress: Progress | None = None,
) -> list[Hop]:
    """The likeliest way through the calls from the definition `start` to `end` (`Class.method`, `path.py:function`).

    Raises `UnknownTarget`, with the nearest names, where one of them is not there; an empty list where no way was found.
    """
    from cutaway.read.resolve.paths import Ways

    with opened(target, commit, cache=cache, progress=progress) as program:
        roots, goals = _definitions(program, start), set(_definitions(program, end))
        return Ways(program).path(roots, goals.__contains__)


def _definitions(program: Program, symbol: str) -> list[tuple[str, str]]:
    """(path, name) of the definitions that a symbol means; those of a class are its methods too."""
    told = _IN_FILE.fullmatch(symbol)
    where, name = (told["where"], told["name"]) if told else ("", symbol)
    found = [(p, d.name) for p, d in program.find(name) if p.endswith(where)]
    if not found:
        names = {d.name for p in program.paths for d in program.record(p).defs if d.kind != "constant"}
        raise UnknownTarget.among(
            name,
            names,
            what="no definition of that name",
            try_="a name such as Class.method, or file.py:function",
        )
    inside = [
        (p, d.name)
        for p, s in found
        for d in program.record(p).defs
        if d.name.rpartition(".")[0] == s and d.kind == "method"
    ]
    return [*found, *inside]
