"""Which arguments a forward takes, read from its signature, its docstring and its config."""

from __future__ import annotations

from torch import nn
from transformers import PreTrainedConfig

from cutaway.trace.inputs import plan_inputs


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


def test_shapes_are_read_from_the_docstring() -> None:
    plan = plan_inputs(Drafter(), "prefill")
    assert [(s.name, s.shape, s.dtype) for s in plan.specs] == [
        ("noise_embeds", ("batch_size", 4, 8), "float"),
        ("context", ("batch_size", "seq_len", 24), "float"),
        ("merge_sizes", ("batch_size",), "int64"),
        ("encoder_hidden_states", ("batch_size", "seq_len", 8), "float"),
    ]
