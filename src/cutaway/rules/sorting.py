# Putting elements in order: comparisons and moves, so bytes and no FLOPs.
from __future__ import annotations

from cutaway.rules.api import Count, Op, rule
from cutaway.rules.shapes import text

KERNEL = "aten/src/ATen/native/Sorting.cpp"


@rule(
    "sort",
    "argsort",
    "msort",
    "topk",
    "kthvalue",
    "median",
    "nanmedian",
    "mode",
    "unique_dim",
    "_unique",
    "_unique2",
    "unique_consecutive",
    "unique_dim_consecutive",
    "searchsorted",
    "bucketize",
    "_convert_indices_from_coo_to_csr",
    kind="sort",
    source=KERNEL,
)
def sort(op: Op) -> Count:
    """0

    Counted: bytes alone, one pass over inputs and outputs.
    Not counted: comparisons, and the passes that a sort makes between.
    """
    return Count(f"{op.base} over {text(op.inputs[0])}")
