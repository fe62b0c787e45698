# How identifiers of any language are compared: `KVCacheManager`, `kv_cache_manager` and `kvCacheManager` are one thing,
# and a pattern speaks about whole words of them (`slot` is in `slot_mapping` and not in `slots`).
"""Identifiers as words."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

__all__ = ["alternatives", "asked_once", "beginnings", "matcher", "snake"]

_PIECE = re.compile(r"[A-Z]+s?(?![a-z])|[A-Z]?[a-z]+|[0-9]+[a-z]*")


@lru_cache(maxsize=1 << 15)
def snake(identifier: str) -> str:
    """`KVCacheManager` -> `kv_cache_manager`; digits stay with the letters after them (`int8`: `int_8`)."""
    return "_".join(_PIECE.findall(identifier)).lower()


@lru_cache(maxsize=4096)
def matcher(pattern: str) -> re.Pattern[str]:
    """A pattern over whole words of snake text: every alternative begins and ends at a word's edge."""
    return re.compile(rf"(?<![a-z0-9])(?:{pattern})(?![a-z0-9])")


def beginnings(pattern: str) -> set[str] | None:
    """The first letters, up to three, of a word that a match must begin with or go through; None where no such letters can
    be named. A text none of whose words begins so cannot match, which is cheaper to see than to search."""
    found: set[str] = set()
    for alternative in alternatives(pattern):
        text = alternative.removeprefix("^")
        if text.startswith(r"\w*_"):
            text = text.removeprefix(r"\w*_")
        elif text.startswith(r"\w+_"):
            text = text.removeprefix(r"\w+_")
        literal = re.match(r"[a-z0-9]*", text)[0]
        after = text[len(literal) : len(literal) + 1]
        if after in ("?", "*", "{"):
            literal = literal[:-1]
        if not literal:
            return None
        found.add(literal[:3])
    return found


def alternatives(pattern: str) -> list[str]:
    """The branches of the outermost `|`."""
    parts, depth, escaped = [""], 0, False
    for letter in pattern:
        if letter == "|" and depth == 0 and not escaped:
            parts.append("")
            continue
        if not escaped:
            depth += (letter in "([") - (letter in ")]")
        escaped = letter == "\\" and not escaped
        parts[-1] += letter
    return parts


def asked_once(pattern: re.Pattern[str]) -> Callable[[str], bool]:
    """Whether a pattern is found in a text, searched once for each text: callees and words repeat by the thousand."""
    return lru_cache(maxsize=None)(lambda text: pattern.search(text) is not None)
