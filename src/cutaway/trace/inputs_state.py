"""What a model remembers between two calls, learnt from the model itself and rebuilt at any length.

A decode step needs a cache that already holds `cache_len` tokens. Every family keeps its own kind (growing
keys and values, windows, shared layers, recurrent and convolution states, latents, compressed entries,
cross-attention), so nothing here knows a family: two or three tiny prefills show how each size in the
object that forward returned depends on the sizes that went in, and the same object is then built anew with
tensors of the wanted sizes. Only factory functions of torch are called, with the caller's own size objects.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from cutaway.trace.inputs_types import InputError, Size, evaluate


@dataclass(frozen=True)
class TensorRule:
    """A state tensor: its sizes as expressions, its dtype, and its values if they are small and integral."""

    shape: tuple[Size, ...]
    dtype: torch.dtype


@dataclass(frozen=True)
class NumberRule:
    """A count kept in the state (tokens seen, entries compressed), as an expression."""

    expression: str


@dataclass(frozen=True)
class StateTemplate:
    """`arguments`: forward's argument -> object of the last probe; `rules`: path in it -> how to rebuild."""

    arguments: dict[str, Any]
    rules: dict[tuple, TensorRule | NumberRule]

    def symbols(self) -> set[str]:
        """The symbols that some size of the state depends on."""
        sizes = [
            d for r in self.rules.values() for d in (r.shape if isinstance(r, TensorRule) else [r.expression])
        ]
        return {word for d in sizes for word in re.findall(r"[a-z_]\w*", str(d))}

    def build(
        self, sizes: dict[str, int], make: Callable[[tuple, torch.dtype], torch.Tensor]
    ) -> dict[str, Any]:
        memo: dict[int, Any] = {}
        return {n: _rebuild(v, (n,), self.rules, sizes, make, memo) for n, v in self.arguments.items()}


def fit_state(points: list[tuple[dict[str, int], dict[str, Any]]]) -> StateTemplate:
    """From (sizes, state) of several probes to rules; the probe with the most tokens gives the structure."""
    arguments = points[-1][1]
    seen = [(sizes, dict(_leaves(state))) for sizes, state in points]
    rules = {}
    for path, (leaf, owner) in seen[-1][1].items():
        samples = [(sizes, leaves[path][0]) for sizes, leaves in seen if path in leaves]
        rule = _fit_leaf(leaf, samples, _constants(owner))
        if rule is not None:
            rules[path] = rule
    return StateTemplate(arguments, rules)


def long_probe(state: dict[str, Any]) -> int:
    """Tokens after which every periodic part of the state has completed a period, 0 if it has none."""
    owners = [owner for _, (_, owner) in _leaves(state)]
    rates = [r for owner in owners for r in _constants(owner)["rates"]]
    return 2 * max(rates) + 3 if rates else 0


def describe_state(state: dict[str, Any]) -> dict[tuple, tuple | int]:
    """Shapes, dtypes and counts of a state by path, to compare two of them."""
    found = {path: leaf for path, (leaf, _) in _leaves(state)}
    return {p: (tuple(v.shape), v.dtype) if isinstance(v, torch.Tensor) else v for p, v in found.items()}


def _fit_leaf(leaf: Any, samples: list, constants: dict) -> TensorRule | NumberRule | None:
    if isinstance(leaf, torch.Tensor) and leaf.dim() == 0:
        return None  # a constant that a layer keeps, such as its window: its value matters, so it stays
    if isinstance(leaf, torch.Tensor):
        same = [(s, t.shape) for s, t in samples if isinstance(t, torch.Tensor) and t.dim() == leaf.dim()]
        dims = range(leaf.dim())
        return TensorRule(
            tuple(_fit([(s, shape[i]) for s, shape in same], constants) for i in dims), leaf.dtype
        )
    expression = _fit([(s, v) for s, v in samples if isinstance(v, int)], constants)
    return NumberRule(expression) if isinstance(expression, str) else None


def _fit(samples: list[tuple[dict[str, int], int]], constants: dict) -> Size:
    """The simplest expression over the symbols that gives every observed size."""
    value = samples[-1][1]
    if all(v == value for _, v in samples):
        return int(value)
    for expression in [*_candidates(samples[-1], constants), *_strided(samples)]:
        if all(evaluate(expression, sizes) == v for sizes, v in samples):
            return expression
    raise InputError(f"a state size follows no known rule: {[(dict(s), int(v)) for s, v in samples]}")


def _candidates(last: tuple[dict[str, int], int], constants: dict) -> list[str]:
    """Windows first (they look like plain growth while short), then growth, multiples, periods."""
    sizes, value = last
    names = list(sizes)
    lengths = [n for n in names if n.endswith("_len")]  # a window cuts tokens, never the batch
    windows = [f"min({n}, {w - 1})" for n in lengths for w in constants["windows"]]
    windows += [f"min({n}, {w})" for n in lengths for w in constants["windows"]]
    linear = [f"{n} * {value // sizes[n]}" for n in names if value > sizes[n] and value % sizes[n] == 0]
    shifted = [
        f"{n} + {value - sizes[n]}" if value > sizes[n] else f"{n} - {sizes[n] - value}" for n in names
    ]
    rates = [f"{n} {op} {r}" for n in names for r in constants["rates"] for op in ("//", "%")]
    products = [f"{a} * {b}" for a in names for b in names if a < b]
    fixed = [f"min({n}, {value})" for n in names]
    sums = [
        f"{a} + {b} + {value - sizes[a] - sizes[b]}"
        for a in lengths
        for b in lengths
        if a < b and value >= sizes[a] + sizes[b]
    ]  # what is read is put before what is written
    return [*windows, *names, *linear, *rates, *products, *shifted, *fixed, *sums]


def _strided(samples: list[tuple[dict[str, int], int]]) -> list[str]:
    """Lengths after strided convolutions, `(n + k) // r`: rounded up first, then down, then other edges."""
    (first, before), (last, after) = samples[0], samples[-1]
    found = []
    for name in last:
        grown = last[name] - first[name]
        rates = {round(grown / (after - before))} if grown and after != before else set()
        edges = [(r, k) for r in rates for k in (r - 1, 0, *range(1, 2 * r), *range(-1, -2 * r, -1))]
        found += [f"({name} + {k}) // {r}" for r, k in edges if r > 1]
    return found


def _constants(owner: Any) -> dict[str, list[int]]:
    """Window lengths and compression rates that the object holding a tensor declares about itself."""
    declared = vars(owner) if hasattr(owner, "__dict__") else {}
    numbers = {n: v for n, v in declared.items() if isinstance(v, int) and not isinstance(v, bool) and v > 1}
    windows = [v for n, v in numbers.items() if "window" in n]
    return {"windows": windows, "rates": [v for n, v in numbers.items() if "rate" in n or "ratio" in n]}


def _leaves(value: Any, path: tuple = (), owner: Any = None, seen: set[int] | None = None):
    """Every tensor and number in an object graph, as (path, (leaf, the nearest object that holds it))."""
    seen = set() if seen is None else seen
    if isinstance(value, torch.Tensor) or (isinstance(value, int) and not isinstance(value, bool)):
        yield path, (value, owner)
        return
    if id(value) in seen:
        return
    seen.add(id(value))
    holder = owner if isinstance(value, (Mapping, list, tuple)) else value
    for key, child in _children(value):
        yield from _leaves(child, (*path, key), holder, seen)


def _children(value: Any) -> list[tuple[Any, Any]]:
    if isinstance(value, Mapping):
        return list(value.items())
    if isinstance(value, (list, tuple)):
        return list(enumerate(value))
    return list(vars(value).items()) if _is_state_object(value) else []


def _is_state_object(value: Any) -> bool:
    """Caches and their layers; not configs, modules, functions or types that they point to."""
    plain = hasattr(value, "__dict__") and not isinstance(
        value, (type, torch.nn.Module, torch.dtype, torch.device)
    )
    return plain and not callable(value) and not hasattr(value, "to_dict")


def _rebuild(value: Any, path: tuple, rules: dict, sizes: dict, make: Callable, memo: dict) -> Any:
    if id(value) in memo:
        return memo[id(value)]
    rule = rules.get(path)
    if isinstance(rule, NumberRule):
        return evaluate(rule.expression, sizes)
    if isinstance(rule, TensorRule):
        return memo.setdefault(id(value), make(tuple(evaluate(d, sizes) for d in rule.shape), rule.dtype))
    if not _children(value):
        return value
    return _rebuild_container(value, path, lambda v, p: _rebuild(v, p, rules, sizes, make, memo), memo)


def _rebuild_container(value: Any, path: tuple, rebuild: Callable, memo: dict) -> Any:
    if isinstance(value, tuple):
        items = [rebuild(v, (*path, i)) for i, v in enumerate(value)]
        return type(value)(*items) if hasattr(value, "_fields") else tuple(items)
    new = memo.setdefault(id(value), copy.copy(value))
    for key, child in _children(value):
        item = rebuild(child, (*path, key))
        if isinstance(value, (Mapping, list)):
            new[key] = item
        else:
            vars(new)[key] = item
    return new
