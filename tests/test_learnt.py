"""Inputs that no usual form fits: forward's own errors lead to them, and where they do not, as much as they told is said."""

from __future__ import annotations

import pytest

from cutaway import cost
from cutaway.errors import BadValue, ForwardRaised

CODE = """
import torch
from torch import nn

class Told(nn.Module):
    '''Takes what its layers are made for: tokens of an image, a text, a vector and a step for each, places of both.'''
    def __init__(self):
        super().__init__()
        self.put, self.text, self.whole = (nn.Linear(n, 8, bias=False) for n in (6, 10, 12))
        self.bands = [2, 4, 6]
    def forward(self, hidden_states: torch.Tensor, encoder_hidden_states: torch.Tensor = None,
                pooled_projections: torch.Tensor = None, timestep: torch.LongTensor = None, img_ids: torch.Tensor = None):
        x = self.put(hidden_states)
        x = x + self.whole(pooled_projections)[:, None] + timestep.to(x.dtype)[:, None, None]
        axes = img_ids.shape[-1]
        for i in range(axes):
            x = x + img_ids[:, i, None] * self.bands[i]
        return torch.cat([x, self.text(encoder_hidden_states)], 1)

class Video(nn.Module):
    '''Frames before channels, which only the layer beyond a reshape tells.'''
    def __init__(self):
        super().__init__()
        self.put = nn.Conv2d(4, 8, 2, stride=2, bias=False)
    def forward(self, sample, labels: torch.LongTensor):
        b, f, c, h, w = sample.shape
        x = self.put(sample.reshape(b * f, c, h, w))
        return x + labels[0]

class Squares(nn.Module):
    def __init__(self):
        super().__init__()
        self.put = nn.Conv2d(3, 4, 16, stride=16, bias=False)
    def forward(self, image, timestep):
        x = self.put(image).flatten(2).mT
        side = int(x.shape[1] ** 0.5)
        return x.reshape(x.shape[0], side, side, 4) * timestep[:, None, None, None]

class Inner(nn.Module):
    '''Wants a list beside what can be told.'''
    def __init__(self):
        super().__init__()
        self.put = nn.Linear(6, 8)
    def forward(self, hidden_states: torch.Tensor, sizes: list[int] | None = None):
        a, b = self.put(hidden_states), sizes[0]
        return a

class Patches(nn.Module):
    '''A side of any even length is fine.'''
    def __init__(self):
        super().__init__()
        self.put = nn.Linear(12, 8, bias=False)
    def forward(self, image):
        b, c, h, w = image.shape
        x = image.reshape(b, c, h // 2, 2, w // 2, 2).permute(0, 2, 4, 1, 3, 5).flatten(3)
        return self.put(x)

class Tokens(nn.Module):
    '''Mixes as many tokens as it was made for.'''
    def __init__(self, rows, length):
        super().__init__()
        self.rows, self.mix = nn.Embedding(50, rows), nn.Parameter(torch.zeros(length, length))
    def forward(self, x):
        return torch.einsum("bnd,nm->bmd", self.rows(x), self.mix)

class Looks(nn.Module):
    def __init__(self):
        super().__init__()
        self.put = nn.Linear(6, 8)
    def forward(self, hidden_states: torch.Tensor, timestep: torch.Tensor):
        x = self.put(hidden_states) * timestep[:, None, None]
        return x if torch.all(hidden_states == 0) else 2 * x

class Table(nn.Module):
    '''Knows places for no more than 60 rows of patches.'''
    def __init__(self):
        super().__init__()
        self.put = nn.Conv2d(4, 8, 2, stride=2, bias=False)
    def forward(self, sample, timestep):
        if sample.shape[2] // 2 > 60:
            raise ValueError(f"{sample.shape[2] // 2} rows are more than 60")
        return self.put(sample) * timestep[:, None, None, None]

class There(nn.Module):
    '''Halves an image, rounding up, and doubles it again: another odd height is the width of its neighbour.'''
    def __init__(self):
        super().__init__()
        self.down = nn.Conv2d(3, 4, 3, stride=2, padding=1, bias=False)
        self.back = nn.Conv2d(4, 4, 3, padding=1, bias=False)
    def forward(self, image):
        return self.back(nn.functional.interpolate(self.down(image), scale_factor=2.0))

class Eighth(nn.Module):
    '''Goes down to an eighth and half way up again, in frames too; the next convolution pads.'''
    def __init__(self):
        super().__init__()
        self.down = nn.Sequential(*[nn.Conv3d(3, 3, 3, stride=2, padding=1, bias=False) for _ in range(3)])
        self.back = nn.Conv3d(3, 4, 3, bias=False)
    def forward(self, video):
        x = nn.functional.interpolate(self.down(video), scale_factor=4.0, mode="nearest")
        return self.back(nn.functional.pad(x, (1, 1, 1, 1, 1, 1)))
"""


@pytest.fixture
def asked(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(CODE, "utf-8")
    return lambda name, **more: cost(f"{path}:{name}", trust_code=True, cache=False, **more)


def test_missing_arguments_and_widths_are_learnt_from_errors(asked):
    found = asked("Told")
    assert found.evaluate(batch_size=3, seq_len=5, encoder_len=7)["matmul_flops"] == 2 * 3 * 8 * (5 * 6 + 7 * 10 + 12)
    assert not found.analysis.gaps


def test_frames_and_channels_are_told_apart(asked):
    found = asked("Video")
    got = found.evaluate(batch_size=2, num_frames=3, image_height=32, image_width=64)["matmul_flops"]
    assert got == 2 * 2 * 3 * 16 * 32 * 4 * 4 * 8


def test_only_squares_are_taken_and_that_is_said(asked):
    found = asked("Squares")
    assert found.evaluate(batch_size=2, image_height=64)["matmul_flops"] == 2 * 2 * 16 * 768 * 4
    assert "images are square" in found.analysis.assumptions


def test_what_is_known_of_inputs_is_said_where_they_are_not_found(asked):
    with pytest.raises(BadValue) as raised:
        asked("Inner")
    said = raised.value.render()
    assert "--input hidden_states=batch_size,seq_len,6" in said and "NoneType" in said


def test_sides_that_are_given_may_have_to_be_multiples(asked):
    found = asked("Patches", inputs={"image": "batch_size,3,image_height,image_width"})
    assert found.evaluate(batch_size=2, image_height=6, image_width=10)["matmul_flops"] == 2 * 2 * 15 * 12 * 8


def test_a_height_rounded_up_is_not_taken_for_the_width(asked):
    found = asked("There", inputs={"image": "batch_size,3,image_height,image_width"})
    for height, width in ((7, 10), (10, 7), (9, 9), (6, 13)):
        small = ((height + 1) // 2) * ((width + 1) // 2)
        got = found.evaluate(batch_size=2, image_height=height, image_width=width)["matmul_flops"]
        assert got == 2 * 2 * small * 9 * (3 * 4 + 4 * 4 * 4)


def test_what_a_scale_makes_of_a_size_is_no_other_size_of_the_same_value(asked):
    found = asked("Eighth", inputs={"video": "batch_size,3,num_frames,image_height,image_width"})
    small = lambda *sizes: -(-sizes[0] // 8) * -(-sizes[1] // 8) * -(-sizes[2] // 8)  # noqa: E731
    half = lambda n, by: -(-n // by)  # noqa: E731
    for t, h, w in ((9, 20, 33), (16, 50, 21)):
        down = sum(half(t, k) * half(h, k) * half(w, k) for k in (2, 4, 8)) * 3 * 3 * 27
        got = found.evaluate(batch_size=2, num_frames=t, image_height=h, image_width=w)["matmul_flops"]
        assert got == 2 * 2 * (down + 64 * small(t, h, w) * 3 * 4 * 27)


def test_sides_are_smaller_where_larger_ones_are_refused(asked):
    found = asked("Table")
    assert found.evaluate(batch_size=2, image_height=24, image_width=40)["matmul_flops"] == 2 * 2 * 12 * 20 * 16 * 8


def test_what_forward_says_of_inputs_that_it_takes_is_its_error(asked):
    with pytest.raises(ForwardRaised) as raised:
        asked("Looks")
    assert "asks for the value of a tensor" in raised.value.render()


def test_tokens_of_a_fixed_number_are_learnt(asked):
    found = asked("Tokens", args={"rows": 6, "length": 10})
    assert found.evaluate(batch_size=2)["matmul_flops"] == 2 * 2 * 10 * 10 * 6
