# Elementwise ops: the plain ones from the table, and those whose count hangs on an argument (alpha, the
# exponent, the bounds of a clamp, the form of GELU).
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cutaway.formula import Formula
from cutaway.formula.core import ZERO
from cutaway.model import TensorSpec
from cutaway.rules.api import Count, Op, Rule, register, rule
from cutaway.rules.pointwise_table import COMPLEX, PLAIN
from cutaway.rules.shapes import is_complex, numel, result, text


@rule("add", "sub", "rsub", "subtract", kind="elementwise", source="definition")
def add(op: Op) -> Count:
    """elementwise = N

    Counted: one addition per output element, and one multiplication where alpha is not 1.
    """
    alpha = 1 if op.name.endswith("Scalar") and len(op.args) < 3 else op.arg(2, "alpha", 1)
    return per_element(op, 1 + (alpha != 1), 0, "add" if op.base == "add" else "subtract")


@rule("pow", kind="elementwise", source="aten/src/ATen/native/cpu/PowKernel.cpp")
def power(op: Op) -> Count:
    """elementwise or transcendental = N, by the exponent

    Counted: a square is one multiplication, a cube two, -1 a division, -2 both, 0.5 and -0.5 one root, any
    other exponent one transcendental; exponents 0 and 1 are copies.
    """
    exponent = op.args[1]
    if isinstance(exponent, TensorSpec) or not isinstance(op.args[0], TensorSpec):
        return per_element(op, 0, 1, "power")
    elementwise, transcendental = POWERS.get(_number(exponent), (0, 1))
    return per_element(op, elementwise, transcendental, f"to the power {exponent}")


POWERS = {0: (0, 0), 1: (0, 0), 2: (1, 0), 3: (2, 0), -1: (1, 0), -2: (2, 0), 0.5: (0, 1), -0.5: (0, 1)}


@rule("clamp", "clip", kind="elementwise", source="definition")
def clamp(op: Op) -> Count:
    """elementwise = N per bound

    Counted: a maximum for the lower bound and a minimum for the upper one, where they are given.
    """
    bounds = [op.arg(1, "min"), op.arg(2, "max")]
    return per_element(op, sum(b is not None for b in bounds), 0, "clamp")


@rule("gelu", kind="elementwise", source="aten/src/ATen/native/cpu/Activation.cpp; arXiv:1606.08415")
def gelu(op: Op) -> Count:
    """none: elementwise = 4 * N, transcendental = N; tanh: elementwise = 8 * N, transcendental = N

    Counted: 0.5 * x * (1 + erf(x / sqrt 2)): scale, erf, add, two multiplications. With `tanh`,
    0.5 * x * (1 + tanh(c * (x + 0.044715 * x**3))): five for the inner cubic, tanh, add, two multiplications.
    """
    if op.arg(1, "approximate", "none") == "tanh":
        return per_element(op, 8, 1, "GELU, tanh form")
    return per_element(op, 4, 1, "GELU, erf form")


@rule("softplus", kind="elementwise", source="aten/src/ATen/native/cpu/Activation.cpp")
def softplus(op: Op) -> Count:
    """transcendental = 2 * N, elementwise = 2 * N where beta is not 1

    Counted: exp and log1p; a multiplication and a division by beta where it is not 1.
    Not counted: the comparison with the threshold.
    """
    return per_element(op, 0 if op.arg(1, "beta", 1) == 1 else 2, 2, "softplus")


@rule("logit", "special_logit", kind="elementwise", source="definition log(x / (1 - x))")
def logit(op: Op) -> Count:
    """elementwise = 2 * N, transcendental = N

    Counted: subtract, divide, log; two more where eps bounds the input.
    """
    return per_element(op, 2 if op.arg(1, "eps") is None else 4, 1, "logit")


def per_element(op: Op, elementwise: int, transcendental: int, what: str) -> Count:
    """So many operations for each element of the output; complex numbers by their own table."""
    out = result(op)
    n = numel(out)
    if is_complex(*op.inputs, *op.outputs):
        elementwise, transcendental, what = _complex(op, elementwise, transcendental, what)
    return Count(
        f"{op.base} over {text(out)}: {what}",
        elementwise=_times(n, elementwise),
        transcendental=_times(n, transcendental),
    )


def _complex(op: Op, elementwise: int, transcendental: int, what: str) -> tuple[int, int, str]:
    both = all(is_complex(t) for t in op.inputs) and not (op.base in ("mul", "div") and _has_number(op))
    if op.base in ("mul", "div") and not both:
        return 2, 0, "both parts"
    return COMPLEX.get(op.base, (elementwise * 2, transcendental * 2, f"{what}, both parts"))


def _has_number(op: Op) -> bool:
    return any(isinstance(a, (int, float, Formula)) for a in op.args[:2])


def _times(n: Formula, times: int) -> Formula:
    return n * times if times else ZERO


def _number(value: Any) -> Any:
    return value.constant() if isinstance(value, Formula) else value


def _plain(elementwise: int, transcendental: int, what: str) -> Callable[[Op], Count]:
    def count(op: Op) -> Count:
        extra = op.base in ("addcdiv", "addcmul") and op.kwargs.get("value", 1) != 1
        return per_element(op, elementwise + extra, transcendental, what)

    return count


def _formula(elementwise: int, transcendental: int) -> str:
    parts = [
        f"{name} = {f'{n} * ' if n > 1 else ''}N"
        for name, n in (("elementwise", elementwise), ("transcendental", transcendental))
        if n
    ]
    return ", ".join(parts) or "0"


for _names, _e, _t, _what, _source in PLAIN:
    register(
        Rule(
            tuple(f"aten.{n}" for n in _names.split()),
            "elementwise",
            _plain(_e, _t, _what),
            _formula(_e, _t),
            f"per output element: {_what}." if _e or _t else "bytes alone.",
            "nothing." if _e or _t else f"{_what}: no arithmetic.",
            _source,
        )
    )
