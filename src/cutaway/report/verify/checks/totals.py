# A total that its parts do not add up to is the one mistake that a reader of a cost table can never see.
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cutaway.errors import BadValue
from cutaway.formula import Formula, const, parse
from cutaway.report.verify.checks.values import differing
from cutaway.report.verify.model import Check, Document, Finding

__all__ = ["CHECK"]

FIGURES = ("flops", "matmul_flops", "memory_access/read", "memory_access/write")


def find(document: Document) -> Iterator[Finding]:
    data = document.data
    if (
        document.kind != "cost"
        or data is None
        or not isinstance(data.get("modules"), list)
        or not data["modules"]
    ):
        return
    blamed = [where for where, _ in differing(document)]
    modules = data["modules"]
    for figure in FIGURES:
        root = _formula(modules[0], f"total/{figure}")
        total = _formula(data, f"totals/{figure}")
        if (
            root is not None
            and total is not None
            and root != total
            and not _known(blamed, "/totals/", figure)
        ):
            yield Finding(
                "total", f"the totals' {figure} is not that of the root module", where=f"/totals/{figure}"
            )
        for i, module in enumerate(modules):
            where = f"/modules/{i}/total/{figure}"
            parts, said = _sum(modules, module, figure), _formula(module, f"total/{figure}")
            if (
                parts is not None
                and said is not None
                and parts != said
                and not _known(blamed, f"/modules/{i}/", figure)
            ):
                name = module.get("class_name", i)
                yield Finding(
                    "total",
                    f"{name}: the kernels' {figure} add up to `{parts}`, not to `{said}`",
                    where=where,
                )


def _sum(modules: list[Any], module: Any, figure: str) -> Formula | None:
    """The sum over the module's kernels and the modules that it calls; None if one of them cannot be read."""
    total: Formula | None = const(0)
    for kernel in module.get("kernels", ()) if isinstance(module, dict) else ():
        repeat = kernel.get("repeat", 1) if isinstance(kernel, dict) else None
        called = kernel.get("module") if repeat and kernel.get("kernel_type") == "composite" else None
        known = isinstance(called, int) and 0 <= called < len(modules)
        one = _formula(modules[called], f"total/{figure}") if known else _formula(kernel, figure)
        times = _parsed(repeat)
        if one is None or times is None or total is None:
            return None
        total = total + one * times
    return total


def _formula(value: Any, where: str) -> Formula | None:
    for key in where.split("/"):
        value = value.get(key) if isinstance(value, dict) else None
    return _parsed(value)


def _parsed(value: Any) -> Formula | None:
    try:
        return parse(str(value)) if isinstance(value, str | int) else None
    except BadValue:
        return None


def _known(blamed: list[str], inside: str, figure: str) -> bool:
    """Whether the number beside it has already been found to differ: one mistake is one finding."""
    return any(where.startswith(inside) and where.endswith(f"/{figure}") for where in blamed)


CHECK = Check("total", "the kernels and modules of a cost add up to its totals, as formulas", find)
