# Constants of a constructor. On the meta device a tensor has no values, but code that pads a recording asks later for
# the stride that it keeps in a buffer: numbers made by `torch.tensor` are kept beside it, and through what follows.
from __future__ import annotations

from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes

from cutaway.trace.devices import MOVES, moved, redirected

MOST = 64  # elements of a constant


class Building(TorchFunctionMode):
    """Hears `torch.tensor([...])`, which reaches no dispatcher with its numbers, and the calls that get what it made.

    Only within these is each op looked at: a large model makes thousands of tensors, and constants of few of them.
    What is asked of an accelerator is asked of the meta device; what is made on the processor on purpose stays there:
    code reads such numbers back.
    """

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        if func in MOVES:
            return moved(func, args, kwargs)
        if "device" in kwargs:
            kwargs = redirected(kwargs)
        for given in (args, kwargs.values()):
            for a in given:
                if isinstance(a, torch.Tensor) and hasattr(a, "_cutaway_value"):
                    with Constants():
                        return func(*args, **kwargs)
        made = func(*args, **kwargs)
        if func is torch.tensor and made.is_meta and made.numel() <= MOST:
            with torch._C.DisableTorchFunction(), _disable_current_modes():
                made._cutaway_value = func(*args, **{**kwargs, "device": "cpu"})
        return made


class Constants(TorchDispatchMode):
    """What is computed from constants alone is one; what is written to is none any more."""

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        made = func(*args, **kwargs)
        given = [a for a in args if isinstance(a, torch.Tensor)]
        values = [getattr(a, "_cutaway_value", None) for a in given]
        if not given or not isinstance(made, torch.Tensor) or any(v is None for v in values):
            if func._schema.is_mutable and given:
                vars(given[0]).pop("_cutaway_value", None)
            return made
        known = iter(values)
        plain = {k: v for k, v in kwargs.items() if k != "device"}
        with torch._C.DisableTorchFunction(), _disable_current_modes():
            value = func(*(next(known) if isinstance(a, torch.Tensor) else a for a in args), **plain)
        made._cutaway_value = value
        return made
