# The same reduction for the languages that tree-sitter reads. Their grammars name a statement alike (`if_statement`,
# `if_expression`), so one table of what a node is serves them all; the text of a line is always the source's own.
"""`native_lines(program, path, definition, known, noise)`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from cutaway.model.code import Def
from cutaway.read.languages.syntax import Syntax, syntax_of
from cutaway.read.program import Program

if TYPE_CHECKING:
    from tree_sitter import Node

__all__ = ["LONGEST", "native_lines"]

_FUNCTION = re.compile(r"function|method|constructor|arrow|lambda|closure|func_literal")
_LITERAL = (
    "arrow_function",
    "function_expression",
    "func_literal",
    "lambda_expression",
    "closure_expression",
)
_BRANCH = re.compile(
    r"^(if|for|while|loop|do|switch|match|select|try|expression_switch|type_switch)(_\w+)?_(statement|expression|loop)$"
)
_CASE = re.compile(r"^(case_statement|switch_case|switch_default|match_arm|\w+_case)$")
_HANDLES = re.compile(r"^(catch_clause|finally_clause)$")
_LEAVES = re.compile(r"^(return|break|continue|throw|goto)_(statement|expression)$|^(go|defer)_statement$")
_CALLS = ("call_expression", "macro_invocation", "new_expression")
_BLOCK = re.compile(
    r"^(block|compound_statement|statement_list|statement_block|switch_body|match_block|else_clause|unsafe_block|"
    r"labeled_statement|preproc_\w+)$"
)
_SAYS = re.compile(
    r"^(e?print(ln)?|trace|debug|info|warn|error|assert\w*|static_assert|fmt\.F?[Pp]rint\w*|console\.\w+|spdlog\.\w+|"
    r"f?printf|make|new|vec|append|delete|copy|panic)$"
)
LONGEST = 40  # lines of one statement that are cited; its text is cut long before
_DEEP = 24  # blocks in blocks that are followed


def native_lines(
    program: Program, path: str, definition: Def, known: set[int], noise: re.Pattern[str], wide: int
) -> list[dict[str, Any]]:
    """`{text, path, line, end, depth}` of the body: control flow, what leaves it, and calls of the repository (`known` are
    their lines) or, as statements of their own, of others that are no `noise`. Empty where the text has no syntax."""
    record = program.record(path)
    syntax = syntax_of(path, record.language, program.text(path))
    node = _function(syntax.root, definition) if syntax else None
    body = node.child_by_field_name("body") if node else None
    if syntax is None or body is None:
        return []
    reader = _Reader(syntax, path, known, noise, wide, syntax.comments(body))
    reader.statement(body, 1)
    return reader.rows


def _function(root: Node, definition: Def) -> Node | None:
    """The outermost node with a body that ends where the definition ends and begins at its name or above."""
    todo = [root]
    while todo:
        node = todo.pop()
        first, last = node.start_point[0] + 1, node.end_point[0] + 1
        if first > definition.line or last < definition.line:
            continue
        if (
            _FUNCTION.search(node.type)
            and last >= definition.end
            and first >= definition.start
            and node.child_by_field_name("body")
        ):
            return node
        todo += reversed(node.named_children)
    return None


class _Reader:
    """One function under way."""

    def __init__(
        self,
        syntax: Syntax,
        path: str,
        known: set[int],
        noise: re.Pattern[str],
        wide: int,
        comments: list[Node],
    ):
        self.syntax, self.path, self.known, self.noise, self.wide = syntax, path, known, noise, wide
        self.comments = comments
        self.rows: list[dict[str, Any]] = []

    def statement(self, node: Node, depth: int) -> None:
        """Notes what matters of a statement and of those inside it."""
        if depth > _DEEP:
            return
        inner = _inside(node)
        if _BLOCK.match(node.type):
            for child in node.named_children:
                self.statement(child, depth)
        elif _BRANCH.match(inner.type):
            self.branch(node, inner, depth)
        elif _CASE.match(node.type) or _HANDLES.match(node.type):
            self.case(node, depth)
        else:
            self.leaf(node, depth)

    def branch(self, node: Node, inner: Node, depth: int) -> None:
        """`node` is the statement, `inner` the branch or loop in it: the same, or what `let x = match y {…}` binds."""
        then = inner.child_by_field_name("consequence") or inner.child_by_field_name("body")
        cases = [c for c in inner.named_children if _CASE.match(c.type)] if then is None else []
        start = then or (cases[0] if cases else None)
        if start is None:
            return
        at = len(self.rows)
        if inner.type == "do_statement":
            self.head(inner.start_byte, inner.start_byte + 2, inner, depth)
        else:
            self.head(node.start_byte, start.start_byte, node, depth)
        for part in cases or [start]:
            self.statement(part, depth + 1)
        for handler in (c for c in inner.named_children if _HANDLES.match(c.type)):
            self.statement(handler, depth)
        other = inner.child_by_field_name("alternative")
        if other is not None:
            self.otherwise(other, depth)
        if len(self.rows) == at + 1:
            self.rows.pop()  # a block in which nothing happens that matters

    def otherwise(self, other: Node, depth: int) -> None:
        chained = next((c for c in (other, *other.named_children) if _BRANCH.match(c.type)), None)
        if chained is not None:
            self.statement(chained, depth)
            return
        mark = len(self.rows)
        self.statement(other, depth + 1)
        if len(self.rows) > mark:
            line = {"text": "else:", "path": self.path, "line": other.start_point[0] + 1, "depth": depth}
            self.rows.insert(mark, line)

    def case(self, node: Node, depth: int) -> None:
        """A case, an arm or a handler: its head, and what is done there."""
        value = node.child_by_field_name("value")
        body = node.child_by_field_name("body") or (value if node.type == "match_arm" else None)
        named = [c for c in node.named_children if c != value or c == body]
        named = [c for c in named if c.type not in ("match_pattern", "catch_parameter", "parameter_list")]
        parts = [body] if body is not None else [c for c in named if "comment" not in c.type]
        parts = [p for p in parts if p != node.child_by_field_name("communication")]
        if not parts:
            return
        at = len(self.rows)
        self.head(node.start_byte, parts[0].start_byte, node, depth)
        for part in parts:
            self.statement(part, depth + 1)
        if len(self.rows) == at + 1:
            self.rows.pop()

    def leaf(self, node: Node, depth: int) -> None:
        """A statement that calls the repository's code, leaves the function or a loop; one that hands over a function
        with a body of its own is followed into it."""
        if "comment" in node.type or not node.is_named:
            return
        handed = _handed(node)
        if handed is not None:
            body = handed.child_by_field_name("body")
            at = len(self.rows)
            self.head(node.start_byte, body.start_byte, node, depth)
            self.statement(body, depth + 1)
            if len(self.rows) == at + 1 and not self.matters(node):
                self.rows.pop()
        elif self.matters(node):
            self.head(node.start_byte, node.end_byte, node, depth)

    def matters(self, node: Node) -> bool:
        """Whether a statement is kept for itself."""
        inner = _inside(node)
        if _LEAVES.match(inner.type):
            return True
        calls = [c for c in _named(node) if c.type in _CALLS]
        lines = range(node.start_point[0] + 1, node.end_point[0] + 2)
        if any(line in self.known for line in lines):
            return bool(calls)
        alone = node.type == "expression_statement" and (
            inner.type in _CALLS or inner.type == "await_expression"
        )
        return alone and not any(p.search(self.callee(calls[0])) for p in (self.noise, _SAYS))

    def callee(self, call: Node) -> str:
        name = call.child_by_field_name("function") or call.child_by_field_name("macro") or call.children[-1]
        return (
            self.syntax.text(name.start_byte, name.end_byte, self.comments)
            .replace("->", ".")
            .replace("::", ".")
            .rstrip("!")
        )

    def head(self, start: int, end: int, node: Node, depth: int) -> None:
        """One line: the source between two bytes, and the lines on which it stands."""
        text = self.syntax.text(start, end, self.comments).rstrip("{ ").removesuffix(";").rstrip()
        if not text:
            return
        first = node.start_point[0] + 1
        last = first + min(self.syntax.breaks(start, end), LONGEST)
        text = text if len(text) <= self.wide else text[: self.wide - 1] + "…"
        row: dict[str, Any] = {"text": text, "path": self.path, "line": first}
        self.rows.append({**row, **({"end": last} if last > first else {}), "depth": depth})


def _inside(node: Node) -> Node:
    """What a statement is about: the branch, call or jump that it wraps or binds."""
    while node.type in ("expression_statement", "let_declaration", "await_expression", "try_expression"):
        inner = node.child_by_field_name("value") if node.type == "let_declaration" else None
        if node.type == "let_declaration" and (inner is None or not _BRANCH.match(inner.type)):
            return node
        inner = inner or next(iter(node.named_children), None)
        if inner is None or (node.type == "await_expression" and inner.type in _CALLS):
            return node if inner is None else inner
        node = inner
    return node


def _named(node: Node) -> list[Node]:
    """The nodes of a statement, those of functions that it hands over left out."""
    found, todo = [], [node]
    while todo:
        one = todo.pop()
        found.append(one)
        todo += [c for c in reversed(one.named_children) if c.type not in _LITERAL]
    return found


def _handed(node: Node) -> Node | None:
    """The longest function with a block of its own that a statement hands over."""
    found, todo = [], [node]
    while todo:
        one = todo.pop()
        if one.type in _LITERAL:
            body = one.child_by_field_name("body")
            if body is not None and _BLOCK.match(body.type) and body.end_point[0] > body.start_point[0]:
                found.append(one)
        else:
            todo += reversed(one.named_children)
    return max(found, key=lambda n: n.end_byte - n.start_byte, default=None)
