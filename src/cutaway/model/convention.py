# Conventions are values: two tools disagree mostly because of these, so each report prints them.
from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Convention:
    """What is counted, and as how much.

    `fma`: FLOPs of one fused multiply-add. `elementwise`, `transcendental`, `reduction`: FLOPs per element of an
    add/multiply/divide, of an exp/log/sin/…, and of each element that a sum or a maximum takes in.
    `execution`: `eager` (each op reads its distinct inputs whole and writes its outputs whole, as the code stands)
    or `fused` (compulsory traffic only, as a good engine moves it).
    `causal`: FLOPs of masked attention as `executed` (full square).
    `routing`: how tokens are taken to spread over experts where the data decides it.
    """

    fma: int = 2
    elementwise: int = 1
    transcendental: int = 1
    reduction: int = 1
    execution: str = "eager"
    causal: str = "executed"
    routing: str = "balanced"

    def to_dict(self) -> dict[str, int | str]:
        return asdict(self)

    def __str__(self) -> str:
        return (
            f"FMA = {self.fma}, elementwise = {self.elementwise}, transcendental = {self.transcendental}, "
            f"causal attention as {self.causal}, {self.execution} execution, {self.routing} routing"
        )


DEFAULT_CONVENTION = Convention()
