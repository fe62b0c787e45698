# A detector that looks at one function again needs its syntax, which records do not keep: the tree of a text in a language
# that tree-sitter reads, with the way to cut its source, by the same grammar as its record was made with.
"""`syntax_of(path, language, text) -> Syntax | None`."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import TYPE_CHECKING

from cutaway.read.languages.treesitter import compiled
from cutaway.read.languages.treesitter_text import cutter, tree_of

if TYPE_CHECKING:
    from tree_sitter import Node

__all__ = ["Syntax", "syntax_of"]

GRAMMARS = {
    "c": "c_family:C", "cpp": "c_family:CPP", "cuda": "c_family:CUDA", "go": "go:GO", "rust": "rust:RUST",
    "typescript": "typescript:TYPESCRIPT", "javascript": "typescript:JAVASCRIPT",
}  # fmt: skip
MARKED_UP = ("typescript:TSX", (".tsx", ".jsx"))


class Syntax:
    """The tree of one file; `root` is its outermost node."""

    def __init__(self, root: Node, text: str, data: bytes):
        self.root = root
        self._cut = cutter(text, data)

    def text(self, start: int, end: int, without: list[Node]) -> str:
        """The source between two bytes on one line, without the nodes (comments, say) that stand there."""
        parts, at = [], start
        for node in without:
            if at <= node.start_byte and node.end_byte <= end:
                parts.append(self._cut(at, node.start_byte))
                at = node.end_byte
        return " ".join(" ".join([*parts, self._cut(at, end)]).split())

    def breaks(self, start: int, end: int) -> int:
        """How many lines end between two bytes, those of blanks at the end aside."""
        return self._cut(start, end).rstrip("{ \t\r\n").count("\n")

    def comments(self, node: Node) -> list[Node]:
        """The comments in a node, in the order of the source."""
        return [one for one in _below(node) if "comment" in one.type]


def syntax_of(path: str, language: str, text: str) -> Syntax | None:
    """The syntax of a file; None where its language has no grammar here, or the grammar gives up on the text."""
    name = MARKED_UP[0] if path.endswith(MARKED_UP[1]) else GRAMMARS.get(language)
    if name is None:
        return None
    module, constant = name.split(":")
    grammar = getattr(import_module(f"cutaway.read.languages.{module}"), constant)
    data = text.encode("utf-8", "replace")
    try:
        tree = tree_of(compiled(grammar)[0], data, grammar.prepare, grammar.repair)
    except ValueError:
        return None
    return Syntax(tree.root_node, text, data)


def _below(node: Node) -> Iterator[Node]:
    """Every named node in one, in the order of the source; without a recursion, since sources nest deeply."""
    todo = [node]
    while todo:
        one = todo.pop()
        yield one
        todo += reversed(one.named_children)
