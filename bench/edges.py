"""How often a call edge is right, by the way it was resolved: a sample drawn at random, checked by hand, and scored.

    python bench/edges.py draw REPO [REPO ...] -o bench/edges.csv     draw 30 edges of each origin from git directories
    python bench/edges.py score bench/edges.csv                       precision per origin beside the stated confidence

`draw` keeps the verdicts of edges that are already in the file. A verdict is `right`, `wrong` or empty; a reader writes it
after reading both ends in the source at the commit that the row names.
"""

from __future__ import annotations

import argparse
import csv
import random
import sys
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

COLUMNS = [
    "origin",
    "repo",
    "commit",
    "path",
    "line",
    "caller",
    "callee",
    "to_path",
    "to_line",
    "symbol",
    "via",
    "verdict",
    "note",
]
EACH, SEED = 30, 20261121
NOT_CHECKED = ("external", "builtin", "unresolved")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["draw", "score"])
    parser.add_argument("files", nargs="+")
    parser.add_argument("-o", "--output", default="bench/edges.csv")
    args = parser.parse_args()
    return draw(args.files, Path(args.output)) if args.what == "draw" else score(Path(args.files[0]))


def draw(repositories: list[str], output: Path) -> int:
    from cutaway.facts.roles import role_of
    from cutaway.reading import opened

    pool: dict[str, list[dict]] = defaultdict(list)
    for where in repositories:
        with opened(where) as program:
            for path in program.paths:
                if role_of(path) != "code":
                    continue
                defs = program.record(path).defs
                for e in program.edges(path):
                    if e.origin not in NOT_CHECKED and e.path:
                        caller = defs[e.scope].name if e.scope >= 0 else ""
                        pool[e.origin].append(
                            dict(zip(COLUMNS, [e.origin, program.source.name, program.source.commit, path, e.line, caller,
                                               e.callee, e.path, e.at, e.symbol, e.via, "", ""], strict=True))
                        )  # fmt: skip
        print(where, {k: len(v) for k, v in sorted(pool.items())}, file=sys.stderr)
    known = {_identity(r): r for r in _read(output) if r["verdict"]} if output.exists() else {}
    rng, rows = random.Random(SEED), []
    for _, edges in sorted(pool.items()):
        by_repo: dict[str, list[dict]] = defaultdict(list)
        for edge in edges:
            by_repo[edge["repo"]].append(edge)
        for some in by_repo.values():
            rng.shuffle(some)
        picked = [e for e in edges if _identity(e) in known][:EACH]  # drawn before and still there
        taken = {_identity(e) for e in picked}
        while len(picked) < EACH and any(
            by_repo.values()
        ):  # in turn, so that the largest repository is not all there is
            for some in by_repo.values():
                if some and len(picked) < EACH and _identity(edge := some.pop()) not in taken:
                    picked.append(edge)
        rows += [known.get(_identity(p), p) for p in picked]
    with output.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return 0


def score(sheet: Path) -> int:
    from cutaway.read.origins import CONFIDENCE

    rows = _read(sheet)
    print(f"{'origin':<22} {'checked':>7} {'right':>6} {'stated':>7} {'off by':>7}")
    worst = 0.0
    for origin in sorted({r["origin"] for r in rows}):
        some = [r for r in rows if r["origin"] == origin and r["verdict"]]
        if not some:
            continue
        share = sum(r["verdict"] == "right" for r in some) / len(some)
        off = CONFIDENCE[origin] - share
        worst = max(worst, abs(off)) if len(some) >= EACH else worst
        print(f"{origin:<22} {len(some):>7} {share:>6.2f} {CONFIDENCE[origin]:>7.2f} {off:>+7.2f}")
    print(f"largest difference of an origin with {EACH} or more: {worst:.2f}")
    return 0 if worst <= 0.05 else 1


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _identity(row: dict[str, str]) -> tuple[str, ...]:
    return tuple(
        str(row[c]) for c in ("origin", "repo", "commit", "path", "line", "callee", "to_path", "symbol")
    )


if __name__ == "__main__":
    sys.exit(main())
