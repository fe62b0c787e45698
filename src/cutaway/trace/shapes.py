# Which formula each size of an op's output is. Torch's own kernels compute the sizes; here each number is traced back:
# to a size of an input, to a symbolic argument of the call, or, for the few ops that make new sizes (view, cat, slice,
# pad, convolution …), to the rule of that op. Every answer is checked at the traced values, and the whole trace again
# at other values, so a wrong guess cannot survive.
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cutaway.formula import Formula, const
from cutaway.trace.dim import Guard, Scope, rounded_up
from cutaway.trace.resolver import Dims, Makers, Resolver, Sizes
from cutaway.trace.shapes_pieces import PIECES
from cutaway.trace.shapes_views import VIEWS
from cutaway.trace.shapes_windows import WINDOWS


def infer(
    name: str, args: Sequence[Any], out_sizes: Sizes, inputs: Sequence[tuple[Sizes, Dims]], r: Resolver
) -> Dims:
    """A formula for each size of one output of the aten op `name` (base name, as `view`)."""
    made = MAKERS.get(name)
    if made is not None:
        dims = made(args, out_sizes, inputs, r)
        if dims is not None and _agrees(dims, out_sizes, r.scope):
            return dims
    return tuple(_aligned(inputs, len(out_sizes) - i, v) or r.number(v) for i, v in enumerate(out_sizes))


def _aligned(inputs: Sequence[tuple[Sizes, Dims]], from_right: int, value: int) -> Formula | None:
    """The size at the same place, counted from the right as in broadcasting, of the first input that has it."""
    for sizes, dims in inputs:
        if len(sizes) >= from_right and sizes[-from_right] == value:
            return dims[-from_right]
    return None


def note_fixed(scope: Scope, several: Sequence[tuple[Dims, bool]]) -> None:
    """Where sizes stand over those of the model's own tables, to be just as many is a condition: no other size fits."""
    tables, others = ([dims for dims, own in several if own is what] for what in (True, False))
    for table in tables:
        for dims in others:
            for size, own in zip(dims[::-1], table[::-1], strict=False):
                number = own.constant() or 0
                if number > 1 and size.constant() is None and size.evaluate(scope.hints) == number:
                    scope.note(Guard(size - number, "==", True))


def _agrees(dims: Dims, sizes: Sizes, scope: Scope) -> bool:
    return len(dims) == len(sizes) and all(_is(f, v, scope) for f, v in zip(dims, sizes, strict=True))


def _is(f: Formula, size: int, scope: Scope) -> bool:
    """Whether a size is what its formula says; an even share of rows may be no whole number, and stands for the next."""
    k = f.constant()
    value = k if k is not None else scope.value(f)
    return value == size or (value != int(value) and abs(size - value) < 1)


def _made(args: Sequence[Any], out: Sizes, inputs: Any, r: Resolver) -> Dims | None:
    """zeros, full, new_empty …: the very sizes that the call names."""
    return tuple(r.named(v) for v in r.call_sizes) if tuple(map(int, r.call_sizes)) == tuple(out) else None


def _embedding(args: Sequence[Any], out: Sizes, inputs: Any, r: Resolver) -> Dims | None:
    """A row of the table for each index."""
    table, places = (getattr(t, "_cut_dims", None) for t in args[:2])
    return (*places, *table[1:]) if table is not None and places is not None else None


def _reduce(args: Sequence[Any], out: Sizes, inputs: Any, r: Resolver) -> Dims | None:
    """sum, mean, amax …: the reduced dimensions go, or stay as 1."""
    sizes, dims = inputs[0]
    at = args[1] if len(args) > 1 else None
    if isinstance(at, (float, str)) or len(out) == 0:
        return None
    gone = {a % len(sizes) for a in ((at,) if isinstance(at, int) else at or range(len(sizes)))}
    if len(out) == len(sizes):
        return tuple(const(1) if i in gone else d for i, d in enumerate(dims))
    return tuple(d for i, d in enumerate(dims) if i not in gone)


def _mm(args: Sequence[Any], out: Sizes, inputs: Any, r: Resolver) -> Dims | None:
    """[M, K] x [K, N] and [B, M, K] x [B, K, N]; the factors are the last two tensors."""
    a, b = inputs[-2 if len(inputs) > 1 else 0][1], inputs[-1][1]
    return (*a[:-1], b[-1]) if len(a) == len(b) == len(out) else None


def _arange(args: Sequence[Any], out: Sizes, inputs: Any, r: Resolver) -> Dims | None:
    given = [int(a) if isinstance(a, float) and a.is_integer() else a for a in args[:3] if a is not None]
    if not all(isinstance(a, int) for a in given):
        return None
    bounds = [r.number(a) for a in given]
    first, last, step = (const(0), bounds[0], const(1)) if len(bounds) == 1 else (*bounds, const(1))[:3]
    down = (step.constant() or 1) < 0
    count = rounded_up(first - last, -step) if down else rounded_up(last - first, step)
    return (count if count.constant() is None else r.local.get(out[0], count),)  # a function of torch's may have lost it


MAKERS: Makers = {
    **VIEWS,
    **PIECES,
    **WINDOWS,
    **dict.fromkeys(
        (
            "empty", "zeros", "ones", "full", "rand", "randn", "randint", "new_empty", "new_zeros",
            "new_ones", "new_full",
        ),
        _made,
    ),
    "embedding": _embedding,
    "t": lambda a, o, i, r: tuple(reversed(i[0][1])),
    **dict.fromkeys(("mm", "bmm"), _mm),
    **dict.fromkeys(
        (
            "sum", "mean", "amax", "amin", "max", "min", "argmax", "argmin", "any", "all", "logsumexp",
            "var", "std", "prod",
        ),
        _reduce,
    ),
    "arange": _arange,
}
