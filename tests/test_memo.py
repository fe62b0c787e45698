"""Equal calls are traced once: what a call leaves behind, in caches and on modules, must be left by its twin too."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from cutaway.trace.record import CallEvent, ModuleRun
from cutaway.trace.run import run


class Cache:
    """A state of each layer, in two lists, as caches for hybrids keep it."""

    def __init__(self, layers: int = 0) -> None:
        self.layers: list[Any] = [None] * layers
        self.sums: list[Any] = []

    def put(self, i: int, x: torch.Tensor) -> torch.Tensor:
        while len(self.sums) <= i:
            self.sums.append([])
        self.sums[i] = x if self.sums[i] == [] else torch.cat([self.sums[i], x], -1)
        return self.sums[i]


class Layer(nn.Module):
    def __init__(self, index: int) -> None:
        super().__init__()
        self.layer_idx = index

    def forward(self, x: torch.Tensor, cache: Cache, offset: int = 0) -> torch.Tensor:
        return cache.put(self.layer_idx + offset, x) * 2


class Toggles(nn.Module):
    """Every call after the first does more, because the first one says so on the module."""

    def __init__(self) -> None:
        super().__init__()
        self.warm = False

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = x.exp() if self.warm else x
        self.warm = True
        return out + 1


class Stack(nn.Module):
    def __init__(self, *parts: nn.Module) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)

    def forward(self, x: torch.Tensor, *more: Any) -> torch.Tensor:
        for part in self.parts:
            part(x, *more)
        return x


def record_of(model: nn.Module, *more: Any) -> ModuleRun:
    hints = {"n": 37}
    return run(
        lambda scope: (model, (torch.empty((scope.dim("n"), 3), device="meta"), *more), {}),
        hints,
        lines=False,
    )[0]


def calls(record: ModuleRun) -> list[ModuleRun]:
    return [e.module for e in record.events if isinstance(e, CallEvent)]


def test_a_twin_leaves_its_state_in_its_own_place_of_the_cache() -> None:
    cache = Cache()
    first, second = calls(record_of(Stack(Layer(0), Layer(1)), cache, 4))
    assert first is not second or [tuple(s.shape) for s in cache.sums[4:]] == [(37, 3)] * 2
    assert [s != [] for s in cache.sums] == [False] * 4 + [True] * 2


def test_equal_layers_with_a_filled_cache_are_one_record_and_every_state_grows() -> None:
    cache = Cache(3)
    cache.sums = [torch.empty((37, 5), device="meta") for _ in range(3)]
    records = calls(record_of(Stack(*map(Layer, range(3))), cache))
    assert records[0] is records[1] is records[2]
    assert [tuple(s.shape) for s in cache.sums] == [(37, 8)] * 3


def test_layers_whose_states_differ_are_not_equal() -> None:
    cache = Cache()
    cache.sums = [torch.empty((37, n), device="meta") for n in (5, 6)]
    first, second = calls(record_of(Stack(Layer(0), Layer(1)), cache))
    assert first is not second and [s.shape[-1] for s in cache.sums] == [8, 9]


def test_a_call_that_changes_its_module_is_not_repeated_from_the_record() -> None:
    toggles = Toggles()
    first, second, third = calls(record_of(Stack(toggles, toggles, toggles)))
    assert [len(r.events) for r in (first, second)] == [1, 2]
    assert third is second  # it only said again what was so already


class Gathers(nn.Module):
    """Adds up all that it was ever given, which it keeps in a container."""

    def __init__(self, kind: type) -> None:
        super().__init__()
        self.seen = kind()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        held = self.seen if isinstance(self.seen, list) else vars(self.seen).setdefault("all", [])
        held.append(x)
        return torch.cat(held)


def test_what_a_module_gathers_in_a_container_makes_its_next_call_another() -> None:
    for kind in (list, SimpleNamespace):
        gathers = Gathers(kind)
        sizes = [r.events[0].outputs[0].sizes[0] for r in calls(record_of(Stack(gathers, gathers, gathers)))]
        assert sizes == [37, 74, 111]


class Keeps(nn.Module):
    """Makes its state at the first step, and goes on from it at the next."""

    def __init__(self) -> None:
        super().__init__()
        self.state: torch.Tensor | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.state is None:
            self.state = torch.zeros(x.shape)
        self.state = self.state + x
        return self.state


def test_a_step_finds_what_the_one_before_it_kept_on_the_module() -> None:
    zeros, add = "aten.zeros.default", "aten.add.Tensor"
    for settings, expected in (
        ({}, [zeros, add]),
        ({"settle": True}, [add]),
        ({"settle": True, "memo": False}, [add]),
    ):
        model = Keeps()
        root, *_ = run(lambda _, m=model: (m, (torch.ones(3, device="meta"),), {}), {}, **settings)
        assert [str(e.func) for e in root.events] == expected


class Kind(Enum):
    FULL = "full"
    WINDOW = "window"


@dataclass
class Options:
    width: int = 2
    layer_idx: int = 0


class Chooses(nn.Module):
    """Takes the course that something it holds says: none of these is a plain attribute."""

    def __init__(self, held: Any) -> None:
        super().__init__()
        self.held = held

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        held = self.held
        if callable(held):
            return held(x)
        if isinstance(held, Options):
            return x.repeat(1, held.width)
        if isinstance(held, dict):
            return x.repeat(1, held["sizes"]["width"])
        return x.exp() if held is Kind.WINDOW else x + 1


def _closing_over(n: int) -> Any:
    return lambda x: x.repeat(1, n)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Kind.FULL, Kind.WINDOW),
        (Options(2), Options(3)),
        ({"sizes": {"width": 2}}, {"sizes": {"width": 3}}),
        (torch.exp, torch.relu),
        (partial(torch.sum, dim=0), partial(torch.sum, dim=1)),
        (_closing_over(2), _closing_over(3)),
        (nn.functional.gelu, nn.functional.silu),
    ],
    ids=["enum", "dataclass", "dict", "builtin", "partial", "closure", "function"],
)
def test_what_a_module_holds_tells_it_from_another(one: Any, other: Any) -> None:
    first, second = calls(record_of(Stack(Chooses(one), Chooses(other))))
    assert first is not second


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Options(2, 0), Options(2, 1)),
        (_closing_over(2), _closing_over(2)),
        (partial(torch.sum, dim=0), partial(torch.sum, dim=0)),
    ],
    ids=["layer number", "closure", "partial"],
)
def test_equal_contents_make_equal_modules(one: Any, other: Any) -> None:
    first, second = calls(record_of(Stack(Chooses(one), Chooses(other))))
    assert first is second


class Mixes(nn.Module):
    def forward(self, x: torch.Tensor, first: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return x + first, first


class Repeats(Stack):
    """Gives its first part one tensor twice, and the others two."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first = x
        for part in self.parts:
            x, first = part(x, first)
        return x


def test_one_tensor_given_twice_is_not_like_two() -> None:
    records = calls(record_of(Repeats(Mixes(), Mixes(), Mixes())))
    assert records[0] is not records[1] and records[1] is records[2]
