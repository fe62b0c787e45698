"""Which arguments a forward takes, read from its signature, its docstring and its config."""

from __future__ import annotations

import torch
from torch import nn
from transformers import PreTrainedConfig

from cutaway.trace.inputs import make_inputs, plan_inputs
from cutaway.trace.inputs_probe import refusal
from cutaway.trace.inputs_state import describe_state, fit_state


class Drafter(nn.Module):
    """Reads states of several layers, as its docstring says; its config says of how many."""

    main_input_name = "noise_embeds"

    def __init__(self) -> None:
        super().__init__()
        self.config = PreTrainedConfig(
            hidden_size=8, block_size=4, layer_ids=[1, 5, 9], encoder_hidden_size=8
        )
        self.mix = nn.Linear(24, 8, bias=False)

    def forward(self, noise_embeds, context, merge_sizes, encoder_hidden_states=None):
        """
        noise_embeds (`torch.Tensor` of shape `[batch_size, config.block_size, dim]`):
            What to denoise.
        context (`torch.Tensor` of shape `[batch_size, number_of_previous_tokens, dim * len(config.layer_ids)]`):
            States of the layers.
        merge_sizes (`torch.Tensor` of shape `(num_images_or_videos,)`):
            One for each image.
        encoder_hidden_states (`torch.Tensor` of shape `(batch_size, sequence_length, hidden_size)`):
            Of another part.
        """
        if encoder_hidden_states is None:
            raise ValueError("encoder_hidden_states must be given")
        sizes = [n + 1 for n in merge_sizes.tolist()]
        return noise_embeds.sum(1) + self.mix(context).sum(1) + encoder_hidden_states.sum(1), sizes


class Chooses(nn.Module):
    """Takes several answers to each question, and says so of its labels alone."""

    def __init__(self) -> None:
        super().__init__()
        self.config = PreTrainedConfig(vocab_size=9)
        self.table = nn.Embedding(20, 4)

    def get_input_embeddings(self) -> nn.Module:
        return self.table

    def forward(self, input_ids):
        """
        labels (`torch.LongTensor` of shape `(batch_size,)`):
            Indices in `[0, ..., num_choices-1]`.
        """
        questions, answers, _ = input_ids.shape
        return self.table(input_ids.view(questions * answers, -1)).sum(1).view(questions, answers, -1)


def test_answers_to_choose_among_are_found() -> None:
    plan = plan_inputs(Chooses(), "prefill")
    assert [s.shape for s in plan.specs] == [("batch_size", "num_choices", "seq_len")]
    ids = make_inputs(Chooses(), plan, {"batch_size": 3, "num_choices": 4, "seq_len": 50})["input_ids"]
    assert int(ids.max()) < 9  # every part of the model knows them


def test_a_form_that_only_lacks_data_is_preferred_to_one_that_is_refused() -> None:
    class Reads(nn.Module):
        def forward(self, input_values):
            if input_values.dim() != 3:
                raise ValueError("three dimensions")
            return input_values.to("cpu")

    with torch.device("meta"):
        model = Reads()
        model.weight = nn.Parameter(torch.empty(2))
    assert plan_inputs(model, "prefill").specs[0].shape == ("batch_size", 1, "audio_len")


def test_shapes_are_read_from_the_docstring() -> None:
    plan = plan_inputs(Drafter(), "prefill")
    assert [(s.name, s.shape, s.dtype) for s in plan.specs] == [
        ("noise_embeds", ("batch_size", 4, 8), "float"),
        ("context", ("batch_size", "seq_len", 24), "float"),
        ("merge_sizes", ("batch_size",), "int64"),
        ("encoder_hidden_states", ("batch_size", "seq_len", 8), "float"),
    ]


def test_a_state_that_holds_what_was_read_and_what_was_written() -> None:
    """A conditioning put before the tokens: the cache is longer by it and by its own ends."""
    at = [{"batch_size": 2, "cache_len": 5, "encoder_len": 6}, {"batch_size": 3, "cache_len": 11, "encoder_len": 7}]
    rule = fit_state([(s, {"past": torch.zeros(s["batch_size"], 235 + s["cache_len"] + s["encoder_len"])}) for s in at])
    made = rule.build({"batch_size": 4, "cache_len": 50, "encoder_len": 9}, lambda shape, dtype: torch.empty(shape))
    assert describe_state(made)["past",][0] == (4, 294)


class Masked(nn.Module):
    """Writes to the rows that a mask of data picks."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        picked = x[..., 0] > 0
        x[picked] = 0.0
        return x[picked].sum()


def test_a_probe_without_data_takes_every_place_of_a_mask() -> None:
    assert refusal(Masked(), lambda: {"x": torch.zeros(2, 3, 4, device="meta")}) is None
