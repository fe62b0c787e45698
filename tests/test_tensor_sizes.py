"""Sizes that code keeps in tensors come out of them as the sizes they are; what is unknown is never guessed."""

from __future__ import annotations

from functools import lru_cache

import pytest
import torch
from torch import nn

from cutaway.formula import const, floor_div, holds, minimum, sym
from cutaway.model import Kernel
from cutaway.trace.analyse import analyse_module
from cutaway.trace.inputs import InputPlan
from cutaway.trace.inputs_symbols import symbols_of
from cutaway.trace.inputs_types import InputSpec
from cutaway.trace.job import Job
from cutaway.trace.run import run
from cutaway.trace.values import LIMIT, kept

B, S = sym("batch_size"), sym("seq_len")
SPECS = (InputSpec("x", ("batch_size", "seq_len", 16), "float", "random"),)
PLAN = InputPlan("prefill", SPECS, symbols_of(SPECS), None, ())


class Lengths(nn.Module):
    """Room for half as many rows as a mask has ones, as encoders of speech count their frames."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mask = torch.ones(x.shape[:2], dtype=torch.long, device=x.device)
        halves = torch.stack([(mask.sum(-1) - 1) // 2 + 1, torch.zeros_like(mask[:, 0])], 1)
        return x.new_zeros(x.shape[0], halves[0, 0].item(), 16) @ x.new_zeros(16, 16)


class Divided(nn.Module):
    """A quotient of plain numbers that torch makes a tensor, and one in the name of a part."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.ModuleDict({"part_1": nn.Linear(16, 16, bias=False)})

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        count = torch.div(x.shape[1], 4, rounding_mode="trunc") + 1
        return self.parts[f"part_{torch.tensor(1, device=x.device)}"](x.new_zeros((x.shape[0], count, 16)))


class Gathered(nn.Module):
    """Bounds of chunks: a list of numbers, some of which are in tensors, made a tensor and summed up."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        length = torch.tensor([x.shape[1]], device=x.device)
        bounds = torch.tensor([0, 4, *(length // 2)], device=x.device).cumsum(0)
        return x.new_zeros(x.shape[0], bounds[-1].item(), 16) @ x.new_zeros(16, 16)


def test_numbers_in_tensors_among_others_in_a_list_stay_sizes() -> None:
    found = analyse_module(Gathered(), PLAN, name="it", values={})
    assert not found.gaps
    assert found.total.matmul_flops == 512 * B * (floor_div(S, 2) + 4)


def test_a_length_summed_from_a_mask_is_a_size() -> None:
    found = analyse_module(Lengths(), PLAN, name="it", values={})
    assert not found.gaps
    assert found.total.matmul_flops == 512 * B * (floor_div(S - 1, 2) + 1)


def test_a_quotient_that_torch_made_a_tensor_is_a_size() -> None:
    found = analyse_module(Divided(), PLAN, name="it", values={})
    assert not found.gaps
    assert found.total.matmul_flops == 512 * B * (floor_div(S, 4) + 1)


class Spread(nn.Module):
    """A mask too large to keep: all that it repeats is known, and still so in a part of it that is written to."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        size = x.shape[1]
        rows = torch.ones(x.shape[0], size, dtype=torch.bool, device=x.device)
        mask = rows[:, None, :] & (torch.arange(size, device=x.device) >= 0)[:, None]
        first = torch.where(mask, 0, 1)[:, 0]
        first[torch.zeros(first.shape, dtype=torch.bool, device=x.device)] = 2
        return mask, first


def test_a_large_mask_keeps_what_it_repeats() -> None:
    mask, first = traced(Spread(), 1500)
    assert mask.numel() > LIMIT
    assert bool(kept(mask).all())
    assert not kept(first).any()


class Overwritten(nn.Module):
    """Zeros of which a view is written with what nobody knows."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        zeros = torch.zeros(4, dtype=x.dtype, device=x.device)
        zeros[1:3].copy_(x[0, :2, 0])
        return zeros


def test_what_a_view_is_written_with_is_not_known_of_the_whole_either() -> None:
    assert kept(traced(Overwritten(), 5)) is None


class Windowed(nn.Module):
    """Keeps the last tokens, as many as a window holds: a slice that no code asks about."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.bmm(x[:, -1300:], x.new_zeros(x.shape[0], 16, 1))


def test_what_a_window_keeps_is_no_more_than_it_holds() -> None:
    found = analyse_module(Windowed(), PLAN, name="it", values={})
    assert not found.gaps
    assert found.total.matmul_flops == 32 * B * minimum(S, 1300)


class Pieces(nn.Module):
    """A row for each of few sequences, put together again; and rows picked by tables that spread over each other."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        rows = x.flatten(0, 1)
        places = torch.arange(x.shape[1], device=x.device)
        again = torch.cat(torch.split(rows, [x.shape[1]] * x.shape[0]))
        apart = x[places[:, None] % 2, :, torch.arange(3, device=x.device)]
        return again, x[places[:, None] % 2, places[:3]], apart


def test_sizes_of_what_is_picked_and_put_together_again() -> None:
    again, picked, apart = sized(Pieces(), 5, 149)
    assert again == (B * S, 16)
    assert picked == (S, 3, 16)
    assert apart == (S, 3, S)


class Flags(nn.Module):
    """A mask of all tokens, too large to be gone through, and one of the first half of them."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        wide = x.repeat(1, 1, 64)
        every = torch.ones(x.shape[:2], dtype=torch.bool, device=x.device)[..., None].expand_as(wide)
        half = (torch.arange(x.shape[1], device=x.device) < x.shape[1] // 2)[None, :, None].expand_as(wide)
        return wide[every], wide[half]


def test_what_a_mask_repeats_is_counted_once() -> None:
    every, half = sized(Flags(), 131, 400)
    assert every == (1024 * B * S,)
    assert half == (1024 * B * floor_div(S, 2),)


def sized(module: nn.Module, batch: int, length: int) -> list[tuple]:
    """The sizes of what a module makes of an input with sizes that have formulas."""
    hints = {"batch_size": batch, "seq_len": length}
    make = lambda scope: (module, (torch.empty(*map(scope.dim, hints), 16, device="meta"),), {})  # noqa: E731
    return [t._cut.dims for t in run(make, hints, lines=False)[2]]


def traced(module: nn.Module, length: int):
    hints = {"batch_size": 7, "seq_len": length}
    x = torch.empty(7, length, 16, device="meta")
    return run(lambda scope: (module, (x,), {}), hints, lines=False)[2]


class Lost(nn.Module):
    """Room for all tokens and twice the pairs of them, by numbers that Python has made plain ones."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        places = list(range(x.shape[1]))
        room = torch.arange(0, len(places) + 2 * len(places[::2]), device=x.device)
        pairs = x[:, ::2].sum(1)
        return room[:, None] * (pairs @ x.new_zeros(16, 1)).sum()


def test_a_size_that_lost_its_formula_is_told_from_several_runs() -> None:
    found = analyse_module(Lost(), PLAN, name="it", values={})
    assert not found.gaps
    made = next(k for k in found.modules[-1].steps if k.op == "aten.arange.start")
    assert made.outputs[0].dims == (S + 2 * floor_div(S + 1, 2),)


class Chance(nn.Module):
    """A number of rows that is no simple formula of the length."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.new_zeros(int(x.shape[1] ** 1.5), 16)


def test_a_size_that_no_formula_gives_stays_a_gap() -> None:
    assert analyse_module(Chance(), PLAN, name="it", values={}).gaps


class Cached(nn.Module):
    """Rows made once for each length, as code does that keeps what it made."""

    @staticmethod
    @lru_cache(maxsize=4)
    def rows(length: int, device: torch.device) -> torch.Tensor:
        return torch.ones(length, 16, device=device).cumsum(0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.rows(x.shape[1], x.device)


def test_each_run_makes_what_the_code_keeps() -> None:
    found = [analyse_module(Cached(), PLAN, name="it", values={}) for _ in range(2)]
    assert not found[0].gaps
    assert found[0].total == found[1].total
    assert "aten.cumsum.default" in [k.op for k in found[1].modules[-1].steps]


class Latest(nn.Module):
    """What a window of 4095 leaves of the tokens: all of them in every run of a trace."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, -4095:] @ x.new_zeros(16, 16)


def test_the_last_so_many_are_at_most_that_many_without_a_condition() -> None:
    found = analyse_module(Latest(), PLAN, name="Latest", values={})
    assert found.total.matmul_flops == 2 * 16 * 16 * B * minimum(S, 4095)
    assert found.valid_when == ("batch_size > 1", "seq_len > 1")


class Full(nn.Module):
    """Takes what fills a window of four, of the tokens that are left and one more: most often nothing."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        left = x.shape[1] % 4 + 1
        full = x[:, : left // 4 * 4]
        return full @ x.new_zeros(16, 16) if full.shape[1] > 0 else x


def test_what_is_empty_here_is_said_to_be_so() -> None:
    found = analyse_module(Full(), PLAN, name="Full", values={})
    assert found.total.matmul_flops == const(0)
    assert not all(holds(c, {"batch_size": 2, "seq_len": 7}) for c in found.valid_when)
    assert all(holds(c, {"batch_size": 2, "seq_len": 9}) for c in found.valid_when)
    there = analyse_module(Full(), PLAN, name="Full", values={"batch_size": 2, "seq_len": 7})
    assert there.total.matmul_flops.evaluate({"batch_size": 2, "seq_len": 7}) == 2 * 16 * 16 * 2 * 4


class Grouped(nn.Module):
    """Groups of 256 tokens, the last one filled up."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        groups = nn.functional.pad(x, (0, 0, 0, (256 - x.shape[1] % 256) % 256)).reshape(x.shape[0], -1, 256, 16)
        return groups.sum(2) @ x.new_zeros(16, 16)


@pytest.mark.parametrize("length", [512, 700])
def test_groups_that_are_full_are_sizes_too(length: int) -> None:
    found = analyse_module(Grouped(), PLAN, name="Grouped", values={"batch_size": 2, "seq_len": length})
    assert found.gaps == ()
    at = {"batch_size": 2, "seq_len": length}
    assert found.total.matmul_flops.evaluate(at) == 2 * 16 * 16 * 2 * -(-length // 256)
    assert all(holds(c, at) for c in found.valid_when)


class CutShort(nn.Module):
    """Takes no more than 2000 tokens."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, :2000] @ x.new_zeros(16, 16)


def test_what_is_cut_short_only_where_there_is_more_says_so() -> None:
    found = analyse_module(CutShort(), PLAN, name="CutShort", values={})
    assert found.total.matmul_flops == 2 * 16 * 16 * B * S
    assert "seq_len <= 2000" in found.valid_when
    there = analyse_module(CutShort(), PLAN, name="CutShort", values={"batch_size": 2, "seq_len": 3000})
    assert there.total.matmul_flops.evaluate({"batch_size": 2, "seq_len": 3000}) == 2 * 16 * 16 * 2 * 2000


class Normed(nn.Module):
    """A convolution whose weight is kept as a direction and a length."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.utils.parametrizations.weight_norm(nn.Conv1d(16, 8, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x.transpose(1, 2))


def test_every_line_of_a_parametrised_layer_is_accounted_for() -> None:
    found = analyse_module(Normed().to("meta", torch.bfloat16), PLAN, name="Normed", values={})
    assert any("parametrizations.py" in k.stack[-1].path for m in found.modules for k in m.steps if isinstance(k, Kernel))
    lines = [line for m in found.modules for line in m.lines]
    assert lines and not any(line.why.startswith("an exception") for line in lines if line.status == "not_taken")


class Places(nn.Module):
    """Places of the tokens of all sequences, whose number is a sum over sequences that are alike."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        counts = torch.tensor([x.shape[1]], device=x.device).expand(x.shape[0])
        return torch.arange(counts.sum(), device=x.device) * 2


class Bags(nn.Module):
    """Bags of four places each: torch makes the places where they begin, out of numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.zeros(64, 16))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        places = torch.zeros(x.shape[0] * x.shape[1], 4, dtype=torch.int64, device=x.device)
        return nn.functional.embedding_bag(places, self.table, mode="sum")


@pytest.mark.parametrize(("kind", "op"), [(Places, "aten.arange.default"), (Bags, "aten.arange.start_step")])
def test_numbers_of_all_tokens_are_sizes(kind: type[nn.Module], op: str) -> None:
    with torch.device("meta"):
        job = Job(kind(), PLAN, torch.float32)
    root = job.trace({"batch_size": 131, "seq_len": 1009}).root
    made = next(e for e in root.events if str(e.func) == op)
    assert made.outputs[0].dims == (sym("batch_size") * sym("seq_len"),)
