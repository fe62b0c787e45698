# The plain elementwise ops, one line per family: names, elementwise and transcendental operations per output
# element, and what those are. Ops whose count hangs on an argument stand in `pointwise.py` instead.
#
# Decided here: selecting is free (comparison, where, masked_fill, sign, rounding, bits and logic); taking a
# maximum of two is 1; a sign folded into an exponential is free; integers count as floats do.
from __future__ import annotations

# (names, elementwise, transcendental, what is done per element, source)
PLAIN: tuple[tuple[str, int, int, str, str], ...] = (
    ("mul multiply square", 1, 0, "multiply", "definition"),
    ("div divide true_divide reciprocal floor_divide", 1, 0, "divide (rounding is free)", "definition"),
    ("neg negative abs absolute deg2rad rad2deg", 1, 0, "one sign, absolute value or scale", "definition"),
    ("maximum minimum max.other min.other fmax fmin relu clamp_min clamp_max",
     1, 0, "one maximum or minimum", "definition"),
    ("fmod remainder", 3, 0, "divide, multiply, subtract", "definition"),
    ("frac", 1, 0, "subtract the truncated value", "definition"),
    ("lerp", 3, 0, "subtract, multiply, add", "aten/src/ATen/native/Lerp.h"),
    ("exp exp2 expm1 log log2 log10 log1p sqrt rsqrt sin cos tan asin acos atan sinh cosh tanh asinh acosh "
     "atanh erf erfc erfinv lgamma digamma polygamma i0 atan2 arctan2 angle float_power special_i0e "
     "special_i1 special_i1e special_erfcx special_ndtri special_log_ndtr special_zeta special_bessel_j0 "
     "special_bessel_j1 special_bessel_y0 special_bessel_y1 special_modified_bessel_i0 "
     "special_modified_bessel_i1 special_modified_bessel_k0 special_modified_bessel_k1 "
     "special_spherical_bessel_j0 special_airy_ai special_gammainc special_gammaincc igamma igammac "
     "mvlgamma",
     0, 1, "one transcendental", "definition"),
    ("special_ndtr", 3, 1, "scale, erfc, halve, and the sign", "definition"),
    ("special_entr xlogy special_xlog1py special_xlogy", 1, 1, "logarithm, multiply", "definition"),
    ("sinc special_sinc", 2, 1, "scale, sine, divide", "definition"),
    ("hypot", 3, 1, "two squares, add, root", "definition"),
    ("ldexp", 1, 1, "power of two, multiply", "definition"),
    ("logaddexp logaddexp2", 4, 2, "max, subtract, absolute value, exp, log1p, add", "definition"),
    ("polar", 2, 2, "cosine, sine, two multiplications", "aten/src/ATen/native/cpu/ComplexKernel.cpp"),
    ("sigmoid special_expit", 2, 1, "exp, add, divide", "definition 1 / (1 + exp(-x))"),
    ("silu", 3, 1, "exp, add, divide, multiply", "definition x * sigmoid(x); arXiv:1702.03118"),
    ("mish", 1, 3, "exp, log1p, tanh, multiply", "definition x * tanh(softplus(x)); arXiv:1908.08681"),
    ("log_sigmoid log_sigmoid_forward", 3, 2, "min, absolute value, exp, log1p, subtract", "definition"),
    ("glu", 3, 1, "sigmoid of one half, times the other", "definition; arXiv:1612.08083"),
    ("hardsigmoid", 4, 0, "add, max, min, divide", "definition min(max(x + 3, 0), 6) / 6"),
    ("hardswish", 5, 0, "add, max, min, divide, multiply", "definition x * hardsigmoid(x)"),
    ("hardtanh relu6", 2, 0, "max, min", "definition"),
    ("leaky_relu prelu _prelu_kernel rrelu_with_noise rrelu_with_noise_functional",
     1, 0, "multiply by the slope", "definition"),
    ("elu selu celu", 2, 1, "scale, expm1, scale: the costlier branch", "definition; arXiv:1511.07289"),
    ("softshrink", 1, 0, "subtract the threshold", "definition"),
    ("addcdiv addcmul", 2, 0, "two of multiply, divide, add; scaling by value adds one", "definition"),
    ("softsign", 3, 0, "absolute value, add, divide", "definition"),
    ("threshold hardshrink where masked_fill nan_to_num heaviside copysign sign sgn signbit frexp nextafter",
     0, 0, "a choice between values", "definition"),
    ("ceil floor round trunc fix", 0, 0, "rounding, as a cast", "definition"),
    ("eq ne lt le gt ge isnan isinf isfinite isposinf isneginf isclose isin equal allclose",
     0, 0, "a comparison", "definition"),
    ("bitwise_and bitwise_or bitwise_xor bitwise_not bitwise_left_shift bitwise_right_shift logical_and "
     "logical_or logical_xor logical_not __and__ __or__ __xor__ __lshift__ __rshift__ __iand__ __ior__ "
     "__ixor__ __ilshift__ __irshift__",
     0, 0, "bits or logic", "definition"),
    ("gcd lcm", 0, 0, "integer steps whose number depends on the data", "definition"),
    ("complex conj_physical _conj_physical resolve_conj resolve_neg",
     0, 0, "parts put together or a sign bit", "definition"),
    ("threshold_backward hardtanh_backward hardshrink_backward softshrink_backward",
     0, 0, "a choice between values", "definition of the gradient"),
    ("leaky_relu_backward hardsigmoid_backward", 1, 0, "multiply", "definition of the gradient"),
    ("sigmoid_backward tanh_backward", 3, 0, "subtract, two multiplications", "definition of the gradient"),
    ("silu_backward",
     6, 1, "sigmoid, then x * (1 - s) + 1 times s times the gradient", "definition of the gradient"),
    ("gelu_backward", 9, 2, "density and distribution of the normal law", "definition of the gradient"),
    ("elu_backward hardswish_backward softplus_backward log_sigmoid_backward mish_backward glu_backward",
     4, 1, "about what the forward does", "definition of the gradient"),
)

# Real operations of one complex operation; any other op on complex numbers counts twice its real one.
COMPLEX: dict[str, tuple[int, int, str]] = {
    "add": (2, 0, "two additions"),
    "sub": (2, 0, "two subtractions"),
    "rsub": (2, 0, "two subtractions"),
    "mul": (6, 0, "four multiplications, two additions"),
    "square": (6, 0, "four multiplications, two additions"),
    "div": (11, 0, "six multiplications, three additions, two divisions"),
    "reciprocal": (6, 0, "two multiplications, an addition, two divisions, a sign"),
    "abs": (3, 1, "two squares, an addition, a root"),
    "exp": (2, 3, "exp, sine, cosine, two multiplications"),
    "polar": (2, 2, "cosine, sine, two multiplications"),
    "angle": (0, 1, "one arctangent"),
}
