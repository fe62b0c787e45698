# Where an expression stands, and how far the resolver goes for it: shared by its parts.
"""`Env` and the limits of inference."""

from __future__ import annotations

from typing import NamedTuple

from cutaway.read.resolve.values import Found

__all__ = ["BASES", "DEPTH", "MOST", "Env"]

DEPTH = 24  # steps from an expression to what it stands for
MOST = 8  # values that one expression may have
BASES = 60  # base classes of one class that are looked at


class Env(NamedTuple):
    """Where an expression stands: a file, a scope in it, and the parameters whose values the call at hand gives."""

    path: str
    scope: int
    given: tuple[tuple[str, tuple[Found, ...]], ...] = ()
