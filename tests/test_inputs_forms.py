"""Arguments that come in forms of their own: found because forward refuses the usual ones, or by what the config says."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from transformers import PreTrainedConfig

from cutaway.errors import BadValue
from cutaway.trace.inputs import NoDecodePhase, make_inputs, plan_inputs

IDS = ("batch_size", "seq_len")


class Part(nn.Module):
    def __init__(self, **fields: object) -> None:
        super().__init__()
        self.config = PreTrainedConfig(**fields)
        self.table = nn.Embedding(20, 8)

    def get_input_embeddings(self) -> nn.Module:
        return self.table


def shapes(model: nn.Module) -> dict[str, tuple]:
    return {s.name: s.shape for s in plan_inputs(model, "prefill").specs}


def test_frames_that_are_heard_with_each_token() -> None:
    class Hears(Part):
        def forward(self, input_ids, input_features: torch.Tensor | None = None, state=None):
            if input_features is None:
                raise ValueError("input_features must be given")
            heard = input_features.reshape(*input_ids.shape, -1).mean(-1, keepdim=True)
            return {"state": (self.table(input_ids) + heard).sum(1)}

    model = Hears(num_mel_bins=6, audio_length_per_tok=4, vocab_size=20)
    assert shapes(model) == {"input_ids": IDS, "input_features": ("batch_size", 6, "seq_len * 4")}
    new = plan_inputs(model, "decode")
    made = make_inputs(model, new, {"batch_size": 2, "cache_len": 7})
    assert made["input_ids"].shape == (2, 1) and made["input_features"].shape == (2, 6, 4)


def test_features_as_long_as_their_recording() -> None:
    class Both(Part):
        main_input_name = "input_values"

        def forward(self, input_values, input_features):
            return input_values.unflatten(1, (-1, 320)).sum(2)[..., None] + input_features

    assert shapes(Both(num_mel_bins=6, hop_length=320)) == {
        "input_values": ("batch_size", "audio_len"),
        "input_features": ("batch_size", "audio_len // 320", 6),
    }


def test_stacked_frames_are_as_wide_as_the_first_layer_takes() -> None:
    class Stacks(nn.Module):
        main_input_name = "input_features"

        def __init__(self) -> None:
            super().__init__()
            self.config = PreTrainedConfig(num_mel_bins=6, num_attention_heads=4)
            self.first = nn.Linear(24, 8)

        def forward(self, input_features):
            return self.first(input_features)

    assert shapes(Stacks()) == {"input_features": ("batch_size", "mel_frames", 24)}


def test_what_is_handed_on_is_documented_by_the_part_that_takes_it() -> None:
    class Takes(nn.Module):
        def forward(self, marks):
            """marks (`torch.LongTensor` of shape `(batch_size, 3)`): three places."""
            return marks

    class Hands(Part):
        main_input_name = "marks"

        def __init__(self) -> None:
            super().__init__()
            self.part = Takes()

        def forward(self, marks):
            return self.part(marks)

    (spec,) = plan_inputs(Hands(), "prefill").specs
    assert (spec.shape, spec.dtype) == (("batch_size", 3), "int64")


def test_embeddings_are_as_wide_as_one_of_the_parts() -> None:
    class Acts(Part):
        main_input_name = "state"

        def forward(self, action_embeds, input_ids=None):
            return nn.functional.linear(action_embeds, torch.ones(2, 24, dtype=action_embeds.dtype))

    text, acts = PreTrainedConfig(hidden_size=8), PreTrainedConfig(hidden_size=24)
    assert shapes(Acts(text=text, acts=acts)) == {"action_embeds": (*IDS, 24)}


def test_patches_of_all_images_in_one_row_if_so_documented() -> None:
    class Reads(Part):
        main_input_name = "pixel_values"

        def forward(self, pixel_values):
            """
            pixel_values (`torch.Tensor` of shape `(num_patches, 3 * patch_size ** 2)`):
                Patches.
            """
            if pixel_values.dim() != 2:
                raise ValueError("two dimensions")
            return pixel_values.sum()

    count = "batch_size * (image_height // 4) * (image_width // 4)"
    assert shapes(Reads(patch_size=4)) == {"pixel_values": (count, 48)}


def test_a_mask_that_forward_cannot_do_without_is_said() -> None:
    class Looks(Part):
        def forward(self, input_ids, global_attention_mask=None):
            if global_attention_mask is None:
                raise ValueError("there should be three separators")
            return self.table(input_ids) * global_attention_mask[..., None]

    plan = plan_inputs(Looks(vocab_size=20), "prefill")
    assert [s.name for s in plan.specs] == ["input_ids", "global_attention_mask"]
    assert plan.notes == ("global_attention_mask marks nothing",)


def test_half_of_the_patches_of_a_video_are_hidden() -> None:
    class Hides(Part):
        main_input_name = "pixel_values"

        def forward(self, pixel_values, bool_masked_pos):
            frames, side = pixel_values.shape[1] // 2, pixel_values.shape[-1] // 4
            return pixel_values.new_zeros(1, frames * side * side)[:, bool_masked_pos[0]]

    model = Hides(num_frames=4, tubelet_size=2, image_size=8, patch_size=4)
    plan = plan_inputs(model, "prefill")
    made = make_inputs(model, plan, {"batch_size": 2})["bool_masked_pos"]
    assert made.shape == (2, 8) and made.sum() == 8
    assert plan.notes == ("bool_masked_pos marks every second place",)


def test_what_takes_nothing_back_is_not_run_to_see_a_state() -> None:
    class Sees(nn.Module):
        def forward(self, pixel_values, pixel_mask=None, labels=None, output_attentions=None, **kwargs):
            raise AssertionError("run")

    with pytest.raises(NoDecodePhase):
        plan_inputs(Sees(), "decode")


def test_what_has_no_forward_or_takes_a_session_is_said_with_its_parts() -> None:
    class Session:
        pass

    class Speaks(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.part = Decoder(vocab_size=20)

    class Tracks(Speaks):
        def forward(self, session: Session, frame: torch.Tensor | None = None):
            return session.frames

    Tracks.forward.__annotations__["session"] = Session  # as in files that do not put annotations off
    for kind, said in ((Speaks, "no forward"), (Tracks, "object of its own")):
        with pytest.raises(BadValue, match=said) as raised:
            plan_inputs(kind(), "prefill")
        assert raised.value.try_.endswith(".Decoder")


def test_kinds_of_tensors_are_no_objects_of_their_own() -> None:
    class Reads(Part):
        def forward(self, input_ids, scale):
            return self.table(input_ids)

    Reads.forward.__annotations__ |= {"input_ids": torch.LongTensor, "scale": torch.FloatTensor}
    assert shapes(Reads(vocab_size=20))["input_ids"] == IDS


class OwnCache:
    """A cache of another kind than the usual one."""

    def __init__(self, keys: torch.Tensor) -> None:
        self.keys = keys


class Decoder(Part):
    def forward(self, input_ids, past_key_values=None, use_cache=True):
        if past_key_values is not None and not isinstance(past_key_values, OwnCache):
            raise ValueError("a cache of its own")
        states = self.table(input_ids)
        keys = states if past_key_values is None else torch.cat([past_key_values.keys, states], 1)
        return {"states": states, "past_key_values": OwnCache(keys)}


class Head(nn.Module):
    """Hands the cache on, and does not return it."""

    def __init__(self) -> None:
        super().__init__()
        self.model = Decoder(vocab_size=20, num_hidden_layers=1)
        self.config = self.model.config

    def get_input_embeddings(self) -> nn.Module:
        return self.model.table

    def forward(self, input_ids, past_key_values=None):
        return {"scores": self.model(input_ids, past_key_values)["states"].sum(-1)}


def test_a_cache_that_only_a_part_returns_is_the_state() -> None:
    plan = plan_inputs(Head(), "decode")
    made = make_inputs(Head(), plan, {"batch_size": 2, "cache_len": 7})
    assert made["input_ids"].shape == (2, 1) and made["past_key_values"].keys.shape == (2, 7, 8)


def test_a_mask_says_which_tokens_stand_for_the_image() -> None:
    class Sees(Part):
        main_input_name = "pixel_values"

        def forward(self, pixel_values, input_ids=None, image_position_mask=None):
            """
            image_position_mask (`torch.Tensor` of shape `(batch_size, sequence_length)`, *optional*):
                Where the image goes.
            """
            states = self.table(input_ids)
            states[image_position_mask.bool()] = pixel_values.mean() * states.new_ones(len(input_ids) * 6, 8)
            return states

    plan = plan_inputs(Sees(vocab_size=20, latent_query_num=6), "prefill")
    assert {s.name: s.fill for s in plan.specs}["image_position_mask"] == "first:6"
    assert next(s.low for s in plan.symbols if s.name == "seq_len") > 6


def test_a_number_for_each_sequence_may_be_a_column() -> None:
    class Paced(Part):
        def forward(self, input_ids, pace):
            """
            pace (`torch.LongTensor` of shape `(batch_size,)`):
                How often there is a token.
            """
            return self.table(input_ids) + self.table(pace)

    assert shapes(Paced(vocab_size=20)) == {"input_ids": IDS, "pace": ("batch_size", 1)}


def test_a_picture_that_lies_above_another_is_half_as_high() -> None:
    class Prompted(Part):
        main_input_name = "pixel_values"

        def forward(self, pixel_values, prompt_pixel_values, prompt_masks):
            if torch.cat((pixel_values, prompt_pixel_values + prompt_masks), 2).shape[2:] != (64, 32):
                raise ValueError("not 64 by 32")
            return pixel_values * 2

    found = shapes(Prompted(image_size=[64, 32], num_channels=3))
    assert found == dict.fromkeys(("pixel_values", "prompt_pixel_values", "prompt_masks"), ("batch_size", 3, 32, 32))


def test_flattened_patches_have_their_places_before_their_pixels() -> None:
    class Placed(nn.Module):
        main_input_name = "flattened_patches"

        def __init__(self) -> None:
            super().__init__()
            self.project = nn.Linear(12, 8)

        def forward(self, flattened_patches):
            return self.project(flattened_patches[..., 2:])

    assert shapes(Placed()) == {"flattened_patches": ("batch_size", "encoder_len", 14)}


@pytest.mark.parametrize(("stride", "length"), [(1, "seq_len"), (400, "audio_len")])
def test_what_convolutions_read_has_its_channels_first(stride: int, length: str) -> None:
    class Convolves(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv1d(3, 8, stride, stride)

        def forward(self, hidden_states: torch.Tensor):
            return self.first(hidden_states)

    assert shapes(Convolves()) == {"hidden_states": ("batch_size", 3, length)}


def test_what_a_composite_calls_its_inputs_is_what_its_encoder_reads() -> None:
    class Hears(nn.Module):
        main_input_name = "input_values"

        def forward(self, input_values):
            return input_values.unfold(1, 400, 400)

    class Both(nn.Module):
        main_input_name = "inputs"

        def __init__(self) -> None:
            super().__init__()
            self.encoder, self.table = Hears(), nn.Linear(400, 8)

        def forward(self, inputs: torch.Tensor):
            return self.table(self.encoder(inputs))

    assert shapes(Both()) == {"inputs": ("batch_size", "audio_len")}
