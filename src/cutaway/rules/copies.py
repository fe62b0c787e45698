# Ops that move, make or draw elements and compute nothing: bytes alone. One line per family; which of them do
# not read their first argument stands in `traffic.py`.
from __future__ import annotations

from collections.abc import Callable

from cutaway.rules.api import Count, Op, Rule, register
from cutaway.rules.shapes import result, text

# (kind, names, what is done, source)
MOVES: tuple[tuple[str, str, str, str], ...] = (
    ("copy", "clone contiguous copy copy_ lift lift_fresh_copy _lazy_clone _pin_memory _foreach_clone "
             "int_repr",
     "copied", "aten/src/ATen/native/Copy.cpp"),
    ("copy", "cat stack concat concatenate hstack vstack dstack block_diag _stack _chunk_cat",
     "put together", "aten/src/ATen/native/TensorShape.cpp"),
    ("copy", "repeat tile flip fliplr flipud roll rot90 repeat_interleave channel_shuffle "
             "native_channel_shuffle pixel_shuffle pixel_unshuffle diag_embed tril triu",
     "rearranged", "aten/src/ATen/native/TensorTransformations.cpp"),
    ("copy", "constant_pad_nd pad reflection_pad1d reflection_pad2d reflection_pad3d replication_pad1d "
             "replication_pad2d replication_pad3d",
     "padded", "aten/src/ATen/native/PadNd.cpp"),
    ("copy", "slice_scatter select_scatter diagonal_scatter as_strided_scatter",
     "copied, a part of it replaced", "aten/src/ATen/native/TensorShape.cpp"),
    ("copy", "view_copy reshape_copy expand_copy permute_copy transpose_copy t_copy squeeze_copy "
             "unsqueeze_copy select_copy slice_copy split_copy split_with_sizes_copy unbind_copy "
             "unfold_copy diagonal_copy as_strided_copy alias_copy detach_copy narrow_copy "
             "view_as_real_copy view_as_complex_copy _reshape_copy _conj_copy _neg_view_copy",
     "copied, not viewed", "torchgen's view_copy variants"),
    ("copy", "im2col unfold_backward max_unpool2d max_unpool3d _pack_padded_sequence _pad_packed_sequence "
             "quantized.linear_prepack",
     "laid out anew", "aten/src/ATen/native/Im2Col.cpp"),
    ("cast", "_to_copy _to_sparse to_sparse _to_dense type_as prims.convert_element_type prims.device_put",
     "copied to another type or layout", "aten/src/ATen/native/TensorConversions.cpp"),
    ("factory", "zeros ones full arange range linspace logspace eye scalar_tensor zeros_like ones_like "
                "full_like new_zeros new_ones new_full tril_indices triu_indices hann_window hamming_window "
                "bartlett_window blackman_window kaiser_window fft_fftfreq fft_rfftfreq vander one_hot",
     "filled", "aten/src/ATen/native/TensorFactories.cpp"),
    ("factory", "fill fill_ zero zero_ fill_diagonal eye_",
     "filled in place", "aten/src/ATen/native/Fill.cpp"),
    ("factory", "empty empty_like empty_strided empty_permuted new_empty new_empty_strided "
                "_empty_affine_quantized",
     "set aside, not written", "aten/src/ATen/native/TensorFactories.cpp"),
    ("random", "rand randn randint randperm rand_like randn_like randint_like normal normal_ uniform "
               "uniform_ random_ random exponential exponential_ geometric geometric_ cauchy cauchy_ "
               "log_normal log_normal_ bernoulli bernoulli_ poisson binomial _standard_gamma "
               "_sample_dirichlet multinomial normal_functional",
     "drawn at random", "aten/src/ATen/native/Distributions.cpp"),
    ("view", "_unsafe_view unsafe_split unsafe_split_with_sizes unsafe_chunk resize_ resize_as_ set_ "
             "as_strided_ squeeze_ unsqueeze_ t_ transpose_ swapaxes_ swapdims_ detach_ lift_fresh "
             "_reshape_alias",
     "seen anew, not moved", "torch/csrc/autograd"),
    ("data", "nonzero nonzero_static argwhere _local_scalar_dense item bincount histogram is_nonzero",
     "read for its values", "aten/src/ATen/native"),
    ("check", "_assert_async _functional_assert_async _assert_scalar _assert_tensor_metadata sym_size "
              "sym_numel sym_stride sym_storage_offset promote_types is_pinned is_same_size is_set_to "
              "_fused_sdp_choice _functional_assert_scalar q_scale q_zero_point qscheme "
              "_has_same_storage_numel _linalg_check_errors sym_constrain_range "
              "sym_constrain_range_for_size",
     "checked", "aten/src/ATen/native"),
)


def _moved(what: str) -> Callable[[Op], Count]:
    def count(op: Op) -> Count:
        return Count(f"{text(result(op))} {what}" if op.inputs or op.outputs else f"{op.base}: {what}")

    return count


for _kind, _names, _what, _source in MOVES:
    register(Rule(
        tuple(n if "." in n else f"aten.{n}" for n in _names.split()), _kind, _moved(_what), "0",
        "nothing, it is free." if _kind in ("view", "check") else "bytes alone.",
        "drawing a number." if _kind == "random" else "there is no arithmetic.",
        _source,
    ))
