# Serving simulated: what must hold for any step time, and what each feature must change.
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cutaway.errors import BadValue
from cutaway.predict.arrivals import Request, draw, read_trace
from cutaway.predict.scheduler import ServerConfig
from cutaway.predict.simulate import Disaggregation, simulate
from cutaway.predict.speculative import Speculation
from cutaway.predict.table import StepTable


def step_time(prefill, context, batch, kv):
    """A server with a floor: 10 ms a step, 10 µs a prompt token and its attention, 0.1 ms a sequence."""
    return 0.01 + 1e-5 * prefill + 1e-9 * prefill * (context + prefill / 2) + batch * (1e-4 + 1e-8 * kv)


def test_one_request_takes_its_steps():
    (served,) = simulate([Request(0.0, 100, 11)], step_time, ServerConfig()).requests
    assert served.ttft == pytest.approx(step_time(100, 0, 0, 0))
    assert served.tpot == pytest.approx(sum(step_time(0, 0, 1, kv) for kv in range(100, 110)) / 10)


def test_the_same_seed_gives_the_same_answer():
    requests = draw(60, rate=20, input_tokens=200, output_tokens=40, spread=0.5, seed=3)
    config = ServerConfig(draft_tokens=2, acceptance=0.7)
    first, second = (simulate(requests, step_time, config, seed=5) for _ in range(2))
    assert first == second


@settings(max_examples=25, deadline=None)
@given(
    blocks=st.integers(40, 400),
    batched=st.sampled_from([16, 64, 512]),
    seqs=st.integers(1, 40),
    caching=st.booleans(),
    draft=st.integers(0, 3),
    seed=st.integers(0, 9),
)
def test_every_request_ends_and_nothing_of_the_cache_is_lost(blocks, batched, seqs, caching, draft, seed):
    requests = draw(40, rate=50, input_tokens=120, output_tokens=60, spread=0.6, seed=seed)
    requests = [r for r in requests if r.input_tokens + r.output_tokens + draft <= 16 * blocks]
    shared = [
        Request(r.arrival, r.input_tokens, r.output_tokens, "system", min(50, r.input_tokens)) if i % 2 else r
        for i, r in enumerate(requests)
    ]
    config = ServerConfig(
        max_num_seqs=seqs, max_num_batched_tokens=batched, blocks=blocks, prefix_caching=caching,
        draft_tokens=draft, acceptance=0.5,
    )  # fmt: skip
    result = simulate(shared, step_time, config)
    assert len(result.gaps) == sum(r.output_tokens - 1 for r in shared)
    assert result.samples[-1].cache == pytest.approx(0)
    assert all(0 <= sample.cache <= 1 and sample.running <= seqs for sample in result.samples)
    assert all(r.arrival <= r.scheduled < r.first_token <= r.last_token for r in result.requests)


def test_a_small_cache_preempts_and_costs_time():
    requests = [Request(0.0, 100, 200)] * 8
    roomy = simulate(requests, step_time, ServerConfig(blocks=1000)).summary()
    tight = simulate(requests, step_time, ServerConfig(blocks=60)).summary()
    assert roomy["preemptions"] == 0 < tight["preemptions"]
    assert tight["duration_s"] > roomy["duration_s"]


def test_a_shared_prefix_is_computed_once():
    requests = [Request(float(i), 1000, 5, "system", 960) for i in range(3)]
    hit = simulate(requests, step_time, ServerConfig())
    assert [r.hit_tokens for r in hit.requests] == [0, 960, 960]
    assert hit.requests[1].ttft < hit.requests[0].ttft
    missed = simulate(requests, step_time, ServerConfig(prefix_caching=False))
    assert missed.summary()["prefix_hit_tokens"] == 0


def test_guesses_that_are_right_save_steps():
    requests = [Request(0.0, 100, 300)]
    plain = simulate(requests, step_time, ServerConfig())
    right = simulate(requests, step_time, ServerConfig(draft_tokens=3, acceptance=1.0))
    assert (plain.steps, right.steps) == (300, 1 + -(-299 // 4))
    guessing = Speculation(3, 0.0).around(step_time)
    wrong = simulate(requests, guessing, ServerConfig(draft_tokens=3, acceptance=0.0))
    assert wrong.requests[0].tpot > plain.requests[0].tpot > right.requests[0].tpot


def test_chunks_spread_a_long_prompt_and_spare_the_others():
    requests = [Request(0.0, 10, 200), Request(0.05, 8000, 2)]
    small = simulate(requests, step_time, ServerConfig(max_num_batched_tokens=512))
    large = simulate(requests, step_time, ServerConfig(max_num_batched_tokens=8192))
    assert max(small.gaps) < max(large.gaps)
    assert small.requests[1].ttft > large.requests[1].ttft


def test_separate_pools_keep_prompts_out_of_decode():
    requests = [Request(0.1 * i, 4000, 50) for i in range(20)]
    mixed = simulate(requests, step_time, ServerConfig(), instances=2)
    split = simulate(
        requests, step_time, ServerConfig(),
        disaggregation=Disaggregation(1, 1, lambda tokens: tokens * 131072, 50e9, latency=0.002),
    )
    assert split.requests[0].tpot < mixed.summary()["tpot_s"]["mean"]
    # The transfer lies between the first token and the second.
    assert max(split.gaps) > 0.002 + 4000 * 131072 / 50e9


def test_what_leaves_one_instance_leaves_it_in_turn():
    at_once = [Request(0.0, 1000, 2)] * 3
    pools = Disaggregation(1, 3, lambda tokens: tokens * 1e6, 1e9, latency=0.0)
    split = simulate(at_once, step_time, ServerConfig(), disaggregation=pools)
    gaps = sorted(split.gaps)
    assert [b - a for a, b in itertools.pairwise(gaps)] == pytest.approx([1.0, 1.0])


def test_what_can_never_run_is_refused():
    with pytest.raises(BadValue, match="larger than the whole cache"):
        simulate([Request(0.0, 1000, 10)], step_time, ServerConfig(blocks=10))
    with pytest.raises(BadValue, match="longer than a step"):
        simulate(
            [Request(0.0, 1000, 10)],
            step_time,
            ServerConfig(chunked_prefill=False, max_num_batched_tokens=512),
        )


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("arrival,input_tokens,output_tokens\n0,5,5\n1,-3,5\n", 3, "input_tokens must be"),
        ("arrival,input_tokens,output_tokens\n0,5,1e30\n", 2, "output_tokens must be"),
        ("arrival,input_tokens,output_tokens\n0,5\n", 2, "fewer fields"),
        ("arrival,input_tokens\n0,5\n", 2, "without output tokens"),
        ("arrival,input_tokens,output_tokens\nnan,5,5\n", 2, "arrival must be"),
        ('{"arrival": 0, "input_tokens": 5, "output_tokens": 5}\n{"arrival": 1,\n', 2, "not JSON"),
    ],
)
def test_a_bad_line_is_named(tmp_path, text, line, what):
    path = tmp_path / "trace"
    path.write_text(text)
    with pytest.raises(BadValue, match=what) as caught:
        read_trace(path)
    assert caught.value.where.endswith(f":{line}")


def test_traces_as_people_have_them(tmp_path):
    path = tmp_path / "azure.csv"
    path.write_text("arrival_time,ContextTokens,GeneratedTokens\n12.5,30,4\n11.5,20,2\n")
    assert read_trace(path) == [Request(0.0, 20, 2), Request(1.0, 30, 4)]
    path.write_text('{"input_toks": 7, "output_toks": 9, "arrival_time_ns": 2000000000}\n')
    assert read_trace(path) == [Request(0.0, 7, 9)]


@pytest.mark.parametrize("change", [{"rate": -1}, {"input_tokens": 0}, {"spread": 9}, {"arrivals": "weekly"}])
def test_impossible_distributions_are_refused(change):
    with pytest.raises(BadValue):
        draw(**{"count": 5, "rate": 1.0, "input_tokens": 10, "output_tokens": 10} | change)


def test_a_table_of_step_times_is_exact_where_time_is_linear():
    table = StepTable(step_time, max_tokens=4096, max_sequences=128, max_context=8192)
    assert table(0, 0, 77, 3000) == pytest.approx(step_time(0, 0, 77, 3000))
    assert table(1000, 700, 3, 60) == pytest.approx(step_time(1000, 700, 3, 60), rel=1e-3)


def test_a_table_answers_arrays_as_it_answers_numbers():
    table = StepTable(step_time, max_tokens=4096, max_sequences=128, max_context=8192)
    points = [(0, 0, 5, 300), (1000, 200, 0, 0), (700, -300, 64, 5000), (9000, 0, 200, 20000)]
    together = table.arrays(*(np.array(column) for column in zip(*points, strict=True)))
    assert together == pytest.approx([table(*point) for point in points])
