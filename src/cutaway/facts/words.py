# How identifiers of any language are compared: `KVCacheManager`, `kv_cache_manager` and `kvCacheManager` are one thing,
# and a pattern speaks about whole words of them (`slot` is in `slot_mapping` and not in `slots`).
"""Identifiers as words."""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = ["matcher", "snake"]

_PIECE = re.compile(r"[A-Z]+s?(?![a-z])|[A-Z]?[a-z]+|[0-9]+[a-z]*")


@lru_cache(maxsize=1 << 20)
def snake(identifier: str) -> str:
    """`KVCacheManager` -> `kv_cache_manager`; digits stay with the letters after them (`int8`: `int_8`)."""
    return "_".join(_PIECE.findall(identifier)).lower()


@lru_cache(maxsize=4096)
def matcher(pattern: str) -> re.Pattern[str]:
    """A pattern over whole words of snake text: every alternative begins and ends at a word's edge."""
    return re.compile(rf"(?<![a-z0-9])(?:{pattern})(?![a-z0-9])")
