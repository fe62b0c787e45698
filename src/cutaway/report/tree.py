# The annotated tree: what a newcomer opens first. A tree of 6,000 files is no help, so folders open in the order in which
# they matter until the page is full; what stays shut says how much it holds. Nothing depends on the machine or the clock.
"""`build_tree(program)`: the tree of a repository with a comment and its source on each entry."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Literal, Protocol

from msgspec import Struct

from cutaway.facts.roles import role_of
from cutaway.model.code import FileRecord
from cutaway.report.evidence import Citation
from cutaway.report.tree_comment import Comment, file_comment, folder_comment
from cutaway.report.tree_fold import Family, families

__all__ = ["Entry", "Folder", "TreeReport", "build_tree"]

BUDGET, DEPTH = 160, 6  # entries of the page; levels below the root
WEIGHT = 4  # 2**4 times the code makes up for one level of depth
PROGRAMS = frozenset({"python", "c", "cpp", "cuda", "rust", "go", "typescript", "javascript", "shell"})
SHUT = frozenset({"vendored", "generated"})  # never opened: not this project's own
_LATER = {
    "code": 0,
    "tool": 2,
    "benchmark": 2,
    "example": 2,
    "test": 3,
    "doc": 3,
}  # levels that a role counts as deeper


class Repository(Protocol):
    """What is asked of `cutaway.read.program.Program`."""

    @property
    def paths(self) -> list[str]: ...
    def record(self, path: str) -> FileRecord: ...
    def lines(self, path: str) -> list[str]: ...


class Entry(Struct, frozen=True):
    """A line of the tree. `path` is that of the file or folder, a pattern for a `family`.

    `files` and `lines` (of code) are those that it stands for; `role` is '' for code, else what it is for; `source` is the
    place that the comment comes from; `examples` are names of a family; `shut` a folder whose entries are not shown."""

    name: str
    path: str
    kind: Literal["folder", "file", "family"]
    files: int
    lines: int
    role: str = ""
    comment: str = ""
    source: Citation | None = None
    shut: bool = False
    examples: tuple[str, ...] = ()
    children: tuple[Entry, ...] = ()


class TreeReport(Struct, frozen=True):
    """The tree of one repository; `url` and `commit` are '' where they are not known."""

    name: str
    root: Entry
    url: str = ""
    commit: str = ""


class Folder:
    """A folder with what is in it and how much of it there is."""

    def __init__(self, path: str):
        self.path = path
        self.folders: dict[str, Folder] = {}
        self.files: list[str] = []
        self.everything: list[str] = []
        self.lines = 0
        self.program = 0  # lines of programs, not of data and documents


def build_tree(
    program: Repository,
    budget: int = BUDGET,
    depth: int = DEPTH,
    name: str = "",
    url: str = "",
    commit: str = "",
) -> TreeReport:
    """The tree in about `budget` entries, at most `depth` levels below the root, of the repository called `name`."""
    top = _folders(program)
    shown = _opened(program, top, budget, depth)
    return TreeReport(name, _folder(program, top, name or ".", shown), url, commit)


def _folders(program: Repository) -> Folder:
    top = Folder("")
    for path in program.paths:
        record = program.record(path)
        code = record.code_lines
        written = code if record.language in PROGRAMS else 0
        here = top
        for part in path.split("/")[:-1]:
            here.everything.append(path)
            here.lines += code
            here.program += written
            inner = f"{here.path}/{part}".lstrip("/")
            here = here.folders.setdefault(part, Folder(inner))
        here.everything.append(path)
        here.lines += code
        here.program += written
        here.files.append(path)
    return top


def _opened(program: Repository, top: Folder, budget: int, depth: int) -> dict[str, _Inside]:
    """The folders that are opened, by path, with what is to be seen in each."""
    opened: dict[str, _Inside] = {}
    waiting: list[tuple[float, int, str, Folder]] = [(0, 0, "", top)]
    left = budget
    while waiting:
        _, _, _, folder = heapq.heappop(waiting)
        inside = _inside(program, folder)
        if opened and len(inside.all) > left:
            continue
        opened[folder.path] = inside
        left -= len(inside.all)
        for inner in inside.folders:
            deep = inner.path.count("/") + 1
            role = _role(program, inner)
            if deep < depth and role not in SHUT:
                order = deep + _LATER.get(role, 0) - inner.program.bit_length() / WEIGHT
                heapq.heappush(waiting, (order, -inner.lines, inner.path, inner))
    return opened


class _Inside(Struct):
    """What an open folder shows, each kind in its order."""

    folders: list[Folder]
    files: list[str]
    families: list[Family]

    @property
    def all(self) -> list[object]:
        return [*self.folders, *self.files, *self.families]


def _inside(program: Repository, folder: Folder) -> _Inside:
    """Children, chains of single folders drawn together, siblings of a kind folded."""
    weights = {f.path: f.lines for f in folder.folders.values()}
    weights |= {path: program.record(path).code_lines for path in folder.files}
    files = [p for p in folder.files if not _is_empty(program, p)]
    dull = {path for path in files if not program.record(path).language}
    kept_files, file_families = families(files, weights, dull)
    inner = {f.path: _chain(f) for f in folder.folders.values()}
    kept_folders, folder_families = families(
        [f"{path}/" for path in inner], {f"{p}/": w for p, w in weights.items()}
    )
    return _Inside(
        [inner[path.rstrip("/")] for path in kept_folders], kept_files, [*folder_families, *file_families]
    )


def _is_empty(program: Repository, path: str) -> bool:
    """An `__init__.py` that says nothing; other empty files mean something (`py.typed`, `.gitkeep`)."""
    record = program.record(path)
    return path.endswith("__init__.py") and not record.code_lines and not record.doc


def _is_manifest(program: Repository, path: str) -> bool:
    """A list of dependencies is no document, though it is a text file at the root."""
    return "/" not in path and any(mark.kind == "dependency" for mark in program.record(path).marks)


def _chain(folder: Folder) -> Folder:
    """`a/b/c` where each holds nothing but the next."""
    while len(folder.folders) == 1 and not folder.files:
        folder = next(iter(folder.folders.values()))
    return folder


def _role(program: Repository, folder: Folder) -> str:
    """What all of a folder is for; code where its files differ."""
    roles = {role_of(path) for path in folder.everything}
    return roles.pop() if len(roles) == 1 else "code"


def _folder(program: Repository, folder: Folder, name: str, opened: dict[str, _Inside]) -> Entry:
    role = _role(program, folder)
    inside = opened.get(folder.path)
    said = folder_comment(program, folder.path, folder.everything, role)
    base = f"{folder.path}/" if folder.path else ""
    children: list[Entry] = []
    if inside:
        children = [_folder(program, f, f"{f.path.removeprefix(base)}/", opened) for f in inside.folders]
        children += [_family(program, f, base, folder) for f in inside.families if f.folders]
        children += [_file(program, path) for path in inside.files]
        children += [_family(program, f, base, folder) for f in inside.families if not f.folders]
    return Entry(
        name if name.endswith("/") else f"{name}/",
        folder.path or ".",
        "folder",
        len(folder.everything),
        folder.lines,
        *_fields(role, said),
        shut=inside is None,
        children=tuple(children),
    )


def _file(program: Repository, path: str) -> Entry:
    role = "code" if _is_manifest(program, path) else role_of(path)
    said = file_comment(program, path, role)
    return Entry(
        path.rpartition("/")[2], path, "file", 1, program.record(path).code_lines, *_fields(role, said)
    )


def _family(program: Repository, family: Family, base: str, folder: Folder) -> Entry:
    names = {m.rstrip("/") for m in family.members}
    paths = [p for p in folder.everything if p in names or (family.folders and _first(p, base) in names)]
    lines = sum(program.record(p).code_lines for p in paths)
    role = _shared([role_of(p) for p in paths])
    examples = tuple(e.removeprefix(base) for e in family.examples)
    said = Comment(f"such as {', '.join(examples)}", None)
    pattern = f"{base}{family.pattern}"
    return Entry(
        f"{family.pattern} × {len(family.members)}", pattern, "family", len(paths), lines, *_fields(role, said),
        shut=True, examples=examples,
    )  # fmt: skip


def _first(path: str, base: str) -> str:
    """The child of `base` that a path is in."""
    return base + path.removeprefix(base).partition("/")[0]


def _shared(roles: Sequence[str]) -> str:
    return roles[0] if len(set(roles)) == 1 else "code"


def _fields(role: str, said: Comment | None) -> tuple[str, str, Citation | None]:
    return ("" if role == "code" else role, said.text if said else "", said.source if said else None)
