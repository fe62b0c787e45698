"""Whether two versions of Cutaway keep the same of a repository, and the processor time that each takes to read all of it.

For a change that is to make the index faster and leave it as it is. Every row of every table is compared, byte by byte; the
versions take turns, each run is a process of its own without any cache, and its time is that of all its processes.

    git worktree add /tmp/before main
    python bench/index_beside.py /tmp/before/src src REPO... [--rounds 3]     exit 1 where a row differs
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import sys
import tempfile
from pathlib import Path

from index import CUTAWAY, copied

Rows = dict[tuple, bytes]


def main() -> int:
    """A line for each repository: how many rows, how many differ, the least time of each version."""
    args = _arguments()
    differing = 0
    with tempfile.TemporaryDirectory(prefix="cutaway-bench-") as scratch:
        for target in args.repositories:
            name, root, _ = copied(target, Path(scratch))
            runs = [
                [run(source, root, scratch) for source in (args.before, args.after)]
                for _ in range(args.rounds)
            ]
            before, after = (rows for rows, _ in runs[0])
            first, then = (
                min(seconds) for seconds in zip(*([t for _, t in both] for both in runs), strict=True)
            )
            other = [key for key in before.keys() | after.keys() if before.get(key) != after.get(key)]
            differing += len(other)
            print(
                f"{name}: {len(after):,} rows, {len(other)} differ; {first:.2f} s, then {then:.2f} s",
                flush=True,
            )
    return bool(differing)


def run(source: Path, root: Path, scratch: str) -> tuple[Rows, float]:
    """(rows, seconds) of one cold run of the package in a folder."""
    with tempfile.TemporaryDirectory(dir=scratch) as cache:
        words = [sys.executable, "-c", CUTAWAY, str(root), cache]
        pid = os.posix_spawn(sys.executable, words, {**os.environ, "PYTHONPATH": str(source.absolute())})
        _, status, usage = os.wait4(pid, 0)
        if status:
            raise SystemExit(f"{source} failed on {root.name}: {os.waitstatus_to_exitcode(status)}")
        (database,) = Path(cache).glob("index/*.db")
        return rows_of(database), usage.ru_utime + usage.ru_stime


def rows_of(database: Path) -> Rows:
    """The last column of every row of every table, by the others."""
    with sqlite3.connect(database) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        return {
            (table, *row[:-1]): row[-1]
            for (table,) in tables
            for row in connection.execute(f'SELECT * FROM "{table}"')
        }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("before", type=Path, help="the folder that holds one package `cutaway`")
    parser.add_argument("after", type=Path, help="and the other")
    parser.add_argument("repositories", nargs="+", metavar="REPO")
    parser.add_argument("--rounds", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
