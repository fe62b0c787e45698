# On a terminal, anything over a second says how far it is; elsewhere nothing is said.
"""`told("reading")`: a progress callback for (done, of)."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["told"]


@contextmanager
def told(what: str, things: str = "files") -> Iterator[Callable[[int, int], None] | None]:
    """A function that shows `what done/of things` on a terminal's stderr, at most ten times a second; None without one."""
    if not sys.stderr.isatty():
        yield None
        return
    started = last = time.monotonic()

    def show(done: int, of: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - started > 1 and now - last > 0.1:
            last = now
            print(f"\r\x1b[K{what} {done}/{of} {things}", end="", file=sys.stderr, flush=True)

    try:
        yield show
    finally:
        if last != started:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
