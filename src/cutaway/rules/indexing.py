# Reading and writing by index: no FLOPs unless values are added up, and far fewer bytes touched than the
# tensors hold. Eager traffic counts tensors whole, by the convention; what is really touched is given for
# fused execution.
from __future__ import annotations

from cutaway.formula import Formula
from cutaway.formula.core import ZERO, product
from cutaway.rules.api import Count, Op, rule
from cutaway.rules.shapes import across, numel, result, tensors, text, total_bytes

KERNEL = "aten/src/ATen/native/TensorAdvancedIndexing.cpp"


@rule("embedding", kind="gather", source="aten/src/ATen/native/Embedding.cpp")
def embedding(op: Op) -> Count:
    """0

    Counted: bytes; touched are the rows that the indices name.
    """
    return _gathered(op, f"{text(op.args[1])} rows of a table {text(op.args[0])}")


@rule(
    "index_select",
    "gather",
    "index",
    "_unsafe_index",
    "take",
    "take_along_dim",
    "masked_select",
    "_unsafe_masked_index",
    kind="gather",
    source=KERNEL,
)
def gather(op: Op) -> Count:
    """0

    Counted: bytes; touched are the elements that come out, and the indices.
    """
    return _gathered(op, f"{text(result(op))} picked from {text(op.args[0])}")


@rule(
    "_embedding_bag",
    "_embedding_bag_forward_only",
    "embedding_bag",
    kind="gather",
    source="aten/src/ATen/native/EmbeddingBag.cpp",
)
def embedding_bag(op: Op) -> Count:
    """reduction = indices * D

    Counted: the rows that the indices name, taken into the sum (or maximum) of their bag.
    Not counted: the division of a mean; weights of samples.
    """
    table, indices = op.args[0], op.args[1]
    rows = numel(indices) * table.dims[-1]
    return Count(
        f"{text(indices)} rows of a table {text(table)} summed in bags",
        reduction=rows,
        read_touched=rows * table.element_bytes + total_bytes(op.inputs[1:]),
    )


@rule(
    "index_put",
    "_index_put_impl",
    "_unsafe_index_put",
    "_unsafe_masked_index_put_accumulate",
    kind="scatter",
    source=KERNEL,
)
def index_put(op: Op) -> Count:
    """elementwise = elements written, when accumulating; else 0

    Counted: one addition per element of the values when they are accumulated.
    """
    values = op.args[2]
    adds = op.base == "_unsafe_masked_index_put_accumulate" or bool(op.arg(3, "accumulate", False))
    return _scattered(op, _places(op), adds, f"{text(values)} put into {text(op.args[0])} by index")


@rule("index_copy", "index_fill", "index_add", "index_reduce", kind="scatter", source=KERNEL)
def index_rows(op: Op) -> Count:
    """index_add, index_reduce: elementwise = elements written; index_copy, index_fill: 0

    Counted: one addition (or product, maximum) per element written, one multiplication where alpha is not 1.
    """
    x, dim, index = op.args[0], op.args[1], op.args[2]
    written = across(x, dim) * numel(index)
    adds = (op.base in ("index_add", "index_reduce")) + (op.kwargs.get("alpha", 1) != 1)
    return _scattered(op, written, adds, f"rows of {text(x)} written by {text(index)} indices")


@rule("scatter", "scatter_add", "scatter_reduce", kind="scatter", source=KERNEL)
def scatter(op: Op) -> Count:
    """scatter_add, scatter_reduce: elementwise = elements of the index; scatter: 0

    Counted: one addition (or product, maximum) per index where values meet.
    """
    index = op.args[2]
    adds = op.base != "scatter" or "reduce" in op.kwargs or op.name.endswith("reduce")
    return _scattered(op, numel(index), adds, f"{text(index)} elements scattered into {text(op.args[0])}")


@rule("put", "masked_scatter", kind="scatter", source=KERNEL)
def put(op: Op) -> Count:
    """0; with accumulate elementwise = elements put

    Counted: one addition per element where values are accumulated.
    """
    adds = op.base == "put" and bool(op.arg(3, "accumulate", False))
    return _scattered(op, numel(op.args[2]), adds, f"{text(op.args[2])} put into {text(op.args[0])}")


@rule("embedding_dense_backward", kind="scatter", source="aten/src/ATen/native/Embedding.cpp")
def embedding_backward(op: Op) -> Count:
    """elementwise = N

    Counted: one addition per element of the gradient.
    """
    return Count(f"gradient rows {text(op.args[0])} added into a table", elementwise=numel(op.args[0]))


def _gathered(op: Op, analysis: str) -> Count:
    table = op.args[0]
    indices = [t for t in tensors((op.args[1:], tuple(op.kwargs.values()))) if t is not table]
    return Count(analysis, read_touched=numel(result(op)) * table.element_bytes + total_bytes(indices))


def _scattered(op: Op, written: Formula, adds: int, analysis: str) -> Count:
    """In place only the written elements are touched; otherwise the whole tensor is copied first."""
    into = op.args[0]
    elementwise = written * int(adds) if adds else ZERO
    if not op.name.split(".")[1].endswith("_"):
        return Count(analysis, elementwise=elementwise)
    sources = total_bytes(t for t in tensors((op.args[1:], tuple(op.kwargs.values()))) if t is not into)
    touched = written * into.element_bytes
    return Count(
        analysis,
        elementwise=elementwise,
        write_touched=touched,
        read_touched=sources + (touched if adds else ZERO),
    )


def _places(op: Op) -> Formula:
    """Elements that `x[indices] = values` writes: the broadcast indices, times the dimensions without one."""
    x, indices, values = op.args[0], op.args[1], op.args[2]
    given = [i for i in indices if i is not None]
    if not given or any(i.dtype in ("bool", "uint8") for i in given):
        return numel(values)
    rest = product(d for i, d in enumerate(x.dims) if i >= len(indices) or indices[i] is None)
    return rest * _broadcast_numel([i.dims for i in given])


def _broadcast_numel(shapes: list[tuple[Formula, ...]]) -> Formula:
    sizes = [[s[-axis] for s in shapes if len(s) >= axis] for axis in range(1, max(map(len, shapes)) + 1)]
    return product(next((d for d in found if d != 1), found[0]) for found in sizes)
