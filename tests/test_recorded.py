"""What was recorded of a function is that function."""

import numpy as np
import pytest

from cutaway.predict.machine import build
from cutaway.predict.recorded import Branches, record, whole

ONE, TWO = np.array([0.5, 3.0, 8.0]), np.array([2.0, 1.0, 4.0])


def _check(function, *samples):
    got = record(function, samples)
    for given in (samples, [np.arange(1.0, 6.0) + n for n in range(len(samples))], [s[:1] for s in samples]):
        np.testing.assert_array_equal(got(*given), function(*given))
    return got


def test_calls_that_depend_on_nothing_are_made_once() -> None:
    made = []

    def function(x):
        made.append(1)
        return x * np.sqrt(np.array([[2.0], [3.0]])) + np.exp(1.5)

    got = record(function, [ONE])
    count = len(made)
    got(ONE)
    assert len(made) == count == 1
    np.testing.assert_allclose(got(TWO), TWO * np.sqrt([[2.0], [3.0]]) + np.exp(1.5))


@pytest.mark.parametrize(
    "function",
    [
        lambda x, y: 2 * x * 3 / 4 * y,
        lambda x, y: np.where(np.array(True), x, y) + 0.0,
        lambda x, y: np.where(np.array([[False]]), x, y).reshape(1, -1) * 1.0,
        lambda x, y: (x[..., None] * np.arange(1.0, 5.0)).min(axis=-1) + (np.stack([x, y]) ** 2).sum(axis=0),
        lambda x, y: (x > y) * 1.0 / (y + 1),
    ],
    ids=["factors", "chosen", "not chosen", "axes", "truth"],
)
def test_the_same_results(function) -> None:
    _check(function, ONE, TWO)


def test_a_constant_that_makes_the_result_larger_is_no_neutral_one() -> None:
    got = _check(lambda x: x * np.ones((4, 1)), ONE)
    assert got(ONE).shape == (4, 3)


def test_what_is_whole_is_called_each_time() -> None:
    seen = []

    @whole
    def counted(values, more):
        seen.append(len(values))
        return values[0] + more

    got = record(lambda x: counted([x, x], 1.0) * 2, [ONE])
    before = len(seen)
    np.testing.assert_array_equal(got(TWO), (TWO + 1) * 2)
    assert len(seen) == before + 1
    np.testing.assert_array_equal(counted([TWO], 0.0), TWO)


@pytest.mark.parametrize(
    "function", [lambda x: x if x.sum() > 0 else -x, lambda x: np.zeros(3) + float(x.min())], ids=["branch", "number"]
)
def test_who_branches_on_values_is_not_recorded(function) -> None:
    with pytest.raises(Branches):
        record(function, [ONE])


POINTS = [
    [(1024.0, 0, 0, 0), (0.0, 0, 0, 0), (0.0, 8, 8, 8), (0.0, 1100, 1200, 1300)],
    [(512.0, 64), (0.0, 900), (3.0, 17), (800.0, 40)],
    [(2048.0,), (100.0,), (0.0,), (0.0,)],
    [(0.0, 0), (0.0, 0), (1.0, 300), (5.0, 9000)],
    [(64.0,) * 20, (7.0,) * 20, tuple(range(1, 5)) * 5, tuple(range(20))],
]


@pytest.mark.parametrize(
    ("model", "device", "words"),
    [
        ("deepseek-ai/DeepSeek-V3", "h200", {"tp": 8, "engine": "trtllm"}),
        ("deepseek-ai/DeepSeek-V3", "b200", {"dp": 8, "ep": 8}),
        ("tiiuae/falcon-mamba-7b", "a100-80gb", {"tier": "speed of light"}),
        ("gpt2", "rtx-4090", {}),
    ],
)
def test_a_step_that_is_asked_often_says_the_same(model, device, words) -> None:
    step = build(model, device, **words).kernels
    for number, given in enumerate(POINTS):
        first = step(*map(np.array, given))
        for _ in range(10):
            last = step(*map(np.array, given))
        assert len(step._functions) == number + 1  # it was recorded, and not given up
        np.testing.assert_array_equal(last, first)
        one_by_one = [float(step(*point)) for point in zip(*given, strict=True)]
        np.testing.assert_allclose(last, one_by_one, rtol=1e-12)
