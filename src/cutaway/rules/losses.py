# Losses: what is done per element, and the sum where the result is one number.
from __future__ import annotations

from collections.abc import Callable

from cutaway.formula.core import ONE, ZERO
from cutaway.rules.api import Count, Op, Rule, register, rule
from cutaway.rules.shapes import across, numel, result, text

# (names, elementwise, transcendental, what is done per element)
LOSSES: tuple[tuple[str, int, int, str], ...] = (
    ("mse_loss", 2, 0, "subtract, square"),
    ("smooth_l1_loss huber_loss", 4, 0, "subtract, absolute value, scale, subtract"),
    ("binary_cross_entropy", 6, 2, "two subtractions, two logarithms, two multiplications, add, negate"),
    ("binary_cross_entropy_with_logits", 5, 2, "max, multiply, subtract, absolute value, exp, log1p, add"),
    ("soft_margin_loss", 1, 2, "multiply, exp, log1p"),
    ("multi_margin_loss", 3, 0, "subtract, add, max"),
    ("mse_loss_backward smooth_l1_loss_backward huber_loss_backward", 3, 0, "subtract, scale, multiply"),
    ("binary_cross_entropy_backward soft_margin_loss_backward", 5, 1, "the derivative, times the gradient"),
)


def _pointwise(elementwise: int, transcendental: int, what: str) -> Callable[[Op], Count]:
    def count(op: Op) -> Count:
        x = op.args[0]
        n = numel(x)
        reduced = result(op).dims == () and x.dims != ()
        return Count(
            f"{op.base} over {text(x)}: {what}", elementwise=n * elementwise + (ONE if reduced else ZERO),
            transcendental=n * transcendental, reduction=n if reduced else ZERO,
        )

    return count


for _names, _e, _t, _what in LOSSES:
    register(Rule(
        tuple(f"aten.{n}" for n in _names.split()), "reduction", _pointwise(_e, _t, _what),
        f"elementwise = {_e} * N, transcendental = {_t} * N, reduction = N",
        f"per element: {_what}; the sum and one division where the result is one number.",
        "weights of classes.", "aten/src/ATen/native/Loss.cpp",
    ))


@rule("nll_loss_forward", "nll_loss2d_forward", "nll_loss", "nll_loss2d", kind="reduction",
      source="aten/src/ATen/native/LossNLL.cpp")
def nll_loss(op: Op) -> Count:
    """reduction = targets, elementwise = 1

    Counted: one picked value per target taken into the sum, and one division.
    Not counted: weights of classes.
    """
    x, target = op.args[0], op.args[1]
    picked = numel(target)
    return Count(
        f"negative log-likelihood of {text(target)} under {text(x)}", reduction=picked, elementwise=ONE,
        read_touched=picked * (x.element_bytes + target.element_bytes),
    )


@rule("nll_loss_backward", "nll_loss2d_backward", kind="scatter", source="aten/src/ATen/native/LossNLL.cpp")
def nll_loss_backward(op: Op) -> Count:
    """elementwise = targets

    Counted: one scaling per target.
    """
    return Count(f"gradient of the loss into {text(result(op))}", elementwise=numel(op.args[2]))


@rule("multilabel_margin_loss_forward", kind="reduction",
      source="aten/src/ATen/native/LossMultiLabelMargin.cpp")
def multilabel_margin_loss(op: Op) -> Count:
    """elementwise = 2 * N * C, reduction = N * C

    Counted: subtract, max and sum for every pair of classes, as if all were targets.
    """
    x = op.args[0]
    pairs = numel(x) * x.dims[-1]
    return Count(f"multi-label margin loss over {text(x)}", elementwise=pairs * 2, reduction=pairs)


@rule("_ctc_loss", kind="reduction", source="aten/src/ATen/native/LossCTC.cpp; Graves et al. 2006")
def ctc_loss(op: Op) -> Count:
    """per time, sequence and state of 2 * S + 1: elementwise 6, transcendental 4

    Counted: the log-sum of three predecessors and the emission: two maxima, three exponentials, a logarithm,
    additions.
    """
    x, targets = op.args[0], op.args[1]
    states = across(x, -1) * (targets.dims[-1] * 2 + 1)  # [T, B] x [2 S + 1]
    return Count(f"CTC loss over {text(x)}", elementwise=states * 6, transcendental=states * 4)
