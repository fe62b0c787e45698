# TypeScript and JavaScript: classes, functions (those kept in constants too), imports, calls. One set of handlers, since
# JavaScript's nodes are TypeScript's without types. What calls declare stands in `typescript_calls.py`.
"""`read_typescript`, `read_tsx`, `read_javascript`: (path, text) -> FileRecord."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import tree_sitter_javascript
import tree_sitter_typescript

from cutaway.model.code import FileRecord, Param
from cutaway.read.languages.grammar import SKIP, Grammar, Scope, kinds
from cutaway.read.languages.statements import loop_statement, return_statement
from cutaway.read.languages.treesitter import Walk, read_tree
from cutaway.read.languages.typescript_calls import call, new, process_env

if TYPE_CHECKING:
    from tree_sitter import Node

__all__ = ["read_javascript", "read_tsx", "read_typescript"]

_LITERAL = re.compile(r"""^-?(\d[\w.]*|"[^"]*"|'[^']*'|`[^`$]*`|true|false)$""")
MINIFIED = 400  # characters a line; nobody writes such lines
_FUNCTIONS = {"arrow_function", "function_expression", "generator_function"}
_ENTRY_VALUES = {
    "identifier",
    "member_expression",
    "arrow_function",
    "function_expression",
    "class",
    "call_expression",
}


def read_typescript(path: str, text: str) -> FileRecord:
    return read_tree(TYPESCRIPT, path, text)


def read_tsx(path: str, text: str) -> FileRecord:
    return read_tree(TSX if path.lower().endswith("tsx") else JAVASCRIPT, path, text)


def read_javascript(path: str, text: str) -> FileRecord:
    lines = text.count("\n") + 1
    if len(text) > 20_000 and len(text) > MINIFIED * lines:
        return FileRecord("javascript", lines, parse="skipped", why="minified")
    return read_tree(JAVASCRIPT, path, text)


def _named(node: Node | None) -> list[Node]:
    return node.named_children if node is not None else []


def _head(walk: Walk, node: Node, body: Node | None) -> str:
    return (
        walk.between(node.start_byte, body.start_byte if body is not None else node.end_byte, 240)
        .rstrip("{; ")
        .removesuffix("=>")
        .rstrip()
    )


def _annotation(walk: Walk, node: Node | None, most: int = 160) -> str:
    return walk.text(node, most).removeprefix(":").strip()


def _flags(walk: Walk, node: Node, end: int) -> list[str]:
    words = walk.between(node.start_byte, end, 120).split()
    flags = [f for f in ("async", "static", "abstract", "private", "protected") if f in words]
    return (
        flags
        + ["property"] * ("get" in words or "set" in words)
        + ["generator"] * ("function*" in words or "*" in words)
    )


# --- definitions ---


def _export(walk: Walk, node: Node, scope: Scope) -> None:
    """`export` is part of what it exports; `export … from` is an import too."""
    for child in node.named_children:
        walk.outer[child.id] = node
    source = node.child_by_field_name("source")
    if source is not None:
        clauses = [c for c in node.named_children if c.type == "export_clause"]
        names = [walk.text(s.child_by_field_name("name"), 120) for c in clauses for s in c.named_children]
        for name in names or ["*"]:
            walk.importing(node, scope, walk.string(source) or "", "" if name == "*" else name, name)


def _public(walk: Walk, node: Node) -> list[str]:
    wrapped = walk.outer.get(node.id)
    return ["public"] if wrapped is not None and wrapped.type == "export_statement" else []


def _class(walk: Walk, node: Node, scope: Scope) -> Scope | None:
    at, body = node.child_by_field_name("name"), node.child_by_field_name("body")
    name = walk.text(at, 160) or walk.hints.get(node.id, "")
    if not name:
        return None
    kind = {"interface_declaration": "interface", "enum_declaration": "enum"}.get(node.type, "class")
    heritage = [c for c in node.named_children if c.type in ("class_heritage", "extends_type_clause")]
    clauses = [c for h in heritage for c in (h.named_children if h.type == "class_heritage" else [h])]
    decorators = node.children_by_field_name("decorator")
    for decorator in decorators:
        walk.hints[decorator.id] = "taken"
    bases = [
        walk.text(b, 120)
        for c in clauses
        for b in (c.named_children if c.type.endswith("clause") else [c])
        if b.type != "type_arguments"
    ]
    return walk.define(
        node, scope, kind, name, at, signature=_head(walk, node, body), bases=bases,
        decorators=[walk.text(d, 160) for d in decorators],
        flags=[*_public(walk, node), *(["abstract"] if node.type.startswith("abstract") else [])],
    )  # fmt: skip


def _function(walk: Walk, node: Node, scope: Scope) -> Scope | None:
    at, body = node.child_by_field_name("name"), node.child_by_field_name("body")
    name = walk.text(at, 160) or ("default" if _public(walk, node) else "")
    return _callable(walk, node, scope, name, at, body, node) if name else None


def _callable(
    walk: Walk, node: Node, scope: Scope, name: str, at: Node | None, body: Node | None, function: Node
) -> Scope:
    """`node` is the whole (with `const f =`), `function` what has the parameters."""
    in_type = scope.kind in ("class", "interface")
    parameters = function.child_by_field_name("parameters")
    one = function.child_by_field_name("parameter")  # `x => …`
    params = [_parameter(walk, p) for p in _named(parameters) if p.type != "comment"] + (
        [Param(walk.text(one, 80))] if one else []
    )
    end = parameters.start_byte if parameters is not None else function.end_byte
    flags = _flags(walk, function, end) + _public(walk, node)
    if body is None:
        flags.append("abstract" if in_type else "declaration")
    inner = walk.define(
        node, scope, "method" if in_type else "function", name, at, signature=_head(walk, node, body), params=params,
        returns=_annotation(walk, function.child_by_field_name("return_type")), flags=flags,
    )  # fmt: skip
    if name == "constructor" and in_type:
        _parameter_properties(walk, _named(parameters), scope)
    if body is not None and body.type != "statement_block":
        walk.bind(body, inner, "return", walk.text(body), "", "return")
    return inner


def _parameter(walk: Walk, node: Node) -> Param:
    pattern = node.child_by_field_name("pattern") or node.child_by_field_name("left") or node
    default = node.child_by_field_name("value") or node.child_by_field_name("right")
    return Param(
        walk.text(pattern, 80),
        _annotation(walk, node.child_by_field_name("type"), 120),
        walk.text(default, 80),
    )


def _parameter_properties(walk: Walk, parameters: list[Node], scope: Scope) -> None:
    """`constructor(private x: X)` declares a field."""
    for one in parameters:
        if any(c.type in ("accessibility_modifier", "readonly") for c in one.children):
            parameter = _parameter(walk, one)
            walk.field(one, scope, parameter.name, parameter.annotation, parameter.default)


def _field(walk: Walk, node: Node, scope: Scope) -> Scope | None:
    at = node.child_by_field_name("name") or node.child_by_field_name("property")
    value = node.child_by_field_name("value")
    name = walk.text(at, 120)
    if value is not None and value.type in _FUNCTIONS and scope.kind == "class":
        return _callable(walk, node, scope, name, at, value.child_by_field_name("body"), value)
    if scope.kind in ("class", "interface"):
        walk.field(node, scope, name, _annotation(walk, node.child_by_field_name("type")), walk.text(value))
    return None


def _enum_body(walk: Walk, node: Node, scope: Scope) -> None:
    for one in node.named_children:
        name = one.child_by_field_name("name") or one
        if one.type != "comment":
            walk.mark(
                "member",
                one,
                scope,
                walk.text(name, 120),
                value=walk.text(one.child_by_field_name("value"), 80),
            )


def _alias(walk: Walk, node: Node, scope: Scope) -> Scope:
    at = node.child_by_field_name("name")
    returns = walk.text(node.child_by_field_name("value"), 160)
    return walk.define(
        node,
        scope,
        "type",
        walk.text(at, 160),
        at,
        signature=walk.text(node, 240).rstrip(";"),
        returns=returns,
        flags=_public(walk, node),
    )


def _namespace(walk: Walk, node: Node, scope: Scope) -> Scope:
    return walk.define(
        node,
        scope,
        "namespace",
        walk.text(node.child_by_field_name("name"), 160).strip("'\""),
        flags=_public(walk, node),
    )


# --- values ---


def _wrapper(walk: Walk, node: Node, scope: Scope) -> None:
    if node.named_child_count == 1:
        walk.outer[node.named_children[0].id] = walk.outer.get(node.id, node)


def _variable(walk: Walk, node: Node, scope: Scope) -> Scope | None:
    at, value = node.child_by_field_name("name"), node.child_by_field_name("value")
    name = walk.text(at, 120)
    if value is not None and value.type in _FUNCTIONS:
        return _callable(walk, node, scope, name, at, value.child_by_field_name("body"), value)
    if value is not None and value.type == "class":
        walk.hints[value.id] = name
    text = walk.text(value)
    if found := re.match(r"""require\(["']([^"']+)["']\)$""", text):
        walk.importing(node, scope, found[1], name)
    walk.bind(node, scope, name, text, _annotation(walk, node.child_by_field_name("type")))
    if scope.outside and _LITERAL.match(text):
        walk.mark("literal", node, scope, name, value=text[:160])
    if scope.outside and at is not None and at.type == "identifier":
        inner = walk.define(
            node, scope, "constant", name, at, signature=walk.text(node, 240), flags=_public(walk, node)
        )
        _table(walk, value, scope, name)
        return Scope(scope.index, scope.kind, scope.prefix, inner.words)
    return None


def _table(walk: Walk, value: Node | None, scope: Scope, name: str) -> None:
    """`const handlers = {"a": f, b}`"""
    for one in _named(value)[:3000] if value is not None and value.type == "object" else ():
        key, its = one.child_by_field_name("key"), one.child_by_field_name("value")
        if its is not None and its.type in _ENTRY_VALUES:
            walk.mark(
                "entry",
                one,
                scope,
                walk.string(key) or walk.text(key, 80),
                value=walk.text(its, 160),
                table=name,
            )
        elif one.type == "shorthand_property_identifier":
            walk.mark("entry", one, scope, walk.text(one, 80), value=walk.text(one, 80), table=name)


def _assignment(walk: Walk, node: Node, scope: Scope) -> None:
    left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
    walk.bind(node, scope, walk.text(left, 120), walk.text(right))


def _for_in(walk: Walk, node: Node, scope: Scope) -> Scope:
    walk.bind(
        node,
        scope,
        walk.text(node.child_by_field_name("left"), 120),
        walk.text(node.child_by_field_name("right")),
        "",
        "for",
    )
    return scope.inside_loop()


def _throw(walk: Walk, node: Node, scope: Scope) -> None:
    walk.mark("raise", node, scope, walk.text(node.named_children[0], 160) if node.named_child_count else "")


def _catch(walk: Walk, node: Node, scope: Scope) -> None:
    does = walk.text(node.child_by_field_name("body"), 160).strip("{} ")
    walk.mark("except", node, scope, walk.text(node.child_by_field_name("parameter"), 80), does=does)


def _await(walk: Walk, node: Node, scope: Scope) -> None:
    if node.named_child_count:
        walk.hints[node.named_children[0].id] = "await"


# --- imports ---


def _import(walk: Walk, node: Node, scope: Scope) -> Scope:
    module = walk.string(node.child_by_field_name("source")) or ""
    clauses = [c for c in node.named_children if c.type == "import_clause"]
    if not clauses:
        walk.importing(node, scope, module)
    for part in (p for c in clauses for p in c.named_children):
        if part.type == "identifier":
            walk.importing(node, scope, module, walk.text(part, 120), "default")
        elif part.type == "namespace_import":
            walk.importing(node, scope, module, walk.text(part, 120).rpartition(" ")[2])
        for one in part.named_children if part.type == "named_imports" else ():
            name = walk.text(one.child_by_field_name("name"), 120)
            walk.importing(one, scope, module, walk.text(one.child_by_field_name("alias"), 120) or name, name)
    return SKIP


_HANDLERS = {
    "export_statement": _export,
    **kinds(_class, "class_declaration abstract_class_declaration class interface_declaration enum_declaration"),
    **kinds(_function, "function_declaration generator_function_declaration function_signature"),
    **kinds(_function, "method_definition method_signature abstract_method_signature"),
    **kinds(_field, "public_field_definition field_definition property_signature"),
    "enum_body": _enum_body,
    "type_alias_declaration": _alias,
    **kinds(_namespace, "internal_module module"),
    **kinds(_wrapper, "lexical_declaration variable_declaration ambient_declaration"),
    "variable_declarator": _variable,
    "assignment_expression": _assignment,
    "for_in_statement": _for_in,
    **kinds(loop_statement, "while_statement do_statement"),
    "return_statement": return_statement,
    "throw_statement": _throw,
    "catch_clause": _catch,
    "await_expression": _await,
    "import_statement": _import,
    "call_expression": call,
    "new_expression": new,
    **kinds(process_env, "member_expression subscript_expression"),
}  # fmt: skip

TYPESCRIPT = Grammar(
    "typescript",
    tree_sitter_typescript.language_typescript,
    _HANDLERS,
    words="identifier property_identifier type_identifier shorthand_property_identifier private_property_identifier",
    loops="for_statement",
    skipped="formal_parameters type_parameters number predefined_type string_fragment accessibility_modifier",
    above="decorator",
    typed=(
        ("queue", re.compile(r"^((?:\w*Queue|MessageChannel|BroadcastChannel))\b")),
        ("lock", re.compile(r"^(Mutex|Semaphore|AsyncLock)\b")),
    ),
)
TSX = replace(TYPESCRIPT, load=tree_sitter_typescript.language_tsx)
JAVASCRIPT = replace(TYPESCRIPT, language="javascript", load=tree_sitter_javascript.language)
