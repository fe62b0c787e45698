# A class that no model family owns: its constructor's sizes become symbols by their own names, and its inputs are found
# by trying the usual forms, the likeliest for its name first. What cannot be found is asked for.
from __future__ import annotations

import contextlib
import functools
import inspect
import re
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import product
from typing import Any

import torch

from cutaway.errors import BadValue, CutawayError, ForwardRaised, last_line
from cutaway.model import Convention
from cutaway.trace import source
from cutaway.trace.arguments import constructor_parameters, wants_config
from cutaway.trace.build import build_class
from cutaway.trace.dim import Scope, scope
from cutaway.trace.inputs import InputPlan, plan_inputs
from cutaway.trace.inputs_config import first_width
from cutaway.trace.inputs_given import HOW, TOKENS, given_plan, plan_of, required
from cutaway.trace.inputs_learnt import Learnt
from cutaway.trace.inputs_symbols import symbols_of, with_side
from cutaway.trace.inputs_types import InputSpec
from cutaway.trace.job import Job
from cutaway.trace.target import Target

# What a required integer of a constructor is, by its name: (pattern, value of the trace, value of the check, symbol?).
# Sizes are multiples of the number of heads, so that they divide.
HEADS = r"heads|n(um)?_?head$"
ARGUMENTS = (
    (HEADS, 41, 43, True),
    (r"kernel", 37, 41, True),
    (r"num_embeddings|vocab|num_classes", 50021, 50053, True),
    (r"stride|dilation|groups", 1, 1, False),
    (r"layers|depth|blocks", 2, 2, False),
    (r"padding", 0, 0, False),
)
SIZES = (41 * 43 * 2, 41 * 43 * 6, 41 * 43 * 10, 41 * 43 * 14)
SIZES_OF_CHECK = (41 * 43 * 4, 41 * 43 * 8, 41 * 43 * 12, 41 * 43 * 16)
IMAGE = re.compile(r"ima?ge?s?\b|_img|pixel|picture|frames?\b", re.I)
SIDES = (224, 512, 448, 384, 336, 299, 256, 192, 128, 112, 96, 64, 32, 28)  # of images; smaller ones are often taken too
UNITS = (2, 4, 8, 16, 32, 64)  # of which sides are multiples, where images of any size are not taken
COLOURS = (3, 1)
FREE = ("image_height", "image_width")
WIDTHS = "dim|size|feature|channel|embd|width|inputs|variates"  # what the width of an input is called, and a length
LENGTHS = "len|window|horizon|lookback|context"
WHY_SIDE = "the largest of the usual sizes that forward takes"
MIXED = re.compile(r"(?<!b)float(32)?\b.*bfloat16|bfloat16.*(?<!b)float(32)?\b", re.I)
SHORT = {
    "batch_size": 131,
    "seq_len": 211,
    "cache_len": 307,
    "encoder_len": 167,
}  # a lone class may loop over its tokens


def standalone_job(
    cls: type,
    target: Target,
    phase: str,
    dtype: torch.dtype,
    inputs: dict[str, str],
    convention: Convention,
    memo: bool,
) -> Job:
    """A job for `cls` by itself; `inputs` are shapes that the user gave: {"x": "batch_size,seq_len,n_embd"}."""
    symbols = _symbols(cls, target.args)
    hints, check = ({n: v[turn] for n, v in symbols.items()} for turn in (0, 1))

    def make(names: Scope) -> torch.nn.Module:
        return build_class(
            cls, {**target.args, **{n: names.dim(n) for n in symbols}}, str(dtype).removeprefix("torch.")
        )

    with scope(hints, frozenset(hints)) as plain:
        model = make(plain)
    kind = type(model)
    if kind.forward is torch.nn.Module.forward:
        raise BadValue(
            f"{kind.__name__} has no forward", asked=target.text, try_="the class whose forward calls the parts"
        )
    tried: list[ForwardRaised] = []
    learning = None if symbols or inputs or phase == "decode" else functools.cache(lambda: Learnt(model, phase))
    widths = (*symbols, *_numbers(target.args, WIDTHS))
    for plan in _plans(model, phase, widths, _numbers(target.args, LENGTHS), inputs, learning):
        twin = Job(model, plan, dtype, convention, memo, make, check, usual=SHORT) if symbols else None
        job = Job(model, plan, dtype, convention, memo, make if symbols else None, hints, twin, usual=SHORT)
        try:
            job.trace(job.hints({}), lines=False)
            return job
        except ForwardRaised as error:
            tried.append(error)
    if inputs:
        raise tried[0]
    learnt = learning() if learning is not None else None
    if learnt is not None and learnt.plan is not None:
        raise tried[-1]  # forward takes these inputs, and says what a trace of it lacks
    raise _not_found(model, target, tried, learnt)


def _not_found(model: torch.nn.Module, target: Target, tried: list[ForwardRaised], learnt: Learnt | None) -> BadValue:
    """What forward said, and as much of its inputs as is known."""
    furthest = max(tried, key=lambda error: _line_reached(error, type(model)))  # of equals the first, which is the likeliest
    where, known = furthest.where, furthest.known
    if learnt is not None and learnt.error is not None and learnt.guess.settled:
        where, known = source.last_place(learnt.error.__traceback__), last_line(learnt.error)
    told = learnt.guess.said() if learnt is not None and learnt.guess.shapes else ""
    given = f"{told or ' '.join(f'--input {name}=…' for name in _names(model))}; {HOW}"
    mixed = any(MIXED.search(error.known) for error in tried)
    return BadValue(
        f"the inputs of {type(model).__name__}.forward could not be found",
        asked=target.text,
        where=where,
        known=known,
        try_=f"--dtype float32, since the code mixes dtypes; or {given}" if mixed else given,
    )


def _line_reached(error: ForwardRaised, cls: type) -> int:
    """How far into `forward` a try got."""
    cause, code = error.__cause__, getattr(cls.forward, "__code__", None)
    frames = traceback.walk_tb(cause.__traceback__ if cause is not None else None)
    return max((line for frame, line in frames if frame.f_code is code), default=0)


def _symbols(cls: type, given: dict[str, Any]) -> dict[str, tuple[int, int]]:
    """Required integers of the constructor that were not given, with two values each."""
    found: dict[str, tuple[int, int]] = {}
    fresh: Iterator[tuple[int, int]] = iter(zip(SIZES, SIZES_OF_CHECK, strict=True))
    for p in constructor_parameters(cls):
        if p.default is not p.empty or p.name in given or not _integer(p) or wants_config(cls, p):
            continue
        pattern = next((row for row in ARGUMENTS if re.search(row[0], p.name)), None)
        if pattern is None:
            found[p.name] = next(fresh, (41 * 43 * 18, 41 * 43 * 20))
        elif pattern[3]:
            found[p.name] = (pattern[1], pattern[2])
        else:
            given[p.name] = pattern[1]
    return found


def _integer(p: inspect.Parameter) -> bool:
    text = str(p.annotation)
    return p.annotation is p.empty or (
        bool(re.search(r"\bint\b|_size|_shape|Size", text)) and "Config" not in text
    )


def _names(model: torch.nn.Module) -> list[str]:
    every = [*inspect.signature(model.forward).parameters]
    return [p.name for p in required(model.forward)] or every[:1] or ["input"]


def _plans(
    model: torch.nn.Module, phase: str, sizes: tuple[str | int, ...], lengths: list[int], given: dict[str, str],
    learning: Callable[[], Learnt] | None,
) -> Iterator[InputPlan]:
    """Ways to call forward: what the user said; what a model of this kind usually takes; then form by form."""
    if given:
        plan = given_plan(model.forward, phase, given)
        yield plan
        if any(s.unit == "pixels" for s in plan.symbols):
            for unit in UNITS:
                yield replace(plan, symbols=tuple(with_side(s, unit) for s in plan.symbols))
        return
    names = _names(model)
    if phase == "decode":
        try:
            yield plan_inputs(model, phase)
        except (ValueError, RuntimeError) as error:
            raise BadValue(
                f"{type(model).__name__} hands back no cache that it also takes, so it has no decode phase",
                known=str(error),
                try_="--phase prefill",
            ) from error
        return
    if hasattr(model, "config"):
        with contextlib.suppress(CutawayError, ValueError, RuntimeError):
            yield plan_inputs(model, phase)
    for shape, dtype in _forms(model, names[0], sizes):
        yield plan_of(phase, dict.fromkeys(names, (shape, dtype)))
    for length, width in product(lengths, sizes):
        yield plan_of(phase, dict.fromkeys(names, (("batch_size", length, width), "float")))
    if IMAGE.search(names[0]) or _is_image_model(model):
        for channels in COLOURS:  # with sides that can be halved several times
            specs = tuple(InputSpec(n, ("batch_size", channels, *FREE), "float") for n in names)
            yield InputPlan(phase, specs, symbols_of(specs))
        for side, channels in product(SIDES, COLOURS):
            plan = plan_of(phase, dict.fromkeys(names, (("batch_size", channels, side, side), "float")))
            yield replace(plan, notes=(*plan.notes, f"images are {side} x {side}: {WHY_SIDE}"))
    if learning is not None and (plan := learning().plan) is not None:
        yield plan


def _numbers(given: Mapping[str, Any], kind: str) -> list[int]:
    """The numbers among attributes or arguments whose names say that they are of this kind."""
    return [v for n, v in given.items() if type(v) is int and v > 1 and re.search(kind, n)]


def _forms(model: torch.nn.Module, name: str, known: tuple[str | int, ...]) -> Iterator[tuple[tuple, str]]:
    """Shapes of the main input, the likeliest first by the names of the class and of the argument."""
    likely = (n for n in known if not re.search(f"{HEADS}|kernel|embeddings|vocab|out_|layers", str(n)))
    sizes = [d for d in dict.fromkeys([*likely, *_numbers(vars(model), WIDTHS), first_width(model)]) if d]
    tokens = ("batch_size", "seq_len"), "int64"
    lead = (
        ("seq_len", "batch_size")
        if not _batch_first(model)
        else ("batch_size", "seq_len")
    )
    rows = [((*lead, d), "float") for d in sizes]
    images = [(("batch_size", d, *_sides(model)), "float") for d in (*sizes, 3)]
    lines = [(("batch_size", d, "seq_len"), "float") for d in sizes]
    points = [(("batch_size", d), "float") for d in sizes]
    videos = [(("batch_size", d, "num_frames", *_sides(model)), "float") for d in (*sizes, 3)]
    label = type(model).__name__.lower()
    if TOKENS.match(name) or "embedding" in label:
        order = [tokens, *rows, *images]
    elif "2d" in label or _is_image_model(model):
        order = [*images, *rows, tokens]
    elif "1d" in label:
        order = [*lines, *rows, tokens]
    elif "3d" in label:
        order = videos
    elif label.endswith("cell"):
        order = points
    else:
        order = [*rows, tokens, *images, *lines]
    yield from order
    yield from points
    yield from videos
    yield from ((("batch_size", *_sides(model), d), "float") for d in (*sizes, 3))  # colours last


def _batch_first(model: torch.nn.Module) -> bool:
    """Whether sequences lie row by row: as the module says itself, or the first of its parts that says so."""
    said = (m.batch_first for m in model.modules() if hasattr(m, "batch_first"))
    return next(said, True) is not False


def _sides(model: torch.nn.Module) -> tuple[str | int, str | int]:
    for holder in model.modules():
        for name in ("img_size", "image_size", "input_size"):
            size = getattr(holder, name, None)
            if type(size) is int:
                return size, size
            if isinstance(size, (tuple, list)) and len(size) == 2 and all(type(v) is int for v in size):
                return size[0], size[1]
    return FREE


def _is_image_model(model: torch.nn.Module) -> bool:
    return any(isinstance(m, torch.nn.Conv2d) and m.in_channels in COLOURS for m in model.modules())
