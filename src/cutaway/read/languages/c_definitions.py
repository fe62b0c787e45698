# What C, C++ and CUDA define: namespaces, types and their parts, functions and prototypes, typedefs, macros.
"""Handlers of definitions; each gets (walk, node, scope)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cutaway.model.code import Param
from cutaway.read.languages.c_calls import library
from cutaway.read.languages.c_names import (
    IDENTIFIER,
    LITERAL,
    bare,
    declared_name,
    named,
    signature_start,
    unwrap,
)
from cutaway.read.languages.grammar import SKIP, Scope

if TYPE_CHECKING:
    from tree_sitter import Node

    from cutaway.read.languages.treesitter import Walk

__all__ = [
    "access",
    "callable_",
    "enumerator",
    "function",
    "macro",
    "namespace",
    "template",
    "type_",
    "typedef",
]

_FLAGS = ("static", "virtual", "inline", "extern", "constexpr", "__device__", "__host__", "__forceinline__")
_KERNEL = re.compile(r"__global__|\b(__)?kernel\b(\]\])?\s+void\b")  # CUDA and HIP; OpenCL and Metal


def namespace(walk: Walk, node: Node, scope: Scope) -> Scope | None:
    name = walk.text(node.child_by_field_name("name"), 160).replace("::", ".").replace("inline ", "")
    return walk.define(node, scope, "namespace", name) if name else None


def type_(walk: Walk, node: Node, scope: Scope) -> Scope | None:
    """class, struct, union or enum with a body; one without is only a mention."""
    body = node.child_by_field_name("body")
    at = node.child_by_field_name("name")
    name = bare(walk.text(at, 160)).replace("::", ".") or walk.hints.get(node.id, "")
    if body is None or not name:
        return None
    kind = {"class_specifier": "class", "enum_specifier": "enum"}.get(node.type, "struct")
    bases = [
        walk.text(base, 120)
        for clause in node.named_children
        if clause.type == "base_class_clause"
        for base in clause.named_children
        if base.type != "access_specifier"
    ]
    inner = walk.define(
        node,
        scope,
        kind,
        name,
        at,
        bases=bases,
        signature=walk.between(node.start_byte, body.start_byte, 240),
    )
    inner.access = "private" if kind == "class" else "public"
    return inner


def access(walk: Walk, node: Node, scope: Scope) -> Scope:
    scope.access = walk.text(node, 20)
    return SKIP


def enumerator(walk: Walk, node: Node, scope: Scope) -> None:
    walk.mark(
        "member",
        node,
        scope,
        walk.text(node.child_by_field_name("name")),
        value=walk.text(node.child_by_field_name("value"), 80),
    )


def function(walk: Walk, node: Node, scope: Scope) -> Scope | None:
    declarator = node.child_by_field_name("declarator")
    if declarator is None:
        return None
    body = node.child_by_field_name("body")
    head_end = body.start_byte if body is not None else node.end_byte
    found = callable_(walk, node, scope, declarator, head_end, ())
    return found and library(walk, node, scope, found, declarator)


def callable_(
    walk: Walk, node: Node, scope: Scope, declarator: Node, end: int, flags: tuple[str, ...]
) -> Scope | None:
    """A function's definition or prototype: the name is at the bottom of its declarators."""
    function = unwrap(declarator, "function_declarator")
    at = declared_name(function.child_by_field_name("declarator") if function is not None else declarator)
    if at is None:
        return None
    name = bare(walk.text(at, 200)).replace("::", ".").replace(" ", "").strip(".")
    before = walk.cut(node.start_byte, declarator.start_byte)
    in_type = scope.kind in ("class", "struct")
    kind = "kernel" if _KERNEL.search(before) else "method" if in_type or "." in name else "function"
    words = set(IDENTIFIER.findall(before))
    marks = [flag for flag in _FLAGS if flag in words]
    if in_type and scope.access == "public":
        marks.append("public")
    if (
        end == node.end_byte
        and walk.data[node.start_byte : end].rstrip(b"; \n").endswith(b"0")
        and "virtual" in words
    ):
        marks.append("abstract")
    returns = " ".join(w for w in before.split() if w not in _FLAGS and not w.startswith("__"))
    parameters = function.child_by_field_name("parameters") if function is not None else None
    return walk.define(
        node, scope, kind, name, at,
        signature=walk.between(signature_start(walk.data, node), end, 240).rstrip("{; "),
        params=_parameters(walk, parameters),
        returns=returns[:160],
        flags=[*marks, *flags],
    )  # fmt: skip


def _parameters(walk: Walk, node: Node | None) -> list[Param]:
    rows = []
    for one in node.named_children if node is not None else ():
        if one.type == "variadic_parameter":
            rows.append(Param("..."))
            continue
        if "parameter" not in one.type:
            continue
        declarator = one.child_by_field_name("declarator")
        at = declared_name(declarator) if declarator is not None else None
        end = at.start_byte if at is not None else one.end_byte
        default = one.child_by_field_name("default_value")
        annotation = walk.between(one.start_byte, end, 120).strip()
        rows.append(Param(walk.text(at, 80), annotation, walk.text(default, 80)))
    return rows


def template(walk: Walk, node: Node, scope: Scope) -> None:
    """A template's line, and the comments above it, belong to what is in it."""
    for child in node.named_children:
        walk.outer[child.id] = walk.outer.get(node.id, node)


def typedef(walk: Walk, node: Node, scope: Scope) -> None:
    """`typedef struct {…} T` gives the struct its name; other typedefs and `using` are types of their own."""
    kind = node.child_by_field_name("type")
    at = node.child_by_field_name("name") or declared_name(node.child_by_field_name("declarator"))
    name = walk.text(at, 160)
    if (
        kind is not None
        and kind.child_by_field_name("body") is not None
        and kind.child_by_field_name("name") is None
    ):
        walk.hints[kind.id] = name
        walk.outer[kind.id] = node
    elif name:
        walk.define(
            node,
            scope,
            "type",
            name,
            at,
            signature=walk.text(node, 240).rstrip(";"),
            returns=walk.text(kind, 160),
        )


def macro(walk: Walk, node: Node, scope: Scope) -> Scope:
    """A macro's body is text: its identifiers are its words. A name without a value (an include guard) is none."""
    at, value = node.child_by_field_name("name"), node.child_by_field_name("value")
    if at is None or (value is None and node.type == "preproc_def"):
        return SKIP
    text = walk.text(value)
    parameters = [Param(walk.text(p, 60)) for p in named(node.child_by_field_name("parameters"))]
    inner = walk.define(
        node, walk.module, "macro", walk.text(at, 160), at, signature=walk.text(node, 240), params=parameters
    )
    whole = walk.cut(value.start_byte, value.end_byte) if value is not None else ""
    inner.words.update(dict.fromkeys(IDENTIFIER.findall(whole)))
    if LITERAL.match(text):
        walk.mark("literal", node, scope, walk.text(at, 160), value=text)
    return SKIP
