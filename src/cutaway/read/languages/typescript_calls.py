# What a call declares in TypeScript and JavaScript: routes of express, fastify and hono, options of commander and yargs,
# variables of the environment, workers, metrics.
"""Calls of TypeScript and JavaScript sources."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cutaway.read.languages.declared import METHODS

if TYPE_CHECKING:
    from tree_sitter import Node

    from cutaway.read.languages.grammar import Scope
    from cutaway.read.languages.treesitter import Walk

__all__ = ["call", "new", "process_env"]

_ROUTES = {*METHODS, "all", "route", "ws"}
_ENV = re.compile(
    r"""^(?:process\.env|import\.meta\.env|Deno\.env|Bun\.env)(?:\.|\?\.|\[["'])([A-Za-z_]\w*)(?:["']\])?$"""
)
_OPTION = re.compile(r"--[A-Za-z][\w-]*")
_TASKS = {
    "Worker": "worker",
    "spawn": "process",
    "fork": "process",
    "exec": "process",
    "execFile": "process",
    "setInterval": "timer",
}
_METRICS = {"Counter", "Gauge", "Histogram", "Summary"}


def call(walk: Walk, node: Node, scope: Scope) -> None:
    function = node.child_by_field_name("function")
    callee = walk.text(function, 200)
    arguments = _arguments(node)
    at = function.child_by_field_name("property") if function is not None else None
    args = walk.call(node, scope, callee, arguments, at=at)
    last = walk.text(at, 80) if at is not None else callee
    first = walk.string(arguments[0]) if arguments else None
    node = at or node
    if callee in ("require", "import") and first:
        if callee == "import":
            walk.importing(node, scope, first)
    elif last in _ROUTES and first is not None and first.startswith("/") and len(args) > 1 and at is not None:
        target = args[-1] if arguments[-1].type in ("identifier", "member_expression") else "function"
        walk.mark("route", node, scope, target, path=first, method=last)
    elif last in ("option", "requiredOption", "options") and first:
        _flag(walk, node, scope, callee, first, args)
    elif (
        last in ("spawn", "fork", "exec", "execFile", "setInterval")
        and args
        and (at is None or "child_process" in callee or "cp." in callee)
    ):
        walk.mark("task", node, scope, args[0], how=_TASKS[last], callee=callee)


def new(walk: Walk, node: Node, scope: Scope) -> None:
    callee = walk.text(node.child_by_field_name("constructor"), 200)
    arguments = _arguments(node)
    args = walk.call(node, scope, callee, arguments)
    last = callee.rpartition(".")[2]
    if last in ("Worker", "SharedWorker") and args:
        walk.mark("task", node, scope, args[0], how="worker", callee=callee)
    elif last in _METRICS and args and (found := re.search(r"""name:\s*["']([^"']+)""", args[0])):
        walk.mark("metric", node, scope, found[1], type=last.lower())


def _arguments(node: Node) -> list[Node]:
    holder = node.child_by_field_name("arguments")
    return [a for a in holder.named_children if a.type != "comment"] if holder is not None else []


def _flag(walk: Walk, node: Node, scope: Scope, callee: str, first: str, args: list[str]) -> None:
    """commander's `.option("-p, --port <n>", "help", default)`, yargs' `.option("port", {…})`."""
    texts = [a.strip("\"'`") for a in args[1:]]
    if found := _OPTION.search(first):
        short = re.match(r"-\w\b", first)
        walk.mark(
            "flag", node, scope, found[0], also=short[0] if short else "",
            help=texts[0][:160] if texts else "", default=args[2] if len(args) > 2 else "",
        )  # fmt: skip
    elif len(args) > 1 and args[1].startswith("{") and re.fullmatch(r"[\w-]+", first):
        default = re.search(r"\bdefault:\s*([^,}]+)", args[1])
        walk.mark("flag", node, scope, f"--{first}", default=default[1].strip() if default else "")


def process_env(walk: Walk, node: Node, scope: Scope) -> None:
    """`process.env.NAME`, `process.env["NAME"]`"""
    if node.end_byte - node.start_byte > 90:
        return
    found = _ENV.match(walk.cut(node.start_byte, node.end_byte))
    if found:
        walk.mark(
            "env",
            node,
            scope,
            found[1],
            via=found[0].split(found[1])[0].rstrip(".[\"'?"),
            default=_default(walk, node),
        )


def _default(walk: Walk, node: Node) -> str:
    """`process.env.X ?? 3`"""
    found = re.compile(rb"\s*(?:\?\?|\|\|)\s*([^;,)\n]{1,80})").match(walk.data, node.end_byte)
    return found[1].decode("utf-8", "replace").strip() if found else ""
