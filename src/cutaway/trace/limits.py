# How many tokens a model takes: what its config names, and what it keeps a table of positions for.
from __future__ import annotations

import torch

from cutaway.trace.parts import tensors_of

_LIMITS = (
    "max_position_embeddings",
    "n_positions",
    "n_ctx",
    "max_seq_len",
    "max_sequence_length",
    "block_size",
    "context_length",
)


def position_limit(model: torch.nn.Module) -> int | None:
    """Tokens that the model keeps a table of positions for; None where positions are computed and only advice is given."""
    sizes = {d for t in tensors_of(model) for d in t.shape}
    return min(
        (v for v in _limits(model) if not sizes.isdisjoint(range(v - 1, v + 4))), default=None
    )  # tables may hold a few rows more


def named_limit(model: torch.nn.Module) -> int | None:
    """The least number of positions that the config names."""
    return min(_limits(model), default=None)


def _limits(model: torch.nn.Module) -> set[int]:
    """What the config names itself; else what its parts do, each of which may count something of its own."""
    config = getattr(model, "config", None)
    if not hasattr(config, "__dict__"):
        return set()
    parts = [v for v in vars(config).values() if hasattr(v, "to_dict")]
    return _named_in([config]) or _named_in(parts)


def _named_in(configs: list) -> set[int]:
    return {v for c in configs for n in _LIMITS if type(v := getattr(c, n, None)) is int and v > 1}
