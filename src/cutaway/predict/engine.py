# Kernels are not all of a step: an engine schedules, launches, samples and answers, and it decides what runs together.
# Seven numbers and three habits per engine say so. They are fitted by scripts/fit_engine.py on the measured runs that
# bench/silicon.py gives to fits, and judged on the others.
"""`Engine`: what a serving engine adds to the time of its kernels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cutaway.errors import BadValue, nearest

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np


@dataclass(frozen=True)
class Engine:
    """An engine's overheads, in seconds, and its defaults.

    step: per step, whatever it holds (scheduling, launch of the graph, sampling, hand-over between processes).
    layer: per layer and step (gaps between kernels that a graph leaves).
    sequence: per decoding sequence and step (its tokens are sampled, detokenised and sent).
    request: per request, before its first step (HTTP, queue between processes).
    token: per token of a prompt, before its first step (the text is cut into tokens, and these are handed on).
    slowdown: kernels in the engine over kernels alone (clocks under load, cold caches, padding of graphs; below 1 where
      an engine has faster kernels than the one in which they were timed, or runs some side by side).
    prefill_slowdown: the same of steps with a prompt in them, which no graph covers.
    mixture: what the host takes to launch a layer with experts in such a step, whose kernels it sorts out anew each time; a
      step is over when both the host and the devices are done. Layers without experts were never seen to wait for the host.
    one_kernel: where they share a step, their attention shares a kernel.
    mixed: prompts and decoding share a step; otherwise decoding waits while a prompt is computed.
    together: users who send equal requests come together again each round although steps are shared. Seen in the runs of one
      engine; in those of vLLM that fits may see they do not.
    tokens: most tokens of a step, unless set. sequences: most sequences of a step, unless set.
    """

    name: str
    step: float = 0.0
    layer: float = 0.0
    sequence: float = 0.0
    request: float = 0.0
    token: float = 0.0
    slowdown: float = 1.0
    prefill_slowdown: float = 1.0
    mixture: float = 0.0
    mixed: bool = True
    one_kernel: bool = False
    together: bool = False
    tokens: int = 8192
    sequences: int = 1024

    def arrival(self, prompt: np.ndarray | float) -> np.ndarray | float:
        """Seconds from sending a prompt of so many tokens until it may be computed."""
        return self.request + self.token * prompt

    def around(self, step_time: Callable[..., np.ndarray], layers: int, mixtures: int = 0) -> Callable[..., np.ndarray]:
        """The step time of the engine: `step_time(prefill_tokens, prefill_context, decode_batch, decode_context)`,
        in seconds on arrays, with what the engine adds. `mixtures` of the `layers` have experts."""
        host = mixtures * self.mixture

        def with_engine(
            tokens: np.ndarray | float, context: np.ndarray | float,
            batch: np.ndarray | float, kv: np.ndarray | float,
        ) -> np.ndarray:  # fmt: skip
            import numpy as np

            kernels = step_time(tokens, context, batch, kv)
            prompts = np.asarray(tokens) > 0
            slow = kernels * np.where(prompts, self.prefill_slowdown, self.slowdown)
            if host:
                slow = np.where(prompts, np.maximum(slow, host), slow)
            return slow + self.step + layers * self.layer + np.asarray(batch) * self.sequence

        return with_engine


# Seconds a token on one core of a host, whatever the engine: fitted for all of them together, with each one's `request`, on
# TTFT at low concurrency.
TOKENISED = 4e-6
ENGINES = {
    engine.name: engine
    for engine in (
        Engine("ideal"),
        Engine("vllm", step=6.5e-4, request=0.0275, token=TOKENISED, one_kernel=True),
        Engine("sglang", step=1.85e-3, sequence=2.05e-5, request=0.144, token=TOKENISED, slowdown=0.79,
               prefill_slowdown=0.99, mixed=False),
        Engine("trtllm", step=7.5e-4, request=0.026, token=TOKENISED, slowdown=0.92, prefill_slowdown=0.86,
               mixture=2e-3, together=True),
    )
}  # fmt: skip


def find(name: str) -> Engine:
    """The engine of that name. Raises `BadValue` with the nearest names."""
    engine = ENGINES.get(name.casefold())
    if engine is None:
        close = nearest(name, ENGINES)
        raise BadValue("unknown engine", asked=name, known=", ".join(close or ENGINES))
    return engine
