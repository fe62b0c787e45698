# What a Python call, decorator or dictionary declares: a flag, an environment variable, a route, a task, a lock, a
# registry's entry. Known by the shape of the call and the names that the ecosystem's libraries share, in one table each.
"""Marks of Python sources; every function yields (kind, name, detail)."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator

__all__ = ["call_marks", "decorator_marks", "table_marks"]

Found = tuple[str, str, dict[str, str]]

_ENV_NAME = re.compile(r"^[A-Z][A-Z0-9_]{2,}$")
_ANY_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_]+$")  # enough where only the environment can be meant
_ENV_READERS = ("getenv", "environ.get", "environ.pop", "environ.setdefault")
_METHODS = {"get", "post", "put", "delete", "patch", "websocket", "route", "api_route", "head", "options"}
_TASKS = {
    "create_task": "task", "ensure_future": "task", "run_coroutine_threadsafe": "task", "start_soon": "task",
    "Thread": "thread", "Timer": "timer", "start_new_thread": "thread", "to_thread": "executor",
    "Process": "process", "Popen": "process", "spawn": "process", "fork": "process", "start_processes": "process",
    "run_in_executor": "executor", "submit": "executor", "ThreadPoolExecutor": "executor",
    "ProcessPoolExecutor": "executor", "call_later": "timer", "call_soon_threadsafe": "task",
    "add_signal_handler": "signal", "signal": "signal", "register": "exit",
}  # fmt: skip
_LOCKS = {"Lock", "RLock", "Semaphore", "BoundedSemaphore", "Condition", "Event", "Barrier", "FileLock"}
_QUEUES = {"Queue", "SimpleQueue", "JoinableQueue", "PriorityQueue", "LifoQueue", "deque", "Pipe", "socketpair",
           "SharedMemory", "socket", "make_zmq_socket"}  # fmt: skip
_METRICS = {"Counter", "Gauge", "Histogram", "Summary"}
_OPTIONS = {"option", "Option", "argument"}
_FROM_ENV = ("envvar", "env_var")  # of click and typer, of ConfigArgParse
_ROUTERS = {"add_api_route", "add_route", "add_url_rule", "add_get", "add_post"}
_BINDERS = {"impl", "define"}
_DECLARING = {"add_argument", "define"}.union(_OPTIONS, _TASKS, _LOCKS, _QUEUES, _METRICS, _ROUTERS, _BINDERS)
_HOSTS = {
    "signal": ("signal",),
    "register": ("atexit",),
    "spawn": ("mp", "multiprocessing", "torch"),
    "fork": ("os",),
}
_THREADING = re.compile(
    r"^(threading|asyncio|mp|multiprocessing|queue|_queue|anyio|trio|collections|context|ctx|self\.\w*ctx|zmq\w*|"
    r"socket)\b"
)


def call_marks(node: ast.Call, callee: str, arguments: list[str], source: Callable) -> Iterable[Found]:
    """What one call declares; most declare nothing."""
    last, args = callee.rpartition(".")[2], node.args
    first = _string(args[0]) if args and type(args[0]) is ast.Constant else None
    if last in _DECLARING or (
        first is not None and (_names_variable(first, callee) or last.startswith("DEFINE_"))
    ):
        return _declared(node, callee, last, first, arguments, source)
    if node.keywords and "register" in callee:
        return _declared(node, callee, last, first, arguments, source)
    return ()


def _declared(
    node: ast.Call, callee: str, last: str, first: str | None, arguments: list[str], source: Callable
) -> Iterator[Found]:
    if first is not None and _names_variable(first, callee) and _reads_environment(callee, last):
        yield "env", first, _kept(default=arguments[1] if len(arguments) > 1 else "", via=callee)
    elif last == "add_argument" or (last in _OPTIONS and first and first.startswith("-")):
        yield from _flag(node, source)
    elif last.startswith("DEFINE_") and first:
        yield "flag", "--" + first, _kept(default=_nth(arguments, 1), help=_nth(arguments, 2)[:120])
    elif last == "define" and first and {"default", "help"} & {k.arg for k in node.keywords}:
        yield from _defined(node, first, source)
    if last == "add_argument" or last in _OPTIONS:
        yield from _variables(node, source)
    if last in _TASKS and _is_task(callee, last, arguments):
        kind = _TASKS[last]
        target = next((a.split("=", 1)[1] for a in arguments if a.startswith(("target=", "func="))), "")
        target = target or (_nth(arguments, 1) if last in ("run_in_executor", "call_later", "signal", "add_signal_handler")
                            else _nth(arguments, 0))  # fmt: skip
        if last.endswith("Executor") or (not node.args and re.match(r"\w+=[^=]", target)):  # a pool runs nothing yet
            target = ""
        yield "task", target, {"how": kind, "callee": callee}
    elif last in _LOCKS and (_THREADING.match(callee) or callee == last):
        yield "lock", last, {"callee": callee}
    elif last in _QUEUES and (_THREADING.match(callee) or callee == last or last == "socket"):
        yield "queue", last, _kept(callee=callee, bound=_nth(arguments, 0) if last != "deque" else "")
    elif last in _METRICS and first and len(node.args) + len(node.keywords) > 1:
        yield "metric", first, _kept(type=last.lower(), help=_nth(arguments, 1)[:120])
    elif last in _ROUTERS and first:
        yield "route", _nth(arguments, 1), {"path": first, "method": last.removeprefix("add_")}
    elif "register" in callee and any(k.arg in ("op_func", "op_name") for k in node.keywords):
        words = {k.arg: source(k.value, 120) for k in node.keywords if k.arg}
        name = words.get("op_name", "").strip("\"'")
        if name and words.get("op_func"):
            yield "binding", name, {"target": words["op_func"], "callee": callee}
    elif last in _BINDERS and first and len(node.args) > 1 and not first.startswith("/"):
        yield "binding", first.split("(")[0], {"target": _nth(arguments, 1), "callee": callee}


def decorator_marks(node: ast.expr, text: str, name: str) -> Iterator[Found]:
    """What a decorator says of the definition `name` under it."""
    if not isinstance(node, ast.Call):
        return
    callee = text.split("(")[0]
    last = callee.rsplit(".", 1)[-1]
    first = _string(node.args[0]) if node.args else None
    if last in _METHODS and first is not None and (first.startswith("/") or last == "websocket"):
        yield "route", name, {"path": first, "method": last}
    elif first and ("custom_op" in callee or "register_kernel" in callee or last in ("impl", "triton_op")):
        yield "binding", first.split("::")[-1], {"target": name, "callee": callee, "qualified": first}
    elif "regist" in callee.lower():
        key = first or next((_string(k.value) or "" for k in node.keywords), "") or name
        yield "entry", key, {"value": name, "table": callee}


def table_marks(value: ast.expr, source: Callable) -> Iterator[tuple[int, str, str]]:
    """(line, key, value) of a dictionary that maps names to things: a registry."""
    if isinstance(value, ast.Call) and value.args and not value.keywords:
        value = value.args[0]  # OrderedDict([...]), MappingProxyType({...})
    if isinstance(value, ast.Dict):
        pairs = list(zip(value.keys, value.values, strict=True))[:3000]
    elif isinstance(value, ast.List | ast.Tuple):
        pairs = [(e.elts[0], e.elts[1]) for e in value.elts if isinstance(e, ast.Tuple) and len(e.elts) == 2][
            :3000
        ]
    else:
        return
    for key, its in pairs:
        name = _string(key) if key is not None else None
        if name is None and isinstance(key, ast.Attribute | ast.Name):
            name = source(key, 80)
        if name and isinstance(
            its, ast.Name | ast.Attribute | ast.Tuple | ast.Call | ast.Lambda | ast.Constant
        ):
            yield key.lineno, name, source(its, 160)


def _flag(node: ast.Call, source: Callable) -> Iterator[Found]:
    names = [s for a in node.args if (s := _string(a)) is not None]
    if not names:
        return
    words = {k.arg: source(k.value, 160) for k in node.keywords if k.arg}
    longest = max(names, key=lambda n: (n.startswith("--"), len(n)))
    yield (
        "flag",
        longest,
        _kept(
            also=" ".join(n for n in names if n != longest),
            default=words.get("default", ""),
            type=words.get("type", ""),
            help=words.get("help", "").strip("\"'")[:160],
            dest=words.get("dest", "").strip("\"'"),
            action=words.get("action", "").strip("\"'"),
        ),
    )


def _defined(node: ast.Call, name: str, source: Callable) -> Iterator[Found]:
    """`define("port", default=80, type=int, help="…")`: an option that one global table holds."""
    words = {k.arg: source(k.value, 160) for k in node.keywords if k.arg}
    told = {k: words.get(k, "") for k in ("default", "type")}
    yield "flag", f"--{name}", _kept(help=words.get("help", "").strip("\"'")[:160], **told)


def _variables(node: ast.Call, source: Callable) -> Iterator[Found]:
    """The variables that an option is taken from where the command line lacks it."""
    words = {k.arg: k.value for k in node.keywords}
    default = source(words["default"], 160) if "default" in words else ""
    for keyword in _FROM_ENV:
        value = words.get(keyword)
        for told in value.elts if isinstance(value, ast.List | ast.Tuple) else [value]:
            if name := _string(told):
                yield "env", name, _kept(default=default, via=keyword)


def _names_variable(text: str, callee: str) -> bool:
    """In capitals, or in any letters where the call can read nothing but the environment."""
    if _ENV_NAME.match(text):
        return True
    return bool(_ANY_NAME.match(text)) and (
        callee.endswith(_ENV_READERS) or callee.rpartition(".")[2].startswith("getenv_")
    )


def _reads_environment(callee: str, last: str) -> bool:
    return (
        callee.endswith(_ENV_READERS) or "env" in last.lower() or "environ" in callee
    ) and last not in ("load_dotenv",)


def _is_task(callee: str, last: str, arguments: list[str]) -> bool:
    if last in _HOSTS and not any(
        callee.startswith(h + ".") or f".{h}." in f".{callee}" for h in _HOSTS[last]
    ):
        return False
    if last == "submit":
        return bool(arguments) and "." in callee
    return last != "Process" or any(a.startswith("target=") for a in arguments)


def _string(node: ast.expr | None) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _nth(arguments: list[str], n: int) -> str:
    return arguments[n] if len(arguments) > n else ""


def _kept(**detail: str) -> dict[str, str]:
    return {k: v for k, v in detail.items() if v}
