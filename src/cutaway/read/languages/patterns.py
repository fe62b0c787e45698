# What text alone shows of C-like code. A third of real CUDA files hold text that the grammar cannot read, and kernels,
# launches and bindings also stand in macros; none of them may be lost. Works beside the tree, and without it.
"""Kernels, launches and bindings by patterns over the text."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from msgspec.structs import replace

from cutaway.model.code import MODULE, Call, Def, FileRecord, Mark
from cutaway.read.languages.c_names import bare
from cutaway.read.languages.text import one_line

if TYPE_CHECKING:
    from cutaway.read.languages.treesitter import Walk

__all__ = ["add_patterns", "read_patterns"]

# Every repetition is bounded: hostile text must not make a search quadratic.
HEAD, BODY = 1500, 200_000  # characters of a kernel's head, and of its body
_GLOBAL = re.compile(r"__global__")  # patterns that begin with plain text are searched ten times as fast
_METAL = re.compile(r"kernel(?:\]\])?\s{1,4}(?=void\s)")
_HEAD = re.compile(r"[;{}]|\bvoid\b|([A-Za-z_][\w#]*)\s*(?:<[^;{}()]{0,80}>\s*)?\(")
_NOT_NAMES = re.compile(r"__\w+__|\w*launch_bounds\w*|requires|if|alignas|decltype|noexcept", re.IGNORECASE)
_LAUNCH = re.compile(r"<<<<*")
_CALLEE = re.compile(r"([A-Za-z_][\w:]{0,150})\s*$")
_BINDING = re.compile(r"(?:\.|->)(def|impl)\s{0,20}\(\s{0,80}\"([\w:.]{1,120})")
_POINTED = re.compile(r"&\s{0,20}([A-Za-z_][\w:]{0,150})")
_MACRO = re.compile(
    r"^[ \t]*#[ \t]*define[ \t]+(\w+)\(([^)\n]{0,400})\)((?:[^\n]*\\\n)*[^\n]*)", re.MULTILINE
)
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/|\"(?:[^\"\\\n]|\\.)*\"", re.DOTALL)


class _Text:
    """Text with its comments blanked, one character per byte, so that offsets are those of the tree."""

    def __init__(self, data: bytes, comments: list[tuple[int, int]]):
        text = data.decode("latin-1")
        parts, last = [], 0
        for start, end in comments:
            if start >= last:
                parts += [text[last:start], _blanked(text[start:end])]
                last = end
        self.text = "".join([*parts, text[last:]])

    @cached_property
    def ends(self) -> list[int]:
        return [m.start() for m in re.finditer("\n", self.text)]

    def line(self, offset: int) -> int:
        return bisect_left(self.ends, offset) + 1


def _blanked(text: str) -> str:
    return re.sub(r"[^\n]", " ", text)


def add_patterns(walk: Walk) -> None:
    """Adds to a finished walk the kernels, launches and bindings that it did not see."""
    data = walk.data
    bindings = walk.tree.root_node.has_error and any(sign in data for sign in (b".def(", b".impl(", b">def("))
    if not (bindings or any(sign in data for sign in (b"__global__", b"<<<", b"kernel void", b"[[kernel]]"))):
        return
    text = _Text(data, walk.comments)
    known = {(d.name.rpartition(".")[2], d.line) for d in walk.defs if d.kind == "kernel"}
    for d in _kernels(text):
        if (d.name, d.line) not in known:
            scope = walk.scope_at(d.start)
            prefix = (
                f"{walk.defs[scope].name}."
                if scope != MODULE and walk.defs[scope].kind == "namespace"
                else ""
            )
            walk.defs.append(replace(d, name=prefix + d.name, parent=scope if prefix else MODULE))
            walk.word_lists.append({})
    for callee, at, sizes in _launches(text):
        if at not in walk.seen:
            scope = walk.scope_at(text.line(at))
            walk.calls.append(Call(scope, text.line(at), callee, [], ["launch"]))
            walk.marks.append(Mark("launch", text.line(at), bare(callee), scope, sizes))
    if bindings:
        seen = {(m.name, m.line) for m in walk.marks if m.kind == "binding"}
        for mark in _bindings(text):
            if (mark.name, mark.line) not in seen:
                walk.marks.append(mark)


def read_patterns(path: str, text: str) -> FileRecord:
    """The kernels, launches and bindings of a text that no grammar could take."""
    data = text.encode("utf-8", "replace")
    comments = [m.span() for m in _COMMENT.finditer(data.decode("latin-1")) if m[0][0] == "/"]
    blank = _Text(data, comments)
    launches = list(_launches(blank))
    return FileRecord(
        language="cuda" if path.endswith((".cu", ".cuh", ".hip")) else "cpp",
        lines=len(text.splitlines()),
        code_lines=sum(1 for line in blank.text.splitlines() if line.strip()),
        parse="pattern",
        defs=list(_kernels(blank)),
        calls=[Call(MODULE, blank.line(at), callee, [], ["launch"]) for callee, at, _ in launches],
        marks=[
            *(Mark("launch", blank.line(at), bare(c), MODULE, sizes) for c, at, sizes in launches),
            *_bindings(blank),
        ],
    )


# --- kernels ---


def _kernels(text: _Text) -> Iterator[Def]:
    """Each `__global__` and Metal `kernel`, and what a macro that holds one makes at each place that calls it."""
    starts = sorted(
        [*_GLOBAL.finditer(text.text), *_METAL.finditer(text.text)], key=lambda match: match.start()
    )
    macros = (
        [m for m in _MACRO.finditer(text.text) if "__global__" in m[3] or _METAL.search(m[3])]
        if starts
        else []
    )
    ends = [*(match.start() for match in starts[1:]), len(text.text)][: len(starts)]
    for match, end in zip(starts, ends, strict=True):  # a kernel's head ends where the next begins
        found = _named(text.text, match.end(), end)
        if found is None:
            continue
        name, at = found
        macro = next((m for m in macros if m.start() <= match.start() < m.end()), None)
        if macro is None:
            yield _kernel(text, name, match.start(), at)
        else:
            yield from _made(text, macro, name, match.start(), at)


def _named(text: str, start: int, end: int) -> tuple[str, int] | None:
    """(name, offset) of the kernel whose head begins at `start`: the first `name(` behind `void` that is no attribute."""
    at, void = start, False
    while found := _HEAD.search(text, at, min(start + HEAD, end)):
        if found[0] in ";{}":
            return None
        if found[0] == "void":
            void, at = True, found.end()
        elif void and not _NOT_NAMES.fullmatch(found[1]) and not _is_attribute(text, found):
            return found[1], found.start(1)
        else:
            at = _closed(text, found.end() - 1, "()", HEAD)
    return None


def _is_attribute(text: str, found: re.Match[str]) -> bool:
    """`BOUNDS(256) name(`: a capital macro with another name behind its parentheses."""
    behind = text[_closed(text, found.end() - 1, "()", HEAD) :][:200].lstrip(" \t\n\\")
    return found[1].isupper() and bool(re.match(r"[A-Za-z_]\w*\s*[(<]", behind))


def _made(text: _Text, macro: re.Match[str], name: str, start: int, at: int) -> Iterator[Def]:
    """The kernels of a macro: under its own name if that is fixed, else one per use of the macro."""
    parameters = [p.strip() for p in macro[2].split(",")]
    parts = [part for part in name.split("##") if part]
    if not set(parts) & set(parameters):
        yield _kernel(text, name, start, at)
        return
    for use in re.finditer(rf"\b{re.escape(macro[1])}\s{{0,20}}\(([^()]{{0,400}})\)", text.text):
        if macro.start() <= use.start() < macro.end() or text.text[: use.start()].rstrip(" \t").endswith(
            "define"
        ):
            continue
        given = dict(zip(parameters, (a.strip() for a in use[1].split(",")), strict=False))
        made = "".join(given.get(part, part) for part in parts)
        if re.fullmatch(r"[A-Za-z_]\w*", made):
            yield _kernel(text, made, use.start(), use.start())


def _kernel(text: _Text, name: str, start: int, at: int) -> Def:
    opening = text.text.find("(", at)
    closing = _closed(text.text, opening, "()", HEAD) if opening >= 0 else at
    rest = re.compile(r"\s*([{;])").match(text.text, closing)
    body = rest is not None and rest[1] == "{"
    end = _closed(text.text, rest.end() - 1, "{}", BODY) if rest and body else closing
    return Def(
        name.replace("#", ""), "kernel", text.line(at), text.line(start), text.line(max(end - 1, at)),
        signature=one_line(text.text[start:closing].replace("\\\n", " "), 240),
        flags=["pattern"] if body or rest is None else ["pattern", "declaration"],
    )  # fmt: skip


def _closed(text: str, start: int, pair: str, most: int) -> int:
    """The offset behind the bracket that closes the one at `start`, or the end of what is looked at."""
    depth = 0
    for found in re.compile(f"[{re.escape(pair)}]").finditer(text, start, start + most):
        depth += 1 if found[0] == pair[0] else -1
        if depth <= 0:
            return found.end()
    return min(len(text), start + most)


# --- launches and bindings ---


def _launches(text: _Text) -> Iterator[tuple[str, int, dict[str, str]]]:
    """(callee, offset of `<<<`, sizes) of each `kernel<<<grid, block>>>`."""
    for match in _LAUNCH.finditer(text.text):
        at = match.start()
        if len(match[0]) > 3:  # a conflict that somebody forgot to merge
            continue
        before = text.text[max(0, at - 600) : at].replace("\\\n", "  ").rstrip()
        arguments = ""
        if before.endswith(">"):
            opening = _opened(before)
            before, arguments = before[:opening], before[opening:]
        if found := _CALLEE.search(before):
            end = text.text.find(">>>", at, at + 600)
            sizes = [one_line(s.strip(" \\\n"), 120) for s in _split(text.text[at + 3 : max(end, at + 3)])]
            named = {k: v for k, v in zip(("grid", "block", "shared", "stream"), sizes, strict=False) if v}
            yield one_line(found[1] + arguments, 200), at, named


def _opened(text: str) -> int:
    """The offset of the `<` that the `>` at the end of the text closes."""
    depth = 0
    for at in range(len(text) - 1, -1, -1):
        depth += (text[at] == ">") - (text[at] == "<")
        if depth == 0:
            return at
    return len(text)


def _split(text: str) -> list[str]:
    """Arguments at the top level of brackets."""
    parts, depth, last = [], 0, 0
    for at, sign in enumerate(text):
        depth += (sign in "([{") - (sign in ")]}")
        if sign == "," and depth == 0:
            parts.append(text[last:at])
            last = at + 1
    return [*parts, text[last:]]


def _bindings(text: _Text) -> Iterator[Mark]:
    for match in _BINDING.finditer(text.text):
        end = text.text.find(";", match.end(), match.end() + 1200)
        target = _POINTED.search(text.text, match.end(), max(end, match.end()))
        owner = _CALLEE.search(text.text, max(0, match.start() - 60), match.start())
        name = match[2].split("::")[-1]
        detail = {"target": target[1] if target else "", "callee": f"{owner[1] if owner else ''}.{match[1]}"}
        detail["qualified"] = match[2] if "::" in match[2] else ""
        yield Mark("binding", text.line(match.start()), name, MODULE, {k: v for k, v in detail.items() if v})
