# Sizes of ops that cut tensors, pick from them and put them together: sums, differences and multiples of sizes.
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cutaway.formula import Formula, const
from cutaway.formula.core import add, minimum, product
from cutaway.trace.dim import Guard, Scope, exact_quotient, is_count, rounded_up
from cutaway.trace.resolver import Dims, Makers, Resolver, Sizes, quotient

NO_END = 1 << 62  # what torch writes for a slice without an end
SPLITS = {"split": 2, "split_with_sizes": 2}  # the place of the axis among their arguments


def mark_pieces(args: Sequence[Any], at: int, whole: Dims, pieces: Sequence[Any]) -> None:
    """Note of what a split has made, and along which axis: put together again it has the size that it had."""
    axis = (args[at] if len(args) > at else 0) % len(whole)
    for n, piece in enumerate(pieces):
        piece._cut_piece = (pieces[0]._cut.uid, n, len(pieces), axis, whole[axis])


def note_pieces(scope: Scope, args: Sequence[Any], whole: Dims, pieces: int) -> None:
    """How many pieces of a given length a split makes: a number of chunks, which code goes through."""
    size = whole[(args[2] if len(args) > 2 else 0) % len(whole)]
    count = rounded_up(size, int(args[1]))
    if args[1] > 0 and is_count(count):
        scope.counts.setdefault(count, pieces)


def _cat(args: Sequence[Any], out: Sizes, inputs: Any, r: Resolver) -> Dims | None:
    rank = len(out)
    parts = [(s, d) for s, d in inputs if len(s) == rank]
    if not parts or len(parts) != len(args[0]):  # the same tensor twice, or an empty placeholder
        parts = [(tuple(t.shape), getattr(t, "_cut_dims", None)) for t in args[0] if t.dim() == rank]
        parts = [(s, d if d is not None else tuple(const(v) for v in s)) for s, d in parts]
    if not parts:
        return None
    axis = (args[1] if len(args) > 1 and args[1] is not None else 0) % rank
    if (whole := _whole(args[0], axis)) is not None:
        total = whole
    elif len(parts) >= r.telling and all(d[axis] == parts[0][1][axis] for _, d in parts):
        total = parts[0][1][axis] * r.number(len(parts))  # what was split in as many pieces as there are of something
    else:
        total = add(d[axis] for _, d in parts)
    r.scope.learn(out[axis], total)
    return (*parts[0][1][:axis], total, *parts[0][1][axis + 1 :])


def _whole(parts: Sequence[Any], axis: int) -> Formula | None:
    """The size that all pieces of one split had together; None where these are no such pieces."""
    marks = [getattr(t, "_cut_piece", None) for t in parts]
    if not marks or None in marks or marks[0][3] != axis or marks[0][2] != len(marks):
        return None
    return marks[0][4] if [m[:2] for m in marks] == [(marks[0][0], n) for n in range(len(marks))] else None


def _stack(args: Sequence[Any], out: Sizes, inputs: Any, r: Resolver) -> Dims | None:
    dims = inputs[0][1]
    at = (args[1] if len(args) > 1 else 0) % len(out)
    return (*dims[:at], r.number(len(args[0])) if len(args[0]) >= r.telling else const(len(args[0])), *dims[at:])


def _slice(args: Sequence[Any], out: Sizes, inputs: Any, r: Resolver) -> Dims | None:
    sizes, dims = inputs[0]
    axis = (args[1] if len(args) > 1 else 0) % len(sizes)
    start = args[2] if len(args) > 2 and args[2] is not None else 0
    end = args[3] if len(args) > 3 and args[3] is not None else sizes[axis]
    step = args[4] if len(args) > 4 else 1
    size, whole = sizes[axis], dims[axis]
    first = _bound(start, size, whole, r)
    last = _bound(end, size, whole, r)
    length = const(0) if out[axis] == 0 else last - first if step == 1 else _steps(first, last, step)
    if step == 1 and -start > size <= end and whole.constant() is None and type(start) is int:
        length = minimum(whole, -start)  # the last so many, of which there are not yet enough: `keys[:, -4095:]`
    if length.constant() is None:
        r.scope.learn(out[axis], length)
    return (*dims[:axis], length, *dims[axis + 1 :])


def _steps(first: Formula, last: Formula, step: int) -> Formula:
    """Elements of `first:last:step`; every other one of an even size is half of it, from wherever it starts."""
    rest = first.constant()
    if rest is not None and 0 <= rest < step and (exact := exact_quotient(last, const(step))) is not None:
        return exact
    return rounded_up(last - first, step)


def _bound(at: int, size: int, whole: Formula, r: Resolver) -> Formula:
    if at >= size:
        if size < at < NO_END:  # cut short where there is more
            r.scope.note(Guard(whole - r.number(at), "<=", True))
        return whole
    if at < 0:
        return whole + r.number(at) if at > -size else const(0)
    return r.number(at)


def _split(args: Sequence[Any], out: Sizes, inputs: Any, r: Resolver) -> Dims | None:
    """Equal pieces and the remainder; pieces are told apart by their size."""
    sizes, dims = inputs[0]
    axis = (args[2] if len(args) > 2 else 0) % len(sizes)
    piece = args[1]
    if out[axis] == sizes[axis]:
        return dims
    known = r.find(out[axis]) if dims[axis].constant() is None else const(out[axis])
    if known is None:
        if isinstance(piece, int):
            share = r.number(piece)
            count = sizes[axis] // piece
            exact = quotient(dims[axis], const(count)) if sizes[axis] % piece == 0 else None
            known = (
                exact if exact is not None and share.constant() is not None and out[axis] == piece else None
            )
            known = known or (share if out[axis] == piece else dims[axis] - share * count)
        else:
            others = [v for v in piece if v != out[axis]]
            known = dims[axis] - sum((r.number(v) for v in others), const(0))
            known = known / max(1, sum(v == out[axis] for v in piece))
    return (*dims[:axis], known, *dims[axis + 1 :])


def _index(args: Sequence[Any], out: Sizes, inputs: Any, r: Resolver) -> Dims | None:
    """`x[i, j]`: what the indices broadcast to stands in place of the sizes they pick from, or first if they lie apart."""
    picks = [k for k, i in enumerate(args[1]) if i is not None]
    tensors = [args[1][k] for k in picks]
    if not picks or any(t.dtype.is_floating_point or t.dtype.itemsize == 1 or not hasattr(t, "_cut_dims") for t in tensors):
        return None
    dims, shape = inputs[0][1], _broadcast([(t.shape, t._cut_dims) for t in tensors], r)
    if picks != list(range(picks[0], picks[-1] + 1)):
        return (*shape, *(d for k, d in enumerate(dims) if k not in picks))
    return (*dims[: picks[0]], *shape, *dims[picks[-1] + 1 :])


def _broadcast(shapes: Sequence[tuple[Sizes, Dims]], r: Resolver) -> Dims:
    """What these spread to; of places made of values, a size may have got its formula later."""
    found = []
    for n in range(max(len(sizes) for sizes, _ in shapes), 0, -1):
        real = [(sizes[-n], dims[-n]) for sizes, dims in shapes if len(sizes) >= n and sizes[-n] != 1]
        value, f = next((s for s in real if s[1].constant() is None), real[0] if real else (1, const(1)))
        found.append(r.number(value) if f.constant() is not None and value >= r.telling else f)
    return tuple(found)


def _index_select(args: Sequence[Any], out: Sizes, inputs: Any, r: Resolver) -> Dims | None:
    """As many slices along one dimension as there are indices."""
    dims, picked = inputs[0][1], getattr(args[2], "_cut_dims", None)
    if not dims or not picked:
        return None
    axis = args[1] % len(dims)
    return (*dims[:axis], picked[0], *dims[axis + 1 :])


def _repeat(args: Sequence[Any], out: Sizes, inputs: Any, r: Resolver) -> Dims | None:
    dims = inputs[0][1]
    times = args[1]
    padded = (const(1),) * (len(times) - len(dims)) + tuple(dims)
    return tuple(d * r.number(t) for d, t in zip(padded, times, strict=True))


def _repeat_interleave(args: Sequence[Any], out: Sizes, inputs: Any, r: Resolver) -> Dims | None:
    if len(args) < 2 or not isinstance(args[1], int):
        return None
    sizes, dims = inputs[0]
    if len(args) < 3 or args[2] is None:
        return (product(dims) * r.number(args[1]),)
    axis = args[2] % len(sizes)
    return (*dims[:axis], dims[axis] * r.number(args[1]), *dims[axis + 1 :])


PIECES: Makers = {
    "index": _index,
    "index_select": _index_select,
    "cat": _cat,
    "stack": _stack,
    "slice": _slice,
    **dict.fromkeys(("split", "split_with_sizes"), _split),
    "repeat": _repeat,
    "repeat_interleave": _repeat_interleave,
}
