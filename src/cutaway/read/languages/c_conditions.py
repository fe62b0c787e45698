# Conditions of the preprocessor that cut through an expression or a block: `if (a\n#ifdef X\n || b\n#endif\n) {`. A grammar
# knows them between statements only, and loses the class around them otherwise. Where it failed, the directives and all
# branches but the first are blanked for the parser alone; every offset and every text stays as written.
"""`first_branches(data)`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from cutaway.read.languages.c_macros import blanked

__all__ = ["first_branches"]

# A comment, a string, a letter, a directive with the lines that it goes on over, a bracket or the end of a statement.
_TOKEN = re.compile(
    rb"//[^\n]*|/\*.*?\*/|\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.){1,8}'"
    rb"|\n[ \t]*#[ \t]*(?P<word>\w+)(?:[^\n\\]|\\\r?\n|\\.)*|(?P<mark>[(){}])",
    re.DOTALL,
)  # each begins with plain text, which is searched several times as fast as `^`
_GOES_ON = re.compile(rb"(?:,|\)\s*:)\s*\Z")  # a list of initialisers, say
NEAR = 200  # bytes before a directive that are looked at
_OPENS = (b"if", b"ifdef", b"ifndef")
_SPLITS = (b"else", b"elif", b"elifdef", b"elifndef")


@dataclass
class _Group:
    """One `#if … #endif`: its directives, where its second branch begins, and how brackets stood where it began."""

    inside: bool  # within open parentheses, or behind what goes on
    depth: int
    split: int = 0
    uneven: bool = False
    spans: list[tuple[int, int]] = field(default_factory=list)


def first_branches(data: bytes) -> bytes:
    """The same number of bytes and lines, with spaces for such directives and for what stands behind their first branch."""
    spans: list[tuple[int, int]] = []
    groups: list[_Group] = []
    parens, depth, hidden = 0, 0, 0  # open parentheses, open brackets, groups whose second branch this is
    lines = b"\n" + data  # so that every line has a line end before it; spans are of these
    for token in _TOKEN.finditer(lines):
        mark, word = token["mark"], token["word"]
        if mark is not None:
            if hidden:
                continue
            step = 1 if mark in b"({" else -1
            depth += step
            parens = max(0, parens + step) if mark in b"()" else parens
            if mark == b"}" and not any(g.inside for g in groups):
                parens = 0  # what a macro left open ends with its block
        elif word in _OPENS:
            cut = _GOES_ON.search(lines, max(0, token.start() - NEAR), token.start())
            groups.append(_Group(parens > 0 or cut is not None, depth, spans=[token.span()]))
        elif groups and word in _SPLITS:
            group = groups[-1]
            if not group.split:
                group.split = token.start()
                group.uneven = depth != group.depth
                hidden += 1
        elif groups and word == b"endif":
            group = groups.pop()
            group.uneven |= not group.split and depth != group.depth
            hidden -= bool(group.split)
            if (group.inside or group.uneven) and b"__cplusplus" not in lines[slice(*group.spans[0])]:
                spans.append(group.spans[0])
                spans.append((group.split or token.start(), token.end()))
    return blanked(lines, spans)[1:]
