"""What is written out number by number gives what the arrays give, to the last bit."""

import numpy as np
import pytest

from cutaway.predict.machine import build
from cutaway.predict.recorded import taped
from cutaway.predict.step import STEADY
from cutaway.predict.unrolled import unroll

X, Y = np.array([3.0, 0.0, 3.0]), np.array([0.7, 2.0, 5.0])


@pytest.mark.parametrize(
    "function",
    [
        lambda x, y: np.where(x > y, x * 2 / (y + 1), np.minimum(x, y) + 0.1) ** 0.3,
        lambda x, y: np.maximum(x[..., None] * np.arange(1.0, 41.0), y[..., None]).min(axis=-1) + np.ceil(y),
        lambda x, y: np.stack([x, y, x * y, x + y]).sum(axis=0),
        lambda x, y: (x[np.array([0, 2])] * y[np.array([2, 1])]).reshape(1, -1) * np.array([[1.0], [3.0]]),
        lambda x, y: np.where(np.isnan(np.log2(np.maximum(y, 1e-9))) | (x > 1), 1.0, y),
    ],
    ids=["chosen", "many numbers", "sum", "some of them", "not a number"],
)
def test_numbers_are_those_of_arrays(function) -> None:
    tape, result = taped(function, [X, Y])
    got = unroll(tape, result, [X, Y])
    for x, y in ((X, Y), (X * 7, Y[::-1]), (X * 0.01, Y * 1e6)):
        assert got(*x, *y) == function(x, y).ravel().tolist()


def test_what_is_equal_or_zero_is_computed_once() -> None:
    def function(x, y):
        return np.exp(x) + y

    tape, result = taped(function, [X, Y])
    code = unroll(tape, result, [X, Y])
    assert code(*X, *Y) == function(X, Y).tolist()
    # The third of x is taken to be the first, and the second to be 0, whatever comes.
    assert code(3.0, 9.0, 9.0, *Y) == function(X, Y).tolist()


def _batch(tokens, prompt, output, context=0.0):
    grown = prompt + np.array([0.1, 0.5, 0.9]) * output
    return (
        np.array([tokens * prompt, 0, 0, 0.0]),
        np.array([(prompt - tokens * prompt) / 2 + context, 0, 0, 0]),
        np.array([0.0, tokens, tokens, tokens]),
        np.array([0.0, *grown]),
    )


@pytest.mark.parametrize(
    ("model", "device", "words"),
    [
        ("llama-3.1-8b", "h100", {}),
        ("deepseek-ai/DeepSeek-V3", "h200", {"tp": 8, "engine": "trtllm", "weights": "fp8"}),
        ("qwen3-30b-a3b", "mi300x", {"dp": 2, "ep": 2}),
        ("tiiuae/falcon-mamba-7b", "a100-80gb", {"tier": "speed of light"}),
        ("gemma-2-27b-it", "rtx-4090", {"tp": 4}),
    ],
)
def test_a_step_that_is_asked_again_and_again_says_the_same(model, device, words) -> None:
    step = build(model, device, **words).kernels
    random = np.random.default_rng(3)
    questions = [
        _batch(float(n), float(p), float(o))
        for n, p, o in zip(*(random.integers(low, high, 40) for low, high in ((2, 300), (9, 9000), (2, 900))), strict=True)
    ]
    before = [step._seconds(*_regime(q)).tolist() for q in questions]
    for q in (questions * 2)[:STEADY]:
        step(*q)
    assert [callable(f) for f in step._few.values()] == [True]
    assert [step(*q).tolist() for q in questions] == before


def _regime(question):
    from cutaway.predict.points import regime_of

    regime, further = regime_of(question)
    return regime, *question, *further


def test_what_cannot_be_written_out_is_asked_as_before() -> None:
    step = build("gpt2", "h100").kernels
    question = _batch(4.0, 100.0, 30.0)
    first = step(*question)

    def fails(*numbers):
        raise ZeroDivisionError

    step._few = dict.fromkeys(step._few, fails)
    np.testing.assert_array_equal(step(*question), first)
