# Architecture parameters as symbols: a config's own sizes become integers that carry their name, and the model is then
# built by its own, unmodified constructor. The values given to them are chosen so that no two sizes are equal by
# accident; where a model does not accept them, fewer of its parameters are made symbols.
from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cutaway.trace.dim import Scope

# canonical name -> the names that configs use for it (looked up through `attribute_map` too), most general first
FIELDS: dict[str, tuple[str, ...]] = {
    "hidden_size": ("hidden_size", "n_embd", "d_model", "dim"),
    "num_heads": ("num_attention_heads", "n_head", "num_heads", "n_heads"),
    "num_key_value_heads": ("num_key_value_heads", "num_kv_heads"),
    "head_dim": ("head_dim", "d_kv"),
    "intermediate_size": ("intermediate_size", "ffn_dim", "d_ff", "n_inner", "ffn_hidden_size"),
    "moe_intermediate_size": ("moe_intermediate_size",),
    "num_experts": ("num_experts", "num_local_experts", "n_routed_experts"),
    "top_k": ("num_experts_per_tok", "num_experts_per_token", "moe_topk"),
    "vocab_size": ("vocab_size",),
    "q_lora_rank": ("q_lora_rank",),
    "kv_lora_rank": ("kv_lora_rank",),
    "qk_nope_head_dim": ("qk_nope_head_dim",),
    "qk_rope_head_dim": ("qk_rope_head_dim",),
    "v_head_dim": ("v_head_dim",),
    "state_size": ("state_size", "mamba_d_state", "ssm_state_size"),
}

# Unusual values that keep the relations most models ask for: heads divide into key-value heads, even head sizes,
# experts divide into groups, rows of 16-bit numbers start at multiples of 16 bytes. Two sets: one to trace, one to check.
VALUES = {
    "hidden_size": 6176,
    "num_heads": 123,
    "num_key_value_heads": 41,
    "head_dim": 104,
    "intermediate_size": 15848,
    "moe_intermediate_size": 1720,
    "num_experts": 344,
    "top_k": 33,
    "vocab_size": 50021,
    "q_lora_rank": 760,
    "kv_lora_rank": 376,
    "qk_nope_head_dim": 88,
    "qk_rope_head_dim": 56,
    "v_head_dim": 136,
    "state_size": 79,
}
CHECK = {
    "hidden_size": 7048,
    "num_heads": 129,
    "num_key_value_heads": 43,
    "head_dim": 120,
    "intermediate_size": 16424,
    "moe_intermediate_size": 1768,
    "num_experts": 376,
    "top_k": 35,
    "vocab_size": 50053,
    "q_lora_rank": 792,
    "kv_lora_rank": 392,
    "qk_nope_head_dim": 72,
    "qk_rope_head_dim": 40,
    "v_head_dim": 152,
    "state_size": 83,
}

# What is given up first when a model does not build or run with all of them.
_EXPERTS = ("num_experts", "top_k")
_HEADS = (*_EXPERTS, "head_dim", "num_key_value_heads", "num_heads")
_INNER = (*_HEADS, "state_size", "qk_rope_head_dim")
GIVEN_UP = (
    (),
    _EXPERTS,
    (*_EXPERTS, "state_size"),
    (*_EXPERTS, "num_key_value_heads"),
    (*_EXPERTS, "head_dim"),
    _HEADS,
    _INNER,
    (*_INNER, "hidden_size"),
    tuple(FIELDS),
)


@dataclass(frozen=True)
class Parameter:
    """One architecture parameter of a config: its canonical name, the config's own field, the value it has there."""

    name: str
    field: str
    default: int


def parameters_of(config: Any) -> tuple[Parameter, ...]:
    """The architecture parameters that this config has, by canonical name."""
    found: dict[str, Parameter] = {}
    fields: set[str] = set()
    mapped = getattr(type(config), "attribute_map", {}) or {}
    for name, candidates in FIELDS.items():
        for candidate in candidates:
            field = mapped.get(candidate, candidate)
            value = vars(config).get(field)
            if type(value) is int and value > 1 and field not in fields and name in VALUES:
                found[name] = Parameter(name, field, value)
                fields.add(field)
                break
    if _same_default(found, "head_dim", "qk_rope_head_dim"):
        del found["head_dim"]  # follows: see `put`
    return tuple(found.values())


def _same_default(found: Mapping[str, Parameter], a: str, b: str) -> bool:
    return a in found and b in found and found[a].default == found[b].default


def attempts(config: Any) -> Iterator[dict[str, Parameter]]:
    """Sets of parameters to make symbols, the fullest first, each once."""
    all_of_them = {p.name: p for p in parameters_of(config)}
    seen = set()
    shared = (
        ("num_key_value_heads",) if _same_default(all_of_them, "num_key_value_heads", "num_heads") else ()
    )
    for without in (*GIVEN_UP[:1], shared, *GIVEN_UP[1:]):
        some = {n: p for n, p in all_of_them.items() if n not in without}
        if (key := frozenset(some)) not in seen:
            seen.add(key)
            yield some


def hints_for(config: Any, parameters: Mapping[str, Parameter], turn: int = 0) -> dict[str, int]:
    """The value that each symbol takes in the trace; `turn=1` for the values of the check."""
    table = VALUES if turn == 0 else CHECK
    hints = {n: table[n] for n in parameters}
    if "num_heads" in hints and "num_key_value_heads" not in hints:
        hints["num_heads"] = 120 if turn == 0 else 136
    if "hidden_size" in hints and "head_dim" not in hints:
        hints["hidden_size"] = hints.get("num_heads", 64) * table["head_dim"]
    if _expands(config, parameters):
        hints["hidden_size"] = hints.pop("num_heads") * hints["head_dim"] // vars(config)["expand"]
    return hints


def _expands(config: Any, parameters: Mapping[str, Parameter]) -> bool:
    """Whether heads share an expanded width, as in state-space models: heads * head_dim = expand * hidden_size."""
    return (
        type(vars(config).get("expand")) is int
        and {"hidden_size", "num_heads", "head_dim"} <= parameters.keys()
    )


def _follow(config: Any, parameters: Mapping[str, Parameter], scope: Scope) -> None:
    """Sizes that a config repeats under another name stay equal to the one that was made a symbol."""
    everything = {
        n: (f, vars(config).get(f)) for n in FIELDS for f in FIELDS[n] if type(vars(config).get(f)) is int
    }
    for follower, leader in (("head_dim", "qk_rope_head_dim"), ("num_key_value_heads", "num_heads")):
        field, value = everything.get(follower, ("", None))
        if (
            field
            and follower not in parameters
            and leader in parameters
            and parameters[leader].default == value
        ):
            object.__setattr__(config, field, scope.dim(leader))


def put(config: Any, parameters: Mapping[str, Parameter], scope: Scope) -> None:
    """Give the config symbols in place of its own numbers; validators are passed by, their rules are kept by the values."""
    _follow(config, parameters, scope)
    for name, p in parameters.items():
        if name in scope.hints:
            object.__setattr__(config, p.field, scope.dim(name))
    if (
        "head_dim" not in parameters
        and type(vars(config).get("head_dim")) is int
        and {"hidden_size", "num_heads"} <= parameters.keys()
    ):
        object.__setattr__(config, "head_dim", scope.dim("hidden_size") // scope.dim("num_heads"))
    if _expands(config, parameters):
        width = scope.dim("hidden_size") * vars(config)["expand"]
        object.__setattr__(config, parameters["num_heads"].field, width // scope.dim("head_dim"))
    if {"qk_nope_head_dim", "qk_rope_head_dim"} <= parameters.keys() and "qk_head_dim" in vars(config):
        object.__setattr__(
            config, "qk_head_dim", scope.dim("qk_nope_head_dim") + scope.dim("qk_rope_head_dim")
        )
