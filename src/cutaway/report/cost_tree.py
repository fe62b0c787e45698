# The whole model at a glance: who calls whom and what each call costs in the whole pass.
"""The tree of calls, with costs over all repeats."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cutaway.model import Analysis, Call, Cost, Module
from cutaway.report.words import names_text


@dataclass(frozen=True)
class Node:
    """One call in the tree: `times` in the whole pass, `cost` over all of them."""

    name: str
    module: Module
    times: int
    depth: int
    last: tuple[bool, ...]  # at each level above, whether this branch was the last one there
    hides: int  # calls below that the depth limit leaves out

    @property
    def cost(self) -> Cost:
        return self.module.total * self.times

    @property
    def fused(self) -> Cost:
        return self.module.fused * self.times


def tree(analysis: Analysis, depth: int | None = None) -> list[Node]:
    """Every call, parents before children, in the order of execution; `depth` levels below the root."""
    root = analysis.modules[0]
    return list(_walk(analysis, root, "", 1, (), depth))


def shown_modules(analysis: Analysis, depth: int | None = None) -> list[Module]:
    """The distinct modules of that tree, the dearest in the whole pass first."""
    nodes = tree(analysis, depth)
    return list({id(node.module): node.module for node in nodes}.values())


def _walk(
    analysis: Analysis, module: Module, name: str, times: int, last: tuple[bool, ...], depth: int | None
) -> Iterator[Node]:
    calls = [s for s in module.steps if isinstance(s, Call)]
    stop = depth is not None and len(last) >= depth
    yield Node(name, module, times, len(last), last, len(calls) if stop else 0)
    for i, call in enumerate(() if stop else calls):
        callee = analysis.modules[call.module]
        yield from _walk(
            analysis,
            callee,
            names_text(call, module),
            times * call.repeat,
            (*last, i == len(calls) - 1),
            depth,
        )
