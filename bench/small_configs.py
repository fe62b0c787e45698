"""Small, valid configs of every Transformers model type, for coverage runs and tests.

Trying a tool on 600 architectures needs 600 models that fit on a laptop and keep what makes each of them
special: grouped heads, windows, hybrid layer patterns, latent attention, experts. Writing them by hand
would freeze today's list, so a config is shrunk by the *names* of its size fields (the vocabulary of names
is small and shared); only where that gives an invalid model does `small_overrides.py` add a line.
"""

from __future__ import annotations

import re
from dataclasses import fields
from typing import Any

from small_overrides import CONFIG_OVERRIDES, FIELD_VALUES
from transformers import PreTrainedConfig
from transformers.models.auto import modeling_auto
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

MIN_LAYERS, MAX_LAYERS = 4, 8
VOCAB = 320

# (name pattern, new value): the first pattern that matches decides; no match leaves the field alone.
# A small default is kept: `min` never makes a model larger than its author's.
SIZES: list[tuple[str, Any]] = [
    (r"(patch|image|crop|tile|kernel|window|chunk|block|stride|pool|codebook|beam|group).*_size$", None),
    (r"^vocab_size|_vocab_size$|^vocab_size_per_layer_input$", VOCAB),
    (r"^(hidden_size|d_model|n_embd|dim|embed_dim|hidden_dim|dim_model|model_dim|encoder_hidden_size)$", 64),
    (r"^(embedding_size|word_embed_proj_dim|out_hidden_size|projection_dim|attention_hidden_size)$", 64),
    (r"^(cross_attention_dim|cross_attention_hidden_size|backbone_hidden_size|lstm_dim)$", 64),
    (r"(kv_lora_rank|o_lora_rank|q_lora_rank|laurel_rank|lowrank)", 16),
    (r"^(qk_rope_head_dim|rotary_dim|rope_head_dim)$", 8),
    (r"^(head_dim|attention_head_dim|kv_channels|.*_head_dim|dim_head|d_kv|mamba_d_head|d_head)$", 16),
    (r"(moe|expert).*(intermediate|ffn_hidden)_size|^moe_ffn_dim$", 32),
    (r"(intermediate|ffn|feed_forward|ff|mlp|inner).*(size|dim)$|^(d_ff|dff|n_inner|mlp_dim)$", 96),
    (r"(state_size|d_state)$", 8),
    (r"(dt_rank|time_step_rank)$", 4),
    (r"^(topk_group|n_group|num_expert_group)$", 2),
    (r"^(num_experts|n_routed_experts|num_local_experts|moe_num_experts|zero_expert_num)$", 8),
    (r"^(num_experts_per_tok|num_experts_per_token|top_k|moe_topk|moe_k)$", 2),
    (r"^(max_position_embeddings|n_positions|n_ctx|max_seq_len|max_sequence_length)$", 512),
]
HEADS = r"^(n_heads?|num_heads|.*attention_heads|linear_num_.*heads|mamba_n_heads|index_n_heads)$"
KV_HEADS = r"^(.*num_key_value_heads|num_kv_heads|kv_n_heads|multi_query_group_num)$"
LAYERS = (
    r"^(num_hidden_layers|n_layers?|num_layers|.*encoder_layers|.*decoder_layers|num_blocks|depth|num_block)$"
)
PERIOD = r"(period|interval|every_n_layers|layer_group_size|sliding_window_pattern)$"
STAGES = (
    r"^(depths|num_heads|hidden_sizes|encoder_hidden_sizes|embed_dims|stage_.*|num_channels|backbone_.*|.*_per_stage)$"
)
# Sizes that one part of a composite keeps of another: they shrink as that part's width does.
SHARED = (
    r"^((text|audio|vision|visual|speech|llm|lm|condition|backbone|adapter|output|out|fpn|encoder|decoder|media|qformer)_)"
    r"(hidden_size|hidden_dim|dim|size|channels|in_channels|input_size|intermediate_size)$"
)
# Detectors choose their queries among the tokens of the image.
QUERIES = r"^(num_queries|two_stage_num_proposals|num_object_queries)$"
WIDTH = r"^(hidden_size|d_model|dim|embed_dim)$"
SEQUENCE_MODEL = r"heads?$|vocab_size|state_size|d_state|num_hidden_layers|kv_n_heads"
TOKEN_ID = r"_token_(id|index)$"


def small_model(model_type: str, head: str = "CausalLM") -> tuple[PreTrainedConfig, type]:
    """The small config of a model type, and the class that the auto map of `head` names for it."""
    import transformers

    class_name = auto_map(head)[model_type]
    class_name = class_name[0] if isinstance(class_name, (tuple, list)) else class_name
    cls = getattr(transformers, class_name)
    config_class = cls.config_class or CONFIG_MAPPING[model_type]
    config = small_config(config_class)
    if head == "CausalLM" and not config.is_encoder_decoder and hasattr(config, "is_decoder"):
        config.is_decoder = True  # encoders of the BERT family are language models only when told so
    if "SequenceClassification" in class_name:  # to find the last token of each row
        for part in (config, config.get_text_config()):
            part.pad_token_id = part.pad_token_id or 0
    if "EncoderModel" in class_name and config.is_encoder_decoder:
        config.is_encoder_decoder = False  # the encoder alone
    if "ImageTextRetrieval" in class_name:
        config.image_token_index = None  # its texts have no places for images
    if config.model_type == "reformer":
        config.is_decoder = "LMHead" in class_name  # the class insists on one or the other
    return config, cls


def auto_map(head: str) -> dict[str, str]:
    """The auto map behind a short name: `CausalLM`, `MaskedLM`, or a full `MODEL_..._NAMES`."""
    full = head.upper() if head.upper().startswith("MODEL_") else f"MODEL_FOR_{_snake(head)}_MAPPING_NAMES"
    return dict(getattr(modeling_auto, full))


def all_maps() -> list[str]:
    """Every auto map's full name, the one for causal LMs first."""
    names = sorted(n for n in dir(modeling_auto) if n.startswith("MODEL_") and n.endswith("_NAMES"))
    return sorted(names, key=lambda n: n != "MODEL_FOR_CAUSAL_LM_MAPPING_NAMES")


def small_config(config_class: type[PreTrainedConfig]) -> PreTrainedConfig:
    """A small instance of a config class: its default, every known size field shrunk."""
    config = config_class(**FIELD_VALUES.get(config_class.model_type, {}))
    return shrink(config, {}, shared_widths(config))


def shared_widths(config: PreTrainedConfig) -> dict[int, int]:
    """Widths of the parts of a composite before and after shrinking."""
    names = [f.name for f in fields(config)]
    current = {n: read(config, n) for n in names}
    known = CONFIG_OVERRIDES.get(config.model_type, {})
    found = {}
    for part in current.values():
        found |= shared_widths(part) if isinstance(part, PreTrainedConfig) else {}
    if not is_hierarchical(current):
        widths = {n: v for n, v in current.items() if type(v) is int and re.search(WIDTH, n)}
        found |= {v: known.get(n, small_value(n, v, current)) for n, v in widths.items()}
    return found


def shrink(
    config: PreTrainedConfig, overrides: dict[str, Any], widths: dict[int, int]
) -> PreTrainedConfig:
    """The same kind of config with small sizes; sub-configs are shrunk by the same rules."""
    overrides = {**CONFIG_OVERRIDES.get(config.model_type, {}), **overrides}
    names = {f.name for f in fields(config)}
    current = {n: read(config, n) for n in sorted(names) if not n.startswith("_")}
    numbers = {n: v for n, v in current.items() if type(v) is int}
    small = {n: v for n, old in numbers.items() if (v := small_value(n, old, current)) != old}
    small |= small_rope(current)
    small = named(small) if is_hierarchical(current) else small | small_layers(current)
    small |= {n: min(v, 8) for n, v in numbers.items() if re.search(QUERIES, n)}
    small |= {
        n: new for n, v in current.items() if re.search(SHARED, n) and (new := narrower(v, widths)) != v
    }
    parts = {n: v for n, v in current.items() if isinstance(v, PreTrainedConfig)}
    small |= {n: shrink(v, overrides.get(n, {}), widths) for n, v in parts.items()}
    if "vocab_size" in current and current["vocab_size"] is None:
        small["vocab_size"] = VOCAB  # recognisers leave it to the fine-tuned model
    if current.get("pad_token_id") is None:
        small["pad_token_id"] = None
    given = FIELD_VALUES.get(config.model_type, {}) if not parts else {}
    given = {**chosen(config, current, small), **given}
    return type(config)(**{**given, **small, **{n: v for n, v in overrides.items() if n not in parts}})


def named(small: dict[str, Any]) -> dict[str, Any]:
    """Special tokens alone: the vocabulary is small in every model."""
    return {n: v for n, v in small.items() if re.search(TOKEN_ID, n)}


def narrower(value: Any, widths: dict[int, int]) -> Any:
    """A width, or a list of widths, as the part that it belongs to has it after shrinking."""
    if isinstance(value, (list, tuple)):
        return type(value)(narrower(v, widths) for v in value)
    return widths.get(value, value) if type(value) is int else value


def chosen(config: PreTrainedConfig, current: dict[str, Any], small: dict[str, Any]) -> dict[str, Any]:
    """What a composite chose for this part: the stages that a backbone gives, numbers of features."""
    plain = type(config)(**FIELD_VALUES.get(config.model_type, {}))  # some defaults are no valid model
    other = {n: v for n, v in current.items() if n not in small and v != read(plain, n)}
    stages = read(config, "out_indices")
    if stages and list(stages) != list(read(plain, "out_indices")):
        if not is_hierarchical(current):  # of few layers the last ones, as many
            last = small.get("num_hidden_layers", current.get("num_hidden_layers")) or len(stages)
            stages = range(max(1, last - len(stages) + 1), last + 1)
        other = {n: v for n, v in other.items() if n != "out_features"} | {"out_indices": list(stages)}
    other |= {n: v for n, v in vars(config).items() if not n.startswith("_") and n not in {*vars(plain), *current}}
    return {n: v for n, v in other.items() if n not in ("transformers_version", "architectures", "dtype")}


def is_hierarchical(current: dict[str, Any]) -> bool:
    """Convolution nets and pyramids: widths come in lists per stage that must agree, and are small."""
    if any(isinstance(v, (list, tuple)) and re.search(STAGES, n) for n, v in current.items()):
        return True
    return not any(type(v) is int and re.search(SEQUENCE_MODEL, n) for n, v in current.items())


def small_rope(current: dict[str, Any]) -> dict[str, Any]:
    """Sections of a multimodal rotary embedding, scaled with the head they divide."""
    rope = current.get("rope_parameters")
    sections = rope.get("mrope_section") if isinstance(rope, dict) else None
    if not sections:
        return {}
    heads = current.get("num_attention_heads") or 1
    head_dim = current.get("head_dim") or current["hidden_size"] // heads
    half = sum(sections) * 16 // head_dim
    return {"rope_parameters": {**rope, "mrope_section": [half - 2 * (half // 3), half // 3, half // 3]}}


def read(config: PreTrainedConfig, name: str) -> Any:
    """A field's value; for one that differs by layer, the default of its class."""
    try:
        return getattr(config, name, None)
    except RuntimeError:
        return next(f.default for f in fields(config) if f.name == name)


def small_value(name: str, old: Any, current: dict[str, Any]) -> Any:
    if re.search(TOKEN_ID, name):
        return old if old < VOCAB - 20 else VOCAB - 20 + _rank(name, current)
    if name == "image_size":
        return min(old, 4 * current["patch_size"] if type(current.get("patch_size")) is int else 224)
    if re.search(KV_HEADS, name):
        return small_kv_heads(name, old, current)
    if re.search(HEADS, name):
        return min(old, 4)
    if name == "window_size" and type(patch := current.get("patch_size")) is int and old % (2 * patch) == 0:
        return min(old, 4 * patch)  # in pixels
    if re.search(r"window", name) and re.search(r"^(sliding_window|.*window_size|attention_window)$", name):
        return old if old <= 8 else 8
    for pattern, size in SIZES:
        if re.search(pattern, name):
            return old if size is None else min(old, size)
    return old


def small_kv_heads(name: str, old: int, current: dict[str, Any]) -> int:
    """Keep the kind: one head for all queries, one per query head, or groups."""
    prefix = name.split("num_")[0] if "num_" in name else ""
    heads = (
        current.get(f"{prefix}num_attention_heads") or current.get("num_heads") or current.get("n_heads") or 0
    )
    return old if old <= 1 else (4 if old == heads else 2)


def small_layers(current: dict[str, Any]) -> dict[str, Any]:
    """Few layers, every kind among them: a list per layer is cut to the first of each kind, in order."""
    counts = {n: v for n, v in current.items() if re.search(LAYERS, n) and isinstance(v, int) and v > 0}
    out: dict[str, Any] = {}
    for name, count in counts.items():
        lists = {n: v for n, v in current.items() if is_per_layer(v, count)}
        kinds = list(zip(*(map(str, v) for v in lists.values()), strict=True))
        keep = kept_layers(kinds) if lists else list(range(layer_count(current, count)))
        out[name] = len(keep)
        out |= {n: [v[i] for i in keep] for n, v in lists.items()}
        out |= {n: [i for i in v if i < len(keep)] for n, v in current.items() if is_index_list(v, count)}
    return out


def is_per_layer(value: Any, count: int) -> bool:
    """One entry per layer, as opposed to a list of layers' numbers."""
    return isinstance(value, (list, tuple)) and len(value) == count > 4 and not is_index_list(value, count)


def is_index_list(value: Any, count: int) -> bool:
    """Numbers of layers, rising: which of them are experts, cross-attention, feature outputs."""
    if not isinstance(value, (list, tuple)) or not all(type(v) is int for v in value):
        return False
    return len(value) > 1 and list(value) == sorted(set(value)) and value[0] >= 0 and value[-1] < count


def kept_layers(kinds: list[tuple]) -> list[int]:
    firsts = sorted({kinds.index(kind) for kind in kinds})
    prefix = max(firsts) + 1
    if prefix <= MAX_LAYERS or len(firsts) > MAX_LAYERS:
        return list(range(min(len(kinds), max(min(prefix, MAX_LAYERS), MIN_LAYERS))))
    more = [i for i in range(len(kinds)) if i not in firsts][: max(0, MIN_LAYERS - len(firsts))]
    return sorted([*firsts, *more])


def layer_count(current: dict[str, Any], count: int) -> int:
    periods = [v for n, v in current.items() if re.search(PERIOD, n) and isinstance(v, int) and v > 0]
    dense = [v + 1 for n, v in current.items() if n == "first_k_dense_replace" and isinstance(v, int)]
    return min(count, max([MIN_LAYERS, *(p for p in periods if p <= MAX_LAYERS), *dense]))


def _rank(name: str, current: dict[str, Any]) -> int:
    """A place among the special tokens, so that two of them stay distinct."""
    special = [n for n in current if re.search(TOKEN_ID, n)]
    return special.index(name) % 20


def _snake(head: str) -> str:
    """`CausalLM` -> `CAUSAL_LM`."""
    return "_".join(re.findall(r"[A-Z]+(?![a-z])|[A-Z][a-z]*|\d+", head)).upper()
