# From call sites to edges: plain calls, what is handed over to run elsewhere (a process, a thread, the event loop),
# methods that a string names, operators bound in another language, kernels. Each edge says how it was found; a call that
# could not be followed stays, with the reason. A scope is followed when it is asked for: most functions never are.
"""`PythonEdges`: the edges of Python files, scope by scope."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from functools import lru_cache
from typing import TYPE_CHECKING

from cutaway.model.code import Call, Edge
from cutaway.read.resolve.arguments import TARGETS
from cutaway.read.resolve.channels import Channels
from cutaway.read.resolve.dispatch import Dispatch
from cutaway.read.resolve.infer import Env, Inference
from cutaway.read.resolve.native import MANY, is_test
from cutaway.read.resolve.values import Found, expression

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["PythonEdges", "order"]

_KEYWORD = re.compile(r"^[A-Za-z_]\w*=(?!=)")
_DOTTED = re.compile(r"^[A-Za-z_][\w.]*$")
_TASKS = {
    "create_task",
    "ensure_future",
    "run_coroutine_threadsafe",
    "gather",
    "start_soon",
    "run_until_complete",
    "run",
}
_EXECUTOR = re.compile(r"pool|exec|thread|worker", re.IGNORECASE)


class PythonEdges:
    """The edges of each scope (a definition's index, -1 for the module), made once."""

    def __init__(self, inference: Inference, dispatch: Dispatch, channels: Channels):
        self.inference, self.dispatch, self.channels = inference, dispatch, channels
        self._made: dict[tuple[str, int], list[Edge]] = {}
        self._queues: dict[str, dict[int, list[Edge]]] = {}

    def of(self, path: str, scope: int) -> list[Edge]:
        """Every call of a scope with what it reaches, in `order`."""
        if (path, scope) not in self._made:
            self._made[path, scope] = self._edges(path, scope)
        return self._made[path, scope]

    def _edges(self, path: str, scope: int) -> list[Edge]:
        calls = self.inference.scopes(path).calls.get(scope, ())
        spawned = {
            a.partition("(")[0].partition("=")[2] or a.partition("(")[0]
            for c in calls
            if _last(c.callee) in _TASKS
            for a in c.args
            if "(" in a
        }
        edges = [e for c in calls for e in _call_edges(self.inference, self.dispatch, path, c, spawned)]
        edges += self._queued(path).get(scope, ())
        distinct = {(e.line, e.callee, e.path, e.symbol): e for e in reversed(edges)}
        return sorted(distinct.values(), key=order)

    def _queued(self, path: str) -> dict[int, list[Edge]]:
        if path not in self._queues:
            table = self._queues[path] = defaultdict(list)
            for edge in (*self.dispatch.queue_edges(path), *self.channels.edges(path)):
                table[edge.scope].append(edge)
        return self._queues[path]


def order(edge: Edge) -> tuple:
    """By line, then by what tells edges of one line apart."""
    return edge.line, edge.scope, edge.callee, edge.path, edge.symbol


def _call_edges(
    inference: Inference, dispatch: Dispatch, path: str, call: Call, spawned: set[str]
) -> Iterator[Edge]:
    env = Env(path, call.scope)
    node = expression(call.callee)
    last = _last(call.callee)
    if "torch.ops." in call.callee and (bound := list(dispatch.operator(last.removesuffix("()"), call))):
        yield from bound
        return
    found = inference.infer(node, env) if node is not None else []
    reached = [e for f in found for e in _reach(inference, call, f) if _takes(inference, e, call)]
    reached = _of_this_loop(inference, path, call, reached)
    if call.callee in spawned:
        reached = [_with(e, "task_target") if _is(inference, e, "async") else e for e in reached]
    if "launch" in call.how:
        reached = [_with(e, "kernel_launch") if _is_kernel(inference, e) else e for e in reached]
    reached += _below(inference, node, env, call)
    yield from reached or [Edge(call.scope, call.line, call.callee, "unresolved", why=_why(call.callee))]
    yield from dispatch.by_string(call, found)
    yield from _handed_over(inference, path, call, last, found)


def _of_this_loop(inference: Inference, path: str, call: Call, reached: list[Edge]) -> list[Edge]:
    """Where loops share a variable, what the nearest one above the call goes over."""
    name = call.callee.partition(".")[0]
    binds = inference.scopes(path).binds.get((call.scope, name), ())
    loops = {b.line for b in binds if b.kind.startswith("for")}
    here = max((n for n in loops if n <= call.line), default=0)
    if not any(e.via == f"{path}:{here}" for e in reached):  # what is the same in both is found in the first
        return reached
    others = {f"{path}:{n}" for n in loops - {here}}
    return [e for e in reached if e.via not in others]


def _takes(inference: Inference, edge: Edge, call: Call) -> bool:
    """Has a method that stands for a family of classes the keywords that the call passes?"""
    definition = inference.program.definition(edge.path, edge.symbol) if edge.path else None
    if definition is None or edge.origin != "registry_entry":
        return True
    known = {p.name for p in definition.params}
    passed = {a.partition("=")[0] for a in call.args if _KEYWORD.match(a)}
    return any(p.name.startswith("**") for p in definition.params) or passed <= known


def _reach(inference: Inference, call: Call, found: Found) -> Iterator[Edge]:
    """The edge from a call to one value that is called."""
    value = found.value
    if value.kind == "func":
        definition = inference.definition(value)
        origin = "self_method" if found.origin == "self" else found.origin
        yield _edge(call, origin, value.path, definition.name, definition.line, found.via)
    elif value.kind == "class":
        constructors = inference.class_attribute(found, "__init__")
        if constructors and constructors[0].value.kind == "func":
            target = constructors[0].value
            definition = inference.definition(target)
            yield _edge(call, "constructor", target.path, definition.name, definition.line, found.via)
        else:
            definition = inference.definition(value)
            yield _edge(call, "constructor", value.path, definition.name, definition.line, found.via)
    elif value.kind == "inst":
        for method in inference.call_method(found):
            if method.value.kind == "func":
                definition = inference.definition(method.value)
                origin = "module_call_forward" if definition.name.endswith(".forward") else "dunder_call"
                yield _edge(
                    call, origin, method.value.path, definition.name, definition.line, method.via or found.via
                )
    elif value.kind == "lambda":
        if value.inner:
            yield Edge(call.scope, call.line, call.callee, "builtin", symbol=value.text)
    elif value.kind in ("ext", "extinst"):
        origin = "builtin" if value.text.startswith("builtins.") else "external"
        yield Edge(
            call.scope,
            call.line,
            call.callee,
            origin,
            symbol=value.text.removeprefix("builtins."),
            via=found.via,
        )


def _below(inference: Inference, node: ast.expr | None, env: Env, call: Call) -> Iterator[Edge]:
    """What runs where the declared class has no such method, or one that says nothing: those of its subclasses."""
    if not isinstance(node, ast.Attribute):
        return
    for f in inference.infer(node.value, env):
        if f.value.kind != "inst":
            continue
        own = [g.value for g in inference.attribute_of(f, node.attr)]
        if any(v.kind != "func" or "abstract" not in inference.definition(v).flags for v in own):
            continue
        owner = inference.definition(f.value).name
        below = inference.program.graph.overrides(f.value.path, f"{owner}.{node.attr}")
        if not is_test(env.path):
            below = [b for b in below if not is_test(b[0])]
        for path, symbol in below[:MANY]:
            at = inference.program.definition(path, symbol)
            yield _edge(call, "override", path, symbol, at.line, f.via)


def _handed_over(
    inference: Inference, path: str, call: Call, last: str, found: list[Found]
) -> Iterator[Edge]:
    """Functions among the arguments: they run later, or elsewhere."""
    target = TARGETS.get(last, "")
    named = any(a.startswith(("target=", "func=")) for a in call.args)
    place = 1 if last == "run_in_executor" else 0
    green = last == "spawn" and not any("multiprocessing" in f.value.text for f in found)
    if last == "submit" and not _EXECUTOR.search(" ".join([call.callee, *(f.value.text for f in found)])):
        target = ""  # of a form or a queue of jobs
    for position, argument in enumerate(call.args):
        name, _, text = argument.partition("=")
        is_target = name in ("target", "func") if named else position == place
        origin = target if target and is_target else "callback"
        text = text if _DOTTED.match(name) and text else argument
        if not _DOTTED.match(text) or (origin == "callback" and _last(text) not in inference.program.names):
            continue
        for f in inference.text(text, Env(path, call.scope)):
            handed = f.value
            if handed.kind == "class" and origin != "callback":
                for e in _reach(inference, call, f):
                    yield _with(e, origin)
            elif handed.kind == "func":
                definition = inference.definition(handed)
                if (
                    green and origin == "process_target"
                ):  # of gevent, eventlet, a task group: no process of its own
                    how = "task_target" if "async" in definition.flags else "thread_target"
                else:
                    how = origin
                yield _edge(call, how, handed.path, definition.name, definition.line, f.via)


@lru_cache(maxsize=16384)
def _why(callee: str) -> str:
    """Why a call leads nowhere; one text for all calls of one callee."""
    node = expression(callee)
    if node is None:
        return "what is called is no plain expression"
    if isinstance(node, ast.Attribute):
        return f"the type of `{ast.unparse(node.value)[:60]}` is not known from the code"
    if isinstance(node, ast.Name):
        return f"`{node.id}` has no definition, import or value that can be followed"
    return f"a computed callee ({type(node).__name__.lower()})"


def _edge(call: Call, origin: str, path: str, symbol: str, at: int, via: str) -> Edge:
    return Edge(call.scope, call.line, call.callee, origin, path, symbol, at, via)


def _is_kernel(inference: Inference, edge: Edge) -> bool:
    definition = inference.program.definition(edge.path, edge.symbol) if edge.path else None
    return definition is not None and definition.kind == "kernel"


def _is(inference: Inference, edge: Edge, flag: str) -> bool:
    definition = inference.program.definition(edge.path, edge.symbol) if edge.path else None
    return definition is not None and flag in definition.flags


def _with(edge: Edge, origin: str) -> Edge:
    return Edge(edge.scope, edge.line, edge.callee, origin, edge.path, edge.symbol, edge.at, edge.via)


def _last(callee: str) -> str:
    return callee.rpartition(".")[2]
