# Guesses ahead, prompts and answers apart, and what a time per token takes: what each must change, and every slip.
import json

import pytest

from cutaway.cli import run
from cutaway.errors import BadValue
from cutaway.predict.speculative import Speculation
from cutaway.predicting import predict

BIG, SMALL = "llama-3.1-70b", "llama-3.1-8b"


def ask(**more):
    return predict(BIG, "h100", tp=4, **more)


@pytest.mark.parametrize(("tokens", "acceptance", "got"), [(3, 0.0, 1.0), (3, 1.0, 4.0), (2, 0.5, 1.75)])
def test_tokens_of_a_step_with_guesses(tokens, acceptance, got):
    assert Speculation(tokens, acceptance).tokens_per_step == pytest.approx(got)


def test_guesses_cost_a_wider_step_and_yield_more_tokens_of_it():
    plain, none, half = ask(batch=8), *(ask(batch=8, draft="ngram", acceptance=a) for a in (0.0, 0.5))
    assert none.tpot_s > plain.tpot_s and none.ttft_s == plain.ttft_s
    assert none.tpot_s / half.tpot_s == pytest.approx(half.setup.speculation.tokens_per_step)
    loops = [ask(concurrency=8, **more) for more in ({}, {"draft": "ngram", "acceptance": 0.8})]
    assert loops[1].tpot_s < loops[0].tpot_s and loops[1].throughput_tokens_per_s > loops[0].throughput_tokens_per_s


def test_a_draft_model_takes_time_and_memory():
    ngram, model = (ask(batch=8, draft=who, acceptance=0.7, draft_tokens=4) for who in ("ngram", SMALL))
    alone = predict(SMALL, "h100", tp=4, batch=8)
    assert model.tpot_s > ngram.tpot_s and model.ttft_s > ngram.ttft_s
    assert model.memory.weights == ngram.memory.weights + alone.memory.weights
    assert model.memory.per_sequence == ngram.memory.per_sequence + alone.memory.per_sequence
    own = {part.name for part in model.parts["decode"] if part.name.startswith("draft: ")}
    assert own and not any(part.name in own for part in ngram.parts["decode"])
    asked = model.to_dict()["speculation"]
    assert (asked["draft_tokens"], asked["acceptance"]) == (4, 0.7) and asked["draft"].endswith("Llama-3.1-8B")
    assert model.setup.machine.weights == pytest.approx(model.memory.weights)


def test_the_simulation_guesses_as_the_formula_does():
    counted = ask(rate=0.05, output=64, draft="ngram", acceptance=0.6)
    assert counted.tpot_s == pytest.approx(ask(batch=1, output=64, draft="ngram", acceptance=0.6).tpot_s, rel=0.06)


def test_another_vocabulary_is_said():
    found = ask(batch=1, draft="openai-community/gpt2", acceptance=0.5).warnings
    assert any("tokens to choose from" in w for w in found)


def test_answers_of_their_own_machines_wait_for_no_prompt():
    mixed = ask(rate=4.0, prompt=4096)
    apart = ask(rate=4.0, prompt=4096, prefill_instances=1, decode_instances=1)
    slow = ask(rate=4.0, prompt=4096, prefill_instances=1, decode_instances=1, transfer=0.5)
    assert apart.served["itl_s"]["p99"] < mixed.served["itl_s"]["p99"]
    assert slow.served["e2e_s"]["mean"] > apart.served["e2e_s"]["mean"]
    assert (apart.devices, apart.to_dict()["devices"]) == (8, 8)
    assert apart.to_dict()["disaggregation"] == {
        "prefill_instances": 1, "decode_instances": 1, "transfer_bytes_per_s": apart.hardware.links["inter_node"],
    }  # fmt: skip
    dearer = apart.usd_per_million_tokens / mixed.usd_per_million_tokens
    assert dearer == pytest.approx(2 * mixed.throughput_tokens_per_s / apart.throughput_tokens_per_s)


def test_users_can_ask_machines_apart():
    found = ask(concurrency=16, output=32, prefill_instances=2, decode_instances=1)
    assert found.regime == "closed loop" and found.served["requests_per_s"] > 0 and found.users == 16


def test_the_bandwidth_for_a_time_gives_that_time():
    from dataclasses import replace

    found = ask(batch=8, target_tpot=12.0)
    needed = found.target["bandwidth_bytes_per_s"]
    faster = replace(found.hardware, bandwidth=needed)
    assert predict(BIG, faster, tp=4, batch=8).tpot_s == pytest.approx(0.012, rel=2e-3)
    assert found.target["largest_batch"] is None and "one sequence alone" in found.target["why_not"]["largest_batch"]
    easy = ask(batch=8, target_tpot=25.0).target
    assert easy["bandwidth_bytes_per_s"] < found.hardware.bandwidth
    least = easy["largest_batch"]
    assert ask(batch=least).tpot_s <= 0.025 < ask(batch=least + 1).tpot_s
    assert ask(batch=8, target_tpot=0.1).target["bandwidth_bytes_per_s"] is None
    assert ask(batch=8).target is None


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"acceptance": 0.5}, "who guesses"),
        ({"draft_tokens": 2}, "who guesses"),
        ({"draft": "ngram"}, "share of guesses"),
        ({"draft": "ngram", "acceptance": 1.5}, "share of guesses"),
        ({"draft": "ngram", "acceptance": float("nan")}, "share of guesses"),
        ({"draft": "ngram", "acceptance": 0.5, "draft_tokens": 0}, "whole number from 1"),
        ({"draft": "ngram", "acceptance": 0.5, "draft_tokens": 99}, "whole number from 1"),
        ({"draft": "openai-community/gpt2", "acceptance": 0.5, "tp": 8}, "draft model"),
        ({"prefill_instances": 1}, "--decode-instances is not said"),
        ({"decode_instances": 2}, "--prefill-instances is not said"),
        ({"rate": 1.0, "prefill_instances": 0, "decode_instances": 1}, "two whole numbers"),
        ({"rate": 1.0, "prefill_instances": 1, "decode_instances": 10**6}, "two whole numbers"),
        ({"prefill_instances": 1, "decode_instances": 1}, "a load that goes on"),
        ({"rate": 1.0, "transfer": 5.0}, "between which instances"),
        ({"rate": 1.0, "prefill_instances": 1, "decode_instances": 1, "transfer": -5.0}, "GB/s"),
        ({"concurrency": 9999, "prefill_instances": 1, "decode_instances": 1}, "too many users"),
        ({"target_tpot": 0.0}, "above 0"),
        ({"target_tpot": float("inf")}, "above 0"),
    ],
)
def test_slips_are_named(more, says):
    with pytest.raises(BadValue, match=says):
        predict(SMALL, "h100", **more)


def test_the_command_line_takes_them_all(capfd):
    words = "--draft ngram --acceptance 0.7 --draft-tokens 4 --target-tpot 9"
    apart = "--rate 2 --prefill-instances 1 --decode-instances 1"
    assert run(["predict", SMALL, *words.split(), *apart.split(), "--output", "16", "--transfer", "20", "--json"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert found["speculation"]["tokens_per_step"] == pytest.approx(sum(0.7**n for n in range(5)))
    assert found["disaggregation"]["transfer_bytes_per_s"] == 20e9 and found["target"]["tpot_s"] == 0.009
    assert run(["predict", SMALL, "--target-tpot", "9", "--draft", "ngram", "--acceptance", "0.7"]) == 0
    said = capfd.readouterr().out
    assert "for 9 ms" in said and "B/s" in said and "ngram" in said
    assert run(["predict", SMALL, "--acceptance", "x", "--draft", "ngram"]) == 2


def test_a_benchmark_begins_with_all_users_at_once():
    steady, begun, long = (predict(SMALL, "h100", concurrency=16, rounds=n) for n in (None, 4, 100))
    assert steady.ttft_s < long.ttft_s < begun.ttft_s
    assert begun.ttft_s - steady.ttft_s == pytest.approx(25 * (long.ttft_s - steady.ttft_s))
    assert (begun.tpot_s, begun.throughput_tokens_per_s) == (steady.tpot_s, steady.throughput_tokens_per_s)
    assert "--rounds" in steady.definitions["ttft_s"] and "at once" in begun.definitions["ttft_s"]
    assert "steady state" in str(steady) and "steady state" not in str(begun)


@pytest.mark.parametrize(
    ("load", "what"),
    [
        ({"batch": 4}, "rounds are of users"),
        ({"concurrency": 4, "prefill_instances": 1, "decode_instances": 1}, "begin at once in any case"),
    ],
)
def test_rounds_are_of_a_closed_loop(load, what):
    with pytest.raises(BadValue, match=what):
        predict(SMALL, "h100", rounds=3, **load)
