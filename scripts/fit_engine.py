# Fits what an engine adds to its kernels, on the runs that bench/silicon.py gives to fits, and prints the lines of
# src/cutaway/predict/engine.py. Six numbers per engine, by coordinate search on the mean absolute logarithm of predicted
# over measured TPOT, and the error of TTFT at low concurrency with half the weight. Then, with the engines as they are, two
# numbers for mixtures on a generation of devices whose kernels nobody has published alone: their floor, and all else.
"""`python scripts/fit_engine.py MEASURED_DIR [engines | mixtures]`: constants of `Engine`, and of mixtures on Blackwell."""

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))
import accuracy_e2e as e2e
import silicon

from cutaway.hardware import find
from cutaway.predict import engine as engines
from cutaway.predict.machine import Machine
from cutaway.predict.time import constants, op_time

ROOT = Path(__file__).parents[1]
# name -> (least, most, first step)
NUMBERS = {
    "step": (0.0, 6e-3, 1e-3),
    "sequence": (0.0, 1e-4, 1e-5),
    "request": (0.0, 0.4, 5e-2),
    "slowdown": (0.7, 1.5, 0.2),
    "prefill_slowdown": (0.8, 2.0, 0.2),
    "mixture": (0.0, 4e-3, 1e-3),
}
TIMED = "vllm"  # the engine whose kernels were timed alone: in it they run no faster, while those of others may
SCALES = (1.0, 0.5, 0.25, 0.1, 0.05)  # of the first step, one after another
ROUNDS = 6  # of each, at the most
BLACKWELL = ("b200_sxm", "b300_sxm", "gb200", "gb300")
# weights -> the family of constants, whose are scaled, of which device, and what the entry is for
MIXTURES = {"nvfp4": ("moe fp4", "moe fp8_block"), "fp8_block": ("moe fp8_block", "moe fp8_block")}
SOURCE, TARGET = "h200-sxm", "b200"
LARGE = (8192, 4096, 7168)  # rows, columns and depth of a product that is bound by its arithmetic
CONSTANTS = ROOT / "src" / "cutaway" / "predict" / "constants" / "time.json"
SLOWER = ("spread", "expert_ns", "fill_us")  # constants that a time is proportional to; the rest of it goes by rates
FASTER = ("matrix", "memory", "feed")


@dataclass
class Part:
    """Rows of one machine, its kernels, and those of its mixtures alone."""

    rows: list[silicon.Row]
    machine: Machine
    step: Callable
    experts: Callable


def main(folder: Path, what: str) -> None:
    rows = [r for r in silicon.read(folder)[0] if silicon.is_fit(r)]
    carried = [r.system in BLACKWELL and r.model in silicon.WITH_EXPERTS for r in rows]
    if what in ("engines", "all"):
        for name in sorted({r.engine for r in rows}):
            parts = list(_parts([r for r in rows if r.engine == name]))
            start = engines.find(name)  # from what is known: requests and mixtures can stand for each other far from it
            least = {"slowdown": 1.0, "prefill_slowdown": 1.0} if name == TIMED else {}
            numbers = {k: (getattr(start, k), least.get(k, v[0]), *v[1:]) for k, v in NUMBERS.items()}
            best, loss = _search(
                numbers, lambda got, parts=parts, start=start: _loss(parts, lambda _: replace(start, **got), (1.0, 1.0))
            )
            print(f"{name}: loss {loss:.4f}", _short(best), flush=True)
    if what in ("mixtures", "all"):
        for quant, (family, like) in MIXTURES.items():
            base = _base(family, like, quant)
            parts = list(_parts([r for r, c in zip(rows, carried, strict=True) if r.quant == quant and c]))
            numbers = {"launch": (1.0, 0.2, 2.0, 0.3), "rest": (1.0, 0.3, 2.0, 0.3)}
            floor = 2e-6 * base["launch_us"]  # seconds of a mixture's two products without rows
            best, loss = _search(numbers, lambda got, p=parts, f=floor: _loss(p, engines.find, tuple(got.values()), f))
            print(f"{family}: loss {loss:.4f}", _short(best), flush=True)
            _write(family, like, base, best, sum(len(p.rows) for p in parts), loss)


def _parts(rows: list[silicon.Row]) -> Iterator[Part]:
    for key, members in e2e.grouped(rows).items():
        machine = e2e.machine_of(key, "ideal")
        own = [rows[i] for i in members]
        users, context = np.array([r.concurrency for r in own]), np.array([r.prompt + r.output for r in own])
        yield Part(
            own, machine, e2e.tabulated(machine.step, users, context),
            e2e.tabulated(e2e.experts_of(key), users, context),
        )  # fmt: skip


def _search(numbers: dict, loss_of: Callable[[dict], float]) -> tuple[dict, float]:
    """Coordinate by coordinate, in smaller and smaller steps."""
    best = {name: v[0] for name, v in numbers.items()}
    loss = loss_of(best)
    for scale in SCALES:
        for _ in range(ROUNDS):
            before = loss
            for name, (_, least, most, first) in numbers.items():
                for direction in (-1, 1):
                    tried = best | {name: float(np.clip(best[name] + direction * scale * first, least, most))}
                    new = loss_of(tried)
                    if new < loss:
                        best, loss = tried, new
            if loss > before - 1e-4:
                break
    return best, loss


def _loss(parts: list[Part], engine_of: Callable, factors: tuple[float, float], floor: float = 0.0) -> float:
    """Each model on each device, engine and format counts the same, however many of its rows there are."""
    groups: dict[tuple, list[np.ndarray]] = {}
    launch, rest = factors
    for part in parts:
        engine = engine_of(part.rows[0].engine)

        def kernels(*at, part=part):
            own = part.experts(*at)
            starts = np.minimum(floor * part.machine.layers, own)
            return part.step(*at) - own + starts * launch + (own - starts) * rest

        step = engine.around(kernels, part.machine.layers, part.machine.mixtures)
        got = e2e.closed(part.rows, replace(part.machine, engine=engine), step)
        tpot = np.abs(np.log(got.tpot / np.array([r.tpot for r in part.rows])))
        low = np.array([r.concurrency / r.dp <= e2e.LOW_CONCURRENCY for r in part.rows])
        ttft = np.abs(got.ttft / np.array([r.ttft for r in part.rows]) - 1)
        # Rows far off are of something else than a constant (a format or a cache that is not what it says).
        both = np.minimum(tpot, 0.5) + 0.5 * np.where(low, np.minimum(ttft, 3.0), 0.0)
        row = part.rows[0]
        groups.setdefault((row.model, row.system, row.engine, row.quant), []).append(both)
    return float(np.mean([np.concatenate(found).mean() for found in groups.values()]))


def _base(family: str, like: str, quant: str) -> dict:
    """Constants that the family's are made of, which predictions then take: the other device's, whose mixtures lose as much of
    the peak as single products do, where those of this format were timed on both."""
    source = constants.fitted()[like][SOURCE]
    base = dict(source["constants"])
    if all(device in constants.fitted().get(f"gemm {quant}", {}) for device in (SOURCE, TARGET)):
        base["matrix"] *= _share(TARGET, quant) / _share(SOURCE, quant)
    constants.fitted().setdefault(family, {})[TARGET] = {**source, "constants": base}
    constants.forget()
    return base


def _share(device: str, dtype: str) -> float:
    """Of the peak, what a large product reaches."""
    hw, (m, n, k) = find(device), LARGE
    return 2 * m * n * k / float(op_time(hw, "gemm", dtype, m=m, n=n, k=k)[0]) / hw.peak("fp8")


def _write(family: str, like: str, base: dict, best: dict, rows: int, loss: float) -> None:
    """The family's entry of the device: constants of the other, with a floor and a pace of its own."""
    found = json.loads(CONSTANTS.read_text())
    c = dict(base)
    c["launch_us"] *= best["launch"]
    c |= {name: c[name] * best["rest"] for name in SLOWER} | {name: c[name] / best["rest"] for name in FASTER}
    found["families"].setdefault(family, {})[TARGET] = {
        "constants": {name: float(f"{value:.4g}") for name, value in c.items()},
        "rows": rows,
        "error": round(100 * loss, 2),
        "whole_runs": True,
        "source": f"{like} of {SOURCE}, scaled to runs of whole models on Blackwell (aiconfigurator silicon_sample)",
    }
    CONSTANTS.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _short(found: dict) -> dict:
    return {name: float(f"{value:.3g}") for name, value in found.items()}


if __name__ == "__main__":
    if len(sys.argv) < 2 or not Path(sys.argv[1]).is_dir():
        sys.exit("usage: python scripts/fit_engine.py MEASURED_DIR [engines | mixtures]; the folder is not there")
    main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "all")
