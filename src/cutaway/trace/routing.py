# Which tokens go to which expert is decided by data that a symbolic run does not have. The named assumption: routing is
# balanced, so that each expert gets tokens * top_k / num_experts, and every expert is used. Totals over all experts do
# not depend on it; what one expert costs does, and the result says so.
from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import torch

from cutaway.formula import const
from cutaway.formula.core import product

if TYPE_CHECKING:
    from cutaway.trace.modes import Recorder

BALANCED = "routing is balanced: each expert gets tokens * top_k / num_experts, and every expert is used"
MOST_EXPERTS = 4096


def with_share(recorder: Recorder, index: Any, one_hot: torch.Tensor) -> torch.Tensor:
    """`one_hot(index)` that knows which share of it is set; classes that a top-k cannot choose are never set."""
    classes = int(one_hot.shape[-1])
    if one_hot.is_meta and classes > 1:
        used = min(classes, getattr(index, "_cut_bound", classes))
        one_hot._cut_share = Fraction(1, used)  # type: ignore[attr-defined]
        recorder.used_classes[classes] = used
    return one_hot


def note_bound(name: str, tensors: list, outputs: tuple) -> None:
    """Indices that a top-k returns are below the number it chose from."""
    if name in ("topk", "sort", "max", "argmax") and outputs and tensors and tensors[0].dim():
        outputs[-1]._cut_bound = int(tensors[0].shape[-1])


def assumed_nonzero(recorder: Recorder, mask: torch.Tensor) -> Any:
    """`mask.nonzero()` under balanced routing: an even share of a one-hot mask, all of a short list of experts; else None."""
    share = getattr(mask, "_cut_share", None)
    ref = recorder.tag(mask)
    with torch.utils._python_dispatch._disable_current_modes(), torch._C.DisableTorchFunction():
        if share is not None:
            rows = max(1, int(mask.numel() * share))
            out = torch.empty((rows, mask.dim()), dtype=torch.int64, device="meta")
        elif (
            mask.dim() == 1
            and mask.numel() <= MOST_EXPERTS
            and all(d.constant() is not None for d in ref.dims)
        ):
            used = recorder.used_classes.get(mask.numel(), mask.numel())
            out = torch.empty((used, 1), dtype=torch.int64, device="meta")
            out._cutaway_value = torch.arange(used)[:, None]  # type: ignore[attr-defined]
        else:
            return None
    recorder.assumptions.setdefault(BALANCED)
    if share is not None:
        formula = product(ref.dims) * share
        recorder.scope.known[out.shape[0]] = formula
        recorder.tag(out, (formula, const(mask.dim())))
    return out
