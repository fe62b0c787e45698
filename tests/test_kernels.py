"""Torch's kernels on the meta device are asked once for each question, and answer as they did the first time."""

from __future__ import annotations

import pytest
import torch

from cutaway.trace.kernels import asked, asked_in_place

ATEN = torch.ops.aten


def _meta(*shape: int) -> torch.Tensor:
    return torch.empty(shape, device="meta")


def test_a_write_in_place_gives_back_its_tensor_every_time() -> None:
    for _ in range(2):
        x = _meta(4, 6)
        assert asked_in_place(ATEN.sigmoid_.default, (x,), {}) is x
        assert asked_in_place(ATEN.add_.Tensor, (x, _meta(6)), {}) is x


def test_what_does_not_fit_is_refused_every_time() -> None:
    for _ in range(2):
        with pytest.raises(RuntimeError):
            asked_in_place(ATEN.add_.Tensor, (_meta(6), _meta(4, 6)), {})


def test_a_new_tensor_is_made_for_every_question() -> None:
    x, y = _meta(4, 6), _meta(6, 5)
    first, second = (asked(ATEN.mm.default, (x, y), {}) for _ in range(2))
    assert first is not second and first.shape == second.shape == (4, 5)
