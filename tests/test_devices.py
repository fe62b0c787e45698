"""Code that names a device which is not here is traced all the same."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from cutaway.formula import Formula, sym
from cutaway.trace.analyse import analyse_module
from cutaway.trace.build import build_class
from cutaway.trace.inputs import InputPlan
from cutaway.trace.inputs_symbols import symbols_of
from cutaway.trace.inputs_types import InputSpec

WIDTH = 32
B: Formula = sym("batch_size")
S: Formula = sym("seq_len")


class Constructed(nn.Module):
    """Parameters on a device of their own, a table that is moved, numbers that are read back."""

    def __init__(self):
        super().__init__()
        self.out = nn.Linear(WIDTH, WIDTH, bias=False, device="cuda")
        self.table = torch.arange(512).to("cuda", torch.float32).cuda(0).cpu()
        self.rates = [x.item() for x in torch.linspace(0, 1, 3, device="cpu")]
        self.inner = nn.Linear(WIDTH, WIDTH, bias=False).cuda().to("cuda:1")

    def forward(self, x):
        return self.inner(self.out(x)) * self.rates[1]


class Moved(nn.Module):
    """Masks made on a device, results moved to and fro, a change of dtype on the way."""

    def __init__(self):
        super().__init__()
        self.out = nn.Linear(WIDTH, WIDTH, bias=False)

    def forward(self, x):
        mask = torch.full((x.shape[1], x.shape[1]), 1.0, device=torch.device("cuda", 0), dtype=x.dtype)
        y = self.out(x.cuda()).to("cuda").to(device="cuda:0", dtype=torch.float32).cpu()
        with torch.device("cuda"):
            ones = torch.ones(x.shape[1], x.shape[1])
        return mask.float() @ y + ones @ y


@pytest.mark.parametrize(
    ("cls", "products"),
    [(Constructed, 4 * B * S * WIDTH**2), (Moved, 2 * B * S * WIDTH**2 + 4 * B * S**2 * WIDTH)],
)
def test_devices_that_are_not_here_are_no_obstacle(cls, products):
    specs = (InputSpec("x", ("batch_size", "seq_len", WIDTH), "float"),)
    found = analyse_module(
        build_class(cls, {}), InputPlan("prefill", specs, symbols_of(specs)), name=cls.__name__, values={}
    )
    assert found.total.matmul_flops == products
    assert not found.gaps


def test_a_move_is_no_copy_and_a_change_of_dtype_is_one():
    specs = (InputSpec("x", ("batch_size", "seq_len", WIDTH), "float"),)
    found = analyse_module(build_class(Moved, {}), InputPlan("prefill", specs, symbols_of(specs)), name="Moved", values={})
    casts = [k for m in found.modules for k in m.steps if getattr(k, "op", "").startswith("aten._to_copy")]
    assert len(casts) == 2  # y and the mask, to float32


class Typed(nn.Module):
    """Asks for the type of a tensor and gives it to others, by its name and by its class."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        assert x.type() == "torch.BFloat16Tensor"
        wide = x.type(torch.FloatTensor).type("torch.cuda.DoubleTensor")
        return wide.type(x.type()).type(x.type()).type(x.dtype) @ torch.zeros(WIDTH, WIDTH, dtype=x.dtype)


def test_the_type_of_a_tensor_names_its_dtype_alone():
    specs = (InputSpec("x", ("batch_size", "seq_len", WIDTH), "float"),)
    found = analyse_module(build_class(Typed, {}), InputPlan("prefill", specs, symbols_of(specs)), name="Typed", values={})
    casts = [k for m in found.modules for k in m.steps if getattr(k, "op", "").startswith("aten._to_copy")]
    assert len(casts) == 3 and not found.gaps


def test_what_is_made_on_the_processor_keeps_its_values():
    assert build_class(Constructed, {}).rates == [0.0, 0.5, 1.0]
