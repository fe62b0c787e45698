# A path that is not there is the commonest mistake of reports that were written and not derived.
from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from fnmatch import fnmatchcase
from posixpath import dirname, join, normpath

from cutaway.report.verify.model import Check, Cited, Document, Finding
from cutaway.report.verify.sources import Sources

__all__ = ["CHECK", "there"]


def there(cited: Cited, sources: Sources) -> bool:
    """Whether the path is a file of the repository, or, cited without a line, a folder or a pattern that fits one."""
    if sources.has(cited.path) or (not cited.start and sources.has(cited.path.removeprefix("./"))):
        return True
    if cited.start:
        return False
    if "*" in cited.path:
        names = sources.folders if cited.path.endswith("/") else sources.paths
        return any(fnmatchcase(name, cited.path.rstrip("/")) for name in names)
    return sources.has_folder(cited.path)


def find(document: Document, sources: Sources) -> Iterator[Finding]:
    seen: set[tuple[str, int]] = set()
    folders: defaultdict[tuple[int, str], set[str]] = defaultdict(set)  # of the files that a passage cites lines of
    for cited in document.cited:
        if cited.start:
            folders[cited.line, cited.where].add(dirname(cited.path))
    for cited in document.cited:
        beside = folders[cited.line, cited.where] if cited.path.startswith(("./", "../")) else ()
        if any(sources.has(normpath(join(folder, cited.path))) for folder in beside):
            continue  # as the cited file spells what lies around it
        if there(cited, sources) or cited.evidence or (cited.path, cited.line) in seen:
            continue
        seen.add((cited.path, cited.line))
        if cited.start and sources.has_folder(cited.path):
            said = f"{cited.path} is a folder and has no line {cited.start}"
            yield Finding("path", said, cited.line, cited.where, cited)
            continue
        near = sources.nearest(cited.path)
        hint = f"; nearest: {', '.join(near)}" if near else ""
        yield Finding("path", f"{cited.path} is not in the repository{hint}", cited.line, cited.where, cited)


CHECK = Check("path", "every cited path exists", find, needs_source=True)
