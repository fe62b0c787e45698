# One module, the inputs it takes, and what is to be learnt of it: traced, checked at other sizes, fitted where it loops.
from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import torch

from cutaway.errors import CutawayError, ForwardRaised, last_line
from cutaway.model import DEFAULT_CONVENTION, Convention, Gap, Module
from cutaway.trace import source
from cutaway.trace.assemble import Assembler, places
from cutaway.trace.differences import differences
from cutaway.trace.dim import Scope
from cutaway.trace.elsewhere import alike_first, more_hints, others
from cutaway.trace.explain import ROUNDS, Told, explanations, same_ops
from cutaway.trace.inputs import InputPlan, Symbol, make_inputs
from cutaway.trace.limits import position_limit
from cutaway.trace.loops import fit_loops
from cutaway.trace.packed import FEW, few, within_windows
from cutaway.trace.parts import tensors_of
from cutaway.trace.record import CallEvent, ModuleRun, count_ops
from cutaway.trace.recorder import DataDependent, LongLoop, Recorder
from cutaway.trace.run import run
from cutaway.trace.writes import Writes

MANY = 8000  # ops of a pass that is not traced again on the mere suspicion that its first time was special

# So many ops of one forward are a sign of a loop over the tokens, which is fitted from short runs.
LOOP = 3000
TRIES = 16  # sizes that are tried for the check
UNCHECKED = "no other sizes are known at which this branch runs: what it costs comes from a single run"
NESTED = 12000  # so many at short sizes are a sign of one loop in another, which is fitted at the smallest sizes
SHORT = {"batch_size": 131, "seq_len": 149, "cache_len": 173, "encoder_len": 167}

# Unusual values in the usual range, so that a size is not mistaken for another number.
USUAL = {"batch_size": 131, "seq_len": 1009, "cache_len": 1549, "encoder_len": 499, "num_choices": 11}
MOVES = ((1, 0), (2, 29), (2, 1), (1, 52), (1, 37), (1, -52), (1, 768), (1, 3), (1, 1), (1, -1))
SIDES = {"image_height": 13, "image_width": 17}  # patches: their product is told from either side in pixels
STRETCH = {"image_height": 1, "image_width": 1.45}
SMALL = 32  # smaller sizes are easily taken for loop counters


@dataclass(frozen=True)
class Run:
    """What one trace gave: the record, the symbols' scope, what forward returned, and the module that ran."""

    root: ModuleRun
    scope: Scope
    out: Any
    model: torch.nn.Module


Start = tuple[Run, Mapping[str, int], Run | None]  # the first run, its sizes, and a run for the check if there is one


@dataclass(frozen=True)
class Job:
    """What is traced, and how.

    `model` is the built module; with `make`, each trace builds its own, so that architecture symbols can be sizes too.
    `architecture` are the values of those symbols; `twin` is the same job at other values of them, for the check.
    """

    model: torch.nn.Module
    plan: InputPlan
    dtype: torch.dtype
    convention: Convention = DEFAULT_CONVENTION
    memo: bool = True
    make: Callable[[Scope], torch.nn.Module] | None = None
    architecture: Mapping[str, int] = field(default_factory=dict)
    twin: Job | None = None
    usual: Mapping[str, int] = field(default_factory=lambda: USUAL)
    defaults: Mapping[str, int] = field(
        default_factory=dict
    )  # what the config gives for architecture symbols
    writes: Writes = field(default_factory=Writes, compare=False)  # what runs have changed in the model
    limit: int | None = None  # tokens that forward takes; None: as many as its tables have positions for

    @functools.cached_property
    def positions(self) -> int | None:
        """Tokens that the model keeps tables of positions for."""
        return position_limit(self.model)

    @property
    def longest(self) -> int | None:
        """Tokens that a run may have."""
        return self.limit or self.positions

    def derive(
        self, hints: Mapping[str, int], *, start: Start | None = None, check: bool = True, fit: bool = True
    ) -> tuple[Run, list[Module], list[Gap]]:
        """The run, its priced modules (callees first, the root last), and what could not be derived.

        `start` is a start at these `hints`, if there is one already. Without `fit` what a check contradicts is left as gaps.
        """
        first, hints, again = start or self.start(hints)
        modules, gaps = self.modules(first)
        if not check:
            return first, modules, gaps
        twin = self.twin or self
        again = again or self._again(first, hints)
        found = differences(first.root, again.root)
        if found and count_ops(first.root) < MANY:
            second = self.trace(hints)  # a module may prepare something in its first pass: what counts comes after
            if differences(first.root, second.root):
                second.scope.guards.update(first.scope.guards)
                first, (modules, gaps) = second, self.modules(second)
                found = differences(first.root, again.root)
        if found and (known := self._told(first, again)) is not None:
            return known, *self.modules(known)
        if found:
            modules, found = fit_loops(self, first, modules, found, twin, again) if fit else (modules, found)
            gaps += found
            if self.plan.packed:
                seen = (first.scope.hints, again.scope.hints)
                first.scope.guards |= dict.fromkeys(within_windows(self.model, seen))
        return first, modules, gaps

    def start(self, hints: Mapping[str, int]) -> Start:
        """A run of the model as it was built, at these values; at shorter usual ones where it loops over the tokens.

        At the smallest ones where such a loop is in another one. What tells that a loop is long is a run for the check.
        """
        self.writes.undo()
        short = {n: min(v, SHORT.get(n, v)) if v == self.usual.get(n) else v for n, v in hints.items()}
        short = self.plan.with_room(short)
        if short == hints or self.plan.packed:  # loops over images are fitted from few of them, whatever their length
            return self.trace(hints), hints, None
        try:
            return self.trace(hints, most=LOOP), hints, None
        except LongLoop:
            pass
        try:
            few = self.trace(short, most=NESTED)
        except LongLoop:
            shortest = self.smallest({n: 1 for n, v in hints.items() if v == 1})
            return self.trace(shortest), shortest, None
        again, most = self._again(few, short, shorter=True), 2 * _longest(few.root)
        if _longest_at(hints, few, again) <= most:
            with contextlib.suppress(LongLoop):
                return self.trace(hints, most=most), hints, None
        return few, short, again

    def _again(self, first: Run, hints: Mapping[str, int], *, shorter: bool = False) -> Run:
        """A run at other sizes that takes the same branches; the first once more, which is said, where forward takes none."""
        twin, limit = self.twin or self, self.longest
        several = islice(others(first.scope, hints, self.plan, limit, shorter), TRIES)
        for other in alike_first(first.scope, first.root, several):
            with contextlib.suppress(ForwardRaised):
                return twin.trace(other | dict(twin.architecture), lines=False)
        first.scope.assumptions[UNCHECKED] = None
        return twin.trace({**hints, **twin.architecture}, lines=False)

    def _accepted(self, several: Iterable[Mapping[str, int]]) -> Iterator[Run]:
        """Runs at the sizes that forward takes: larger ones may ask for more values than are kept."""
        for hints in several:
            with contextlib.suppress(ForwardRaised):
                yield self.trace(hints, lines=False)

    def _told(self, first: Run, again: Run) -> Run | None:
        """The run once more, told what the sizes are that lost their formula; None where a last run does not agree."""
        if not same_ops(first.root, again.root):
            return None
        twin, limit = self.twin or self, self.longest
        found = more_hints(first.scope, again.scope.hints, self.plan, limit)
        more = twin._accepted(found)
        *runs, check = first, again, *islice((r for r in more if same_ops(first.root, r.root)), 3)
        if len(runs) < 3:
            return None
        told: Told = {}
        for _ in range(ROUNDS):
            before, told = told, explanations([r.root for r in runs], [r.scope for r in runs], told)
            if told == before:
                return None
            runs = [
                (twin if n else self).trace(run.scope.hints, told=told, lines=not n) for n, run in enumerate(runs)
            ]
            if not any(differences(runs[0].root, run.root) for run in runs[1:]):
                last = twin.trace(check.scope.hints, told=told, lines=False)
                return None if differences(runs[0].root, last.root) else runs[0]
        return None

    def regimes(self, values: Mapping[str, int], names: Collection[str]) -> Iterator[dict[str, int]]:
        """Values to trace at in place of the usual ones, for the symbols `names` whose `values` lead into other branches.

        A size is never traced at a number that the model's own sizes have: it could not be told from them. Large
        values tell best where a size went: those below `SMALL` come last, and the other symbols keep theirs.
        """
        usual = self.hints({n: 1 for n, v in values.items() if v == 1})
        near = {n: v for n, v in values.items() if n in usual and n in names and v > 1}
        if not near:
            return
        taken = {d for t in tensors_of(self.model) for d in t.shape}
        step = self.plan.steps
        moves = [{n: times * v + shift * step.get(n, 1) for n, v in near.items()} for times, shift in MOVES]
        plain = [
            m
            for m in moves
            if all(v > 1 and v not in taken and v & (v - 1) for v in m.values())
            and len({*usual.values(), *m.values()}) >= len(m)
        ]
        for moved in sorted(plain, key=lambda m: min(m.values()) < SMALL):
            yield usual | moved
        yield usual | near

    def hints(self, given: Mapping[str, int]) -> dict[str, int]:
        """A value for each symbol: the one given, else an unusual one that the model has positions for."""
        limit = self.longest
        hints: dict[str, int] = {}
        for s in self.plan.symbols:
            wanted = self.usual.get(s.name, _side(s) if s.name in SIDES else s.default)
            if self.plan.packed and s.name in FEW:
                wanted = few(s, self.model)
            if limit is not None and s.name in ("seq_len", "cache_len", "encoder_len") and 2 * wanted > limit:
                wanted = {"seq_len": 5, "cache_len": 6, "encoder_len": 4}[s.name] * limit // 10 | 1
            wanted = max(s.multiple_of, wanted // s.multiple_of * s.multiple_of)
            while (
                wanted > 1 and wanted in hints.values()
            ):  # two sizes of the same value could not be told apart
                wanted += s.multiple_of
            hints[s.name] = int(given.get(s.name, wanted))
        hints = {n: hints[n] if n in given else v for n, v in self.plan.with_room(hints).items()}
        return hints | {n: int(v) for n, v in self.architecture.items()}

    def smallest(self, given: Mapping[str, int], *, least: bool = False) -> dict[str, int]:
        """The largest of the small sizes at which the model is known to take its inputs, no two alike; the `least` of them."""
        hints: dict[str, int] = {}
        taken = {d for t in tensors_of(self.model) for d in t.shape} if least else set()
        for s in self.plan.symbols:
            value = _least(s, taken) if least else s.high
            while value in hints.values():
                value += s.multiple_of
            hints[s.name] = int(given.get(s.name, value))
        return hints | {n: int(v) for n, v in self.architecture.items()}

    def trace(
        self,
        hints: Mapping[str, int],
        *,
        fixed: Mapping[str, int] | None = None,
        lines: bool = True,
        most: float = float("inf"),
        told: Told | None = None,
    ) -> Run:
        """One run at these values of the symbols; those in `fixed`, and those given as 1, are constants.

        Raises `ForwardRaised` with what forward said, `LongLoop` where it runs more than `most` ops by itself.
        """
        given = {**hints, **(fixed or {})}
        made: list[torch.nn.Module] = []

        def prepare(scope: Scope) -> tuple[torch.nn.Module, tuple, dict]:
            model = made[-1] if made else self.make(scope) if self.make is not None else self.model
            made.append(model)
            sizes = {n: v if v == 1 or n in (fixed or {}) else scope.dim(n) for n, v in given.items()}
            return model, (), make_inputs(model, self.plan, sizes, "meta", self.dtype)

        def arrange(recorder: Recorder, kwargs: Mapping[str, Any]) -> None:
            for argument in self.plan.state.arguments if self.plan.state is not None else ():
                tag_state(recorder, kwargs[argument])

        with _explained(self.model, self.dtype):
            return Run(
                *run(
                    prepare,
                    given,
                    memo=self.memo,
                    writes=self.writes if self.make is None else None,
                    lines=lines,
                    arrange=arrange,
                    architecture=frozenset(self.architecture),
                    multiples=self.plan.multiples(),
                    most=most,
                    told=told,
                    settle=self.plan.phase == "decode",
                ),
                made[-1],
            )

    def modules(self, run: Run) -> tuple[list[Module], list[Gap]]:
        """Priced modules of a run, callees first, the root last."""
        assembler = Assembler(run.scope, self.dtype, self.convention)
        index = assembler.module(run.root)
        assert index == len(assembler.modules) - 1
        return assembler.modules, list(assembler.gaps)


class _explained:
    """What forward raises becomes an error that says where."""

    def __init__(self, model: torch.nn.Module, dtype: torch.dtype):
        self.model, self.dtype = model, dtype

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        if isinstance(error, DataDependent):
            where = places(error.where)
            raise ForwardRaised(
                f"forward asks for the value of a tensor ({error.op})",
                where=str(where[-1]) if where else None,
                known="symbolic tensors have sizes, not values",
            ) from error
        if isinstance(error, Exception) and not isinstance(error, (CutawayError, TimeoutError, LongLoop)):
            raise ForwardRaised(
                f"forward of {type(self.model).__name__} raised",
                where=source.last_place(traceback),
                known=last_line(error),
                try_="--dtype float32" if self.dtype is not torch.float32 and _of_dtype(error) else None,
            ) from error


def _of_dtype(error: Exception) -> bool:
    """Whether it is about the kind of numbers: not all that torch computes it computes in 16 bits."""
    return re.search(r"dtype|scalar type|BFloat16|Half|bias type", str(error)) is not None


def _side(s: Symbol) -> int:
    """A side of an image near its default, of a prime number of patches (or an odd multiple of one).

    The width is the longer one by far: of neighbours one could be taken for the other rounded up to whole patches.
    """
    unit = SIDES[s.name] * s.multiple_of
    return unit * (int(s.default * STRETCH[s.name] / unit) // 2 * 2 + 1)


def _least(s: Symbol, taken: Collection[int]) -> int:
    """Its lowest value; a higher one of the low ones if that or its halves are sizes of the model's own."""
    values = range(max(2, s.low), s.high + 1, s.multiple_of)
    apart = (n for n in values if not any(n // d in taken for d in (1, 2, 4, 8) if n // d >= SMALL))
    return next(apart, values[0])


def tag_state(recorder: Recorder, value: Any, seen: set[int] | None = None) -> None:
    """Every tensor of a cache is cached state, however the cache holds it."""
    seen = set() if seen is None else seen
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, torch.Tensor):
        recorder.tag(value, role="kv_cache")
    elif isinstance(value, Mapping):
        for v in value.values():
            tag_state(recorder, v, seen)
    elif isinstance(value, (list, tuple)):
        for v in value:
            tag_state(recorder, v, seen)
    elif (
        hasattr(value, "__dict__")
        and not isinstance(value, (type, torch.nn.Module))
        and not hasattr(value, "to_dict")
    ):
        tag_state(recorder, vars(value), seen)


def _longest(root: ModuleRun) -> int:
    """Ops of the one forward that has most by itself."""
    return max(len(root.events), *(_longest(e.module) for e in root.events if isinstance(e, CallEvent)), 0)


def _longest_at(hints: Mapping[str, int], few: Run, again: Run) -> float:
    """Ops of the longest forward at these sizes, if it grows as it does between two runs."""
    at, other = few.scope.hints, again.scope.hints
    ops = _longest(few.root)
    growth = ops - _longest(again.root)
    moved = [n for n, v in hints.items() if at[n] not in (v, other[n])]
    return ops + max((growth * (hints[n] - at[n]) / (at[n] - other[n]) for n in moved), default=0)
