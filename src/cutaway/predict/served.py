# Loads that no formula answers: requests that come by chance or from a trace, and prompts and answers that are computed on
# instances of their own. They go through the engine event by event, with steps read from a table of the machine.
"""`serve(machine, …)`: requests through one machine, or through machines for prompts and machines for answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cutaway.errors import BadValue
from cutaway.predict.memory import PAGE
from cutaway.predict.scheduler import ServerConfig
from cutaway.predict.simulate import Disaggregation, simulate
from cutaway.predict.table import StepTable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cutaway.hardware import Hardware
    from cutaway.predict.arrivals import Request
    from cutaway.predict.machine import Machine
    from cutaway.predict.speculative import Speculation

INSTANCES = 1024  # of each kind, at the most


@dataclass(frozen=True)
class Pools:
    """How many machines compute prompts and how many answers; `bandwidth` in bytes/s is what each device sends of a cache
    to its counterpart."""

    prefill_instances: int
    decode_instances: int
    bandwidth: float

    @property
    def instances(self) -> int:
        return self.prefill_instances + self.decode_instances

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "prefill_instances": self.prefill_instances, "decode_instances": self.decode_instances,
            "transfer_bytes_per_s": self.bandwidth,
        }  # fmt: skip


def pools(prefill: int | None, decode: int | None, transfer: float | None, hardware: Hardware) -> Pools | None:
    """What was asked for; `transfer` in GB/s is that of the sheet's network across nodes if nothing is said. None if nothing
    was asked. Raises `BadValue` for half a question, and for numbers out of range."""
    given = {"--prefill-instances": prefill, "--decode-instances": decode}
    if prefill is None and decode is None:
        if transfer is not None:
            raise BadValue("a transfer between which instances?", asked=f"--transfer {transfer}",
                           try_="--prefill-instances 1 --decode-instances 1")  # fmt: skip
        return None
    for name, value in given.items():
        if value is None:
            other = next(n for n in given if n != name)
            raise BadValue(
                f"machines for prompts and for answers come together, and {name} is not said",
                asked=f"{other} {given[other]}", known=f"from 1 to {INSTANCES}", try_=f"{other} {given[other]} {name} 1",
            )  # fmt: skip
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= INSTANCES:
            raise BadValue(
                "instances for prompts and for answers are two whole numbers", asked=f"{name} {value}",
                known=f"from 1 to {INSTANCES}", try_="--prefill-instances 1 --decode-instances 1",
            )  # fmt: skip
    speed = hardware.links.get("inter_node") if transfer is None else transfer * 1e9
    if speed is None:
        raise BadValue(
            f"{hardware.title} has no network across nodes", asked="--prefill-instances", try_="--transfer GB_PER_S"
        )
    if not 1e3 <= speed < 1e16:
        raise BadValue("a transfer takes GB/s above a millionth and below ten million", asked=f"--transfer {transfer}")
    assert prefill is not None and decode is not None
    return Pools(prefill, decode, speed)


def serve(
    machine: Machine, trace: Sequence[Request], prompt: int, output: int, *,
    split: Pools | None = None, guesses: Speculation | None = None, concurrency: int | None = None,
) -> dict[str, Any]:  # fmt: skip
    """What came of all requests: means and percentiles in seconds; `prompt` and `output` are their mean tokens.

    With `concurrency` so many users ask again when answered, and arrival times are not used.
    """
    engine = machine.engine
    longest = max(r.input_tokens + r.output_tokens for r in trace)
    room = int(machine.most_sequences(prompt + output)) // machine.lanes
    most = int(machine.most_of_a_lane(prompt + output))
    guessed = guesses.tokens if guesses else 0
    config = ServerConfig(
        max_num_seqs=most, max_num_batched_tokens=engine.tokens, block_size=PAGE,
        # Where nothing fits that is a warning, and the figures are those of one request at a time.
        blocks=room * -(-(prompt + output) // PAGE) or -(-(longest + guessed) // PAGE),
        draft_tokens=guessed, acceptance=guesses.acceptance if guesses else 0.0,
    )  # fmt: skip
    table = StepTable(machine.step, max_tokens=engine.tokens, max_sequences=most, max_context=longest)
    apart = None
    if split is not None:
        counts = (n * machine.lanes for n in (split.prefill_instances, split.decode_instances))
        apart = Disaggregation(*counts, lambda tokens: float(machine.cache(tokens)), split.bandwidth)
    found: dict[str, Any] = simulate(
        trace, table, config, instances=machine.lanes, disaggregation=apart, concurrency=concurrency
    ).summary()
    for name in ("ttft_s", "e2e_s"):  # what happens to a request before it is in the queue
        found[name] = {mark: value + engine.arrival(prompt) for mark, value in found[name].items()}
    return found | {"longest_tokens": longest}
