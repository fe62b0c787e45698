# The walk that every grammar shares: parse within a limit, visit each named node once, keep the scope, and slice text.
# A language is a table from node kinds to small functions (`grammar.py`); what they find they note on the `Walk`.
"""Source text to `FileRecord` by tree-sitter.

The walk is a loop, not a recursion, so that deep nesting costs memory and nothing else. Offsets are bytes of the UTF-8
text; lines are 1-based.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

from msgspec.structs import replace
from tree_sitter import Language, Parser

from cutaway.model.code import MODULE, Bind, Call, Def, FileRecord, Import, Mark
from cutaway.read.languages.grammar import SKIP, Grammar, Handler, Scope, kinds
from cutaway.read.languages.text import first_paragraph, one_line, uncommented
from cutaway.read.languages.treesitter_above import Above, attribute, comment, last_row
from cutaway.read.languages.treesitter_text import cutter, tree_of

if TYPE_CHECKING:
    from tree_sitter import Node

__all__ = ["Walk", "compiled", "read_tree"]

VALUE, ARGUMENT, MANY = 400, 80, 12
TYPES = {"class", "struct", "enum", "trait", "interface", "type"}


def read_tree(grammar: Grammar, path: str, text: str) -> FileRecord:
    """The record of `text`. Raises ValueError if parsing takes far more steps than the text's length explains."""
    walk = Walk(grammar, path, text)
    walk.run()
    return walk.record()


class Walk(Above):
    """One file under way. Handlers call `define`, `call`, `bind`, `mark` and `importing`."""

    def __init__(self, grammar: Grammar, path: str, text: str):
        self.grammar, self.path = grammar, path
        super().__init__(text.encode("utf-8", "replace"))
        self.plain = text if text.isascii() else None  # then bytes are its characters
        self.cut = cutter(text, self.data)
        parser, self.table, self.words = compiled(grammar)
        self.tree = tree_of(parser, self.data, grammar.prepare, grammar.repair)
        self.defs: list[Def] = []
        self.word_lists: list[dict[str, None]] = []
        self.imports: list[Import] = []
        self.calls: list[Call] = []
        self.binds: list[Bind] = []
        self.marks: list[Mark] = []
        self.outer: dict[int, Node] = {}  # node id -> what it is wrapped in (template, export)
        self.hints: dict[int, str] = {}  # node id -> a word left by its parent
        self.defaults: dict[
            int, str
        ] = {}  # node id -> what takes the place of its result (`unwrap_or(x)`, `|| x`)
        self.seen: set[int] = set()  # offsets that handlers dealt with, for patterns that come after them
        self.module = Scope(MODULE, "module", "", {})

    def run(self) -> None:
        get, cut, words, plain = self.table.get, self.cut, self.words, self.plain
        at, scope = iter([self.tree.root_node]), self.module
        outside: list[tuple[Iterator[Node], Scope]] = []  # what is left of the nodes around this one
        while True:
            for node in at:
                kind = node.kind_id
                if kind in words:  # leaves, and half of all nodes
                    start, end = node.start_byte, node.end_byte
                    scope.words[cut(start, end) if plain is None else plain[start:end]] = None
                    continue
                inner = scope
                handler = get(kind)
                if handler is not None:
                    inner = handler(self, node, scope) or scope
                    if inner is SKIP:
                        continue
                if children := node.named_children:
                    outside.append((at, scope))
                    at, scope = iter(children), inner
                    break
            else:
                if not outside:
                    break
                at, scope = outside.pop()
        if self.grammar.finish:
            self.grammar.finish(self)

    def record(self) -> FileRecord:
        self._own()
        for index in range(len(self.defs) - 1, -1, -1):
            parent = self.defs[index].parent
            if parent != MODULE and self.defs[parent].kind != "namespace":
                self.word_lists[parent].update(self.word_lists[index])
        for definition, words in zip(self.defs, self.word_lists, strict=True):
            words.pop(definition.name.rpartition(".")[2], None)  # its own name is no use of it
            definition.words.extend(words)
            self.module.words.update(words)
        lines = self.data.split(b"\n")
        if lines[-1] == b"":
            lines.pop()
        return FileRecord(
            language=self.grammar.language,
            lines=len(lines),
            code_lines=sum(
                1 for row, line in enumerate(lines) if row not in self.comment_rows and line.strip()
            ),
            parse="errors" if self.tree.root_node.has_error else "ok",
            doc=self._first_comment(),
            defs=self.defs,
            imports=self.imports,
            calls=self.calls,
            binds=self.binds,
            marks=sorted(self.marks, key=lambda mark: mark.line),
            words=list(self.module.words),
        )

    def _own(self) -> None:
        """A method that stands outside its type (`impl`, a receiver, `Class::method`) belongs to the type of this file."""
        types = {d.name: i for i, d in enumerate(self.defs) if d.kind in TYPES}
        for index, d in enumerate(self.defs):
            if d.kind == "method" and (d.parent == MODULE or self.defs[d.parent].kind == "namespace"):
                owner = types.get(d.name.rpartition(".")[0], MODULE)
                if owner != MODULE:
                    self.defs[index] = replace(d, parent=owner)

    # --- text ---

    def text(self, node: Node | None, most: int = VALUE) -> str:
        """A node's source on one line, cut to `most` characters; empty for no node."""
        if node is None:
            return ""
        start, end = node.start_byte, node.end_byte
        if self.plain is None or end - start > most:
            return self.between(start, end, most)
        text = self.plain[start:end]  # most are as short as this: no calls for them
        return " ".join(text.split()) if "\n" in text or "  " in text or "\t" in text else text

    def between(self, start: int, end: int, most: int = VALUE) -> str:
        return one_line(self.cut(start, end if end - start < 4 * most else start + 4 * most), most)

    def string(self, node: Node | None) -> str | None:
        """The content of a string literal, without quotes and prefixes; None for any other node."""
        if node is None or "string" not in node.type:
            return None
        if node.type == "concatenated_string":
            return "".join(self.string(part) or "" for part in node.named_children)
        text = self.text(node)
        first = next((i for i, c in enumerate(text) if c in "\"'`"), -1)
        return text[first + 1 : text.rfind(text[first])] if first >= 0 else None

    # --- what handlers note ---

    def define(
        self, node: Node, scope: Scope, kind: str, name: str, at: Node | None = None, **fields
    ) -> Scope:
        """Notes a definition and answers with its scope. `name` is qualified by the scope's prefix; `at` is where the name
        stands; comments and attributes above it become `doc` and `decorators`."""
        whole = self.outer.get(node.id, node)
        start, comments, decorators = self._above(whole)
        full = f"{scope.prefix}.{name}" if scope.prefix else name
        words: dict[str, None] = {}
        decorators += fields.pop("decorators", [])
        self.defs.append(
            Def(
                name=full,
                kind=kind,
                line=(at or node).start_point[0] + 1,
                start=start + 1,
                end=last_row(node) + 1,
                parent=scope.index,
                doc=first_paragraph(uncommented(comments)),
                decorators=decorators,
                words=[],
                **fields,
            )
        )
        self.word_lists.append(words)
        return Scope(len(self.defs) - 1, kind, full, words)

    def document(self, scope: Scope, text: str) -> None:
        """Gives the definition of a scope its text, where that stands inside of it."""
        self.defs[scope.index] = replace(self.defs[scope.index], doc=first_paragraph(text))

    def call(
        self, node: Node, scope: Scope, callee: str, arguments: list[Node], *how: str, at: Node | None = None
    ) -> list[str]:
        """Notes a call and answers with the sources of its arguments. `at` is the name that is called: in a chain of calls
        over many lines each stands on its own, and of one too long for its text the name is what counts."""
        if at is not None and callee.endswith("…"):
            callee = f"….{self.text(at, 80)}"
        args = [self.text(argument, ARGUMENT) for argument in arguments[:MANY]]
        hint = self.hints.get(node.id)
        all_how = [*how, *([hint] if hint else []), *(["loop"] if scope.loop else [])]
        self.calls.append(Call(scope.index, (at or node).start_point[0] + 1, callee, args, all_how))
        return args

    def bind(
        self, node: Node, scope: Scope, target: str, value: str, annotation: str = "", kind: str = "assign"
    ) -> None:
        self.binds.append(Bind(scope.index, node.start_point[0] + 1, target, value, annotation, kind))
        for mark, pattern in self.grammar.typed:
            if found := (annotation and pattern.search(annotation)) or (value and pattern.match(value)):
                self.mark(mark, node, scope, found[1], target=target, callee=found[0].strip("( "))
                break

    def field(
        self, node: Node, scope: Scope, name: str, annotation: str, default: str = "", **detail: str
    ) -> None:
        """A field of a struct or class: a mark for what may be configuration, a bind for what gives it its type."""
        self.mark("field", node, scope, name, annotation=annotation, default=default[:120], **detail)
        self.bind(node, scope, name, default, annotation, "field")

    def mark(self, kind: str, node: Node, scope: Scope, name: str, /, **detail: str) -> None:
        kept = {key: value for key, value in detail.items() if value}
        self.marks.append(Mark(kind, node.start_point[0] + 1, name, scope.index, kept))

    def importing(
        self, node: Node, scope: Scope, module: str, name: str = "", symbol: str = "", guarded: bool = False
    ) -> None:
        self.imports.append(Import(scope.index, name, module, symbol, node.start_point[0] + 1, guarded))

    def importing_at(self, line: int, module: str, symbol: str) -> None:
        """An import that no node stands for."""
        self.imports.append(Import(MODULE, "", module, symbol, line))

    def scope_at(self, line: int) -> int:
        """The innermost definition that holds a line, for what was found by patterns."""
        best, best_start = MODULE, 0
        for index, d in enumerate(self.defs):
            if d.start <= line <= d.end and d.start >= best_start:
                best, best_start = index, d.start
        return best


# --- what the walk does by itself ---


def _loop(walk: Walk, node: Node, scope: Scope) -> Scope:
    return scope.inside_loop()


def _skip(walk: Walk, node: Node, scope: Scope) -> Scope:
    return SKIP


# --- grammars ---


@cache
def compiled(grammar: Grammar) -> tuple[Parser, dict[int, Handler], frozenset[int]]:
    """A parser, the handlers by the number of a node kind (looked up some 100,000 times a second), and the kinds
    that are words."""
    language = Language(grammar.load())
    rows: dict[str, Handler] = {
        **kinds(comment, grammar.comments),
        **kinds(_loop, grammar.loops),
        **kinds(_skip, grammar.skipped),
        **kinds(attribute, grammar.above),
        **grammar.handlers,
    }
    table: dict[int, Handler] = {}
    words = set()
    for number in range(language.node_kind_count):
        name = language.node_kind_for_id(number)
        if not language.node_kind_is_named(number):
            continue
        if name in rows:
            table[number] = rows[name]
        elif name in grammar.words.split():
            words.add(number)
    return Parser(language), table, frozenset(words)
