"""Places that a threshold on data chooses: all are taken, by a named assumption; other questions about data are refused."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from cutaway.errors import ForwardRaised
from cutaway.formula import Formula, sym
from cutaway.model import Analysis
from cutaway.trace.analyse import analyse_module
from cutaway.trace.inputs import InputPlan
from cutaway.trace.inputs_symbols import symbols_of
from cutaway.trace.inputs_types import InputSpec
from cutaway.trace.taken import TAKEN

WIDTH = 16
B: Formula = sym("batch_size")
S: Formula = sym("seq_len")


class Rows(nn.Module):
    """A product over the rows that a threshold leaves."""

    def __init__(self) -> None:
        super().__init__()
        self.out = nn.Linear(WIDTH, 3, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(x[x.sum(-1) > 0])


class Patches(Rows):
    """Starts of patches where a score is high, sorted to the front by a mask and its complement; then one row a patch."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, length = x.shape[:2]
        starts = x.sum(-1)[:, 1:] > 0.5
        places = torch.arange(length - 1, device=x.device).unsqueeze(0).expand(batch, -1)
        both = torch.cat([places, torch.full_like(places, length)], 1)
        sorted_ = both[torch.cat([starts, ~starts], 1)].reshape(batch, length - 1)
        sorted_ = sorted_[:, : starts.sum(1).max()]
        return self.out(torch.zeros(batch, sorted_.shape[1] + 2, WIDTH, device=x.device))


class Inside(Rows):
    """Rows within two bounds, of which those that lie far from both ends of the sequence; none lies outside."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        score = x.sum(-1)
        inside = (score >= -5) & (score <= 5)
        rows, places = x[inside], inside.nonzero()
        far = (places[:, 1] >= 4) & (places[:, 1] < x.shape[1] - 4)
        return self.out(torch.cat([rows[far], x[~inside]]))


class Equal(Rows):
    """No threshold: nothing says how many rows have this very value."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(x[x.sum(-1) == 3])


class Branch(Rows):
    """Which code runs is not a place: it is not assumed."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(x) if (x > 0).all() else x


class EverySecond(Rows):
    """A product over places that a mask of known values picks, alike in each row of the batch."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        picked = (torch.arange(8, device=x.device) % 2).bool().expand(x.shape[0], -1).contiguous()
        return self.out(x.new_ones(x.shape[0], 8, WIDTH)[picked])


def analysed(kind: type[nn.Module], **values: int) -> Analysis:
    with torch.device("meta"):
        model = kind().eval()
    specs = (InputSpec("x", ("batch_size", "seq_len", WIDTH), "float", "random"),)
    plan = InputPlan("prefill", specs, symbols_of(specs), None, ())
    return analyse_module(model, plan, name="it", values=values, dtype="float32")


def test_all_rows_pass_a_threshold() -> None:
    found = analysed(Rows)
    assert found.total.matmul_flops == 2 * WIDTH * 3 * B * S
    assert TAKEN in found.assumptions and found.gaps == ()


def test_known_masks_that_are_alike_in_each_row_pick_as_many_in_each() -> None:
    found = analysed(EverySecond)
    assert found.total.matmul_flops == 2 * WIDTH * 3 * B * 4 and not found.gaps


def test_what_passes_several_thresholds_is_all_there_is() -> None:
    found = analysed(Inside)
    assert TAKEN in found.assumptions and found.gaps == ()
    assert found.total.matmul_flops == 2 * 3 * WIDTH * B * S


@pytest.mark.parametrize("values", [{}, {"batch_size": 2, "seq_len": 6}, {"batch_size": 1, "seq_len": 7}])
def test_a_mask_its_complement_and_its_count(values: dict[str, int]) -> None:
    found = analysed(Patches, **values)
    assert found.gaps == ()
    at = values or {"batch_size": 5, "seq_len": 40}
    wanted = 2 * WIDTH * 3 * at["batch_size"] * (at["seq_len"] + 1)
    assert found.total.matmul_flops.evaluate(at) == wanted


def test_the_assumption_is_what_real_data_can_meet() -> None:
    """With every score high the real forward has the derived number of rows."""
    model = Patches()
    assert model(torch.ones(2, 9, WIDTH)).shape == (2, 10, 3)


@pytest.mark.parametrize("kind", [Equal, Branch])
def test_other_questions_about_data_are_refused_with_their_place(kind: type[nn.Module]) -> None:
    with pytest.raises(ForwardRaised, match="asks for the value of a tensor") as caught:
        analysed(kind)
    assert "test_taken.py" in str(caught.value.where)


class Unpadded(Rows):
    """Rows that are not all zeros, which how many of their numbers are zeros tells."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        real = (x == 0.0).sum(-1) != x.shape[-1]
        return torch.cat([self.out(rows) for rows in x[real].split(real.sum(-1).tolist())])


def test_nothing_is_taken_for_padding() -> None:
    found = analysed(Unpadded)
    assert found.gaps == () and TAKEN in found.assumptions
