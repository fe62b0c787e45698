# From raw events to the nouns: price each op once, fold what repeats, number tensors within each module, sum the tree.
# Modules that come out equal are one module, however often they ran: the result is the same with and without the memo.
from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import torch

from cutaway import rules
from cutaway.formula import Formula, const, sym
from cutaway.formula.core import ZERO, add
from cutaway.model import Call, Convention, Cost, Gap, Kernel, Line, Module, Place, TensorSpec
from cutaway.model.kernel import Turn
from cutaway.rules.api import Op
from cutaway.trace import source
from cutaway.trace.attention_ops import CAUSAL
from cutaway.trace.dim import Scope, speaking
from cutaway.trace.fuse import fused_cost
from cutaway.trace.record import CallEvent, ModuleRun, OpEvent, TensorRef, Where

NOTHING = Cost(ZERO, ZERO, ZERO, ZERO)
_BYTES_OF_ROLE = {
    "parameter": sym("w_bytes"),
    "buffer": sym("w_bytes"),
    "activation": sym("a_bytes"),
    "kv_cache": sym("kv_bytes"),
}


class Assembler:
    """Turns the record of one run into modules, cheapest first work: each distinct op is priced once."""

    def __init__(self, scope: Scope, dtype: torch.dtype, convention: Convention):
        self.scope, self.dtype, self.convention = scope, dtype, convention
        self.modules: list[Module] = []
        self.index: dict[int, int] = {}  # id(ModuleRun) -> index in modules
        self.unique: dict[tuple, int] = {}
        self.priced: dict[Any, Any] = {}
        self.flat: list[list[Kernel | Call]] = []  # each module's steps before folding, for the data flow
        self.gaps: dict[Gap, None] = {}

    def module(self, run: ModuleRun) -> int:
        """The index of this run's module; the modules below come first in the list."""
        found = self.index.get(id(run))
        if found is None:
            found = self.index[id(run)] = self._assemble(run)
        return found

    def _assemble(self, run: ModuleRun) -> int:
        numbers: dict[int, int] = {}
        inputs = tuple(self.spec(r, numbers) for r in run.inputs)
        flat = [self._step(e, numbers) for e in run.events]
        outputs = tuple(self.spec(r, numbers) for r in run.outputs)
        steps = fold(flat)
        cls = type(run.module)
        code = _code_that_ran(run)
        own = _sum(s.cost * s.repeat for s in steps if isinstance(s, Kernel))
        total = _sum((own, *(self.modules[s.module].total * s.repeat for s in steps if isinstance(s, Call))))
        module = Module(
            class_name=f"{cls.__module__}.{cls.__qualname__}",
            path=run.path,
            repeat=1,
            signature=signature(run.module),
            inputs=inputs,
            outputs=outputs,
            source=_forward_place(code, cls),
            end_line=source.end_line(code) if code is not None else 0,
            steps=steps,
            lines=self._lines(run, code),
            own=own,
            total=total,
            fused=NOTHING,
        )
        key = (module.class_name, module.signature, inputs, tuple(_without_names(s) for s in steps))
        if key in self.unique:
            return self.unique[key]
        module = replace(module, fused=fused_cost(flat, outputs, self.modules, self.flat))
        causal = getattr(run.module, "is_causal", False) is True
        if causal or any(isinstance(s, Kernel) and s.op == CAUSAL for s in steps):
            self.scope.masked[(module.class_name, module.path)] = masked_flops(flat, causal)
        self.modules.append(module)
        self.flat.append(flat)
        self.unique[key] = len(self.modules) - 1
        return len(self.modules) - 1

    def _step(self, event: Any, numbers: dict[int, int]) -> Kernel | Call:
        if isinstance(event, CallEvent):
            index = self.module(event.module)
            ins = tuple(self.spec(r, numbers) for r in event.inputs)
            outs = tuple(self.spec(r, numbers) for r in event.outputs)
            stack = places(event.where)
            return Call(index, stack[0].line if stack else 0, stack, (event.name,), ins, outs)
        return self._kernel(event, numbers)

    def _kernel(self, event: OpEvent, numbers: dict[int, int]) -> Kernel:
        ins = tuple(self.spec(r, numbers) for r in event.inputs)
        outs = tuple(self.spec(r, numbers) for r in event.outputs)
        cost, fused, rule, text = (
            (NOTHING, NOTHING, "view", "a view: no element is computed or moved")
            if event.view
            else self._price(event)
        )
        stack = places(event.where)
        return Kernel(
            str(event.func),
            stack[0].line if stack else 0,
            stack,
            ins,
            outs,
            cost,
            fused,
            rule,
            text,
        )

    def _price(self, event: OpEvent) -> tuple[Cost, Cost, str, str]:
        key = (
            event.func,
            _hashable(event.args),
            _hashable(tuple(event.kwargs.items())),
            tuple((r.dims, r.dtype, r.role) for r in (*event.inputs, *event.outputs)),
        )
        found = self.priced.get(key)  # to hash a key is to hash all its sizes: an op on a list has hundreds
        if found is None:
            found = self.priced[key] = self._priced(event)
        if isinstance(found, str):
            where = places(event.where)
            self.gaps.setdefault(Gap(str(event.func), str(where[-1]) if where else "?", found))
            return NOTHING, NOTHING, "", "not priced"
        touched = Cost(found.cost.flops, found.cost.matmul_flops, found.touched_read, found.touched_write)
        return found.cost, touched, found.rule.name, found.analysis

    def _priced(self, event: OpEvent) -> rules.Price | str:
        """The price, or why there is none; a rule that breaks on an op it does not foresee is no price either."""
        try:
            return (
                rules.price_in_full(self._op(event), self.convention) or "no rule prices this op in this form"
            )
        except Exception as error:
            return f"its rule failed: {type(error).__name__}: {error}"

    def _op(self, event: OpEvent) -> Op:
        seen: dict[int, TensorSpec] = {}
        numbers: dict[int, int] = {}  # shared, so that two tensors of one op are never taken for the same
        spec = lambda r: seen.setdefault(r.uid, self.spec(r, numbers))  # noqa: E731
        schema = [a for a in event.func._schema.arguments if not a.kwarg_only]
        args = list(event.args) + [a.default_value for a in schema[len(event.args) :]]
        return Op(
            str(event.func),
            tuple(self._argument(a, spec) for a in args),
            {k: self._argument(v, spec) for k, v in event.kwargs.items()},
            tuple(spec(r) for r in event.inputs),
            tuple(spec(r) for r in event.outputs),
        )

    def _argument(self, value: Any, spec: Callable) -> Any:
        if isinstance(value, TensorRef):
            return spec(value)
        if isinstance(value, (list, tuple)):
            return tuple(self._argument(v, spec) for v in value)
        if type(value) is int and value in self.scope.known:
            return self.scope.known[value]
        return value

    def spec(self, ref: TensorRef, numbers: dict[int, int]) -> TensorSpec:
        """The tensor with its bytes symbol, numbered by first appearance in its module."""
        size = _BYTES_OF_ROLE[ref.role] if ref.dtype is self.dtype else const(ref.dtype.itemsize)
        return TensorSpec(
            ref.dims,
            _name_of(ref.dtype),
            ref.role,
            size,
            numbers.setdefault(ref.uid, len(numbers)),
        )

    def _lines(self, run: ModuleRun, forward: Any) -> tuple[Line, ...]:
        """The line table of forward and of each helper that ran below it."""
        kinds: dict[Any, dict[str, set[int]]] = {}
        for e in run.events:
            kind = "calls" if isinstance(e, CallEvent) else "views" if e.view else "computes"
            for code, line in e.where:
                hit = kinds.setdefault(code, {"calls": set(), "views": set(), "computes": set()})
                hit[kind].add(line)
        ran = {c: set(lines) for c, lines in run.ran.items()}
        for code, hit in kinds.items():
            ran.setdefault(code, set()).update(*hit.values())
        out: list[Line] = []
        order = sorted(
            (c for c in kinds if c is not forward), key=lambda c: (c.co_filename, c.co_firstlineno)
        )
        for code in ([forward] if forward is not None else []) + order:
            hit = kinds.get(code, {"calls": set(), "views": set(), "computes": set()})
            out += source.line_table(code, hit["computes"], hit["views"], hit["calls"], ran.get(code, set()))
        return tuple(out)


def fold(steps: list[Kernel | Call]) -> tuple[Kernel | Call, ...]:
    """Equal steps become one with a count, in order of first appearance: layers of a loop, experts, unrolled steps."""
    found: dict[Any, list[tuple[int, Kernel | Call]]] = {}
    for at, s in enumerate(steps):
        found.setdefault(_key(s), []).append((at, s))
    return tuple(_folded(several) for several in found.values())


def _folded(several: list[tuple[int, Kernel | Call]]) -> Kernel | Call:
    same = [s for _, s in several]
    turns: tuple[Turn, ...] = tuple([(at, tuple([t.uid for t in (*s.inputs, *s.outputs)])) for at, s in several])
    first = same[0]
    names = {"names": tuple(n for s in same if isinstance(s, Call) for n in s.names)}
    return replace(
        first, repeat=sum(s.repeat for s in same), turns=turns, **(names if isinstance(first, Call) else {})
    )


def _key(s: Kernel | Call) -> tuple:
    shapes = tuple((t.dims, t.dtype, t.role) for t in (*s.inputs, *s.outputs))
    if isinstance(s, Call):
        return (s.module, s.stack, shapes)
    return (s.op, s.stack, s.cost.flops, s.cost.read, s.cost.write, shapes)


def _without_names(s: Kernel | Call) -> Any:
    return replace(s, names=(), repeat=s.repeat) if isinstance(s, Call) else s


def masked_flops(steps: list[Kernel | Call], causal: bool) -> Formula:
    """FLOPs that a causal attention spends above the diagonal of its square score matrices.

    Of S x S scores, S (S + 1) / 2 are useful. The module says itself that it is `causal`; else only the kernels count that
    were called as such.
    """
    kernels = [s for s in steps if isinstance(s, Kernel)]
    lost = ZERO
    for k in kernels:
        if k.op == CAUSAL and (rows := k.inputs[0].dims[-2]) == k.inputs[1].dims[-2]:
            lost = lost + k.cost.flops * k.repeat * (rows - 1) / (rows * 2)
    if not causal:
        return lost
    squares = {s.outputs[0].dims[-2:] for s in kernels if "softmax" in s.rule and len(s.outputs[0].dims) > 2}
    squares = {pair for pair in squares if pair[0] == pair[1] and pair[0].constant() is None}
    for k in kernels:
        for pair in squares & {t.dims[-2:] for t in (*k.inputs, *k.outputs)}:
            lost = lost + k.cost.flops * k.repeat * (pair[0] - 1) / (pair[0] * 2)
    return lost


def count_repeats(modules: list[Module], root: int) -> list[int]:
    """How often each module is called in one pass of the root."""
    times: list = [0] * len(modules)
    times[root] = 1
    for i in range(len(modules) - 1, -1, -1):  # callers come after what they call
        for s in modules[i].steps:
            if isinstance(s, Call):
                times[s.module] += times[i] * s.repeat
    return times


def places(where: Where) -> tuple[Place, ...]:
    """From the line of forward to the op; decorators around forward left out."""
    start = next((i for i, (c, _) in enumerate(where) if c.co_name == "forward"), None)
    if start is None:
        start = 0
    return tuple(source.place(c, line) for c, line in where[start:])


def signature(module: torch.nn.Module) -> str:
    """The class with what its author shows of it: `Linear(in_features=4096, out_features=1024, bias=False)`."""
    with speaking():
        shown = module.extra_repr() if type(module).extra_repr is not torch.nn.Module.extra_repr else ""
    return f"{type(module).__name__}({shown})" if "\n" not in shown else type(module).__name__ + "()"


def _code_that_ran(run: ModuleRun) -> Any:
    """The forward of the class; where a decorator put another function in its place, that function."""
    code = getattr(source.forward_of(type(run.module)), "__code__", None)
    ran = [c for e in run.events for c, _ in e.where]
    if not ran or code in ran or code in run.ran:
        return code
    return next((c for c in ran if c.co_name.endswith("forward")), ran[0])


def _forward_place(code: Any, cls: type) -> Place:
    return (
        source.place(code, code.co_firstlineno)
        if code is not None
        else Place(cls.__module__.replace(".", "/") + ".py", 0)
    )


def _sum(costs: Any) -> Cost:
    costs = list(costs)
    return Cost(
        *(add(getattr(c, name) for c in costs) for name in ("flops", "matmul_flops", "read", "write"))
    )


@cache
def _name_of(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _hashable(value: Any) -> Any:
    if isinstance(value, TensorRef):
        return (value.dims, value.dtype, value.role)
    if isinstance(value, (list, tuple)):
        return tuple(_hashable(v) for v in value)
    return value if isinstance(value, (int, float, str, bool, type(None))) else str(value)
