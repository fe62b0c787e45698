# What the formulas of serving must give: they are held against the simulation, which counts instead.
import random

import numpy as np
import pytest

from cutaway.errors import BadValue
from cutaway.predict import engine, serving
from cutaway.predict.arrivals import Request
from cutaway.predict.scheduler import ServerConfig
from cutaway.predict.simulate import simulate


def step(prefill, context, batch, kv):
    """About a 70B on four devices: a floor from weights, work from tokens, attention, and a host."""
    prefill, batch = np.asarray(prefill, float), np.asarray(batch, float)
    work = np.maximum(8e-3, (prefill + batch) * 6e-5)
    pairs = prefill * np.maximum(np.asarray(context) + prefill / 2, 0)
    return work + 2e-11 * pairs + batch * np.asarray(kv) * 1.2e-8 + 2e-3


def test_a_static_batch_is_its_steps():
    got = serving.static(step, 4, 1000, 101)
    assert got.ttft == pytest.approx(step(4000, -1500, 0, 0))
    assert got.tpot == pytest.approx(np.mean([step(0, 0, 4, 1000 + i) for i in range(100)]), rel=1e-4)
    assert got.throughput == pytest.approx(404 / (got.ttft + 100 * got.tpot))


def test_one_user_is_a_batch_of_one():
    one = serving.closed_loop(step, engine.find("ideal"), 1, 1000, 101)
    batch = serving.static(step, 1, 1000, 101)
    assert one.ttft == pytest.approx(batch.ttft)
    assert one.tpot == pytest.approx(batch.tpot, rel=1e-6)


@pytest.mark.parametrize(("prompt", "output"), [(1024, 128), (1024, 512), (8192, 512)])
@pytest.mark.parametrize("users", [4, 16, 64])
def test_a_closed_loop_agrees_with_the_simulation(prompt, output, users):
    rng = random.Random(1)
    requests = [
        Request(0.0, int(rng.uniform(0.8, 1) * prompt), int(rng.uniform(0.8, 1) * output))
        for _ in range(10 * users)
    ]
    config = ServerConfig(max_num_seqs=1024, blocks=10**6)
    counted = simulate(requests, lambda *a: float(step(*a)), config, concurrency=users).summary()
    formula = serving.closed_loop(
        step, engine.find("ideal"), users,
        np.mean([r.input_tokens for r in requests]), np.mean([r.output_tokens for r in requests]), rounds=10,
    )  # fmt: skip
    assert formula.tpot == pytest.approx(counted["tpot_s"]["mean"], rel=0.05)
    assert formula.ttft == pytest.approx(counted["ttft_s"]["mean"], rel=0.25)
    assert formula.throughput == pytest.approx(counted["throughput_tokens_per_s"], rel=0.06)


def test_equal_requests_stay_in_step_where_prompts_go_first():
    users, prompt, output = 16, 4000, 101
    eager = engine.Engine("eager", mixed=False, tokens=prompt)
    got = serving.closed_loop(step, eager, users, prompt, output, alike=True)
    one = float(step(prompt, 0, 0, 0))
    assert got.ttft == pytest.approx(one * (users + 1) / 2)
    # The first to have a token waits for all other prompts, the last for none.
    decoding = float(serving.decode(step, users, prompt, output))
    assert got.tpot == pytest.approx(decoding + one * (users - 1) / 2 / (output - 1))
    apart = serving.closed_loop(step, eager, users, prompt, output)
    assert apart.ttft < got.ttft and apart.tpot > got.tpot


def test_the_rounds_look_between_few_loads():
    calls = []

    def counted(*at):
        calls.append(at)
        return step(*at)

    serving.closed_loop(counted, engine.find("vllm"), np.arange(1, 200), 2000, 300)
    assert len(calls) <= 4


def test_arrays_and_numbers_are_the_same_code():
    users = np.array([1, 7, 300])
    together = serving.closed_loop(step, engine.find("vllm"), users, 2000, 300)
    for i, n in enumerate(users):
        alone = serving.closed_loop(step, engine.find("vllm"), n, 2000, 300)
        assert alone.tpot == pytest.approx(together.tpot[i])
        assert alone.ttft == pytest.approx(together.ttft[i])


def test_users_beyond_what_fits_wait():
    free = serving.closed_loop(step, engine.find("ideal"), 64, 1000, 200)
    tight = serving.closed_loop(step, engine.find("ideal"), 64, 1000, 200, most_sequences=16)
    assert tight.ttft > free.ttft
    assert tight.tpot < free.tpot
    assert tight.throughput < free.throughput


def test_a_host_that_launches_experts_holds_up_short_prompts_alone():
    host = engine.Engine("host", mixture=2e-3)
    slow, dense = host.around(step, 60, 50), host.around(step, 60)
    assert float(slow(100, 0, 0, 0)) == pytest.approx(0.1) and float(dense(100, 0, 0, 0)) == float(step(100, 0, 0, 0))
    assert float(slow(8000, 0, 0, 0)) == float(step(8000, 0, 0, 0)) > 0.1
    assert float(slow(0, 0, 8, 1000)) == float(step(0, 0, 8, 1000))  # a graph holds the steps without prompts


def test_prompts_of_equal_requests_come_together_where_steps_mix_too():
    keeping, mixing = engine.Engine("keeping", together=True), engine.find("ideal")
    alike, apart = (serving.closed_loop(step, keeping, 8, 4000, 101, alike=a) for a in (True, False))
    first = serving.closed_loop(step, keeping, 1, 4000, 101, alike=True)
    assert alike.ttft > apart.ttft and alike.tpot == apart.tpot
    assert first.ttft == pytest.approx(step(4000, 0, 0, 0))
    assert serving.closed_loop(step, mixing, 8, 4000, 101, alike=True).ttft == apart.ttft


def test_an_unknown_engine_gets_the_nearest():
    with pytest.raises(BadValue) as caught:
        engine.find("vlm")
    assert "vllm" in caught.value.known


@pytest.mark.parametrize("users", [1, 8])
@pytest.mark.parametrize("mixed", [True, False])
def test_a_prompt_is_cut_into_tokens_before_its_first_step(users, mixed):
    quick = engine.Engine("quick", request=0.2, mixed=mixed)
    slow = engine.Engine("slow", request=0.2, token=1e-4, mixed=mixed)
    for prompt in (100, 3000):
        fast, late = (serving.closed_loop(step, e, users, prompt, 50).ttft for e in (quick, slow))
        # Who waits longer outside is less in the others' way.
        assert 0.7 * prompt * 1e-4 < late - fast <= prompt * 1e-4 * (1 + 1e-9)
    assert slow.arrival(3000) == pytest.approx(0.5)
    assert np.allclose(slow.arrival(np.array([0.0, 1000.0])), [0.2, 0.3])


def test_one_load_and_many_are_solved_alike():
    for name in ("vllm", "sglang", "trtllm"):
        loads = [(1, 100, 20), (7, 3000, 2), (300, 900, 128)]
        together = serving.closed_loop(step, engine.find(name), *np.array(loads, float).T, most_sequences=64)
        for n, load in enumerate(loads):
            alone = serving.closed_loop(step, engine.find(name), *load, most_sequences=64)
            for figure in ("ttft", "tpot", "throughput", "batch", "prefill_share"):
                assert getattr(alone, figure) == pytest.approx(getattr(together, figure)[n], rel=1e-12)
