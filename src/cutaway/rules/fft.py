# Fourier transforms by the count that FFTW publishes for its benchmarks: 5 n log2 n per complex transform,
# half for a real one.
from __future__ import annotations

from fractions import Fraction

from cutaway.formula import Formula, ceil_log2
from cutaway.formula.core import product
from cutaway.rules.api import Count, Op, rule
from cutaway.rules.shapes import axes, numel, result, text

SOURCE = "fftw.org/speed/method.html"


@rule("_fft_c2c", kind="fft", source=SOURCE)
def complex_fft(op: Op) -> Count:
    """elementwise = 5 * N * ceil(log2 n)

    Counted: additions and multiplications of a radix-2 transform of length n (of all its dimensions
    together).
    Not counted: normalisation.
    """
    x = op.args[0]
    return Count(f"FFT of {text(x)}", elementwise=numel(x) * 5 * _log2(op, x.dims))


@rule("_fft_r2c", "_fft_c2r", kind="fft", source=SOURCE)
def real_fft(op: Op) -> Count:
    """elementwise = 5 / 2 * N * ceil(log2 n)

    Counted: half of a complex transform of the real side's length.
    Not counted: normalisation.
    """
    real = op.args[0] if op.base == "_fft_r2c" else result(op)
    return Count(f"real FFT of {text(real)}", elementwise=numel(real) * Fraction(5, 2) * _log2(op, real.dims))


def _log2(op: Op, dims: tuple) -> Formula:
    return ceil_log2(product(dims[axis] for axis in axes(op.args[1], len(dims))))
