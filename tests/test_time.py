# The time model without any measured folder: what must hold of it whatever the constants are.
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cutaway import hardware
from cutaway.errors import BadValue
from cutaway.predict import time
from cutaway.predict.time import attention, constants, families, links, tables
from cutaway.predict.time.around import around
from cutaway.predict.time.work import SIZES, experts_hit, pairs

H200 = hardware.find("h200")
SHAPES = {
    "gemm": {"m": 64, "n": 4096, "k": 4096},
    "grouped_gemm": {"m": 64, "n": 1536, "k": 2048, "experts": 128, "top_k": 8},
    "moe": {"m": 64, "hidden": 2048, "inter": 768, "experts": 128, "top_k": 8},
    "attention": {"batch": 8, "q_len": 1, "kv_len": 2048, "heads": 32, "kv_heads": 8, "head_dim": 128},
    "mla_attention": {
        "batch": 8,
        "q_len": 1,
        "kv_len": 2048,
        "heads": 16,
        "head_dim": 576,
        "v_head_dim": 512,
    },
    "scan": {"batch": 8, "length": 512, "heads": 32, "head_dim": 128, "state_dim": 128},
} | {
    kind: {"rows": 512, "width": 4096}
    for kind in ("norm", "elementwise", "gather", "softmax", "conv", "other")
}


@pytest.mark.parametrize("kind", SIZES)
@pytest.mark.parametrize("name", hardware.names())
def test_every_device_answers_every_kernel(name, kind):
    device = hardware.find(name)
    light, tier, _ = time.op_time(device, kind, tier="speed of light", **SHAPES[kind])
    assert tier == "speed of light" and light > 0
    best, tier, why = time.op_time(device, kind, **SHAPES[kind])
    assert tier in ("calibrated", "measured") and np.isfinite(best) and best > 0
    assert ("nearest relative" in why) or (name in why)


def test_tiers_are_named():
    shape = SHAPES["gemm"]
    assert [time.op_time(H200, "gemm", tier=t, **shape)[1] for t in time.TIERS] == list(time.TIERS)
    assert time.op_time(H200, "gemm", m=10**6, n=4096, k=4096)[1] == "calibrated"  # outside what was measured
    with pytest.raises(BadValue, match="unknown tier"):
        time.op_time(H200, "gemm", tier="calibratd", **shape)


def test_what_a_device_does_better_holds_for_its_latent_attention():
    shape = {"batch": 16, "q_len": 1, "kv_len": 4096, "heads": 16, "kv_heads": 1, "head_dim": 128}
    b200 = hardware.find("b200")
    own, other = (time.op_time(b200, "attention", cache="fp8", without=w, **shape)[0] for w in ((), ("b200",)))
    _, _, why = time.op_time(b200, "mla_attention", cache="fp8", **SHAPES["mla_attention"])
    ratio = float(why.split("times ")[1].split(",")[0])
    assert own < other and ratio < 1 and ratio == pytest.approx(float(own / other), rel=0.3)


def test_cards_that_do_not_reach_each_other_go_by_the_host():
    card = hardware.find("rtx-4090")
    assert card.link == card.links["host"] == card.links["pcie"] / 2
    assert hardware.find("l40s").link == hardware.find("l40s").links["pcie"]


def test_what_stands_in_is_near_in_class_before_dtype():
    def source(name, kind, **more):
        return time.op_time(hardware.find(name), kind, without=(name,), **SHAPES[kind] | more)[2]

    assert "decode bf16 on rtx-pro-6000-server" in source("l40s", "attention", cache="fp8")
    assert "on h100-sxm" in source("h200-sxm", "gemm")
    assert "gemm fp8 on h200-sxm" in source("b200", "gemm", dtype="fp4")
    assert "on h800" in time.op_time(hardware.find("h800"), "gemm", "fp8", **SHAPES["gemm"])[2]


def test_windows_keep_query_heads_apart_where_the_kernel_is_an_older_one():
    shape = {"batch": 64, "q_len": 1, "kv_len": 128, "heads": 32, "kv_heads": 1, "head_dim": 128}
    for name, apart in (("l40s", True), ("h100", False)):
        whole, windowed = (
            time.op_time(hardware.find(name), "attention", tier="calibrated", window=w, **shape)[0] for w in (0, 128)
        )
        assert windowed > 2 * whole if apart else windowed == whole


def test_what_was_measured_of_a_device_answers_for_it():
    for dtype in ("bf16", "fp8", "fp8_block"):
        for name in ("h100-sxm", "h200-sxm"):
            why = time.op_time(hardware.find(name), "moe", dtype, **SHAPES["moe"])[2]
            assert f"moe {dtype} on {name}" in why and "want" not in why and "relative" not in why


def test_relatives_are_said():
    seconds, tier, why = time.op_time(hardware.find("h100-nvl"), "gemm", **SHAPES["gemm"])
    assert tier == "calibrated" and "nearest relative of h100-nvl" in why and "h100-sxm" in why
    assert (
        seconds > time.op_time(hardware.find("h100-nvl"), "gemm", tier="speed of light", **SHAPES["gemm"])[0]
    )
    without = time.op_time(H200, "gemm", without=("h200-sxm",), **SHAPES["gemm"])
    assert without[1] == "calibrated" and "h100-sxm" in without[2]


SIZE = st.integers(0, 11).map(lambda e: 16 * 2 ** (e / 1.0)).map(int)


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(["h200", "a100", "l40s", "rtx-4090", "mi300x"]), SIZE, SIZE, SIZE, st.sampled_from("mnk")
)
def test_larger_products_take_longer(name, m, n, k, grown):
    shape = {"m": m, "n": n, "k": k}
    assert (
        calibrated(name, "gemm", **shape)
        <= calibrated(name, "gemm", **shape | {grown: 2 * shape[grown]}) * 1.0001
    )


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(["h200", "a100", "b200"]),
    st.sampled_from([1, 2, 7, 64, 300]),
    st.sampled_from([16, 100, 1024, 30000]),
    st.sampled_from(["batch", "kv_len"]),
)
def test_more_cache_takes_longer(name, batch, kv_len, grown):
    shape = SHAPES["attention"] | {"batch": batch, "kv_len": kv_len}
    assert calibrated(name, "attention", **shape) <= calibrated(
        name, "attention", **shape | {grown: 2 * shape[grown]}
    )


@pytest.mark.parametrize("tokens", [1, 8, 64, 1024])
def test_more_tokens_take_longer_in_a_mixture(tokens):
    shape = SHAPES["moe"]
    assert calibrated("h200", "moe", **shape | {"m": tokens}) < calibrated(
        "h200", "moe", **shape | {"m": 2 * tokens}
    )


def calibrated(name, kind, **shape):
    return float(time.op_time(hardware.find(name), kind, tier="calibrated", **shape)[0])


@pytest.mark.parametrize("kind", SIZES)
def test_arrays_equal_scalars(kind):
    name = next(iter(SHAPES[kind]))
    values = np.array([1, 3, 16, 100, 4096])
    together = time.op_time(H200, kind, **SHAPES[kind] | {name: values})[0]
    alone = [time.op_time(H200, kind, **SHAPES[kind] | {name: v})[0] for v in values]
    np.testing.assert_allclose(together, np.array(alone), rtol=1e-12)
    grid = time.op_time(H200, kind, **SHAPES[kind] | {name: values[:, None]})[0]
    assert grid.shape == (5, 1)


def test_what_cannot_be_is_refused():
    with pytest.raises(BadValue) as caught:
        time.op_time(hardware.find("h100"), "gemm", "nvfp4", **SHAPES["gemm"])
    assert "nearest: fp8" in caught.value.known
    assert time.op_time(hardware.find("b200"), "gemm", "nvfp4", **SHAPES["gemm"])[0] > 0
    for wrong in (
        {"m": -1, "n": 1, "k": 1},
        {"m": np.nan, "n": 1, "k": 1},
        {"m": 1, "n": 1},
        {"m": 1, "n": 1, "k": 1, "q": 1},
    ):
        with pytest.raises(BadValue):
            time.op_time(H200, "gemm", **wrong)
    with pytest.raises(BadValue, match="unknown kind"):
        time.op_time(H200, "gem", m=1)


def test_narrow_weights_are_read_faster():
    shape = {"m": 1, "n": 16384, "k": 16384}
    assert (
        time.op_time(H200, "gemm", weights="int4", **shape)[0] < 0.5 * time.op_time(H200, "gemm", **shape)[0]
    )


def test_counts():
    assert experts_hit(1, 128, 8) == pytest.approx(8)
    assert experts_hit(10**6, 128, 8) == pytest.approx(128)
    d = {"q_len": np.array(4.0), "kv_len": np.array(4.0), "window": np.array(0.0), "causal": np.array(1.0)}
    assert pairs(d) == 1 + 2 + 3 + 4
    assert pairs(d | {"window": np.array(2.0)}) == 1 + 2 + 2 + 2
    assert pairs(d | {"kv_len": np.array(9.0), "window": np.array(2.0)}) == 8
    assert pairs(d | {"causal": np.array(0.0)}) == 16


def test_collectives():
    assert time.collective(H200, "all_reduce", 1e6, 1) == 0
    assert time.collective(H200, "all_reduce", 2e6, 8) > time.collective(H200, "all_reduce", 1e6, 8)
    across = time.collective(H200, "all_reduce", 1e8, 8, across_nodes=True)
    assert across > time.collective(H200, "all_reduce", 1e8, 8)
    with pytest.raises(BadValue, match="unknown collective"):
        time.collective(H200, "all_reduced", 1e6, 8)
    with pytest.raises(BadValue, match="no link"):
        time.collective(hardware.find("m4"), "all_reduce", 1e6, 2)
    with pytest.raises(BadValue):
        time.collective(H200, "all_reduce", -1, 8)


def test_an_engines_own_all_reduce_is_for_messages_that_are_not_large():
    small, large = np.array([8192.0, 2.0**17]), 2.0**28

    def reduce(name, nbytes, ranks, custom):
        return time.collective(hardware.find(name), "all_reduce", nbytes, ranks, custom=custom)

    for ranks in (2, 4, 8):
        assert np.all(reduce("h100", small, ranks, True) < reduce("h100", small, ranks, False))
        assert reduce("h100", large, ranks, True) == reduce("h100", large, ranks, False)
    # Where switches do not reach into shared memory, its buffers are small.
    assert reduce("a100-80gb", 2.0**24, 8, True) == reduce("a100-80gb", 2.0**24, 8, False)
    # More than two cards in slots cannot read one another.
    c = constants.fitted()["custom_all_reduce"]["h100-sxm"]["constants"]
    at = [links._engines(hardware.find("l40s"), 32e9, c, np.array(1.0), np.array(8192.0), np.array(r)) for r in (2.0, 4.0)]
    assert at[0] < 1 == at[1]


def test_messages_by_way_of_the_host_start_twice_and_no_board_reads_another():
    def reduce(name, nbytes, custom):
        return time.collective(hardware.find(name), "all_reduce", nbytes, 2, custom=custom)

    assert reduce("rtx-4090", 2.0, False) == pytest.approx(2 * reduce("l40s", 2.0, False), rel=0.02)
    sizes = 2.0 ** np.arange(10, 26, 3)
    assert np.array_equal(reduce("rtx-4090", sizes, True), reduce("rtx-4090", sizes, False))
    assert np.any(reduce("l40s", sizes, True) != reduce("l40s", sizes, False))


def test_an_all_reduce_in_halves_sends_less_of_long_messages():
    c = {"start_us": 4.0, "step_us": 0.0, "meet_us": 2.0, "read_gb_s": 100.0}
    whole, halves = (links.direct(1e12, c, np.array(2.0**at), np.array(8.0)) for at in (17, 22))
    assert whole == pytest.approx(4e-6 + 7 * 2**17 / 1e11)
    assert halves == pytest.approx(10e-6 + 2 * 7 / 8 * 2**22 / 1e11)


def test_constants_of_decoding_for_another_device():
    c = {"feed_gb_s": 20.0, "convert": 25.0, "reuse": 1.0, "kept": 0.1, "memory": 0.9}
    h100, b200, h800 = map(hardware.find, ("h100", "b200", "h800"))
    here = attention.decode_of_other(c, h100, b200)
    # No unit draws less than its share of the bandwidth, and another generation has other kernels for narrow caches.
    assert here["feed_gb_s"] == pytest.approx(20 * (b200.bandwidth / b200.units) / (h100.bandwidth / h100.units))
    assert here["convert"] < 1 and here["memory"] == 0.9 and here["reuse"] > 1
    assert attention.decode_of_other(c, b200, h100)["feed_gb_s"] == 20
    assert attention.decode_of_other(c, h100, h800)["convert"] == 25


def test_a_relative_runs_the_same_kernels():
    """However near its rates are: of latent decoding, and of decoding from a narrow cache in another generation."""
    h20, b200 = (hardware.find(name) for name in ("h20", "b200"))
    near = constants.constants_of(h20, "decode bf16", without=("h20",))
    latent = constants.constants_of(h20, "mla_decode bf16", without=("h20",))
    assert hardware.find(near.device).architecture == "ampere" and hardware.find(latent.device).architecture == "hopper"
    assert constants.constants_of(b200, "decode fp8", without=("b200",)).family == "decode bf16"
    assert constants.constants_of(hardware.find("h100"), "decode fp8", without=("h100-sxm",)).family == "decode fp8"


def test_weights_widened_in_registers_gain_nothing_from_newer_matrix_units():
    a100, h200, b200 = (hardware.find(name) for name in ("a100-80gb", "h200", "b200"))
    c = {"matrix": 0.8, "memory": 0.9}
    newer = families.family("moe int4_wo").of_other(c, h200, b200)
    assert newer["matrix"] * b200.peak("bf16") / b200.units == pytest.approx(0.8 * h200.peak("bf16") / h200.units)
    assert newer["memory"] == 0.9 and families.family("moe int4_wo").of_other(c, h200, a100) == c
    assert families.family("moe fp8").of_other(c, h200, b200) == c


def test_latent_decoding_without_a_kernel_of_its_generation_is_in_few_parts():
    """One long sequence leaves most of a device idle then: twice as many cost nothing more."""

    def longer(name):
        shape = SHAPES["mla_attention"] | {"kv_len": 65536}
        one, two = (time.op_time(hardware.find(name), "mla_attention", **shape | {"batch": n})[0] for n in (4, 8))
        return two / one

    assert longer("a100-80gb") < 1.05 and longer("h200") > 1.3


def test_a_short_prompt_after_a_long_past_takes_a_whole_tile():
    shape = {"batch": 1, "heads": 32, "kv_heads": 8, "head_dim": 128, "kv_len": 16384}
    few, tile, more = (
        time.op_time(hardware.find("rtx-4090"), "attention", q_len=n, tier="calibrated", **shape)[0] for n in (16, 64, 1024)
    )
    assert few == pytest.approx(float(tile), rel=0.02) and more > 3 * tile


def test_prompts_with_heads_of_their_own_keys_take_longer():
    """More keys and values are written, and in a narrow cache converted."""
    shape = {"batch": 8, "heads": 32, "head_dim": 128, "q_len": 2048, "kv_len": 2048, "tier": "calibrated"}
    for cache in ("bf16", "fp8"):
        few, many = (time.op_time(hardware.find("b200"), "attention", cache=cache, kv_heads=n, **shape)[0] for n in (1, 32))
        assert many > 1.1 * few


def test_a_table_gives_back_what_it_was_made_of():
    nodes = ((0.0, 1.0, 2.0), (0.0, 2.0, 4.0))
    x, y = (a.ravel() for a in np.meshgrid([1, 2, 4], [1, 4, 16], indexing="ij"))
    miss = 0.05 * np.log2(x) - 0.02 * np.log2(y)
    stored = tables.build(nodes, (x, y), miss, rounds=60)
    table = np.where(stored == constants.EMPTY, np.nan, stored / constants.SCALE)
    np.testing.assert_allclose(tables.correction(table, nodes, (x, y)), miss, atol=0.03)
    assert np.isnan(tables.correction(table, nodes, (np.array(64.0), np.array(1.0))))


def test_constants_are_within_their_bounds():
    for name, devices in constants.fitted().items():
        if name.split()[0] not in families.FAMILIES:
            continue
        for device, entry in devices.items():
            assert entry["rows"] > 0 and device in hardware.names()
            names = set(families.family(name).start)
            assert names - {"around_us"} <= set(entry["constants"]) <= names


def test_no_heavy_imports():
    heavy = ("pandas", "torch", "sympy", "scipy")
    code = (
        f"import sys, cutaway.predict.time, cutaway.hardware; print([m for m in {heavy} if m in sys.modules])"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.strip()
        == "[]"
    )


def test_layers_run_op_by_op_take_longer_with_tokens_and_slow_memory():
    tokens = np.array([1.0, 4096.0, 65536.0])
    for few in (True, False):
        fast, slow = (around(hardware.find(name), tokens, 7168, few) for name in ("h200", "h100"))
        assert np.all(np.diff(fast) > 0) and np.all(slow > fast)
        assert 1e-5 < fast[0] < 1e-4
    assert around(H200, tokens, 7168, True, without=("h200-sxm",)).tolist() == [0, 0, 0]


def test_products_in_few_bits_are_like_others_in_few_bits_and_less_like_the_devices_own_in_sixteen():
    for family in ("gemm fp8", "gemm fp8_block"):
        assert constants.constants_of(hardware.find("rtx-pro-6000-server"), family).family == family
        assert constants.constants_of(hardware.find("h200"), family, without=("h200-sxm",)).family == family
    own = constants.constants_of(hardware.find("rtx-pro-6000-server"), "decode fp8")  # a cache is widened as it is read
    assert (own.family, own.device) == ("decode bf16", "rtx-pro-6000-server")


def test_what_a_sequence_costs_stays_with_its_generations_kernels():
    c = constants.fitted()["decode bf16"]["h200-sxm"]["constants"]
    ours, others = (attention.decode_of_other(c, hardware.find("h200"), hardware.find(name)) for name in ("h100", "b200"))
    assert ours["sequence_ns"] == c["sequence_ns"] > 100 * others["sequence_ns"]


def test_a_table_does_not_believe_rows_that_took_twice_as_long_as_their_neighbours():
    nodes = (tuple(range(8)),)
    sizes = 2.0 ** np.linspace(0, 7, 200)
    miss = 0.1 + 0.02 * np.log2(sizes)
    wild = miss + np.where(np.arange(200) % 12 == 5, 0.8, 0.0)
    stored = tables.build(nodes, (sizes,), wild) / constants.SCALE
    assert np.abs(stored - (0.1 + 0.02 * np.arange(8))).max() < 0.03
