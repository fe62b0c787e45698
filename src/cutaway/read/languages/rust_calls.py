# What a call, a macro or an attribute declares in Rust: routes of axum and actix, tasks, channels, variables of the
# environment, clap's options, metrics.
"""Calls, macros and attributes of Rust sources."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cutaway.read.languages.declared import ENV_NAME, METHODS

if TYPE_CHECKING:
    from tree_sitter import Node

    from cutaway.read.languages.grammar import Scope
    from cutaway.read.languages.treesitter import Walk

__all__ = ["call", "clap_field", "macro"]

_TASKS = {
    "spawn": "task", "spawn_blocking": "thread", "spawn_local": "task", "spawn_named": "thread",
    "scope": "thread",
}  # fmt: skip
_SPAWNERS = re.compile(
    r"(^|::|\.)(tokio|thread|task|rayon|handle|runtime|rt|scope|s|set|join_set|Builder)\b", re.IGNORECASE
)
_METHOD_CALL = re.compile(rf"\b({'|'.join(METHODS)}|any|fallback)\(\s*([A-Za-z_][\w:]*)")
_ATTRIBUTE = re.compile(r"#\[(?:clap|arg|argh|command|structopt)\((.*)\)\]$", re.DOTALL)
_PAIR = re.compile(r'\b(\w+)(?:\s*=\s*("(?:[^"\\]|\\.)*"|\'[^\']*\'|[^,"]+))?')
_ENV_READ = re.compile(r"\benv::var(?:_os)?\(\s*\"([A-Z][A-Z0-9_]+)\"")
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')
_METRICS = {
    "counter", "gauge", "histogram", "describe_counter", "describe_gauge", "describe_histogram",
    "register_counter", "register_gauge", "register_histogram", "register_int_counter", "register_int_gauge",
}  # fmt: skip
_RAISES = {"panic", "unreachable", "todo", "unimplemented", "bail"}
_DEFAULTS = {"unwrap_or", "unwrap_or_else", "map_or"}
_NO_CALLS = {
    "let",
    "if",
    "match",
    "for",
    "while",
    "loop",
    "async",
    "move",
    "Some",
    "Ok",
    "Err",
    "in",
    "return",
    "drop",
}
_CALLED = re.compile(r"([A-Za-z_][\w.:]*)\s*\(")
_WRITTEN = re.compile(r"#!?\[[^\]]*\]|//[^\n]*")  # attributes and comments call nothing
_LITERALS = ("async_block", "closure_expression")


def call(walk: Walk, node: Node, scope: Scope) -> None:
    function = node.child_by_field_name("function")
    callee = walk.text(function, 200)
    holder = node.child_by_field_name("arguments")
    arguments = (
        [a for a in holder.named_children if not a.type.endswith("comment")] if holder is not None else []
    )
    at = function.child_by_field_name("field") if function is not None else None
    args = walk.call(node, scope, callee, arguments, at=at)
    last = _last(walk, function, callee)
    text = walk.string(arguments[0]) if arguments else None
    receiver = (
        function.child_by_field_name("value")
        if function is not None and function.type == "field_expression"
        else None
    )
    if receiver is not None and (
        default := args[0] if last in _DEFAULTS and args else walk.defaults.get(node.id)
    ):
        walk.defaults[receiver.id] = default
    if text is not None:
        default = walk.defaults.get(node.id, "")
        _of_string(walk, at or node, scope, callee, last, text, arguments, args, default)
    elif last in _TASKS and arguments and _SPAWNERS.search(callee):
        runs = next((a for a in arguments if a.type != "attribute_item"), arguments[0])
        walk.mark(
            "task",
            node,
            scope,
            _spawned(walk, runs),
            how="thread" if "thread" in callee else _TASKS[last],
            callee=callee,
            closure="1" if runs.type in _LITERALS else "",
        )
    elif last in ("channel", "unbounded_channel", "sync_channel", "unbounded", "bounded") and "::" in callee:
        walk.mark(
            "queue", node, scope, re.sub(r"::<.*>", "", callee), callee=callee, bound=args[0] if args else ""
        )
    elif last in ("var", "var_os") and args and "env" in callee and re.fullmatch(r"[A-Z][A-Z0-9_]+", args[0]):
        walk.mark("env", node, scope, args[0], via=callee)  # a constant that holds the name


def _of_string(
    walk: Walk,
    node: Node,
    scope: Scope,
    callee: str,
    last: str,
    text: str,
    arguments: list[Node],
    args: list[str],
    default: str,
) -> None:
    if last == "route" and len(args) > 1 and text.startswith("/"):
        whole = walk.text(arguments[1])
        for method, handler in _METHOD_CALL.findall(whole) or [("", args[1])]:
            walk.mark("route", node, scope, handler, path=text, method=method)
    elif last in ("service", "nest", "nest_service", "resource", "scope") and text.startswith("/"):
        walk.mark("route", node, scope, args[1] if len(args) > 1 else "", path=text, method=last)
    elif last in METHODS and text.startswith("/") and len(args) > 1:
        walk.mark("route", node, scope, args[1], path=text, method=last)
    elif (
        last in ("var", "var_os", "env", "option_env", "remove_var", "set_var") or "env" in last
    ) and ENV_NAME.match(text):
        walk.mark(
            "env", node, scope, text, default=default, via=callee, write="1" if last == "set_var" else ""
        )
    elif last in ("long", "with_name") and "arg" in callee.lower():
        walk.mark("flag", node, scope, f"--{text}", via=callee[:80])
    elif last == "new" and callee.endswith("Arg::new"):
        walk.mark("flag", node, scope, f"--{text}", via=callee)
    elif last in _METRICS:
        walk.mark("metric", node, scope, text, type=last.rpartition("_")[2])


def _last(walk: Walk, function: Node | None, callee: str) -> str:
    """The name that is called; a chain's text may be cut, so it comes from the tree."""
    if function is None:
        return ""
    at = function
    if at.type == "generic_function":
        at = at.child_by_field_name("function") or at
    if at.type == "field_expression":
        return walk.text(at.child_by_field_name("field"), 80)
    if at.type == "scoped_identifier":
        return walk.text(at.child_by_field_name("name"), 80)
    return callee


def _spawned(walk: Walk, node: Node) -> str:
    """What a task runs: the first call in its block or closure, or the name that is handed over."""
    text = walk.text(node)
    if node.type in _LITERALS:
        body = re.sub(r"^(async\s+)?(move\s+)?(\|[^|]*\|)?\s*\{?", "", _WRITTEN.sub("", text))
        names = [n for n in _CALLED.findall(body) if n not in _NO_CALLS]
        return names[0] if names else ""
    return text[:80].split("(")[0]


def macro(walk: Walk, node: Node, scope: Scope) -> None:
    """A macro's arguments are tokens, not expressions: the calls in them are found by pattern."""
    name = walk.text(node.child_by_field_name("macro"), 120)
    last = name.rpartition("::")[2]
    tokens = next((c for c in node.named_children if c.type == "token_tree"), None)
    text = walk.text(tokens)[1:-1] if tokens is not None else ""
    walk.call(node, scope, f"{name}!", [])
    string = _STRING.search(text)
    if last in _RAISES:
        walk.mark("raise", node, scope, f"{name}!", text=string[1][:120] if string else "")
    elif last in _METRICS and string:
        walk.mark("metric", node, scope, string[1], type=last.rpartition("_")[2])
    elif last in ("env", "option_env") and string:
        walk.mark("env", node, scope, string[1], via=f"{name}!")
    for read in _ENV_READ.finditer(text) if "env::var" in text else ():
        walk.mark("env", node, scope, read[1], via=f"{name}!")
    if tokens is not None and last not in ("macro_rules", "asm"):
        _calls_in(walk, tokens, scope)


def _calls_in(walk: Walk, tokens: Node, scope: Scope) -> None:
    """Calls among tokens: an identifier, perhaps with a path before it, right before a parenthesis."""
    stack = [tokens]
    while stack:
        children = stack.pop().children
        for at, child in enumerate(children):
            if child.type != "token_tree":
                continue
            stack.append(child)
            if (
                at
                and children[at - 1].type == "identifier"
                and walk.data[child.start_byte : child.start_byte + 1] == b"("
            ):
                first = at - 1
                while (
                    first
                    and children[first - 1].end_byte == children[first].start_byte
                    and children[first].type in ("identifier", "self", ".", "::", "crate")
                ):
                    first -= 1
                if children[first].type not in ("identifier", "self", "crate"):
                    first += 1
                callee = walk.between(children[first].start_byte, child.start_byte, 200)
                walk.call(children[at - 1], scope, callee, [])


def clap_field(
    walk: Walk, node: Node, scope: Scope, name: str, annotation: str, comments: str, attributes: list[str]
) -> None:
    """`#[arg(long, env = "PORT", default_value = "3")] port: u16` is an option and perhaps a variable of the environment."""
    for attribute in attributes:
        found = _ATTRIBUTE.match(attribute)
        if not found:
            continue
        words = {key: value.strip().strip("\"'") for key, value in _PAIR.findall(found[1])}
        if "subcommand" in words or "flatten" in words or "skip" in words:
            continue
        if "option" in words or "switch" in words:  # argh's way of saying it
            words.setdefault("long", "")
        long = words.get("long") or words.get("id") or name.replace("_", "-")
        positional = "long" not in words and "short" not in words
        default = (
            words.get("default_value") or words.get("default_value_t") or words.get("default_values") or ""
        )
        variable = words.get("env") or (name.upper() if "env" in words else "")
        walk.mark(
            "flag", node, scope, name if positional else f"--{long}",
            also=f"-{words['short'] or name[0]}" if "short" in words else "", default=default, type=annotation,
            help=(words.get("help") or comments)[:160], dest=name, env=variable,
        )  # fmt: skip
        if variable:
            walk.mark("env", node, scope, variable, default=default, via="clap")
