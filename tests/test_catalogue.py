# The catalogue answers to the names that people use, and never guesses between two models.
import pytest

from cutaway import catalogue
from cutaway.errors import UnknownTarget
from cutaway.trace.config import check_config


@pytest.mark.parametrize(
    ("name", "model_id"),
    [
        ("meta-llama/Llama-3.1-8B", "meta-llama/Llama-3.1-8B"),
        ("META-LLAMA/llama-3.1-8b", "meta-llama/Llama-3.1-8B"),
        ("llama-3.1-8b", "meta-llama/Llama-3.1-8B"),
        ("llama-3-8b", "meta-llama/Meta-Llama-3-8B"),
        ("llama-2-7b", "meta-llama/Llama-2-7b-hf"),
        ("qwen2.5-7b", "Qwen/Qwen2.5-7B-Instruct"),
        ("Mixtral 8x7B", "mistralai/Mixtral-8x7B-v0.1"),
        ("gpt2", "openai-community/gpt2"),
        ("phi-1_5", "microsoft/phi-1_5"),
    ],
)
def test_finds_a_model_by_id_last_part_or_short_form(name, model_id):
    assert catalogue.find(name).id == model_id


@pytest.mark.parametrize("name", ["lama-3.1-8b", "llama3.1-8b", "Llama-3.1-8", "meta-lama/Llama-3.1-8B"])
def test_a_slip_gets_the_nearest_names(name):
    with pytest.raises(UnknownTarget) as raised:
        catalogue.find(name)
    assert "meta-llama/Llama-3.1-8B" in raised.value.known


def test_another_organisations_model_is_not_taken_for_it():
    with pytest.raises(UnknownTarget):
        catalogue.find("someone/Llama-3.1-8B")


def test_every_alias_means_its_model_and_every_config_is_sane():
    for entry in catalogue.entries():
        assert catalogue.find(entry.id) is entry
        assert all(catalogue.find(alias) is entry for alias in entry.aliases)
        assert check_config(entry.config, entry.id) is entry.config
        assert entry.provenance
        assert entry.parameters or entry.needs_remote_code


def test_the_catalogue_is_ordered_and_whole():
    ids = [entry.id for entry in catalogue.entries()]
    assert len(ids) == len(set(ids)) == 185
    assert ids == sorted(ids, key=str.casefold)
