# What a number of one call is: the formula of a size of its inputs, of a symbolic argument, or of a size of the model.
from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from cutaway.formula import Formula, const
from cutaway.trace.dim import Dim, Guard, Scope, exact_quotient

Sizes = Sequence[int]
Dims = tuple[Formula, ...]
Makers = dict[str, Callable[..., Dims | None]]  # by the op's base name: from (args, out sizes, inputs, resolver)


class Resolver:
    """Finds formulas for the numbers of one call."""

    def __init__(
        self,
        scope: Scope,
        call_dims: Sequence[Any],
        inputs: Sequence[tuple[Sizes, Dims]],
        call_sizes: Sequence[int] = (),
    ):
        self.scope, self.call_dims, self.call_sizes = scope, call_dims, call_sizes
        self.inputs = inputs
        self.telling = scope.telling

    @cached_property
    def local(self) -> dict[int, Formula]:
        """What the numbers of this call's own tensors and arguments are; most ops have a rule that does not ask."""
        found: dict[int, Formula] = {}
        for sizes, dims in self.inputs:
            for v, f in zip(sizes, dims, strict=True):
                if v >= self.telling and f.constant() is None:
                    found.setdefault(v, f)
        for d in self.call_dims:  # an argument of this very call knows best
            found[int(d)] = d.formula
        return found

    def find(self, value: int) -> Formula | None:
        """The formula for this number, when it is known."""
        if value in (-1, 0, 1):  # which are everywhere: a size that is one of them here is not followed at other sizes
            if value in self.local:
                self.scope.note(Guard(self.local[value] - value, "==", True))
            return const(value)
        found = self.local.get(value) or (self.scope.known.get(value) if value >= self.telling else None)
        return found or (self._part_of_known(value) if self.scope.architecture and value >= 256 else None)

    def _part_of_known(self, value: int) -> Formula | None:
        """An architecture size divided by a small number: a constructor may compute it on plain ints, as `width // groups`."""
        for k in range(2, 65):
            whole = self.scope.known.get(value * k)
            if whole is not None and whole.symbols() <= self.scope.architecture:
                return exact_quotient(whole, const(k))
        return None

    def number(self, value: int) -> Formula:
        """The formula for an integer argument; a number that nothing explains is the constant it is."""
        found = self.find(value)
        if found is None and value < 0 and (positive := self.find(-value)) is not None:
            return -positive
        return const(value) if found is None else found

    def named(self, value: int) -> Formula:
        """The formula of a size that the call names: a plain small number is itself, whatever else has its value."""
        if isinstance(value, Dim):
            return value.formula
        return (self.scope.known.get(value) if value >= self.telling else None) or const(value)


def quotient(a: Formula, b: Formula) -> Formula | None:
    """`a / b` where that is a formula."""
    try:
        return a / b
    except (ValueError, ZeroDivisionError):
        return None
