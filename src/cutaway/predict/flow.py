# The whole pass as one line of kernels with named tensors: calls are inlined, what was folded is unfolded, and a view
# is the tensor that holds its memory. Which kernels belong together can then be read off who uses what.
"""`unfold(analysis)`: every kernel of a pass, in order, with the tensors it reads and writes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

from cutaway.model import Analysis, Call, Kernel, Module, Step, TensorSpec
from cutaway.rules import lookup

if TYPE_CHECKING:
    from cutaway.formula import Formula

LAYOUT = ("aten.clone.default", "aten.contiguous.default")  # a kernel of an engine reads any layout


@dataclass(slots=True)
class Node:
    """One execution of a kernel. `reads` and `writes` name memory, in the order of the kernel's tensors."""

    kernel: Kernel
    kind: str  # of the rule that priced it; "other" where none did
    path: str  # of the module in whose forward it stands
    call: int  # which call of that module
    place: str  # path:line in the model's own code
    reads: tuple[int, ...]
    writes: tuple[int, ...]
    times: int | Formula = 1  # turns of a fitted loop

    @property
    def key(self) -> tuple[int, object]:
        """Equal for repetitions of the same kernel in other layers."""
        return id(self.kernel), self.times


@dataclass
class Flow:
    """All nodes; what each memory looks like; what the pass was given and what it hands back."""

    nodes: list[Node] = field(default_factory=list)
    memory: dict[int, TensorSpec] = field(default_factory=dict)
    inputs: tuple[int, ...] = ()
    outputs: tuple[int, ...] = ()
    called: int = 0
    views: dict[int, int] = field(default_factory=dict)

    def base(self, uid: int) -> int:
        """The tensor that holds the memory of `uid`."""
        while uid in self.views:
            uid = self.views[uid]
        return uid


def unfold(analysis: Analysis) -> Flow:
    """The pass of `analysis` in the order of execution."""
    flow, root, names = Flow(), analysis.modules[0], _Names(count())
    _inline(flow, analysis.modules, root, names, 1, "")
    flow.inputs = tuple(flow.base(names[t.uid]) for t in root.inputs)
    flow.outputs = tuple(flow.base(names[t.uid]) for t in root.outputs)
    return flow


class _Names(dict[int, int]):
    """A module's own numbers of tensors -> those of the whole pass."""

    def __init__(self, numbers: Iterator[int]):
        super().__init__()
        self.numbers = numbers

    def __missing__(self, uid: int) -> int:
        self[uid] = next(self.numbers)
        return self[uid]


def _inline(
    flow: Flow, modules: tuple[Module, ...], module: Module, names: _Names, times: int | Formula, caller: str
) -> None:
    flow.called += 1
    call = flow.called
    library = module.class_name.startswith("torch.") and bool(caller)
    for step, uids, turns in _in_order(module):
        place = caller if library or not step.stack else str(step.stack[0])
        ins, outs = uids[: len(step.inputs)], uids[len(step.inputs) :]
        if isinstance(step, Call):
            callee = modules[step.module]
            inner = _Names(names.numbers)
            for own, uid in zip(callee.outputs, outs, strict=False):
                inner[own.uid] = names[uid]
            for own, uid in zip(callee.inputs, ins, strict=False):
                inner[own.uid] = names[uid]
            _inline(flow, modules, callee, inner, turns * times, place)
            for own, uid in zip(
                callee.outputs, outs, strict=False
            ):  # what is handed through is the same tensor
                if inner[own.uid] != names[uid] and names[uid] not in flow.views:
                    flow.views[names[uid]] = inner[own.uid]
        elif step.rule == "view" or step.op in LAYOUT:
            _view(flow, step, [names[u] for u in ins], [names[u] for u in outs])
        else:
            found = lookup(step.rule) if step.rule else None
            reads = tuple(flow.base(names[u]) for u in ins)
            writes = tuple(flow.base(names[u]) for u in outs)
            for uid, spec in zip((*reads, *writes), (*step.inputs, *step.outputs), strict=True):
                flow.memory.setdefault(uid, spec)
            flow.nodes.append(
                Node(
                    step,
                    found.kind if found else "other",
                    module.path,
                    call,
                    place,
                    reads,
                    writes,
                    turns * times,
                )
            )


def _view(flow: Flow, step: Kernel, ins: list[int], outs: list[int]) -> None:
    for out in outs:
        if ins and flow.base(ins[0]) != out and out not in flow.views:
            flow.memory.setdefault(flow.base(ins[0]), step.inputs[0])
            flow.views[out] = flow.base(ins[0])


def _in_order(module: Module) -> Iterator[tuple[Step, tuple[int, ...], int | Formula]]:
    """Each execution of a step with the tensors it had; a fitted loop stands where it began, all turns together."""
    last, found = 0, []
    for n, step in enumerate(module.steps):
        own = tuple(t.uid for t in (*step.inputs, *step.outputs))
        if not step.turns or len(step.turns[0][1]) != len(own):
            found.append((last, n, step, own, step.repeat))
            continue
        found += [(at, n, step, uids, 1) for at, uids in step.turns]
        last = step.turns[0][0]
    found.sort(key=lambda f: f[:2])
    return ((step, uids, turns) for _, _, step, uids, turns in found)
