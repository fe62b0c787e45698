# Statements that several grammars name alike, and the one way in which they are noted.
"""Handlers of a `Grammar` for `while` and `return`."""

from __future__ import annotations

from tree_sitter import Node

from cutaway.read.languages.grammar import Scope
from cutaway.read.languages.treesitter import Walk

__all__ = ["loop_statement", "return_statement"]


def loop_statement(walk: Walk, node: Node, scope: Scope) -> Scope:
    """A loop with its condition and last line."""
    walk.mark(
        "loop",
        node,
        scope,
        walk.text(node.child_by_field_name("condition"), 120),
        end=str(node.end_point[0] + 1),
    )
    return scope.inside_loop()


def return_statement(walk: Walk, node: Node, scope: Scope) -> None:
    """What a function gives back; a bare return binds nothing."""
    if node.named_child_count:
        walk.bind(node, scope, "return", walk.text(node.named_children[0]), "", "return")
