# A simulation asks for thousands of step times, one at a time, and the full model answers in arrays. So it is asked once
# for a grid, and the grid is interpolated. Linear in each size is exact for what is a product of two of them (attention:
# tokens x context), and close for matrix products between neighbouring sizes.
"""`StepTable`: a vectorised step time, tabulated, for one point or for arrays."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    Number = np.ndarray | float

_FINE = (
    0,
    1,
    2,
    4,
    8,
    12,
    16,
    24,
    32,
    48,
    64,
    96,
    128,
    192,
    256,
    384,
    512,
    768,
    1024,
    1536,
    2048,
    3072,
    4096,
)


class StepTable:
    """Seconds of a step by interpolation; called with four numbers it takes about 10 µs.

    `step_time(prefill_tokens, prefill_context, decode_batch, decode_context)` takes arrays that broadcast.
    """

    def __init__(
        self, step_time: Callable[..., np.ndarray], *, max_tokens: int, max_sequences: int, max_context: int
    ):
        tokens = _axis(max_tokens, skip=1)
        sequences = _axis(max(max_sequences, 2))  # one node alone is no line
        context = sorted({0, *(c for c in (512, 2048, 8192, 32768, 131072) if c < max_context), max_context})
        # The prefill context may be below zero (several short prompts in one step): down to minus half the tokens.
        self._axes = [tokens, context, sequences, context]
        values = step_time(
            *(
                np.asarray(axis, float).reshape([-1 if i == j else 1 for j in range(4)])
                for i, axis in enumerate(self._axes)
            )
        )
        values = np.broadcast_to(values, [len(axis) for axis in self._axes])
        self._strides = [int(np.prod(values.shape[i + 1 :])) for i in range(4)]
        self._flat = values.ravel()
        self._values: list[float] = self._flat.tolist()

    def __call__(self, tokens: float, context: float, sequences: float, decode_context: float) -> float:
        corners = [(0, 1.0)]
        for axis, stride, at in zip(
            self._axes, self._strides, (tokens, context, sequences, decode_context), strict=True
        ):
            index = min(max(bisect_right(axis, at) - 1, 0), len(axis) - 2)
            # Outside the grid the last interval is continued: attention stays linear there.
            part = (at - axis[index]) / (axis[index + 1] - axis[index])
            base = index * stride
            if part == 0:
                corners = [(offset + base, weight) for offset, weight in corners]
            else:
                corners = [
                    corner
                    for offset, weight in corners
                    for corner in (
                        (offset + base, weight * (1 - part)),
                        (offset + base + stride, weight * part),
                    )
                ]
        values = self._values
        return max(0.0, sum(values[offset] * weight for offset, weight in corners))

    def arrays(
        self, tokens: Number, context: Number, sequences: Number, decode_context: Number
    ) -> np.ndarray:
        """The same on arrays that broadcast."""
        corners: list[tuple[np.ndarray | int, np.ndarray | float]] = [(0, 1.0)]
        for axis, stride, given in zip(
            self._axes, self._strides, (tokens, context, sequences, decode_context), strict=True
        ):
            at = np.asarray(given, float)
            nodes = np.asarray(axis, float)
            index = np.clip(np.searchsorted(nodes, at, side="right") - 1, 0, len(axis) - 2)
            part = (at - nodes[index]) / (nodes[index + 1] - nodes[index])
            base = index * stride
            low = [(offset + base, weight * (1 - part)) for offset, weight in corners]
            # A size that is zero, or any node, everywhere needs no second corner.
            high = (
                [(offset + base + stride, weight * part) for offset, weight in corners]
                if np.any(part)
                else []
            )
            corners = low + high
        total = sum(self._flat[offset] * weight for offset, weight in corners)
        return np.maximum(total, 0.0)


def _axis(top: int, skip: int = 0) -> list[int]:
    axis = [v for v in _FINE if v < top and v != skip]
    size = _FINE[-1] * 2
    while size < top:
        axis.append(size)
        size *= 2
    return [*axis, top]
