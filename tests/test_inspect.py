# The tree of a model: equal layers once, shared tensors once, everything in 80 columns.
import csv
import io
import json

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from cutaway.report.inspect_text import render_csv, render_json, render_markdown, render_text  # noqa: E402
from cutaway.trace.inspect import _ranges, inspect, inspect_module  # noqa: E402


def test_tied_weights_are_counted_once():
    found = inspect("gpt2")
    assert found.total == 124439808
    assert found.tied == 50257 * 768
    assert found.bytes == 2 * 124439808
    assert "lm_head = transformer.wte" in render_text(found)


def test_equal_layers_are_folded_and_still_all_counted():
    found = inspect("llama-3.1-8b")
    layers = next(node for node, _ in found.root.walk() if node.class_name.endswith("LlamaDecoderLayer"))
    assert (layers.name, layers.repeat) == ("0-31", 32)
    assert found.total == 8030261248
    records = found.to_records()
    assert sum(r["own_parameters"] * r["repeat"] for r in records) == found.total
    assert "model.layers.[0-31].self_attn.q_proj" in [r["path"] for r in records]


def test_text_fits_80_columns_and_has_no_colour():
    text = render_text(inspect("deepseek-v3"))
    assert max(map(len, text.splitlines())) <= 80
    assert "\x1b" not in text
    assert "transformers.models.deepseek_v3.modeling_deepseek_v3" in text


def test_frozen_shared_and_tied_parts_of_any_module():
    shared = torch.nn.Linear(4, 4, bias=False)
    model = torch.nn.Sequential(shared, torch.nn.ReLU(), shared, torch.nn.Linear(4, 2))
    model[3].weight.requires_grad_(False)
    model.register_buffer("table", torch.zeros(3, dtype=torch.int64))
    found = inspect_module(model, "toy")
    assert (found.total, found.trainable, found.frozen, found.tied, found.buffers) == (26, 18, 8, 16, 3)
    assert "2 = 0" in render_text(found)


def test_machine_formats_agree_with_the_counts():
    found = inspect("t5-small")
    value = json.loads(render_json(found))
    assert (
        value["parameters"]["total"]
        == found.total
        == sum(value["parameters"]["bytes_by_dtype"].values()) // 2
    )
    assert value["modules"][0]["parameters"] == found.total
    rows = list(csv.DictReader(io.StringIO(render_csv(found))))
    assert len(rows) == len(value["modules"])
    assert "`transformers.models.t5.modeling_t5.T5Block`" in render_markdown(found)


def test_layer_numbers_are_written_short():
    assert _ranges([0, 1, 2, 3]) == "0-3"
    assert _ranges([0, 1, 2, 4, 5, 6]) == "0-2,4-6"
    assert _ranges([3, 7, 11]) == "3-11:4"
    assert _ranges([0, 2]) == "0,2"
