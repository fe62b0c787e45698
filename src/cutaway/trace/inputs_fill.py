"""Tensors for a plan's arguments: the values only matter where they are indices or steer the forward.

On the CPU every argument gets values with which the forward is valid. On the meta device nothing has
values, so the arguments that a forward reads (ids, grids, lengths, masks) carry theirs along as
`_cutaway_value`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise

import torch

from cutaway.trace.inputs_config import every, read
from cutaway.trace.inputs_types import InputSpec, evaluate
from cutaway.trace.tensor_sizes import give

DTYPES = {"int64": torch.int64, "int32": torch.int32, "bool": torch.bool, "float32": torch.float32}


def fill_tensor(
    model: torch.nn.Module, spec: InputSpec, shape: tuple, device: str, dtype: torch.dtype
) -> torch.Tensor:
    """One argument at its shape. The very size objects of the caller go into one factory call."""
    kind = DTYPES.get(spec.dtype, dtype)
    if device == "meta":
        tensor = torch.empty(shape, dtype=kind, device="meta")
        if not kind.is_floating_point:
            with _unheard():
                tensor._cutaway_value = _values(model, spec, tuple(int(d) for d in shape), kind)
        return tensor
    return _values(model, spec, shape, kind)


def row_tensor(spec: InputSpec, shape: tuple, sizes: dict[str, int], device: str) -> torch.Tensor:
    """Rows that repeat other arguments' sizes, such as each image's patch grid: `[1, H // 14, W // 14]`."""
    row = [evaluate(part.strip(), sizes) for part in spec.fill.strip("[]").split(",")]
    kind = DTYPES[spec.dtype]
    with _unheard():
        value = torch.tensor([int(n) for n in row], dtype=kind).expand(tuple(int(d) for d in shape)).contiguous()
    if device != "meta":
        return value
    tensor = torch.empty(shape, dtype=kind, device="meta")
    tensor._cutaway_value = value
    give(tensor, row * (tensor.numel() // len(row)))
    return tensor


def places_tensor(spec: InputSpec, shape: tuple, sizes: dict[str, int], device: str) -> torch.Tensor:
    """Column and row of each patch of an image that has as many columns as the fill says: `places:W // 14`."""
    whole, width = tuple(int(d) for d in shape), int(evaluate(spec.fill.partition(":")[2], sizes))
    with _unheard():
        order = torch.arange(whole[-2])
        value = torch.stack([order % width, order // width], -1).to(DTYPES[spec.dtype]).expand(whole).contiguous()
    if device != "meta":
        return value
    tensor = torch.empty(shape, dtype=value.dtype, device="meta")
    tensor._cutaway_value = value
    return tensor


@contextmanager
def _unheard() -> Iterator[None]:
    """Values are made outside a trace: it would take `torch.tensor` for the model's and give a tensor without data."""
    with torch._C.DisableTorchFunction(), torch.utils._python_dispatch._disable_current_modes():
        yield


def _values(model: torch.nn.Module, spec: InputSpec, shape: tuple, kind: torch.dtype) -> torch.Tensor:
    return FILLS[spec.fill.split(":")[0]](model, spec, shape, kind)


def _tokens(model, spec, shape, kind) -> torch.Tensor:
    """Ids of ordinary tokens: above the special ones when these sit at the bottom, below when at the top."""
    low, high = ordinary_ids(model)
    return torch.randint(low, high, shape, dtype=kind)


def _sentence(model, spec, shape, kind) -> torch.Tensor:
    """Tokens up to the end of the sentence, whose place the classifying heads look for."""
    ids, end = _tokens(model, spec, shape, kind), read(model, "eos_token_id")
    if isinstance(end, int):
        ids[..., -1] = end
    return ids


def ordinary_ids(model: torch.nn.Module) -> tuple[int, int]:
    """A range of ids that no field of the config (or of its parts) names as a special token."""
    config = getattr(model, "config", None)
    vocab = min([_vocab_size(model, config), *every(model, "vocab_size")])  # encoder and decoder may have their own
    special = sorted({i for i in special_ids(config) if 0 <= i < vocab} | {-1, vocab})
    low, high = max(pairwise(special), key=lambda gap: gap[1] - gap[0])
    return (low + 1, high) if high - low > 1 else (0, vocab)


def special_ids(config) -> set[int]:
    """Every `*_token_id` and `*_token_index` of a config and of its sub-configs."""
    ids: set[int] = set()
    for name, value in vars(config).items() if config is not None else ():
        if hasattr(value, "to_dict"):
            ids |= special_ids(value)
        elif name.endswith(("_token_id", "_token_index", "_token_ids")):
            ids |= {v for v in (value if isinstance(value, (list, tuple)) else [value]) if isinstance(v, int)}
    return ids


def _vocab_size(model: torch.nn.Module, config) -> int:
    """Rows of the token embedding; the config's number where a model hides its embedding."""
    try:
        return model.get_input_embeddings().weight.shape[0]
    except (AttributeError, NotImplementedError, TypeError):
        text = config.get_text_config() if hasattr(config, "get_text_config") else config
        return getattr(text, "vocab_size", None) or 2


def _arange(model, spec, shape, kind) -> torch.Tensor:
    return torch.arange(shape[-1]).to(kind).expand(shape).contiguous()


def _random(model, spec, shape, kind) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float32).to(kind)


def _first(model, spec, shape, kind) -> torch.Tensor:
    """Ones for so many places of each row, then zeros."""
    return (torch.arange(shape[-1]) < int(spec.fill.partition(":")[2])).to(kind).expand(shape).contiguous()


def _boxes(model, spec, shape, kind) -> torch.Tensor:
    """Left, top, right, bottom: positive width and height, inside the usual 0..1000."""
    return torch.tensor([10, 10, 20, 20], dtype=kind).expand(shape).contiguous()


FILLS: dict[str, Callable] = {
    "tokens": _tokens,
    "sentence": _sentence,
    "arange": _arange,
    "random": _random,
    "boxes": _boxes,
    "first": _first,
    "alternate": lambda model, spec, shape, kind: (torch.arange(shape[-1]) % 2).to(kind).expand(shape).contiguous(),
    "ones": lambda model, spec, shape, kind: torch.ones(shape, dtype=kind),
    "zeros": lambda model, spec, shape, kind: torch.zeros(shape, dtype=kind),
}
