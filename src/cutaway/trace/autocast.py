# Code asks for casts by the name of its tensors' device, and the meta device has none of its own: torch would refuse even a
# region that switches them off. In a trace every tensor keeps the dtype that the code itself gives it, and that is said.
"""`without_casts(note)`: while it is open, `torch.autocast` is accepted for every device and casts nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.amp.autocast_mode import autocast

__all__ = ["UNCAST", "without_casts"]

UNCAST = "torch.autocast casts nothing: every tensor has the dtype that the code itself gives it"


@contextmanager
def without_casts(note: Callable[[str], Any]) -> Iterator[None]:
    """`note` is told what is assumed where a region would cast."""
    original = autocast.__init__

    def __init__(
        self: autocast, device_type: str, dtype: Any = None, enabled: bool = True, cache_enabled: Any = None
    ) -> None:
        if enabled:
            note(UNCAST)
        known = "cpu" if isinstance(device_type, str) else device_type  # anything else is the code's error
        original(self, known, torch.bfloat16, False, cache_enabled)

    autocast.__init__ = __init__  # type: ignore[method-assign]
    try:
        yield
    finally:
        autocast.__init__ = original  # type: ignore[method-assign]
