# Softmax along one dimension, in the stable form that kernels run.
from __future__ import annotations

from cutaway.rules.api import Count, Op, rule
from cutaway.rules.shapes import across, numel, text


@rule(
    "_softmax",
    "softmax",
    "_safe_softmax",
    "_masked_softmax",
    "special_softmax",
    kind="softmax",
    source="aten/src/ATen/native/SoftMax.cpp",
)
def softmax(op: Op) -> Count:
    """elementwise = 2 * N, transcendental = N, reduction = 2 * N

    Counted: per element max, subtract, exp, sum, divide: 5.
    Not counted: selecting masked elements.
    """
    n = numel(op.args[0])
    return Count(f"softmax over {text(op.args[0])}", elementwise=n * 2, transcendental=n, reduction=n * 2)


@rule("_log_softmax", "log_softmax", kind="softmax", source="aten/src/ATen/native/SoftMax.cpp")
def log_softmax(op: Op) -> Count:
    """elementwise = 2 * N, transcendental = N + rows, reduction = 2 * N

    Counted: per element max, subtract, exp, sum, subtract; one log per row.
    """
    x = op.args[0]
    n = numel(x)
    rows = across(x, op.args[1])
    return Count(f"log-softmax over {text(x)}", elementwise=n * 2, transcendental=n + rows, reduction=n * 2)


@rule("_softmax_backward_data", kind="softmax", source="aten/src/ATen/native/SoftMax.cpp")
def softmax_backward(op: Op) -> Count:
    """elementwise = 3 * N, reduction = N

    Counted: per element of y * (g - sum(y * g)) two multiplications, a subtraction, and the sum.
    """
    n = numel(op.args[0])
    return Count(f"gradient of softmax over {text(op.args[0])}", elementwise=n * 3, reduction=n)


@rule("_log_softmax_backward_data", kind="softmax", source="aten/src/ATen/native/SoftMax.cpp")
def log_softmax_backward(op: Op) -> Count:
    """elementwise = 2 * N, transcendental = N, reduction = N

    Counted: per element of g - exp(y) * sum(g) exp, multiply, subtract, and the sum.
    """
    n = numel(op.args[0])
    return Count(
        f"gradient of log-softmax over {text(op.args[0])}", elementwise=n * 2, transcendental=n, reduction=n
    )
