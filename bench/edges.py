"""How often a call edge is right, by the way it was resolved: a sample drawn at random, checked by hand, and scored.

    python bench/edges.py draw REPO [REPO ...] -o bench/edges.csv     draw 30 edges of each origin from git directories
    python bench/edges.py score bench/edges.csv                       precision per origin beside the stated confidence

Each edge has a lot, a hash of the seed and of both its ends. Of every origin `draw` takes the lowest lots, from the
repositories in turn and at most half from one. What is drawn does not depend on verdicts, so an edge that was checked keeps
its verdict where the very same edge is drawn again, and after a change of the resolver only edges that are new to the sample
are left to check. A verdict is `right`, `wrong` or empty; a reader writes it after reading both ends in the source at the
commit that the row names. An edge is right if the call can run that definition; where dispatch is by base class, right are
the declaration of the base and each override that this call can meet. Some rules were mended after wrong edges of this very
sample, and those edges replaced by the next lots: on rules mended so the sample is not blind.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import sys
from collections import defaultdict
from itertools import zip_longest
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
EACH, SEED = 30, "2026-11-22"
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

    pool: dict[str, dict[str, list[dict]]] = defaultdict(dict)
    for where in repositories:
        found: dict[str, dict[str, dict]] = defaultdict(dict)
        with opened(where) as program:
            name, commit = _name(Path(where), program.source.name), program.source.commit
            for path in program.paths:
                if role_of(path) != "code":
                    continue
                defs = program.record(path).defs
                for e in program.edges(path):
                    if e.origin not in NOT_CHECKED and e.path:
                        caller = defs[e.scope].name if e.scope >= 0 else ""
                        row = dict(zip(COLUMNS, [e.origin, name, commit, path, e.line, caller, e.callee, e.path, e.at,
                                                 e.symbol, e.via, "", ""], strict=True))  # fmt: skip
                        found[e.origin][_lot(*_identity(row))] = row
        print(name, {k: len(v) for k, v in sorted(found.items())}, file=sys.stderr, flush=True)
        for origin, some in found.items():
            pool[origin][name] = [some[lot] for lot in sorted(some)[: EACH // 2]]
    known = {_identity(r): r for r in _read(output)} if output.exists() else {}
    rows = []
    for origin, by_repo in sorted(pool.items()):
        order = sorted(by_repo, key=lambda name, origin=origin: _lot(origin, name))
        turns = zip_longest(*(by_repo[name] for name in order))
        picked = [edge for turn in turns for edge in turn if edge][:EACH]
        for edge in sorted(picked, key=_place):
            before = known.get(_identity(edge), {})
            if str(edge["to_line"]) != before.get("to_line"):  # another definition of the name than what was checked
                before = {}
            rows.append(edge | {c: before.get(c, "") for c in ("verdict", "note")})
    with output.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return 0


def _name(where: Path, told: str) -> str:
    """`owner/name` of a git directory that lies at `owner+name/repo`, else what the source itself says."""
    return where.parent.name.replace("+", "/") if "+" in where.parent.name else told


def _lot(*of: str) -> str:
    return hashlib.sha256("\0".join((SEED, *of)).encode()).hexdigest()


def _place(row: dict) -> tuple:
    return (row["repo"], row["path"], int(row["line"]), row["callee"], row["to_path"], row["symbol"])


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
    return 0 if round(worst, 3) <= 0.05 else 1


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _identity(row: dict[str, str]) -> tuple[str, ...]:
    return tuple(str(row[c]) for c in ("origin", "commit", "path", "line", "callee", "to_path", "symbol"))


if __name__ == "__main__":
    sys.exit(main())
