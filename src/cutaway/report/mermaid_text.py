# What all kinds of Mermaid diagrams have in common: front matter, comments and directives go, the rest are statements,
# which keep the number of their line so that a problem can say where it is.
"""Mermaid text as numbered statements."""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["Line", "Problem", "statements"]

_DIRECTIVE = re.compile(r"%%\{.*?\}%%", re.DOTALL)
_FRONT = re.compile(r"\A\s*---[ \t]*\n.*?\n---[ \t]*\n", re.DOTALL)
_DESCRIPTION = re.compile(r"accDescr\s*\{.*?\}", re.DOTALL)


class Problem(NamedTuple):
    """`line` counts from 1 in the diagram's text."""

    line: int
    what: str


class Line(NamedTuple):
    """One statement and the line on which it begins."""

    number: int
    text: str


def statements(text: str) -> list[Line]:
    """The statements of a diagram, its header first."""
    for pattern in (_FRONT, _DIRECTIVE, _DESCRIPTION):
        text = pattern.sub(lambda m: "\n" * m[0].count("\n"), text)
    lines = [Line(number, raw.strip()) for number, raw in enumerate(text.split("\n"), 1)]
    return [line for line in lines if line.text and not line.text.startswith("%%")]
