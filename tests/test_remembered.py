"""Functions that remember results begin each run anew, and what fills their caches stands for no later call."""

from __future__ import annotations

from functools import lru_cache, wraps
from typing import Any

import torch
from torch import nn

from cutaway.trace.run import run


def remembering(function: Any) -> Any:
    inner = lru_cache(maxsize=4)(function)

    @wraps(function)
    def outer(*args: Any) -> Any:
        return inner(*args)

    outer.inner = inner
    return outer


@remembering
def table(size: int, width: int) -> torch.Tensor:
    return torch.ones(size, width).exp()


class Turns(nn.Module):
    @staticmethod
    @lru_cache(maxsize=4)
    def places(size: int) -> torch.Tensor:
        return torch.arange(size).neg()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * table(x.shape[0], 3) + self.places(x.shape[0])[:, None]


def ops() -> list[str]:
    model = Turns()
    record = run(lambda scope: (model, (torch.empty((scope.dim("n"), 3), device="meta"),), {}), {"n": 37}, lines=False)[0]
    return [str(event.func) for event in record.events]


def test_every_run_computes_what_the_first_one_does() -> None:
    first = ops()
    assert {"aten.exp.default", "aten.neg.default"} <= set(first)
    assert ops() == first


def test_nothing_without_data_is_left_for_real_runs() -> None:
    ops()
    assert not table.inner.cache_info().currsize and not Turns.places.cache_info().currsize
    assert Turns()(torch.zeros(37, 3)).shape == (37, 3)


class Layer(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * table(x.shape[0], 3)


class Layers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer() for _ in range(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


def calls(memo: bool) -> list[list[str]]:
    model = Layers()
    prepared = (model, (torch.empty((37, 3), device="meta"),), {})
    record = run(lambda scope: prepared, {}, lines=False, memo=memo)[0]
    return [[str(op.func) for op in event.module.events] for event in record.events]


def test_what_the_first_of_equal_layers_computes_for_all_is_counted_once() -> None:
    first, *others = calls(memo=False)
    assert "aten.exp.default" in first and all(other == ["aten.mul.Tensor"] for other in others)
    assert calls(memo=True) == [first, *others]
