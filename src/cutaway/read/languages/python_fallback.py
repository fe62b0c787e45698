# Python that `ast` refuses: another version's syntax, a template, half a file. tree-sitter reads around what it does not know,
# so that definitions, imports and calls are still there.
"""`read_python_text(path, text) -> FileRecord`, the reader behind `read_python`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tree_sitter_python

from cutaway.model.code import FileRecord, Param
from cutaway.read.languages.declared import ENV_NAME
from cutaway.read.languages.grammar import SKIP, Grammar, Scope, kinds
from cutaway.read.languages.treesitter import Walk, read_tree

if TYPE_CHECKING:
    from tree_sitter import Node

__all__ = ["read_python_text"]


def read_python_text(path: str, text: str) -> FileRecord:
    return read_tree(PYTHON, path, text)


def _named(node: Node | None) -> list[Node]:
    return node.named_children if node is not None else []


def _decorated(walk: Walk, node: Node, scope: Scope) -> None:
    for child in node.named_children:
        walk.outer[child.id] = node


def _definition(walk: Walk, node: Node, scope: Scope) -> Scope:
    at, body = node.child_by_field_name("name"), node.child_by_field_name("body")
    is_class = node.type == "class_definition"
    wrapped = walk.outer.get(node.id)
    decorators = [walk.text(d, 160).lstrip("@") for d in _named(wrapped) if d.type == "decorator"]
    parameters = (
        []
        if is_class
        else [p for one in _named(node.child_by_field_name("parameters")) if (p := _parameter(walk, one))]
    )
    kind = "class" if is_class else "method" if scope.kind == "class" else "function"
    if any(d.startswith(("triton.jit", "triton.autotune")) for d in decorators):
        kind = "kernel"
    first = _named(body)[0] if _named(body) else None
    text = (
        walk.string(first.named_children[0])
        if first is not None and first.type == "expression_statement" and first.named_child_count
        else None
    )
    inner = walk.define(
        node, scope, kind, walk.text(at, 160), at, decorators=decorators, params=parameters,
        signature=walk.between(node.start_byte, body.start_byte if body is not None else node.end_byte, 240).rstrip(": "),
        bases=[walk.text(b, 120) for b in _named(node.child_by_field_name("superclasses"))] if is_class else [],
        returns=walk.text(node.child_by_field_name("return_type"), 160),
        flags=["async"] if walk.data[node.start_byte : node.start_byte + 5] == b"async" else [],
    )  # fmt: skip
    if text is not None:
        walk.document(inner, text.strip("\"' "))
    return inner


def _parameter(walk: Walk, node: Node) -> Param | None:
    at = node.child_by_field_name("name") or (node.named_children[0] if node.named_child_count else node)
    name = walk.text(at, 80)
    if node.type in ("list_splat_pattern", "dictionary_splat_pattern"):
        name = walk.text(node, 80)
    if node.type in ("comment", "ERROR", "keyword_separator", "positional_separator"):
        return None
    return Param(
        name,
        walk.text(node.child_by_field_name("type"), 120),
        walk.text(node.child_by_field_name("value"), 80),
    )


def _import(walk: Walk, node: Node, scope: Scope) -> Scope:
    module = walk.text(node.child_by_field_name("module_name"), 200)
    for one in node.children_by_field_name("name"):
        name = walk.text(one.child_by_field_name("name") or one, 200)
        alias = walk.text(one.child_by_field_name("alias"), 120)
        if module:
            walk.importing(node, scope, module, alias or name, name)
        else:
            walk.importing(node, scope, name, alias or name.partition(".")[0])
    if any(c.type == "wildcard_import" for c in node.named_children):
        walk.importing(node, scope, module, "", "*")
    return SKIP


def _call(walk: Walk, node: Node, scope: Scope) -> None:
    function, holder = node.child_by_field_name("function"), node.child_by_field_name("arguments")
    callee = walk.text(function, 200)
    arguments = _named(holder)
    args = walk.call(
        node, scope, callee, arguments, at=function.child_by_field_name("attribute") if function else None
    )
    name = walk.string(arguments[0]) if arguments else None
    if name and ENV_NAME.match(name) and ("getenv" in callee or "environ" in callee):
        walk.mark("env", node, scope, name, default=args[1] if len(args) > 1 else "", via=callee)
    elif callee.endswith("add_argument") and name:
        default = next((a.partition("=")[2] for a in args if a.startswith("default=")), "")
        walk.mark("flag", node, scope, name, default=default)


def _assignment(walk: Walk, node: Node, scope: Scope) -> None:
    left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
    walk.bind(
        node, scope, walk.text(left, 120), walk.text(right), walk.text(node.child_by_field_name("type"), 160)
    )


def _return(walk: Walk, node: Node, scope: Scope) -> None:
    if node.named_child_count:
        walk.bind(node, scope, "return", walk.text(node.named_children[0]), "", "return")


def _main(walk: Walk, node: Node, scope: Scope) -> None:
    if walk.text(node.child_by_field_name("condition"), 60).replace("'", '"') == '__name__ == "__main__"':
        walk.mark("main", node, scope, "__main__", end=str(node.end_point[0] + 1))


def _raise(walk: Walk, node: Node, scope: Scope) -> None:
    walk.mark("raise", node, scope, walk.text(node.named_children[0], 160) if node.named_child_count else "")


PYTHON = Grammar(
    "python",
    tree_sitter_python.language,
    {
        "decorated_definition": _decorated,
        **kinds(_definition, "function_definition class_definition"),
        **kinds(_import, "import_statement import_from_statement future_import_statement"),
        "call": _call,
        "assignment": _assignment,
        "return_statement": _return,
        "if_statement": _main,
        "raise_statement": _raise,
    },
    words="identifier",
    loops="for_statement while_statement",
    skipped="parameters integer float",
)
