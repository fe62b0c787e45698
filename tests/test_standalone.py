"""Classes by themselves: what a forward takes is found by trying, and what cannot be found is said."""

from __future__ import annotations

import pytest

from cutaway import cost
from cutaway.errors import BadValue

PATCHES = """
import torch
from torch import nn

class Patches(nn.Module):
    '''Cuts images into patches without a convolution, and knows as many places as its own size has.'''
    def __init__(self):
        super().__init__()
        self.put = nn.Linear(3 * 16 * 16, 8, bias=False)
        self.place = nn.Parameter(torch.zeros(1, 36, 8))
    def forward(self, img):
        b, c, h, w = img.shape
        x = img.reshape(b, c, h // 16, 16, w // 16, 16).permute(0, 2, 4, 3, 5, 1).reshape(b, -1, 3 * 16 * 16)
        return self.put(x) + self.place[:, : x.shape[1]]

class Cast(nn.Module):
    '''Names the device of its tensors, as code does that must not be cast.'''
    def __init__(self):
        super().__init__()
        self.out = nn.Linear(32, 32, bias=False)
    def forward(self, x):
        with torch.autocast(x.device.type, enabled=False):
            x = self.out(x)
        with torch.autocast(device_type=x.device.type, dtype=torch.bfloat16):
            return self.out(x)

class Mixed(nn.Module):
    def __init__(self):
        super().__init__()
        self.out = nn.Linear(32, 32, bias=False)
        self.table = torch.zeros(32, 32, dtype=torch.float32)
    def forward(self, x):
        return torch.bmm(self.out(x), self.table.expand(x.shape[0], 32, 32))

try:
    class Grey(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = nn.Sequential(nn.Conv2d(1, 6, 5, padding=2), nn.MaxPool2d(4), nn.Flatten(), nn.Linear(294, 10))
        def forward(self, x):
            return self.net(x)
except ImportError:
    Grey = None

class Lines(nn.Module):
    '''Its first convolution keeps its weight in two parts, which have other sizes than it says.'''
    def __init__(self):
        super().__init__()
        self.net = nn.utils.parametrizations.weight_norm(nn.Conv1d(6, 4, 3, padding=1))
    def forward(self, x):
        return self.net(x)

class Skips(nn.Module):
    '''Goes down to a quarter of the image and joins it on its way up: sides are multiples of four.'''
    def __init__(self):
        super().__init__()
        self.down = nn.Conv2d(3, 4, 4, stride=4, bias=False)
        self.up = nn.ConvTranspose2d(4, 4, 4, stride=4, bias=False)
    def forward(self, x):
        return torch.cat([x, self.up(self.down(x))], 1)

class Series(nn.Module):
    '''Mixes as many steps as it was made for.'''
    def __init__(self, context_length, channels):
        super().__init__()
        self.steps = nn.Linear(context_length, 2, bias=False)
        self.channels = channels
    def forward(self, past):
        assert past.shape[2] == self.channels
        return self.steps(past.mT)

class Last(nn.Module):
    '''Images with their colours last.'''
    def __init__(self, inputs):
        super().__init__()
        self.norm = nn.LayerNorm(inputs)
        self.put = nn.Linear(inputs, 8, bias=False)
    def forward(self, x):
        b, h, w, c = x.shape
        return self.put(self.norm(x).reshape(b, h * w, c))

def make(n_embd, depth: int = 3):
    return nn.Sequential(*[nn.Linear(n_embd, n_embd, bias=False) for _ in range(depth)])

def make_none():
    return [nn.Linear(4, 4)]
"""


@pytest.fixture
def asked(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(PATCHES, "utf-8")
    return lambda name, **more: cost(f"{path}:{name}", trust_code=True, cache=False, **more)


def test_images_of_one_size_are_found_and_the_size_is_said(asked):
    found = asked("Patches")
    assert str(found.totals()["matmul_flops"]) == f"{2 * 36 * 768 * 8} * {{batch_size}}"
    assert any("96 x 96" in note for note in found.analysis.assumptions)


def test_grey_images_of_one_size_and_a_class_inside_a_try(asked):
    found = asked("Grey")
    assert str(found.totals()["matmul_flops"]) == f"{2 * 28 * 28 * 25 * 6 + 2 * 294 * 10} * {{batch_size}}"


def test_the_width_is_what_the_first_layer_says_or_an_argument_and_colours_may_come_last(asked):
    assert str(asked("Lines").totals()["matmul_flops"]) == f"{2 * 6 * 4 * 3} * {{batch_size}} * {{seq_len}}"
    found = asked("Last", args={"inputs": 5})
    assert str(found.totals()["matmul_flops"]) == "80 * {batch_size} * {image_height} * {image_width}"


def test_sides_of_images_stay_free_where_they_need_only_be_halved_often(asked):
    found = asked("Skips")
    assert found.evaluate(batch_size=2, image_height=96, image_width=160)["matmul_flops"] == 2 * 2 * 24 * 40 * (3 + 4) * 4 * 16
    assert not any("images are" in note for note in found.analysis.assumptions)


def test_a_series_of_fixed_length_is_found_by_the_arguments(asked):
    found = asked("Series", args={"context_length": 24, "channels": 7})
    assert str(found.totals()["matmul_flops"]) == f"{2 * 24 * 7 * 2} * {{batch_size}}"


def test_regions_of_autocast_are_gone_through_and_cast_nothing(asked):
    found = asked("Cast")
    assert str(found.totals()["matmul_flops"]) == "4096 * {batch_size} * {seq_len}"
    assert any("autocast casts nothing" in note for note in found.analysis.assumptions)


def test_code_that_mixes_dtypes_is_told_of_the_one_that_it_runs_in(asked):
    with pytest.raises(BadValue) as raised:
        asked("Mixed")
    assert "--dtype float32" in raised.value.render()
    assert str(asked("Mixed", dtype="float32").totals()["matmul_flops"]) == "4096 * {batch_size} * {seq_len}"


def test_a_function_that_makes_a_module_stands_for_it(asked):
    every = "{batch_size} * {seq_len} * {n_embd}**2"
    assert str(asked("make").totals()["matmul_flops"]) == f"6 * {every}"
    assert str(asked("make", args={"n_embd": 8, "depth": 2}).totals()["matmul_flops"]) == "256 * {batch_size} * {seq_len}"
    with pytest.raises(BadValue, match=r"makes no torch\.nn\.Module"):
        asked("make_none")
