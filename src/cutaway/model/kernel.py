# What a forward pass is made of: kernels (one aten op each), calls of submodules, and the modules that hold them.
from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cutaway.model.place import Place
from cutaway.model.tensor import TensorSpec

if TYPE_CHECKING:
    from cutaway.formula import Formula


@dataclass(frozen=True, slots=True)
class Cost:
    """FLOPs (all, and of matmul-like ops alone) and bytes read and written."""

    flops: Formula
    matmul_flops: Formula
    read: Formula
    write: Formula

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.flops + other.flops,
            self.matmul_flops + other.matmul_flops,
            self.read + other.read,
            self.write + other.write,
        )

    def __mul__(self, times: int) -> Cost:
        return Cost(self.flops * times, self.matmul_flops * times, self.read * times, self.write * times)


Turn = tuple[int, tuple[int, ...]]  # where in the order of execution, and the uids of inputs and outputs then


@dataclass(frozen=True, slots=True)
class Kernel:
    """One executed aten op.

    `line` is the line of the module's `forward` that led to it; `stack` the places from that line down to the
    helper that called the op (the last one is where it stands in the source). A view is a kernel of cost zero.
    `cost` is eager; `fused` what is left of its traffic in fused execution.
    """

    op: str  # "aten.mm.default"
    line: int
    stack: tuple[Place, ...]
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    cost: Cost
    fused: Cost
    rule: str  # the name of the rule that priced it; "view" for views; "" when there is none (a gap)
    analysis: str  # one sentence: what is computed, with shapes
    repeat: int = 1
    turns: tuple[Turn, ...] = field(default=(), compare=False, repr=False)  # one each; none where it is fitted


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a submodule. `module` indexes `Analysis.modules`; equal calls are folded into `repeat`."""

    module: int
    line: int
    stack: tuple[Place, ...]
    names: tuple[
        str, ...
    ]  # attribute paths of the called children, below the caller ("layers.0", "layers.1", …)
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    repeat: int = 1
    turns: tuple[Turn, ...] = field(default=(), compare=False, repr=False)


Step = Kernel | Call


@dataclass(frozen=True, slots=True)
class Line:
    """One source line of a forward or of a helper that ran: computes, calls, no_tensor_op or not_taken, and why."""

    path: str
    line: int
    status: str
    why: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Module:
    """One distinct module: equal class, attributes, parameters and input shapes. `total` counts one call of it."""

    class_name: str
    path: str  # of the first instance in the model: "model.layers.0.mlp"; "" for the root
    repeat: int  # calls of it in the whole pass
    signature: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    source: Place  # the `def forward` line
    end_line: int
    steps: tuple[Step, ...]  # in order of execution
    lines: tuple[Line, ...]
    own: Cost  # its kernels alone
    total: Cost  # its kernels and everything below
    fused: Cost  # the same as `total` in fused execution
