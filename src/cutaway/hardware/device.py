# One device as a value, in SI units. It answers "how fast in this dtype" and refuses what the device cannot do,
# because a silent stand-in (sparse for dense, fp8 for fp4) is the commonest error of such sheets.
"""`Hardware`, and the names that dtypes go by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from cutaway.errors import BadValue, nearest

DTYPES = ("fp32", "tf32", "bf16", "fp16", "fp8", "int8", "int4", "fp4")
_OTHER_NAMES = {
    "float32": "fp32", "float": "fp32", "bfloat16": "bf16", "float16": "fp16", "half": "fp16",
    "float8": "fp8", "fp8_e4m3": "fp8", "fp8_e5m2": "fp8", "e4m3": "fp8", "float8_e4m3fn": "fp8", "fp8_block": "fp8",
    "nvfp4": "fp4", "mxfp4": "fp4", "float4": "fp4", "w8a8": "int8",
}  # fmt: skip


@dataclass(frozen=True)
class Hardware:
    """One device. Rates are FLOP/s or OP/s, dense; bandwidths are bytes/s, links in one direction.

    `sources` says for `device`, `inter_node` and `price` which document the figures are from.
    """

    name: str
    title: str
    vendor: str
    architecture: str
    units: int  # SMs, CUs, cores: what work is spread over
    capacity: int  # bytes that the driver reports
    bandwidth: float
    cache: float | None  # last level, bytes
    power: float | None  # W, the limit of the board
    devices_per_node: int
    matrix: Mapping[str, float]
    vector: Mapping[str, float]
    links: Mapping[str, float]  # nvlink, xgmi, ici, host (by way of the host's memory), pcie, inter_node
    price: float | None  # USD per hour of one device
    price_date: str | None
    aliases: tuple[str, ...]
    sources: Mapping[str, str]

    def peak(self, dtype: str = "bf16") -> float:
        """Dense matrix rate in FLOP/s. Raises BadValue, with the nearest that the device has.

        fp32 without a matrix unit for it is the vector rate.
        """
        name = dtype_name(dtype)
        rate = self.matrix.get(name) or (self.vector.get("fp32") if name == "fp32" else None)
        if rate is None:
            raise BadValue(
                f"{self.title} has no matrix rate for {name}",
                asked=f"{self.name} {dtype}",
                known=f"nearest: {self.nearest_dtype(name)}; it has {', '.join(self.dtypes)}",
                try_="another dtype for the matmul; weights may be stored in fewer bits than they are computed in",
            )
        return rate

    def vector_peak(self, dtype: str = "fp32") -> float:
        """Rate outside the matrix units in FLOP/s; a dtype that has none of its own runs at that of fp32."""
        name = dtype_name(dtype)
        return self.vector.get(name) or self.vector.get("fp32") or self.peak("bf16") / 16

    @property
    def dtypes(self) -> tuple[str, ...]:
        """What `peak` knows, widest first."""
        return tuple(d for d in DTYPES if d in self.matrix or (d == "fp32" and "fp32" in self.vector))

    def nearest_dtype(self, dtype: str) -> str:
        """What the device has that is least wider than `dtype`, else its narrowest."""
        have, order = self.dtypes, DTYPES.index(dtype_name(dtype))
        floating = [d for d in have if d.startswith("int") == dtype_name(dtype).startswith("int")]
        wider = [d for d in floating if DTYPES.index(d) <= order]
        return (wider or list(have))[-1]

    @property
    def link(self) -> float | None:
        """Bytes/s in one direction to a neighbour in the node, by its best link."""
        return next((self.links[k] for k in ("nvlink", "xgmi", "ici", "host", "pcie") if k in self.links), None)

    def to_dict(self) -> dict:
        """For JSON; SI units as above."""
        plain = {k: dict(v) if isinstance(v, MappingProxyType) else v for k, v in vars(self).items()}
        return {**plain, "aliases": list(self.aliases), "dtypes": list(self.dtypes)}


@cache
def dtype_name(dtype: str) -> str:
    """The sheet's name of `dtype`. Raises BadValue with the nearest names.

    >>> dtype_name("torch.bfloat16")
    'bf16'
    """
    folded = str(dtype).casefold().removeprefix("torch.")
    name = _OTHER_NAMES.get(folded, folded)
    if name not in DTYPES:
        close = nearest(folded, [*DTYPES, *_OTHER_NAMES])
        known = f"nearest: {', '.join(close)}" if close else ", ".join(DTYPES)
        raise BadValue("unknown dtype", asked=str(dtype), known=known)
    return name
