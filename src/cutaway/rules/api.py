# The types that a rule is written in, and the decorator that puts it in the table. Registering a name twice
# is an error here and now: a second rule that silently wins is how cost tools come to disagree with
# themselves.
from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from cutaway.errors import BadValue
from cutaway.formula import Formula
from cutaway.formula.core import ZERO
from cutaway.model import TensorSpec

# What a kernel is, for fusion and for tables: a closed list, kept by a test.
KINDS = {
    "matmul": "a matrix product, with its bias",
    "conv": "a convolution",
    "attention": "scaled dot product attention in one kernel",
    "rnn": "a recurrent layer or cell in one kernel",
    "elementwise": "each output element from the input elements at its place",
    "reduction": "many elements into few: sum, mean, max, norm, loss",
    "softmax": "softmax and log-softmax along one dimension",
    "norm": "layer, RMS, group, batch and local response normalisation",
    "scan": "running sums and the like along one dimension",
    "pool": "pooling over windows",
    "resample": "interpolation and grid sampling",
    "fft": "discrete Fourier transforms",
    "linalg": "factorisations, solvers and determinants",
    "gather": "reads rows or elements of a tensor by index",
    "scatter": "writes rows or elements of a tensor by index",
    "copy": "moves elements unchanged: clone, cat, pad, repeat, flip",
    "cast": "moves elements and changes their type",
    "sort": "orders elements: sort, topk, unique, searchsorted",
    "factory": "makes a tensor from constants",
    "random": "draws random numbers",
    "data": "result or size depends on the values: nonzero, item",
    "view": "new sizes over the same memory, not marked as such in its schema",
    "check": "assertions and metadata, no tensor work",
}


@dataclass(frozen=True, slots=True)
class Op:
    """One executed aten op, as the tracer saw it.

    `args` are positional in schema order with defaults filled in (tensors are `TensorSpec`, sizes int or
    Formula, lists tuples); for in-place ops the written tensor is in `outputs`.
    """

    name: str  # "aten.mm.default"
    args: tuple
    kwargs: dict
    inputs: tuple[TensorSpec, ...]  # distinct tensor inputs in order
    outputs: tuple[TensorSpec, ...]

    @property
    def base(self) -> str:
        """The bare name: `add` of `aten.add_.Tensor`."""
        bare = base_name(self.name).rpartition(".")[2]
        return bare if bare.endswith("__") else bare.rstrip("_") or bare

    def arg(self, index: int, name: str = "", default: Any = None) -> Any:
        """The argument at `index`, else the keyword `name`, else `default`."""
        return self.args[index] if index < len(self.args) else self.kwargs.get(name, default)


@dataclass(frozen=True, slots=True)
class Count:
    """How many of each an op does, and what of its tensors it really touches (None: all of it)."""

    analysis: str  # one sentence for people: what is computed
    fma: Formula = ZERO  # multiply-adds of matmul-like work
    elementwise: Formula = ZERO  # adds, multiplies, divides
    transcendental: Formula = ZERO
    reduction: Formula = ZERO  # elements that a sum or a maximum takes in
    read_touched: Formula | None = None  # bytes; for fused execution only
    write_touched: Formula | None = None


@dataclass(frozen=True, eq=False)
class Rule:
    """What ops of these names cost. `counted` and `not_counted` are sentences for people."""

    names: tuple[str, ...]  # "aten.mm", or "aten.pow.Scalar" for one overload
    kind: str
    count: Callable[[Op], Count]
    formula: str
    counted: str
    not_counted: str
    source: str  # paper, kernel file, or definition
    known_to_flop_counter: bool = (
        False  # torch's FlopCounterMode counts it too, so matmul_flops must be equal
    )

    @cached_property
    def name(self) -> str:
        return self.names[0]


class CannotPrice(Exception):
    """Raised by a rule for arguments that leave no formula; the op is then one without a price."""


TABLE: dict[str, Rule] = {}


def rule(*names: str, kind: str, source: str, known_to_flop_counter: bool = False) -> Callable:
    """Put the decorated `count(op) -> Count` in the table under `names` (`mm` is short for `aten.mm`).

    Its docstring is its documentation: the first line the formula, then `Counted:` and `Not counted:`.
    """

    def put(count: Callable[[Op], Count]) -> Callable[[Op], Count]:
        formula, counted, not_counted = read_docstring(count)
        register(
            Rule(
                tuple(n if "." in n else f"aten.{n}" for n in names),
                kind,
                count,
                formula,
                counted,
                not_counted,
                source,
                known_to_flop_counter,
            )
        )
        return count

    return put


def register(new: Rule) -> None:
    """Put a rule in the table; BadValue when a name of it is taken or it does not say what it is."""
    if new.kind not in KINDS:
        raise BadValue(f"rule {new.name}: no such kind {new.kind!r}", known=", ".join(KINDS))
    if not (new.formula and new.counted and new.source):
        raise BadValue(
            f"rule {new.name} lacks its formula, what it counts, or its source",
            try_="a docstring: formula, 'Counted: …', 'Not counted: …'",
        )
    for name in new.names:
        if name in TABLE or new.names.count(name) > 1:
            raise BadValue(f"{name} has a rule already", known=f"in the rule {TABLE.get(name, new).name}")
    TABLE.update(dict.fromkeys(new.names, new))


def read_docstring(count: Callable) -> tuple[str, str, str]:
    """Formula, counted and not counted, from `formula / Counted: … / Not counted: …`."""
    text = inspect.getdoc(count) or ""
    formula, _, rest = text.partition("\n")
    found = re.search(r"Counted:(.*?)(?:Not counted:(.*))?$", rest, re.DOTALL)
    counted, not_counted = found.groups() if found else (rest or formula, None)
    return formula.strip(), _one_line(counted), _one_line(not_counted or "nothing.")


def base_name(name: str) -> str:
    """The name without its overload: `aten.add_` of `aten.add_.Tensor` or `aten::add_.Tensor`."""
    return ".".join(name.replace("::", ".").split(".")[:2])


def _one_line(text: str) -> str:
    return " ".join(text.split())
