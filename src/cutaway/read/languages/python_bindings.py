# What names and attributes are given: assignments, annotated ones, what a function returns; the constants and the tables of a
# module. A local number or text is left out: nothing flows from it.
"""`Bindings`: a part of the reader of Python."""

from __future__ import annotations

import ast

from cutaway.model.code import Bind, Def, Mark
from cutaway.read.languages.python_marks import table_marks

__all__ = ["Bindings"]

_INERT = frozenset({ast.Constant, ast.JoinedStr, ast.BinOp, ast.UnaryOp, ast.Compare})
_MANY = frozenset({ast.Tuple, ast.List})


class Bindings:
    """Who takes which value."""

    def assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            self.bind(target, node.value, node)
        self.visit((*node.targets, node.value))

    def annotated(self, node: ast.AnnAssign) -> None:
        target, annotation = self.source(node.target, 120), self.source(node.annotation, 160)
        value = self.source(node.value) if node.value else ""
        self.binds.append(Bind(self.scope, node.lineno, target, value, annotation))
        if self.scope < 0 and isinstance(node.target, ast.Name):
            self.constant(node.target.id, node)
        self.visit((node.target, node.annotation, node.value))
        if node.value is not None and isinstance(node.target, ast.Name):
            self.table(node.target.id, node.value)

    def bind(self, target: ast.expr, value: ast.expr, node: ast.stmt, kind: str = "assign") -> None:
        """One target takes one value; a tuple of targets takes a tuple of values, or its elements."""
        form = type(target)
        if form in _MANY:
            if type(value) in _MANY and len(value.elts) == len(target.elts):
                for one, its in zip(target.elts, value.elts, strict=True):
                    self.bind(one, its, node, kind)
            else:
                for position, one in enumerate(target.elts):
                    if type(one) is ast.Name or type(one) is ast.Attribute:
                        self.binds.append(
                            Bind(
                                self.scope,
                                one.lineno,
                                self.source(one, 120),
                                self.source(value),
                                "",
                                f"{kind}[{position}]",
                            )
                        )
            return
        if form is ast.Name:
            if self.scope < 0 and kind == "assign":
                self.constant(target.id, node)
            if type(value) in _INERT and self.kinds and self.kinds[-1] == "function":
                return  # a local number or text: nothing flows from it
            self.table(target.id, value)
        elif form is not ast.Attribute and form is not ast.Subscript:
            return
        self.binds.append(
            Bind(self.scope, target.lineno, self.source(target, 120), self.source(value), "", kind)
        )

    def constant(self, name: str, node: ast.stmt) -> None:
        if name not in self.constants:
            self.constants.add(name)
            self.names.append(name)
            self.defs.append(
                Def(
                    name,
                    "constant",
                    node.lineno,
                    node.lineno,
                    node.end_lineno,
                    signature=self.source(node, 120),
                )
            )

    def table(self, name: str, value: ast.expr) -> None:
        if self.scope < 0 or (self.kinds and self.kinds[-1] == "class"):
            for line, key, text in table_marks(value, self.source):
                self.marks.append(Mark("entry", line, key, self.scope, {"value": text, "table": name}))

    def returned(self, node: ast.Return) -> None:
        if node.value is not None:
            if type(node.value) not in _INERT:
                self.binds.append(
                    Bind(self.scope, node.lineno, "return", self.source(node.value), "", "return")
                )
            self.visit((node.value,))
