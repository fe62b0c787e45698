# Grids, inverse questions and money on a machine made of two numbers, and the sweep's promises: order, resumption, errors.
import json
import sys
from dataclasses import replace

import numpy as np
import pytest

from cutaway.cli import run
from cutaway.errors import BadValue, OutputError
from cutaway.predict import engine, inverse, serving
from cutaway.predict import sweep as swept
from cutaway.predict.grid import loop_grid, static_grid
from cutaway.predict.inverse import Target
from cutaway.predict.machine import Machine
from cutaway.predict.money import cost_of
from cutaway.predicting import predict
from cutaway.report import sweep_plot

PLAIN = ["sweep", "llama-3.1-8b", "--hardware", "h100", "--batch", "1"]


def toy(bandwidth=1e12, devices=1, price=2.0, capacity=40e9):
    """16 GB of weights read each step, 100 kB of cache a token, 1 µs of arithmetic a token."""

    def step(prefill, context, batch, kv):
        prefill, batch = np.asarray(prefill, float), np.asarray(batch, float)
        tokens = prefill + batch
        moved = 16e9 / devices + batch * np.asarray(kv, float) * 1e5 / devices
        return np.maximum(moved / bandwidth, tokens * 1e-6) + 1e-3

    return Machine(
        "toy", engine.find("ideal"), step, lambda tokens: np.asarray(tokens, float) * 1e5, 32, devices,
        weights=16e9 / devices, fixed=1e9, capacity=capacity, tier="calibrated", watts=500.0 * devices,
        price=None if price is None else price * devices, max_positions=32768,
    )  # fmt: skip


def flat(columns):
    return {name: values.ravel() for name, values in columns.items()}


def test_a_grid_gives_what_its_points_give():
    machine = toy()
    batches, prompts, outputs = (1, 8, 64), (100, 1000, 4000), (1, 50, 900)
    rows = flat(static_grid(machine, batches, prompts, outputs))
    assert len(rows["ttft_s"]) == 27
    for i in (0, 5, 13, 26):
        b, p, o = (float(rows[k][i]) for k in ("batch", "prompt", "output"))
        alone = serving.static(machine.step, b, p, o)
        assert rows["ttft_s"][i] == pytest.approx(alone.ttft)
        assert rows["tpot_s"][i] == pytest.approx(alone.tpot, rel=2e-3)
        assert rows["throughput_tokens_per_s"][i] == pytest.approx(alone.throughput, rel=2e-3)
        assert rows["memory_bytes"][i] == machine.memory(b, p + o)
        assert rows["fits"][i] == (machine.memory(b, p + o) <= machine.capacity)


def test_closed_loops_have_a_grid_too():
    machine = toy()
    rows = flat(loop_grid(machine, (1, 16), (500,), (100, 400)))
    alone = serving.closed_loop(machine.step, machine.engine, 16, 500, 400)
    assert rows["tpot_s"][3] == pytest.approx(alone.tpot)
    assert rows["batch"].tolist() == [1, 1, 16, 16]


def test_a_large_grid_of_closed_loops_is_near_what_its_points_give():
    machine = toy(capacity=30e9)  # of which the longest leave room for a few dozen
    users, prompts, outputs = swept.steps(1, 200, 24), swept.steps(100, 8000, 20), swept.steps(20, 3000, 20)
    rows = flat(loop_grid(machine, users, prompts, outputs))
    at = np.arange(7, len(rows["ttft_s"]), 97)
    u, p, o = (rows[k][at].astype(float) for k in ("batch", "prompt", "output"))
    most = np.maximum(machine.most_sequences(p + o / 2), 1)
    want = serving.closed_loop(machine.step, machine.engine, u, p, o, most_sequences=most)
    assert (u > most).sum() > 5 and (u < most).sum() > 5
    for name, exact in (("ttft_s", want.ttft), ("tpot_s", want.tpot), ("throughput_tokens_per_s", want.throughput)):
        assert np.median(abs(rows[name][at] / exact - 1)) < 0.02
        assert np.mean(abs(rows[name][at] / exact - 1)) < 0.05


@pytest.mark.parametrize("load", ["batch", "concurrency"])
@pytest.mark.parametrize("cut", [{}, {"tp": 2, "dp": 4}, {"tp": 2, "pp": 2, "weights": "fp8", "kv": "fp8"}])
def test_a_row_is_what_predict_says(load, cut):
    words = {"model": "Qwen/Qwen3-32B", "hardware": "h100-sxm"} | cut
    grid = swept.Grid((6,), (700,), (90,), closed=load == "concurrency")
    row = {k: v[0] for k, v in swept.sweep([swept.Case(**words)], grid).columns.items()}
    alone = predict(words.pop("model"), words.pop("hardware"), prompt=700, output=90, **{load: 6}, **words)
    for name in ("ttft_s", "tpot_s", "throughput_tokens_per_s", "usd_per_million_tokens", "joules_per_token"):
        assert row[name] == pytest.approx(getattr(alone, name), rel=2e-3), name
    assert row["fits"] == alone.fits


def test_money_follows_throughput():
    cost = cost_of(toy(devices=2), 1000.0)
    assert cost.usd_per_million_tokens == pytest.approx(4 / 3600 / 1000 * 1e6)
    assert cost.joules_per_token == pytest.approx(1.0)
    assert cost.kwh_per_million_tokens == pytest.approx(1e6 * 1.0 / 3.6e6)
    assert np.isnan(cost_of(toy(price=None), 1000.0).usd_per_million_tokens)


def test_the_largest_batch_is_the_last_that_is_fast_enough():
    machine = toy(capacity=200e9)
    best = inverse.largest_batch(machine, 1000, 200, tpot=0.020)
    time = [float(serving.decode(machine.step, b, 1000, 200)) for b in (best, best + 1)]
    assert time[0] <= 0.020 < time[1]
    assert inverse.largest_batch(toy(), 1000, 200, tpot=10.0) == toy().most_sequences(1200)


def test_the_bandwidth_for_a_tpot_gives_that_tpot():
    found = inverse.bandwidth_for(lambda f: toy(bandwidth=f * 1e12), 1e12, 8, 1000, 200, 0.005)
    assert float(serving.decode(toy(bandwidth=found).step, 8, 1000, 200)) == pytest.approx(0.005, rel=1e-3)
    with pytest.raises(BadValue, match="no bandwidth is enough") as caught:
        inverse.bandwidth_for(lambda f: toy(bandwidth=f * 1e12), 1e12, 8, 1000, 200, 0.0005)
    assert "1.0" in caught.value.known  # ms that the machine takes besides memory


def test_the_cheapest_and_the_smallest_that_meet_a_level():
    slow, fast = replace(toy(price=1.0), name="slow"), replace(toy(bandwidth=4e12, devices=2, price=9.0), name="fast")
    easy = inverse.cheapest([fast, slow], 1000, 200, Target(tpot=0.05))
    assert [f.machine.name for f in easy] == ["slow", "fast"]
    hard = inverse.cheapest([fast, slow], 1000, 200, Target(tpot=0.008))
    assert [f.machine.name for f in hard] == ["fast"]
    assert all(f.tpot <= 0.008 for f in hard)
    assert inverse.fewest_devices([fast, slow], 1000, 200, Target(tpot=0.05)).machine.name == "slow"


@pytest.mark.parametrize(
    ("target", "machine", "what", "known"),
    [
        (Target(tpot=1e-6), toy(), "meets the target", "least TPOT"),
        (Target(tpot=0.1), toy(capacity=10e9), "does not fit", "GB too much"),
    ],
)
def test_an_impossible_level_says_what_would_be_possible(target, machine, what, known):
    with pytest.raises(BadValue, match=what) as caught:
        inverse.cheapest([machine], 1000, 200, target)
    assert known in caught.value.known
    assert caught.value.try_


@pytest.mark.parametrize("bad", [{}, {"tpot": -1}, {"ttft": float("inf")}, {"throughput": 0}])
def test_a_level_must_be_one(bad):
    with pytest.raises(BadValue):
        Target(**bad)


def test_the_front_holds_what_nothing_beats():
    columns = {"a": np.array([1.0, 2, 3, 2, np.nan, 4]), "b": np.array([1.0, 3, 3, 2, 9, 5])}
    assert swept.pareto(columns, "a", "b").tolist() == [0, 1, 5]
    with pytest.raises(BadValue, match="two columns of numbers"):
        swept.pareto(columns, "c", "b")


def test_what_meets_a_level_comes_by_price():
    columns = {
        "ttft_s": np.array([0.1, 0.1, 0.2, 0.1, 0.1]), "tpot_s": np.array([0.01, 0.02, 0.01, 0.01, 0.01]),
        "fits": np.array([True, True, True, False, True]), "usd_per_million_tokens": np.array([3.0, 1, 1, 1, 2]),
        "throughput_tokens_per_s": np.array([10.0, 20, 30, 40, 50]),
    }  # fmt: skip
    assert swept.meeting(columns, ttft=0.15, tpot=0.015).tolist() == [4, 0]
    assert swept.meeting(columns, ttft=0.3).tolist() == [2, 1, 4, 0]
    with pytest.raises(BadValue) as caught:
        swept.meeting(columns, tpot=0.005)
    assert "least TPOT 10 ms" in caught.value.known


@pytest.mark.parametrize(
    "grid", [((0,), (1,), (1,)), ((1,), (-5,), (1,)), ((1,), (1,), (10**9,)), ((), (1,), (1,))]
)
def test_a_grid_of_nonsense_is_refused(grid):
    with pytest.raises(BadValue):
        swept.Grid(*grid)


def test_ranges():
    assert swept.steps(1, 256, 9) == (1, 2, 4, 8, 16, 32, 64, 128, 256)
    assert swept.steps(5, 5, 3) == (5,)
    with pytest.raises(BadValue):
        swept.steps(9, 3, 2)


@pytest.fixture
def toys(monkeypatch):
    """Cases are toys: tp is how many devices; asked for 3, it cannot be. How many were built is counted."""
    built = []

    def machine(case):
        built.append(case)
        if case.tp == 3:
            raise BadValue("3 does not divide")
        return toy(devices=case.tp)

    monkeypatch.setattr(swept.Case, "machine", machine)
    return built


def test_a_sweep_goes_on_where_it_stopped_and_gives_the_same_rows(toys, tmp_path):
    grid = swept.Grid((1, 4), (100, 200), (10,))
    cases = swept.cases(model=["m"], hardware=["h"], tp=[1, 2, 3, 4])
    whole = swept.sweep(cases, grid)
    assert [case.tp for case, _ in whole.refused] == [3]
    assert whole.columns["tp"].tolist() == [1] * 4 + [2] * 4 + [4] * 4
    swept.sweep(cases[:2], grid, folder=tmp_path)
    (tmp_path / "0123.npz").write_bytes(b"not ours")
    toys.clear()
    rest = swept.sweep(cases, grid, folder=tmp_path)
    assert [case.tp for case in toys] == [3, 4]
    toys.clear()
    again = swept.sweep(cases, grid, folder=tmp_path)
    assert [case.tp for case in toys] == [3]  # what was refused is asked again
    for other in (rest, again):
        assert other.refused == whole.refused
        assert all(np.array_equal(other.columns[k], v) for k, v in whole.columns.items())


def test_rows_that_are_kept_belong_to_the_bytes_of_a_sheet(toys, tmp_path):
    own = tmp_path / "own.toml"
    grid, case = swept.Grid((1,), (100,), (10,)), swept.Case("m", str(own))
    for text in ("a", "a", "b"):
        own.write_text(text)
        swept.sweep([case], grid, folder=tmp_path / "kept")
    assert len(toys) == 2


def test_rows_that_cannot_be_kept_are_an_error(toys, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="could not be kept"):
        swept.sweep([swept.Case("m", "h")], swept.Grid((1,), (1,), (1,)), folder=tmp_path / "file")


def test_where_no_machine_can_be_the_reason_is_said(toys):
    with pytest.raises(BadValue) as caught:
        swept.sweep(swept.cases(model=["m"], hardware=["h"], tp=[3]), swept.Grid((1,), (1,), (1,)))
    assert "3 does not divide" in caught.value.known


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ("--hardware h1000 --batch 1", "nearest: h100"),
        ("--hardware h100,rtx --batch 1", "unknown hardware"),
        ("--hardware h100 --batch 1 --weights fp5", "unknown dtype"),
        ("--hardware h100 --batch 1 --kv fp5", "unknown dtype"),
        ("--hardware h100 --batch 1 --weights nvfp4", "no matrix rate for fp4"),
        ("--hardware h100 --batch 1 --kv nvfp4", "no matrix rate for fp4"),
        ("--hardware h100 --batch 1 --tp 3", "do not divide over 3 devices"),
        ("--hardware h100 --batch 1 --engine tgi", "unknown engine"),
        ("--hardware , --batch 1", "names nothing"),
        ("--hardware h100 --batch 1 --concurrency 1", "--batch or --concurrency"),
        ("--hardware h100", "--batch or --concurrency"),
        ("--hardware h100 --batch -1", "batch must be from 1"),
        ("--hardware h100 --batch 1e3", "whole numbers"),
        ("--hardware h100 --batch 8:1:3", "LOW:HIGH:COUNT"),
        ("--hardware h100 --batch 1:9:999999999", "too many values"),
        ("--hardware h100 --batch 1:900000:90000 --prompt 1:900000:90000", "too many rows"),
        ("--hardware h100 --batch 1 --jobs 1.5", "no whole number"),
        ("--hardware h100 --batch 1 --pareto tpot_s", "two columns of numbers"),
        ("--hardware h100 --batch 1 --pareto model,fits", "two columns of numbers"),
        ("--hardware h100 --batch 1 --slo-tpot nan", "above 0"),
        ("--hardware h100 --batch 1 --plot x.pdf", ".png, .svg or .html"),
        ("--hardware h100 --batch 1 -o x.xlsx", "no answer has this ending"),
        ("--hardware h100 --batch 1 -o x.md", "does not come in this format"),
        ("--hardware h100 --batch 1 -o {folder}/none/x.csv", "no such folder"),
        ("--hardware {folder}/none.toml --batch 1", "cannot be read"),
        ("--hardware {folder}/bad.toml --batch 1", "bad.toml:1"),
    ],
)
def test_slips_are_named_before_any_work(capsys, tmp_path, words, what):
    (tmp_path / "bad.toml").write_text("[mine]\nunits = -3\n")
    assert run(["sweep", "llama-3.1-8b", *words.format(folder=tmp_path).split()]) == 2
    assert what in capsys.readouterr().err


def test_an_unknown_model_among_others_is_a_slip(capsys):
    assert run([*PLAIN[:1], "llama-3.1-8b,llama-9x", *PLAIN[2:]]) == 2
    assert "llama-9x" in capsys.readouterr().err


def test_sequences_beyond_the_positions_are_warned_of(capsys):
    assert run([*PLAIN, "--prompt", "200000", "--json"]) == 0
    out, err = capsys.readouterr()
    assert "131072 positions" in err
    assert [row["fits"] for row in json.loads(out)["rows"]] == [False]


@pytest.mark.parametrize(
    ("words", "missing", "extra"),
    [("-o x.parquet", ("polars", "pyarrow"), "frames"), ("--plot x.png", ("matplotlib",), "plot")],
)
def test_what_an_answer_lacks_is_said_before_the_work(monkeypatch, capsys, toys, words, missing, extra):
    for name in missing:
        monkeypatch.setitem(sys.modules, name, None)
    assert run([*PLAIN, *words.split()]) == 2
    assert f"cutaway[{extra}]" in capsys.readouterr().err
    assert toys == []


def test_a_picture_has_machines_by_what_tells_them_apart(toys):
    cases = swept.cases(model=["a/m", "b/n"], hardware=["h"], tp=[1, 2])
    columns = swept.sweep(cases, swept.Grid((1, 2), (100,), (10,))).columns
    machines = sweep_plot._machines(columns)
    assert [words for words, _ in machines] == ["m tp=1", "m tp=2", "n tp=1", "n tp=2"]
    assert [rows.tolist() for _, rows in machines] == [[0, 1], [2, 3], [4, 5], [6, 7]]


def test_of_many_machines_those_are_drawn_that_nothing_beats(toys):
    many = swept.cases(model=["m"], hardware=[f"h{n}" for n in range(20)], tp=[1])
    cases = [*many, swept.Case("m", "best", tp=8)]
    columns = swept.sweep(cases, swept.Grid((1, 2), (100,), (10,))).columns
    assert sweep_plot._machines(columns)[0][0] == "best tp=8"


def test_the_command(toys, capsys, tmp_path):
    words = [*PLAIN[:-1], "1:4:3", "--prompt", "100", "--output", "10", "--tp", "1,3"]
    assert run([*words, "--json"]) == 0
    out, err = capsys.readouterr()
    rows = json.loads(out)["rows"]
    assert [row["batch"] for row in rows] == [1, 2, 4]
    assert {"ttft_s", "tpot_s", "throughput_tokens_per_s", "memory_bytes", "fits"} <= rows[0].keys()
    assert "3 does not divide" in err
    assert run([*words, "-o", str(tmp_path / "x.csv")]) == 0
    assert len((tmp_path / "x.csv").read_text().splitlines()) == 4
    assert run([*words, "--pareto", "tpot_s,throughput_tokens_per_s"]) == 0
    assert run([*words, "--slo-tpot", "0.001"]) == 2
    assert "least TPOT" in capsys.readouterr().err
