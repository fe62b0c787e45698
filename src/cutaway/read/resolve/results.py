# What a call gives: an instance, what the function returns with the arguments at hand, what a wrapper gives back.
"""`Results`: a part of `Inference`."""

from __future__ import annotations

import ast
import re

from cutaway.model.code import Def
from cutaway.read.resolve.chosen import chosen_lines, constant_text
from cutaway.read.resolve.env import DEPTH, Env
from cutaway.read.resolve.values import Found, Value, weaker

__all__ = ["Results"]

_HOLDERS = {"ModuleList", "Sequential", "ModuleDict", "list", "tuple", "sorted", "reversed", "set", "deque", "iter", "cycle",
            "islice", "chain", "filter", "tqdm"}  # fmt: skip
_KEYED = {"ModuleDict", "SimpleNamespace"}
_SAME = {
    "copy",
    "deepcopy",
    "compile",
    "proxy",
    "no_grad",
    "inference_mode",
    "wraps",
    "update_wrapper",
    "lru_cache",
    "cache",
    "next",
    "DataParallel",
    "DistributedDataParallel",
    "checkpoint_wrapper",
    "jit",
    "wait_for",
    "shield",
    "ensure_future",
    "create_task",
}
_WRAPS = re.compile(r"(^|[._])(wrap|offload|compile|parallelize|prepare|shard|convert|maybe)", re.IGNORECASE)


class Results:
    """What a call gives: an instance, what the function returns with the arguments at hand, what a wrapper gives back."""

    def called(self, node: ast.Call, env: Env) -> list[Found]:
        function = node.func
        if isinstance(function, ast.Name) and function.id == "super":
            named = [f.value for f in self.infer(node.args[0], env)] if node.args else []
            owner = self.scopes(env.path).owner(env.scope)
            start = named[0] if named and named[0].kind == "class" else Value("class", env.path, owner)
            return [Found(start._replace(kind="super"), "super")] if start.index >= 0 else []
        if isinstance(function, ast.Name) and function.id == "getattr" and len(node.args) >= 2:
            return self._getattr(node, env)
        return [g for f in self.infer(function, env) for g in self.call_result(f, node, env)]

    def _getattr(self, node: ast.Call, env: Env) -> list[Found]:
        key = node.args[1]
        names = (
            [key.value]
            if isinstance(key, ast.Constant)
            else [f.value.text for f in self.infer(key, env) if f.value.kind == "str"]
        )
        base = self.infer(node.args[0], env)
        return [Found(g.value, weaker(g.origin if g.origin != "self_method" else "getattr_string", "getattr_string"), g.via)
                for name in names if isinstance(name, str) for f in base for g in self.attribute_of(f, name)]  # fmt: skip

    def call_result(self, found: Found, node: ast.Call, env: Env) -> list[Found]:
        """What a call of a value gives."""
        value = found.value
        if value.kind == "class":
            return [
                Found(
                    Value("inst", value.path, value.index),
                    weaker(found.origin, "constructor") if found.origin != "self" else "constructor",
                    found.via,
                )
            ]
        if value.kind == "func":
            got = self.returns(value, self.arguments(value, node, env))
            if (
                node.args
                and _WRAPS.search(self.definition(value).name)
                and all(f.value.kind in ("ext", "extinst") for f in got)
            ):
                got = self.infer(node.args[0], env) or got  # what wraps a module gives it back
            return [Found(f.value, weaker(f.origin, "return_type"), f.via or found.via) for f in got]
        if value.kind == "inst":
            method = self.call_method(found)
            return [g for m in method for g in self.call_result(m, node, env)]
        if value.kind == "lambda":
            if value.inner:  # a method of a container
                return (
                    self.element(Found(value.inner[0], found.origin, found.via))
                    if value.text != "items"
                    else [
                        Found(
                            Value(
                                "list",
                                inner=(
                                    Value(
                                        "tuple",
                                        inner=(
                                            (),
                                            tuple(
                                                self.element(Found(value.inner[0], found.origin, found.via))
                                            ),
                                        ),
                                    ),
                                ),
                            ),
                            "element_type",
                            found.via,
                        )
                    ]
                )
            return self.text(value.text, Env(value.path, value.index))
        if value.kind == "ext":
            return self._external_call(value, found, node, env)
        return []

    def _external_call(self, value: Value, found: Found, node: ast.Call, env: Env) -> list[Found]:
        last = value.text.rpartition(".")[2]
        if last == "partial" and node.args:
            return [
                Found(f.value, weaker(f.origin, "partial_or_lambda"), f.via)
                for f in self.infer(node.args[0], env)
            ]
        if last in _KEYED and (named := self.keyed(node, env)):
            return named
        if last in _HOLDERS and node.args:
            inner = [f for a in node.args for f in self.infer(a, env)]
            lists = [f for f in inner if f.value.kind == "list"]
            single = [
                f._replace(value=Value("list", inner=(f.value,))) for f in inner if f.value.kind == "inst"
            ]
            return lists + single
        if last == "cast" and len(node.args) == 2:
            said = self._annotated(node.args[0], env)
            return [f for f in said if f.value.kind in ("inst", "class")] or self.infer(node.args[1], env)
        if last in _SAME and node.args:
            return self.infer(node.args[0], env)
        if last in ("enumerate", "zip") and node.args:
            rows = [tuple(e for f in self.infer(a, env) for e in self.element(f)) for a in node.args]
            rows = [(), *rows[:1]] if last == "enumerate" else rows
            return [Found(Value("list", inner=(Value("tuple", inner=tuple(rows)),)), "element_type")]
        if last == "import_module" and node.args:
            return self._imported_by_name(node.args[0], env)
        return [Found(Value("extinst", text=value.text), "external", found.via)]

    def _imported_by_name(self, node: ast.expr, env: Env) -> list[Found]:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            target = self.modules.resolve(node.value, env.path)
            return [Found(Value("module", target), "qualified_string")] if target else []
        return []

    def call_method(self, found: Found) -> list[Found]:
        """What runs when an instance is called."""
        forward = self.is_module(found.value)
        name = "forward" if forward else "__call__"
        origin = "module_call_forward" if forward else "dunder_call"
        got = self.class_attribute(found, name)
        return [
            Found(
                f.value,
                weaker(origin, f.origin if f.origin not in ("self_method",) else origin),
                f.via or found.via,
            )
            for f in got
        ]

    def arguments(self, value: Value, node: ast.Call, env: Env) -> tuple:
        """What a call gives the parameters of `value`, those that are known and that annotations may not tell."""
        definition = self.definition(value)
        params = list(definition.params)
        if value.inner and "static" not in definition.flags:
            params = params[1:]
        given = {}
        for parameter, argument in zip(params, node.args, strict=False):
            if isinstance(argument, ast.Starred) or parameter.name.startswith("*"):
                break
            given[parameter.name] = argument
        given |= {k.arg: k.value for k in node.keywords if k.arg and any(p.name == k.arg for p in params)}
        known = []
        for name, argument in sorted(given.items()):
            if isinstance(argument, ast.Lambda):
                found = [
                    Found(
                        Value("lambda", env.path, env.scope, ast.unparse(argument.body)), "partial_or_lambda"
                    )
                ]
            elif isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                found = [Found(Value("str", text=argument.value), "local")]
            elif (member := constant_text(argument)) and member.partition(".")[0] in definition.words:
                found = [Found(Value("member", text=member), "local")]
            elif isinstance(argument, ast.Name | ast.Attribute | ast.Call) and self.depth < DEPTH // 2:
                found = [f for f in self.infer(argument, env) if f.value.kind not in ("ext", "extinst")]
            else:
                continue
            if found:
                known.append((name, tuple(found[:4])))
        return tuple(known)

    def returns(self, value: Value, given: tuple = ()) -> list[Found]:
        """What a function returns: its annotation, or what its `return` lines give."""
        if len(given) > 6:
            given = given[:6]
        return self.remembered(("returns", value, given), lambda: self._returns(value, given))

    def _returns(self, value: Value, given: tuple) -> list[Found]:
        scopes = self.scopes(value.path)
        definition = scopes.defs[value.index]
        outside = Env(value.path, definition.parent)
        found: list[Found] = []
        if definition.returns:
            if definition.returns.strip("\"'").split(".")[-1] == "Self" and value.inner:
                return [Found(value.inner[0]._replace(kind="inst"), "return_type")]
            via = f"{value.path}:{definition.line}"
            found = [
                Found(f.value, weaker(f.origin, "return_type"), via)
                for f in self.annotation(definition.returns, outside)
            ]
            inside = [f for f in found if f.value.kind in ("inst", "class", "list", "tuple")]
            if inside and "abstract" not in definition.flags and not _mentions_external(inside):
                return inside
        inner = Env(value.path, value.index, given)
        said = []
        if "generator" not in definition.flags:
            binds = scopes.binds.get((value.index, "return"), ())
            lines = self._chosen(value.path, definition, given) if len(binds) > 1 else None
            for bind in binds:
                if lines is not None and bind.line not in lines:
                    continue
                said += [
                    Found(f.value, weaker(f.origin, "return_type"), f.via or f"{value.path}:{bind.line}")
                    for f in self.text(bind.value, inner)
                ]
        known = [f for f in said if f.value.kind not in ("ext", "extinst")]
        return known or self.models.built_by(definition, found or said) or found or said


    def _chosen(self, path: str, definition: Def, given: tuple) -> set[int] | None:
        """The lines at which a function may return for constants that it is given; None where none says which."""
        kept = [(name, found[0].value) for name, found in given if len(found) == 1]
        known = {n: repr(v.text) if v.kind == "str" else v.text for n, v in kept if v.kind in ("str", "member")}
        if not known:
            return None
        text = "\n".join(self.program.lines(path)[definition.line - 1 : definition.end])
        lines = chosen_lines(text, known)
        return None if lines is None else {definition.line - 1 + line for line in lines}


def _mentions_external(found: list[Found]) -> bool:
    """A tuple annotation with a part of another package (`tuple[type[nn.Module], str]`) tells less than the code."""
    return any(
        f.value.kind == "tuple"
        and any(
            p.value.kind in ("ext", "extinst") and "Module" in p.value.text
            for part in f.value.inner
            for p in part
        )
        for f in found
    )
