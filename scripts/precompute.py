"""Derive the totals of every catalogue model, both phases, and write the file that ships in the package.

    python scripts/precompute.py [--only ID,ID] [--again]

Rows that are there already are kept unless `--again`; a model that cannot be derived is listed with the reason.
The file is written after each model, so that a stop loses little.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from cutaway import catalogue
from cutaway.catalogue.totals import FILE, _lines
from cutaway.errors import CutawayError
from cutaway.model import Analysis
from cutaway.report.cost_json import to_json
from cutaway.trace.analyse import analyse

PATH = Path(catalogue.__file__).parent / FILE


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only")
    parser.add_argument("--again", action="store_true")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    rows = {} if args.again and not args.only else dict(_lines())
    failed = []
    only = set(args.only.split(",")) if args.only else None
    for entry in catalogue.entries():
        for phase in ("prefill", "decode"):
            wanted = (only is None or entry.id in only) and (args.again or (entry.id, phase) not in rows)
            if not wanted or entry.needs_remote_code:
                continue
            try:
                rows[entry.id, phase] = tuple(derive(entry.id, phase))
                print(f"ok    {entry.id} {phase}", flush=True)
            except (CutawayError, ValueError) as error:
                failed.append((entry.id, phase, str(error)))
                print(f"none  {entry.id} {phase}: {error}", flush=True)
        write(rows)
    print(f"{len(rows)} answers, {PATH.stat().st_size:,} bytes; {len(failed)} not derived")
    return 0


def derive(name: str, phase: str) -> Iterator[str]:
    """The answers as `cutaway cost --json` gives them, with the root module alone and without its kernels.

    The second is that for one sequence, which most people ask for, and in which code copies less.
    """
    general = analyse(name, phase=phase)
    yield _text(general)
    if "batch_size > 1" in general.valid_when:
        single = analyse(name, phase=phase, values={"batch_size": 1})
        if len(single.gaps) <= len(general.gaps):
            yield _text(single)


def _text(found: Analysis) -> str:
    plain = replace(found.totals_only(), values={})
    return json.dumps(json.loads(to_json(plain)), separators=(",", ":"), ensure_ascii=False)


def write(rows: dict) -> None:
    text = "".join(json.dumps(list(key)) + one + "\n" for key in sorted(rows) for one in rows[key])
    fresh = PATH.with_suffix(".new")
    fresh.write_bytes(gzip.compress(text.encode("utf-8"), mtime=0))
    fresh.replace(PATH)


if __name__ == "__main__":
    sys.exit(main())
