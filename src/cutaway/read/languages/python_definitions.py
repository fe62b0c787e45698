# What a function or class says of itself: signature, parameters, decorators, bases, the fields and members of its body, and
# the words that it uses.
"""`Definitions`: a part of the reader of Python."""

from __future__ import annotations

import ast
import re

from cutaway.model.code import Bind, Def, Mark, Param
from cutaway.read.languages.python_marks import decorator_marks
from cutaway.read.languages.python_text import as_text, first_paragraph, one_line

__all__ = ["Definitions"]

_KERNEL = re.compile(
    r"\b(triton\.jit|triton\.autotune|gluon\.jit|cuda\.jit|cute\.kernel|T\.prim_func|tilelang\.jit)\b"
)
_DATA = re.compile(
    r"dataclass|BaseModel|BaseSettings|NamedTuple|TypedDict|Struct\b|attr\.s|attrs?\.define|ConfigMixin|\bconfig\b"
)
_ENUM = re.compile(r"(Enum|Flag)\b")


class Definitions:
    """Functions and classes."""

    def definition(self, node) -> None:
        is_class = type(node) is ast.ClassDef
        decorators = [self.source(d, 160) for d in node.decorator_list]
        self.visit(node.decorator_list)
        parent = self.scope
        name = f"{self.names[parent]}.{node.name}" if parent >= 0 else node.name
        params: list[Param] = []
        if is_class:
            kind = "class"
            self.visit((*node.bases, *(k.value for k in node.keywords)))
        else:
            kind = "method" if self.kinds and self.kinds[-1] == "class" else "function"
            if decorators and any(d in ("jit", "triton_jit") or _KERNEL.search(d) for d in decorators):
                kind = "kernel"
            params = self.parameters(node.args)
        index = len(self.defs)
        self.defs.append(None)  # its place; its words are known at its end
        self.names.append(name)
        for decorator, text in zip(node.decorator_list, decorators, strict=True):
            for mark in decorator_marks(decorator, text, node.name):
                self.marks.append(Mark(mark[0], decorator.lineno, mark[1], index, mark[2]))
        outer = self.scope, self.words, self.loop, self.yields, self.guarded
        self.scope, self.words, self.loop, self.yields, self.guarded = index, {}, 0, False, 0
        self.kinds.append("class" if is_class else "function")
        if is_class:
            self.class_body(node, decorators)
        else:
            self.body(node.body)
        self.kinds.pop()
        words, yields = self.words, self.yields
        self.scope, self.words, self.loop, self.yields, self.guarded = outer
        if not is_class or parent < 0:
            self.words.update(words)
        self.defs[index] = Def(
            name=name,
            kind=kind,
            line=node.lineno,
            start=(node.decorator_list or (node,))[0].lineno,
            end=node.end_lineno,
            parent=parent,
            signature=self.signature(node),
            doc=first_paragraph(node),
            decorators=decorators,
            bases=[self.source(b, 120) for b in node.bases] if is_class else [],
            params=params,
            returns=self.source(node.returns, 160) if not is_class and node.returns else "",
            flags=_flags(node, decorators, yields),
            words=list(words),
        )

    def class_body(self, node: ast.ClassDef, decorators: list[str]) -> None:
        bases = " ".join([self.source(b, 120) for b in node.bases] + decorators)
        is_enum, is_data = bool(_ENUM.search(bases)), bool(_DATA.search(bases))
        for statement in node.body:
            if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                value = self.source(statement.value) if statement.value else ""
                annotation = self.source(statement.annotation, 160)
                if is_data:
                    self.mark(
                        "field", statement, statement.target.id, annotation=annotation, default=value[:120]
                    )
                self.binds.append(
                    Bind(self.scope, statement.lineno, statement.target.id, value, annotation, "field")
                )
                self.visit((statement.annotation, statement.value))
            elif is_enum and isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
                self.mark(
                    "member", statement, statement.targets[0].id, value=self.source(statement.value, 80)
                )
                self.visit((statement.value,))
            else:
                self.body([statement])

    def parameters(self, arguments: ast.arguments) -> list[Param]:
        positional = [*arguments.posonlyargs, *arguments.args]
        defaults = [None] * (len(positional) - len(arguments.defaults)) + arguments.defaults
        rows = [("", a, d) for a, d in zip(positional, defaults, strict=True)]
        if arguments.vararg:
            rows.append(("*", arguments.vararg, None))
        rows += [("", a, d) for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)]
        if arguments.kwarg:
            rows.append(("**", arguments.kwarg, None))
        params = []
        for star, argument, default in rows:
            annotation = argument.annotation
            self.visit((annotation, default))
            params.append(
                Param(
                    star + argument.arg,
                    self.source(annotation, 160) if annotation else "",
                    self.source(default, 80) if default else "",
                )
            )
        return params

    def signature(self, node) -> str:
        start = self.starts[node.lineno - 1] + node.col_offset
        first = node.body[0]
        end = self.starts[first.lineno - 1] + first.col_offset
        if first.lineno > node.lineno and getattr(first, "decorator_list", None):
            end = self.starts[first.decorator_list[0].lineno - 1]
        text = as_text(self.data[start : min(end, start + 2400)])
        if "#" in text:
            text = re.sub(r"#[^\n]*", "", text)
        return one_line(text.rstrip(), 320).removesuffix(":")


def _flags(node, decorators: list[str], yields: bool) -> list[str]:
    if type(node) is ast.ClassDef:
        return ["abstract"] if any(_says(b, "ABC") for b in node.bases) else []
    heads = {d.partition("(")[0].rpartition(".")[2] for d in decorators}
    flags = ["async"] if type(node) is ast.AsyncFunctionDef else []
    flags += ["generator"] if yields else []
    flags += [f for f, d in (("static", "staticmethod"), ("classmethod", "classmethod")) if d in heads]
    flags += ["property"] if heads & {"property", "cached_property", "setter"} else []
    return flags + (["abstract"] if "abstractmethod" in heads or _says_nothing(node.body) else [])


def _says(node: ast.expr, word: str) -> bool:
    """The word stands in a name or text of an expression."""
    return word in (node.id if type(node) is ast.Name else ast.dump(node))


def _says_nothing(body: list[ast.stmt]) -> bool:
    """Only a docstring, `pass`, `...` or `raise NotImplementedError`: somebody else is to say it."""
    raised = []
    for statement in body:
        kind = type(statement)
        if kind is ast.Raise:
            raised.append(statement)
        elif kind is not ast.Pass and not (kind is ast.Expr and type(statement.value) is ast.Constant):
            return False
    return not raised or (len(raised) == 1 and _says(raised[0], "NotImplemented"))
