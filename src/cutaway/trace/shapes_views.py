# Sizes of ops that rearrange what is there: each size of the output is one of the input, or a product or a part of some.
from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import lcm, prod
from typing import Any

from cutaway.formula import Formula, const, sym
from cutaway.formula.core import product
from cutaway.trace.dim import Scope
from cutaway.trace.resolver import Dims, Makers, Resolver, Sizes, quotient


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
        share = quotient(whole, product(f for n, f in enumerate(filled) if n != k))
        if share is not None and _whole_numbers(share, asked[k] == -1, r.scope):
            choices.append((max(abs(c) for c in share.terms.values()), k, share))
    if choices:  # the simplest: a constant that the code wrote is not part of the size
        _, k, share = min(choices, key=lambda c: c[:2])
        filled[k] = share
        r.scope.learn(out[k], share)
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


def _same_product(args: Sequence[Any], out: Sizes, inputs: Any, r: Resolver) -> Dims | None:
    return _view(args, out, inputs, r) if prod(inputs[0][0]) == prod(out) else None


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


def _expand(args: Sequence[Any], out: Sizes, inputs: Any, r: Resolver) -> Dims | None:
    sizes, dims = inputs[0]
    ahead = len(out) - len(sizes)
    return tuple(
        dims[i - ahead] if i >= ahead and sizes[i - ahead] == v else r.number(v) for i, v in enumerate(out)
    )


VIEWS: Makers = {
    **dict.fromkeys(("view", "_unsafe_view", "_reshape_alias", "reshape", "view_copy"), _view),
    "as_strided": _same_product,
    "transpose": _transpose,
    "permute": _permute,
    "unsqueeze": _unsqueeze,
    "squeeze": _squeeze,
    "select": _select,
    "unbind": _unbind,
    "expand": _expand,
}
