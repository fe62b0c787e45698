"""Images in a text: how many tokens stand for one is found by the model itself, and loops over images are fitted."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from transformers import PreTrainedConfig

from cutaway.errors import BadValue
from cutaway.formula import holds, sym
from cutaway.trace.analyse import analyse_module
from cutaway.trace.inputs import make_inputs, plan_inputs
from cutaway.trace.inputs_images import plan_with_images

PATCH, WINDOW, IMAGE = 4, 16, 9
PIXELS = sym("image_height") * sym("image_width")


class Seeing(nn.Module):
    """A text with an image, whose patches look at each other within windows; a row of them ends with a token."""

    main_input_name = "input_ids"

    def __init__(self, ends: bool = False) -> None:
        super().__init__()
        self.config = PreTrainedConfig(
            image_token_id=IMAGE, vocab_size=12, patch_size=PATCH, spatial_merge_size=1, window_size=WINDOW, in_channels=1
        )
        self.embed = nn.Embedding(12, 8)
        self.patch = nn.Linear(PATCH * PATCH, 8, bias=False)
        self.ends = ends

    def get_input_embeddings(self) -> nn.Module:
        return self.embed

    def get_image_features(self, pixel_values: torch.FloatTensor, image_grid_thw: torch.LongTensor):
        x, n, seen = self.patch(pixel_values), (WINDOW // PATCH) ** 2, []
        for _, height, width in image_grid_thw.tolist():
            own, x = x[: height * width], x[height * width :]
            parts = [own[i : i + n] for i in range(0, height * width, n)]
            parts = [(p @ p.T).softmax(-1) @ p for p in parts]
            seen.append(torch.cat([*parts, own[:height]] if self.ends else parts))
        return torch.cat(seen)

    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        pixel_values: torch.FloatTensor | None = None,
        image_grid_thw: torch.LongTensor | None = None,
    ):
        x = self.embed(input_ids)
        if pixel_values is not None:
            features = self.get_image_features(pixel_values, image_grid_thw)
            x = x.masked_scatter((input_ids == IMAGE)[..., None], features)
        return x @ x.mT


def on_meta(**options: bool) -> Seeing:
    with torch.device("meta"):
        return Seeing(**options)


def test_the_placeholders_are_what_forward_scatters() -> None:
    plan, model = plan_inputs(Seeing(ends=True), "prefill"), Seeing(ends=True)
    assert plan.specs[0].places == PIXELS / 16 + sym("image_height") / 4
    given = make_inputs(model, plan, {"batch_size": 2, "image_height": 16, "image_width": 32, "seq_len": 60})
    assert [(row == IMAGE).sum() for row in given["input_ids"]] == [36, 36]


class Banded(Seeing):
    """Windows that are as wide as the image; the last of them may be lower than the others."""

    def get_image_features(self, pixel_values: torch.FloatTensor, image_grid_thw: torch.LongTensor):
        x, n, seen = self.patch(pixel_values), WINDOW // PATCH, []
        for _, height, width in image_grid_thw.tolist():
            own, x = x[: height * width], x[height * width :]
            parts = [own[row * width : (row + n) * width] for row in range(0, height, n)]
            seen += [(p @ p.T).softmax(-1) @ p for p in parts]
        return torch.cat(seen)


def test_windows_are_known_for_the_rest_that_an_image_leaves() -> None:
    with torch.device("meta"):
        model = Banded()
    plan = plan_inputs(model, "prefill")
    sizes = {"batch_size": 2, "image_height": 40, "image_width": 64, "seq_len": 300}
    found = analyse_module(model, plan, name="it", values=sizes, dtype="float32")
    assert found.gaps == ()
    for height in (56, 48):
        given = make_inputs(model := Banded(), plan, {**sizes, "image_height": height}, dtype=torch.float32)
        with FlopCounterMode(display=False) as counter:
            model(**given)
        known = all(holds(c, {**sizes, "image_height": height}) for c in found.valid_when)
        assert known == (height % 16 == 8)
        assert (found.total.matmul_flops.evaluate({**sizes, "image_height": height}) == counter.get_total_flops()) == known


class Counted(Seeing):
    """Counts how often it looks at images; `apart` from its text, it never puts them there."""

    looked, apart = 0, False

    def get_image_features(self, pixel_values: torch.FloatTensor, image_grid_thw: torch.LongTensor):
        self.looked += 1
        found = super().get_image_features(pixel_values, image_grid_thw)
        return found[:0] if self.apart else found

    def forward(self, input_ids: torch.LongTensor | None = None, pixel_values=None, image_grid_thw=None):
        if not self.apart:
            return super().forward(input_ids, pixel_values, image_grid_thw)
        return self.embed(input_ids).sum() + self.get_image_features(pixel_values, image_grid_thw).sum()


@pytest.mark.parametrize("apart", [False, True])
def test_after_a_prefill_only_an_image_apart_from_the_text_is_meant(apart: bool) -> None:
    with torch.device("meta"):
        model = Counted()
    model.apart = apart
    plan = plan_with_images(model, (), lambda *given: make_inputs(*given, "meta"), apart=True)
    assert (plan is not None) == apart
    assert model.looked == 1


def test_a_text_must_have_room_for_its_image() -> None:
    model = on_meta()
    plan = plan_inputs(model, "prefill")
    with pytest.raises(BadValue, match="too short for its image"):
        make_inputs(model, plan, {"batch_size": 1, "image_height": 16, "image_width": 16, "seq_len": 16})
    found = analyse_module(model, plan, name="it", values={}, dtype="float32")
    assert any("seq_len" in c and "image_height" in c for c in found.valid_when)


def test_windows_of_images_are_counted_at_any_size() -> None:
    """The cost of attention within windows grows with their number: with each side and with the images."""
    model = on_meta()
    found = analyse_module(model, plan_inputs(model, "prefill"), name="it", values={}, dtype="float32")
    assert found.gaps == ()
    assert {"image_height % 16 == 0", "image_width % 16 == 0"} <= set(found.valid_when)
    assert [c for c in found.valid_when if "batch_size" in c] == ["batch_size > 1"]  # however many grids we keep
    model, sizes = Seeing(), {"batch_size": 3, "image_height": 48, "image_width": 80, "seq_len": 300}
    given = make_inputs(model, plan_inputs(model, "prefill"), sizes, dtype=torch.float32)
    with FlopCounterMode(display=False) as counter:
        model(**given)
    assert found.total.matmul_flops.evaluate(sizes) == counter.get_total_flops()


class Checked(Seeing):
    """Compares the tokens that stand for images with their features before it puts these in their places."""

    def forward(self, input_ids: torch.LongTensor | None = None, pixel_values=None, image_grid_thw=None):
        x = super().forward(input_ids, pixel_values, image_grid_thw)
        if pixel_values is None:
            return x
        rows = self.embed(input_ids)
        mask = (input_ids == IMAGE)[..., None].expand_as(rows)
        return x, rows[mask].view(-1, 8) @ rows.new_zeros(8, 1)


def test_the_tokens_of_images_are_as_many_as_were_put_there() -> None:
    """However few they are, and however often a mask repeats each."""
    with torch.device("meta"):
        models = Seeing(), Checked()
    plans = [plan_inputs(m, "prefill") for m in models]
    found = [
        analyse_module(m, p, name="it", values={"batch_size": 1}, dtype="float32") for m, p in zip(models, plans, strict=True)
    ]
    assert found[1].gaps == ()
    assert found[1].total.matmul_flops - found[0].total.matmul_flops == PIXELS


class Blind(Seeing):
    """An image in a form that nobody thinks of."""

    def get_image_features(self, pixel_values: torch.FloatTensor, image_grid_thw: torch.LongTensor):
        return super().get_image_features(pixel_values.view(-1, PATCH * PATCH, 77), image_grid_thw)


def test_a_text_without_its_image_says_so() -> None:
    with torch.device("meta"):
        model = Blind()
    found = analyse_module(model, plan_inputs(model, "prefill"), name="it", values={}, dtype="float32")
    assert any("refused all known forms of pixel_values" in a for a in found.assumptions)


def test_a_text_without_its_image():
    plan = plan_inputs(on_meta(), "prefill", images=False)
    assert [s.name for s in plan.specs] == ["input_ids"] and plan.notes == ("the text has no image",)


class Odd(Seeing):
    """As many steps as nothing that is fitted says."""

    def get_image_features(self, pixel_values: torch.FloatTensor, image_grid_thw: torch.LongTensor):
        found = super().get_image_features(pixel_values, image_grid_thw)
        for _ in range((found.shape[0] % 7) ** 2):
            found = found + 1
        return found


def test_an_image_is_not_grown_beyond_its_text() -> None:
    with torch.device("meta"):
        model = Odd()
    found = analyse_module(model, plan_inputs(model, "prefill"), name="it", values={}, dtype="float32")
    assert found.gaps
