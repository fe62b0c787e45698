# A tensor as a cost sees it: symbolic dimensions, true dtype, and the role that decides which bytes symbol applies.
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cutaway.formula import Formula

ROLES = ("parameter", "buffer", "activation", "kv_cache")


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """Shape (one formula per dimension), dtype name (`bfloat16`), role, bytes per element, identity within a module."""

    dims: tuple[Formula, ...]
    dtype: str
    role: str
    element_bytes: Formula
    uid: int = -1  # the same number is the same tensor, within one module's record

    def __str__(self) -> str:
        return f"{self.dtype}[{', '.join(str(d).replace('{', '').replace('}', '') for d in self.dims)}]"
