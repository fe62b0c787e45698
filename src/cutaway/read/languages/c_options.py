# Options of command lines as the libraries of C++ are told them: chains of calls behind `add_options()`, and calls whose
# strings are the option's names.
"""Options that a C++ library is told."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cutaway.read.languages.declared import flag_names

if TYPE_CHECKING:
    from tree_sitter import Node

    from cutaway.read.languages.grammar import Scope
    from cutaway.read.languages.treesitter import Walk

__all__ = ["chained_option", "named_option"]

_CHAIN = re.compile(r"^[\w:.>-]*\badd_options\(")
_NAMES = re.compile(r"[A-Za-z][\w-]*(?:,\s*[A-Za-z][\w-]*)*")


def chained_option(walk: Walk, node: Node, scope: Scope, callee: str, arguments: list[Node]) -> None:
    """`options.add_options()("p,port", "help", …)("v", …)`, the names in either order."""
    names = walk.string(arguments[0]) if arguments else None
    if names and _CHAIN.match(callee) and _NAMES.fullmatch(names):
        said = next((t for a in arguments[1:] if (t := walk.string(a))), "")
        _mark(walk, arguments[0], scope, [_dashed(n.strip()) for n in names.split(",")], said)


def named_option(
    walk: Walk, node: Node, scope: Scope, callee: str, arguments: list[Node], args: list[str]
) -> None:
    """`app.add_option("-p,--port", port, "help")`, `program.add_argument("-p", "--port")`."""
    texts = [walk.string(a) or "" for a in arguments]
    names = flag_names([n.strip() for text in texts if text.startswith("-") for n in text.split(",")])
    if names:
        _mark(walk, node, scope, names, next((t for t in texts if t and not t.startswith("-")), ""))


def _dashed(name: str) -> str:
    return f"-{name}" if len(name) == 1 else f"--{name}"


def _mark(walk: Walk, node: Node, scope: Scope, names: list[str], said: str) -> None:
    longest = max(names, key=lambda n: (n.startswith("--"), len(n)))
    also = " ".join(n for n in names if n != longest)
    walk.mark("flag", node, scope, longest, also=also, help=said[:160])
