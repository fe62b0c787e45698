# A step is asked for at one point or at many, and what is true of all of them saves work: where none decodes no attention of
# decoding runs, and points with as many tokens have the same projections. What holds is found once, here; then the same
# calls are right for all questions of that kind, so that they can be recorded.
"""`At`: the points at which a step is evaluated; `Regime`: what they have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cutaway.predict.recorded import whole

if TYPE_CHECKING:
    from cutaway.formula import Formula
    from cutaway.predict.quant import Quant

NAMES = ("batch_size", "seq_len", "cache_len", "a_bytes", "kv_bytes")
NONE, SOME, ALL = "none", "some", "all"
WHOSE = ("prompt", "decode")
MANY = 16  # points, from which on it pays to look for those with equal loads


@dataclass(frozen=True)
class Regime:
    """How many of the points have prompts and sequences that decode: none, some or all. `repeated`: at least every second
    point has as many tokens of both as another."""

    prompt: str = ALL
    decode: str = ALL
    repeated: bool = False


def regime_of(given: Sequence[np.ndarray], many: int = MANY) -> tuple[Regime, list[np.ndarray]]:
    """The regime of points, and the lists that follow from it (`further_of`). Of `many` points it is looked for equal loads."""
    prompt, decode = (_share(given[n] > 0) for n in (0, 2))
    alone = Regime(prompt, decode)
    if given[0].size >= many:
        loads = _distinct(given)
        if 2 * loads[0].size <= given[0].size:
            return Regime(prompt, decode, True), further_of(given, alone) + loads
    return alone, further_of(given, alone)


def further_of(given: Sequence[np.ndarray], regime: Regime) -> list[np.ndarray]:
    """Which points have prompts and which decode, each where only some do; and where loads are repeated, a point of each load
    and the load of each point."""
    shares = zip((0, 2), (regime.prompt, regime.decode), strict=True)
    found = [(given[n] > 0).nonzero()[0] for n, share in shares if share == SOME]
    return found + _distinct(given) if regime.repeated else found


def _distinct(given: Sequence[np.ndarray]) -> list[np.ndarray]:
    return list(np.unique(given[0] + 1j * given[2], return_index=True, return_inverse=True)[1:])


def flat(*given: Any) -> tuple[tuple[int, ...], list[np.ndarray]]:
    """The shape that arrays broadcast to, and the arrays as lists of as many points."""
    arrays = [np.asarray(v, float) for v in given]
    shape = arrays[0].shape
    if any(a.shape != shape for a in arrays):
        arrays = list(np.broadcast_arrays(*arrays))
        shape = arrays[0].shape
    return shape, arrays if len(shape) == 1 else [a.ravel() for a in arrays]


def _share(there: np.ndarray) -> str:
    count = np.count_nonzero(there)
    return NONE if not count else ALL if count == there.size else SOME


@whole
def spread(found: np.ndarray, where: np.ndarray, points: np.ndarray) -> np.ndarray:
    """[pieces, points] of what was found at some of the points; 0 elsewhere. Of the dtype of `points`."""
    seconds = np.zeros((len(found), len(points)), points.dtype)
    seconds[:, where] = found
    return seconds


@whole
def rows_of(values: list[Any], points: np.ndarray) -> np.ndarray:
    """Numbers or lists as [values, points], of the dtype of `points`."""
    rows = np.empty((len(values), len(points)), points.dtype)
    for n, value in enumerate(values):
        rows[n] = value
    return rows


class At:
    """The points at which a step is evaluated."""

    def __init__(
        self, prompt: Any, before: Any, batch: Any, context: Any, q: Quant,
        regime: Regime = Regime(), further: Sequence[Any] = (), few: bool | None = None, told: bool = True,
    ):  # fmt: skip
        self.given, self.quant, self.few, self.told = (prompt, before, batch, context), q, few, told
        shares = {"prompt": regime.prompt, "decode": regime.decode}
        some = [tokens for tokens, share in shares.items() if share == SOME]
        self.regime = regime
        self.subsets = dict(zip(some, further, strict=False))  # which points have such tokens, where not all have
        self.repeats = tuple(further[len(some) :]) or None
        self.any = {tokens for tokens, share in shares.items() if share != NONE}
        self.any |= {"all", "last"} if self.any else set()
        self.none = prompt * 0.0
        self.bytes = (2.0, q.kv.element)  # of an activation, and of the cache
        self.seen = np.maximum(prompt + before, 1)  # keys that the last token of the prompt looks at
        # batch_size, seq_len, cache_len by which tokens are meant
        all_, last = prompt + batch, batch + (prompt > 0)
        self.where = {
            "all": (np.maximum(all_, 1), 1.0, context),
            "prompt": (1.0, np.maximum(prompt, 1), 1.0),
            "decode": (np.maximum(batch, 1), 1.0, np.maximum(context, 1)),
            "last": (np.maximum(last, 1), 1.0, context),
        }
        # 1 where there are such tokens, else 0
        any_ = (all_ > 0) * 1.0
        self.runs = {"all": any_, "prompt": (prompt > 0) * 1.0, "decode": (batch > 0) * 1.0, "last": any_}

    def only(self, tokens: str) -> At:
        """The points that have such tokens."""
        return At(*(v[self.subsets[tokens]] for v in self.given), self.quant, few=self.few, told=self.told)

    def distinct(self) -> At:
        """One point of each load."""
        assert self.repeats is not None
        shares = Regime(self.regime.prompt, self.regime.decode)
        return At(*(v[self.repeats[0]] for v in self.given), self.quant, shares, few=self.few, told=self.told)

    def tokens(self, tokens: str) -> np.ndarray:
        """How many there are of them."""
        return self.where[tokens][0] * self.where[tokens][1] * self.runs[tokens]

    def values(self, tokens: str) -> tuple:
        return (*self.where[tokens], *self.bytes)

    def evaluate(self, f: Formula, tokens: str) -> np.ndarray:
        value = f.evaluate(dict(zip(NAMES, self.values(tokens), strict=True)))
        return np.broadcast_to(value, self.none.shape)
