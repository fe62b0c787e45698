# How many predictions a second a sweep gives on one core, and whether other back ends give the same rows, also when a
# worker is killed or the whole run is. `python bench/sweep.py [--backends local,dask,ray] [--packages DIR]`; what a back end
# needs is installed into DIR first where it is missing there, and a back end whose package is absent says so.
"""Speed and sameness of `cutaway sweep`."""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from cutaway.errors import NeedsExtra
from cutaway.predict import sweep as swept

MODELS = ["meta-llama/Llama-3.1-8B", "Qwen/Qwen3-32B"]
CASES = swept.cases(model=MODELS, hardware=["h100-sxm", "h200-sxm"], tp=[1, 2, 4], weights=["bf16", "fp8"])
GRID = swept.Grid(swept.steps(1, 512, 64), swept.steps(128, 16384, 64), swept.steps(16, 4096, 64))
SMALL = swept.Grid(swept.steps(1, 256, 24), swept.steps(128, 8192, 24), (64, 256))
DEVICES = ["h100-sxm", "h200-sxm", "a100", "l40s", "b200"]
MORE = swept.cases(model=MODELS, hardware=DEVICES, tp=[1, 2, 4, 8], weights=["bf16", "int8"])
PACKAGES = {"local": ["joblib"], "dask": ["joblib", "distributed"], "ray": ["ray"]}


def speed() -> None:
    """One core, warm: machines are built and asked once before. Of CPU too, which a busy machine leaves alone."""
    swept.sweep(CASES, swept.Grid((1,), (128,), (16,)))
    machines = [case.machine() for case in CASES]
    loops = swept.Grid(GRID.batch, GRID.prompt, GRID.output, closed=True)
    for words, rows in (
        ("machines built anew", lambda: len(swept.sweep(CASES, GRID))),
        ("machines warm", lambda: sum(swept.rows_of(machine, GRID)["ttft_s"].size for machine in machines)),
        ("closed loops, built anew", lambda: len(swept.sweep(CASES[::6], loops))),
    ):
        begin, busy = time.perf_counter(), time.process_time()
        count = rows()
        wall, cpu = time.perf_counter() - begin, time.process_time() - busy
        print(
            f"{words}: {count:,} predictions in {wall:.2f} s, {cpu:.2f} s of CPU: {count / wall:,.0f} per second, "
            f"{count / cpu:,.0f} per second of CPU"
        )


def with_a_death(backend: str, want: swept.Swept) -> bool:
    """The rows of two workers, of which one is killed while both work, against those of one process."""
    killed: list[int] = []

    def kill() -> None:
        if workers := _workers():
            killed.append(workers[0])
            os.kill(workers[0], signal.SIGKILL)

    def told(done: int, _all: int) -> None:
        if done == 3:
            threading.Timer(0.05, kill).start()

    try:
        got = swept.sweep(MORE, SMALL, jobs=2, backend=backend, told=told)
    except NeedsExtra as error:
        print(f"{backend}: {error} ({error.try_})")
        return True
    same = _same(want, got)
    print(
        f"{backend}: {len(got):,} rows of {len(MORE)} machines, worker killed: {'yes' if killed else 'NO'}, "
        f"{'identical' if same else 'DIFFERENT'}"
    )
    return same and bool(killed)


def resumed(want: swept.Swept) -> bool:
    """A run that is killed as a whole, and taken up again."""
    with tempfile.TemporaryDirectory() as folder:
        first = subprocess.Popen([sys.executable, __file__, "--child", folder])
        while len(list(Path(folder).glob("*.npz"))) < 5 and first.poll() is None:
            time.sleep(0.01)
        first.kill()
        first.wait()
        there = len(list(Path(folder).glob("*.npz")))
        asked: list[int] = []
        got = swept.sweep(MORE, SMALL, folder=Path(folder), told=lambda done, _all: asked.append(done))
    same = _same(want, got)
    print(
        f"resumed: {there} of {len(MORE)} machines were kept when the run was killed, {len(asked)} computed after, "
        f"{'identical' if same else 'DIFFERENT'}"
    )
    return same and 0 < there < len(MORE)


def _same(want: swept.Swept, got: swept.Swept) -> bool:
    return want.refused == got.refused and all(
        np.array_equal(want.columns[k], got.columns[k], equal_nan=want.columns[k].dtype.kind == "f")
        for k in want.columns
    )


def _workers() -> list[int]:
    """Processes below this one that run tasks; nannies, schedulers and helpers that track resources are none."""
    parents, words = {}, {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rsplit(")", 1)[1].split()[1])
            words[int(stat.parent.name)] = (stat.parent / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (OSError, ValueError):
            continue
    found = []
    for process, line in words.items():
        above = process
        while above in parents and above != os.getpid():
            above = parents[above]
        ours = above == os.getpid() and process != above
        if ours and ("LokyProcess" in line or "spawn_main" in line or "ray::_numbered" in line):
            found.append(process)
    return sorted(found)


def install(folder: Path, backends: list[str]) -> None:
    """Into a folder of their own, so that nothing here depends on them."""
    for package in {p for name in backends for p in PACKAGES.get(name, [])}:
        if not (folder / package).is_dir():
            pip = [sys.executable, "-m", "pip", "install", "-q", "--no-compile", "--target", str(folder), package]
            if subprocess.run(pip, check=False).returncode:
                print(f"{package} could not be installed", file=sys.stderr)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backends", default="local,dask,ray")
    parser.add_argument("--packages", type=Path, help="folder outside the repository that holds joblib, Dask and Ray")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        swept.sweep(MORE, SMALL, folder=given.child)
        return 0
    names = [name for name in given.backends.split(",") if name]
    if given.packages:
        install(given.packages, names)
        sys.path.insert(0, str(given.packages))
        # Workers are new processes, and find packages where this one does.
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(given.packages), os.environ.get("PYTHONPATH"))))
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_raylet_start_wait_time_s": "240"}
    speed()
    want = swept.sweep(MORE, SMALL)
    good = [resumed(want), *(with_a_death(name, want) for name in names)]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
