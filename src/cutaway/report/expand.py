# References resolved: the whole pass as one nested structure, and the proof that its parts add up to the
# total.
"""`expand(analysis)`: every `${{Class}}(…)` replaced by the kernels of that class."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cutaway.formula.core import add
from cutaway.model import Analysis, Call, Kernel, Module
from cutaway.report.cost_json import call_dict, kernel_dict
from cutaway.report.values import complete


class SumMismatch(RuntimeError):
    """The kernels of the tree do not add up to the total: a fault of ours, never of the model."""


def expand(analysis: Analysis, depth: int | None = None) -> list[dict[str, Any]]:
    """The root's kernels, composite ones holding those of their module, down to `depth` levels."""
    check_sums(analysis)
    at = complete(analysis)

    def kernels(module: Module, left: int | None) -> list[dict[str, Any]]:
        return [one(module, step, left) for step in module.steps]

    def one(caller: Module, step: Kernel | Call, left: int | None) -> dict[str, Any]:
        if isinstance(step, Kernel):
            return kernel_dict(step, at)
        callee = analysis.modules[step.module]
        row = call_dict(step, caller, callee, at)
        return row if left == 0 else row | {"kernels": kernels(callee, None if left is None else left - 1)}

    return kernels(analysis.modules[0], depth)


def check_sums(analysis: Analysis) -> None:
    """Raise `SumMismatch` unless every kernel, times all repeats above it, adds up to the total exactly.

    Fused traffic is no sum: modules that meet in one kernel share what passes between them.
    """
    parts = list(_leaves(analysis, analysis.modules[0], 1))
    for what in ("flops", "matmul_flops", "read", "write"):
        found = add([getattr(kernel.cost, what) * times for kernel, times in parts])
        total = getattr(analysis.total, what)
        if found != total:
            raise SumMismatch(f"{what}: the kernels add up to {found}, the total says {total}")


def _leaves(analysis: Analysis, module: Module, times: int) -> Iterator[tuple[Kernel, int]]:
    for step in module.steps:
        if isinstance(step, Kernel):
            yield step, times * step.repeat
        else:
            yield from _leaves(analysis, analysis.modules[step.module], times * step.repeat)
