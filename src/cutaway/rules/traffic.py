# Eager bytes: an op reads each distinct input whole and writes each output whole. Every exception stands in
# this file and nowhere else, because bytes that nobody can explain are worse than bytes that are missing.
from __future__ import annotations

from cutaway.formula import Formula
from cutaway.formula.core import ZERO
from cutaway.model import TensorSpec
from cutaway.rules.api import Op, base_name
from cutaway.rules.shapes import tensors, total_bytes


def names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Neither read nor write: only memory is set aside, or sizes change over the same memory, or nothing is
# computed.
UNTOUCHED = names(
    "empty empty_like empty_strided empty_permuted new_empty new_empty_strided _empty_affine_quantized "
    "_unsafe_view unsafe_split unsafe_split_with_sizes unsafe_chunk resize_ resize_as_ set_ as_strided_ "
    "squeeze_ unsqueeze_ t_ transpose_ swapaxes_ swapdims_ detach_ lift_fresh _reshape_alias sym_size "
    "is_pinned is_same_size is_set_to _fused_sdp_choice _functional_assert_scalar "
    "q_scale q_zero_point qscheme "
    "sym_numel sym_stride sym_storage_offset promote_types _assert_tensor_metadata _assert_scalar "
    "_has_same_storage_numel _linalg_check_errors sym_constrain_range sym_constrain_range_for_size"
)

# The first argument gives its shape alone, or is overwritten without being read.
FIRST_NOT_READ = names(
    # shape only
    "zeros_like ones_like full_like rand_like randn_like randint_like new_zeros new_ones new_full "
    "bernoulli.p "
    # overwritten
    "copy_ fill_ zero_ normal_ uniform_ random_ exponential_ geometric_ cauchy_ log_normal_ bernoulli_ eye_ "
    "copy fill zero _foreach_copy_ _foreach_zero_"
)

# The first argument is ignored when `beta` is 0 (torch's documentation of addmm).
BETA = names("addmm baddbmm addmv addbmm addr _addmm_activation _sparse_addmm")


def eager_bytes(op: Op) -> tuple[Formula, Formula]:
    """Bytes read and written by one op as the code stands."""
    bare = base_name(op.name).rpartition(".")[2]
    if bare in UNTOUCHED:
        return ZERO, ZERO
    unread = _unread(op, bare)
    read = [s for s in op.inputs if not any(_same(s, u) for u in unread)]
    return total_bytes(read), total_bytes(_written(op, bare))


def _written(op: Op, bare: str) -> tuple[TensorSpec, ...]:
    """The outputs; for lists that are written in place and not returned, the list."""
    if op.outputs or not bare.startswith(("_foreach_", "_fused_")):
        return op.outputs
    return tensors(op.args[:1]) if bare.startswith("_foreach_") else tensors((op.args[0], op.args[2:5]))


def _unread(op: Op, bare: str) -> tuple[TensorSpec, ...]:
    """Inputs that are not read: `out=` arguments, and first arguments by the tables above."""
    overload = op.name.rpartition(".")[2]
    if overload == "out" or overload.endswith("_out"):
        read = tensors(op.args)
        return tuple(t for t in tensors(tuple(op.kwargs.values())) if not any(_same(t, r) for r in read))
    ignored = bare.rstrip("_") in BETA and op.kwargs.get("beta", 1) == 0
    if ignored or bare in FIRST_NOT_READ or f"{bare}.{overload}" in FIRST_NOT_READ:
        rest = tensors((op.args[1:], tuple(op.kwargs.values())))
        return tuple(t for t in tensors(op.args[:1]) if not any(_same(t, r) for r in rest))
    return ()


def _same(a: TensorSpec, b: TensorSpec) -> bool:
    return a is b or (a.uid >= 0 and a.uid == b.uid)
