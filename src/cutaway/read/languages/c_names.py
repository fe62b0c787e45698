# The name of a C declaration is at the bottom of its declarators (`*(&name)[3]`), and may carry template arguments.
"""Names in C-like declarations."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tree_sitter import Node

__all__ = ["IDENTIFIER", "LITERAL", "bare", "declared_name", "named", "signature_start", "unwrap"]

IDENTIFIER = re.compile(r"[A-Za-z_]\w*")
LITERAL = re.compile(r"""^[-+]?(\d[\w.']*|0x[\da-fA-F]+|(u8|[LuUR])?"[^"]*"|true|false|nullptr)$""")
DEEP = 24  # declarators inside one another; more is not code
_MACRO_BEFORE = re.compile(rb"^[ \t]*([A-Z][A-Z0-9_]*[ \t]+(?:(?:struct|class|enum)[ \t]+)?)$")
_ARGUMENTS = re.compile(r"<[^<>]*>")
_NAMES = {
    "identifier", "field_identifier", "type_identifier", "qualified_identifier", "destructor_name", "operator_name",
    "template_function", "template_method", "operator_cast", "dependent_name", "structured_binding_declarator",
}  # fmt: skip


def bare(name: str) -> str:
    """A name without template arguments; operators keep their signs."""
    head, found, tail = name.partition("operator")
    if "<" not in (head if found else name):
        return name
    text = head if found else name
    for _ in range(DEEP):
        shorter = _ARGUMENTS.sub("", text)
        if shorter == text:
            break
        text = shorter
    return text.split("<")[0].strip() + found + tail


def declared_name(node: Node | None) -> Node | None:
    """The node of the name that a declarator declares."""
    for _ in range(DEEP):
        if node is None or node.type in _NAMES:
            return node
        inner = node.child_by_field_name("declarator")
        node = inner or next(
            (c for c in node.named_children if c.type in _NAMES or c.type.endswith("declarator")), None
        )
    return None


def unwrap(node: Node | None, kind: str) -> Node | None:
    """The declarator of a kind under pointers and references. `(*f)(int)`, a pointer to a function, declares none."""
    for _ in range(DEEP):
        if node is None or node.type == kind:
            break
        if node.type not in ("pointer_declarator", "reference_declarator", "attributed_declarator"):
            return None
        inner = node.child_by_field_name("declarator")
        node = inner or next((c for c in node.named_children if c.type.endswith("declarator")), None)
    if node is None:
        return None
    inner = node.child_by_field_name("declarator")
    return None if inner is not None and inner.type == "parenthesized_declarator" else node


def signature_start(data: bytes, node: Node) -> int:
    """Where a declaration begins as it is written: before a macro that the grammar left outside of it."""
    line = data.rfind(b"\n", 0, node.start_byte) + 1
    found = _MACRO_BEFORE.match(data[line : node.start_byte])
    return line + found.start(1) if found else node.start_byte


def named(node: Node | None) -> list[Node]:
    """The named parts of a node that may be absent."""
    return node.named_children if node is not None else []
