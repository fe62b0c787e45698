# Models are built from their configs alone, to the last parameter; classes from whatever says how.
import gc

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from cutaway import catalogue  # noqa: E402
from cutaway.errors import BadConfig, BadValue, ForwardRaised, NeedsTrust  # noqa: E402
from cutaway.formula import sym  # noqa: E402
from cutaway.trace.analyse import analyse  # noqa: E402
from cutaway.trace.build import build, build_class, build_model, load_config, model_class, torch_dtype  # noqa: E402
from cutaway.trace.garbage import OBJECTS, seldom_collected  # noqa: E402
from cutaway.trace.target import load_class, resolve  # noqa: E402

LLAMA = {"model_type": "llama", "hidden_size": 64, "num_attention_heads": 4, "num_key_value_heads": 2,
         "num_hidden_layers": 2, "intermediate_size": 128, "vocab_size": 256}  # fmt: skip


def count(module):
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(
    "name",
    [
        "llama-3.1-405b",
        "gpt2",
        "deepseek-v3",
        "whisper-tiny",
        "t5-small",
        "mamba2-2.7b",
        "gemma-2-27b",
        "zamba-7b",
    ],
)
def test_parameters_are_the_published_ones(name):
    entry = catalogue.find(name)
    assert count(build_model(load_config(entry.config))) == entry.parameters


def test_a_model_is_on_the_meta_device_in_its_dtype_and_in_eval_mode():
    model = build_model(LLAMA, dtype="fp16")
    assert {p.device.type for p in model.parameters()} == {"meta"}
    assert {p.dtype for p in model.parameters()} == {torch.float16}
    assert not model.training
    assert model.config._attn_implementation == "eager"


def test_building_leaves_initialisers_and_default_dtype_as_they_were():
    before = torch.nn.init.normal_, torch.get_default_dtype()
    build_model(LLAMA)
    build_class(torch.nn.Linear, {"in_features": 2, "out_features": 3}, "bf16")
    assert (torch.nn.init.normal_, torch.get_default_dtype()) == before
    assert torch.nn.Linear(2, 3).weight.abs().sum() > 0


def test_routing_biases_stay_in_float32():
    model = build_model(load_config(resolve("deepseek-v3")))
    kept = {n.rpartition(".")[2] for n, b in model.named_buffers() if b.dtype == torch.float32}
    assert "e_score_correction_bias" in kept


def test_the_class_is_the_one_named_else_the_causal_one():
    assert model_class(load_config(LLAMA)).__name__ == "LlamaForCausalLM"
    named = load_config(LLAMA | {"architectures": ["LlamaForSequenceClassification"]})
    assert model_class(named).__name__ == "LlamaForSequenceClassification"
    assert model_class(load_config(LLAMA | {"architectures": ["Nonsense"]})).__name__ == "LlamaForCausalLM"
    assert model_class(load_config({"model_type": "vit"})).__name__ == "ViTModel"


@pytest.mark.parametrize(
    ("config", "kind", "said"),
    [
        ({"model_type": "lama"}, BadConfig, "llama"),
        (LLAMA | {"num_attention_heads": 5, "num_key_value_heads": 5}, BadConfig, "num_attention_heads 5"),
        ({"model_type": "baichuan"}, NeedsTrust, "not part of Transformers"),
        ({"model_type": "mine", "auto_map": {"AutoConfig": "x.Y"}}, NeedsTrust, "--trust-code"),
    ],
)
def test_a_config_that_gives_no_model_says_why(config, kind, said):
    with pytest.raises(kind) as raised:
        load_config(config)
    assert said in raised.value.render()


def test_arguments_change_a_models_config():
    target = resolve("gpt2", args={"n_layer": 2})
    assert load_config(target).n_layer == 2
    with pytest.raises(BadValue, match="no such field"):
        load_config(resolve("gpt2", args={"n_layers_": 2}))


NANO = """
from dataclasses import dataclass
import torch, torch.nn as nn

@dataclass
class TrainConfig:
    steps: int = 10

@dataclass
class GPTConfig:
    n_embd: int = 32
    vocab_size: int = 100

class GPT(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.wte = nn.Embedding(config.vocab_size, config.n_embd)
        self.lm_head = nn.Linear(config.n_embd, config.vocab_size, bias=False)
        self.wte.weight = self.lm_head.weight
        torch.nn.init.normal_(self.wte.weight, std=0.02)
        print("number of parameters: many")

class Block(nn.Module):
    def __init__(self, layer_idx: int, width: int, config: GPTConfig):
        super().__init__()
        self.fc = nn.Linear(width, config.n_embd)

class Broken(nn.Module):
    def __init__(self):
        super().__init__()
        raise ValueError("bad head_dim")
"""


@pytest.fixture
def nano(tmp_path):
    path = tmp_path / "nano.py"
    path.write_text(NANO)
    return lambda name, **args: build(resolve(f"{path}:{name}", trust_code=True, args=args))


def test_a_class_finds_its_config_beside_it_and_prints_nothing(nano, capsys):
    assert count(nano("GPT")) == 32 * 100
    assert count(nano("GPT", n_embd=8)) == 8 * 100
    assert capsys.readouterr().out == ""


def test_what_a_constructor_misses_or_refuses_is_said(nano):
    with pytest.raises(BadValue) as raised:
        nano("Block")
    assert "--arg width=768" in raised.value.try_
    with pytest.raises(BadValue, match="takes no such argument"):
        nano("GPT", n_embed=8)
    with pytest.raises(ForwardRaised) as raised:
        nano("Broken")
    assert "ValueError: bad head_dim" in raised.value.known
    assert "nano.py:" in raised.value.where


def test_a_transformers_part_is_built_from_its_annotation():
    mlp = build(resolve("transformers.models.llama.modeling_llama.LlamaMLP", args={"hidden_size": 64}))
    assert mlp.gate_proj.in_features == 64


def test_an_unknown_dtype_lists_the_known():
    with pytest.raises(BadValue) as raised:
        torch_dtype("bf61")
    assert "bf16" in raised.value.known


def test_arguments_that_a_constructor_hands_on(tmp_path):
    script = tmp_path / "net.py"
    script.write_text(
        "from torch import nn\n"
        "class Base(nn.Module):\n    def __init__(self, dim, depth=1):\n        super().__init__()\n"
        "        self.parts = nn.ModuleList(nn.Linear(dim, dim) for _ in range(depth))\n"
        "class Net(Base):\n    def __init__(self, **kwargs):\n        super().__init__(**kwargs)\n"
    )
    cls = load_class(resolve(f"{script}:Net", trust_code=True))
    assert [tuple(p.weight.shape) for p in build_class(cls, {"dim": 8, "depth": 2}).parts] == [(8, 8), (8, 8)]


def test_a_preset_of_a_config_by_its_name(tmp_path):
    script = tmp_path / "preset.py"
    script.write_text(
        "from dataclasses import dataclass\nfrom torch import nn\n"
        "@dataclass\nclass ModelArgs:\n    dim: int = 4\n    @classmethod\n"
        "    def from_name(cls, name):\n        return cls({'small': 8, 'large': 16}[name])\n"
        "class Net(nn.Module):\n    def __init__(self, config: ModelArgs):\n        super().__init__()\n"
        "        self.fc = nn.Linear(config.dim, 1)\n"
    )
    cls = load_class(resolve(f"{script}:Net", trust_code=True))
    assert build_class(cls, {"config": "large"}).fc.in_features == 16
    with pytest.raises(ForwardRaised, match="no preset of that name"):
        build_class(cls, {"config": "huge"})


def test_a_cell_takes_one_step_and_a_volume_has_frames():
    """Shapes that no sequence has: [B, input_size], and [B, C, frames, height, width]."""
    cell = analyse("torch.nn.RNNCell")
    inside, hidden, batch = sym("input_size"), sym("hidden_size"), sym("batch_size")
    assert cell.total.matmul_flops == 2 * batch * hidden * (inside + hidden)
    norm = analyse("torch.nn.BatchNorm3d")
    assert {s.name for s in norm.symbols} >= {"batch_size", "num_features", "num_frames", "image_height", "image_width"}


class Collects(torch.nn.Module):
    """Says whether garbage is looked for while it is made."""

    def __init__(self):
        super().__init__()
        self.collects = gc.isenabled()


def test_garbage_is_not_looked_for_while_building_and_is_afterwards() -> None:
    assert not build_class(Collects, {}).collects
    assert gc.isenabled()
    gc.disable()
    try:
        build_class(Collects, {})
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_while_tracing_garbage_is_looked_for_less_often() -> None:
    before = gc.get_threshold()
    try:
        for given, within in ((700, OBJECTS), (OBJECTS * 2, OBJECTS * 2), (0, 0)):
            gc.set_threshold(given, 10, 10)
            with seldom_collected():
                assert gc.get_threshold() == (within, 10, 10)
            assert gc.get_threshold() == (given, 10, 10)
    finally:
        gc.set_threshold(*before)
