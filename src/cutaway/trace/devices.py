# Code names devices that this machine need not have: `.cuda()`, `device="cuda"`. A trace runs on the meta device whatever
# the code names, so what asks for an accelerator gets the meta device, and a move of a tensor without data is none.
"""`redirected(kwargs)`: the keywords of a torch call with the devices that are at hand; `moved(…)`: a move, done here."""

from __future__ import annotations

from typing import Any

import torch

__all__ = ["MOVES", "moved", "redirected"]

HERE = ("cpu", "meta")
MOVES = {torch.Tensor.to, torch.Tensor.cuda, torch.Tensor.cpu, torch.Tensor.type}


def redirected(kwargs: dict) -> dict:
    """The keywords of a call that makes a tensor, with an accelerator replaced by the meta device."""
    device = kwargs["device"]
    return kwargs if device is None or _type(device) in HERE else {**kwargs, "device": "meta"}


def moved(func: Any, args: tuple, kwargs: dict) -> Any:
    """`x.to(...)`, `x.cuda()`, `x.cpu()` or `x.type(...)`: a change of dtype at most, where `x` has no data or the device is
    not here."""
    tensor, *rest = args
    if func is torch.Tensor.type:
        return _typed(tensor, *rest, **kwargs)
    if func is not torch.Tensor.to:
        return tensor if tensor.is_meta or func is torch.Tensor.cuda else func(*args, **kwargs)
    place = kwargs.get("device", rest[0] if rest else None)
    if not isinstance(place, (str, int, torch.device)) or isinstance(place, bool):
        return func(*args, **kwargs)  # a dtype, or another tensor
    if not tensor.is_meta and _type(place) in HERE:
        return func(*args, **kwargs)
    rest = rest if "device" in kwargs else rest[1:]
    kinds = [kwargs["dtype"]] if "dtype" in kwargs else [v for v in rest if isinstance(v, torch.dtype)]
    return tensor.to(kinds[0]) if kinds and kinds[0] is not None else tensor


def _typed(tensor: torch.Tensor, dtype: Any = None, non_blocking: bool = False) -> Any:
    """What names a dtype and a device at once, such as `"torch.cuda.FloatTensor"`, names the dtype; so does the answer."""
    if dtype is None:
        return tensor.type().replace(".meta.", ".")
    if isinstance(dtype, str):
        dtype = getattr(torch, dtype.rpartition(".")[2])
    return tensor.to(dtype if isinstance(dtype, torch.dtype) else dtype.dtype)


def _type(device: Any) -> str:
    return "cuda" if isinstance(device, int) else torch.device(device).type
