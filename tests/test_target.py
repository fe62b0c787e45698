# From what people type to what is worked on; and nothing that is not installed is ever run without trust.
import json

import pytest

from cutaway.errors import (
    BadConfig,
    BadValue,
    CutawayError,
    ForwardRaised,
    NeedsExtra,
    NeedsTrust,
    Offline,
    UnknownTarget,
)
from cutaway.trace.target import load_class, parse_args, resolve

LLAMA = {"model_type": "llama", "hidden_size": 64, "num_attention_heads": 4, "num_key_value_heads": 2,
         "num_hidden_layers": 2, "intermediate_size": 128, "vocab_size": 256}  # fmt: skip


def config_file(folder, text):
    path = folder / "config.json"
    path.write_text(text if isinstance(text, str) else json.dumps(text))
    return path


def test_each_form_of_target(tmp_path):
    (tmp_path / "model").mkdir()
    config = config_file(tmp_path / "model", LLAMA)
    script = tmp_path / "net.py"
    script.write_text("class Net: pass\n")
    kinds = {text: resolve(text).kind for text in (
        "llama-3.1-8b", "torch.nn.Linear", str(config), str(config.parent), f"{script}:Net", str(tmp_path),
        "https://github.com/karpathy/nanoGPT.git", "git@github.com:karpathy/nanoGPT.git")}  # fmt: skip
    assert list(kinds.values()) == ["model", "class", "model", "model", "file_class", "repo", "repo", "repo"]
    assert resolve(str(config)).name == "model"
    assert resolve("https://github.com/karpathy/nanoGPT.git").name == "nanoGPT"


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        ("", UnknownTarget, "no target"),
        ("./nothing.json", UnknownTarget, "no such file"),
        ("torhc.nn.Linear", UnknownTarget, "torch"),
        ("lama-3.1-8b", UnknownTarget, "meta-llama/Llama-3.1-8B"),
    ],
)
def test_a_wrong_target_says_what_is_near(text, kind, said):
    with pytest.raises(kind) as raised:
        resolve(text)
    assert said in raised.value.render()


def test_a_class_that_is_not_there_gets_the_nearest_of_its_module():
    with pytest.raises(UnknownTarget) as raised:
        load_class(resolve("torch.nn.Linaer"))
    assert "Linear" in raised.value.known


def test_an_unknown_id_without_a_network_is_answered_at_once(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(Offline) as raised:
        resolve("nobody/Llama-3.1-8Bx")
    assert "config.json" in raised.value.try_
    assert "meta-llama/Llama-3.1-8B" in raised.value.known


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"hidden_size": -64}, "hidden_size"),
        ({"num_attention_heads": 0}, "num_attention_heads"),
        ({"vocab_size": "many"}, "vocab_size"),
        ({"num_hidden_layers": 10**9}, "num_hidden_layers"),
        ({"hidden_size": 64.5}, "hidden_size"),
        ({"num_key_value_heads": 3}, "num_key_value_heads"),
        ({"text_config": {"hidden_size": 0}}, "text_config.hidden_size"),
        ({"model_type": ""}, "model_type"),
    ],
)
def test_a_size_that_cannot_be_meant_is_named(tmp_path, change, field):
    with pytest.raises(BadConfig) as raised:
        resolve(str(config_file(tmp_path, LLAMA | change)))
    assert field in raised.value.render()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{\n "a": 1,\n oops\n}', ":3:2"),
        ("[1, 2]", "list"),
        ("", "config.json:1:1"),
        ('{"a": 1}', "model_type"),
    ],
)
def test_a_config_that_is_none_says_where(tmp_path, text, said):
    with pytest.raises(BadConfig) as raised:
        resolve(str(config_file(tmp_path, text)))
    assert said in raised.value.render()


def test_infinity_and_a_byte_order_mark_are_read(tmp_path):
    path = config_file(tmp_path, LLAMA | {"time_step_limit": [0.0, float("inf")]})
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert resolve(str(path)).config["time_step_limit"][1] == float("inf")


def test_code_of_a_file_runs_only_when_trusted(tmp_path):
    ran = tmp_path / "ran"
    script = tmp_path / "net.py"
    script.write_text(f"import pathlib\npathlib.Path({str(ran)!r}).touch()\nclass Net: pass\n")
    target = resolve(f"{script}:Net")
    with pytest.raises(NeedsTrust):
        load_class(target)
    assert not ran.exists()
    assert load_class(resolve(f"{script}:Net", trust_code=True)).__name__ == "Net"
    assert ran.exists()


def test_code_on_the_path_but_not_installed_needs_trust_too(tmp_path, monkeypatch):
    (tmp_path / "homemade.py").write_text("raise SystemExit('it ran')\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(NeedsTrust):
        load_class(resolve("homemade.Net"))


def test_a_file_that_cannot_be_imported_says_why(tmp_path):
    absent = 'from importlib.metadata import version\nversion("nowhere_to_be_found")'
    raising = (("import nowhere_to_be_found", NeedsExtra), ("1 / 0", ForwardRaised), (absent, ForwardRaised))
    for number, (text, kind) in enumerate(raising):
        script = tmp_path / f"script{number}.py"
        script.write_text(f"{text}\nclass Net: pass\n")
        with pytest.raises(kind) as raised:
            load_class(resolve(f"{script}:Net", trust_code=True))
        assert "nowhere_to_be_found" in raised.value.render() or f"{script.name}:1" in raised.value.render()


def test_a_python_file_without_a_class_lists_its_classes(tmp_path):
    script = tmp_path / "net.py"
    script.write_text("class Block: pass\nclass Net: pass\n")
    for text in (str(script), f"{script}:Nett"):
        with pytest.raises(CutawayError) as raised:
            resolve(text)
        assert "Block, Net" in raised.value.render()


def test_arguments_are_read_as_what_they_look_like():
    assert parse_args(["n=3", "x=0.5", "on=true", "no=none", "name=gelu", "dims=[1, 2]"]) == {
        "n": 3, "x": 0.5, "on": True, "no": None, "name": "gelu", "dims": [1, 2]}  # fmt: skip
    with pytest.raises(BadValue):
        parse_args(["n"])


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("LlamaMLP", "transformers.models.llama.modeling_llama.LlamaMLP"),
        ("llamamlp", "transformers.models.llama.modeling_llama.LlamaMLP"),
        ("Linear", "torch.nn.modules.linear.Linear"),
    ],
)
def test_a_bare_class_name_gets_its_module(text, place):
    with pytest.raises(UnknownTarget) as error:
        resolve(text)
    assert place in error.value.known
    assert error.value.try_ == f"cutaway cost {place}"


def test_a_class_asked_of_the_wrong_module_gets_the_right_one():
    with pytest.raises(UnknownTarget) as error:
        load_class(resolve("transformers.LlamaMLP"))
    assert error.value.known == "transformers.models.llama.modeling_llama.LlamaMLP"


def test_a_colon_before_the_class_is_understood():
    assert load_class(resolve("torch.nn:Linear")).__name__ == "Linear"


def test_a_class_of_a_file_is_called_after_the_file(tmp_path):
    script = tmp_path / "net.py"
    script.write_text("import dataclasses\n\n@dataclasses.dataclass\nclass Net:\n    x: 'int' = 1\n")
    assert load_class(resolve(f"{script}:Net", trust_code=True)).__module__ == "net.py"
