# What a user says of the arguments of forward, where they cannot be found: sizes of a tensor, or a plain value.
"""`given_plan(forward, phase, {"x": "batch_size,seq_len,4096", "start_pos": "0"})`: the plan that `--input` asks for."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any

from cutaway.errors import BadValue, nearest
from cutaway.formula.names import BY_NAME
from cutaway.trace.inputs_types import InputPlan, InputSpec, Symbol

DTYPES = ("int64", "int32", "bool", "float32", "float")
TOKENS = re.compile(r"^(idx|ids|input_ids|tokens|token_ids|indices|x_ids|labels|timesteps?)$")
_PLAIN = re.compile(r"\b(int|float|bool|str)\b")  # annotations of arguments that are no tensors
HOW = (
    "batch_size,seq_len,4096 are the sizes of a tensor, seq_len,seq_len:bool of one of another dtype, None and 0 values"
)


def given_plan(forward: Callable, phase: str, given: Mapping[str, str]) -> InputPlan:
    """Raises BadValue for a name that `forward` lacks, for a dtype or size without meaning, and for what is missing."""
    parameters = inspect.signature(forward).parameters
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    shapes: dict[str, tuple[tuple, str]] = {}
    values: list[tuple[str, object]] = []
    for name, text in given.items():
        if name not in parameters and not takes_any:
            close = nearest(name, list(parameters)) or list(parameters)
            raise BadValue("forward takes no such argument", asked=f"--input {name}={text}", known=", ".join(close))
        plain, value = _value(text, parameters.get(name))
        if plain:
            values.append((name, value))
        else:
            shapes[name] = _shape(name, text)
    if missing := [p.name for p in required(forward) if p.name not in given]:
        raise BadValue(
            f"forward also takes {', '.join(missing)}",
            asked=" ".join(f"--input {n}={t}" for n, t in given.items()),
            try_=" ".join(f"--input {n}=…" for n in missing) + f"; {HOW}",
        )
    return plan_of(phase, shapes, tuple(values))


def required(forward: Callable) -> list[inspect.Parameter]:
    """The parameters that have no default."""
    return [
        p
        for p in inspect.signature(forward).parameters.values()
        if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]


def plan_of(
    phase: str, tensors: Mapping[str, tuple[tuple, str]], values: tuple[tuple[str, object], ...] = ()
) -> InputPlan:
    """A plan from {name: (sizes, dtype)}; sizes are ints, symbols, or arithmetic over these."""
    specs = tuple(
        InputSpec(n, shape, dtype, "random" if dtype.startswith("float") else "zeros")
        for n, (shape, dtype) in tensors.items()
    )
    words = dict.fromkeys(
        w for s in specs for d in s.shape if isinstance(d, str) for w in re.findall(r"[A-Za-z_]\w*", d)
    )
    return InputPlan(phase, specs, tuple(_symbol(w) for w in words if w in BY_NAME and BY_NAME[w].default), None, values)


def _value(text: str, parameter: inspect.Parameter | None) -> tuple[bool, Any]:
    """Whether the argument is a plain value, and which: `None`, a truth, or what an annotation such as `int` says it is."""
    try:
        value = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError):
        return False, None
    if value is None or isinstance(value, (bool, float)):
        return True, value
    annotated = parameter is not None and bool(_PLAIN.search(inspect.formatannotation(parameter.annotation)))
    usual = parameter is not None and isinstance(parameter.default, (int, float)) and not isinstance(value, tuple)
    return annotated or usual, value


def _shape(name: str, text: str) -> tuple[tuple, str]:
    sizes, _, dtype = text.partition(":")
    dtype = dtype.strip() or ("int64" if TOKENS.match(name) or name.endswith("_ids") else "float")
    if dtype not in DTYPES:
        raise BadValue("unknown dtype", asked=f"--input {name}={text}", known=", ".join(DTYPES))
    shape = tuple(int(w) if w.strip().isdigit() else w.strip() for w in sizes.split(",") if w.strip())
    for word in shape:
        if isinstance(word, str) and not re.fullmatch(r"[\w\s+*/()-]+", word):
            raise BadValue("no size", asked=f"--input {name}={text}", known=word, try_=HOW)
    return shape, dtype


def _symbol(name: str) -> Symbol:
    known = BY_NAME[name]
    return Symbol(name, known.meaning, known.unit, known.default or 1, 2, 24)
