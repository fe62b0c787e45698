# Numbers in fewer bits: what is stored, with its scales, and what the matrix units compute in. The three are separate
# choices (weights, activations, cache), because engines mix them freely: four bits that are widened before the product save
# memory and traffic and no arithmetic.
"""`quantisation(weights, activations, kv, config, hw)`: how a model's tensors are stored and multiplied."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from cutaway.errors import BadValue, nearest
from cutaway.hardware import Hardware, dtype_name

PROJECTIONS = frozenset({"qkv", "column", "row", "expert_column", "expert_row", "replicated"})


@dataclass(frozen=True)
class Format:
    """Bytes of an element and of the scales that go with it, and what a product of such weights computes in."""

    name: str
    element: float
    scales: float  # bytes a weight, for scales and zero points
    computes: str  # what activations are brought to, unless they are said to be something else

    @property
    def bytes(self) -> float:
        return self.element + self.scales


FORMATS = {
    f.name: f
    for f in (
        Format("fp32", 4, 0, "fp32"),
        Format("bf16", 2, 0, "bf16"),
        Format("fp16", 2, 0, "fp16"),
        Format("fp8", 1, 0, "fp8"),  # one scale a tensor
        Format("fp8_block", 1, 4 / 128**2, "fp8"),  # a float32 a block of 128 x 128
        Format("int8", 1, 0, "int8"),  # one scale a column
        Format(
            "int4", 0.5, 2.5 / 128, "bf16"
        ),  # a group of 128: a 16-bit scale and a 4-bit zero point; widened
        Format("nvfp4", 0.5, 1 / 16, "fp4"),  # an 8-bit scale a group of 16
        Format(
            "mxfp4", 0.5, 1 / 32, "bf16"
        ),  # an 8-bit exponent a group of 32; widened where there is no need to
    )
}
OTHER_NAMES = {
    "bfloat16": "bf16", "float16": "fp16", "half": "fp16", "float32": "fp32", "float": "fp32", "fp4": "nvfp4",
    "fp8_e4m3": "fp8", "float8": "fp8", "e4m3": "fp8", "w8a8": "int8", "awq": "int4", "gptq": "int4", "int4_wo": "int4",
}  # fmt: skip


@dataclass(frozen=True)
class Quant:
    """How tensors are stored. `roles` are those whose weights are in `weights`; all other weights stay in `plain`."""

    weights: Format
    activations: str  # what products of quantised weights compute in
    kv: Format
    plain: Format = FORMATS["bf16"]
    roles: frozenset[str] = PROJECTIONS

    def of(self, role: str) -> Format:
        """The format of the weights of this role."""
        return self.weights if role in self.roles else self.plain

    def computes(self, role: str) -> str:
        """The dtype of a product with weights of this role."""
        return self.activations if role in self.roles else self.plain.computes

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "weights": self.weights.name,
            "activations": self.activations,
            "kv": self.kv.name,
            "quantised_roles": sorted(self.roles) if self.weights != self.plain else [],
        }


def format_of(name: str) -> Format:
    """The format called `name`. Raises BadValue with the nearest names."""
    folded = name.casefold().removeprefix("torch.")
    found = FORMATS.get(OTHER_NAMES.get(folded, folded))
    if found is None:
        close = nearest(folded, [*FORMATS, *OTHER_NAMES]) or list(FORMATS)
        raise BadValue("unknown dtype", asked=name, known=", ".join(close))
    return found


def quantisation(
    weights: str | None,
    activations: str | None,
    kv: str | None,
    config: Mapping[str, Any] | None,
    hw: Hardware,
) -> Quant:
    """What was asked for, else what the config says, else 16 bits. Raises BadValue where the hardware cannot compute in it."""
    said = quantisation_of(config or {})
    plain = FORMATS["fp16"] if _dtype(config or {}) == "float16" else FORMATS["bf16"]
    stored = format_of(weights) if weights is not None else said.weights if said else plain
    computes = format_of(activations).computes if activations is not None else _computes(hw, stored, weights)
    if dtype_name(computes) not in hw.dtypes:
        asked = f"--activations {activations}" if activations else f"--weights {weights}"
        raise _cannot(hw, computes, asked, f"--activations {hw.nearest_dtype('bf16')}, to which such weights are widened")
    # A checkpoint that keeps some projections wide does so in whatever format it is.
    roles = said.roles if said and (not weights or stored == said.weights) else PROJECTIONS
    cache = format_of(kv) if kv is not None else said.kv if said and not weights else plain
    if kv is not None and cache.computes == "fp4" and "fp4" not in hw.dtypes:
        # The units that widen such a cache come with those that multiply in it.
        raise _cannot(hw, "fp4", f"--kv {kv}", "--kv fp8")
    return Quant(stored, computes, cache, plain, roles)


def _cannot(hw: Hardware, dtype: str, asked: str, instead: str) -> BadValue:
    return BadValue(
        f"{hw.title} has no matrix rate for {dtype}", asked=asked, known=f"it has {', '.join(hw.dtypes)}", try_=instead
    )


def _computes(hw: Hardware, stored: Format, asked: str | None) -> str:
    """What the format computes in; what a checkpoint alone says is widened where the device has no such unit."""
    if not asked and stored.computes not in hw.dtypes:
        return hw.nearest_dtype("bf16")
    return stored.computes


def quantisation_of(config: Mapping[str, Any]) -> Quant | None:
    """What a model's `quantization_config` says; None where it has none that is known."""
    said = config.get("quantization_config") or (config.get("text_config") or {}).get("quantization_config")
    if not isinstance(said, Mapping):
        return None
    stored = _stored(said)
    if stored is None:
        return None
    skipped = " ".join(str(p) for p in (said.get("modules_to_not_convert") or said.get("ignore") or ()))
    kv = said.get("kv_cache_quant_algo") or (said.get("kv_cache_scheme") or {}).get("num_bits")
    return Quant(
        stored, stored.computes, FORMATS["fp8"] if str(kv).lower() in ("fp8", "8") else FORMATS["bf16"],
        roles=PROJECTIONS - _kept_wide(skipped, config),
    )  # fmt: skip


def _stored(said: Mapping[str, Any]) -> Format | None:
    """The format by the method's name, or by the number of bits that a group of weights has."""
    method = str(said.get("quant_algo") or said.get("quant_method") or "").lower()
    if method in ("fp8", "fbgemm_fp8"):
        return FORMATS["fp8_block" if said.get("weight_block_size") else "fp8"]
    for name, found in (("mxfp4", "mxfp4"), ("nvfp4", "nvfp4"), ("awq", "int4"), ("gptq", "int4")):
        if name in method:
            bits = int(said.get("bits") or said.get("w_bit") or 4)
            return FORMATS["int8" if bits == 8 else found]
    groups = list((said.get("config_groups") or {}).values())
    weights = (groups[0].get("weights") or {}) if groups and isinstance(groups[0], Mapping) else {}
    bits, kind = weights.get("num_bits"), weights.get("type")
    if bits == 4:
        group = int(weights.get("group_size") or 128)
        found = FORMATS["nvfp4" if kind == "float" else "int4"]
        return found if kind == "float" else replace(found, scales=2 / group)
    return FORMATS["fp8" if kind == "float" else "int8"] if bits == 8 else None


def _kept_wide(skipped: str, config: Mapping[str, Any]) -> frozenset[str]:
    """Roles that patterns of module names leave out: attention's projections, shared experts and dense layers."""
    out = set()
    if re.search(r"attn|attention", skipped):
        out |= {"qkv", "replicated"}
        text = config.get("text_config") or config
        if any(text.get(k) for k in ("num_experts", "num_local_experts", "n_routed_experts")):
            out |= {
                "row",
                "column",
            }  # beside the experts there is attention's output, and shared experts at most
    return frozenset(out)


def _dtype(config: Mapping[str, Any]) -> str:
    return str(config.get("dtype") or config.get("torch_dtype") or "").removeprefix("torch.")
