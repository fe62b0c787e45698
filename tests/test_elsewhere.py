"""At which sizes a trace begins and is checked: those that tell most of it, and that forward takes."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from cutaway.model import Analysis
from cutaway.trace.analyse import derive
from cutaway.trace.elsewhere import alike_first
from cutaway.trace.inputs import InputPlan
from cutaway.trace.inputs_symbols import symbols_of
from cutaway.trace.inputs_types import InputSpec
from cutaway.trace.job import UNCHECKED, Job
from cutaway.trace.summary import Subject

WIDTH, CHUNK, SIDE = 16, 240, 195


class Padded(nn.Module):
    """Frames in chunks: 1000 of them leave a rest, the 1200 that come to mind for a check do not."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        frames = x.shape[1]
        chunks = (frames + CHUNK - 1) // CHUNK
        padded = F.pad(x, (0, 0, 0, chunks * CHUNK - frames))
        return (padded.view(x.shape[0], chunks, CHUNK, WIDTH) * 2).flatten(1, 2)[:, :frames].reshape(-1, WIDTH).exp()


class Resized(nn.Module):
    """A plain size that a check could have for its own: 131 sequences and 64 more."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.interpolate(x.transpose(1, 2), size=SIDE)


class Strip(nn.Module):
    """Pictures of one line of text, no higher than the lowest that are tried; half their width is a size of the model's."""

    def __init__(self) -> None:
        super().__init__()
        self.own = nn.Parameter(torch.zeros(48))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.shape[2] > 64:
            raise ValueError("too high")
        return F.max_pool2d(x, 2).exp()


def job(model: type[nn.Module], *shape: str | int) -> Job:
    with torch.device("meta"):
        made = model().eval()
    specs = (InputSpec("x", ("batch_size", *shape), "float", "random"),)
    plan = InputPlan("prefill", specs, symbols_of(specs), None, ())
    return Job(made, plan, torch.float32)


def analysed(model: type[nn.Module], *shape: str | int) -> Analysis:
    return derive(job(model, *shape), Subject("it"), {})


def test_sizes_that_leave_a_rest_where_the_run_did_come_first_for_the_check() -> None:
    run = job(Padded, "mel_frames", WIDTH).trace({"batch_size": 131, "mel_frames": 1000})
    whole, other = {"batch_size": 195, "mel_frames": 1200}, {"batch_size": 67, "mel_frames": 800}
    assert list(alike_first(run.scope, run.root, [whole, other])) == [other, whole]


def test_sizes_that_the_model_has_come_last_for_the_check() -> None:
    run = job(Resized, "seq_len", WIDTH).trace({"batch_size": 131, "seq_len": 1009})
    same, other = {"batch_size": SIDE, "seq_len": 1777}, {"batch_size": 67, "seq_len": 241}
    assert list(alike_first(run.scope, run.root, [same, other])) == [other, same]


def test_where_forward_takes_the_lowest_sizes_alone_it_is_traced_at_them() -> None:
    found = analysed(Strip, 3, "image_height", "image_width")
    assert found.gaps == () and UNCHECKED not in found.assumptions
    at = {"batch_size": 2, "image_height": 48, "image_width": 320, "a_bytes": 4}
    assert found.total.flops.evaluate(at) >= 2 * 3 * 24 * 160
