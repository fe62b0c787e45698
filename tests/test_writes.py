"""What a forward changes in its modules is taken back: one derivation says nothing about the next."""

from __future__ import annotations

import torch
from torch import nn

from cutaway.formula import sym
from cutaway.trace import job as jobs
from cutaway.trace.analyse import analyse_module
from cutaway.trace.inputs import InputPlan
from cutaway.trace.inputs_symbols import symbols_of
from cutaway.trace.inputs_types import InputSpec

B, S = sym("batch_size"), sym("seq_len")
SPECS = (InputSpec("x", ("batch_size", "seq_len", 16), "float", "random"),)
PLAN = InputPlan("prefill", SPECS, symbols_of(SPECS), None, ())


class Grown(nn.Module):
    """Keeps a table that grows with the longest prompt, and notes of it in a list and under a new name."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("table", torch.zeros(8, 16))
        self.met: list[int] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.shape[1] > self.table.shape[0]:
            self.register_buffer("table", torch.zeros(x.shape[1], 16).exp())
            self.longest = x.shape[1]
            self.met.append(1)
        return x + self.table[: x.shape[1]]


def grown() -> Grown:
    with torch.device("meta"):
        return Grown().eval()


def test_a_model_is_left_as_it_was_built() -> None:
    model = grown()
    before = model.table
    found = [analyse_module(model, PLAN, name="it", values={}, memo=memo) for memo in (True, False)]
    assert found[0].gaps == () and found[0].total == found[1].total
    assert found[0].total.flops == 16 * S + 16 * B * S  # the table is made, and added
    assert model.table is before and model.met == [] and not hasattr(model, "longest")


def test_a_regime_is_derived_from_the_model_as_it_was_built(monkeypatch) -> None:
    started = []
    start = jobs.Job.start

    def noted(job, hints):
        started.append(hints["seq_len"])
        return start(job, hints)

    monkeypatch.setattr(jobs.Job, "start", noted)
    derived = []
    derive = jobs.Job.derive
    monkeypatch.setattr(jobs.Job, "derive", lambda job, hints, **more: (derived.append(hints), derive(job, hints, **more))[1])
    found = analyse_module(grown(), PLAN, name="it", values={"seq_len": 6})
    assert found.total.flops == 16 * B * S and "seq_len <= 8" in found.valid_when
    assert len(started) == 2 and [hints["seq_len"] for hints in derived] == started[1:]  # the usual sizes were only tried
