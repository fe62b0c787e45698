# What C, C++ and CUDA do with names: declare variables and fields, assign, loop, return, throw, include.
"""Handlers of statements; each gets (walk, node, scope)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cutaway.read.languages.c_calls import declared_thread, table
from cutaway.read.languages.c_definitions import callable_
from cutaway.read.languages.c_names import IDENTIFIER, LITERAL, bare, declared_name, named, unwrap
from cutaway.read.languages.grammar import SKIP, Scope

if TYPE_CHECKING:
    from tree_sitter import Node

    from cutaway.read.languages.treesitter import Walk

__all__ = [
    "assignment",
    "catch",
    "declaration",
    "field_initializer",
    "for_",
    "include",
    "new",
    "range_loop",
    "return_",
    "throw",
    "using",
    "while_",
]

_MACRO_NAME = re.compile(r"[A-Z][A-Z0-9_]+$")


def declaration(walk: Walk, node: Node, scope: Scope) -> None:
    kind = node.child_by_field_name("type")
    annotation = walk.text(kind, 160)
    in_type = scope.kind in ("class", "struct")
    for declarator in node.children_by_field_name("declarator"):
        function = unwrap(declarator, "function_declarator")
        if function is not None and in_type and kind is None and _field_by_macro(walk, node, scope, function):
            continue
        if function is not None and (in_type or scope.outside):
            if not declared_thread(walk, node, scope, declarator, annotation):
                callable_(walk, node, scope, declarator, node.end_byte, ("declaration",))
            continue
        value = declarator.child_by_field_name("value") or node.child_by_field_name("default_value")
        at = declared_name(declarator)
        name = walk.text(at, 120)
        declared_thread(walk, node, scope, declarator, annotation)
        if in_type:
            walk.field(node, scope, name, annotation, walk.text(value))
        else:
            walk.bind(node, scope, name, walk.text(value), annotation)
        if value is not None and value.type == "initializer_list":
            table(walk, value, scope, name)
        if value is not None and scope.outside and LITERAL.match(text := walk.text(value, 160)):
            walk.mark("literal", node, scope, name, value=text)


def _field_by_macro(walk: Walk, node: Node, scope: Scope, function: Node) -> bool:
    """`DEFINE_ARG(int, block_size) = 8;` in a type: a macro that makes a field of a type and a name."""
    parts = named(function.child_by_field_name("parameters"))
    name = walk.text(function.child_by_field_name("declarator"), 60)
    if len(parts) != 2 or not _MACRO_NAME.match(name) or not IDENTIFIER.fullmatch(walk.text(parts[1], 80)):
        return False
    value = walk.between(function.end_byte, node.end_byte, 160).strip("= ;\n")
    walk.field(node, scope, walk.text(parts[1], 80), walk.text(parts[0], 160), value)
    return True


def assignment(walk: Walk, node: Node, scope: Scope) -> None:
    left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
    walk.bind(node, scope, walk.text(left, 120), walk.text(right))


def field_initializer(walk: Walk, node: Node, scope: Scope) -> None:
    """`member(value)` after a constructor's colon."""
    parts = node.named_children
    if len(parts) == 2:
        walk.bind(node, scope, bare(walk.text(parts[0], 120)), walk.text(parts[1]).strip("(){}"))


def range_loop(walk: Walk, node: Node, scope: Scope) -> Scope:
    target = declared_name(node.child_by_field_name("declarator"))
    annotation = walk.text(node.child_by_field_name("type"), 120)
    walk.bind(
        node, scope, walk.text(target, 120), walk.text(node.child_by_field_name("right")), annotation, "for"
    )
    return scope.inside_loop()


def while_(walk: Walk, node: Node, scope: Scope) -> Scope:
    test = walk.text(node.child_by_field_name("condition"), 120)
    walk.mark("loop", node, scope, test, end=str(node.end_point[0] + 1))
    return scope.inside_loop()


def for_(walk: Walk, node: Node, scope: Scope) -> Scope:
    if not any(node.child_by_field_name(part) for part in ("initializer", "condition", "update")):
        walk.mark("loop", node, scope, "", end=str(node.end_point[0] + 1))
    return scope.inside_loop()


def return_(walk: Walk, node: Node, scope: Scope) -> None:
    if node.named_child_count:
        walk.bind(node, scope, "return", walk.text(node.named_children[0]), "", "return")


def throw(walk: Walk, node: Node, scope: Scope) -> None:
    walk.mark("raise", node, scope, walk.text(node.named_children[0], 160) if node.named_child_count else "")


def new(walk: Walk, node: Node, scope: Scope) -> None:
    arguments = node.child_by_field_name("arguments")
    walk.call(node, scope, walk.text(node.child_by_field_name("type"), 200), named(arguments))


def catch(walk: Walk, node: Node, scope: Scope) -> None:
    caught = walk.text(node.child_by_field_name("parameters"), 120).strip("()")
    walk.mark("except", node, scope, caught, does=walk.text(node.child_by_field_name("body"), 160).strip("{} "))


def include(walk: Walk, node: Node, scope: Scope) -> Scope:
    path = walk.text(node.child_by_field_name("path"), 200)
    walk.importing(node, scope, path.strip('<>" '), symbol="*")
    return SKIP


def using(walk: Walk, node: Node, scope: Scope) -> Scope:
    text = walk.text(node, 200).removeprefix("using ").rstrip("; ")
    if text.startswith("namespace "):
        walk.importing(node, scope, text.removeprefix("namespace ").replace("::", "."), symbol="*")
    else:
        module, _, name = text.replace("::", ".").rpartition(".")
        walk.importing(node, scope, module, name, name)
    return SKIP
