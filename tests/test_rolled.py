"""Loops in loops whose turns differ: put together from the turns of a few runs."""

from __future__ import annotations

from itertools import accumulate

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from cutaway.errors import ForwardRaised
from cutaway.formula import const, floor_div, holds, maximum, minimum, sym
from cutaway.trace import job as jobs
from cutaway.trace.analyse import analyse_module
from cutaway.trace.inputs import InputPlan
from cutaway.trace.inputs_symbols import symbols_of
from cutaway.trace.inputs_types import InputSpec
from cutaway.trace.turns import Through, summed

S, B = sym("seq_len"), sym("batch_size")
SPECS = (InputSpec("x", ("batch_size", "seq_len", 16), "float", "random"),)
PLAN = InputPlan("prefill", SPECS, symbols_of(SPECS), None, ())


class Pooled(nn.Module):
    """Each query meets the blocks of four that are whole before it, each time through a module of other sizes."""

    def __init__(self) -> None:
        super().__init__()
        self.keys = nn.Linear(16, 8, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = []
        for b in range(x.shape[0]):
            for q in range(x.shape[1]):
                blocks = (q + 1) // 4
                if blocks:
                    seen = self.keys(x[b, : 4 * blocks].view(blocks, 4, 16).mean(1))
                    out.append((seen @ x[b, q, :8]).relu().sum().tanh().exp() * 2)
                    out.append(seen[: min(3, blocks)].exp().sum() + seen.cos().sin().sum())
        return torch.stack(out)


def test_a_loop_in_a_loop_is_summed_up_from_its_turns(monkeypatch) -> None:
    torch.manual_seed(0)
    model = Pooled().eval().requires_grad_(False)
    runs, trace = [], jobs.Job.trace
    monkeypatch.setattr(jobs, "LOOP", 200)
    monkeypatch.setattr(jobs, "NESTED", 300)
    monkeypatch.setattr(jobs.Job, "trace", lambda job, hints, **more: runs.append(hints) or trace(job, hints, **more))
    found = analyse_module(model.to("meta"), PLAN, name="pooled", values={}, dtype="float32")
    assert not found.gaps
    assert len(runs) < 12  # a grid of both sizes takes more
    assert "Linear" in found.modules[1].signature
    real = Pooled().requires_grad_(False)
    for batch, tokens in ((2, 5), (3, 8), (2, 38), (5, 67)):
        with FlopCounterMode(display=False) as counter:
            real(torch.randn(batch, tokens, 16))
        extra = found.total.matmul_flops.evaluate({"batch_size": batch, "seq_len": tokens})
        vectors = sum(2 * 8 * ((q + 1) // 4) for q in range(tokens)) * batch  # which torch's counter does not know
        assert extra == counter.get_total_flops() + vectors
        assert found.modules[0].total.flops == found.total.flops


class Pieces(nn.Module):
    """A piece at a time: the last one has what the others leave."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(16, 16, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([self.inner(p) @ p.transpose(1, 2) @ p for p in x.split(64, 1)], 1)


class Padded(Pieces):
    """Each piece is as long as the others."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pieces = nn.functional.pad(x, (0, 0, 0, -x.shape[1] % 64)).split(64, 1)
        return torch.cat([self.inner(p) for p in pieces], 1)[:, : x.shape[1]]


class Backwards(Pieces):
    """From the last token to the first, each time over all that are before it."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        t, out = x.shape[1], []
        while t > 0:
            out.append(self.inner(x[:, :t]).sum(1))
            t -= 1
        return torch.stack(out, 1)


@pytest.mark.parametrize("cls", [Pieces, Padded, Backwards])
def test_pieces_of_a_length_and_loops_that_count_down(monkeypatch, cls) -> None:
    monkeypatch.setitem(jobs.SHORT, "seq_len", 67)
    found = analyse_module(cls().eval().requires_grad_(False).to("meta"), PLAN, name="it", values={}, dtype="float32")
    assert not found.gaps
    real = cls().requires_grad_(False)
    for batch, tokens in ((2, 70), (3, 130), (2, 192), (2, 333)):
        sizes = {"batch_size": batch, "seq_len": tokens}
        with FlopCounterMode(display=False) as counter:
            real(torch.randn(batch, tokens, 16))
        assert all(holds(c, sizes) for c in found.valid_when)
        assert found.total.matmul_flops.evaluate(sizes) == counter.get_total_flops()


class Fixed(nn.Module):
    """Adds a table of its own: it takes texts of that length alone."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.zeros(1200, 16))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.table


def test_as_many_tokens_as_a_table_has_places_is_a_condition() -> None:
    model = Fixed().eval().requires_grad_(False).to("meta")
    found = analyse_module(model, PLAN, name="it", values={"seq_len": 1200}, dtype="float32")
    assert "seq_len == 1200" in found.valid_when
    with pytest.raises(ForwardRaised):
        analyse_module(model, PLAN, name="it", values={"seq_len": 1201}, dtype="float32")


def test_sums_over_turns_hold_for_each_number_of_them() -> None:
    turns = [3 * (t // 4) + min(t, 9) * (t % 4 == 1) + 5 for t in range(80)]
    found = summed([const(t) for t in turns], S)
    assert found is not None
    assert [found.evaluate({"seq_len": n}) for n in range(81)] == [0, *accumulate(turns)]


def test_sums_that_go_on_otherwise_from_some_turn_on() -> None:
    assert summed([const(min(t, 6)) for t in range(40)], S) == (
        minimum(S, 6) * (minimum(S, 6) - 1) / 2 + 6 * maximum(S, 6) - 36
    )


def test_turns_without_a_rule_have_no_sum() -> None:
    assert summed([const(t * t % 41) for t in range(60)], S) is None


def test_a_polynomial_of_two_sizes_needs_a_point_to_check_it() -> None:
    points = [{"batch_size": b, "seq_len": s} for b, s in ((2, 5), (3, 5), (2, 9), (3, 9), (4, 17))]
    values = [B * (S - 3).substitute(p) * 2 for p in points]
    values = [v.substitute(p) for v, p in zip(values, points, strict=True)]
    assert Through(points, [B, S])(values) == 2 * B * S - 6 * B
    assert Through(points[:4], [B, S])(values[:4]) is None
    assert Through(points, [B, S])([*values[:4], values[4] + 1]) is None


def test_patches_of_all_images_and_squares_of_those_of_each_are_products_of_sizes() -> None:
    h, w = sym("image_height"), sym("image_width")
    several = ((2, 7, 11), (3, 9, 6), (5, 8, 8), (2, 6, 14), (4, 5, 9))
    points = [dict(zip(("batch_size", "image_height", "image_width"), p, strict=True)) for p in several]
    through = Through(points, [B, h, w])
    for formula in (8 * B * h * w + 3, 4 * h**2 * w**2 + 5 * h * w):
        assert through([formula.substitute(p) for p in points]) == formula


def test_a_step_is_seen_at_two_points_on_either_side() -> None:
    step = minimum(floor_div(S, 4), 2)
    points = [{"seq_len": n} for n in (4, 5, 6, 8, 9)]
    values = [const(7 if n < 8 else 12) for n in (4, 5, 6, 8, 9)]
    assert Through(points, [], [step])(values) == 5 * step + 2
    assert Through(points[:4], [], [step])(values[:4]) is None
