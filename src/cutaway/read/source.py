# A repository may be a work tree, a git directory, a folder, an archive or an address. Which of them a target is gets decided
# here, so that nobody else has to know.
"""`open_source(target, commit)`: the files of a repository. Nothing of it is executed, imported or unpacked."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from cutaway.errors import UnknownTarget, Unreadable
from cutaway.read.clone import fetched, is_url
from cutaway.read.files import ARCHIVES, Source, SourceFile, blob_id
from cutaway.read.folder import open_folder, open_worktree, read_regular
from cutaway.read.git import CommitSource, Git, public_url
from cutaway.read.naming import declared_name

__all__ = ["Source", "SourceFile", "blob_id", "open_source"]


def open_source(target: str | Path, commit: str | None = None, *, cache: Path | None = None) -> Source:
    """Open what `target` names: a git work tree (its files on disk, or those of `commit`), a git directory at `commit` or
    its HEAD, a plain folder, an sdist or wheel, or an address that git can fetch. In `cache`, fetched
    repositories and the identities of unchanged files are kept; without it, nothing is.

    Raises `UnknownTarget` (no such path, commit or address), `Unreadable` (no repository, nothing in it, not allowed),
    `Offline`, `NeedsExtra` (no git).
    """
    text = str(target)
    if text.startswith("file://"):
        text = text.removeprefix("file://")
    elif is_url(text):
        return _filled(_open_url(text, commit, cache), text)
    path = Path(text).expanduser()
    try:
        mode = "folder" if path.is_dir() else "file" if path.is_file() else ""
    except (OSError, ValueError):
        mode = ""
    if mode == "folder":
        return _filled(_open_folder(path.resolve(), commit, cache), text)
    if mode == "file" and path.name.endswith(ARCHIVES):
        from cutaway.read.archive import open_archive  # what unpacks is of no use to the others

        if commit is not None:
            raise Unreadable("a commit can only be read from git", asked=commit, where=text)
        return _filled(open_archive(path), text)
    if mode or os.path.lexists(path):
        kinds = "a folder, a git directory, or an archive (" + " ".join(ARCHIVES) + ")"
        raise Unreadable("this is not a repository", asked=text, try_=kinds)
    raise UnknownTarget.among(
        path.name,
        _neighbours(path),
        what="no such repository",
        where=str(path.parent),
        try_="a folder, or a git address",
    )


def _open_folder(path: Path, commit: str | None, cache: Path | None) -> Source:
    if _is_git_dir(path):
        return _open_commit(Git(path), commit or "HEAD", path)
    root = next((folder for folder in (path, *path.parents) if os.path.lexists(folder / ".git")), None)
    notes = []
    if root is not None:
        try:
            if commit is not None:
                return _open_commit(Git(_git_dir_of(root)), commit, root, prefix=_prefix(path, root))
            if source := _open_worktree(path, root, cache):
                return source
        except Unreadable as error:
            if commit is not None or root != path:
                raise
            notes.append(f"its .git is not heeded: {error.known or error.what}")
    if commit is not None:
        raise Unreadable("a commit can only be read from git", asked=commit, where=path.name)
    source = open_folder(path, cache, name=path.name)
    source.notes += notes
    return source


def _open_commit(git: Git, commit: str, where: Path, prefix: str = "") -> Source:
    url = git.url()
    return CommitSource(git, git.commit_of(commit), prefix=prefix, url=url, name=_name(url, where))


def _open_worktree(path: Path, root: Path, cache: Path | None) -> Source | None:
    """The work tree, or that part of it; None for a part of which git tracks nothing, such as an ignored folder."""
    git = Git(_git_dir_of(root), root, path)
    if path != root and next(git.entries("ls-files", "--cached", "-z"), None) is None:
        return None
    url = git.url()
    head = git.text("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    return open_worktree(
        git, path, cache, commit=head, url=url, name=_name(url, root), prefix=_prefix(path, root)
    )


def _open_url(url: str, commit: str | None, cache: Path | None) -> Source:
    """The fetched repository; without a cache it lives as long as the source."""
    folder = cache / "clones" if cache else Path(tempfile.mkdtemp(prefix="cutaway-"))
    try:
        git, found = fetched(url, commit, folder)
        shown = public_url(url)
        source = CommitSource(git, found, url=shown, name=_name(shown, folder))
    except BaseException:
        if cache is None:
            shutil.rmtree(folder, ignore_errors=True)
        raise
    if cache is None:
        source.close = lambda: shutil.rmtree(folder, ignore_errors=True)
    return source


def _is_git_dir(path: Path) -> bool:
    """What git itself asks of a git directory."""
    return (path / "HEAD").is_file() and (path / "objects").is_dir() and (path / "refs").is_dir()


def _git_dir_of(root: Path) -> Path:
    """`.git`, or the directory that a file of this name points to."""
    place = root / ".git"
    if place.is_dir():
        return place
    try:
        said = read_regular(place, 4096).decode("utf-8", "replace")
    except OSError as error:
        raise Unreadable("this work tree has no git directory", known=str(error.strerror)) from None
    return root / said.removeprefix("gitdir:").strip()


def _prefix(path: Path, root: Path) -> str:
    return "" if path == root else f"{path.relative_to(root).as_posix()}/"


def _name(url: str, where: Path) -> str:
    """The repository's name: that of its address, else of its folder (which holds `.git` or ends in it)."""
    place = where.parent if where.name == ".git" else where
    return url.rpartition("/")[2] or place.name.removesuffix(".git")


def _filled(source: Source, target: str) -> Source:
    """The source, if it holds anything. Raises `Unreadable` otherwise."""
    if source.files:
        if not source.url and source.kind != "archive":
            source.name = declared_name(source) or source.name
        return source
    source.close()
    raise Unreadable("there is no file to read in it", asked=target, try_="the folder that holds the code, or a commit")


def _neighbours(path: Path) -> list[str]:
    """What lies where the target should, for the nearest names."""
    try:
        return [entry.name for entry in os.scandir(path.parent)]
    except (OSError, ValueError):
        return []
