# The result of `cost`: one value that prints, serialises and evaluates; renderers live in `report/`.
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from cutaway.model.convention import Convention
from cutaway.model.kernel import Cost, Module
from cutaway.model.place import Gap

if TYPE_CHECKING:
    from cutaway.formula import Formula

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class SymbolInfo:
    """A symbol of this analysis: what it means, its unit, and the value it takes when none is given."""

    name: str
    meaning: str
    unit: str
    default: int | None = None


@dataclass(frozen=True, slots=True)
class ParameterCount:
    """Parameters, tied ones once. `bytes` in the dtypes of the traced model, as a formula in `w_bytes`."""

    total: Formula
    trainable: Formula
    frozen: Formula
    bytes: Formula
    by_module: tuple[tuple[str, Formula], ...] = ()


@dataclass(frozen=True)
class Analysis:
    """What one forward pass computes and moves, derived by running it once on symbolic tensors.

    `modules[0]` is the traced module itself; its calls point into `modules`.
    `valid_when` are the conditions under which the formulas hold: the branches that the code took.
    """

    target: str
    source: Mapping[str, Any]  # {"package", "version", "files": {path: sha256[:16]}}
    convention: Convention
    phase: str
    symbols: tuple[SymbolInfo, ...]
    valid_when: tuple[str, ...]
    parameters: ParameterCount
    total: Cost
    fused: Cost
    useful_flops: Formula  # causal attention counted as the triangle
    kv_cache_bytes: Formula
    modules: tuple[Module, ...]
    gaps: tuple[Gap, ...]
    assumptions: tuple[str, ...] = ()
    values: Mapping[str, int] = field(default_factory=dict)  # what --set gave

    @property
    def approximate(self) -> bool:
        """Whether totals may be too low or too high, because of what only one run says."""
        return any(gap.approximate for gap in self.gaps)

    @property
    def at_least(self) -> bool:
        """Whether totals are lower bounds because something under them has no price."""
        return bool(self.gaps) and not self.approximate

    @property
    def bound(self) -> str:
        """What stands before totals: `≥ `, `≈ ` or nothing."""
        return "≈ " if self.approximate else "≥ " if self.gaps else ""

    def totals_only(self) -> Analysis:
        """The same answer with the traced module alone, and without its kernels and lines."""
        root = self.modules[0]
        return replace(self, modules=(replace(root, steps=(), lines=(), own=self.total),))
