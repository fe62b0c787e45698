# Python by `ast`: one walk over the tree that notes definitions, imports, calls, what names and attributes are given,
# and what the file declares (flags, variables of the environment, routes, registries, tasks, ...). Nothing is resolved
# here: what a call reaches needs other files, what a line says does not. `python_marks.py` knows the declarations.
"""`read_python(path, text) -> FileRecord`."""

from __future__ import annotations

import ast
import re
import warnings
from bisect import bisect_right

from cutaway.model.code import Bind, Call, Def, FileRecord, Import, Mark, Param
from cutaway.read.languages.python_marks import call_marks, decorator_marks, table_marks

__all__ = ["read_python"]

VALUE, ARGUMENT, MANY = 400, 80, 12
_LINE_END = re.compile(rb"\r\n|\r|\n")
_NOTE = re.compile(r"#.*?\b(FIXME|HACK|XXX|TODO|WARNING|BUG)\b[:( ]*(.*)")
_KERNEL = re.compile(
    r"\b(triton\.jit|triton\.autotune|gluon\.jit|cuda\.jit|cute\.kernel|T\.prim_func|tilelang\.jit)\b"
)
_DATA = re.compile(
    r"dataclass|BaseModel|BaseSettings|NamedTuple|TypedDict|Struct\b|attr\.s|attrs?\.define|ConfigMixin|\bconfig\b"
)
_ENUM = re.compile(r"(Enum|Flag)\b")
_INERT = (ast.Constant, ast.JoinedStr, ast.BinOp, ast.UnaryOp, ast.Compare)


def read_python(path: str, text: str) -> FileRecord:
    """What `text` declares. Raises SyntaxError, ValueError (NUL bytes) or RecursionError as `ast.parse` does."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a stranger's invalid escapes are not our news
        tree = ast.parse(text)
    return _Reader(text).read(tree)


class _Reader:
    def __init__(self, text: str):
        self.text = text
        self.data = text.encode("utf-8", "surrogatepass")
        self.starts = [0, *(m.end() for m in _LINE_END.finditer(self.data))]
        self.defs: list[Def] = []
        self.names: list[str] = []  # of the definitions, those under way too
        self.imports: list[Import] = []
        self.calls: list[Call] = []
        self.binds: list[Bind] = []
        self.marks: list[Mark] = []
        self.constants: set[str] = set()
        self.scope = -1
        self.kinds: list[str] = []  # of the scopes we stand in
        self.words: dict[str, None] = {}
        self.loop = 0
        self.awaited = False
        self.guarded = 0
        self.yields = False

    def read(self, tree: ast.Module) -> FileRecord:
        self.body(tree.body)
        lines = self.text.splitlines()
        for number, line in enumerate(lines, 1):
            if "#" in line and (found := _NOTE.search(line)):
                self.marks.append(
                    Mark("note", number, found[1], self.scope_at(number), {"text": found[2][:160]})
                )
        code = sum(1 for line in lines if (s := line.strip()) and not s.startswith("#"))
        return FileRecord(
            language="python",
            lines=len(lines),
            code_lines=code,
            doc=_first_paragraph(ast.get_docstring(tree)),
            defs=self.defs,
            imports=self.imports,
            calls=self.calls,
            binds=self.binds,
            marks=sorted(self.marks, key=lambda m: m.line),
            words=list(self.words),
        )

    def source(self, node: ast.AST, most: int = VALUE) -> str:
        """The text of a node on one line, cut to `most` characters."""
        start = self.starts[node.lineno - 1] + node.col_offset
        end = self.starts[node.end_lineno - 1] + node.end_col_offset
        return one_line(self.data[start : min(end, start + 4 * most)].decode("utf-8", "replace"), most)

    def scope_at(self, line: int) -> int:
        """The innermost definition that holds a line."""
        best = -1
        for index in range(bisect_right([d.start for d in self.defs], line)):
            if self.defs[index].start <= line <= self.defs[index].end:
                best = index
        return best

    def mark(self, kind: str, node: ast.AST, name: str, **detail: str) -> None:
        self.marks.append(Mark(kind, node.lineno, name, self.scope, {k: v for k, v in detail.items() if v}))

    # --- statements ---

    def body(self, statements: list[ast.stmt]) -> None:
        for statement in statements:
            handler = _STATEMENTS.get(type(statement))
            if handler is None:
                self.children(statement)
            else:
                handler(self, statement)

    def children(self, node: ast.AST) -> None:
        for field in node._fields:
            value = getattr(node, field, None)
            if isinstance(value, list):
                for item in value:
                    self.any(item)
            elif isinstance(value, ast.AST):
                self.any(value)

    def any(self, node) -> None:
        if isinstance(node, ast.stmt):
            self.body([node])
        elif isinstance(node, ast.AST):
            self.expression(node)

    def definition(self, node) -> None:
        is_class = isinstance(node, ast.ClassDef)
        decorators = [self.source(d, 160) for d in node.decorator_list]
        for decorator in node.decorator_list:
            self.expression(decorator)
        parent = self.scope
        name = f"{self.names[parent]}.{node.name}" if parent >= 0 else node.name
        params: list[Param] = []
        if is_class:
            kind = "class"
            for base in (*node.bases, *(k.value for k in node.keywords)):
                self.expression(base)
        else:
            kind = "method" if self.kinds and self.kinds[-1] == "class" else "function"
            if any(_KERNEL.search(d) for d in decorators) or any(
                d in ("jit", "triton_jit") for d in decorators
            ):
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
            start=min([node.lineno, *(d.lineno for d in node.decorator_list)]),
            end=node.end_lineno,
            parent=parent,
            signature=self.signature(node),
            doc=_first_paragraph(ast.get_docstring(node)),
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
                self.expression(statement.annotation)
                if statement.value:
                    self.expression(statement.value)
            elif is_enum and isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
                self.mark(
                    "member", statement, statement.targets[0].id, value=self.source(statement.value, 80)
                )
                self.expression(statement.value)
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
        for _, argument, default in rows:
            if argument.annotation:
                self.expression(argument.annotation)
            if default:
                self.expression(default)
        return [
            Param(
                star + a.arg,
                self.source(a.annotation, 160) if a.annotation else "",
                self.source(d, 80) if d else "",
            )
            for star, a, d in rows
        ]

    def signature(self, node) -> str:
        start = self.starts[node.lineno - 1] + node.col_offset
        first = node.body[0]
        end = self.starts[first.lineno - 1] + first.col_offset
        if first.lineno > node.lineno and getattr(first, "decorator_list", None):
            end = self.starts[first.decorator_list[0].lineno - 1]
        text = re.sub(r"#[^\n]*", "", self.data[start : min(end, start + 2400)].decode("utf-8", "replace"))
        return one_line(text.rstrip(), 320).removesuffix(":")

    def assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            self.bind(target, node.value, node)
            self.target(target)
        self.expression(node.value)

    def annotated(self, node: ast.AnnAssign) -> None:
        target, annotation = self.source(node.target, 120), self.source(node.annotation, 160)
        value = self.source(node.value) if node.value else ""
        self.binds.append(Bind(self.scope, node.lineno, target, value, annotation))
        if self.scope < 0 and isinstance(node.target, ast.Name):
            self.constant(node.target.id, node)
        for part in (node.target, node.annotation, node.value):
            if part is not None:
                self.expression(part)
        if node.value is not None and isinstance(node.target, ast.Name):
            self.table(node.target.id, node.value)

    def bind(self, target: ast.expr, value: ast.expr, node: ast.stmt, kind: str = "assign") -> None:
        """One target takes one value; a tuple of targets takes a tuple of values, or its elements."""
        if isinstance(target, ast.Tuple | ast.List):
            if isinstance(value, ast.Tuple | ast.List) and len(value.elts) == len(target.elts):
                for one, its in zip(target.elts, value.elts, strict=True):
                    self.bind(one, its, node, kind)
            else:
                for position, one in enumerate(target.elts):
                    if isinstance(one, ast.Name | ast.Attribute):
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
        if isinstance(target, ast.Name):
            if self.scope < 0 and kind == "assign":
                self.constant(target.id, node)
            if isinstance(value, _INERT) and self.kinds and self.kinds[-1] == "function":
                return  # a local number or text: nothing flows from it
            self.table(target.id, value)
        elif not isinstance(target, ast.Attribute | ast.Subscript):
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

    def target(self, node: ast.expr) -> None:
        """What an assignment's left side mentions."""
        if isinstance(node, ast.Name):
            self.words[node.id] = None
        else:
            self.expression(node)

    def returned(self, node: ast.Return) -> None:
        if node.value is not None:
            if not isinstance(node.value, _INERT):
                self.binds.append(
                    Bind(self.scope, node.lineno, "return", self.source(node.value), "", "return")
                )
            self.expression(node.value)

    def loops(self, node) -> None:
        self.bind(node.target, node.iter, node, "for")
        self.target(node.target)
        self.expression(node.iter)
        self.inside_loop(node)

    def whiles(self, node: ast.While) -> None:
        self.mark("loop", node, self.source(node.test, 120), end=str(node.end_lineno))
        self.loop += 1
        self.expression(node.test)
        self.loop -= 1
        self.inside_loop(node)

    def inside_loop(self, node) -> None:
        self.loop += 1
        self.body(node.body)
        self.loop -= 1
        self.body(node.orelse)

    def condition(self, node: ast.If) -> None:
        test = self.source(node.test, 120)
        if self.scope < 0 and "__name__" in test and "__main__" in test:
            self.mark("main", node, "__main__", end=str(node.end_lineno))
        self.expression(node.test)
        self.guarded += "TYPE_CHECKING" in test
        self.body(node.body)
        self.guarded -= "TYPE_CHECKING" in test
        self.body(node.orelse)

    def tries(self, node) -> None:
        self.guarded += 1
        self.body(node.body)
        for handler in node.handlers:
            caught = self.source(handler.type, 120) if handler.type else "BaseException"
            does = "; ".join(self.source(s, 60) for s in handler.body[:3])
            self.mark("except", handler, caught, does=does[:160], bare="" if handler.type else "1")
            if handler.type:
                self.expression(handler.type)
            self.body(handler.body)
        self.guarded -= 1
        self.body(node.orelse)
        self.body(node.finalbody)

    def withs(self, node) -> None:
        for item in node.items:
            text = self.source(item.context_expr)
            target = self.source(item.optional_vars, 120) if item.optional_vars is not None else ""
            self.binds.append(Bind(self.scope, node.lineno, target, text, "", "with"))
            self.expression(item.context_expr)
            if item.optional_vars is not None:
                self.target(item.optional_vars)
        self.body(node.body)

    def raises(self, node: ast.Raise) -> None:
        if node.exc is not None:
            self.mark("raise", node, self.source(node.exc, 160))
        self.children(node)

    def imported(self, node: ast.Import) -> None:
        for alias in node.names:
            name = alias.asname or alias.name.split(".")[0]
            module = alias.name
            self.imports.append(Import(self.scope, name, module, "", node.lineno, self.guarded > 0))
            if not alias.asname and "." in alias.name:  # `import a.b` binds `a`; the whole path is known too
                self.imports[-1] = Import(self.scope, alias.name, module, "", node.lineno, self.guarded > 0)

    def imported_from(self, node: ast.ImportFrom) -> None:
        module = "." * node.level + (node.module or "")
        for alias in node.names:
            name = alias.asname or alias.name
            self.imports.append(Import(self.scope, name, module, alias.name, node.lineno, self.guarded > 0))

    # --- expressions ---

    def expression(self, node: ast.AST) -> None:
        kind = type(node)
        if kind is ast.Name:
            self.words[node.id] = None
        elif kind is ast.Attribute:
            self.words[node.attr] = None
            self.expression(node.value)
        elif kind is ast.Call:
            self.call(node)
        elif kind is ast.Constant:
            pass
        elif kind is ast.Await:
            self.awaited = isinstance(node.value, ast.Call)
            self.expression(node.value)
        elif kind in _COMPREHENSIONS:
            self.loop += 1
            self.children(node)
            self.loop -= 1
        elif kind in (ast.Yield, ast.YieldFrom):
            self.yields = True
            self.children(node)
        elif kind is ast.Subscript:
            self.subscript(node)
        else:
            self.children(node)

    def subscript(self, node: ast.Subscript) -> None:
        if (
            isinstance(node.slice, ast.Constant)
            and isinstance(node.slice.value, str)
            and isinstance(node.value, ast.Attribute)
            and node.value.attr == "environ"
        ):
            write = "1" if isinstance(node.ctx, ast.Store) else ""
            self.mark("env", node, node.slice.value, write=write)
        self.children(node)

    def call(self, node: ast.Call) -> None:
        how = (["await"] if self.awaited else []) + (["loop"] if self.loop else [])
        self.awaited = False
        function = node.func
        if isinstance(function, ast.Subscript):
            how.append("launch")
        callee = self.source(function, 200)
        arguments = [self.source(a, ARGUMENT) for a in node.args[:MANY]]
        arguments += [
            f"{k.arg}={self.source(k.value, ARGUMENT)}" if k.arg else f"**{self.source(k.value, ARGUMENT)}"
            for k in node.keywords[: max(0, MANY - len(arguments))]
        ]
        self.calls.append(
            Call(self.scope, getattr(function, "end_lineno", node.lineno), callee, arguments, how)
        )
        for kind, name, detail in call_marks(node, callee, arguments, self.source):
            told = node.args[0] if kind in ("flag", "env") and node.args else node  # its name may stand further down
            self.marks.append(Mark(kind, told.lineno, name, self.scope, detail))
        self.expression(function)
        for argument in node.args:
            self.expression(argument)
        for keyword in node.keywords:
            self.expression(keyword.value)


_COMPREHENSIONS = frozenset({ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp})
_STATEMENTS = {
    ast.FunctionDef: _Reader.definition,
    ast.AsyncFunctionDef: _Reader.definition,
    ast.ClassDef: _Reader.definition,
    ast.Assign: _Reader.assign,
    ast.AnnAssign: _Reader.annotated,
    ast.Return: _Reader.returned,
    ast.For: _Reader.loops,
    ast.AsyncFor: _Reader.loops,
    ast.While: _Reader.whiles,
    ast.If: _Reader.condition,
    ast.Try: _Reader.tries,
    ast.TryStar: _Reader.tries,
    ast.With: _Reader.withs,
    ast.AsyncWith: _Reader.withs,
    ast.Raise: _Reader.raises,
    ast.Import: _Reader.imported,
    ast.ImportFrom: _Reader.imported_from,
}


def one_line(text: str, most: int) -> str:
    """Text on one line, cut to `most` characters with `…`."""
    text = " ".join(text.split()) if "\n" in text or "\r" in text or "  " in text else text
    return text if len(text) <= most else text[: most - 1] + "…"


def _first_paragraph(doc: str | None) -> str:
    return one_line(doc.strip().split("\n\n")[0], 400) if doc else ""


def _flags(node, decorators: list[str], yields: bool) -> list[str]:
    if isinstance(node, ast.ClassDef):
        return ["abstract"] if any("ABC" in ast.dump(b) for b in node.bases) else []
    heads = {d.split("(")[0].split(".")[-1] for d in decorators}
    flags = ["async"] if isinstance(node, ast.AsyncFunctionDef) else []
    flags += ["generator"] if yields else []
    flags += [f for f, d in (("static", "staticmethod"), ("classmethod", "classmethod")) if d in heads]
    flags += ["property"] if heads & {"property", "cached_property", "setter"} else []
    return flags + (["abstract"] if "abstractmethod" in heads or _says_nothing(node.body) else [])


def _says_nothing(body: list[ast.stmt]) -> bool:
    """Only a docstring, `pass`, `...` or `raise NotImplementedError`: somebody else is to say it."""
    rest = [
        s
        for s in body
        if not (isinstance(s, ast.Pass) or (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant)))
    ]
    return not rest or (
        len(rest) == 1 and isinstance(rest[0], ast.Raise) and "NotImplemented" in ast.dump(rest[0])
    )
