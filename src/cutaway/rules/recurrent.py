# Recurrent layers in one kernel: products with input and hidden state at every step, then the gates. What
# arrives as separate products and activations is priced there.
from __future__ import annotations

from dataclasses import dataclass

from cutaway.formula import Formula
from cutaway.formula.core import ZERO, product
from cutaway.rules.api import Count, Op, rule
from cutaway.rules.shapes import numel, tensors, text, total_numel, whole

KERNEL = "aten/src/ATen/native/RNN.cpp"


@dataclass(frozen=True)
class Cell:
    """Operations per hidden unit and step, beside the products."""

    gates: int
    elementwise: int
    transcendental: int


# Sum of two products and two biases is 3 per gate; a sigmoid is 2 and one exp.
LSTM = Cell(4, 4 * 3 + 3 * 2 + 3 + 1, 3 + 1 + 1)  # f * c + i * g, then o * tanh(c)
GRU = Cell(3, 3 * 3 + 2 * 2 + 1 + 4, 2 + 1)  # r * hidden, then (1 - z) * n + z * h
PLAIN = Cell(1, 3, 1)
BY_MODE = {0: PLAIN, 1: PLAIN, 2: LSTM, 3: GRU}


@rule("lstm", "gru", "rnn_tanh", "rnn_relu", kind="rnn", source=KERNEL)
def layers(op: Op) -> Count:
    """fma = T * B * (all weight matrices); per hidden unit: LSTM 22 + 5, GRU 18 + 3, plain 3 + 1

    Counted: both products of every layer, direction and step; biases, gates and state.
    Not counted: dropout between layers.
    """
    cell = {"lstm": LSTM, "gru": GRU}.get(op.base, PLAIN)
    params = [tensors(a) for a in op.args if isinstance(a, (tuple, list)) and tensors(a)][-1]
    matrices = [p for p in params if len(p.dims) == 2]
    units = sum((m.dims[0] for m in matrices), ZERO) / (
        2 * cell.gates
    )  # input and hidden products, [gates * H, …]
    steps = product(op.args[0].dims[:-1])
    return _count(op, cell, steps * total_numel(matrices), steps * units)


@rule("_cudnn_rnn", "mkldnn_rnn_layer", "miopen_rnn", kind="rnn", source=KERNEL)
def vendor_layers(op: Op) -> Count:
    """fma = T * B * (all weight matrices); per hidden unit: LSTM 22 + 5, GRU 18 + 3, plain 3 + 1

    Counted: both products of every layer, direction and step; biases, gates and state.
    Not counted: dropout between layers.
    """
    one_layer = op.base == "mkldnn_rnn_layer"
    cell = BY_MODE[whole(op.args[9 if one_layer else 6])]
    params = op.args[1:3] if one_layer else tensors(op.args[1])
    matrices = [p for p in params if len(p.dims) == 2]
    units = sum((m.dims[0] for m in matrices), ZERO) / (2 * cell.gates)
    steps = product(op.args[0].dims[:-1])
    return _count(op, cell, steps * total_numel(matrices), steps * units)


@rule("_thnn_fused_lstm_cell", "_thnn_fused_gru_cell", kind="rnn", source=KERNEL)
def fused_cell(op: Op) -> Count:
    """per hidden unit: LSTM 22 + 5, GRU 18 + 3

    Counted: biases, gates and state of one step.
    Not counted: the products, which stand before it.
    """
    cell = LSTM if "lstm" in op.base else GRU
    return _count(op, cell, ZERO, numel(op.args[2]))


def _count(op: Op, cell: Cell, fma: Formula, units: Formula) -> Count:
    return Count(
        f"{op.base} over {text(op.args[0])}",
        fma=fma,
        elementwise=units * cell.elementwise,
        transcendental=units * cell.transcendental,
    )
