"""What a constructor computed is known to a trace, and sizes are traced where they can be told apart."""

import torch

from cutaway.trace.build import build_class
from cutaway.trace.inputs_fill import row_tensor
from cutaway.trace.inputs_symbols import SYMBOLS
from cutaway.trace.inputs_types import InputSpec
from cutaway.trace.job import SIDES, _side


class Strided(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        kernel = torch.tensor(7, dtype=torch.int64)
        self.register_buffer("padding", kernel - torch.tensor(2), persistent=False)
        self.register_buffer("filled", torch.tensor([1, 2]).mul_(torch.empty(2, dtype=torch.int64)))
        self.own = torch.nn.Parameter(torch.Tensor(4, 3))  # a constructor that heeds no device


def test_numbers_of_a_constructor_are_kept() -> None:
    module = build_class(Strided, {})
    assert module.padding.is_meta
    assert module.padding._cutaway_value.item() == 5
    assert not hasattr(module.filled, "_cutaway_value")
    assert module.own.is_meta


def test_a_grid_keeps_its_values_under_a_trace() -> None:
    spec = InputSpec("grid_thw", ("batch_size", 3), "int64", "[1, image_height // 16, image_width // 16]")
    with torch.device("meta"):
        grid = row_tensor(spec, (2, 3), {"image_height": 64, "image_width": 32}, "meta")
    assert grid._cutaway_value.tolist() == [[1, 4, 2]] * 2


def test_patches_of_an_image_are_told_from_its_sides() -> None:
    height, width = (_side(SYMBOLS[name]) for name in SIDES)
    for patch in (4, 8, 16, 32):
        assert (height // patch) * (width // patch) not in (height, width)
