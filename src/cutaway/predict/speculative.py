# Guessing ahead: something cheap guesses the next tokens, the model looks at all of them in one step, and those that are
# right are kept. A step then holds more tokens for the same weights and the same cache, and what guesses costs its own time
# and memory. How often guesses are right is a fact of texts and no formula knows it, so it is asked for.
"""`Speculation` and `speculation(...)`: tokens of a step, and what a step takes then."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from cutaway.errors import BadValue, CutawayError
from cutaway.predict.shard import draft_cut

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np

    from cutaway.hardware import Hardware
    from cutaway.predict.engine import Engine
    from cutaway.predict.machine import Machine
    from cutaway.predict.quant import Quant
    from cutaway.predict.shard import Parallel
    from cutaway.predict.step import Part, Step
    from cutaway.predict.types import Workload

MOST = 32  # guesses of a step; engines allow fewer
USUAL = 3  # guesses of a step where nothing is said
NGRAM = "ngram"


@dataclass(frozen=True)
class Speculation:
    """`tokens` are guessed in each step, each right with the probability `acceptance` if those before it are.

    Who guesses is a model (`draft`, the whole of it on each group of `tp` devices), or for None the text itself, in which the
    last words are looked up; that takes no time of the devices.
    """

    tokens: int
    acceptance: float
    name: str = NGRAM
    draft: Machine | None = None
    workload: Workload | None = None
    quant: Quant | None = None

    @property
    def tokens_per_step(self) -> float:
        """Expected tokens that a sequence gets of a step: the guesses before the first wrong one, and the model's own."""
        return sum(self.acceptance**n for n in range(self.tokens + 1))

    def around(self, step: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
        """The time of a step, in seconds, in which each of `batch` sequences brings its last token and all guesses.

        The cache is read once for all tokens of a sequence. The draft model reads prompts too, and runs once for each
        guess, without the engine's work between steps.
        """
        width, draft = 1 + self.tokens, self._guessing

        def speculative(tokens: Any, context: Any, batch: Any, kv: Any) -> np.ndarray:
            import numpy as np

            seconds = step(tokens, context, np.asarray(batch) * width, np.asarray(kv) / width)
            return seconds if draft is None else seconds + draft(tokens, context, batch, kv)

        return speculative

    @property
    def _guessing(self) -> Callable[..., np.ndarray] | None:
        """Seconds that the draft model takes in a step."""
        if self.draft is None or self.draft.kernels is None:
            return None
        alone = replace(self.draft.engine, step=0.0, layer=0.0, sequence=0.0)
        step = alone.around(self.draft.kernels, self.draft.layers, self.draft.mixtures)
        return lambda tokens, context, batch, kv: step(tokens, context, 0, 0) + self.tokens * step(0, 0, batch, kv)

    def beside(self, machine: Machine) -> Machine:
        """The machine with what guesses on it."""
        more = replace(machine, step=self.around(machine.step), yields=self.tokens_per_step)
        draft = self.draft
        if draft is None:
            return more
        return replace(
            more, weights=machine.weights + draft.weights, cache=lambda length: machine.cache(length) + draft.cache(length)
        )

    @property
    def model(self) -> tuple[Workload, Quant] | None:
        """What guesses, as far as it takes memory."""
        return None if self.workload is None or self.quant is None else (self.workload, self.quant)

    def parts(self, step: Step, tokens: float, context: float, batch: float, kv: float) -> list[Part]:
        """Where the time of a step's kernels goes: those of the model over all tokens, and those of what guesses."""
        width = 1 + self.tokens
        found = step.parts(tokens, context, batch * width, kv / width)
        if self.draft is not None and self.draft.kernels is not None:
            own = self.draft.kernels
            runs = [(1, own.parts(tokens, context, 0, 0))] if tokens else []
            runs += [(self.tokens, own.parts(0, 0, batch, kv))] if batch else []
            found += [
                replace(part, name=f"draft: {part.name}", count=part.count * times, seconds=part.seconds * times)
                for times, parts in runs
                for part in parts
            ]
        return found

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "draft": self.name, "draft_tokens": self.tokens, "acceptance": self.acceptance,
            "tokens_per_step": self.tokens_per_step,
        }  # fmt: skip


def speculation(
    draft: str | None, tokens: int | None, acceptance: float | None, *,
    hardware: Hardware, parallel: Parallel, engine: Engine, kv: str | None, tier: str | None, trust_code: bool,
) -> Speculation | None:  # fmt: skip
    """What was asked for, with the draft model cut as the layers are; None if nothing was. Raises `BadValue` for half a
    question, for numbers out of range, and for a draft that cannot be cut so."""
    if draft is None:
        said: Mapping[str, Any] = {"--draft-tokens": tokens, "--acceptance": acceptance}
        alone = [f"{name} {value}" for name, value in said.items() if value is not None]
        if alone:
            raise BadValue("who guesses?", asked=" ".join(alone), try_="--draft ngram, or --draft MODEL")
        return None
    if acceptance is None or not 0 <= acceptance <= 1:
        raise BadValue(
            "speculative decoding needs the share of guesses that are right, from 0 to 1",
            asked=f"--draft {draft}" + ("" if acceptance is None else f" --acceptance {acceptance}"), try_="--acceptance 0.7",
        )  # fmt: skip
    count = USUAL if tokens is None else tokens
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= MOST:
        raise BadValue(f"guesses of a step are a whole number from 1 to {MOST}", asked=f"--draft-tokens {count}")
    if draft.casefold() in (NGRAM, "n-gram"):
        return Speculation(count, acceptance)
    from cutaway.predict.machine import assemble
    from cutaway.predict.quant import quantisation
    from cutaway.predict.shipped import workloads_of

    prefill, decode, config = workloads_of(draft, trust_code)
    if decode is None:
        raise BadValue("a model without a next token cannot guess one", asked=f"--draft {draft}", known=prefill.model)
    quant = quantisation(None, None, kv, config, hardware)
    try:
        machine = assemble(prefill, decode, hardware, draft_cut(parallel), quant, engine, tier=tier)
    except CutawayError as error:
        why = f"the draft model: {error.what}"
        raise BadValue(why, asked=error.asked, known=error.known, try_="another --draft") from error
    return Speculation(count, acceptance, prefill.model, machine, prefill, quant)
