"""How long the index of a repository takes and how much memory, beside the tools that people use to map code.

Every tool sees the same files: those that Cutaway reads, copied to a scratch folder with a git repository around
them. Every run is a process of its own; wall time, processor time and the peak of the resident memory of all its
processes together (pages that they share counted for each) are of that process with its children. `cold` is
without any cache, `same` is a second run with nothing changed, `one` with one line added to one file. A tool
without an incremental mode does all of its work each time. A busy machine slows the wall, so compare processor time.
What the tools make is not the same: ctags lists definitions; repomix packs text; aider ranks tags; CodeGraph
draws a call graph by name; Cutaway keeps definitions, calls, bindings and marks, and resolves calls later.

    python bench/index.py REPO...                    repositories as any target of `cutaway report`: folders, git directories
    python bench/index.py REPO... --peers /tmp/peers the others too, installed there by hand:
        npm install --prefix /tmp/peers repomix @colbymchenry/codegraph
        python -m venv /tmp/peers/aider-venv && /tmp/peers/aider-venv/bin/pip install aider-chat
    python bench/index.py REPO --scale               1,000 to 20,000 files made from the repository's own
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from cutaway.read.source import open_source

LIMIT = 1800  # seconds for one run
SIZES = (1_000, 2_000, 5_000, 10_000, 20_000)

CUTAWAY = """
import sys
from pathlib import Path
from cutaway.read.index import Index
from cutaway.read.source import open_source
cache = Path(sys.argv[2])
with open_source(sys.argv[1], cache=cache) as source, Index.open(source, cache) as index:
    print(len(source.files), index.read)
"""
AIDER = """
import sys
from pathlib import Path
from aider.io import InputOutput
from aider.repomap import RepoMap
class Model:
    def token_count(self, text):
        return len(text) // 4
root = Path(sys.argv[1])
files = sorted(str(p) for p in root.rglob("*") if p.is_file() and ".git" not in p.parts and ".aider" not in str(p))
made = RepoMap(root=str(root), main_model=Model(), io=InputOutput(yes=True), map_tokens=4096).get_repo_map([], files)
print(len(files), len(made or ""))
"""


@dataclass(frozen=True)
class Run:
    """What one run of one tool took."""

    wall: float = 0.0
    cpu: float = 0.0
    peak: float = 0.0  # MB
    why: str = ""

    def __str__(self) -> str:
        return self.why or f"{self.wall:7.2f} s {self.cpu:7.2f} s {self.peak:6.0f} MB"


def main() -> int:
    """Print a line for each run as it ends, then tables."""
    args = _arguments()
    globals()["LIMIT"] = args.limit
    tools = available(args.peers)
    chosen = args.tools.split(",") if args.tools else list(tools)
    found: dict[str, dict] = {}
    with tempfile.TemporaryDirectory(prefix="cutaway-bench-") as scratch:
        for target in args.repositories:
            name, root, count = copied(target, Path(scratch))
            for tool in chosen:
                found.setdefault(f"{name}, {count:,} files", {})[tool] = measured(tool, tools[tool], root)
        if args.scale:
            found["scale"] = scaled(args.repositories[0], Path(scratch))
    report(found)
    if args.json:
        args.json.write_text(json.dumps(found, default=vars, indent=1))
    return 0


def available(peers: Path | None) -> dict[str, list[str] | str]:
    """Tool -> its command on `{root}` and `{cache}`, or why there is none."""
    tools: dict[str, list[str] | str] = {"cutaway": [sys.executable, "-c", CUTAWAY, "{root}", "{cache}"]}
    ctags = shutil.which("ctags-universal") or shutil.which("ctags")
    tools["ctags"] = (
        [ctags, "-R", "--fields=+n", "-f", "{cache}/tags", "{root}"] if ctags else "not installed"
    )
    places = {
        "repomix": ("node_modules/.bin/repomix", ["{root}", "-o", "{cache}/packed.xml", "--quiet"]),
        "codegraph": ("node_modules/.bin/codegraph", ["init", "{root}"]),
        "aider": ("aider-venv/bin/python", ["-c", AIDER, "{root}"]),
    }
    for tool, (place, words) in places.items():
        there = peers is not None and (peers / place).exists()
        tools[tool] = [str((peers / place).absolute()), *words] if there else "not installed"  # pyrefly: ignore
    return tools


def copied(target: str, scratch: Path) -> tuple[str, Path, int]:
    """(name, folder, files) of a repository whose files all tools are given."""
    with open_source(target) as source:
        root = Path(tempfile.mkdtemp(prefix=f"{source.name}-", dir=scratch))
        count = 0
        for path, data in source.read_many(file.path for file in source.files):
            count += 1
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(data)
        return source.name, committed(root), count


def committed(root: Path) -> Path:
    """The folder as a git repository."""
    quiet = ["-c", "user.name=bench", "-c", "user.email=bench@example.org", "-c", "gc.auto=0"]
    for words in (["init", "-q"], ["add", "-A", "-f"], ["commit", "-q", "-m", "all"]):
        subprocess.run(["git", *quiet, *words], cwd=root, check=True, stdout=subprocess.DEVNULL)
    return root


def measured(tool: str, command: list[str] | str, root: Path) -> dict[str, Run]:
    """Cold, same and one, of one tool."""
    if isinstance(command, str):
        return {"cold": Run(why=command)}
    with tempfile.TemporaryDirectory(prefix="cutaway-cache-", dir=root.parent) as cache:
        words = [word.replace("{root}", str(root)).replace("{cache}", cache) for word in command]
        again = [w if w != "init" else "sync" for w in words] if tool == "codegraph" else words
        time.sleep(2.1)  # files that were written a moment ago are not trusted to stay as they are
        runs = {"cold": timed(words, root, cache)}
        if not runs["cold"].why:  # else the others would end no better
            runs["same"] = timed(again, root, cache)
            change_one(root)
            runs["one"] = timed(again, root, cache)
    for leftover in root.glob(".aider*"):
        shutil.rmtree(leftover)
    shutil.rmtree(root / ".codegraph", ignore_errors=True)
    for kind, run in runs.items():
        print(f"{root.name.rpartition('-')[0]} {tool:10} {kind:5} {run}", file=sys.stderr, flush=True)
    return runs


def change_one(root: Path) -> None:
    """Add a line to the file in the middle."""
    files = sorted(path for path in root.rglob("*.py") if ".git" not in path.parts)
    files = files or sorted(path for path in root.rglob("*.c*") if ".git" not in path.parts)
    with files[len(files) // 2].open("a") as file:
        file.write("\n\n")


def timed(command: list[str], root: Path, cache: str) -> Run:
    """One run, watched."""
    env = {
        **os.environ,
        "CUTAWAY_CACHE_DIR": cache,
        "DO_NOT_TRACK": "1",
        "CODEGRAPH_TELEMETRY": "0",
        "CI": "1",
    }
    with (Path(cache) / "log").open("wb") as log:
        started = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=root,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        peak = [0.0]
        watcher = threading.Thread(target=watch, args=(process.pid, peak, started + LIMIT), daemon=True)
        watcher.start()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - started
        watcher.join()
    if process.returncode:
        tail = (Path(cache) / "log").read_text(errors="replace").strip().splitlines()[-1:]
        return Run(why=f"failed: exit {process.returncode} after {wall:.0f} s {' '.join(tail)[:100]}")
    return Run(wall, usage.ru_utime + usage.ru_stime, max(peak[0], usage.ru_maxrss / 1024))


def watch(session: int, peak: list[float], until: float) -> None:
    """Sum the resident memory of all processes of a session, ten times a second, until they are gone."""
    page = os.sysconf("SC_PAGE_SIZE")
    while True:
        pages = 0
        for place in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = place.read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == session and fields[0] != "Z":
                pages += int(fields[21])
        if not pages:
            return
        peak[0] = max(peak[0], pages * page / 2**20)
        if time.perf_counter() > until:
            os.killpg(session, 9)
        time.sleep(0.1)


def scaled(target: str, scratch: Path) -> dict[int, Run]:
    """Cold runs of ours over 1,000 to 20,000 files, each with a content of its own."""
    with open_source(target) as source:
        models = [
            data for path, data in source.read_many(f.path for f in source.files if f.path.endswith(".py"))
        ]
    runs = {}
    for size in SIZES:
        root = Path(tempfile.mkdtemp(prefix=f"scale-{size}-", dir=scratch))
        for number in range(size):
            place = root / f"p{number // 100:03}" / f"m{number:05}.py"
            place.parent.mkdir(exist_ok=True)
            place.write_bytes(models[number * 7919 % len(models)] + b"\n# %d\n" % number)
        with tempfile.TemporaryDirectory(prefix="cutaway-cache-", dir=scratch) as cache:
            runs[size] = timed([sys.executable, "-c", CUTAWAY, str(committed(root)), cache], root, cache)
        shutil.rmtree(root)
        print(f"scale {size:6,} {runs[size]}", file=sys.stderr, flush=True)
    return runs


def report(found: dict[str, dict]) -> None:
    """Tables, ours first."""
    for title, rows in found.items():
        print(
            f"\n{title}: wall, processor, peak memory"
            + ("; ms of processor per file" if title == "scale" else "")
        )
        for name, runs in rows.items():
            if isinstance(runs, Run):
                each = "" if runs.why else f"   {runs.cpu / name * 1000:.2f} ms"
                print(f"  {name:10,}  {runs}{each}")
                continue
            for kind, run in runs.items():
                print(f"  {name:10} {kind:5} {run}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("repositories", nargs="+", metavar="REPO")
    parser.add_argument("--peers", type=Path, help="where the others are installed")
    parser.add_argument("--tools", help="only these, such as cutaway,ctags")
    parser.add_argument("--scale", action="store_true", help="the run over more and more files")
    parser.add_argument("--limit", type=float, default=LIMIT, help="seconds after which one run is ended")
    parser.add_argument("--json", type=Path, help="write the figures there as well")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
