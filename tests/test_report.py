# Renderings of a hand-made Llama: nothing is lost between formats, and what people see is what they should.
import csv
import io
import json
import re
import runpy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cutaway.cli import run
from cutaway.errors import BadValue
from cutaway.formula import parse
from cutaway.formula.condition import met
from cutaway.model import Call, Cost, Gap
from cutaway.report.bounds import Bounds
from cutaway.report.cost_json import to_dict, to_json
from cutaway.report.cost_lines import costly_rows, line_rows
from cutaway.report.cost_load import from_dict
from cutaway.report.cost_markdown import render_markdown
from cutaway.report.cost_records import records
from cutaway.report.cost_text import render_text
from cutaway.report.dearest import dearest_lines
from cutaway.report.expand import SumMismatch, expand
from cutaway.report.result import CostResult
from cutaway.report.units import percent, si
from cutaway.report.values import used_symbols
from cutaway.report.words import names_text

HAND = runpy.run_path(str(Path(__file__).parent / "fixtures" / "hand_llama.py"))
AT = {"batch_size": 1, "seq_len": 2048}
FLOPS = 32946601852928


@pytest.fixture(scope="module")
def llama():
    return HAND["analysis"]()


@pytest.fixture
def at(llama):
    return replace(llama, values=AT)


@pytest.fixture
def saved(llama, tmp_path):
    path = tmp_path / "llama.json"
    path.write_text(to_json(llama), encoding="utf-8")
    return path


@pytest.mark.parametrize("values", [{}, AT], ids=["formulas", "numbers"])
def test_json_reads_back_to_the_same_analysis(llama, values):
    analysis = replace(llama, values=values, gaps=(HAND["gap"](),))
    assert from_dict(json.loads(to_json(analysis))) == analysis


def test_odd_formulas_read_back():
    for text in (
        "64 * ceil({seq_len} / 64)",
        "{a} * {b} / (3 * {c})",
        "min({seq_len}, {sliding_window}) * max({a} - 3, 2 * {b})",
        "-{a} + 1 / 3",
        "floor({a} * {b} / ({c} + 1))**2",
    ):
        assert parse(str(parse(text))) == parse(text)


def test_json_of_something_else_is_refused():
    with pytest.raises(BadValue, match="another version"):
        from_dict({"schema_version": 99})
    with pytest.raises(BadValue, match="not a saved result"):
        from_dict({"schema_version": 1, "totals": []})


def test_numbers_stand_beside_formulas_once_complete(at):
    found = to_dict(at)
    assert found["totals"]["values"]["flops"] == FLOPS
    assert found["totals"]["values"]["at"] == AT | {"w_bytes": 2, "a_bytes": 2, "kv_bytes": 2}
    assert found["modules"][3]["kernels"][0]["values"]["flops"] == 2 * 2048 * 4096 * 14336
    assert "values" not in to_dict(replace(at, values={"batch_size": 1}))["totals"]


def test_references_name_the_class_in_full(llama):
    found = to_dict(llama)["modules"][2]["kernels"][1]["reference"]
    name = "${{transformers.models.llama.modeling_llama.LlamaAttention}}"
    assert found == name + "(bfloat16[{batch_size}, {seq_len}, 4096])"


def test_expanded_kernels_add_up(llama):
    assert _sum(expand(llama)) == llama.total.flops


def test_expansion_stops_at_a_depth(llama):
    model = expand(llama, 1)[0]
    assert "kernels" in model
    assert all("kernels" not in k for k in model["kernels"])
    assert all("kernels" not in k for k in expand(llama, 0))


def test_a_total_that_is_not_the_sum_is_a_fault(llama):
    wrong = replace(llama, total=replace(llama.total, flops=llama.total.flops + 1))
    with pytest.raises(SumMismatch, match="flops"):
        expand(wrong)


def test_records_add_up(at):
    rows = records(at)
    assert sum(row["flops"] * row["times"] for row in rows) == FLOPS
    assert sum((row["read"] + row["write"]) * row["times"] for row in rows) == (
        at.total.read + at.total.write
    ).evaluate(AT | {"w_bytes": 2, "a_bytes": 2})


def test_lines_add_up(llama):
    for module in llama.modules:
        total = sum((row.cost for row in line_rows(llama, module)), Cost(*[parse("0")] * 4))
        assert total == module.total
        kept = sum((row.cost for row in costly_rows(llama, module)), Cost(*[parse("0")] * 4))
        assert kept == module.total


def test_helpers_stand_under_the_line_that_called_them(llama):
    attention = next(m for m in llama.modules if m.class_name.endswith("Attention"))
    row = next(r for r in line_rows(llama, attention) if r.line == 257)
    assert [(h.function, h.line) for h in row.helpers] == [
        ("eager_attention_forward", 193),
        ("eager_attention_forward", 199),
    ]


@pytest.mark.parametrize("width", [80, 100, 140])
@pytest.mark.parametrize("values", [{}, {"seq_len": 7}, AT], ids=["formulas", "partly", "numbers"])
def test_text_keeps_to_its_width(llama, width, values):
    text = render_text(replace(llama, values=values), width=width)
    assert max(map(len, text.splitlines())) <= width
    assert "\x1b" not in text
    assert all(line == line.rstrip() for line in text.splitlines())


def test_text_shows_formulas_whole(llama):
    flat = " ".join(render_text(llama, width=60).split())
    for module in llama.modules:
        assert re.sub(r"[{}]", "", str(module.total.flops)) in flat


def test_text_shows_numbers_shares_and_intensity(at):
    text = render_text(at)
    assert "32.9 TFLOP" in text
    assert "86.5 GB" in text
    assert "FLOP per byte" in text
    assert re.search(r"█+▋? +722 GFLOP +70\.1 %", text)


def test_text_names_what_is_missing(llama):
    text = render_text(replace(llama, values={"batch_size": 1}))
    assert re.search(r"missing +seq_len", text)
    assert "4096 * seq_len * (128 * seq_len + 3665397)" in text


def test_gaps_make_totals_lower_bounds():
    text = render_text(HAND["analysis"](gaps=[HAND["gap"]()]))
    assert "FLOPs           ≥ 4096" in text
    assert "no rule for this op" in text


def test_idle_lines_are_shown_on_request_only(llama):
    assert "labels is None" not in render_text(llama)
    assert "(not taken: labels is None)" in render_text(llama, all_lines=True)


def test_equal_one_liners_share_a_section(llama):
    assert render_text(llama).count("── Linear ─") == 1
    assert re.search(r"── Linear ─+ 5 shapes", render_text(llama))


def test_depth_limits_tree_and_sections(llama):
    text = render_text(llama, depth=1)
    assert "LlamaMLP" not in text
    assert "(+2 calls)" in text


def test_markdown_tables_are_tables(at):
    for block in re.findall(r"(?:^\|.*\n)+", render_markdown(at, all_lines=True), re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in block.splitlines()}) == 1


def test_evaluate_and_grid_agree(llama):
    result = CostResult(llama)
    sizes = np.array([2, 16, 2048])
    grid = result.grid(batch_size=np.array([[1], [3]]), seq_len=sizes)
    assert grid["flops"].shape == (2, 3)
    for i, batch in enumerate((1, 3)):
        for j, length in enumerate(sizes):
            one = result.evaluate(batch_size=batch, seq_len=int(length))
            assert all(grid[name][i, j] == pytest.approx(value) for name, value in one.items())


def test_numbers_are_not_taken_outside_the_branches(llama):
    with pytest.raises(BadValue, match="do not hold"):
        CostResult(llama).evaluate(batch_size=1, seq_len=1)
    with pytest.raises(BadValue, match="do not hold"):
        CostResult(llama).grid(batch_size=1, seq_len=np.array([1, 2]))


def test_other_branches_are_derived_once_for_a_grid(llama):
    asked = []

    def derive(values):
        asked.append(values)
        return replace(llama, valid_when=("seq_len == 1",), total=llama.total * 2)

    found = CostResult(llama, derive).grid(batch_size=2, seq_len=np.array([1, 2, 1]))
    assert [(a["batch_size"], a["seq_len"]) for a in asked] == [(2, 1)]
    at_one = llama.total.flops.evaluate({"batch_size": 2, "seq_len": 1})
    at_two = llama.total.flops.evaluate({"batch_size": 2, "seq_len": 2})
    assert list(found["flops"]) == [2 * at_one, at_two, 2 * at_one]


def test_results_show_in_notebooks(llama):
    bundle = CostResult(llama)._repr_mimebundle_()
    assert bundle.keys() == {"text/plain", "text/html", "text/markdown"}
    assert "<table>" in bundle["text/html"]
    assert repr(CostResult(llama)).startswith("<cost of meta-llama/Llama-3.1-8B, prefill: ")


@pytest.mark.parametrize("package", ["polars", "pandas"])
def test_frames(at, package):
    pytest.importorskip(package)
    assert getattr(CostResult(at), f"to_{package}")().shape == (len(records(at)), len(records(at)[0]))


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("m.layers.0", "m.layers.1", "m.layers.2"), "layers.0 … layers.2"),
        (("m.layers.0", "m.layers.2", "m.layers.4"), "layers.0, layers.2 … layers.4"),
        (("m.q", "m.k"), "q, k"),
        ((), "itself"),
    ],
)
def test_called_children_are_named_below_their_caller(llama, names, said):
    call = replace(llama.modules[1].steps[0], names=names)
    assert names_text(call, replace(llama.modules[1], path="m")) == said


def test_units():
    assert [si(v, "B") for v in (0, 999, 1000, 999_499, 999_500, 16_060_522_496)] == [
        "0 B", "999 B", "1.00 kB", "999 kB", "1.00 MB", "16.1 GB",
    ]  # fmt: skip
    assert [percent(1, 3), percent(0, 3), percent(1, 10**6), percent(1, 0)] == [
        "33.3 %",
        "0.0 %",
        "<0.1 %",
        "0.0 %",
    ]


def test_conditions():
    assert met("batch_size * seq_len > 64", {"batch_size": 8, "seq_len": 9}) is True
    assert met("seq_len == 1", {"seq_len": 2}) is False
    assert met("seq_len > 1", {}) is None
    assert met("the moon is full", {}) is None


@pytest.mark.parametrize("form", ["text", "json", "md", "csv"])
def test_a_saved_result_shows_in_every_format(saved, form, capsys):
    assert run(["cost", str(saved), "--format", form]) == 0
    assert "LlamaMLP" in capsys.readouterr().out


def test_a_saved_result_with_sizes(saved, capsys):
    assert run(["cost", str(saved), "--json", "--set", "batch_size=1,seq_len=2048"]) == 0
    assert json.loads(capsys.readouterr().out)["totals"]["values"]["flops"] == FLOPS
    assert run(["cost", str(saved), "--format", "csv", "--set", "batch_size=1", "--set", "seq_len=2048"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert sum(int(row["flops"]) * int(row["times"]) for row in rows) == FLOPS


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--set", "batch=1"], "nearest: batch_size"),
        (["--set", "batch_size=0"], "out of range"),
        (["--set", "batch_size=-4"], "out of range"),
        (["--set", "batch_size=9e99"], "not a whole number"),
        (["--set", "batch_size=1e3"], "--set batch_size=1000"),
        (["--set", "batch_size=" + "9" * 40], "out of range"),
        (["--set", "batch_size"], "NAME=VALUE"),
        (["--set", "seq_len=1"], "do not hold"),
        (["--depth", "-1"], "out of range"),
        (["--phase", "training"], "training"),
        (["--format", "html"], "does not come in this format"),
    ],
    ids=lambda x: " ".join(x)[:24] if isinstance(x, list) else "",
)
def test_wrong_options_are_explained(saved, words, said, capsys):
    assert run(["cost", str(saved), *words]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert said in shown.err


def _sum(kernels):
    total = parse("0")
    for k in kernels:
        inner = _sum(k["kernels"]) if k["kernel_type"] == "composite" else parse(k["flops"])
        total = total + inner * k["repeat"]
    return total


def test_every_call_of_the_fixture_points_at_a_module(llama):
    for module in llama.modules:
        assert all(s.module < len(llama.modules) for s in module.steps if isinstance(s, Call))


def test_the_dearest_lines_come_before_the_tree_and_count_each_op_once(llama):
    text = render_text(llama)
    assert text.index("── totals") < text.index("── dearest lines") < text.index("── modules")
    at = {"batch_size": 2, "seq_len": 64, "w_bytes": 2, "a_bytes": 2, "kv_bytes": 2}
    rows = dearest_lines(llama, at, fused=False, most=10**6)
    assert rows[0].flops + rows[0].moved > 0
    assert 0.9 < sum(row.flops for row in rows) <= 1.0 + 1e-9


def test_the_legend_has_only_what_is_used(llama):
    named = [s.name for s in llama.symbols]
    other = replace(llama.symbols[0], name="unused_len")
    assert [s.name for s in used_symbols(replace(llama, symbols=(*llama.symbols, other)))] == named


def test_what_a_gap_lies_in_is_a_lower_bound_and_nothing_else(llama):
    inner = next(m for m in llama.modules if m.class_name.endswith("LlamaMLP"))
    gap = Gap("an op", f"{inner.source.path}:{inner.source.line + 1}", "no rule")
    bounds = Bounds(replace(llama, gaps=(gap,)))
    marked = {m.class_name.rpartition(".")[2] for m in llama.modules if bounds.module(m)}
    assert "LlamaMLP" in marked
    assert "Linear" not in marked
    assert bounds.module(llama.modules[0]) == "≥ "


def test_what_one_run_alone_says_is_no_bound(llama):
    inner = next(m for m in llama.modules if m.class_name.endswith("LlamaMLP"))
    missing = Gap("an op", f"{llama.modules[0].source.path}:{llama.modules[0].source.line}", "no rule")
    found = replace(llama, gaps=(missing, Gap("LlamaMLP", inner.path, "another number of ops", approximate=True)))
    assert found.approximate and not found.at_least and found.bound == "≈ "
    assert replace(llama, gaps=(missing,)).bound == "≥ "
    assert Bounds(found).module(inner) == Bounds(found).module(llama.modules[0]) == "≈ "
    text = render_text(found)
    assert "may be too low or too high" in text and "≥" not in text.split("lines")[0].split("totals")[1].split("dearest")[0]
    assert from_dict(to_dict(found)).gaps == found.gaps
