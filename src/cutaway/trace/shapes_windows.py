# Sizes of ops that go over space in windows or change how fine it is: convolutions, pools, padding, other resolutions.
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cutaway.formula import Formula, const
from cutaway.trace.dim import rounded_down, rounded_up
from cutaway.trace.inputs_symbols import SYMBOLS
from cutaway.trace.resolver import Dims, Makers, Resolver, Sizes

COUNTED = {n for n, s in SYMBOLS.items() if s.unit in ("sequences", "tokens", "answers")}


def _pad(args: Sequence[Any], out: Sizes, inputs: Any, r: Resolver) -> Dims | None:
    sizes, dims = inputs[0]
    result = list(dims)
    pads = args[1]
    for n in range(len(pads) // 2):
        axis = len(sizes) - 1 - n
        result[axis] = dims[axis] + r.number(pads[2 * n]) + r.number(pads[2 * n + 1])
        r.scope.learn(out[axis], result[axis])
    return tuple(result)


def _convolution(args: Sequence[Any], out: Sizes, inputs: Any, r: Resolver) -> Dims | None:
    (_, x), (ksizes, k) = inputs[0], inputs[1]
    stride, padding, dilation, transposed, output_padding, groups = args[3:9]
    n = len(ksizes) - 2
    spread = [tuple(v) * n if len(v) == 1 else tuple(v) for v in (stride, padding, dilation, output_padding)]
    space = []
    for i in range(n):
        s, p, d, o = (r.number(v[i]) if j < 2 else v[i] for j, v in enumerate(spread))
        reach = (k[2 + i] - 1) * d
        size = x[-n + i]
        space.append(
            (size - 1) * s - p * 2 + reach + o + 1
            if transposed
            else rounded_down(size + p * 2 - reach - 1, s) + 1
        )
        r.scope.learn(out[-n + i], space[-1])
    channels = k[1] * groups if transposed else k[0]
    return (x[0], channels, *space) if len(x) == n + 2 else (channels, *space)


def _pool(args: Sequence[Any], out: Sizes, inputs: Any, r: Resolver) -> Dims | None:
    """max_pool and avg_pool: (kernel_size, stride, padding, then dilation for max, ceil_mode)."""
    dims = inputs[0][1]
    kernel = args[1]
    n = len(kernel)
    stride = args[2] if len(args) > 2 and args[2] else kernel
    padding = args[3] if len(args) > 3 else [0] * n
    more = args[4 if len(args) > 4 and isinstance(args[4], bool) else 5 :]  # after the dilation of a maximum
    divided = rounded_up if more and more[0] is True else rounded_down
    space = []
    for i in range(n):
        k, s = kernel[i], stride[i] if len(stride) > 1 else stride[0]
        p = padding[i] if len(padding) > 1 else padding[0]
        space.append(divided(dims[-n + i] + 2 * p - k, s) + 1)
    return (*dims[:-n], *space)


def _unfold(args: Sequence[Any], out: Sizes, inputs: Any, r: Resolver) -> Dims | None:
    sizes, dims = inputs[0]
    axis, size, step = args[1] % len(sizes), r.number(args[2]), r.number(args[3])
    windows = rounded_down(dims[axis] - size, step) + 1
    r.scope.learn(out[axis], windows)
    return (*dims[:axis], windows, *dims[axis + 1 :], size)


def _upsample(args: Sequence[Any], out: Sizes, inputs: Any, r: Resolver) -> Dims | None:
    sizes, dims = inputs[0]
    scales = [a for a in args[2:] if isinstance(a, float)]
    scaled = bool(scales)
    space = []
    for i, (v, old, f) in enumerate(zip(out[2:], sizes[2:], dims[2:], strict=True)):
        if (times := _scaled(f, scales[i] if len(scales) == len(sizes) - 2 else 0.0)) is not None:
            space.append(times)
            continue
        known = r.find(v) if f.constant() is None else r.local.get(v)
        if known is None and v != old and not scaled:  # to a size that the code may have put through `int()`
            known = r.scope.known.get(v)
            if known is not None and v < r.telling and known.symbols() <= COUNTED:
                known = None  # no picture is as large as a text is long but by chance
        space.append(known if known is not None else f * (v // old) if v % old == 0 else const(v))
    return (*dims[:2], *space)


def _scaled(size: Formula, scale: float) -> Formula | None:
    """So many times the size, or so small a part of it; None where the scale is neither."""
    if scale >= 1 and scale.is_integer():
        return size * int(scale)
    return rounded_down(size, int(1 / scale)) if 0 < scale < 1 and (1 / scale).is_integer() else None


def _fft_half(args: Sequence[Any], out: Sizes, inputs: Any, r: Resolver) -> Dims | None:
    sizes, dims = inputs[0]
    axis = args[1][-1] % len(sizes)
    if out[axis] != sizes[axis] // 2 + 1:
        return None
    return (*dims[:axis], rounded_down(dims[axis], 2) + 1, *dims[axis + 1 :])


WINDOWS: Makers = {
    **dict.fromkeys(
        (
            "constant_pad_nd", "reflection_pad1d", "reflection_pad2d", "replication_pad1d",
            "replication_pad2d", "reflection_pad3d", "replication_pad3d",
        ),
        _pad,
    ),
    **dict.fromkeys(("convolution", "_convolution", "convolution_overrideable"), _convolution),
    **dict.fromkeys(
        (
            "max_pool2d_with_indices", "avg_pool1d", "avg_pool2d", "avg_pool3d", "max_pool3d_with_indices",
        ),
        _pool,
    ),
    "unfold": _unfold,
    "_fft_r2c": _fft_half,
    **dict.fromkeys(
        (
            "upsample_nearest1d", "upsample_nearest2d", "upsample_bilinear2d", "upsample_bicubic2d",
            "upsample_linear1d", "_upsample_bilinear2d_aa", "_upsample_bicubic2d_aa",
            "upsample_trilinear3d", "upsample_nearest3d", "_upsample_nearest_exact1d",
            "_upsample_nearest_exact2d", "_upsample_nearest_exact3d",
        ),
        _upsample,
    ),
}
