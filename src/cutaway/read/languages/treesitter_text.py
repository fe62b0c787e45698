# tree-sitter speaks of bytes and may take very long over a text that is ambiguous: here bytes become text and time has a limit.
"""`parse` within a limit of steps, and `cutter`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tree_sitter import Parser, Tree

__all__ = ["cutter", "parse"]

CHUNK = 64 << 10


def cutter(text: str, data: bytes) -> Callable[[int, int], str]:
    """What gives the text between two bytes; of a text in ASCII they are its characters."""
    if text.isascii():
        return lambda start, end: text[start:end]
    return lambda start, end: data[start:end].decode("utf-8", "replace")


def parse(parser: Parser, data: bytes) -> Tree:
    """The tree, unless an ambiguous text makes the parser take some twenty times the usual steps."""
    steps, most = 0, 20_000 + len(data) // 10

    def read(offset: int, _point: object) -> bytes:
        return data[offset : offset + CHUNK]

    def more(_offset: int, _has_error: bool) -> bool:
        nonlocal steps
        steps += 1
        return steps > most

    parser.reset()
    tree = parser.parse(read, progress_callback=more)
    if tree is None or steps > most:
        raise ValueError("the grammar took too many steps")
    return tree
