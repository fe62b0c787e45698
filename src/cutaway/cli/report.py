# `cutaway report`: opens a repository, asks every detector, writes the report. Nothing of the repository runs.
"""Reports about repositories on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from cutaway.cli.output import Output, emit, format_of, make_folder, write_atomic
from cutaway.cli.progress import told


def report(
    target: str,
    /,
    *,
    kind: Literal["repo", "tree", "project", "all"] = "repo",
    commit: str | None = None,
    no_cache: Annotated[bool, Parameter(negative="")] = False,
    directory: Annotated[Path | None, Parameter(name=["--directory", "-d"])] = None,
    output: Output = Output(),
) -> int:
    """Say what a repository is and where its parts are; every statement has the line that proves it.

    Parameters
    ----------
    target
        A folder, a work tree, a git directory, an sdist, a wheel or an address.
    kind
        repo: what it is, its parts and the path of a request; tree: the annotated tree; project: its life, states,
        tasks and core modules; all: each of them, into a folder.
    commit
        Read a git directory at this commit, without a checkout.
    no_cache
        Neither read nor write the index.
    directory
        Write Markdown and JSON of each report into this folder.
    """
    from cutaway import reading

    kinds = reading.KINDS if kind == "all" else (kind,)
    folder = directory or (Path("cutaway-report") if kind == "all" else None)
    format_of(output, ("text", "md", "json"))  # before the work
    if folder is not None:
        make_folder(folder)
    for one in kinds:
        with told("reading") as progress:
            found = reading.report(target, kind=one, commit=commit, cache=not no_cache, progress=progress)
        if folder is None:
            emit({"text": found.to_markdown, "md": found.to_markdown, "json": found.to_json}, output)
            continue
        write_atomic(folder / f"{one}.md", found.to_markdown())
        write_atomic(folder / f"{one}.json", found.to_json())
    return 0
