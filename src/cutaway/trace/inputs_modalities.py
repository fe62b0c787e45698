"""Which arguments of forward are needed, by their names and the config's fields."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from cutaway.trace.inputs_types import InputSpec


def main_specs(model: torch.nn.Module, parameters: Mapping) -> tuple[InputSpec, ...]:
    return (InputSpec("input_ids", ("batch_size", "seq_len"), "int64", "tokens"),)
