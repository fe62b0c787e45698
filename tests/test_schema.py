# What we write is what the committed schema says, with and without numbers, expanded or not.
import json
import runpy
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest

from cutaway.catalogue.totals import _lines
from cutaway.report.cost_json import to_dict
from cutaway.report.expand import expand

HAND = runpy.run_path(str(Path(__file__).parent / "fixtures" / "hand_llama.py"))
SCHEMA = json.loads(files("cutaway").joinpath("schema/cost.schema.json").read_text(encoding="utf-8"))
CHECK = jsonschema.Draft202012Validator(SCHEMA)


def test_the_schema_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("values", [{}, {"batch_size": 1}, {"batch_size": 2, "seq_len": 7}], ids=str)
def test_our_output_validates(values):
    CHECK.validate(to_dict(replace(HAND["analysis"](gaps=[HAND["gap"]()]), values=values)))


def test_totals_that_ship_validate():
    """They are printed as they were kept: a key that is new must be in them too."""
    kept = [json.loads(text) for texts in _lines().values() for text in texts]
    sample = [d for d in kept if d["gaps"]] + kept[::60]
    assert len(sample) > 10
    for found in sample:
        CHECK.validate(found)


def test_expanded_output_validates():
    found = HAND["analysis"]()
    CHECK.validate(to_dict(found) | {"kernels": expand(found)})


@pytest.mark.parametrize(
    "spoil",
    [
        lambda d: d.update(extra=1),
        lambda d: d["totals"].pop("flops"),
        lambda d: d["modules"][0]["kernels"][0].update(reference="LlamaModel"),
        lambda d: d["modules"][0]["lines"][0].update(status="maybe"),
        lambda d: d.update(set={"batch_size": 0}),
    ],
    ids=["unknown key", "missing total", "bare reference", "unknown status", "zero size"],
)
def test_spoilt_output_does_not(spoil):
    found = to_dict(HAND["analysis"]())
    spoil(found)
    assert not CHECK.is_valid(found)


def test_one_module_has_the_older_shape():
    """class_name, and kernels with kernel_type, operation, analysis, flops and memory_access on top."""
    found = to_dict(HAND["analysis"]())
    assert found["class_name"] == "transformers.models.llama.modeling_llama.LlamaForCausalLM"
    for kernel in found["kernels"]:
        assert {"kernel_type", "operation", "analysis", "flops", "memory_access"} <= kernel.keys()
        assert kernel["memory_access"].keys() == {"read", "write"}
