# A language for the walk of `treesitter.py` is a table from node kinds to small functions; what these get and answer.
"""`Grammar` and `Scope`."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cutaway.model.code import MODULE

if TYPE_CHECKING:
    from tree_sitter import Node

    from cutaway.read.languages.treesitter import Walk

__all__ = ["SKIP", "Grammar", "Handler", "Scope", "kinds"]


class Scope:
    """Where the walk stands: the definition (`index`, or -1), the prefix of names in it, and whether a loop is round us.
    `access` is C++'s current section; `library` what a binding block adds to its names."""

    __slots__ = ("access", "index", "kind", "library", "loop", "prefix", "words")

    def __init__(self, index: int, kind: str, prefix: str, words: dict[str, None], loop: bool = False):
        self.index, self.kind, self.prefix, self.words, self.loop = index, kind, prefix, words, loop
        self.access = ""
        self.library: tuple[str, str] = ("", "")

    @property
    def outside(self) -> bool:
        """Whether names here belong to the file or a namespace, not to a function or class."""
        return self.kind in ("module", "namespace")

    def inside_loop(self) -> Scope:
        inner = Scope(self.index, self.kind, self.prefix, self.words, loop=True)
        inner.access, inner.library = self.access, self.library
        return inner


SKIP = Scope(MODULE, "skip", "", {})  # a handler's answer: do not go into this node
Handler = Callable[["Walk", "Node", Scope], "Scope | None"]


@dataclass(frozen=True, eq=False)
class Grammar:
    """One language. A handler gets (walk, node, scope) and answers with the scope of what is inside, None for the same
    scope, or SKIP. `words`, `comments`, `loops`, `skipped` and `above` are node kinds; those of `above` (attributes)
    belong to the next definition. `typed` are (mark, pattern) over what a variable is declared or made as."""

    language: str
    load: Callable[[], object]
    handlers: dict[str, Handler]
    words: str
    comments: str = "comment"
    loops: str = ""
    skipped: str = ""
    above: str = ""
    typed: tuple[tuple[str, re.Pattern[str]], ...] = ()
    finish: Callable[[Walk], None] | None = None
    prepare: Callable[[bytes], bytes] | None = (
        None  # what the parser gets in the place of the text, offset by offset
    )
    repair: Callable[[bytes], bytes] | None = None  # the same where that failed, taken if it fails less


def kinds(handler: Handler, names: str) -> dict[str, Handler]:
    """One handler for several node kinds."""
    return dict.fromkeys(names.split(), handler)
