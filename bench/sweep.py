# How many predictions a second a sweep gives on one core, and whether other back ends give the same rows, also when a
# worker is killed. `python bench/sweep.py [--backends local,dask,ray]`.
"""Speed and sameness of `cutaway sweep`."""

import argparse
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from cutaway.predict import sweep as swept

MODELS = ["meta-llama/Llama-3.1-8B", "Qwen/Qwen3-32B"]
CASES = swept.cases(model=MODELS, hardware=["h100-sxm", "h200-sxm"], tp=[1, 2, 4], weights=["bf16", "fp8"])
GRID = swept.Grid(swept.steps(1, 512, 64), swept.steps(128, 16384, 64), swept.steps(16, 4096, 64))


def speed() -> None:
    """One core, warm: machines are built and asked once before."""
    small = swept.Grid((1,), (128,), (16,))
    swept.sweep(CASES, small)
    begin = time.perf_counter()
    rows = len(swept.sweep(CASES, GRID))
    whole = time.perf_counter() - begin
    print(f"{rows:,} predictions in {whole:.2f} s, machines built anew: {rows / whole:,.0f} per second")
    machines = [case.machine() for case in CASES]
    begin = time.perf_counter()
    rows = sum(len(swept.rows_of(machine, GRID)["ttft_s"]) for machine in machines)
    whole = time.perf_counter() - begin
    print(f"{rows:,} predictions in {whole:.2f} s, machines warm: {rows / whole:,.0f} per second")


def sameness(backend: str) -> bool:
    """The rows of two workers, of which one is killed on the way, against those of one process."""
    grid = swept.Grid(swept.steps(1, 256, 24), swept.steps(128, 8192, 24), (64, 256))
    want = swept.sweep(CASES, grid)
    killed: list[int] = []

    def kill(done: int, _all: int) -> None:
        if done == 3 and not killed and (children := _workers()):
            killed.append(children[0])
            os.kill(children[0], signal.SIGKILL)

    with tempfile.TemporaryDirectory() as folder:
        got = swept.sweep(CASES, grid, jobs=2, backend=backend, folder=Path(folder), told=kill)
    same = all(
        np.array_equal(want.columns[k], got.columns[k], equal_nan=want.columns[k].dtype.kind == "f")
        for k in want.columns
    )
    print(
        f"{backend}: {len(got):,} rows, worker killed: {'yes' if killed else 'no'}, {'identical' if same else 'DIFFERENT'}"
    )
    return same


def _workers() -> list[int]:
    """Processes below this one that run Python workers; helpers that track resources are none."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rsplit(")", 1)[1].split()[1])
            words = (stat.parent / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (OSError, ValueError):
            continue
        if parent == os.getpid() and ("LokyProcess" in words or "spawn_main" in words or "ray::" in words):
            found.append(int(stat.parent.name))
    return sorted(found)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backends", default="local")
    given = parser.parse_args()
    speed()
    good = [sameness(name) for name in given.backends.split(",") if name]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
