# Python by `ast`: one walk over the tree that notes definitions, imports, calls, what names and attributes are given,
# and what the file declares (flags, variables of the environment, routes, registries, tasks, ...). Nothing is resolved
# here: what a call reaches needs other files, what a line says does not. `python_marks.py` knows the declarations.
"""`read_python(path, text) -> FileRecord`."""

from __future__ import annotations

import ast
import re
import sys
import warnings
from bisect import bisect_right
from collections.abc import Callable
from inspect import cleandoc
from itertools import accumulate
from typing import Any

from cutaway.model.code import Bind, Call, Def, FileRecord, Import, Mark, Param
from cutaway.read.languages.python_marks import call_marks, decorator_marks, table_marks

__all__ = ["read_python"]

VALUE, ARGUMENT, MANY = 400, 80, 12
_NOTES = ("FIXME", "HACK", "XXX", "TODO", "WARNING", "BUG")
_NOTE = re.compile(rf"#.*?\b({'|'.join(_NOTES)})\b[:( ]*(.*)")
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
        self.data = text if text.isascii() else text.encode("utf-8", "surrogatepass")  # offsets count bytes
        self.starts = _line_starts(self.data)
        self.source = _cutter(self.data, self.starts)
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
        if any(word in self.text for word in _NOTES):
            for number, line in enumerate(lines, 1):
                if "#" in line and (found := _NOTE.search(line)):
                    self.marks.append(
                        Mark("note", number, found[1], self.scope_at(number), {"text": found[2][:160]})
                    )
        code = sum(1 for line in lines if (s := line.lstrip()) and s[0] != "#")
        return FileRecord(
            language="python",
            lines=len(lines),
            code_lines=code,
            doc=_first_paragraph(tree),
            defs=self.defs,
            imports=self.imports,
            calls=self.calls,
            binds=self.binds,
            marks=sorted(self.marks, key=lambda m: m.line),
            words=list(self.words),
        )

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
            _VISITS[type(statement)](self, statement)

    def definition(self, node) -> None:
        is_class = isinstance(node, ast.ClassDef)
        decorators = [self.source(d, 160) for d in node.decorator_list]
        for decorator in node.decorator_list:
            self.visit(decorator)
        parent = self.scope
        name = f"{self.names[parent]}.{node.name}" if parent >= 0 else node.name
        params: list[Param] = []
        if is_class:
            kind = "class"
            for base in (*node.bases, *(k.value for k in node.keywords)):
                self.visit(base)
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
            doc=_first_paragraph(node),
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
                self.visit(statement.annotation)
                if statement.value:
                    self.visit(statement.value)
            elif is_enum and isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
                self.mark(
                    "member", statement, statement.targets[0].id, value=self.source(statement.value, 80)
                )
                self.visit(statement.value)
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
                self.visit(argument.annotation)
            if default:
                self.visit(default)
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
        text = _text(self.data[start : min(end, start + 2400)])
        if "#" in text:
            text = re.sub(r"#[^\n]*", "", text)
        return one_line(text.rstrip(), 320).removesuffix(":")

    def assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            self.bind(target, node.value, node)
            self.visit(target)
        self.visit(node.value)

    def annotated(self, node: ast.AnnAssign) -> None:
        target, annotation = self.source(node.target, 120), self.source(node.annotation, 160)
        value = self.source(node.value) if node.value else ""
        self.binds.append(Bind(self.scope, node.lineno, target, value, annotation))
        if self.scope < 0 and isinstance(node.target, ast.Name):
            self.constant(node.target.id, node)
        for part in (node.target, node.annotation, node.value):
            if part is not None:
                self.visit(part)
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

    def returned(self, node: ast.Return) -> None:
        if node.value is not None:
            if not isinstance(node.value, _INERT):
                self.binds.append(
                    Bind(self.scope, node.lineno, "return", self.source(node.value), "", "return")
                )
            self.visit(node.value)

    def loops(self, node) -> None:
        self.bind(node.target, node.iter, node, "for")
        self.visit(node.target)
        self.visit(node.iter)
        self.inside_loop(node)

    def whiles(self, node: ast.While) -> None:
        self.mark("loop", node, self.source(node.test, 120), end=str(node.end_lineno))
        self.loop += 1
        self.visit(node.test)
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
        self.visit(node.test)
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
                self.visit(handler.type)
            self.body(handler.body)
        self.guarded -= 1
        self.body(node.orelse)
        self.body(node.finalbody)

    def withs(self, node) -> None:
        for item in node.items:
            text = self.source(item.context_expr)
            target = self.source(item.optional_vars, 120) if item.optional_vars is not None else ""
            self.binds.append(Bind(self.scope, node.lineno, target, text, "", "with"))
            self.visit(item.context_expr)
            if item.optional_vars is not None:
                self.visit(item.optional_vars)
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

    def visit(self, node: ast.AST) -> None:
        """Whatever stands there; names and what is taken from them are most of it."""
        kind = type(node)
        while kind is ast.Attribute:
            self.words[node.attr] = None
            node = node.value
            kind = type(node)
        if kind is ast.Name:
            self.words[node.id] = None
        else:
            _VISITS[kind](self, node)

    def children(self, node: ast.AST) -> None:
        for part in _PARTS[type(node)]:
            value = getattr(node, part, None)
            if type(value) is list:
                for item in value:
                    if item is not None:  # the key of `**more` in a dictionary
                        self.visit(item)
            elif value is not None:
                self.visit(value)

    def leaf(self, node: ast.AST) -> None:
        """Nothing that names anything."""

    def said(self, node: ast.Expr) -> None:
        self.visit(node.value)

    def waits(self, node: ast.Await) -> None:
        self.awaited = type(node.value) is ast.Call
        self.visit(node.value)

    def comprehension(self, node: ast.expr) -> None:
        self.loop += 1
        self.children(node)
        self.loop -= 1

    def gives(self, node: ast.Yield | ast.YieldFrom) -> None:
        self.yields = True
        self.children(node)

    def subscript(self, node: ast.Subscript) -> None:
        value, index = node.value, node.slice
        if (
            type(index) is ast.Constant
            and type(value) is ast.Attribute
            and value.attr == "environ"
            and isinstance(index.value, str)
        ):
            write = "1" if isinstance(node.ctx, ast.Store) else ""
            self.mark("env", node, index.value, write=write)
        self.visit(value)
        self.visit(index)

    def call(self, node: ast.Call) -> None:
        how = (["await"] if self.awaited else []) + (["loop"] if self.loop else [])
        self.awaited = False
        function, args, keywords, source = node.func, node.args, node.keywords, self.source
        if type(function) is ast.Subscript:
            how.append("launch")
        callee = source(function, 200)
        arguments = [source(a, ARGUMENT) for a in (args if len(args) <= MANY else args[:MANY])]
        for k in keywords[: max(0, MANY - len(arguments))]:
            text = source(k.value, ARGUMENT)
            arguments.append(f"{k.arg}={text}" if k.arg else f"**{text}")
        self.calls.append(Call(self.scope, function.end_lineno, callee, arguments, how))
        for kind, name, detail in call_marks(node, callee, arguments, source):
            told = _spells(args, name) if kind in ("flag", "env") and args else node
            self.marks.append(Mark(kind, told.lineno, name, self.scope, detail))
        self.visit(function)
        for argument in args:
            self.visit(argument)
        for keyword in keywords:
            self.visit(keyword.value)


# Parts of nodes in which nothing is named: how it is used, operators, plain texts and numbers.
_PLAIN = {
    "ctx", "op", "ops", "id", "attr", "arg", "name", "names", "asname", "rest", "kwd_attrs", "kind", "conversion",
    "simple", "level", "is_async", "type_comment", "type_ignores",
}  # fmt: skip
_NODES = [kind for kind in vars(ast).values() if isinstance(kind, type) and issubclass(kind, ast.AST)]
_PARTS = {kind: tuple(part for part in kind._fields if part not in _PLAIN) for kind in _NODES}
if sys.version_info >= (3, 12):
    _PARTS[ast.TypeAlias] = ast.TypeAlias._fields  # its name is a node
_VISITS: dict[type, Callable[[_Reader, Any], None]] = {
    **{kind: _Reader.children if parts else _Reader.leaf for kind, parts in _PARTS.items()},
    **dict.fromkeys((ast.Constant, ast.MatchSingleton), _Reader.leaf),
    **dict.fromkeys((ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef), _Reader.definition),
    **dict.fromkeys((ast.For, ast.AsyncFor), _Reader.loops),
    **dict.fromkeys((ast.Try, ast.TryStar), _Reader.tries),
    **dict.fromkeys((ast.With, ast.AsyncWith), _Reader.withs),
    **dict.fromkeys((ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp), _Reader.comprehension),
    **dict.fromkeys((ast.Yield, ast.YieldFrom), _Reader.gives),
    **dict.fromkeys((ast.Name, ast.Attribute), _Reader.visit),
    ast.Assign: _Reader.assign,
    ast.AnnAssign: _Reader.annotated,
    ast.Return: _Reader.returned,
    ast.While: _Reader.whiles,
    ast.If: _Reader.condition,
    ast.Raise: _Reader.raises,
    ast.Import: _Reader.imported,
    ast.ImportFrom: _Reader.imported_from,
    ast.Expr: _Reader.said,
    ast.Await: _Reader.waits,
    ast.Subscript: _Reader.subscript,
    ast.Call: _Reader.call,
}


def _line_starts(data: str | bytes) -> list[int]:
    """Where each line begins, as the parser counts them: a lone carriage return ends one."""
    if isinstance(data, bytes):
        lines = data.replace(b"\r\n", b" \n").replace(b"\r", b"\n").split(b"\n")
    else:
        lines = data.replace("\r\n", " \n").replace("\r", "\n").split("\n")
    return list(accumulate((len(line) + 1 for line in lines), initial=0))


def _text(data: str | bytes) -> str:
    return data if isinstance(data, str) else data.decode("utf-8", "replace")


def _cutter(data: str | bytes, starts: list[int]) -> Callable[..., str]:
    """What gives the text of a node on one line, cut to so many characters. It is asked for every call, argument
    and value, so a name is taken as it is."""
    plain = isinstance(data, str)

    def source(node: Any, most: int = VALUE) -> str:
        if plain and type(node) is ast.Name and len(node.id) <= most:
            return node.id
        first, last = node.lineno, node.end_lineno
        start = starts[first - 1] + node.col_offset
        end = starts[last - 1] + node.end_col_offset
        if plain and first == last and end - start <= most:
            text = data[start:end]
            return text if "  " not in text else one_line(text, most)
        text = data[start : end if end - start < 4 * most else start + 4 * most]
        return one_line(text if plain else text.decode("utf-8", "replace"), most)

    return source


def one_line(text: str, most: int) -> str:
    """Text on one line, cut to `most` characters with `…`."""
    text = " ".join(text.split()) if "\n" in text or "\r" in text or "  " in text else text
    return text if len(text) <= most else text[: most - 1] + "…"


def _first_paragraph(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """Of the docstring, on one line."""
    first = node.body[0] if node.body else None
    if not isinstance(first, ast.Expr) or not isinstance(first.value, ast.Constant):
        return ""
    doc = first.value.value
    if not isinstance(doc, str):
        return ""
    if "\n" in doc or "\t" in doc:
        doc = cleandoc(doc)
    return one_line(doc.strip().split("\n\n")[0], 400)


def _spells(args: list[ast.expr], name: str) -> ast.expr:
    """The argument that is this name, which may stand lines below the call; else the first."""
    return next((a for a in args if isinstance(a, ast.Constant) and a.value == name), args[0])


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
