# A config.json is where most of what can go wrong goes wrong: half a file, a size that is a string, heads
# that do not divide the width. Said here by field name, before any class is built from it.
"""Reading a model's config and checking that its sizes can be meant."""

import json
from pathlib import Path
from types import SimpleNamespace

from cutaway.errors import BadConfig

# Sizes that must be whole and positive, with the largest value that can be meant.
_LIMITS = {
    **dict.fromkeys(
        (
            "hidden_size",
            "d_model",
            "n_embd",
            "dim",
            "intermediate_size",
            "d_ff",
            "n_inner",
            "ffn_dim",
            "moe_intermediate_size",
            "shared_expert_intermediate_size",
            "encoder_ffn_dim",
            "decoder_ffn_dim",
            "ffn_hidden_size",
        ),
        10**7,
    ),
    **dict.fromkeys(
        (
            "num_attention_heads",
            "n_head",
            "n_heads",
            "num_heads",
            "num_key_value_heads",
            "encoder_attention_heads",
            "decoder_attention_heads",
        ),
        10**5,
    ),
    **dict.fromkeys(
        ("num_hidden_layers", "n_layer", "n_layers", "num_layers", "encoder_layers", "decoder_layers"), 10**5
    ),
    **dict.fromkeys(
        ("head_dim", "d_kv", "v_head_dim", "qk_nope_head_dim", "kv_lora_rank", "kv_channels"), 10**6
    ),
    **dict.fromkeys(("num_experts", "num_local_experts", "n_routed_experts"), 10**6),
    **dict.fromkeys(("num_experts_per_tok",), 10**5),
    "vocab_size": 10**9,
    "max_position_embeddings": 10**10,
}
# Zero says "there is none" for these, so only a negative number is wrong.
_MAY_BE_ZERO = {
    "num_experts",
    "num_local_experts",
    "n_routed_experts",
    "num_experts_per_tok",
    "v_head_dim",
    "qk_nope_head_dim",
    "kv_lora_rank",
    "moe_intermediate_size",
    "shared_expert_intermediate_size",
}


def read_config(path: Path) -> dict:
    """The config in `path`, checked. `Infinity` and `NaN` are read, as Transformers writes them."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadConfig("the config cannot be read", where=str(path), known=str(error)) from error
    try:
        config = json.loads(text)
    except json.JSONDecodeError as error:
        raise BadConfig(
            "the config is not JSON",
            where=f"{path}:{error.lineno}:{error.colno}",
            known=error.msg + _line(text, error.lineno),
        ) from error
    except RecursionError as error:
        raise BadConfig("the config is nested too deeply", where=str(path)) from error
    return check_config(config, str(path))


def check_config(config: object, where: str) -> dict:
    """`config` itself if a model may be built from it, else BadConfig that names the field."""
    if not isinstance(config, dict):
        raise BadConfig("a config is a JSON object", where=where, known=f"this is a {type(config).__name__}")
    if not isinstance(config.get("model_type"), str) or not config["model_type"]:
        raise BadConfig(
            "the config does not say its model_type",
            where=where,
            known=_keys(config),
            try_='add "model_type": "llama", or whichever it is',
        )
    check_sizes(config, where)
    return config


def check_sizes(config: dict, where: str, prefix: str = "") -> None:
    """Every size whole, positive and sane, here and in nested configs such as `text_config`."""
    for name, value in config.items():
        if isinstance(value, dict) and name.endswith("_config"):
            check_sizes(value, where, f"{prefix}{name}.")
        elif name in _LIMITS and value is not None:
            for one in value if isinstance(value, list) else [value]:
                _check_size(name, one, f"{where}: {prefix}{name}")
    _check_groups(config, where, prefix)


def check_heads(config: object, where: str) -> None:
    """On a loaded config: without `head_dim`, the heads must divide the width."""
    hidden, heads = (_field(config, name) for name in ("hidden_size", "num_attention_heads"))
    if not (_is_size(hidden) and _is_size(heads)) or _has_own_head_dim(config):
        return
    if hidden % heads:
        raise BadConfig(
            f"hidden_size {hidden} cannot be split over num_attention_heads {heads}",
            where=where,
            known="the config gives no head_dim",
            try_="correct one of them, or add head_dim",
        )


def check_heads_of_dict(config: dict, where: str) -> None:
    """The same for a config dict that could not be loaded, and for the configs nested in it."""
    check_heads(SimpleNamespace(**config), where)
    for name, value in config.items():
        if isinstance(value, dict) and name.endswith("_config"):
            check_heads_of_dict(value, f"{where}: {name}")


def _check_size(name: str, value: object, where: str) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadConfig(f"{name} must be a whole number", where=where, known=f"it is {value!r}")
    smallest = 0 if name in _MAY_BE_ZERO else 1
    if value < smallest:
        raise BadConfig(f"{name} must be at least {smallest}", where=where, known=f"it is {value}")
    if value > _LIMITS[name]:
        raise BadConfig(
            f"{name} is too large to be meant",
            where=where,
            known=f"it is {value:,}; the limit is {_LIMITS[name]:,}",
        )


def _check_groups(config: dict, where: str, prefix: str) -> None:
    heads, groups = config.get("num_attention_heads"), config.get("num_key_value_heads")
    if _is_size(heads) and _is_size(groups) and heads % groups:
        raise BadConfig(
            f"num_attention_heads {heads} is no multiple of num_key_value_heads {groups}",
            where=f"{where}: {prefix}num_key_value_heads",
        )


def _is_size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _has_own_head_dim(config: object) -> bool:
    """Whether the width of a head is given apart from hidden_size."""
    names = (
        "head_dim",
        "attention_head_dim",
        "d_kv",
        "v_head_dim",
        "kv_lora_rank",
        "kv_channels",
        "head_size",
        "attention_hidden_size",
        "mamba_head_dim",
        "state_size",
    )
    return any(_is_size(_field(config, name)) for name in names)


def _field(config: object, name: str) -> object:
    """A field of a loaded config; one that differs by layer refuses to be read, and counts as 1."""
    try:
        return getattr(config, name, None)
    except Exception:
        return 1


def _line(text: str, number: int) -> str:
    lines = text.splitlines()
    return f"\n{lines[number - 1].strip()[:70]}" if 0 < number <= len(lines) else ""


def _keys(config: dict) -> str:
    return "its keys: " + ", ".join(sorted(config)[:8]) if config else "it is empty"
