# A model over several devices: each kernel is cut by its role, and what must travel follows from that. Heads and columns go
# to different devices, rows end in a sum; experts are spread whole, or cut; what no role cuts is done by all.
"""`Parallel`, `cut(op, …)` and `collectives(workload, …)`."""

from __future__ import annotations

from dataclasses import dataclass, replace

from cutaway.errors import BadValue
from cutaway.formula import Formula, const
from cutaway.predict.types import Op, Workload

COLUMNS = ("qkv", "column", "lm_head", "vocab")
ROWS = ("row",)


@dataclass(frozen=True)
class Parallel:
    """tp: devices that share each layer. pp: stages. ep: groups that the experts are spread over whole. dp: copies of the
    attention; with experts spread over them (`ep` x `moe_tp` = `tp` x `dp`) they meet in each layer, else they are apart.

    sp: norms and residual streams are cut by tokens (their sum is a reduce-scatter, and an all-gather follows).
    """

    tp: int = 1
    pp: int = 1
    ep: int = 1
    dp: int = 1
    moe_tp: int = 0  # 0: what is left of the devices
    sp: bool = False

    def __post_init__(self) -> None:
        for name in ("tp", "pp", "ep", "dp"):
            value = getattr(self, name)
            if not isinstance(value, int) or not 1 <= value <= 4096:
                raise BadValue(f"{name} must be a whole number from 1 to 4096", asked=f"--{name} {value}")
        spread = self.tp * self.dp if self.ep > self.tp or (self.ep > 1 and self.dp > 1) else self.tp
        own = self.moe_tp or max(1, spread // self.ep)
        if self.ep * own not in (self.tp, self.tp * self.dp):
            raise BadValue(
                f"experts in {self.ep} shares do not lie on {self.tp * self.dp} devices",
                asked=f"--ep {self.ep} with --tp {self.tp} and --dp {self.dp}",
                known="--ep times the devices that cut one expert is --tp, or --tp times --dp",
                try_=f"--ep {self.tp * self.dp}",
            )  # fmt: skip
        object.__setattr__(self, "moe_tp", own)

    @property
    def joint(self) -> bool:
        """Whether copies of the attention share one set of experts."""
        return self.dp > 1 and self.ep * self.moe_tp > self.tp

    @property
    def replicas(self) -> int:
        """Copies of the model that do not meet."""
        return 1 if self.joint else self.dp

    @property
    def devices(self) -> int:
        return self.tp * self.pp * self.dp

    def to_dict(self) -> dict[str, int | bool]:
        """For JSON."""
        return dict(vars(self)) | {"devices": self.devices}


def draft_cut(p: Parallel) -> Parallel:
    """How a model that guesses lies on devices over which the one that it guesses for is cut so: each layer cut alike, all
    layers on one stage, copies with copies."""
    return Parallel(tp=p.tp, dp=p.dp)


def check(w: Workload, p: Parallel) -> None:
    """Raises BadValue where heads, experts or layers do not divide."""
    for op in w.ops:
        if op.kind in ("attention", "mla_attention") and op.role == "attention":
            heads, kv = int(_number(op.dims["heads"])), int(_number(op.dims["kv_heads"]))
            if heads % p.tp or (kv % p.tp and p.tp % kv):
                raise BadValue(
                    f"{heads} heads and {kv} key-value heads do not divide over {p.tp} devices",
                    asked=f"--tp {p.tp}", known=w.model,
                    try_="--tp " + ", ".join(str(t) for t in (1, 2, 4, 8, 16) if heads % t == 0 and not (kv % t and t % kv)),
                )  # fmt: skip
        experts = op.dims.get("experts")
        if experts is not None and int(_number(experts)) % p.ep:
            raise BadValue(
                f"{experts} experts do not divide over {p.ep} devices", asked=f"--ep {p.ep}", known=w.model
            )
    if p.ep > 1 and not any(op.kind == "grouped_gemm" for op in w.ops):
        raise BadValue(
            "this model has no experts to spread", asked=f"--ep {p.ep}", known=w.model, try_="--ep 1"
        )
    if p.pp > max(w.layers, 1):
        raise BadValue(f"{w.layers} layers do not fill {p.pp} stages", asked=f"--pp {p.pp}", known=w.model)


def cut(op: Op, w: Workload, p: Parallel) -> Op:
    """One rank's part of `op`. Sizes of tokens stay: which of them a rank sees is the step's business."""
    if p.tp == 1 and p.ep * p.moe_tp == 1:
        return op
    d = dict(op.dims)
    weights, read, write = op.weight_elements, op.read, op.write
    if op.kind == "grouped_gemm":
        name = "n" if op.role == "expert_column" else "k"
        d[name] = _part(d[name], p.moe_tp)
        return replace(op, dims=d, weight_elements=weights // (p.moe_tp * p.ep))
    if op.role in COLUMNS and "n" in d:
        kept = _kept_columns(op, w, p)
        weights = weights * kept // int(_number(d["n"]))
        d["n"] = kept
    elif op.role in ROWS and "k" in d:
        d["k"] = _part(d["k"], p.tp)
        weights //= p.tp
    elif op.role == "attention":
        d["heads"], d["kv_heads"] = _part(d["heads"], p.tp), _part(d["kv_heads"], p.tp)
        weights //= p.tp
    elif op.role == "state":
        d["heads"] = _part(d["heads"], p.tp)
        weights //= p.tp
    elif op.role == "activation" or (p.sp and op.role in ("norm", "replicated") and "rows" in d):
        parts = p.moe_tp * p.ep // (p.dp if p.joint else 1) if _of_experts(op, w) else p.tp
        d["rows"] = _formula(d["rows"]) / parts
        read, write = read / parts, write / parts
    elif op.role == "embedding":
        width = int(_number(d["width"]))
        weights = -(-(weights // width) // p.tp) * width
    return replace(op, dims=d, weight_elements=weights, read=read, write=write)


def kv_share(elements: int, w: Workload, p: Parallel) -> float:
    """The part of a layer's keys and values that one rank keeps: heads that there are too few of are kept by several."""
    for op in w.ops:
        if op.kind == "attention" and "kv_heads" in op.dims:
            heads = int(_number(op.dims["kv_heads"]))
            if heads * int(_number(op.dims["head_dim"]) + _number(op.dims["v_head_dim"])) == elements:
                return max(1.0, heads / p.tp) / heads
    return 1 / p.tp


def _kept_columns(op: Op, w: Workload, p: Parallel) -> int:
    """Columns of one rank. Of merged queries, keys and values, each rank has at least one head of keys and values."""
    n = int(_number(op.dims["n"]))
    for other in w.ops if op.role == "qkv" else ():
        if other.kind == "attention":
            heads, kv = int(_number(other.dims["heads"])), int(_number(other.dims["kv_heads"]))
            wide = int(_number(other.dims["head_dim"]) + _number(other.dims["v_head_dim"]))
            if kv < heads and p.tp > kv and n > kv * wide and (n - kv * wide) % heads == 0:
                return (n - kv * wide) // p.tp + wide
            if kv < heads and p.tp > kv and n in (kv * wide, kv * wide // 2):
                return n // kv
    return -(-n // p.tp)


def _of_experts(op: Op, w: Workload) -> bool:
    """Whether an activation stands between products over experts: its rows are tokens times choices."""
    widths = {_number(o.dims["k"]) for o in w.ops if o.role == "expert_row"}
    rows = str(op.dims.get("rows", ""))
    top_k = {int(_number(o.dims["top_k"])) for o in w.ops if o.role == "expert_row"}
    return op.dims.get("width") in widths and any(rows.startswith(f"{k} *") for k in top_k if k > 1)


def _part(value: Formula | int, parts: int) -> int:
    """A size over so many devices, at least one."""
    return max(1, -(-int(_number(value)) // parts))


def _number(value: Formula | int) -> int:
    if isinstance(value, int):
        return value
    found = value.constant()
    if found is None:
        raise BadValue("this size depends on the input and cannot be cut", asked=str(value))
    return int(found)


def _formula(value: Formula | int) -> Formula:
    return value if isinstance(value, Formula) else const(value)
