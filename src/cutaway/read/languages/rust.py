# Rust: items, impl blocks, calls and macros. What attributes and calls declare (clap, axum, tokio) stands in `rust_calls.py`.
"""`read_rust(path, text) -> FileRecord`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import tree_sitter_rust

from cutaway.model.code import FileRecord, Param
from cutaway.read.languages.grammar import SKIP, Grammar, Scope, kinds
from cutaway.read.languages.rust_calls import call, clap_field, macro
from cutaway.read.languages.statements import loop_statement, return_statement
from cutaway.read.languages.treesitter import Walk, read_tree

if TYPE_CHECKING:
    from tree_sitter import Node

__all__ = ["read_rust"]

_LITERAL = re.compile(r"""^-?(\d[\w.]*|b?"[^"]*"|true|false)$""")
_GENERIC = re.compile(r"<.*")


def read_rust(path: str, text: str) -> FileRecord:
    return read_tree(RUST, path, text)


def _name(walk: Walk, node: Node) -> str:
    return walk.text(node.child_by_field_name("name"), 160)


def _public(node: Node) -> list[str]:
    return ["public"] if any(c.type == "visibility_modifier" for c in node.children[:3]) else []


def _head(walk: Walk, node: Node) -> str:
    body = node.child_by_field_name("body")
    return walk.between(node.start_byte, body.start_byte if body is not None else node.end_byte, 240).rstrip(
        "{;, "
    )


def _of_type(walk: Walk, node: Node | None) -> str:
    """The name of a type without references, generics and path."""
    text = re.sub(r"^(&|'\w+\s|mut\s|dyn\s|\s)+", "", walk.text(node, 160))
    return _GENERIC.sub("", text).rpartition("::")[2].strip()


# --- items ---


def _module(walk: Walk, node: Node, scope: Scope) -> Scope | None:
    if node.child_by_field_name("body") is None:  # `mod x;` makes a file known
        walk.importing(node, scope, "self", _name(walk, node), _name(walk, node))
        return SKIP
    return walk.define(node, scope, "namespace", _name(walk, node), flags=_public(node))


def _type(walk: Walk, node: Node, scope: Scope) -> Scope:
    kind = {"enum_item": "enum", "trait_item": "trait", "type_item": "type"}.get(node.type, "struct")
    bounds = node.child_by_field_name("bounds")
    bases = [walk.text(b, 120) for b in bases_of(bounds)]
    inner = walk.define(
        node,
        scope,
        kind,
        _name(walk, node),
        node.child_by_field_name("name"),
        bases=bases,
        signature=_head(walk, node),
        flags=_public(node),
    )
    definition = walk.defs[inner.index]
    for decorator in definition.decorators:
        if found := re.match(r"#\[derive\((.*)\)\]", decorator):
            definition.bases.extend(b.strip() for b in found[1].split(","))
    return inner


def bases_of(bounds: Node | None) -> list[Node]:
    return [] if bounds is None else [b for b in bounds.named_children if b.type != "lifetime"]


def _impl(walk: Walk, node: Node, scope: Scope) -> Scope:
    """Names in an `impl` belong to its type; the block itself is a mark, with the trait."""
    name = _of_type(walk, node.child_by_field_name("type"))
    trait = node.child_by_field_name("trait")
    walk.mark("impl", node, scope, name, trait=walk.text(trait, 160), end=str(node.end_point[0] + 1))
    prefix = f"{scope.prefix}.{name}" if scope.prefix else name
    inner = Scope(scope.index, "impl", prefix, {})
    inner.access = _of_type(walk, trait)
    return inner


def _function(walk: Walk, node: Node, scope: Scope) -> Scope:
    body = node.child_by_field_name("body")
    modifiers = next(
        (walk.text(c, 80).split() for c in node.named_children if c.type == "function_modifiers"), []
    )
    in_type = scope.kind in ("impl", "trait")
    parameters = node.child_by_field_name("parameters")
    params = [
        p
        for one in (parameters.named_children if parameters is not None else ())
        if (p := _parameter(walk, one))
    ]
    flags = [m for m in modifiers if m in ("async", "unsafe", "const", "extern")] + _public(node)
    if in_type and not (params and params[0].name.endswith("self")):
        flags.append("static")
    if body is None:
        flags.append("abstract" if in_type else "declaration")
    else:
        walk.hints[body.id] = "body"
    name = _name(walk, node)
    inner = walk.define(
        node, scope, "method" if in_type else "function", name, node.child_by_field_name("name"),
        signature=_head(walk, node), params=params, flags=flags,
        returns=walk.text(node.child_by_field_name("return_type"), 160),
        bases=[scope.access] if scope.kind == "impl" and scope.access else [],
    )  # fmt: skip
    if name == "main" and scope.kind == "module":
        walk.mark("main", node, inner, "main", how=" ".join(walk.defs[inner.index].decorators))
    return inner


def _parameter(walk: Walk, node: Node) -> Param | None:
    if node.type == "self_parameter":
        return Param("self", walk.text(node, 40))
    if node.type != "parameter":
        return None
    pattern = walk.text(node.child_by_field_name("pattern"), 80).removeprefix("mut ")
    return Param(pattern, walk.text(node.child_by_field_name("type"), 120))


def _constant(walk: Walk, node: Node, scope: Scope) -> Scope | None:
    name, value = _name(walk, node), walk.text(node.child_by_field_name("value"))
    annotation = walk.text(node.child_by_field_name("type"), 160)
    walk.bind(node, scope, name, value, annotation)
    if _LITERAL.match(value):
        walk.mark("literal", node, scope, name, value=value[:160])
    if not scope.outside and scope.kind != "impl":
        return None
    inner = walk.define(
        node,
        scope,
        "constant",
        name,
        node.child_by_field_name("name"),
        signature=walk.text(node, 240),
        returns=annotation,
        flags=_public(node),
    )
    return Scope(scope.index, scope.kind, scope.prefix, inner.words)


def _macro_rules(walk: Walk, node: Node, scope: Scope) -> Scope:
    inner = walk.define(node, scope, "macro", _name(walk, node), node.child_by_field_name("name"))
    inner.words.update(
        dict.fromkeys(
            re.findall(
                r"\$?[A-Za-z_]\w*", walk.cut(node.start_byte, node.end_byte)
            )
        )
    )
    return SKIP


def _field(walk: Walk, node: Node, scope: Scope) -> None:
    name, annotation = _name(walk, node), walk.text(node.child_by_field_name("type"), 160)
    _, comments, attributes = walk.above_of(node)
    walk.field(node, scope, name, annotation, help=comments[:160], attributes=" ".join(attributes)[:300])
    clap_field(walk, node, scope, name, annotation, comments, attributes)


def _variant(walk: Walk, node: Node, scope: Scope) -> None:
    _, comments, _ = walk.above_of(node)
    value, body = node.child_by_field_name("value"), node.child_by_field_name("body")
    walk.mark(
        "member",
        node,
        scope,
        _name(walk, node),
        value=walk.text(value if value is not None else body, 80),
        help=comments[:160],
    )


# --- statements ---


def _let(walk: Walk, node: Node, scope: Scope) -> None:
    pattern = walk.text(node.child_by_field_name("pattern"), 120).removeprefix("mut ")
    annotation = walk.text(node.child_by_field_name("type"), 160)
    walk.bind(node, scope, pattern, walk.text(node.child_by_field_name("value")), annotation)


def _assignment(walk: Walk, node: Node, scope: Scope) -> None:
    walk.bind(
        node,
        scope,
        walk.text(node.child_by_field_name("left"), 120),
        walk.text(node.child_by_field_name("right")),
    )


def _initialiser(walk: Walk, node: Node, scope: Scope) -> None:
    """`Type { field: value }` gives a field of Type its value."""
    owner = walk.text(node.child_by_field_name("name"), 120)
    body = node.child_by_field_name("body")
    for one in body.named_children if body is not None else ():
        at = one.child_by_field_name("field") or one.child_by_field_name("name")
        value = one.child_by_field_name("value")
        if one.type == "shorthand_field_initializer":
            walk.bind(one, scope, f"{owner}.{walk.text(one, 80)}", walk.text(one, 80), "", "init")
        elif at is not None:
            walk.bind(one, scope, f"{owner}.{walk.text(at, 80)}", walk.text(value), "", "init")


def _for(walk: Walk, node: Node, scope: Scope) -> Scope:
    walk.bind(
        node,
        scope,
        walk.text(node.child_by_field_name("pattern"), 120),
        walk.text(node.child_by_field_name("value")),
        "",
        "for",
    )
    return scope.inside_loop()


def _block(walk: Walk, node: Node, scope: Scope) -> None:
    """The last expression of a function's body is what it returns."""
    last = node.named_children[-1] if node.named_child_count else None
    if last is None or walk.hints.get(node.id) != "body":
        return
    if not last.type.endswith(("_statement", "_declaration", "_item", "comment")):
        walk.bind(last, scope, "return", walk.text(last), "", "return")


def _await(walk: Walk, node: Node, scope: Scope) -> None:
    if node.named_child_count:
        walk.hints[node.named_children[0].id] = "await"


# --- imports ---


def _use(walk: Walk, node: Node, scope: Scope) -> Scope:
    stack = [(node.child_by_field_name("argument"), "")]
    while stack:
        one, prefix = stack.pop()
        if one is None:
            continue
        if one.type == "scoped_use_list":
            path = walk.text(one.child_by_field_name("path"), 200)
            stack.append((one.child_by_field_name("list"), f"{prefix}::{path}" if prefix else path))
        elif one.type == "use_list":
            stack.extend((c, prefix) for c in reversed(one.named_children))
        else:
            text = walk.text(one, 240)
            path, _, alias = text.partition(" as ")
            module, _, symbol = f"{prefix}::{path}".strip(":").rpartition("::")
            if symbol == "self":
                module, symbol = module.rpartition("::")[0], module.rpartition("::")[2]
            walk.importing(
                one,
                scope,
                module or symbol,
                "" if symbol == "*" else alias or symbol,
                symbol if module else "",
            )
    return SKIP


_HANDLERS = {
    "mod_item": _module,
    **kinds(_type, "struct_item union_item enum_item trait_item type_item"),
    "impl_item": _impl,
    **kinds(_function, "function_item function_signature_item"),
    **kinds(_constant, "const_item static_item"),
    "macro_definition": _macro_rules,
    "field_declaration": _field,
    "enum_variant": _variant,
    "let_declaration": _let,
    "assignment_expression": _assignment,
    "struct_expression": _initialiser,
    "for_expression": _for,
    **kinds(loop_statement, "while_expression loop_expression"),
    "return_expression": return_statement,
    "block": _block,
    "await_expression": _await,
    "use_declaration": _use,
    "call_expression": call,
    "macro_invocation": macro,
}  # fmt: skip

_TYPED = (
    ("lock", re.compile(r"\b((?:\w+::)*(?:Mutex|RwLock|Semaphore|Condvar|Notify|Barrier))\b(?=<|$|::new\()")),
    ("queue", re.compile(r"\b((?:\w+::)*(?:Unbounded|Sync)?(?:Sender|Receiver|VecDeque|SegQueue|ArrayQueue|BinaryHeap))\b")),
)  # fmt: skip

RUST = Grammar(
    "rust",
    tree_sitter_rust.language,
    _HANDLERS,
    words="identifier field_identifier type_identifier shorthand_field_identifier",
    comments="line_comment block_comment",
    skipped="parameters closure_parameters type_parameters visibility_modifier integer_literal primitive_type",
    above="attribute_item",
    typed=_TYPED,
)
