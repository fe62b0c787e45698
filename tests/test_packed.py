"""Formulas fitted over packed images say how far their fit reaches."""

from __future__ import annotations

from torch import nn

from cutaway.formula import const, sym
from cutaway.trace.dim import Guard
from cutaway.trace.packed import within_windows


class Tower(nn.Module):
    def __init__(self, window_size: int) -> None:
        super().__init__()
        self.window_size = window_size


def test_beyond_a_window_that_no_run_left_the_formula_does_not_hold() -> None:
    model = nn.Sequential(Tower(448), Tower(112))
    seen = ({"image_height": 140, "image_width": 364}, {"image_height": 168, "image_width": 392})
    assert list(within_windows(model, seen)) == [
        Guard(sym(side) - const(448), "<=", True) for side in ("image_height", "image_width")
    ]


def test_where_runs_left_every_window_it_holds_at_all_sizes() -> None:
    assert not list(within_windows(nn.Sequential(Tower(112)), ({"image_height": 140, "image_width": 364},)))


def test_texts_have_no_windows_of_images() -> None:
    assert not list(within_windows(Tower(448), ({"batch_size": 5, "seq_len": 100},)))
