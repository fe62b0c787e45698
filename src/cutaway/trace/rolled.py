# Loops put together from the turns that a few runs show: each line's turns are summed up as a formula of their number, and a
# module that is called with other sizes in each turn becomes one that stands for all its calls. It takes no grid of runs,
# and explains what changes from turn to turn; what it says is held against every one of the runs, line by line.
from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import gcd

from cutaway.formula import Formula, const, sym
from cutaway.formula.core import ONE, ZERO, add, product
from cutaway.model import Call, Cost, Kernel, Module, Step, TensorSpec
from cutaway.trace.dim import Guard
from cutaway.trace.turns import Through, summed

PARTS = ("flops", "matmul_flops", "read", "write")
Specs = tuple[TensorSpec, ...]
Members = Sequence[Sequence[Step]]  # of each run


class Unfit(Exception):
    """A line whose turns no formula explains."""


@dataclass
class Sample:
    """A priced run: the sizes it was made at, and its modules, callees first."""

    sizes: Mapping[str, int]
    modules: Sequence[Module]
    numbers: dict[Formula, Formula] = field(default_factory=dict)
    orders: dict[int, list[Step]] = field(default_factory=dict)
    costs: dict[int, Cost] = field(default_factory=dict)

    def number(self, f: Formula) -> Formula:
        """The formula at these sizes; bytes of elements stay symbols."""
        if f not in self.numbers:
            self.numbers[f] = f.substitute(self.sizes)
        return self.numbers[f]

    def cost(self, step: Kernel) -> Cost:
        """What a step costs at these sizes."""
        if id(step) not in self.costs:  # the steps live as long as the modules
            self.costs[id(step)] = self.at(step.cost)
        return self.costs[id(step)]

    def at(self, cost: Cost) -> Cost:
        return Cost(*(self.number(getattr(cost, n)) for n in PARTS))

    def sizes_of(self, specs: Specs) -> list[list[Formula]]:
        """The numbers of what tensors have along each dimension."""
        return [[self.number(d) for d in t.dims] for t in specs]

    def order(self, module: int) -> list[Step]:
        """The steps of a module as they ran, turn by turn."""
        if module not in self.orders:
            steps = ((at, s) for s in self.modules[module].steps for at, _ in s.turns)
            self.orders[module] = [s for _, s in sorted(steps, key=lambda pair: pair[0])]
        return self.orders[module]


class Roll:
    """The modules of several runs as one list. `sizes` and `steps` are what numbers of turns may depend on.

    `guards` are the conditions under which the numbers of turns are what their formulas say.
    """

    def __init__(self, samples: Sequence[Sample], sizes: Sequence[Formula], steps: Sequence[Formula] = ()):
        self.samples, self.sizes = samples, sizes
        self.points = [s.sizes for s in samples]
        self.through = Through(self.points, sizes, steps)
        self.modules: list[Module] = []
        self.made: dict[Hashable, int] = {}
        self.unique: dict[Hashable, int] = {}
        self.guards: dict[Guard, None] = {}

    def node(self, calls: Sequence[Sequence[int]]) -> int:
        """The module that stands for these calls, in each run: for one of them where a run's are all the same."""
        single = all(len(set(c)) == 1 for c in calls)
        key = tuple((c[0],) if single else tuple(c) for c in calls)
        if key not in self.made:
            self.made[key] = self._merged(key)
        return self.made[key]

    def _merged(self, calls: Sequence[tuple[int, ...]]) -> int:
        shown = [s.modules[c[0]] for s, c in zip(self.samples, calls, strict=True)]
        groups = [self._groups(s, c) for s, c in zip(self.samples, calls, strict=True)]
        steps: list[Step] = []
        for key in dict.fromkeys(k for g in groups for k in g):
            members = [g.get(key, []) for g in groups]
            steps += self._calls(members) if key[0] is Call else self._kernels(members)
        own = _sum(s.cost * s.repeat for s in steps if isinstance(s, Kernel))
        below = [(self.modules[s.module], s.repeat) for s in steps if isinstance(s, Call)]
        total = _sum((own, *(_times(m.total, n) for m, n in below)))
        fused = self._fused([m.fused for m in shown]) if all(len(c) == 1 for c in calls) else None
        module = replace(
            shown[0],
            inputs=self._right([m.inputs for m in shown]),
            outputs=self._right([m.outputs for m in shown]),
            steps=tuple(steps),
            own=own,
            total=total,
            fused=fused or _sum((own, *(_times(m.fused, n) for m, n in below))),
        )
        what = (module.class_name, module.signature, module.inputs, tuple(_without_names(s) for s in steps))
        if what not in self.unique:  # a run may have met two of a kind as one, another not
            self.unique[what] = len(self.modules)
            self.modules.append(module)
        return self.unique[what]

    def _groups(self, sample: Sample, calls: Sequence[int]) -> dict[tuple, list[Step]]:
        """The steps of the calls by what they are and where they stand, in order."""
        found: dict[tuple, list[Step]] = {}
        for c in calls:
            for s in sample.order(c):
                what = sample.modules[s.module].class_name if isinstance(s, Call) else s.op
                found.setdefault((type(s), what, s.stack), []).append(s)
        return found

    def _calls(self, members: Members) -> list[Step]:
        """Calls at one place: each by itself where all runs make as many, else all together."""
        alike: dict[tuple[int, ...], list[Step]] = {}
        if len({len(m) for m in members}) == 1:
            for same in zip(*members, strict=True):
                alike.setdefault(tuple(s.module for s in same), []).append(same[0])
            return [self._call([[i] for i in modules], steps) for modules, steps in alike.items()]
        if not all(members):
            raise Unfit
        modules = [[s.module for s in m] for m in members]
        if any(len(set(m)) > 1 for m in modules):
            return [replace(self._call(modules, members[0][:1]), repeat=1)]
        times = self._count([len(m) for m in members])
        return [replace(self._call([m[:1] for m in modules], members[0][:1]), repeat=times)]

    def _call(self, modules: Sequence[Sequence[int]], steps: Sequence[Step]) -> Call:
        names = tuple(dict.fromkeys(n for s in steps for n in s.names))
        kept = steps[0].turns if len(steps) == steps[0].repeat else ()
        return replace(steps[0], module=self.node(modules), repeat=len(steps), names=names, turns=kept)

    def _kernels(self, members: Members) -> list[Step]:
        """Ops at one place: each by itself where a run has a formula for it that is right in all runs, else together."""
        costs = [[r.cost(s) for s in m] for r, m in zip(self.samples, members, strict=True)]
        if len({len(m) for m in members}) == 1:
            alike: dict[tuple[int, ...], list[Step]] = {}
            for same in zip(*members, strict=True):
                alike.setdefault(tuple(map(id, same)), []).append(same)
            each = [self._alike(*same) for same in alike.values()]
            if None not in each:
                return each
        shown = next(m[0] for m in members if m)
        cost = Cost(*(self._total([[getattr(c, n) for c in run] for run in costs]) for n in PARTS))
        text = f"{shown.analysis}; all turns of a loop together"
        return [replace(shown, cost=cost, fused=cost, analysis=text, repeat=1, turns=())]

    def _alike(self, same: Sequence[Kernel], *more: Sequence[Kernel]) -> Kernel | None:
        """The step of each run, as a run has it whose formulas give the costs of all, and the sizes if any does."""
        costs = [r.cost(s) for r, s in zip(self.samples, same, strict=True)]
        right = [s for s in same if all(r.at(s.cost) == c for r, c in zip(self.samples, costs, strict=True))]
        if not right:
            return None
        s = next((s for s in right if self._sized(s.inputs + s.outputs, [o.inputs + o.outputs for o in same])), right[0])
        times = 1 + len(more)
        return s if times == s.repeat else replace(s, repeat=times, turns=())

    def _sized(self, specs: Specs, each: Sequence[Specs]) -> bool:
        """Whether these tensors have the sizes that each run's have."""
        return all(r.sizes_of(specs) == r.sizes_of(own) for r, own in zip(self.samples, each, strict=True))

    def _right(self, each: Sequence[Specs]) -> Specs:
        """The tensors as the run has them whose formulas give the sizes of all; as the first has them where none does."""
        return next((specs for specs in each if self._sized(specs, each)), each[0])

    def _count(self, numbers: Sequence[int]) -> int | Formula:
        """How often something ran, as a formula of the sizes."""
        found = self.through([const(n) for n in numbers])
        if found is None or any(Fraction(c).denominator > 2 for c in found.terms.values()):
            raise Unfit  # shares of more than pairs are an accident of few runs
        value = found.constant()
        if value is None:
            self.guards.setdefault(Guard(_without_factors(found), "<", False))
        return found if value is None else int(value)

    def _total(self, turns: Sequence[Sequence[Formula]]) -> Formula:
        """The sum over all turns of a line: of the same in a loop around it, or of more and more of them."""
        totals = [add(t) for t in turns]
        if not any(totals):
            return ZERO
        flat = [set(t) for t in turns]
        if all(len(f) == 1 for f in flat):
            each = self.through([next(iter(f)) for f in flat])
            if each is not None:
                return each * self._count([len(t) for t in turns])
        if (found := self._but_last(turns)) is not None and self._gives(found, totals):
            return found
        for around in (*(u for u in self.sizes if u in map(sym, u.symbols())), ONE):  # sequences, tokens; or no other loop
            if (found := self._in(around, turns)) is not None and self._gives(found, totals):
                return found
        found = self.through(totals)
        if found is None:
            raise Unfit
        return found

    def _but_last(self, turns: Sequence[Sequence[Formula]]) -> Formula | None:
        """The sum where all turns are the same but for the last one, which has what the others leave."""
        if any(not t or len(set(t[:-1])) > 1 for t in turns):
            return None
        others = [(i, t[0]) for i, t in enumerate(turns) if len(t) > 1]
        each = self.through([c for _, c in others], [i for i, _ in others]) if others else ZERO
        last = self.through([t[-1] for t in turns])
        if each is None or last is None:
            return None
        try:
            return each * self._count([len(t) - 1 for t in turns]) + last
        except Unfit:
            return None

    def _in(self, around: Formula, turns: Sequence[Sequence[Formula]]) -> Formula | None:
        """The sum where a loop of so many turns is around that of these, which are the same in each of its turns."""
        inner: list[Sequence[Formula]] = []
        for t, point in zip(turns, self.points, strict=True):
            length, rest = divmod(len(t), around.evaluate(point))
            if rest or any(t[i] != t[i - length] for i in range(length, len(t))):
                return None
            inner.append(t[:length])
        try:
            count = self._count([len(t) for t in inner])
        except Unfit:
            return None
        each = self._nth(inner)
        if not isinstance(count, Formula):
            return around * add(each)
        whole = all(isinstance(c, int) for c in count.terms.values())
        several = gcd(*count.terms.values()) if whole else 1  # ops at one place in each turn
        parts = [summed(each[n::several], count / several) for n in range(several)]
        return None if any(p is None for p in parts) else around * add(parts)

    def _nth(self, inner: Sequence[Sequence[Formula]]) -> list[Formula]:
        """What each turn costs, whatever the sizes; as many turns as the runs agree on, or explain by their sizes."""
        found: list[Formula] = []
        for k in range(max(map(len, inner))):
            at = [i for i, t in enumerate(inner) if len(t) > k]
            each = self.through([inner[i][k] for i in at], at)
            if each is None:
                break
            found.append(each)
        return found

    def _fused(self, costs: Sequence[Cost]) -> Cost | None:
        if all(c == costs[0] for c in costs):
            return costs[0]
        parts = [self._whole([getattr(c, n) for c in costs]) for n in PARTS]
        return None if any(p is None for p in parts) else Cost(*parts)

    def _whole(self, formulas: Sequence[Formula]) -> Formula | None:
        """What all runs have: each a formula with other numbers in it, or a number."""
        numbers = [s.number(f) for s, f in zip(self.samples, formulas, strict=True)]
        found = self.through(formulas)
        return found if found is not None and self._gives(found, numbers) else self.through(numbers)

    def _gives(self, found: Formula, totals: Sequence[Formula]) -> bool:
        return all(found.substitute(p) == t for p, t in zip(self.points, totals, strict=True))


def _without_names(s: Step) -> Step:
    return replace(s, names=()) if isinstance(s, Call) else s


def _without_factors(f: Formula) -> Formula:
    """Without the number, and the sizes, that all terms have in common: these are positive."""
    common = set.intersection(*({atom for atom, power in m if power > 0} for m in f.terms))
    number = Fraction(gcd(*(Fraction(c).numerator for c in f.terms.values())))
    return f / product([number, *(Formula({((atom, 1),): 1}) for atom in common)])


def _sum(costs: Iterable[Cost]) -> Cost:
    costs = list(costs)
    return Cost(*(add(getattr(c, n) for c in costs) for n in PARTS))


def _times(cost: Cost, n: int | Formula) -> Cost:
    return Cost(*(getattr(cost, p) * n for p in PARTS))
