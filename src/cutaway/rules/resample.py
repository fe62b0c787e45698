# Interpolation: each output element is a weighted sum of its neighbours, dimension by dimension.
from __future__ import annotations

from cutaway.rules.api import Count, Op, rule
from cutaway.rules.shapes import numel, result, text, whole

KERNEL = "aten/src/ATen/native/UpSample.h"
# Operations per output element: t taps are t multiplications and t - 1 additions, the inner dimensions once
# per tap.
PER_ELEMENT = {"nearest": 0, "linear1d": 3, "bilinear2d": 9, "trilinear3d": 21, "bicubic2d": 35}


@rule(
    *(
        f"{prefix}{form}"
        for prefix, form in (
            ("upsample_", "nearest1d"),
            ("upsample_", "nearest2d"),
            ("upsample_", "nearest3d"),
            ("_upsample_", "nearest_exact1d"),
            ("_upsample_", "nearest_exact2d"),
            ("_upsample_", "nearest_exact3d"),
            ("upsample_", "linear1d"),
            ("upsample_", "bilinear2d"),
            ("upsample_", "trilinear3d"),
            ("upsample_", "bicubic2d"),
            ("_upsample_", "bilinear2d_aa"),
            ("_upsample_", "bicubic2d_aa"),
        )
    ),
    kind="resample",
    source=KERNEL,
)
def upsample(op: Op) -> Count:
    """elementwise = M * (nearest 0, linear 3, bilinear 9, trilinear 21, bicubic 35)

    Counted: per output element the weighted sums, one dimension after the other.
    Not counted: computing the weights, which are shared along rows; the wider support of antialiased
    shrinking.
    """
    form = next(f for f in PER_ELEMENT if f in op.base)
    return Count(
        f"{text(op.args[0])} interpolated to {text(result(op))}",
        elementwise=numel(result(op)) * PER_ELEMENT[form],
    )


@rule(
    "grid_sampler_2d",
    "grid_sampler_3d",
    "_grid_sampler_2d_cpu_fallback",
    "cudnn_grid_sampler",
    kind="resample",
    source="aten/src/ATen/native/GridSampler.cpp",
)
def grid_sample(op: Op) -> Count:
    """linear: elementwise = M * 7 (3d: 15) + points * 12 (3d: 24); bicubic: M * 35 + points * 32

    Counted: per output element the weighted sum of 4 (8, 16) neighbours; per point 4 operations for each
    coordinate and one or two for each weight.
    """
    deep, mode = op.base.endswith("3d"), whole(op.arg(2, "interpolation_mode", 0))
    grid, out = op.args[1], result(op)
    rank = 3 if deep else 2
    per_element, per_point = {0: (15, 24) if deep else (7, 12), 1: (0, 4 * rank), 2: (35, 32)}[mode]
    points = numel(grid) / rank
    return Count(
        f"{text(op.args[0])} sampled at {text(grid)}",
        elementwise=numel(out) * per_element + points * per_point,
    )


@rule("affine_grid_generator", kind="resample", source="aten/src/ATen/native/AffineGridGenerator.cpp")
def affine_grid(op: Op) -> Count:
    """fma = M * 3 (3d: M * 4)

    Counted: the product of the base grid with [N, 2, 3] or [N, 3, 4].
    """
    theta, out = op.args[0], result(op)
    return Count(f"grid {text(out)} from {text(theta)}", fma=numel(out) * theta.dims[-1])
