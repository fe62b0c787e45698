# Python by `ast`: one walk over the tree that notes definitions, imports, calls, what names and attributes are given,
# and what the file declares (flags, variables of the environment, routes, registries, tasks, ...). Nothing is resolved
# here: what a call reaches needs other files, what a line says does not. Here is the walk; `python_definitions.py` and
# `python_bindings.py` are parts of it, `python_marks.py` knows the declarations, `python_text.py` cuts the text.
"""`read_python(path, text) -> FileRecord`."""

from __future__ import annotations

import ast
import re
import sys
import warnings
from ast import Attribute, Constant, Name
from bisect import bisect_right
from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any

from cutaway.model.code import Bind, Call, Def, FileRecord, Import, Mark
from cutaway.read.languages.python_bindings import Bindings
from cutaway.read.languages.python_definitions import Definitions
from cutaway.read.languages.python_marks import call_marks
from cutaway.read.languages.python_text import cutter, first_paragraph, line_starts, lines_of

__all__ = ["read_python"]

ARGUMENT, MANY = 80, 12  # characters of an argument, arguments of a call
_NOTES = ("FIXME", "HACK", "XXX", "TODO", "WARNING", "BUG")
_NOTE = re.compile(rf"#.*?\b({'|'.join(_NOTES)})\b[:( ]*(.*)")


def read_python(path: str, text: str) -> FileRecord:
    """What `text` declares. Raises SyntaxError, ValueError (NUL bytes) or RecursionError as `ast.parse` does."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a stranger's invalid escapes are not our news
        tree = ast.parse(text)
    return _Reader(text).read(tree)


class _Reader(Definitions, Bindings):
    """One file under way."""

    def __init__(self, text: str):
        self.text = text
        self.data = text if text.isascii() else text.encode("utf-8", "surrogatepass")  # offsets count bytes
        lines = lines_of(text)
        self.starts = line_starts(self.data, lines)
        self.source = cutter(self.data, lines, self.starts)
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
        heads = [line[:1] for line in map(str.lstrip, lines)]
        return FileRecord(
            language="python",
            lines=len(lines),
            code_lines=len(heads) - heads.count("") - heads.count("#"),
            doc=first_paragraph(tree),
            defs=self.defs,
            imports=self.imports,
            calls=self.calls,
            binds=self.binds,
            marks=sorted(self.marks, key=attrgetter("line")),
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
        visits = _VISITS
        for statement in statements:
            visits[type(statement)](self, statement)

    def loops(self, node) -> None:
        self.bind(node.target, node.iter, node, "for")
        self.visit((node.target, node.iter))
        self.inside_loop(node)

    def whiles(self, node: ast.While) -> None:
        self.mark("loop", node, self.source(node.test, 120), end=str(node.end_lineno))
        self.loop += 1
        self.visit((node.test,))
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
        self.visit((node.test,))
        typing_only = "TYPE_CHECKING" in test
        self.guarded += typing_only
        self.body(node.body)
        self.guarded -= typing_only
        self.body(node.orelse)

    def tries(self, node) -> None:
        self.guarded += 1
        self.body(node.body)
        for handler in node.handlers:
            caught = self.source(handler.type, 120) if handler.type else "BaseException"
            does = "; ".join(self.source(s, 60) for s in handler.body[:3])
            self.mark("except", handler, caught, does=does[:160], bare="" if handler.type else "1")
            if handler.type:
                self.visit((handler.type,))
            self.body(handler.body)
        self.guarded -= 1
        self.body(node.orelse)
        self.body(node.finalbody)

    def withs(self, node) -> None:
        for item in node.items:
            text = self.source(item.context_expr)
            target = self.source(item.optional_vars, 120) if item.optional_vars is not None else ""
            self.binds.append(Bind(self.scope, node.lineno, target, text, "", "with"))
            self.visit((item.context_expr, item.optional_vars))
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

    def visit(self, nodes: Iterable[Any]) -> None:
        """Whatever stands there, some of it perhaps None; names and what is taken from them are most of it."""
        words, visits, parts = self.words, _VISITS, _INSIDE.get
        for node in nodes:
            kind = type(node)
            while kind is Attribute:
                words[node.attr] = None
                node = node.value
                kind = type(node)
            if kind is Name:
                words[node.id] = None
            elif kind is not Constant and node is not None:
                inside = parts(kind)
                if inside is not None:
                    self.visit(inside(node))
                else:
                    visits[kind](self, node)

    def named(self, node: ast.expr) -> None:
        self.visit((node,))

    def children(self, node: ast.AST) -> None:
        held = node.__dict__
        for part in _PARTS[type(node)]:
            value = held[part]
            self.visit(value if type(value) is list else (value,))

    def leaf(self, node: ast.AST | None) -> None:
        """Nothing that names anything."""

    def said(self, node: ast.Expr) -> None:
        self.visit((node.value,))

    def waits(self, node: ast.Await) -> None:
        self.awaited = type(node.value) is ast.Call
        self.visit((node.value,))

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
            type(index) is Constant
            and type(value) is Attribute
            and value.attr == "environ"
            and isinstance(index.value, str)
        ):
            write = "1" if isinstance(node.ctx, ast.Store) else ""
            self.mark("env", node, index.value, write=write)
        self.visit((value, index))

    def call(self, node: ast.Call) -> None:
        how = ["await"] if self.awaited else []
        if self.loop:
            how.append("loop")
        self.awaited = False
        function, args, keywords, source = node.func, node.args, node.keywords, self.source
        if type(function) is ast.Subscript:
            how.append("launch")
        callee = source(function, 200)
        inside, arguments = [function, *args], []
        if args:
            arguments = [source(a, ARGUMENT) for a in (args if len(args) <= MANY else args[:MANY])]
        if keywords:
            inside += [k.value for k in keywords]
            for k in keywords[: MANY - len(arguments)]:
                text = source(k.value, ARGUMENT)
                arguments.append(f"{k.arg}={text}" if k.arg else f"**{text}")
        self.calls.append(Call(self.scope, function.end_lineno, callee, arguments, how))
        for kind, name, detail in call_marks(node, callee, arguments, source):
            told = _spells(args, name) if kind in ("flag", "env") and args else node
            self.marks.append(Mark(kind, told.lineno, name, self.scope, detail))
        self.visit(inside)


# Parts of nodes in which nothing is named: how it is used, operators, plain texts and numbers.
_PLAIN = {
    "ctx", "op", "ops", "id", "attr", "arg", "name", "names", "asname", "rest", "kwd_attrs", "kind", "conversion",
    "simple", "level", "is_async", "type_comment", "type_ignores",
}  # fmt: skip
_NODES = [kind for kind in vars(ast).values() if isinstance(kind, type) and issubclass(kind, ast.AST)]
_PARTS = {kind: tuple(part for part in kind._fields if part not in _PLAIN) for kind in _NODES}
if sys.version_info >= (3, 12):
    _PARTS[ast.TypeAlias] = ast.TypeAlias._fields  # its name is a node
# What is inside the most frequent expressions, all of it named by nobody else: one call gives it.
_INSIDE: dict[type, Callable[[Any], Iterable[Any]]] = {
    kind: attrgetter(*_PARTS[kind])
    for kind in (
        *(ast.BinOp, ast.IfExp, ast.FormattedValue, ast.Slice, ast.NamedExpr),  # several nodes
        *(ast.Tuple, ast.List, ast.Set, ast.BoolOp, ast.JoinedStr),  # one list
    )
}
_INSIDE[ast.Compare] = lambda node: (node.left, *node.comparators)
_INSIDE[ast.UnaryOp] = lambda node: (node.operand,)
_INSIDE[ast.Starred] = lambda node: (node.value,)
_VISITS: dict[type, Callable[[_Reader, Any], None]] = {
    **{kind: _Reader.children if parts else _Reader.leaf for kind, parts in _PARTS.items()},
    **dict.fromkeys((Constant, ast.MatchSingleton, type(None)), _Reader.leaf),
    **dict.fromkeys((ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef), _Reader.definition),
    **dict.fromkeys((ast.For, ast.AsyncFor), _Reader.loops),
    **dict.fromkeys((ast.Try, ast.TryStar), _Reader.tries),
    **dict.fromkeys((ast.With, ast.AsyncWith), _Reader.withs),
    **dict.fromkeys((ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp), _Reader.comprehension),
    **dict.fromkeys((ast.Yield, ast.YieldFrom), _Reader.gives),
    **dict.fromkeys((Name, Attribute), _Reader.named),
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


def _spells(args: list[ast.expr], name: str) -> ast.expr:
    """The argument that is this name, which may stand lines below the call; else the first."""
    return next((a for a in args if isinstance(a, ast.Constant) and a.value == name), args[0])
