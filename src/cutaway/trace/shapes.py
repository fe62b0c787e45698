# Which formula each size of an op's output is. Torch's own kernels compute the sizes; here each number is traced back:
# to a size of an input, to a symbolic argument of the call, or, for the few ops that make new sizes (view, cat, slice,
# pad, convolution …), to the rule of that op. Every answer is checked at the traced values, and the whole trace again
# at other values, so a wrong guess cannot survive.
from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from math import lcm, prod
from typing import Any

from cutaway.formula import Formula, const, sym
from cutaway.formula.core import add, minimum, product
from cutaway.trace.dim import Dim, Guard, Scope, exact_quotient, is_count, rounded_down, rounded_up
from cutaway.trace.inputs_symbols import SYMBOLS

Sizes = Sequence[int]
Dims = tuple[Formula, ...]


NO_END = 1 << 62  # what torch writes for a slice without an end


class Resolver:
    """Finds formulas for the numbers of one call."""

    def __init__(
        self,
        scope: Scope,
        call_dims: Sequence[Any],
        inputs: Sequence[tuple[Sizes, Dims]],
        call_sizes: Sequence[int] = (),
    ):
        self.scope, self.call_sizes = scope, call_sizes
        self.inputs = inputs
        self.telling = scope.telling
        self.local: dict[int, Formula] = {}
        for sizes, dims in inputs:
            for v, f in zip(sizes, dims, strict=True):
                if v >= self.telling and f.constant() is None:
                    self.local.setdefault(v, f)
        for d in call_dims:  # an argument of this very call knows best
            self.local[int(d)] = d.formula

    def find(self, value: int) -> Formula | None:
        """The formula for this number, when it is known."""
        if value in (-1, 0, 1):  # which are everywhere: a size that is one of them here is not followed at other sizes
            if value in self.local:
                self.scope.note(Guard(self.local[value] - value, "==", True))
            return const(value)
        found = self.local.get(value) or (self.scope.known.get(value) if value >= self.telling else None)
        return found or (self._part_of_known(value) if self.scope.architecture and value >= 256 else None)

    def _part_of_known(self, value: int) -> Formula | None:
        """An architecture size divided by a small number: a constructor may compute it on plain ints, as `width // groups`."""
        for k in range(2, 65):
            whole = self.scope.known.get(value * k)
            if whole is not None and whole.symbols() <= self.scope.architecture:
                return exact_quotient(whole, const(k))
        return None

    def number(self, value: int) -> Formula:
        """The formula for an integer argument; a number that nothing explains is the constant it is."""
        found = self.find(value)
        if found is None and value < 0 and (positive := self.find(-value)) is not None:
            return -positive
        return const(value) if found is None else found

    def named(self, value: int) -> Formula:
        """The formula of a size that the call names: a plain small number is itself, whatever else has its value."""
        if isinstance(value, Dim):
            return value.formula
        return (self.scope.known.get(value) if value >= self.telling else None) or const(value)


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
    value = k if k is not None else f.evaluate(scope.hints)
    return value == size or (value != int(value) and abs(size - value) < 1)


def _made(args: Sequence[Any], out: Sizes, inputs: Any, r: Resolver) -> Dims | None:
    """zeros, full, new_empty …: the very sizes that the call names."""
    return tuple(r.named(v) for v in r.call_sizes) if tuple(map(int, r.call_sizes)) == tuple(out) else None


def _embedding(args: Sequence[Any], out: Sizes, inputs: Any, r: Resolver) -> Dims | None:
    """A row of the table for each index."""
    table, places = (getattr(t, "_cut_dims", None) for t in args[:2])
    return (*places, *table[1:]) if table is not None and places is not None else None


def _view(args: Sequence[Any], out: Sizes, inputs: Any, r: Resolver) -> Dims | None:
    """Sizes regroup: each run of inputs that multiplies to a run of outputs shares its product."""
    sizes, dims = inputs[0]
    asked = (
        args[1] if len(args) > 1 and isinstance(args[1], (list, tuple)) and len(args[1]) == len(out) else out
    )
    result: list[Formula] = []
    i = j = 0
    while i < len(sizes) or j < len(out):
        i0, j0 = i, j
        a = sizes[i] if i < len(sizes) else 1
        b = out[j] if j < len(out) else 1
        i, j = min(i + 1, len(sizes)), min(j + 1, len(out))
        while a != b:
            if a < b:
                if i >= len(sizes):
                    return None
                a *= sizes[i]
                i += 1
            else:
                if j >= len(out):
                    return None
                b *= out[j]
                j += 1
        result.extend(_regroup(product(dims[i0:i]), out[j0:j], asked[j0:j], r))
    return tuple(result)


def _regroup(whole: Formula, out: Sizes, asked: Sizes, r: Resolver) -> list[Formula]:
    """Formulas for sizes that multiply to `whole`: at most one of them is not known by itself."""
    if whole.constant() is not None:
        return [const(v) for v in out]
    real = [k for k, v in enumerate(out) if v != 1]
    if len(real) == 1:
        return [whole if k == real[0] else const(1) for k in range(len(out))]
    found = [None if q == -1 else r.find(v) or _factor(whole, v, r) for v, q in zip(out, asked, strict=True)]
    filled = [const(v) if f is None else f for f, v in zip(found, out, strict=True)]
    if product(filled) == whole:
        return filled
    open_places = (
        [k for k, q in enumerate(asked) if q == -1] or [k for k, f in enumerate(found) if f is None] or real
    )
    choices = []
    for k in open_places:
        quotient = _quotient(whole, product(f for n, f in enumerate(filled) if n != k))
        if quotient is not None and _whole_numbers(quotient, asked[k] == -1, r.scope):
            choices.append((max(abs(c) for c in quotient.terms.values()), k, quotient))
    if choices:  # the simplest: a constant that the code wrote is not part of the size
        _, k, quotient = min(choices, key=lambda c: c[:2])
        filled[k] = quotient
        r.scope.learn(out[k], quotient)
    return filled


def _factor(whole: Formula, value: int, r: Resolver) -> Formula | None:
    """The symbol of a product of sizes that has this value: however small, it is no other number here."""
    if len(whole.terms) != 1 or value < 2:
        return None
    return next((sym(n) for n in sorted(whole.symbols()) if r.scope.hints.get(n) == value), None)


def _whole_numbers(f: Formula, exact: bool, scope: Scope) -> bool:
    """Whether a quotient of sizes can be a size; `exact`: torch raises where it is none, which is noted as a condition."""
    if not all(e > 0 for m in f.terms for _, e in m):
        return False
    if scope.is_whole(f):
        return True
    parts = lcm(*(Fraction(c).denominator for c in f.terms.values()))
    if exact:
        scope.divides.setdefault((f * parts, const(parts)))
    return exact


def _quotient(a: Formula, b: Formula) -> Formula | None:
    try:
        return a / b
    except (ValueError, ZeroDivisionError):
        return None


def _transpose(args: Sequence[Any], out: Sizes, inputs: Any, r: Resolver) -> Dims | None:
    dims = list(inputs[0][1])
    a, b = args[1], args[2]
    dims[a], dims[b] = dims[b], dims[a]
    return tuple(dims)


def _permute(args: Sequence[Any], out: Sizes, inputs: Any, r: Resolver) -> Dims | None:
    return tuple(inputs[0][1][i] for i in args[1])


def _unsqueeze(args: Sequence[Any], out: Sizes, inputs: Any, r: Resolver) -> Dims | None:
    at = args[1] % len(out)
    return (*inputs[0][1][:at], const(1), *inputs[0][1][at:])


def _squeeze(args: Sequence[Any], out: Sizes, inputs: Any, r: Resolver) -> Dims | None:
    sizes, dims = inputs[0]
    at = args[1] if len(args) > 1 else range(len(sizes))
    gone = {a % len(sizes) for a in ((at,) if isinstance(at, int) else at)} if sizes else set()
    return tuple(d for i, (v, d) in enumerate(zip(sizes, dims, strict=True)) if not (i in gone and v == 1))


def _select(args: Sequence[Any], out: Sizes, inputs: Any, r: Resolver) -> Dims | None:
    dims = inputs[0][1]
    at = args[1] % len(dims)
    return (*dims[:at], *dims[at + 1 :])


def _unbind(args: Sequence[Any], out: Sizes, inputs: Any, r: Resolver) -> Dims | None:
    dims = inputs[0][1]
    at = (args[1] if len(args) > 1 else 0) % len(dims)
    return (*dims[:at], *dims[at + 1 :])


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


def _expand(args: Sequence[Any], out: Sizes, inputs: Any, r: Resolver) -> Dims | None:
    sizes, dims = inputs[0]
    ahead = len(out) - len(sizes)
    return tuple(
        dims[i - ahead] if i >= ahead and sizes[i - ahead] == v else r.number(v) for i, v in enumerate(out)
    )


def _mm(args: Sequence[Any], out: Sizes, inputs: Any, r: Resolver) -> Dims | None:
    """[M, K] x [K, N] and [B, M, K] x [B, K, N]; the factors are the last two tensors."""
    a, b = inputs[-2 if len(inputs) > 1 else 0][1], inputs[-1][1]
    return (*a[:-1], b[-1]) if len(a) == len(b) == len(out) else None


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
            exact = _quotient(dims[axis], const(count)) if sizes[axis] % piece == 0 else None
            known = (
                exact if exact is not None and share.constant() is not None and out[axis] == piece else None
            )
            known = known or (share if out[axis] == piece else dims[axis] - share * count)
        else:
            others = [v for v in piece if v != out[axis]]
            known = dims[axis] - sum((r.number(v) for v in others), const(0))
            known = known / max(1, sum(v == out[axis] for v in piece))
    return (*dims[:axis], known, *dims[axis + 1 :])


def _pad(args: Sequence[Any], out: Sizes, inputs: Any, r: Resolver) -> Dims | None:
    sizes, dims = inputs[0]
    result = list(dims)
    pads = args[1]
    for n in range(len(pads) // 2):
        axis = len(sizes) - 1 - n
        result[axis] = dims[axis] + r.number(pads[2 * n]) + r.number(pads[2 * n + 1])
        r.scope.learn(out[axis], result[axis])
    return tuple(result)


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


def _convolution(args: Sequence[Any], out: Sizes, inputs: Any, r: Resolver) -> Dims | None:
    (_, x), (ksizes, k) = inputs[0], inputs[1]
    stride, padding, dilation, transposed, output_padding, groups = args[3:9]
    n = len(ksizes) - 2
    spread = [tuple(v) * n if len(v) == 1 else tuple(v) for v in (stride, padding, dilation, output_padding)]
    space = []
    for i in range(n):
        s, p, d, o = (r.number(v[i]) if j < 2 else v[i] for j, v in enumerate(spread))
        reach = (k[2 + i] - 1) * d
        size = x[-n + i]
        space.append(
            (size - 1) * s - p * 2 + reach + o + 1
            if transposed
            else rounded_down(size + p * 2 - reach - 1, s) + 1
        )
        r.scope.learn(out[-n + i], space[-1])
    channels = k[1] * groups if transposed else k[0]
    return (x[0], channels, *space) if len(x) == n + 2 else (channels, *space)


def _pool(args: Sequence[Any], out: Sizes, inputs: Any, r: Resolver) -> Dims | None:
    """max_pool and avg_pool: (kernel_size, stride, padding, then dilation for max, ceil_mode)."""
    dims = inputs[0][1]
    kernel = args[1]
    n = len(kernel)
    stride = args[2] if len(args) > 2 and args[2] else kernel
    padding = args[3] if len(args) > 3 else [0] * n
    more = args[4 if len(args) > 4 and isinstance(args[4], bool) else 5 :]  # after the dilation of a maximum
    divided = rounded_up if more and more[0] is True else rounded_down
    space = []
    for i in range(n):
        k, s = kernel[i], stride[i] if len(stride) > 1 else stride[0]
        p = padding[i] if len(padding) > 1 else padding[0]
        space.append(divided(dims[-n + i] + 2 * p - k, s) + 1)
    return (*dims[:-n], *space)


def _unfold(args: Sequence[Any], out: Sizes, inputs: Any, r: Resolver) -> Dims | None:
    sizes, dims = inputs[0]
    axis, size, step = args[1] % len(sizes), r.number(args[2]), r.number(args[3])
    windows = rounded_down(dims[axis] - size, step) + 1
    r.scope.learn(out[axis], windows)
    return (*dims[:axis], windows, *dims[axis + 1 :], size)


def _arange(args: Sequence[Any], out: Sizes, inputs: Any, r: Resolver) -> Dims | None:
    given = [int(a) if isinstance(a, float) and a.is_integer() else a for a in args[:3] if a is not None]
    if not all(isinstance(a, int) for a in given):
        return None
    bounds = [r.number(a) for a in given]
    first, last, step = (const(0), bounds[0], const(1)) if len(bounds) == 1 else (*bounds, const(1))[:3]
    down = (step.constant() or 1) < 0
    return (rounded_up(first - last, -step) if down else rounded_up(last - first, step),)


def _same_product(args: Sequence[Any], out: Sizes, inputs: Any, r: Resolver) -> Dims | None:
    return _view(args, out, inputs, r) if prod(inputs[0][0]) == prod(out) else None


def _fft_half(args: Sequence[Any], out: Sizes, inputs: Any, r: Resolver) -> Dims | None:
    sizes, dims = inputs[0]
    axis = args[1][-1] % len(sizes)
    if out[axis] != sizes[axis] // 2 + 1:
        return None
    return (*dims[:axis], rounded_down(dims[axis], 2) + 1, *dims[axis + 1 :])


COUNTED = {n for n, s in SYMBOLS.items() if s.unit in ("sequences", "tokens", "answers")}


def _upsample(args: Sequence[Any], out: Sizes, inputs: Any, r: Resolver) -> Dims | None:
    sizes, dims = inputs[0]
    scaled = any(isinstance(a, float) for a in args[2:])
    space = []
    for v, old, f in zip(out[2:], sizes[2:], dims[2:], strict=True):
        known = r.find(v) if f.constant() is None else r.local.get(v)
        if known is None and v != old and not scaled:  # to a size that the code may have put through `int()`
            known = r.scope.known.get(v)
            if known is not None and v < r.telling and known.symbols() <= COUNTED:
                known = None  # no picture is as large as a text is long but by chance
        space.append(known if known is not None else f * (v // old) if v % old == 0 else const(v))
    return (*dims[:2], *space)


MAKERS: dict[str, Callable[..., Dims | None]] = {
    **dict.fromkeys(("view", "_unsafe_view", "_reshape_alias", "reshape", "view_copy"), _view),
    "as_strided": _same_product,
    **dict.fromkeys(
        (
            "empty",
            "zeros",
            "ones",
            "full",
            "rand",
            "randn",
            "randint",
            "new_empty",
            "new_zeros",
            "new_ones",
            "new_full",
        ),
        _made,
    ),
    "embedding": _embedding,
    "transpose": _transpose,
    "permute": _permute,
    "t": lambda a, o, i, r: tuple(reversed(i[0][1])),
    "unsqueeze": _unsqueeze,
    "squeeze": _squeeze,
    "select": _select,
    "unbind": _unbind,
    "index": _index,
    "index_select": _index_select,
    "expand": _expand,
    "mm": _mm,
    "bmm": _mm,
    **dict.fromkeys(
        (
            "sum",
            "mean",
            "amax",
            "amin",
            "max",
            "min",
            "argmax",
            "argmin",
            "any",
            "all",
            "logsumexp",
            "var",
            "std",
            "prod",
        ),
        _reduce,
    ),
    "cat": _cat,
    "stack": _stack,
    "slice": _slice,
    "split": _split,
    "split_with_sizes": _split,
    "constant_pad_nd": _pad,
    "reflection_pad1d": _pad,
    "reflection_pad2d": _pad,
    "replication_pad1d": _pad,
    "replication_pad2d": _pad,
    "reflection_pad3d": _pad,
    "replication_pad3d": _pad,
    "repeat": _repeat,
    "repeat_interleave": _repeat_interleave,
    **dict.fromkeys(("convolution", "_convolution", "convolution_overrideable"), _convolution),
    **dict.fromkeys(
        ("max_pool2d_with_indices", "avg_pool1d", "avg_pool2d", "avg_pool3d", "max_pool3d_with_indices"),
        _pool,
    ),
    "unfold": _unfold,
    "arange": _arange,
    "_fft_r2c": _fft_half,
    **dict.fromkeys(
        (
            "upsample_nearest1d",
            "upsample_nearest2d",
            "upsample_bilinear2d",
            "upsample_bicubic2d",
            "upsample_linear1d",
            "_upsample_bilinear2d_aa",
            "_upsample_bicubic2d_aa",
            "upsample_trilinear3d",
        ),
        _upsample,
    ),
}
