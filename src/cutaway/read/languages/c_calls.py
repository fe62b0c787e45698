# What a call, a macro or an initialiser declares in C, C++ and CUDA: kernel launches, bindings to Python, routes, flags,
# variables of the environment, threads. By the shape of the call and the names that the libraries share.
"""Calls and tables of C-like sources."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cutaway.read.languages.c_names import bare, declared_name
from cutaway.read.languages.c_options import chained_option, named_option
from cutaway.read.languages.declared import ENV_NAME, METHODS, flag_names

if TYPE_CHECKING:
    from tree_sitter import Node

    from cutaway.read.languages.grammar import Scope
    from cutaway.read.languages.treesitter import Walk

__all__ = ["call", "declared_thread", "library", "option_letter", "option_string", "table"]

_LIBRARY = re.compile(r"(\w*TORCH_LIBRARY\w*|PYBIND11_MODULE|NB_MODULE|BOOST_PYTHON_MODULE)")
_THREADS = {"std::thread", "std::jthread", "thread", "jthread"}
_LAUNCHERS = re.compile(r"(cuda|hip|cu)Launch(Cooperative)?Kernel(Ex|ExC|GGL)?|hipLaunchKernelGGL")
_POINTED = re.compile(r"&\s*([A-Za-z_][\w:]*)")
_NAME = re.compile(r"[A-Za-z_][\w:]*")
_LETTER = re.compile(r"^arg\w*\[\w+\]\[([12])\]\s*==\s*'(\\?\w)'")
_COMPARERS = {"strcmp", "strncmp", "strcasecmp", "starts_with"}


def call(walk: Walk, node: Node, scope: Scope) -> None:
    function = node.child_by_field_name("function")
    callee = walk.text(function, 200)
    holder = node.child_by_field_name("arguments")
    arguments = holder.named_children if holder is not None else []
    launch = node.child(1) if node.child_count > 2 else None
    if launch is not None and launch.type == "kernel_call_syntax":
        walk.call(node, scope, callee, arguments, "launch")
        walk.seen.add(launch.start_byte)
        sizes = dict(
            zip(
                ("grid", "block", "shared", "stream"),
                (walk.text(n, 120) for n in launch.named_children),
                strict=False,
            )
        )
        walk.mark("launch", node, scope, bare(callee), **sizes)
        return
    at = function.child_by_field_name("field") if function is not None else None
    args = walk.call(node, scope, callee, arguments, at=at)
    if function is not None and function.type == "call_expression":
        chained_option(walk, node, scope, callee, arguments)
    named = callee if at is None else walk.text(at, 120)  # the text of a long chain is cut
    last = bare(named).rpartition("::")[2].rpartition(".")[2].rpartition("->")[2]
    rule = _RULES.get(last)
    if rule is not None:
        rule(walk, at or node, scope, callee, arguments, args)
    elif "Launch" in last and _LAUNCHERS.fullmatch(last):
        _launcher(walk, node, scope, args)
    elif last.startswith(("DEFINE_", "ABSL_FLAG")):
        _gflag(walk, node, scope, last.partition("_")[2] if last[0] == "D" else "", args)
    elif last == "add" and at is not None:
        _told_flag(walk, at, scope, callee, arguments)
    elif arguments and "env" in last.lower() and ENV_NAME.match(walk.string(arguments[0]) or ""):
        default = args[1] if len(args) > 1 else ""
        walk.mark("env", node, scope, walk.string(arguments[0]) or "", default=default, via=callee)


# --- one rule per name of a call ---


def _binding(
    walk: Walk, node: Node, scope: Scope, callee: str, arguments: list[Node], args: list[str]
) -> None:
    """`m.def("name(schema)", &f)`, `m.impl("name", torch::kCUDA, &f)`."""
    text = walk.string(arguments[0]) if arguments else None
    if not text or ("." not in callee and "->" not in callee):
        return
    name, _, schema = text.partition("(")
    name = name.strip()
    namespace, dispatch = scope.library
    keys = [
        a.split("::")[-1].removeprefix("k")
        for a in args[1:-1]
        if re.fullmatch(r"(torch|c10)::\w+(::\w+)?", a)
    ]
    walk.mark(
        "binding", node, scope, name.split("::")[-1],
        target=_target(walk, arguments[1:]), callee=callee, dispatch=keys[0] if keys else dispatch,
        qualified=name if "::" in name else f"{namespace}::{name}" if namespace else "",
        schema=f"({schema}"[:240] if schema else "",
    )  # fmt: skip


def _target(walk: Walk, arguments: list[Node]) -> str:
    """The function that is bound: what stands behind `&`, else the last plain name."""
    for argument in arguments:
        text = walk.text(argument, 200)
        if argument.type != "lambda_expression" and (found := _POINTED.search(text)):
            return found[1]
    plain = [a for a in arguments if a.type in ("identifier", "qualified_identifier", "template_function")]
    names = [bare(walk.text(a, 160)) for a in plain]
    return next((n for n in reversed(names) if not re.match(r"(torch|c10|py|nb)::", n)), "")


def _environment(
    walk: Walk, node: Node, scope: Scope, callee: str, arguments: list[Node], args: list[str]
) -> None:
    name = walk.string(arguments[0]) if arguments else None
    if name:
        walk.mark("env", node, scope, name, via=callee)


def _told_by_environment(
    walk: Walk, node: Node, scope: Scope, callee: str, arguments: list[Node], args: list[str]
) -> None:
    """Helpers around `getenv`, and options that name the variable which stands for them: `arg.set_env("PORT")`."""
    name = walk.string(arguments[0]) if arguments else None
    if name and ENV_NAME.match(name) and (len(args) == 1 or not callee.endswith("set_env")):
        walk.mark("env", node, scope, name, default=args[1] if len(args) > 1 else "", via=callee)


def _thread(
    walk: Walk, node: Node, scope: Scope, callee: str, arguments: list[Node], args: list[str]
) -> None:
    place = 2 if callee == "pthread_create" else 1 if "launch::" in (args[0] if args else "") else 0
    if len(args) > place and (callee in _THREADS or callee in ("pthread_create", "std::async", "async")):
        walk.mark("task", node, scope, args[place].lstrip("&"), how="thread", callee=callee)


def _route(walk: Walk, node: Node, scope: Scope, callee: str, arguments: list[Node], args: list[str]) -> None:
    path = walk.string(arguments[0]) if arguments else None
    if path and path.startswith("/") and len(args) > 1:
        method = re.split(r"\.|->", callee)[-1].lower()
        walk.mark("route", node, scope, _target(walk, arguments[1:]) or args[1], path=path, method=method)


def _crow(walk: Walk, node: Node, scope: Scope, callee: str, arguments: list[Node], args: list[str]) -> None:
    if len(arguments) > 1 and (path := walk.string(arguments[1])):
        walk.mark("route", node, scope, "", path=path, method="route")


def _metric(
    walk: Walk, node: Node, scope: Scope, callee: str, arguments: list[Node], args: list[str]
) -> None:
    found = re.search(r"Build(Counter|Gauge|Histogram|Summary)", callee)
    if found and arguments:
        walk.mark("metric", node, scope, walk.string(arguments[0]) or args[0], type=found[1].lower())


def _launcher(walk: Walk, node: Node, scope: Scope, args: list[str]) -> None:
    """cudaLaunchKernel and its like take the kernel as a value."""
    for text in args:
        found = _NAME.search(
            re.sub(r"\((const )?void\s*\*+\)|reinterpret_cast<[^>]*>|HIP_KERNEL_NAME|KERNEL_NAME", " ", text)
        )
        if found and not text.startswith("&") and not re.match(r"dim3|config|\d", found[0]):
            walk.call(node, scope, bare(text).strip("()& "), [], "launch")
            walk.mark("launch", node, scope, found[0], grid=args[1] if len(args) > 1 else "")
            return


def _told_flag(walk: Walk, node: Node, scope: Scope, called: str, arguments: list[Node]) -> None:
    """A parser's `args.add<int>("port", 'p', "help", false, 80)`: a name, its letter, what it is for."""
    if len(arguments) < 3:
        return
    name, letter, said = (walk.text(a, 200) for a in arguments[:3])
    if not (name[:1] == said[:1] == '"' and letter[:1] == "'"):
        return
    kind = called.partition("<")[2].removesuffix(">")
    short = letter.strip("'").replace("\\0", "")
    default = walk.text(arguments[4], 80) if len(arguments) > 4 else ""
    walk.mark(
        "flag", node, scope, f"--{name.strip(chr(34))}", also=f"-{short}" if short else "", type=kind, default=default,
        help=said.strip('"'),
    )  # fmt: skip


def _gflag(walk: Walk, node: Node, scope: Scope, kind: str, args: list[str]) -> None:
    """gflags' DEFINE_int32(name, default, help), Abseil's ABSL_FLAG(type, name, default, help)."""
    if not kind and len(args) > 2:
        kind, args = args[0], args[1:]
    if len(args) > 1 and re.fullmatch(r"\w+", args[0]):
        walk.mark(
            "flag",
            node,
            scope,
            f"--{args[0]}",
            default=args[1],
            type=kind,
            help=args[2].strip('"') if len(args) > 2 else "",
            dest=f"FLAGS_{args[0]}",
        )


_ENVIRONMENT = (
    "set_env", "envname", "get_env", "getenv_or", "env_or", "read_env", "get_env_or", "getEnv", "GetEnv", "ReadEnv",
    "get_env_var", "get_env_int", "get_env_bool", "getIntEnv", "getBoolEnv", "getStrEnv",
)  # fmt: skip
_RULES = {
    **dict.fromkeys(("def", "impl", "def_static", "def_readwrite"), _binding),
    **dict.fromkeys(("getenv", "secure_getenv"), _environment),
    **dict.fromkeys(_ENVIRONMENT, _told_by_environment),
    **dict.fromkeys(("thread", "jthread", "async", "pthread_create"), _thread),
    **dict.fromkeys([*METHODS, *(m.capitalize() for m in METHODS)], _route),
    **dict.fromkeys(("add_option", "add_flag", "add_argument"), named_option),
    "CROW_ROUTE": _crow,
    "Name": _metric,
}  # fmt: skip


# --- definitions that are macros, declarations that start threads ---


def library(walk: Walk, node: Node, scope: Scope, inner: Scope, declarator: Node) -> Scope:
    """`TORCH_LIBRARY(ns, m) {…}` and PYBIND11_MODULE look like functions; their bodies bind names. `main` is marked."""
    at = declared_name(declarator)
    name = walk.text(at, 80)
    if name == "main" and scope.outside:
        walk.mark("main", node, inner, "main")
    if _LIBRARY.fullmatch(name):
        text = walk.between(declarator.start_byte, declarator.end_byte, 200)
        parts = [p.strip() for p in text.partition("(")[2].rstrip(") ").split(",")]
        dispatch = parts[1] if "IMPL" in name and len(parts) > 2 else ""
        inner.library = (parts[0] if "LIBRARY" in name else "", dispatch)
        walk.mark("binding", node, inner, parts[0], callee=name, dispatch=dispatch)
    return inner


def declared_thread(walk: Walk, node: Node, scope: Scope, declarator: Node, annotation: str) -> bool:
    """`std::thread worker(f, x);`"""
    if annotation not in _THREADS:
        return False
    value = declarator.child_by_field_name("value") or declarator.child_by_field_name("parameters")
    first = value.named_children[0] if value is not None and value.named_child_count else None
    if first is None:
        return False
    if value.type != "call_expression":  # `= std::thread(f)` is noted at its call
        walk.mark("task", node, scope, walk.text(first, 80).lstrip("&"), how="thread", callee=annotation)
    return True


# --- tables and options ---


def table(walk: Walk, value: Node, scope: Scope, name: str) -> None:
    """`{{"a", f}, {"b", g}}`: names to functions or values. Rows of getopt's tables are flags."""
    for row in value.named_children[:3000]:
        if row.type != "initializer_list":
            continue
        cells = row.named_children
        key = walk.string(cells[0]) if len(cells) > 1 else None
        if not key or key.startswith("-"):
            continue
        second = walk.text(cells[1], 160)
        if re.fullmatch(r"(no|required|optional)_argument", second):
            walk.mark("flag", row, scope, f"--{key}", type=second)
        else:
            walk.mark("entry", row, scope, key, value=second.lstrip("&"), table=name)


def option_string(walk: Walk, node: Node, scope: Scope) -> None:
    """A string that looks like an option is one where it is compared with an argument or opens a table's row."""
    if node.end_byte - node.start_byte > 60 or walk.data[node.start_byte + 1 : node.start_byte + 2] != b"-":
        return
    name = walk.string(node) or ""
    if not flag_names([name]):
        return
    parent = node.parent
    if parent is None or parent.type not in ("binary_expression", "argument_list", "initializer_list"):
        return
    siblings = parent.named_children
    if parent.type == "initializer_list":
        names = flag_names([walk.string(s) or "" for s in siblings])
        if siblings[0].id == node.id:
            _option_row(walk, node, scope, parent, names)
    elif parent.type == "binary_expression":
        if b"==" in walk.data[siblings[0].end_byte : siblings[-1].start_byte]:
            walk.mark("flag", node, scope, name, via="comparison")
    elif any(
        walk.data[parent.start_byte - len(c) : parent.start_byte].decode("utf-8", "replace") == c
        for c in _COMPARERS
    ):
        walk.mark("flag", node, scope, name, via="comparison")


def option_letter(walk: Walk, node: Node, scope: Scope) -> None:
    """`argv[i][1] == 'm'`, perhaps `&& argv[i][2] == 'x'`: an option of a letter or two, where letters are compared."""
    parent = node.parent
    if parent is None or parent.type != "binary_expression" or parent.named_children[-1].id != node.id:
        return
    if not (first := _LETTER.match(walk.text(parent, 60))) or first[1] != "1":
        return
    around = parent.parent
    whole = walk.text(around, 120) if around is not None and around.type == "binary_expression" else ""
    second = _LETTER.match(whole.partition("&&")[2].strip())
    more = second[2] if second and second[1] == "2" and second[2] != r"\0" else ""
    walk.mark("flag", node, scope, f"-{first[2]}{more}", via="comparison")


def _option_row(walk: Walk, node: Node, scope: Scope, row: Node, names: list[str]) -> None:
    """`{"-m", "--model"}, "FNAME", "help"`: the strings behind the row say more."""
    longest = max(names, key=lambda n: (n.startswith("--"), len(n)))
    behind = row.parent
    texts: list[str] = []
    if behind is not None and behind.type in ("argument_list", "initializer_list"):
        later = [s for s in behind.named_children if s.start_byte > row.end_byte]
        texts = [t for t in (walk.string(s) for s in later[:3]) if t]
    walk.mark(
        "flag",
        node,
        scope,
        longest,
        also=" ".join(n for n in names if n != longest),
        help=texts[-1][:160] if texts else "",
    )
