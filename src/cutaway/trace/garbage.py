# Python looks for garbage whenever a few hundred objects are new, and now and then among all there are: beside torch and
# Transformers these are a million. A trace makes many objects and little garbage, so within it that is done less often.
from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

OBJECTS = 50_000  # new ones between two looks


@contextmanager
def seldom_collected() -> Iterator[None]:
    """Within this, garbage is looked for as seldom as that, or as the process has it already."""
    before = gc.get_threshold()
    if not 0 < before[0] < OBJECTS:  # none is looked for at all, or seldom enough
        yield
        return
    gc.set_threshold(OBJECTS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


@contextmanager
def uncollected() -> Iterator[None]:
    """No search for garbage: of all the objects that a large model consists of none is."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()
