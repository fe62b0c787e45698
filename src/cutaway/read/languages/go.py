# Go: declarations, methods by their receiver, calls. What calls declare stands in `go_calls.py`.
"""`read_go(path, text) -> FileRecord`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import tree_sitter_go

from cutaway.model.code import FileRecord, Param
from cutaway.read.languages.go_calls import call, flag_literal, go_statement
from cutaway.read.languages.grammar import SKIP, Grammar, Scope, kinds
from cutaway.read.languages.treesitter import Walk, read_tree

if TYPE_CHECKING:
    from tree_sitter import Node

__all__ = ["read_go"]

_LITERAL = re.compile(r"""^-?(\d[\w.]*|"[^"]*"|`[^`]*`|'[^']*'|true|false)$""")
_BASIC = re.compile(r"string|bool|byte|rune|u?int(8|16|32|64|ptr)?|float(32|64)|time\.Duration")


def read_go(path: str, text: str) -> FileRecord:
    return read_tree(GO, path, text)


def _named(node: Node | None) -> list[Node]:
    return node.named_children if node is not None else []


def _head(walk: Walk, node: Node) -> str:
    body = node.child_by_field_name("body")
    return walk.between(node.start_byte, body.start_byte if body is not None else node.end_byte, 240).rstrip(
        "{ "
    )


def _public(name: str) -> list[str]:
    return ["public"] if name[:1].isupper() else []


# --- definitions ---


def _package(walk: Walk, node: Node, scope: Scope) -> Scope:
    walk.mark("literal", node, scope, "package", value=walk.text(node, 120).removeprefix("package "))
    return SKIP


def _function(walk: Walk, node: Node, scope: Scope) -> Scope:
    at = node.child_by_field_name("name")
    name = walk.text(at, 160)
    receivers = _named(node.child_by_field_name("receiver"))
    owner = (
        re.sub(r"[*\s(]|\[.*", "", walk.text(receivers[0].child_by_field_name("type"), 120))
        if receivers
        else ""
    )
    params = [p for one in _named(node.child_by_field_name("parameters")) for p in _parameters(walk, one)]
    if receivers:
        params = [*_parameters(walk, receivers[0]), *params]
    inner = walk.define(
        node, scope, "method" if owner else "function", f"{owner}.{name}" if owner else name, at,
        signature=_head(walk, node), params=params, returns=walk.text(node.child_by_field_name("result"), 160),
        flags=_public(name) + ([] if node.child_by_field_name("body") is not None else ["declaration"]),
    )  # fmt: skip
    if (
        name == "main"
        and not owner
        and any(m.kind == "literal" and m.detail.get("value") == "main" for m in walk.marks[:3])
    ):
        walk.mark("main", node, inner, "main")
    return inner


def _parameters(walk: Walk, node: Node) -> list[Param]:
    if "parameter" not in node.type:
        return []
    star = "..." if node.type.startswith("variadic") else ""
    annotation = star + walk.text(node.child_by_field_name("type"), 120)
    names = node.children_by_field_name("name")
    return [Param(walk.text(name, 80), annotation) for name in names] or [Param("", annotation)]


def _type(walk: Walk, node: Node, scope: Scope) -> Scope:
    at, body = node.child_by_field_name("name"), node.child_by_field_name("type")
    kind = {"struct_type": "struct", "interface_type": "interface"}.get(
        body.type if body is not None else "", "type"
    )
    name = walk.text(at, 160)
    end = (
        body.named_children[0].start_byte
        if kind == "struct" and body is not None and body.named_child_count
        else node.end_byte
    )
    return walk.define(
        node, scope, kind, name, at,
        signature="type " + walk.between(node.start_byte, end, 220).rstrip("{ "),
        returns="" if kind != "type" else walk.text(body, 160),
        flags=_public(name),
    )  # fmt: skip


def _wrapper(walk: Walk, node: Node, scope: Scope) -> None:
    """`type X …`: the comment above the keyword is that of its one specification."""
    specifications = [c for c in node.named_children if c.type != "comment"]
    if len(specifications) == 1:
        walk.outer[specifications[0].id] = node
    group = ""
    for one in specifications if node.type == "const_declaration" and len(specifications) > 1 else ():
        value = walk.text(one.child_by_field_name("value"), 80)
        kind = walk.text(one.child_by_field_name("type"), 120)
        if kind or value:  # neither: the same as the line above
            group = (
                kind
                if kind and not _BASIC.fullmatch(kind)
                else "iota"
                if re.search(r"\biota\b", value)
                else ""
            )
        if group:
            walk.hints[one.id] = group


def _field(walk: Walk, node: Node, scope: Scope) -> Scope | None:
    if scope.kind != "struct":
        return None
    annotation = walk.text(node.child_by_field_name("type"), 160)
    tag = walk.text(node.child_by_field_name("tag"), 160)
    names = node.children_by_field_name("name")
    _, comments, _ = walk.above_of(node)
    for name in names:
        walk.field(node, scope, walk.text(name, 80), annotation, tag=tag, help=comments[:160])
        if found := re.search(r'\b(?:env|envconfig):"(\w+)', tag):
            default = re.search(r'\b(?:envDefault|default):"([^"]*)', tag)
            walk.mark("env", node, scope, found[1], default=default[1] if default else "", via="tag")
    if not names:  # embedded: its methods are this type's
        walk.defs[scope.index].bases.append(annotation)
        walk.bind(
            node, scope, re.sub(r"[*]|\[.*", "", annotation).rpartition(".")[2], "", annotation, "field"
        )
    return None


def _method_of_interface(walk: Walk, node: Node, scope: Scope) -> Scope:
    at = node.child_by_field_name("name")
    params = [p for one in _named(node.child_by_field_name("parameters")) for p in _parameters(walk, one)]
    return walk.define(
        node, scope, "method", walk.text(at, 160), at, signature=walk.text(node, 240), params=params,
        returns=walk.text(node.child_by_field_name("result"), 160), flags=["abstract", *_public(walk.text(at, 160))],
    )  # fmt: skip


def _embedded_interface(walk: Walk, node: Node, scope: Scope) -> None:
    if scope.kind == "interface":
        walk.defs[scope.index].bases.append(walk.text(node, 120))


# --- values ---


def _constant(walk: Walk, node: Node, scope: Scope) -> None:
    """`const` members of a typed group are the members of an enumeration."""
    annotation = walk.text(node.child_by_field_name("type"), 120)
    values = _named(node.child_by_field_name("value"))
    for place, at in enumerate(n for n in node.children_by_field_name("name") if n.is_named):
        name, value = walk.text(at, 120), walk.text(values[place]) if place < len(values) else ""
        walk.bind(node, scope, name, value, annotation)
        if scope.outside:
            _of_package(walk, node, scope, at, annotation)
        if _LITERAL.match(value):
            walk.mark("literal", node, scope, name, value=value[:160])
        if (group := walk.hints.get(node.id)) and name != "_":
            walk.mark("member", node, scope, name, value=value[:80], type=group)


def _of_package(walk: Walk, node: Node, scope: Scope, at: Node, annotation: str) -> None:
    """A constant or variable of the package, by the node of its name."""
    name, signature = walk.text(at, 120), walk.text(node, 240)
    walk.define(
        node, scope, "constant", name, at, signature=signature, returns=annotation, flags=_public(name)
    )


def _variable(walk: Walk, node: Node, scope: Scope) -> None:
    annotation = walk.text(node.child_by_field_name("type"), 160)
    _pairs(
        walk,
        node,
        scope,
        node.children_by_field_name("name"),
        _named(node.child_by_field_name("value")),
        annotation,
    )
    if scope.outside:
        for at in node.children_by_field_name("name"):
            _of_package(walk, node, scope, at, annotation)


def _assignment(walk: Walk, node: Node, scope: Scope) -> None:
    _pairs(
        walk,
        node,
        scope,
        _named(node.child_by_field_name("left")),
        _named(node.child_by_field_name("right")),
        "",
    )


def _pairs(
    walk: Walk, node: Node, scope: Scope, names: list[Node], values: list[Node], annotation: str
) -> None:
    """`a, b := f()` gives each name a place of the one value."""
    names = [n for n in names if n.is_named]
    for place, at in enumerate(names):
        target = walk.text(at, 120)
        one = values[place] if len(values) == len(names) else values[0] if values else None
        kind = "assign" if len(values) == len(names) or not values else f"assign[{place}]"
        if target != "_":
            walk.bind(node, scope, target, walk.text(one), annotation, kind)
        if one is not None and one.type == "composite_literal":
            _table(walk, one, scope, target)


def _table(walk: Walk, node: Node, scope: Scope, name: str) -> None:
    """`map[string]T{"a": f}`."""
    kind = node.child_by_field_name("type")
    if kind is None or kind.type != "map_type":
        return
    if not scope.outside and walk.text(kind.child_by_field_name("value"), 40) in (
        "any",
        "interface{}",
        "string",
    ):
        return  # a document under construction, not a registry
    for one in _named(node.child_by_field_name("body"))[:3000]:
        key, value = one.child_by_field_name("key"), one.child_by_field_name("value")
        if key is not None and value is not None:
            text = walk.string(key.named_children[0]) if key.named_child_count else None
            walk.mark(
                "entry", one, scope, text or walk.text(key, 80), value=walk.text(value, 160), table=name
            )
            found = re.match(r'\{\s*"([A-Z][A-Z0-9_]+)"', walk.text(value, 160))
            if text and found and found[1] == text:
                walk.mark("env", one, scope, text, via=name)


def _composite(walk: Walk, node: Node, scope: Scope) -> None:
    """`T{field: value}` gives a field of T its value."""
    kind = node.child_by_field_name("type")
    if kind is None or kind.type not in ("type_identifier", "qualified_type", "generic_type"):
        return
    owner = walk.text(kind, 120)
    values, places = {}, {}
    for one in _named(node.child_by_field_name("body"))[:200]:
        key, value = one.child_by_field_name("key"), one.child_by_field_name("value")
        if one.type == "keyed_element" and key is not None:
            values[name := walk.text(key, 80)] = walk.text(value)
            places[name] = one
            walk.bind(one, scope, f"{owner}.{name}", values[name], "", "init")
    if owner.endswith("Flag") and "Name" in values:
        flag_literal(walk, places, scope, owner, values)


def _for(walk: Walk, node: Node, scope: Scope) -> Scope:
    clause = next((c for c in node.named_children if c.type in ("range_clause", "for_clause")), None)
    body = node.child_by_field_name("body")
    if clause is not None and clause.type == "range_clause":
        source = walk.text(clause.child_by_field_name("right"))
        for place, at in enumerate(_named(clause.child_by_field_name("left"))):
            if (target := walk.text(at, 120)) != "_":
                walk.bind(node, scope, target, source, "", f"for[{place}]")
    elif clause is None:
        test = walk.between(node.start_byte + 3, body.start_byte, 120).strip() if body is not None else ""
        walk.mark("loop", node, scope, test, end=str(node.end_point[0] + 1))
    return scope.inside_loop()


def _return(walk: Walk, node: Node, scope: Scope) -> None:
    values = node.named_children[0].named_children if node.named_child_count else []
    for place, value in enumerate(values):
        walk.bind(
            node, scope, "return", walk.text(value), "", "return" if len(values) == 1 else f"return[{place}]"
        )


def _import(walk: Walk, node: Node, scope: Scope) -> Scope:
    path = walk.string(node.child_by_field_name("path")) or ""
    alias = walk.text(node.child_by_field_name("name"), 80)
    last = re.sub(r"/v\d+$", "", path).rpartition("/")[2]
    walk.importing(node, scope, path, "" if alias == "." else alias or last, "*" if alias == "." else "")
    return SKIP


def _cgo(walk: Walk) -> None:
    """`import "C"`: the C that stands in the comment above it is part of the program."""
    if any(i.module == "C" for i in walk.imports):
        text = walk.data.decode("utf-8", "replace")
        for found in re.finditer(r"^(?://\s*)?#\s*include\s*[<\"]([^>\"\n]{1,200})", text, re.MULTILINE):
            walk.importing_at(text.count("\n", 0, found.start()) + 1, found[1], "*")


_HANDLERS = {
    "package_clause": _package,
    **kinds(_function, "function_declaration method_declaration"),
    **kinds(_type, "type_spec type_alias"),
    **kinds(_wrapper, "type_declaration const_declaration var_declaration"),
    "field_declaration": _field,
    "method_elem": _method_of_interface,
    "type_elem": _embedded_interface,
    "const_spec": _constant,
    "var_spec": _variable,
    **kinds(_assignment, "short_var_declaration assignment_statement"),
    "composite_literal": _composite,
    "for_statement": _for,
    "return_statement": _return,
    "import_spec": _import,
    "call_expression": call,
    **kinds(go_statement, "go_statement defer_statement"),
}  # fmt: skip

_TYPED = (
    ("lock", re.compile(r"^\*?((?:sync|semaphore)\.(?:Mutex|RWMutex|Once|Cond|WaitGroup|Weighted))\b")),
    ("lock", re.compile(r"((?:sync|semaphore)\.(?:NewCond|NewWeighted))\(")),
    ("queue", re.compile(r"^((?:<-\s*)?chan\b)")),
)

GO = Grammar(
    "go",
    tree_sitter_go.language,
    _HANDLERS,
    words="identifier field_identifier type_identifier package_identifier",
    skipped="parameter_list type_parameter_list int_literal",
    typed=_TYPED,
    finish=_cgo,
)
