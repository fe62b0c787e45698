# What a call declares in Go: routes of net/http, gin, echo and chi, flags of flag, pflag and cobra, variables of the
# environment, goroutines, channels, metrics.
"""Calls of Go sources."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cutaway.read.languages.declared import ENV_NAME, METHODS

if TYPE_CHECKING:
    from tree_sitter import Node

    from cutaway.read.languages.grammar import Scope
    from cutaway.read.languages.treesitter import Walk

__all__ = ["call", "flag_literal", "go_statement"]

_ROUTES = (
    {m.upper() for m in METHODS}
    | {m.capitalize() for m in METHODS}
    | {"Any", "Handle", "HandleFunc", "Method", "MethodFunc"}
)
_FLAG = re.compile(
    r"(?:Persistent)?(?:flag|pflag|flags|fs|flagSet|Flags\(\)|PersistentFlags\(\)|\w*[fF]lag\w*)\.(\w+)$"
)
_KINDS = re.compile(
    r"(String|Bool|Int|Int32|Int64|Uint|Uint64|Float64|Duration|StringSlice|StringArray|IntSlice|Text|Func)(Var)?(P)?$"
)
_QUOTED = re.compile(r'"([^"]*)"')
_METRIC = re.compile(r"New(Counter|Gauge|Histogram|Summary)(Vec|Func)?$")
_NAME_FIELD = re.compile(r'\bName:\s*"([^"]+)"')
# What a goroutine calls on its way; its work is another call.
_HELPERS = re.compile(
    r"(func|make|len|append|close|recover|if|for|panic)$"
    r"|(time|json|http|fmt|os|log|slog|context|strings|errors|sync|io|bufio)\."
)
_RAISES = re.compile(r"^(panic|log\.(Fatal|Panic)\w*|errors\.New|fmt\.Errorf)$")


def call(walk: Walk, node: Node, scope: Scope) -> None:
    function = node.child_by_field_name("function")
    callee = walk.text(function, 200)
    if function is not None and function.type == "func_literal":
        callee = "func"
    holder = node.child_by_field_name("arguments")
    arguments = [a for a in holder.named_children if a.type != "comment"] if holder is not None else []
    at = function.child_by_field_name("field") if function is not None else None
    args = walk.call(node, scope, callee, arguments, at=at)
    last = walk.text(at, 80) if at is not None else callee
    node = at or node
    first = walk.string(arguments[0]) if arguments else None
    if last in _ROUTES and "." in callee:
        _route(walk, node, scope, last, arguments, args)
    if last == "Flag" and first and len(arguments) == 2 and walk.string(arguments[1]):
        _told_flag(walk, node, scope, first, args[1])
    if match := _FLAG.search(callee):
        _flag(walk, node, scope, match[1], arguments, args)
    elif first is not None and ENV_NAME.match(first) and _reads_environment(callee, last, walk.path):
        default = args[1] if len(args) > 1 else ""
        walk.mark(
            "env", node, scope, first, default=default, via=callee, write="1" if last == "Setenv" else ""
        )
    elif callee == "make" and args and args[0].startswith("chan"):
        walk.mark("queue", node, scope, args[0], bound=args[1] if len(args) > 1 else "", callee="make")
    elif last == "Go" and "." in callee and args:
        _goroutine(walk, node, scope, arguments[0], callee)
    elif match := _METRIC.search(last):
        if found := _NAME_FIELD.search(walk.text(arguments[0]) if arguments else ""):
            walk.mark("metric", node, scope, found[1], type=match[1].lower())
    elif _RAISES.match(callee) and not callee.startswith(("errors", "fmt")):
        walk.mark("raise", node, scope, callee, text=args[0][:120] if args else "")


def _reads_environment(callee: str, last: str, path: str) -> bool:
    """os.Getenv and its like; in a package whose name says env, also helpers such as `Bool("NAME")`."""
    if (
        last in ("Getenv", "LookupEnv", "Setenv", "Unsetenv")
        or "env" in last.lower()
        or "env" in callee.lower()
    ):
        return True
    return "env" in path.lower().rpartition(".")[0] and len(callee) < 40 and "." not in callee


def _route(walk: Walk, node: Node, scope: Scope, last: str, arguments: list[Node], args: list[str]) -> None:
    texts = [walk.string(a) for a in arguments[:2]]
    place = 1 if last in ("Method", "MethodFunc") else 0
    path = texts[place] if len(texts) > place else None
    if path is None or "/" not in path or len(args) < place + 2:
        return
    method, _, rest = path.partition(" ")  # net/http since Go 1.22: "GET /x"
    method, path = (method, rest) if rest else ("", path)
    method = method or ((texts[0] or "") if place else "" if last.startswith("Handle") else last)
    handler = args[-1] if not args[-1].startswith("func") else "func"
    walk.mark("route", node, scope, handler, path=path.strip(), method=method.lower())


def _flag(walk: Walk, node: Node, scope: Scope, name: str, arguments: list[Node], args: list[str]) -> None:
    """`flag.Int("port", 80, "help")`, `flags.StringVarP(&x, "name", "n", "default", "help")`."""
    kind = _KINDS.match(name)
    if kind is None and name != "Var":
        return
    at = 1 if kind is None or kind[2] else 0
    text = walk.string(arguments[at]) if len(arguments) > at else None
    if not text:
        return
    rest = ["", *args[at + 1 :]] if kind is None else args[at + 1 :]  # `Var` keeps its default where it points
    short = rest.pop(0).strip('"') if kind and kind[3] and rest else ""
    walk.mark(
        "flag", node, scope, f"--{text}", also=f"-{short}" if short else "", type=kind[1].lower() if kind else "",
        default=rest[0] if rest else "", help=rest[1].strip('"`') if len(rest) > 1 else "",
        dest=args[0].lstrip("&") if at else "",
    )  # fmt: skip


def _told_flag(walk: Walk, node: Node, scope: Scope, name: str, said: str) -> None:
    """kingpin's `app.Flag("port", "help").Default("80").Envar("PORT").Short('p').Int()`: calls on what it returns say more."""
    told: dict[str, Node] = {}
    kind, around = "", node.parent
    while around is not None and around.type in ("call_expression", "selector_expression"):
        if around.type == "selector_expression" and around.id != node.parent.id:
            kind = walk.text(around.child_by_field_name("field"), 40)
            if around.parent is not None and around.parent.type == "call_expression":
                told[kind] = around.parent.child_by_field_name("arguments")
        around = around.parent
    values = {
        key: walk.string(holder.named_children[0]) or walk.text(holder.named_children[0], 80)
        for key, holder in told.items()
        if holder is not None and holder.named_child_count
    }
    default, short = values.get("Default", ""), values.get("Short", "").strip("'")
    walk.mark(
        "flag", node, scope, f"--{name}", also=f"-{short}" if short else "", type=kind.lower(), default=default,
        help=said.strip('"`'),
    )  # fmt: skip


def flag_literal(
    walk: Walk, places: dict[str, Node], scope: Scope, owner: str, values: dict[str, str]
) -> None:
    """`cli.StringFlag{Name: "port", Value: 80, Usage: "help", EnvVars: []string{"PORT"}}`, by its fields and their texts."""
    if not (name := _QUOTED.fullmatch(values["Name"])):
        return
    kind = owner.rpartition(".")[2].removesuffix("Flag").lower()
    default, said = values.get("Value", ""), values.get("Usage", "").strip('"`')
    walk.mark("flag", places["Name"], scope, f"--{name[1].split(',')[0]}", type=kind, default=default, help=said)
    for field in ("EnvVars", "EnvVar", "Sources"):
        for variable in _QUOTED.findall(values.get(field, "")):
            if ENV_NAME.match(variable):
                walk.mark("env", places[field], scope, variable, default=default, via=owner)


def go_statement(walk: Walk, node: Node, scope: Scope) -> None:
    one = node.named_children[0] if node.named_child_count else None
    if one is None:
        return
    if node.type == "go_statement":
        walk.hints[one.id] = "go"
        function = one.child_by_field_name("function")
        _goroutine(walk, node, scope, function if function is not None else one, "go")
    else:
        walk.hints[one.id] = "defer"


def _goroutine(walk: Walk, node: Node, scope: Scope, runs: Node, callee: str) -> None:
    closure = "1" if runs.type == "func_literal" else ""
    walk.mark("task", node, scope, _ran(walk, runs), how="goroutine", callee=callee, closure=closure)


def _ran(walk: Walk, node: Node) -> str:
    """What runs: a function by its name, or the first call in a literal's body."""
    if node.type != "func_literal":
        return walk.text(node, 80)
    body = walk.text(node.child_by_field_name("body"))
    calls = re.findall(r"([A-Za-z_][\w.]*)\(", re.sub(r"\bdefer\s+[\w.]+\(", "", body))
    return next((c for c in calls if not _HELPERS.match(c)), calls[0] if calls else "func")
