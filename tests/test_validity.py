"""Conditions: what a comparison says of the sizes at which the formulas hold."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from cutaway.errors import ForwardRaised
from cutaway.formula import sym
from cutaway.model import Analysis
from cutaway.trace.analyse import analyse_module
from cutaway.trace.inputs import InputPlan
from cutaway.trace.inputs_symbols import symbols_of
from cutaway.trace.inputs_types import InputSpec
from cutaway.trace.job import UNCHECKED

WIDTH = 16


class Counting(nn.Module):
    """A loop over the tokens that counts its turns itself."""

    def __init__(self) -> None:
        super().__init__()
        self.step = nn.Linear(WIDTH, WIDTH, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n, out = 0, torch.zeros_like(x[:, 0])
        while n < x.shape[1]:
            out = self.step(out + x[:, n])
            n += 1
        return out


class Spectral(nn.Module):
    """A Fourier transform, for which there is no kernel in bfloat16."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.fft.fft(x).real


def analysed(kind: type[nn.Module], dtype: str = "float32", **values: int) -> Analysis:
    with torch.device("meta"):
        model = kind().eval()
    specs = (InputSpec("x", ("batch_size", "seq_len", WIDTH), "float", "random"),)
    plan = InputPlan("prefill", specs, symbols_of(specs), None, ())
    return analyse_module(model, plan, name="it", values=values, dtype=dtype)


def test_a_loop_that_counts_its_turns_is_one_over_the_tokens() -> None:
    found = analysed(Counting)
    assert found.gaps == () and found.valid_when == ("batch_size > 1", "seq_len > 1")
    assert found.total.matmul_flops == 2 * WIDTH * WIDTH * sym("batch_size") * sym("seq_len")


def test_what_torch_cannot_compute_in_16_bits_is_said_with_the_dtype_to_try() -> None:
    assert analysed(Spectral).gaps == ()
    with pytest.raises(ForwardRaised) as caught:
        analysed(Spectral, dtype="bfloat16")
    assert caught.value.try_ == "--dtype float32"


def _number(size: int) -> int:
    """A size that has lost where it comes from."""
    return int(f"{size:d}")


class Shy(nn.Module):
    """Runs near one batch size only, and loses the size of what it makes."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not 125 <= _number(x.shape[0]) <= 137:
            raise ValueError("not so many")
        return x.sum() + x.new_zeros(60 + _number(x.shape[0]) ** 2 % 7).exp()


class Single(nn.Module):
    """Runs at a single size."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if (_number(x.shape[0]), _number(x.shape[1])) != (131, 1009):
            raise ValueError("only so many")
        return x.exp()


def test_a_check_is_made_near_by_where_forward_refuses_what_is_far() -> None:
    found = analysed(Shy)
    assert any("a size is not understood" in gap.why for gap in found.gaps)
    assert UNCHECKED not in found.assumptions


def test_a_branch_of_a_single_size_says_that_it_was_not_checked() -> None:
    assert UNCHECKED in analysed(Single).assumptions
