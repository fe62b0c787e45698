# The main job: a target and a phase in, an Analysis out. A model is traced as it is; a class of a family where its
# family's model uses it, in architecture symbols; a class that nothing owns by itself.
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from cutaway.errors import BadValue, CutawayError, ForwardRaised, nearest
from cutaway.formula.condition import holds, symbols_in
from cutaway.model import DEFAULT_CONVENTION, Analysis, Convention
from cutaway.trace.build import build, torch_dtype
from cutaway.trace.family import family_job, symbolic_job
from cutaway.trace.garbage import seldom_collected
from cutaway.trace.inputs import InputPlan, plan_inputs
from cutaway.trace.job import Job, Start
from cutaway.trace.limits import named_limit
from cutaway.trace.standalone import standalone_job
from cutaway.trace.summary import BYTE_SYMBOLS, Subject, to_analysis
from cutaway.trace.target import Target, load_class, resolve
from cutaway.trace.validity import conditions

MOST_TRIES = 4  # traces at other sizes, in search of those that take the branches of the asked ones


def analyse(
    target: str | Target,
    *,
    phase: str = "prefill",
    values: Mapping[str, int] | None = None,
    symbols: str = "shapes",
    dtype: str = "bfloat16",
    trust_code: bool = False,
    args: Mapping[str, Any] | None = None,
    inputs: Mapping[str, str] | None = None,
    convention: Convention = DEFAULT_CONVENTION,
    memo: bool = True,
    images: bool = True,
) -> Analysis:
    """What one pass of `target` computes and moves, as formulas. A `Target` brings its own trust and arguments.

    `values` choose the regime (which side of a window, batch of one …); formulas stay symbolic.
    `symbols="all"` makes the architecture's sizes symbols too, as is always done for a class. Without `images` a whole
    model that reads images in its text gets the text alone.
    Raises `CutawayError` with what was asked, where, what was known and what to try.
    """
    found = target if isinstance(target, Target) else resolve(target, trust_code, dict(args or {}))
    if found.kind == "repo":
        raise BadValue(
            "that is a repository, not a model", asked=found.text, try_="file.py:Class for a class in it"
        )
    job, subject = _job(found, phase, symbols, dtype, dict(inputs or {}), convention, memo, images)
    return derive(job, subject, values or {})


def analyse_module(
    model: torch.nn.Module,
    plan: InputPlan,
    *,
    name: str,
    values: Mapping[str, int],
    dtype: str = "bfloat16",
    convention: Convention = DEFAULT_CONVENTION,
    memo: bool = True,
    check: bool = True,
) -> Analysis:
    """The same for a module on the meta device and the inputs it takes."""
    return derive(Job(model, plan, torch_dtype(dtype), convention, memo), Subject(name), values, check=check)


def derive(job: Job, subject: Subject, values: Mapping[str, int], *, check: bool = True) -> Analysis:
    """Trace and check, in the regime of `values` if they leave that of the usual sizes."""
    known = [*(s.name for s in job.plan.symbols), *job.architecture, *BYTE_SYMBOLS]
    for name in values:
        if name not in known:
            close = nearest(name, known)
            raise BadValue(
                "no such symbol here", asked=name, known=", ".join(known), try_=", ".join(close) or None
            )
    try:
        with seldom_collected():
            return _derived(job, subject, values, check=check)
    finally:
        job.writes.undo()


def _derived(job: Job, subject: Subject, values: Mapping[str, int], *, check: bool) -> Analysis:
    refused = None
    for one, hints, start in _starts(job, values):
        met = conditions(start[0].scope, one.plan, values) if subject.cls is None else ()
        if (found := _in_regime(one, subject, met, values, check=check)) is not None:
            return found  # what holds at other sizes than the asked ones need not be derived
        try:
            derived = one.derive(hints, start=start, check=check)
        except ForwardRaised:  # at sizes that the check or a fit asks for
            refused = refused or (one, hints, start)
            continue
        found = to_analysis(one, *derived, subject=subject, values=values)
        return _in_regime(one, subject, found.valid_when, values, check=check) or found
    assert refused is not None  # or there was no start
    one, hints, start = refused
    return to_analysis(
        one, *one.derive(hints, start=start, check=check, fit=False), subject=subject, values=values
    )


def _starts(job: Job, values: Mapping[str, int]) -> Iterator[tuple[Job, Mapping[str, int], Start]]:
    """What is derived at the usual sizes; where forward raises, at fewer tokens, at the fewest, and at `values` themselves.

    There may be more tokens than the code makes room for, though no table of the model says so, or a cache that a
    long prompt leaves in another form than the short ones did from which it was learnt.
    """
    ones = {n: 1 for n, v in values.items() if v == 1}
    limited = replace(job, limit=named_limit(job.model))
    tries = [(job, job.hints(ones)), (limited, limited.hints(ones)), (limited, limited.smallest(ones))]
    tries.append((limited, limited.smallest(ones, least=True)))
    tries.append((limited, limited.hints(values)))
    raised: ForwardRaised | None = None
    begun = False
    for n, (one, hints) in enumerate(tries):
        if any(hints == before for _, before in tries[:n]):
            continue
        try:
            start = one.start(hints)
        except ForwardRaised as error:
            raised = raised or error
            continue
        begun = True
        yield one, hints, start
    if raised is not None and not begun:
        raise raised


def _in_regime(
    job: Job, subject: Subject, valid_when: Sequence[str], values: Mapping[str, int], *, check: bool
) -> Analysis | None:
    """The formulas on the side of each condition where `values` are; those with the fewest gaps of a few tries.

    None where all conditions hold, or where no sizes are known to lie on that side. Sizes beside `values` may be more
    than forward takes; what it says of `values` themselves is an error.
    """
    broken, known = broken_conditions(valid_when, values), list(valid_when)
    names: frozenset[str] = frozenset()
    found, best = None, (0, 0)
    while broken and not names.issuperset(more := frozenset().union(*map(symbols_in, broken))):
        names, tries = names | more, 0  # where one branch is left, another may be asked for, of another size
        for hints in job.regimes(values, names):
            asked = all(values.get(n, v) == v for n, v in hints.items())  # tried last, also where others failed
            if (tries >= MOST_TRIES and not asked) or not _same_side(known, hints, values):
                continue
            try:
                derived = job.derive(hints, check=check)
            except ForwardRaised:
                if asked:
                    raise
                continue
            tries += 1
            other = to_analysis(job, *derived, subject=subject, values=values)
            known += other.valid_when
            rank = (len(broken_conditions(other.valid_when, values)), len(other.gaps))
            if found is None or rank < best:
                found, best = other, rank
            if best == (0, 0):
                break
        broken = broken_conditions(found.valid_when, values) if found is not None else []
    return found


def _same_side(conditions: Sequence[str], hints: Mapping[str, int], values: Mapping[str, int]) -> bool:
    """Whether every condition comes out at `hints` as it does at `values`."""
    both = [c for c in conditions if symbols_in(c) <= hints.keys() & values.keys()]
    return all(holds(c, hints) == holds(c, values) for c in both)


def broken_conditions(valid_when: Sequence[str], values: Mapping[str, int]) -> list[str]:
    """The conditions that `values` do not meet; those on symbols without a value do not count."""
    return [c for c in valid_when if symbols_in(c) <= values.keys() and not holds(c, values)]


def _job(
    target: Target,
    phase: str,
    symbols: str,
    dtype: str,
    inputs: dict[str, str],
    convention: Convention,
    memo: bool,
    images: bool,
) -> tuple[Job, Subject]:
    kind = torch_dtype(dtype)
    if target.kind == "model" and inputs:
        raise BadValue(
            "the inputs of a model are found from its config",
            asked=" ".join(f"--input {n}={t}" for n, t in inputs.items()),
            try_="--input with one of its classes",
        )
    if target.kind == "model" and symbols == "all":
        return symbolic_job(target, phase, kind, convention, memo)
    if target.kind == "model":
        model = build(target, dtype)
        return Job(model, plan_inputs(model, phase, images=images), kind, convention, memo), Subject(target.name)
    cls = load_class(target)
    if not target.args and not inputs:
        try:
            found = family_job(cls, phase, kind, convention, memo)
        except CutawayError:
            found = None
        if found is not None:
            return found, Subject(target.name, cls)
    return standalone_job(cls, target, phase, kind, inputs, convention, memo), Subject(target.name)
