"""Totals of a whole model over a grid of batch sizes and sequence lengths: formulas against tracing again.

A formula is worth its trouble when many shapes are asked: sweeps, plots, sliders. The totals of a model
(FLOPs, matrix FLOPs, bytes read and written, cache) are compiled into one numpy function, evaluated on a
grid on one core, and held against what one trace takes. Some points are traced anew at their own sizes and
must agree exactly.

    python bench/grid.py                                   Llama-3.1-8B, DeepSeek-V3
    python bench/grid.py qwen3-next-80b-a3b-thinking --side 2000
"""

from __future__ import annotations

import argparse
import os
import sys
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

MODELS = ["llama-3.1-8b", "deepseek-v3"]
BYTES = {"w_bytes": 2, "a_bytes": 2, "kv_bytes": 2}


def main() -> int:
    args = _arguments()
    results = [measure(name, args.phase, args.side, args.points) for name in args.models]
    return int(not all(results))


def measure(name: str, phase: str, side: int, points: int) -> bool:
    import numpy as np

    from cutaway.formula import compile_formulas, holds
    from cutaway.trace.analyse import analyse

    analyse(name, phase=phase)  # imports, files read, line tables: not what is compared
    found, traced = _timed(lambda: analyse(name, phase=phase))
    formulas = formulas_of(found)
    names = [s.name for s in found.symbols]
    evaluate, compiled = _timed(lambda: compile_formulas(formulas, names))
    grid = {n: BYTES.get(n, 1) for n in names} | axes(names, side)
    values, took = _timed(lambda: evaluate(*(grid[n] for n in names)))
    shapes = side * side
    one = {**{n: BYTES.get(n, 1) for n in names}, **dict.fromkeys(axes(names, 1), 64)}
    _, single = _timed(lambda: [f.evaluate(one) for f in formulas], 100)
    print(
        f"{name} {phase}: {len(formulas)} totals at {shapes:,} shapes in {took:.3f} s, "
        f"{shapes / took:,.0f} shapes/s\n"
        f"  compiling took {compiled * 1e3:.1f} ms; one shape exactly, in integers: {single * 1e6:.0f} us\n"
        f"  one trace {traced:.2f} s of CPU: the grid is {shapes / took * traced:,.0f} times faster"
    )
    rng, wrong = np.random.default_rng(1), 0
    for _ in range(points):
        at = dict(zip(axes(names, 1), (int(rng.integers(2, 64)), int(rng.integers(64, side))), strict=True))
        if all(holds(c, at) for c in found.valid_when):
            again = analyse(name, phase=phase, values=at)
            exact = [f.evaluate({**one, **at}) for f in formulas_of(again)]
            ours = evaluate(*({**one, **at}[n] for n in names))
            wrong += exact != ours
            print(f"  traced anew at {at}: {'the same' if exact == ours else f'{exact} is not {ours}'}")
        else:
            print(f"  outside of the formulas at {at}")
    rows = [np.broadcast_to(v, (side, side)) for v in values]
    down = sum(bool((np.diff(v, axis=a) < 0).any()) for v in rows for a in (0, 1))
    print(f"  totals that fall somewhere as a size grows: {down}")
    return not wrong


def formulas_of(analysis) -> list:
    total, fused = analysis.total, analysis.fused
    sums = [total.flops, total.matmul_flops, total.read, total.write, fused.read, fused.write]
    return [*sums, analysis.kv_cache_bytes]


def axes(names: list[str], side: int) -> dict:
    """Batch down, a length across; in float64, which rounds totals above 2**53."""
    import numpy as np

    across = next(n for n in ("cache_len", "seq_len") if n in names)
    steps = np.arange(2, side + 2, dtype=np.float64)
    return {"batch_size": steps[:, None], across: steps[None, :]}


def _timed(what, times: int = 1):
    """The result, and CPU seconds of one call."""
    started = time.process_time()
    for _ in range(times):
        out = what()
    return out, (time.process_time() - started) / times


def _arguments() -> argparse.Namespace:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("models", nargs="*", default=MODELS)
    parser.add_argument("--phase", default="prefill", choices=["prefill", "decode"])
    parser.add_argument("--side", type=int, default=1000, help="batch sizes and lengths: side x side shapes")
    parser.add_argument("--points", type=int, default=2, help="shapes that are traced anew")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
