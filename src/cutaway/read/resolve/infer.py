# What an expression stands for: names through scopes and imports, attributes through the order of base classes and
# what was assigned to them, calls through annotations and what functions return, with the arguments of the call at hand.
# It never guesses by a bare name: what it cannot follow it does not answer.
"""`Inference`: expressions of Python sources to values."""

from __future__ import annotations

import ast
import builtins
import re
from typing import TYPE_CHECKING, NamedTuple

from cutaway.model.code import Bind, Def
from cutaway.read.resolve.model_registry import ModelRegistry
from cutaway.read.resolve.modules import Modules
from cutaway.read.resolve.scopes import Scopes
from cutaway.read.resolve.values import Found, Value, expression, weaker

if TYPE_CHECKING:
    from cutaway.read.program import Program

__all__ = ["Env", "Inference"]

DEPTH, MOST, BASES = 24, 8, 60
_BUILTINS = frozenset(dir(builtins))
_LISTS = {"list", "List", "Sequence", "Iterable", "Iterator", "tuple", "Tuple", "set", "Set", "frozenset", "deque", "Collection",
          "AsyncIterator", "AsyncGenerator", "Generator", "AsyncIterable", "Queue", "SimpleQueue"}  # fmt: skip
_MAPS = {"dict", "Dict", "Mapping", "MutableMapping", "defaultdict", "OrderedDict"}
_THROUGH = {"Optional", "Annotated", "ClassVar", "Final", "Required", "Awaitable", "Coroutine", "Ref", "ReadOnly", "Future",
            "weakref", "ReferenceType", "Task"}  # fmt: skip
_HOLDERS = {"ModuleList", "Sequential", "ModuleDict", "list", "tuple", "sorted", "reversed", "set", "deque", "iter", "cycle",
            "islice", "chain", "filter", "tqdm"}  # fmt: skip
_SAME = {"cast", "copy", "deepcopy", "compile", "proxy", "no_grad", "inference_mode", "wraps", "update_wrapper",
         "lru_cache", "cache", "next", "DataParallel", "DistributedDataParallel", "checkpoint_wrapper", "jit", "wait_for", "shield",
         "ensure_future", "create_task"}  # fmt: skip
_WRAPS = re.compile(r"(^|[._])(wrap|offload|compile|parallelize|prepare|shard|convert|maybe)", re.IGNORECASE)
_DELEGATES = re.compile(r"getattr\((self\.[\w.]+),\s*\w+\)$")
_QUALIFIED = re.compile(r"^[\w.]+(?::|\.)[A-Za-z_]\w*$")


class Env(NamedTuple):
    """Where an expression stands: a file, a scope in it, and the parameters whose values the call at hand gives."""

    path: str
    scope: int
    given: tuple[tuple[str, tuple[Found, ...]], ...] = ()


class Inference:
    """Expressions to values over one program. Results are kept; recursion ends at DEPTH and at what is under way."""

    def __init__(self, program: Program):
        self.program = program
        self.modules = Modules(program.paths)
        self._scopes: dict[str, Scopes] = {}
        self._memo: dict[tuple, list[Found]] = {}
        self._busy: set[tuple] = set()
        self._linear: dict[tuple[str, int], list[Value]] = {}
        self.models = ModelRegistry(self)
        self.depth = 0

    def scopes(self, path: str) -> Scopes:
        found = self._scopes.get(path)
        if found is None:
            found = self._scopes[path] = Scopes(self.program.record(path))
        return found

    def definition(self, value: Value) -> Def:
        return self.scopes(value.path).defs[value.index]

    def text(self, source: str, env: Env) -> list[Found]:
        """What a source text stands for in `env`."""
        node = expression(source)
        return self.infer(node, env) if node is not None else []

    def infer(self, node: ast.expr, env: Env) -> list[Found]:
        """The values that an expression may have, at most MOST, none where it cannot be told."""
        handler = _EXPRESSIONS.get(type(node))
        if handler is None or self.depth > DEPTH:
            return []
        self.depth += 1
        try:
            return _distinct(handler(self, node, env))
        finally:
            self.depth -= 1

    def remembered(self, key: tuple, compute) -> list[Found]:
        """`compute()`, once; what asks for itself gets nothing."""
        if key in self._memo:
            return self._memo[key]
        if key in self._busy:
            return []
        self._busy.add(key)
        try:
            found = _distinct(compute())
        finally:
            self._busy.discard(key)
        if self.depth < DEPTH - 8:  # a shallow budget may have cut the answer short
            self._memo[key] = found
        return found

    # --- names ---

    def name(self, node: ast.Name, env: Env) -> list[Found]:
        return self.lookup(node.id, env)

    def lookup(self, name: str, env: Env) -> list[Found]:
        """What a name stands for where it is used."""
        given = dict(env.given).get(name)
        if given is not None:
            return list(given)
        return self.remembered(
            ("name", env.path, env.scope, name, env.given), lambda: self._lookup(name, env)
        )

    def _lookup(self, name: str, env: Env) -> list[Found]:
        scopes = self.scopes(env.path)
        for scope in scopes.chain(env.scope):
            inner = env if scope == env.scope else Env(env.path, scope, env.given)
            found = self._in_scope(name, scope, scopes, inner)
            if found is not None:
                return found
        if name in _BUILTINS:
            return [Found(Value("ext", text=f"builtins.{name}"), "builtin")]
        for star in scopes.stars:
            target = self.modules.resolve(star.module, env.path)
            if target and target != env.path and (found := self.member(target, name)):
                return [
                    Found(f.value, weaker(f.origin, "imported"), f"{env.path}:{star.line}") for f in found
                ]
        return []

    def _in_scope(self, name: str, scope: int, scopes: Scopes, env: Env) -> list[Found] | None:
        """What `name` is in exactly this scope, None when the scope does not know it."""
        found: list[Found] = []
        known = False
        if scope >= 0 and scopes.defs[scope].kind != "class":
            parameter = self.parameter(name, scope, scopes, env)
            if parameter is not None:
                known, found = True, parameter
        for index in scopes.children.get((scope, name), ()):
            known = True
            kind = "class" if scopes.defs[index].kind == "class" else "func"
            found.append(Found(Value(kind, env.path, index), "local"))
        for one in scopes.imports.get((scope, name), ()):
            known = True
            found += self.imported(one, env.path)
        for bind in scopes.binds.get((scope, name), ()):
            known = True
            found += self.bound(bind, env)
        if not known and scope < 0 and (submodule := self.modules.submodule(env.path, name)):
            return [Found(Value("module", submodule), "local")]
        return found if known else None

    def imported(self, one, path: str) -> list[Found]:
        via = f"{path}:{one.line}"
        target = self.modules.resolve(one.module, path)
        if not one.symbol:
            if target is None:
                return [Found(Value("ext", text=one.module), "external", via)]
            return [Found(Value("module", target), "imported", via)]
        if target is None:
            if one.module.startswith(".") and not one.module.strip("."):
                target = self.modules.resolve(one.module + one.symbol, path)
                if target:
                    return [Found(Value("module", target), "imported", via)]
            return [Found(Value("ext", text=f"{one.module}.{one.symbol}"), "external", via)]
        return [Found(f.value, weaker(f.origin if f.origin != "local" else "imported", "imported"), via)
                for f in self.member(target, one.symbol)]  # fmt: skip

    def member(self, path: str, name: str) -> list[Found]:
        """A name of a module, through its re-exports and its lazy `__getattr__` table."""
        return self.remembered(("member", path, name), lambda: self._member(path, name))

    def _member(self, path: str, name: str) -> list[Found]:
        scopes = self.scopes(path)
        found = self._in_scope(name, -1, scopes, Env(path, -1))
        if found is not None:
            return found
        for star in scopes.stars:
            target = self.modules.resolve(star.module, path)
            if target and target != path and (got := self.member(target, name)):
                return [Found(f.value, weaker(f.origin, "imported"), f"{path}:{star.line}") for f in got]
        if (-1, "__getattr__") in scopes.children:
            for mark in scopes.record.marks:
                if mark.kind == "entry" and mark.name == name:
                    got = self.qualified(mark.detail.get("value", "").strip("\"'"), path, name)
                    if got:
                        return [Found(f.value, "qualified_string", f"{path}:{mark.line}") for f in got]
        return []

    def qualified(self, text: str, path: str, name: str = "") -> list[Found]:
        """The definition that a dotted text names: `package.module.Class`, `package.module:Class`, `.module` with `name`."""
        text = text.strip("\"'")
        if ":" in text:
            module, _, symbol = text.partition(":")
        elif text.startswith(".") and name and self.modules.resolve(text, path):
            module, symbol = text, name
        else:
            module, _, symbol = text.rpartition(".")
        target = self.modules.resolve(module, path) if module else None
        if target is None or not symbol:
            return []
        return [Found(f.value, "qualified_string", f.via) for f in self.member(target, symbol.split(".")[0])]

    def parameter(self, name: str, scope: int, scopes: Scopes, env: Env) -> list[Found] | None:
        definition = scopes.defs[scope]
        for position, parameter in enumerate(definition.params):
            if parameter.name.lstrip("*") != name:
                continue
            owner = definition.parent
            if (
                position == 0
                and owner >= 0
                and scopes.defs[owner].kind == "class"
                and "static" not in definition.flags
            ):
                is_class = "classmethod" in definition.flags or name == "cls"
                return [Found(Value("class" if is_class else "inst", env.path, owner), "self")]
            found: list[Found] = []
            outside = Env(env.path, definition.parent, ())
            if parameter.annotation:
                found = self.annotation(parameter.annotation, outside)
                if parameter.name.startswith("*"):
                    found = [Found(Value("list", inner=(f.value,)), f.origin, f.via) for f in found]
            if parameter.default and all(f.value.kind in ("ext", "extinst", "class") for f in found):
                default = [
                    f
                    for f in self.text(parameter.default, outside)
                    if f.value.kind in ("class", "func", "inst")
                ]
                found = default or found
            if not found and not parameter.name.startswith("*"):
                found = self.from_callers(scope, position, parameter.name, env.path)
            return found
        return None

    def from_callers(self, scope: int, position: int, name: str, path: str) -> list[Found]:
        """What the callers of a function pass for a parameter without annotation, where the callers are plain."""
        return self.remembered(
            ("callers", path, scope, name), lambda: self._from_callers(scope, position, name, path)
        )

    def _from_callers(self, scope: int, position: int, name: str, path: str) -> list[Found]:
        definition = self.scopes(path).defs[scope]
        called = definition.name.rpartition(".")[2]
        owner = self.scopes(path).owner(scope)
        is_method = owner >= 0 and definition.parent == owner and "static" not in definition.flags
        if called == "__init__" and is_method:
            called = self.scopes(path).defs[owner].name.rpartition(".")[2]
        sites = self.program.call_sites.get(called, ())
        if not 0 < len(sites) <= 12 or self.depth > DEPTH // 2:
            return []
        found: list[Found] = []
        for other, index in sites:
            call = self.program.record(other).calls[index]
            place = position - is_method
            argument = next((a.partition("=")[2] for a in call.args if a.startswith(f"{name}=")), None)
            if (
                argument is None
                and place < len(call.args)
                and not any("=" in a.split("(")[0] or a.startswith("*") for a in call.args[: place + 1])
            ):
                argument = call.args[place]
            if argument:
                found += [Found(f.value, weaker(f.origin, "argument_type"), f"{other}:{call.line}")
                          for f in self.text(argument, Env(other, call.scope)) if f.value.kind in ("inst", "class", "func", "list")]  # fmt: skip
        return found

    def bound(self, bind: Bind, env: Env) -> list[Found]:
        """What a binding gives its target."""
        where = Env(env.path, bind.scope, env.given if bind.scope == env.scope else ())
        via = f"{env.path}:{bind.line}"
        found: list[Found] = []
        if bind.annotation:
            found = [
                Found(f.value, weaker(f.origin, "annotated"), via)
                for f in self.annotation(bind.annotation, where)
            ]
            if any(f.value.kind not in ("ext", "extinst") for f in found) or not bind.value:
                return found
        values = self.text(bind.value, where) if bind.value else []
        if bind.kind == "for":
            values = [e for f in values for e in self.element(f)]
        elif bind.kind == "with":
            values = [e for f in values for e in self.entered(f)]
        elif "[" in bind.kind:
            position = int(bind.kind[bind.kind.index("[") + 1 : -1])
            if bind.kind.startswith("for"):
                values = [e for f in values for e in self.element(f)]
            values = [e for f in values for e in self.part(f, position)]
        moved = [
            Found(f.value, f.origin if f.origin == "self" else weaker(f.origin, "attribute_type"), via)
            for f in values
        ]
        return moved or found

    # --- annotations ---

    def annotation(self, text: str, env: Env) -> list[Found]:
        node = expression(text)
        return (
            self.remembered(("annotation", env.path, env.scope, text), lambda: self._annotated(node, env))
            if node
            else []
        )

    def _annotated(self, node: ast.expr, env: Env) -> list[Found]:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            inner = expression(node.value)
            return self._annotated(inner, env) if inner is not None else []
        if isinstance(node, ast.BinOp):
            return [*self._annotated(node.left, env), *self._annotated(node.right, env)]
        if isinstance(node, ast.Subscript):
            return self._generic(node, env)
        found = []
        for f in self.infer(node, env) if isinstance(node, ast.Name | ast.Attribute) else []:
            value = f.value
            if value.kind == "class":
                found.append(Found(value._replace(kind="inst"), "annotated", f.via))
            elif value.kind == "ext" and value.text.rpartition(".")[2] not in (
                "Any",
                "None",
                "object",
                "TypeVar",
            ):
                found.append(Found(value._replace(kind="extinst"), "external", f.via))
            elif value.kind in ("inst", "extinst", "list", "tuple"):
                found.append(f)  # an alias: Name = Union[A, B]
        return found

    def _generic(self, node: ast.Subscript, env: Env) -> list[Found]:
        head = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        if head in ("Union", *_THROUGH):
            chosen = parts if head == "Union" else parts[-1:] if head == "Coroutine" else parts[:1]
            return [f for p in chosen for f in self._annotated(p, env)]
        if head in ("type", "Type"):
            return [f._replace(value=f.value._replace(kind="class" if f.value.kind == "inst" else "ext"))
                    for f in self._annotated(parts[0], env) if f.value.kind in ("inst", "extinst")]  # fmt: skip
        if head in ("tuple", "Tuple") and not (
            len(parts) == 2 and isinstance(parts[1], ast.Constant) and parts[1].value is ...
        ):
            return [
                Found(Value("tuple", inner=tuple(tuple(self._annotated(p, env)) for p in parts)), "annotated")
            ]
        if head in _LISTS or head in _MAPS:
            inner = parts[-1] if head in _MAPS else parts[0]
            lists = [
                f._replace(value=Value("list", inner=(f.value,)))
                for f in self._annotated(inner, env)
                if f.value.kind != "extinst"
            ]
            return lists or [Found(Value("extinst", text=f"builtins.{head.lower()}"), "annotated")]
        return self._annotated(node.value, env)

    # --- attributes ---

    def attribute(self, node: ast.Attribute, env: Env) -> list[Found]:
        return [g for f in self.infer(node.value, env) for g in self.attribute_of(f, node.attr)]

    def attribute_of(self, found: Found, name: str) -> list[Found]:
        """The attribute `name` of a value."""
        value = found.value
        if value.kind == "module":
            got = self.member(value.path, name) or self._submodule(value.path, name)
            return [Found(f.value, weaker(f.origin if f.origin != "local" else "module_attribute", "module_attribute"), f.via or found.via)
                    for f in got]  # fmt: skip
        if value.kind in ("class", "inst", "super"):
            return self.class_attribute(found, name)
        if value.kind in ("ext", "extinst"):
            if (target := self.modules.find(f"{value.text}.{name}")) and "." in value.text:
                return [Found(Value("module", target), "module_attribute", found.via)]
            return [Found(Value("ext", text=f"{value.text}.{name}"), "external", found.via)]
        if value.kind == "list" and name in (
            "get",
            "pop",
            "popleft",
            "values",
            "__getitem__",
            "items",
            "copy",
            "setdefault",
        ):
            return [Found(Value("lambda", text=name, inner=(value,)), "element_type", found.via)]
        if value.kind == "func" and name == "remote":
            return [found]  # an actor's method or function, called elsewhere
        return []

    def _submodule(self, path: str, name: str) -> list[Found]:
        target = self.modules.submodule(path, name)
        return [Found(Value("module", target), "module_attribute")] if target else []

    def class_attribute(self, found: Found, name: str) -> list[Found]:
        """A method, property or attribute of a class or instance, in the order of its bases."""
        value = found.value
        key = ("attr", value.kind, value.path, value.index, name)
        got = self.remembered(key, lambda: self._class_attribute(value, name))
        via = found.via
        result = []
        for f in got:
            origin = f.origin
            if origin in ("self_method", "inherited"):
                if value.kind == "super":
                    origin = "super"
                elif found.origin != "self":
                    origin = (
                        found.origin
                        if found.origin not in ("local", "imported", "module_attribute")
                        else "module_attribute"
                    )
            elif found.origin != "self":
                origin = weaker(origin, found.origin)
            result.append(Found(f.value, origin, f.via or via))
        return result

    def _class_attribute(self, value: Value, name: str) -> list[Found]:
        order = self.mro(value.path, value.index)
        if value.kind == "super":
            order = order[1:]
        receiver = Value("inst" if value.kind != "class" else "class", value.path, value.index)
        for position, owner in enumerate(order):
            if owner.kind != "class":
                continue
            scopes = self.scopes(owner.path)
            own = "self_method" if position == 0 else "inherited"
            methods = scopes.children.get((owner.index, name), ())
            for index in methods[-1:]:
                definition = scopes.defs[index]
                if definition.kind == "class":
                    return [Found(Value("class", owner.path, index), own)]
                if "property" in definition.flags:
                    got = self.returns(Value("func", owner.path, index, inner=(receiver,)))
                    return [
                        Found(
                            f.value, weaker(f.origin, "property"), f.via or f"{owner.path}:{definition.line}"
                        )
                        for f in got
                    ]
                return [Found(Value("func", owner.path, index, inner=(receiver,)), own)]
            found: list[Found] = []
            for bind in scopes.binds.get((owner.index, name), ()):
                found += self.bound(bind, Env(owner.path, owner.index))
            if value.kind != "class":
                for bind in scopes.attributes.get((owner.index, name), ()):
                    found += self.bound(bind, Env(owner.path, bind.scope))
            known = [f for f in found if f.value.kind not in ("ext", "extinst")]
            if known or found:
                return known or self._given_from_outside(value, order, name) or found
        return self._given_from_outside(value, order, name) or self._delegated(value, order, name)

    def _given_from_outside(self, value: Value, order: list[Value], name: str) -> list[Found]:
        """What other code assigns to the attribute: `block.attention.kv_cache = KVCache(...)`."""
        sites = self.program.assigned.get(name, ()) if value.kind == "inst" else ()
        if not 0 < len(sites) <= 12 or self.depth > DEPTH // 2:
            return []
        found = []
        for path, bind in sites:
            owner = self.text(bind.target.rpartition(".")[0], Env(path, bind.scope))
            if any(f.value.kind == "inst" and Value("class", f.value.path, f.value.index) in order for f in owner):
                found += [f for f in self.bound(bind, Env(path, bind.scope)) if f.value.kind not in ("ext", "extinst")]
        return found

    def _delegated(self, value: Value, order: list[Value], name: str) -> list[Found]:
        """What `__getattr__` passes on: `return getattr(self.worker, name)`."""
        for owner in order if value.kind != "class" else ():
            if owner.kind != "class":
                continue
            scopes = self.scopes(owner.path)
            for index in scopes.children.get((owner.index, "__getattr__"), ())[:1]:
                for bind in scopes.binds.get((index, "return"), ()):
                    if inner := _DELEGATES.match(bind.value):
                        got = self.text(inner[1], Env(owner.path, index))
                        via = f"{owner.path}:{bind.line}"
                        return [Found(g.value, "getattr_string", via) for f in got for g in self.attribute_of(f, name)]
        return []

    def mro(self, path: str, index: int) -> list[Value]:
        """The class, then its bases in Python's order (C3; depth first where that has no answer). Bases of other packages
        are `ext`."""
        key = (path, index)
        if key in self._linear:
            return self._linear[key]
        self._linear[key] = [Value("class", path, index)]  # a class that derives from itself ends here
        definition = self.scopes(path).defs[index]
        lines = []
        for base in definition.bases[:BASES]:
            node = expression(base)
            if isinstance(node, ast.Subscript):
                node = node.value
            for f in (self.infer(node, Env(path, definition.parent)) if node is not None else [])[:1]:
                if f.value.kind == "class" and (f.value.path, f.value.index) != key:
                    lines.append(self.mro(f.value.path, f.value.index))
                elif f.value.kind == "ext":
                    lines.append([f.value])
        self._linear[key] = [Value("class", path, index), *_merge(lines)]
        return self._linear[key]

    def is_module(self, value: Value) -> bool:
        """Is a class a neural module, whose call runs `forward`?"""
        order = self.mro(value.path, value.index)
        if any(v.kind == "ext" and v.text.rpartition(".")[2] == "Module" for v in order):
            return True
        own = [v for v in order if v.kind == "class"]
        has = [
            any((v.index, n) in self.scopes(v.path).children for v in own) for n in ("forward", "__call__")
        ]
        return has == [True, False] and len(own) < len(order)

    # --- calls, elements ---

    def called(self, node: ast.Call, env: Env) -> list[Found]:
        function = node.func
        if isinstance(function, ast.Name) and function.id == "super":
            owner = self.scopes(env.path).owner(env.scope)
            return [Found(Value("super", env.path, owner), "super")] if owner >= 0 else []
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
                return self.element(Found(value.inner[0], found.origin, found.via)) if value.text != "items" else [
                    Found(Value("list", inner=(Value("tuple", inner=((), tuple(self.element(Found(value.inner[0], found.origin, found.via))))),)), "element_type", found.via)]  # fmt: skip
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
        if last in _HOLDERS and node.args:
            inner = [f for a in node.args for f in self.infer(a, env)]
            lists = [f for f in inner if f.value.kind == "list"]
            single = [
                f._replace(value=Value("list", inner=(f.value,))) for f in inner if f.value.kind == "inst"
            ]
            return lists + single
        if last in _SAME and node.args:
            return self.infer(node.args[-1 if last == "cast" else 0], env)
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
            for bind in scopes.binds.get((value.index, "return"), ()):
                said += [
                    Found(f.value, weaker(f.origin, "return_type"), f.via or f"{value.path}:{bind.line}")
                    for f in self.text(bind.value, inner)
                ]
        known = [f for f in said if f.value.kind not in ("ext", "extinst")]
        return known or self.models.built_by(definition, found or said) or found or said

    def element(self, found: Found) -> list[Found]:
        """What one gets out of a container."""
        if found.value.kind == "list":
            return [Found(v, weaker(found.origin, "element_type"), found.via) for v in found.value.inner]
        if found.value.kind == "tuple":
            return [g for part in found.value.inner for g in part]
        if found.value.kind == "inst":
            for name in ("__iter__", "__getitem__"):
                got = [e for f in self.class_attribute(found, name) if f.value.kind == "func" for r in self.returns(f.value)
                       for e in (self.element(r) if name == "__iter__" else [r])]  # fmt: skip
                if got:
                    return got
        return []

    def part(self, found: Found, position: int) -> list[Found]:
        """Element `position` of a tuple."""
        if found.value.kind == "tuple":
            return list(found.value.inner[position]) if position < len(found.value.inner) else []
        return self.element(found)

    def entered(self, found: Found) -> list[Found]:
        """What `with` gives: `__enter__`'s result, usually the object itself."""
        if found.value.kind != "inst":
            return [found]
        methods = self.class_attribute(found, "__enter__") or self.class_attribute(found, "__aenter__")
        return [r for m in methods if m.value.kind == "func" for r in self.returns(m.value)] or [found]

    def subscripted(self, node: ast.Subscript, env: Env) -> list[Found]:
        base = self.infer(node.value, env)
        if isinstance(node.slice, ast.Slice):
            return [f for f in base if f.value.kind == "list"]
        if isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, int):
            return [g for f in base for g in self.part(f, node.slice.value)]
        kernels = [f for f in base if f.value.kind == "func"]  # kernel[grid]
        classes = [f for f in base if f.value.kind == "class"]  # Generic[T]
        outside = [f for f in base if f.value.kind in ("ext", "extinst")]
        entries = self._registry(node.value, env)
        return kernels + classes + (entries or [g for f in base for g in self.element(f)]) or outside

    def _registry(self, node: ast.expr, env: Env) -> list[Found]:
        return self.table(node.id, env) if isinstance(node, ast.Name) else []

    def table(self, name: str, env: Env) -> list[Found]:
        """The entries of a module's table, where it names definitions of this repository."""
        rows = [
            m
            for m in self.program.record(env.path).marks
            if m.kind == "entry" and m.detail.get("table") == name
        ]
        found = []
        for mark in rows[:200]:
            got = self.text(mark.detail.get("value", ""), Env(env.path, -1))
            found += [
                Found(f.value, "registry_entry", f"{env.path}:{mark.line}")
                for f in got
                if f.value.kind in ("class", "func")
            ]
        return found

    # --- the other expressions ---

    def constant(self, node: ast.Constant, env: Env) -> list[Found]:
        return (
            [Found(Value("str", text=node.value), "local")]
            if isinstance(node.value, str) and _QUALIFIED.match(node.value)
            else []
        )

    def either(self, node, env: Env) -> list[Found]:
        parts = node.values if isinstance(node, ast.BoolOp) else [node.body, node.orelse]
        return [f for p in parts for f in self.infer(p, env)]

    def within(self, node, env: Env) -> list[Found]:
        return self.infer(node.value, env)

    def collected(self, node, env: Env) -> list[Found]:
        elements = node.elts if hasattr(node, "elts") else [v for v in node.values if v is not None]
        inner = [
            f for e in elements[:6] for f in self.infer(e.value if isinstance(e, ast.Starred) else e, env)
        ]
        if isinstance(node, ast.Tuple):
            return [
                Found(
                    Value("tuple", inner=tuple(tuple(self.infer(e, env)) for e in elements[:6])),
                    "element_type",
                )
            ]
        lists = [Found(Value("list", inner=(f.value,)), weaker(f.origin, "element_type") if f.origin != "self" else "element_type", f.via)
                 for f in inner if f.value.kind not in ("ext", "extinst")]  # fmt: skip
        return lists or [Found(Value("extinst", text=f"builtins.{type(node).__name__.lower()}"), "builtin")]

    def comprehended(self, node, env: Env) -> list[Found]:
        given = dict(env.given)
        for generator in node.generators:
            elements = tuple(
                e
                for f in self.infer(generator.iter, Env(env.path, env.scope, tuple(sorted(given.items()))))
                for e in self.element(f)
            )[:4]
            if isinstance(generator.target, ast.Name):
                given[generator.target.id] = elements
            elif isinstance(generator.target, ast.Tuple):
                for position, target in enumerate(generator.target.elts):
                    if isinstance(target, ast.Name):
                        given[target.id] = tuple(p for e in elements for p in self.part(e, position))[:4]
        inner = Env(env.path, env.scope, tuple(sorted(given.items())))
        result = node.value if isinstance(node, ast.DictComp) else node.elt
        return [
            Found(
                Value("list", inner=(f.value,)),
                weaker(f.origin, "element_type") if f.origin != "self" else "element_type",
                f.via,
            )
            for f in self.infer(result, inner)
        ]

    def added(self, node: ast.BinOp, env: Env) -> list[Found]:
        both = (
            [*self.infer(node.left, env), *self.infer(node.right, env)]
            if isinstance(node.op, ast.Add | ast.BitOr)
            else []
        )
        return [f for f in both if f.value.kind in ("list", "tuple")]

    def lambda_(self, node: ast.Lambda, env: Env) -> list[Found]:
        return [Found(Value("lambda", env.path, env.scope, ast.unparse(node.body)), "partial_or_lambda")]


_EXPRESSIONS = {
    ast.Name: Inference.name, ast.Attribute: Inference.attribute, ast.Call: Inference.called, ast.Constant: Inference.constant,
    ast.Subscript: Inference.subscripted, ast.Await: Inference.within, ast.NamedExpr: Inference.within, ast.Starred: Inference.within,
    ast.IfExp: Inference.either, ast.BoolOp: Inference.either, ast.List: Inference.collected, ast.Set: Inference.collected,
    ast.Tuple: Inference.collected, ast.Dict: Inference.collected, ast.ListComp: Inference.comprehended,
    ast.SetComp: Inference.comprehended, ast.GeneratorExp: Inference.comprehended, ast.DictComp: Inference.comprehended,
    ast.BinOp: Inference.added, ast.Lambda: Inference.lambda_,
}  # fmt: skip


def _distinct(found: list[Found]) -> list[Found]:
    """Each value once, the surest way to it, at most MOST."""
    best: dict[Value, Found] = {}
    for f in found:
        if f.value not in best or weaker(best[f.value].origin, f.origin) == best[f.value].origin != f.origin:
            best[f.value] = f
    return list(best.values())[:MOST]


def _mentions_external(found: list[Found]) -> bool:
    """A tuple annotation with a part of another package (`tuple[type[nn.Module], str]`) tells less than the code."""
    return any(f.value.kind == "tuple" and any(p.value.kind in ("ext", "extinst") and "Module" in p.value.text for part in f.value.inner for p in part)
               for f in found)  # fmt: skip


def _merge(lines: list[list[Value]]) -> list[Value]:
    """C3; what it cannot order is taken depth first."""
    rest, merged = [list(line) for line in lines if line] + [[line[0] for line in lines if line]], []
    while rest := [line for line in rest if line]:
        head = next((line[0] for line in rest if not any(line[0] in other[1:] for other in rest)), rest[0][0])
        merged.append(head)
        rest = [[v for v in line if v != head] for line in rest]
    return merged
