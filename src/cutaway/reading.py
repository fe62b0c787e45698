# The public `cutaway.report` and `cutaway.path`: a repository is opened, brought into the index, asked, and closed again.
# Nothing of it is imported or run, and no network is needed unless the target is an address.
"""`report("folder", kind="repo")`, `path("folder", "A", "B")`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cutaway.errors import BadValue, UnknownTarget

if TYPE_CHECKING:
    from cutaway.read.program import Program
    from cutaway.read.resolve.paths import Hop
    from cutaway.report.repo.result import RepoReport

__all__ = ["KINDS", "opened", "path", "report"]

KINDS = ("repo", "tree", "project")
Progress = Callable[[int, int], None]


@contextmanager
def opened(
    target: str, commit: str | None = None, *, cache: bool = True, progress: Progress | None = None
) -> Iterator[Program]:
    """The program that lies at `target`: a folder, a work tree, a git directory at `commit`, an archive, an address."""
    from cutaway.read.index import Index
    from cutaway.read.program import Program
    from cutaway.read.source import open_source
    from cutaway.store.folder import location

    folder: Path | None = location() / "repositories" if cache else None
    with (
        open_source(target, commit, cache=folder) as source,
        Index.open(source, folder, progress=progress) as index,
    ):
        yield Program(source, index)


def report(
    target: str,
    *,
    kind: str = "repo",
    commit: str | None = None,
    cache: bool = True,
    progress: Progress | None = None,
) -> RepoReport:
    """A report about the repository at `target`: what it is, where its parts are, which call reaches what.

    `kind` is one of `KINDS`. Raises `UnknownTarget` where there is no repository.
    """
    if kind not in KINDS:
        raise BadValue("no report of that kind", asked=kind, known=", ".join(KINDS))
    with opened(target, commit, cache=cache, progress=progress) as program:
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
    where, _, name = symbol.rpartition(":") if ".py:" in symbol or "/" in symbol else ("", "", symbol)
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
