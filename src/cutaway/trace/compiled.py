# Users wrap their code in compilers. What is wanted is the code as it is written, so what was compiled before the trace
# runs uncompiled in it. (Of a process that is its own the command line sees to it that nothing is compiled at all.)
"""`as_written()`: while it is open, `torch.compile` steps aside."""

from __future__ import annotations

import contextlib
import sys

import torch


def as_written() -> contextlib.AbstractContextManager:
    """For the time of a run. Costs nothing where no compiler was ever asked for."""
    loaded = "set_stance" in vars(sys.modules.get("torch._dynamo", torch))  # and not only promised
    return torch.compiler.set_stance("force_eager") if loaded else contextlib.nullcontext()
