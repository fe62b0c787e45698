# Fits what an engine adds to its kernels, on the rows of one device that bench/silicon.py names, and prints the lines of
# src/cutaway/predict/engine.py. Five numbers per engine, by coordinate search on the mean absolute logarithm of predicted
# over measured: TPOT, and TTFT of low concurrency with half the weight.
"""`python scripts/fit_engine.py MEASURED_DIR`: constants of `Engine`."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))
import accuracy_e2e as e2e
import silicon

from cutaway.predict import engine as engines

# name -> (start, least, most)
NUMBERS = {
    "step": (1e-3, 0.0, 6e-3),
    "sequence": (1e-5, 0.0, 1e-4),
    "request": (2e-2, 0.0, 0.2),
    "slowdown": (1.0, 1.0, 1.5),  # kernels run no faster in an engine than alone
    "prefill_slowdown": (1.0, 1.0, 2.0),
}


def main() -> None:
    rows = [r for r in silicon.read(Path(sys.argv[1]))[0] if silicon.is_fit(r)]
    for name in sorted({r.engine for r in rows}):
        mine = [r for r in rows if r.engine == name]
        parts = []
        for key, members in e2e.grouped(mine).items():
            machine = e2e.machine_of(key, "ideal")
            own = [mine[i] for i in members]
            context = np.array([r.prompt + r.output for r in own])
            parts.append(
                (own, machine, e2e.tabulated(machine.step, np.array([r.concurrency for r in own]), context))
            )
        best = replace(engines.find(name), **{k: v[0] for k, v in NUMBERS.items()})
        loss = _loss(parts, best)
        for scale in (0.5, 0.5, 0.2, 0.2, 0.1, 0.05):
            for number, (start, least, most) in NUMBERS.items():
                for direction in (-1, 1):
                    value = float(
                        np.clip(getattr(best, number) + direction * scale * max(start, 1e-6), least, most)
                    )
                    tried = replace(best, **{number: value})
                    new = _loss(parts, tried)
                    if new < loss:
                        best, loss = tried, new
        print(f"{name}: loss {loss:.4f}", {k: float(f"{getattr(best, k):.3g}") for k in NUMBERS}, flush=True)


def _loss(parts, engine) -> float:
    total, count = 0.0, 0
    for rows, machine, step in parts:
        around = engine.around(step, machine.layers)
        got = e2e.closed(rows, replace(machine, engine=engine), around)
        tpot = np.abs(np.log(got.tpot / np.array([r.tpot for r in rows])))
        low = np.array([r.concurrency / r.dp <= e2e.LOW_CONCURRENCY for r in rows])
        ttft = np.abs(np.log(got.ttft / np.array([r.ttft for r in rows])))[low]
        # Rows far off are of something else than a constant (guessing of tokens, a format that is not what it says).
        total += np.minimum(tpot, 0.5).sum() + 0.5 * np.minimum(ttft, 1.0).sum()
        count += len(tpot) + 0.5 * len(ttft)
    return total / count


if __name__ == "__main__":
    main()
