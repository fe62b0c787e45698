# At which other sizes a trace is checked: those that take the same branches as the first one did.
from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from cutaway.formula.core import Func
from cutaway.trace.dim import Scope
from cutaway.trace.inputs import InputPlan
from cutaway.trace.record import ModuleRun, constants
from cutaway.trace.validity import choices

FAR = 256  # a move so far changes how often a loop over chunks of the usual lengths turns
# Other values are tried in this order; those that take the same branches serve for the check.
_TIMES = (1, -1, 2, 3)
_DELTAS = (256, -256, 64, -64, 16, 4, -4, 3, -3, 1, -1)
_ODD = (37, -37, 26, -26, 5, -5, 2, -2, 1, -1)


def other_hints(
    scope: Scope, hints: Mapping[str, int], plan: InputPlan, limit: int | None, shorter: bool = False
) -> dict[str, int]:
    """Values that differ from `hints` where they can, take the same branches, and stay within `limit` tokens.

    Long sizes move by multiples of 768, so that what is left over from chunks of the usual lengths stays the same.
    They are `shorter` where that is asked for and takes the same branches too.
    """
    step = plan.steps
    for factor in sorted(_TIMES) if shorter else _TIMES:
        other = {n: _moved(v, factor, step.get(n, 1)) for n, v in hints.items()}
        if _allowed(other, hints, limit) and _same_branches(scope, other):
            return other
    return _one_by_one(scope, hints, step, limit)


def others(
    scope: Scope, hints: Mapping[str, int], plan: InputPlan, limit: int | None, shorter: bool
) -> Iterator[dict[str, int]]:
    """Values for the check, the best first: all of them far from `hints`; a little; one alone, for what takes few others."""
    for less in (shorter, not shorter):
        yield other_hints(scope, hints, plan, limit, less)
    step = plan.steps
    yield _one_by_one(scope, hints, step, limit, _DELTAS[::-1])
    yield from more_hints(scope, hints, plan, limit)
    for n, v in hints.items():
        moved = ({**hints, n: v + d * step.get(n, 1)} for d in _ODD if v > 1)
        yield from (m for m in moved if _allowed(m, hints, limit) and _same_branches(scope, m))


def more_hints(
    scope: Scope, hints: Mapping[str, int], plan: InputPlan, limit: int | None
) -> list[dict[str, int]]:
    """Sets of values that take the same branches and leave other rests than `hints` in divisions."""
    step = plan.steps
    moved = ({n: v if v == 1 else v + d * step.get(n, 1) for n, v in hints.items()} for d in _ODD)
    return [m for m in moved if _allowed(m, hints, limit) and _same_branches(scope, m)]


def alike_first(scope: Scope, root: ModuleRun, several: Iterable[dict[str, int]]) -> Iterator[dict[str, int]]:
    """Sizes that tell most come before the others: all moved, as far as the best of them are, no numbers of the run's own, and
    chunks as whole as there."""
    own, later = constants(root), []
    least: dict[str, int] = {}
    for other in several:
        moved = {n: abs(v - scope.hints.get(n, v)) for n, v in other.items()}
        least = least or {n: min(far, FAR) for n, far in moved.items()}
        as_far = all(moved[n] >= far for n, far in least.items())  # nearby, as many chunks are looped over
        if as_far and own.isdisjoint(v for v in other.values() if v > 1) and _as_whole(scope, other):
            yield other
        else:
            later.append(other)
    yield from later


def _as_whole(scope: Scope, other: Mapping[str, int]) -> bool:
    """Whether the same chunks are whole as in the run: with nothing to pad, code makes no copies and cuts nothing off."""
    return all(_is_whole(a, scope.hints) == _is_whole(a, other) for f in scope.counts for m in f.terms for a, _ in m)


def _is_whole(chunks: object, at: Mapping[str, int]) -> bool:
    """Whether `floor(size / chunk)` or `ceil(size / chunk)`, which is the floor of `chunk - 1` more, leaves no rest."""
    if not isinstance(chunks, Func) or chunks.name != "floor":
        return False
    size, chunk = (part.evaluate(at) for part in chunks.args)
    return size % chunk == (chunk - 1 if chunks.args[0].terms.get((), 0) == chunk - 1 else 0)


def _same_branches(scope: Scope, values: Mapping[str, int]) -> bool:
    """Whether comparisons come out alike, and numbers of chunks stay none, one or above: code asks no question there."""
    return all(g.holds(values) for g in choices(scope)) and all(
        min(f.evaluate(values), 2) == min(met, 2) for f, met in scope.counts.items()
    )


def _allowed(other: Mapping[str, int], hints: Mapping[str, int], limit: int | None) -> bool:
    tokens = [v for n, v in other.items() if n.endswith("_len") and limit is not None and hints[n] < limit]
    return all(v > 1 or hints[n] == 1 for n, v in other.items()) and all(v < (limit or v + 1) for v in tokens)


def _moved(value: int, times: int, step: int) -> int:
    if value == 1:
        return 1
    if step > 1 or value < 128:
        return value + times * (4 if step == 1 else step)
    return value + times * (768 if value >= 768 else 128 if value >= 256 else 64)


def _one_by_one(
    scope: Scope,
    hints: Mapping[str, int],
    step: Mapping[str, int],
    limit: int | None,
    deltas: Sequence[int] = _DELTAS,
) -> dict[str, int]:
    """Where no common move will do, move each symbol by the first of these that the branches taken allow."""
    other = dict(hints)
    for n, v in hints.items():
        for delta in deltas:
            moved = {**other, n: v + delta * step.get(n, 1)}
            if v > 1 and moved[n] > 1 and _allowed(moved, hints, limit) and _same_branches(scope, moved):
                other = moved
                break
    return other
