# tree-sitter speaks of bytes and may take very long over a text that is ambiguous: here bytes become text and time has a limit.
"""`tree_of` within a limit of steps, and `cutter`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tree_sitter import Node, Parser, Tree

__all__ = ["cutter", "tree_of"]

Change = Callable[[bytes], bytes]

CHUNK = 64 << 10


def cutter(text: str, data: bytes) -> Callable[[int, int], str]:
    """What gives the text between two bytes; of a text in ASCII they are its characters."""
    if text.isascii():
        return lambda start, end: text[start:end]
    return lambda start, end: data[start:end].decode("utf-8", "replace")


def tree_of(parser: Parser, data: bytes, prepare: Change | None = None, repair: Change | None = None) -> Tree:
    """The tree of a prepared text; where the grammar failed on it, that of the repaired one if it failed less there."""
    data = prepare(data) if prepare else data
    tree = _parse(parser, data)
    if repair and tree.root_node.has_error and (repaired := repair(data)) != data:
        other = _parse(parser, repaired)
        if _lost(other.root_node) < _lost(tree.root_node):
            return other
    return tree


def _lost(root: Node) -> int:
    """The bytes that no rule of the grammar took in, and a point for each word that it missed."""
    found, around = 0, [root]
    while around:
        node = around.pop()
        if node.is_error:
            found += node.end_byte - node.start_byte
        elif node.has_error:
            found += node.is_missing
            around += node.children
    return found


def _parse(parser: Parser, data: bytes) -> Tree:
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
