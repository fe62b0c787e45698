# C, C++ and CUDA: one set of handlers, three grammars, because their nodes have the same names and CUDA's grammar holds C++'s.
# What calls, macros and bindings mean stands in `c_calls.py`; what only the text shows (kernels in macros, launches where the
# grammar failed) in `patterns.py`.
"""`read_c`, `read_cpp`, `read_cuda`: (path, text) -> FileRecord."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import tree_sitter_c
import tree_sitter_cpp
import tree_sitter_cuda

from cutaway.model.code import FileRecord, Param
from cutaway.read.languages.c_calls import call, declared_thread, library, option_letter, option_string, table
from cutaway.read.languages.c_macros import without_macros
from cutaway.read.languages.c_names import bare, declared_name, signature_start, unwrap
from cutaway.read.languages.patterns import add_patterns
from cutaway.read.languages.treesitter import SKIP, Grammar, Scope, Walk, kinds, read_tree

if TYPE_CHECKING:
    from tree_sitter import Node

__all__ = ["read_c", "read_cpp", "read_cuda"]

_LITERAL = re.compile(r"""^[-+]?(\d[\w.']*|0x[\da-fA-F]+|(u8|[LuUR])?"[^"]*"|true|false|nullptr)$""")
_FLAGS = ("static", "virtual", "inline", "extern", "constexpr", "__device__", "__host__", "__forceinline__")
_KERNEL = re.compile(r"__global__|\b(__)?kernel\b(\]\])?\s+void\b")  # CUDA and HIP; OpenCL and Metal
_MACRO_NAME = re.compile(r"[A-Z][A-Z0-9_]+$")
_IDENTIFIER = re.compile(r"[A-Za-z_]\w*")


def read_c(path: str, text: str) -> FileRecord:
    return read_tree(C, path, text)


def read_cpp(path: str, text: str) -> FileRecord:
    return read_tree(CPP, path, text)


def read_cuda(path: str, text: str) -> FileRecord:
    return read_tree(CUDA, path, text)


# --- definitions ---


def _namespace(walk: Walk, node: Node, scope: Scope) -> Scope | None:
    name = walk.text(node.child_by_field_name("name"), 160).replace("::", ".").replace("inline ", "")
    return walk.define(node, scope, "namespace", name) if name else None


def _type(walk: Walk, node: Node, scope: Scope) -> Scope | None:
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


def _access(walk: Walk, node: Node, scope: Scope) -> Scope:
    scope.access = walk.text(node, 20)
    return SKIP


def _enumerator(walk: Walk, node: Node, scope: Scope) -> None:
    walk.mark(
        "member",
        node,
        scope,
        walk.text(node.child_by_field_name("name")),
        value=walk.text(node.child_by_field_name("value"), 80),
    )


def _function(walk: Walk, node: Node, scope: Scope) -> Scope | None:
    declarator = node.child_by_field_name("declarator")
    if declarator is None:
        return None
    body = node.child_by_field_name("body")
    head_end = body.start_byte if body is not None else node.end_byte
    found = _callable(walk, node, scope, declarator, head_end, ())
    return found and library(walk, node, scope, found, declarator)


def _callable(
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
    words = set(_IDENTIFIER.findall(before))
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


def _template(walk: Walk, node: Node, scope: Scope) -> None:
    """A template's line, and the comments above it, belong to what is in it."""
    for child in node.named_children:
        walk.outer[child.id] = walk.outer.get(node.id, node)


# --- declarations ---


def _declaration(walk: Walk, node: Node, scope: Scope) -> None:
    kind = node.child_by_field_name("type")
    annotation = walk.text(kind, 160)
    in_type = scope.kind in ("class", "struct")
    for declarator in node.children_by_field_name("declarator"):
        function = unwrap(declarator, "function_declarator")
        if function is not None and in_type and kind is None and _field_by_macro(walk, node, scope, function):
            continue
        if function is not None and (in_type or scope.outside):
            if not declared_thread(walk, node, scope, declarator, annotation):
                _callable(walk, node, scope, declarator, node.end_byte, ("declaration",))
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
        if value is not None and scope.outside and _LITERAL.match(text := walk.text(value, 160)):
            walk.mark("literal", node, scope, name, value=text)


def _field_by_macro(walk: Walk, node: Node, scope: Scope, function: Node) -> bool:
    """`DEFINE_ARG(int, block_size) = 8;` in a type: a macro that makes a field of a type and a name."""
    parts = _named(function.child_by_field_name("parameters"))
    name = walk.text(function.child_by_field_name("declarator"), 60)
    if len(parts) != 2 or not _MACRO_NAME.match(name) or not _IDENTIFIER.fullmatch(walk.text(parts[1], 80)):
        return False
    value = walk.between(function.end_byte, node.end_byte, 160).strip("= ;\n")
    walk.field(node, scope, walk.text(parts[1], 80), walk.text(parts[0], 160), value)
    return True


def _assignment(walk: Walk, node: Node, scope: Scope) -> None:
    left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
    walk.bind(node, scope, walk.text(left, 120), walk.text(right))


def _field_initializer(walk: Walk, node: Node, scope: Scope) -> None:
    """`member(value)` after a constructor's colon."""
    parts = node.named_children
    if len(parts) == 2:
        walk.bind(node, scope, bare(walk.text(parts[0], 120)), walk.text(parts[1]).strip("(){}"))


def _range_loop(walk: Walk, node: Node, scope: Scope) -> Scope:
    target = declared_name(node.child_by_field_name("declarator"))
    annotation = walk.text(node.child_by_field_name("type"), 120)
    walk.bind(
        node, scope, walk.text(target, 120), walk.text(node.child_by_field_name("right")), annotation, "for"
    )
    return scope.inside_loop()


def _while(walk: Walk, node: Node, scope: Scope) -> Scope:
    test = walk.text(node.child_by_field_name("condition"), 120)
    walk.mark("loop", node, scope, test, end=str(node.end_point[0] + 1))
    return scope.inside_loop()


def _for(walk: Walk, node: Node, scope: Scope) -> Scope:
    if not any(node.child_by_field_name(part) for part in ("initializer", "condition", "update")):
        walk.mark("loop", node, scope, "", end=str(node.end_point[0] + 1))
    return scope.inside_loop()


def _return(walk: Walk, node: Node, scope: Scope) -> None:
    if node.named_child_count:
        walk.bind(node, scope, "return", walk.text(node.named_children[0]), "", "return")


def _throw(walk: Walk, node: Node, scope: Scope) -> None:
    walk.mark("raise", node, scope, walk.text(node.named_children[0], 160) if node.named_child_count else "")


def _new(walk: Walk, node: Node, scope: Scope) -> None:
    arguments = node.child_by_field_name("arguments")
    walk.call(node, scope, walk.text(node.child_by_field_name("type"), 200), _named(arguments))


def _catch(walk: Walk, node: Node, scope: Scope) -> None:
    walk.mark("except", node, scope, walk.text(node.child_by_field_name("parameters"), 120).strip("()"))


def _typedef(walk: Walk, node: Node, scope: Scope) -> None:
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


# --- preprocessor and imports ---


def _include(walk: Walk, node: Node, scope: Scope) -> Scope:
    path = walk.text(node.child_by_field_name("path"), 200)
    walk.importing(node, scope, path.strip('<>" '), symbol="*")
    return SKIP


def _using(walk: Walk, node: Node, scope: Scope) -> Scope:
    text = walk.text(node, 200).removeprefix("using ").rstrip("; ")
    if text.startswith("namespace "):
        walk.importing(node, scope, text.removeprefix("namespace ").replace("::", "."), symbol="*")
    else:
        module, _, name = text.replace("::", ".").rpartition(".")
        walk.importing(node, scope, module, name, name)
    return SKIP


def _macro(walk: Walk, node: Node, scope: Scope) -> Scope:
    """A macro's body is text: its identifiers are its words. A name without a value (an include guard) is none."""
    at, value = node.child_by_field_name("name"), node.child_by_field_name("value")
    if at is None or (value is None and node.type == "preproc_def"):
        return SKIP
    text = walk.text(value)
    parameters = [Param(walk.text(p, 60)) for p in _named(node.child_by_field_name("parameters"))]
    inner = walk.define(
        node, walk.module, "macro", walk.text(at, 160), at, signature=walk.text(node, 240), params=parameters
    )
    whole = (
        walk.cut(value.start_byte, value.end_byte) if value is not None else ""
    )
    inner.words.update(dict.fromkeys(_IDENTIFIER.findall(whole)))
    if _LITERAL.match(text):
        walk.mark("literal", node, scope, walk.text(at, 160), value=text)
    return SKIP


def _named(node: Node | None) -> list[Node]:
    return node.named_children if node is not None else []


_HANDLERS = {
    "namespace_definition": _namespace,
    **kinds(_type, "class_specifier struct_specifier union_specifier enum_specifier"),
    "access_specifier": _access,
    "enumerator": _enumerator,
    "function_definition": _function,
    "template_declaration": _template,
    "linkage_specification": _template,
    **kinds(_declaration, "declaration field_declaration"),
    "assignment_expression": _assignment,
    "field_initializer": _field_initializer,
    "for_range_loop": _range_loop,
    **kinds(_while, "while_statement do_statement"),
    "for_statement": _for,
    "return_statement": _return,
    "throw_statement": _throw,
    "catch_clause": _catch,
    **kinds(_typedef, "type_definition alias_declaration"),
    "preproc_include": _include,
    "using_declaration": _using,
    **kinds(_macro, "preproc_def preproc_function_def"),
    "call_expression": call,
    "new_expression": _new,
    "string_literal": option_string,
    "char_literal": option_letter,
}  # fmt: skip

_TYPED = (
    # A guard names the mutex that it takes; the lock is where that is declared.
    ("lock", re.compile(r"(?<!guard<)(?<!lock<)\b((?:std::|absl::|folly::)?(?:recursive_|shared_|timed_|shared_timed_)?mutex|"
                        r"pthread_mutex_t|std::condition_variable(?:_any)?|absl::Mutex|std::(?:counting_|binary_)?semaphore)\b(?!\s*>)")),
    ("queue", re.compile(r"\b((?:std::|moodycamel::|folly::)\w*(?:queue|deque|Queue)|\w+Queue)\b(?=\s*<|$)")),
)  # fmt: skip


def _grammar(language: str, load) -> Grammar:
    return Grammar(
        language, load, _HANDLERS,
        words="identifier field_identifier type_identifier namespace_identifier",
        skipped="parameter_list template_parameter_list preproc_arg number_literal primitive_type type_qualifier char_literal "
        "storage_class_specifier system_lib_string",
        typed=_TYPED,
        finish=add_patterns,
        prepare=without_macros,
    )  # fmt: skip


C = _grammar("c", tree_sitter_c.language)
CPP = _grammar("cpp", tree_sitter_cpp.language)
CUDA = _grammar("cuda", tree_sitter_cuda.language)
