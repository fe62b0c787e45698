"""Formulas on one side of a condition: few tokens, one chunk or none, and numbers that a small size may be taken for."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from cutaway.errors import ForwardRaised
from cutaway.formula import holds, sym
from cutaway.model import Analysis
from cutaway.trace.analyse import analyse_module
from cutaway.trace.dim import scope
from cutaway.trace.inputs import InputPlan
from cutaway.trace.inputs_symbols import symbols_of
from cutaway.trace.inputs_types import InputSpec
from cutaway.trace.op_mode import OpMode
from cutaway.trace.questions import sizes_of
from cutaway.trace.record import ModuleRun
from cutaway.trace.recorder import Recorder
from cutaway.trace.shape_mode import ShapeMode

WIDTH, CHUNK = 16, 64


class Chunked(nn.Module):
    """Tokens padded to whole chunks; inside a chunk row by row, then chunk by chunk."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = nn.Embedding(50, WIDTH)
        self.out = nn.Linear(WIDTH, 3, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.rows(x)
        length = x.shape[1]
        x = nn.functional.pad(x, (0, 0, 0, (CHUNK - length % CHUNK) % CHUNK))
        for i in range(1, CHUNK):
            x[:, i] = x[:, :i].sum(1)
        chunks = x.view(x.shape[0], -1, CHUNK, WIDTH)
        return torch.cat([self.out(chunks[:, i]) for i in range(x.shape[1] // CHUNK)], 1)[:, :length]


class Compressed(nn.Module):
    """One entry for each whole chunk, which few tokens have none of; the mask grows by what the entries added."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = nn.Embedding(50, WIDTH)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.rows(x)
        count = x.shape[1] // CHUNK
        entries = x[:, : count * CHUNK].reshape(x.shape[0], count, CHUNK, WIDTH).sum(2)
        seen = torch.cat([x, entries], 1)
        if seen.shape[1] < x.shape[1]:
            raise AssertionError
        return x @ seen.transpose(1, 2)


class Picked(Compressed):
    """Rows picked by values that no trace has."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.rows(x)
        return x[x.sum(-1) == 0]


class Short(Compressed):
    """No more than 50 tokens, of which no table and no config tells; as many bits as their number has."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.shape[1] > 50:
            raise ValueError("too long")
        return self.rows(x) @ torch.zeros(WIDTH, x.shape[1].bit_length(), device=x.device)


class Either(Compressed):
    """Another product where there are many rows or, asked only of few, many tokens."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.rows(x)
        if x.shape[0] > 8 or x.shape[1] > 64:
            return x @ torch.zeros(WIDTH, 2 * WIDTH, device=x.device)
        return x @ torch.zeros(WIDTH, 3, device=x.device)


def analysed(kind: type[nn.Module], **values: int) -> Analysis:
    with torch.device("meta"):
        model = kind().eval()
    specs = (InputSpec("x", ("batch_size", "seq_len"), "int64", "zeros"),)
    plan = InputPlan("prefill", specs, symbols_of(specs), None, ())
    return analyse_module(model, plan, name="it", values=values, dtype="float32")


def test_a_branch_behind_another_is_followed_too() -> None:
    at = {"batch_size": 3, "seq_len": 20}
    found = analysed(Either, **at)
    assert all(holds(c, at) for c in found.valid_when)
    assert found.total.matmul_flops.evaluate(at) == 2 * 3 * 20 * WIDTH * 3


def test_one_chunk_has_formulas_that_hold_there() -> None:
    found = analysed(Chunked, batch_size=2, seq_len=16)
    at = {"batch_size": 2, "seq_len": 16}
    several = {"batch_size": 2, "seq_len": 2 * CHUNK + 1}  # they were followed beyond it
    assert found.gaps == () and all(holds(c, p) for c in found.valid_when for p in (at, several))
    assert found.total.matmul_flops.evaluate(at) == 2 * 2 * CHUNK * WIDTH * 3
    assert found.total.matmul_flops.evaluate(several) == 3 * 2 * 2 * CHUNK * WIDTH * 3


def test_no_chunk_at_all_is_a_condition() -> None:
    found = analysed(Compressed, batch_size=2, seq_len=12)
    assert found.gaps == () and f"(floor(seq_len / {CHUNK})) == 0" in found.valid_when
    many = analysed(Compressed)
    assert f"(floor(seq_len / {CHUNK})) > 1" in many.valid_when
    assert not [c for c in many.valid_when if c.startswith("seq_len <")]


def test_rows_picked_by_unknown_values_are_said_to_be() -> None:
    with pytest.raises(ForwardRaised, match="asks for the value of a tensor") as caught:
        analysed(Picked)
    assert "test_regimes.py" in str(caught.value.where)


def test_where_the_usual_sizes_are_refused_small_ones_are_traced() -> None:
    found = analysed(Short)
    assert found.total.matmul_flops == 2 * WIDTH * 5 * sym("batch_size") * sym("seq_len")
    assert {"seq_len >= 16", "seq_len < 32"} <= set(found.valid_when) and found.gaps == ()
    assert analysed(Short, batch_size=2, seq_len=9).total.matmul_flops.evaluate(
        {"batch_size": 2, "seq_len": 9}
    ) == (2 * WIDTH * 4 * 2 * 9)


class Halving(Chunked):
    """A sum in as many steps as the length can be halved."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows = self.rows(x)
        for _ in range(math.ceil(math.log2(x.shape[1])) - int(math.log(x.shape[1] // 2, 2))):
            rows = rows @ torch.zeros(WIDTH, WIDTH, device=x.device)
        for _ in range(int(math.log2(x.shape[1]))):
            rows = rows @ torch.zeros(WIDTH, WIDTH, device=x.device)
        return rows


def test_the_steps_of_a_loop_that_halves_are_known_between_two_powers_of_two() -> None:
    found, few, whole = analysed(Halving), analysed(Halving, seq_len=100), analysed(Halving, seq_len=64)
    product = 2 * WIDTH * WIDTH * sym("batch_size") * sym("seq_len")
    assert found.total.matmul_flops == (2 + 9) * product and found.gaps == ()  # at 1009 tokens
    assert {"seq_len > 512", "seq_len < 1024"} <= set(found.valid_when)
    assert few.total.matmul_flops == (2 + 6) * product and few.gaps == ()
    assert whole.total.matmul_flops.evaluate({"batch_size": 2, "seq_len": 64}) == (1 + 6) * 2 * WIDTH * WIDTH * 128
    assert {"seq_len >= 64", "seq_len <= 64"} <= set(whole.valid_when)


class Padded(Compressed):
    """Padded to whole chunks by a number of numpy's, unless the length is such already."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        chunk = np.int64(CHUNK)
        if x.shape[1] % chunk != 0:
            x = nn.functional.pad(x, (0, chunk - x.shape[1] % chunk))
        return self.rows(x) @ torch.zeros(WIDTH, 3, device=x.device)


def test_lengths_of_whole_chunks_are_a_regime_of_their_own() -> None:
    found, whole = analysed(Padded), analysed(Padded, batch_size=2, seq_len=2 * CHUNK)
    at = {"batch_size": 2, "seq_len": 100}
    assert found.total.matmul_flops.evaluate(at) == 2 * 2 * 2 * CHUNK * WIDTH * 3
    assert not all(holds(c, {"batch_size": 2, "seq_len": 2 * CHUNK}) for c in found.valid_when)
    assert whole.total.matmul_flops == 2 * WIDTH * 3 * sym("batch_size") * sym("seq_len")


def test_sizes_that_a_call_names_are_those_and_no_others_of_their_value() -> None:
    """Two heads and two tokens: only one of the twos is the number of tokens."""
    with scope({"cache_len": 2, "batch_size": 131}) as symbols:
        recorder = Recorder(symbols, ModuleRun(None, ""))
        n, batch = symbols.dim("cache_len"), symbols.dim("batch_size")
        with OpMode(recorder), ShapeMode(recorder):
            made = [
                torch.empty((batch, 2, n, 16), device="meta"),
                torch.zeros(batch, 2, n, 16, device="meta"),
                torch.empty(3, 2, 3, 4, device="meta").new_ones((batch, 2, n, 16)),
            ]
    for t in made:
        assert [str(f) for f in t._cut.dims] == ["{batch_size}", "2", "{cache_len}", "16"]  # type: ignore[attr-defined]
        assert sizes_of(t) == (131, 2, 2, 16)


def test_a_comparison_of_two_sizes_is_one_condition_on_both() -> None:
    with scope({"a": 5, "b": 9}) as symbols:
        a, b = symbols.dim("a"), symbols.dim("b")
        assert a < b and a <= b and b > a and b >= a and a != b
        assert {g.difference for g in symbols.guards} <= {sym("a") - sym("b"), sym("b") - sym("a")}


FLOAT = (InputSpec("x", ("batch_size", "seq_len", 16), "float", "random"),)
FLOATS = InputPlan("prefill", FLOAT, symbols_of(FLOAT), None, ())


class Biased(nn.Module):
    """Adds the last of 1200 places to the tokens: it takes 1200 of them, and no more."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        places = x.new_zeros(1200, 16)
        return (x + places[max(0, 1200 - x.shape[1]) :]) @ x.new_zeros(16, 16)


def test_the_greatest_length_that_forward_takes() -> None:
    at = {"batch_size": 2, "seq_len": 1200}
    found = analyse_module(Biased(), FLOATS, name="Biased", values=at)
    assert found.gaps == () and all(holds(c, at) for c in found.valid_when)
    assert found.total.matmul_flops.evaluate(at) == 2 * 16 * 16 * 2 * 1200
