# The nouns of a prediction: what one step of a model does (`Op`), what it keeps (`StateSpec`), and both for one phase
# (`Workload`). They are made from a trace once and travel as text, so they know nothing of torch, hardware or engines.
"""`Workload`: everything that a prediction needs of one model and phase."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cutaway.formula import Formula

KINDS = (
    "gemm", "grouped_gemm", "attention", "mla_attention", "scan",
    "norm", "elementwise", "gather", "softmax", "conv", "other",
)  # fmt: skip
ROLES = (
    "qkv", "column", "row", "vocab", "expert_column", "expert_row", "router", "attention",
    "norm", "activation", "embedding", "lm_head", "state", "replicated",
)  # fmt: skip
STATE_KINDS = ("kv", "latent", "window", "state")


@dataclass(frozen=True)
class Op:
    """One kind of fused kernel of a step, before sharding. Formulas are in batch_size, seq_len and cache_len;
    `read` and `write` also in a_bytes and kv_bytes, the sizes of an element of activations and of the cache.

    `dims` by kind:
      gemm: m, n, k. grouped_gemm: m (tokens), n, k, experts, top_k.
      attention, mla_attention: batch, q_len, kv_len, heads, kv_heads, head_dim, v_head_dim, window (0 is none), causal.
      scan: batch, length, heads, head_dim, state_dim. norm, elementwise, gather, softmax, conv, other: rows, width.
    """

    kind: str
    count: int  # how often per step (layers x …)
    role: str
    dims: dict[str, Formula | int]
    flops: Formula  # of one of the `count`
    matmul_flops: Formula
    weight_elements: int  # read by one of the `count`; of a gather, the table's
    read: Formula  # bytes of activations and cache; weights are counted apart
    write: Formula
    places: tuple[str, ...]  # path:line of the source lines that it comes from
    joins: bool = False  # cut by rows, its partial sums are added to those of a later op before they travel


@dataclass(frozen=True)
class StateSpec:
    """What `count` layers keep of each sequence between steps."""

    count: int
    kind: str  # kv | latent (compressed, the same for all heads) | window (kv of the last `window` tokens) | state
    elements_per_token: int  # of one layer
    elements_constant: int  # of one layer and sequence, whatever its length
    window: int = 0
    element_bytes: int = 0  # of a state that keeps a dtype of its own (float32: 4); 0 is that of the cache


@dataclass(frozen=True)
class Workload:
    """What one step of a model does in one phase, and what the model keeps."""

    model: str
    phase: str  # prefill | decode
    ops: tuple[Op, ...]
    parameters: int  # tied ones once
    weight_elements_by_role: dict[str, int]
    kv: tuple[StateSpec, ...]
    layers: int
    hidden_size: int
    max_positions: int  # 0 where the model knows no limit
    gaps: tuple[str, ...]

    @property
    def mixtures(self) -> int:
        """How many layers have experts."""
        return sum(op.count for op in self.ops if op.role == "expert_row")

    @property
    def chooses(self) -> bool:
        """Whether what is made of the last position is a choice of the next token, or nothing. An encoder of sentences turns it
        by a square matrix, as wide as the stream, into one that is as wide; no table has that many tokens."""
        heads = [op for op in self.ops if op.role == "lm_head"]
        tables = {op.weight_elements for op in self.ops if op.role == "embedding"}
        return not heads or any(op.dims["n"] != op.dims["k"] or op.weight_elements in tables for op in heads)

    @property
    def vocabulary(self) -> int:
        """How many tokens there are to choose from; 0 of a model that chooses none."""
        sizes = (op.dims["n"] for op in self.ops if op.role == "lm_head")
        return max((n if isinstance(n, int) else int(n.constant() or 0) for n in sizes), default=0)
