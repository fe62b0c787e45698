# The check itself: where a run at other sizes says something else than the first one, formula by formula.
from __future__ import annotations

from cutaway.formula import Formula
from cutaway.model import Gap
from cutaway.trace.record import CallEvent, ModuleRun, OpEvent


def differences(a: ModuleRun, b: ModuleRun) -> list[Gap]:
    """Where two runs at different sizes do not agree: there the formulas of the first cannot be trusted."""
    found: list[Gap] = []
    _compare(a, b, found, set())
    return found


def _compare(a: ModuleRun, b: ModuleRun, found: list[Gap], seen: set[tuple[int, int]]) -> None:
    if (id(a), id(b)) in seen or len(found) > 20:
        return
    seen.add((id(a), id(b)))
    if len(a.events) != len(b.events):
        found.append(
            Gap(
                type(a.module).__name__,
                a.path,
                f"the number of ops depends on the sizes ({len(a.events)} or {len(b.events)})",
                approximate=True,
            )
        )
        return
    for x, y in zip(a.events, b.events, strict=True):
        if isinstance(x, CallEvent) and isinstance(y, CallEvent):
            _compare(x.module, y.module, found, seen)
        elif isinstance(x, OpEvent) and isinstance(y, OpEvent) and x.func is y.func:
            _compare_op(x, y, found)
        else:
            found.append(Gap(_name(x), _place(x), "other sizes run another op here", True))
            return


def _compare_op(x: OpEvent, y: OpEvent, found: list[Gap]) -> None:
    for r, s in zip(x.outputs, y.outputs, strict=False):
        if r.dims != s.dims:
            why = f"a size is not understood: {_dims(r.dims)} or {_dims(s.dims)}"
            found.append(Gap(_name(x), _place(x), why, approximate=True))
            return


def _dims(dims: tuple[Formula, ...]) -> str:
    return "[" + ", ".join(str(d) for d in dims) + "]"


def _name(e: OpEvent | CallEvent) -> str:
    return str(e.func) if isinstance(e, OpEvent) else type(e.module.module).__name__


def _place(e: OpEvent | CallEvent) -> str:
    from cutaway.trace.assemble import places

    found = places(e.where)
    return str(found[-1]) if found else "?"
