"""Stages work side by side where users come on their own; a step that is shown is one of those that are run."""

import pytest

from cutaway import predict
from cutaway.predict.grid import loop_grid
from cutaway.predict.machine import build

MODEL, DEVICE = "llama-3.1-8b", "h100"


def test_users_are_spread_over_the_stages() -> None:
    one = predict(MODEL, DEVICE, concurrency=16, prompt=512, output=64)
    two = predict(MODEL, DEVICE, concurrency=32, prompt=512, output=64, pp=2)
    assert two.tpot_s == pytest.approx(one.tpot_s, rel=0.02)
    assert two.throughput_tokens_per_s == pytest.approx(2 * one.throughput_tokens_per_s, rel=0.02)
    assert two.points["decode"][2] == 16
    assert not two.warnings


def test_a_sweep_spreads_them_alike() -> None:
    machine = build(MODEL, DEVICE, pp=4)
    rows = loop_grid(machine, [30], [700], [90])
    asked = predict(MODEL, DEVICE, concurrency=30, prompt=700, output=90, pp=4)
    assert rows["tpot_s"].item() == pytest.approx(asked.tpot_s, rel=1e-9)
    assert machine.lanes == 4
    assert machine.memory(8, 1000.0) > machine.memory(4, 1000.0)  # the caches of all of them lie on each stage


def test_arrivals_are_spread_too() -> None:
    load = {"rate": 60.0, "prompt": 256, "output": 64}
    one, two = (predict(MODEL, DEVICE, pp=pp, **load) for pp in (1, 4))
    assert two.tpot_s < one.tpot_s


def test_a_batch_goes_through_the_stages_as_one_and_says_so() -> None:
    one, two = (predict(MODEL, DEVICE, batch=16, prompt=512, output=64, pp=pp) for pp in (1, 2))
    assert two.tpot_s == pytest.approx(one.tpot_s, rel=0.02)
    assert not one.warnings
    assert "2 stages as one" in two.warnings[0]


def test_the_step_of_a_long_prompt_is_that_of_its_middle() -> None:
    long = predict(MODEL, DEVICE, batch=2, prompt=100_000, output=2)
    assert long.points["prefill"] == (8192, (100_000 - 8192) / 2, 0, 0)
    assert "one prefill step, 8192 tokens of prompts, 45904 before them: " in str(long)
    short = predict(MODEL, DEVICE, batch=4, prompt=1000, output=2)
    assert short.points["prefill"] == (4000, -1500, 0, 0)


def test_weights_in_another_format_of_as_many_bits_are_not_the_published_ones() -> None:
    words = {"tp": 8, "batch": 8, "prompt": 512, "output": 8}
    assert "published in fp8_block" in predict("deepseek-v3", "h200", weights="fp8", **words).warnings[0]
    for weights in (None, "fp8_block", "int4"):
        assert not predict("deepseek-v3", "h200", weights=weights, **words).warnings
