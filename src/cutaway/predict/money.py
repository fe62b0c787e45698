# What an answer costs: devices are paid and fed by the hour, whether they work or wait, so money and energy follow from
# throughput alone. Both are upper bounds in one sense: power is the limit of the board, and price that of the sheet.
"""`cost_of`: USD and joules per million tokens."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cutaway.predict.machine import Machine

DEFINITIONS = {
    "usd_per_million_tokens": "list price of all devices per second / output tokens per second, times a million",
    "joules_per_token": "board power limit of all devices / output tokens per second; an upper bound, without host and cooling",
    "kwh_per_million_tokens": "the same in kWh per million output tokens",
}


@dataclass(frozen=True)
class Cost:
    """Per output token; not a number where the sheet has no price or power."""

    usd_per_million_tokens: np.ndarray
    joules_per_token: np.ndarray

    @property
    def kwh_per_million_tokens(self) -> np.ndarray:
        return self.joules_per_token / 3.6


def cost_of(machine: Machine, tokens_per_second: np.ndarray | float) -> Cost:
    """What a million output tokens cost at this throughput of the whole machine."""
    rate = np.asarray(tokens_per_second, float)
    price = np.nan if machine.price is None else machine.price
    watts = np.nan if machine.watts is None else machine.watts
    with np.errstate(divide="ignore"):
        return Cost(price / 3600 / rate * 1e6, watts / rate)
