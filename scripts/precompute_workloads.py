"""Derive the workloads of the catalogue's models and write the file that ships in the package.

    python scripts/precompute_workloads.py [--first ID,ID] [--again] [--only ID,ID]

Rows that are there already are kept unless `--again`; a model that cannot be derived is listed with the reason.
The file is written after each model, so that a stop loses little.
"""

from __future__ import annotations

import argparse
import gc
import gzip
import sys
import time
import warnings
from pathlib import Path

from cutaway import catalogue
from cutaway.catalogue.workloads import FILE, lines
from cutaway.predict.shipped import traced
from cutaway.predict.text import dumps

PATH = Path(catalogue.__file__).parent / FILE


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", default="")
    parser.add_argument("--only", default="")
    parser.add_argument("--again", action="store_true")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    first = [catalogue.find(n).id for n in args.first.split(",") if n]
    only = {catalogue.find(n).id for n in args.only.split(",") if n}
    rest = [e.id for e in catalogue.entries() if e.id not in first and not e.needs_remote_code]
    rows = {} if args.again and not only else dict(lines())
    failed = 0
    for name in (*first, *rest):
        if (only and name not in only) or (name in rows and not args.again):
            continue
        began = time.time()
        try:
            rows[name] = dumps(traced(name)[:2])
            print(f"ok    {name} {time.time() - began:.0f} s", flush=True)
        except Exception as error:  # the list of what is missing is the result, whatever the reason
            failed += 1
            print(f"none  {name}: {type(error).__name__}: {str(error)[:200]}", flush=True)
        write(rows)
        gc.collect()
    print(f"{len(rows)} models, {PATH.stat().st_size:,} bytes; {failed} not derived")
    return 0


def write(rows: dict[str, str]) -> None:
    text = "".join(f"{name}\t{rows[name]}\n" for name in sorted(rows))
    fresh = PATH.with_suffix(".new")
    fresh.write_bytes(gzip.compress(text.encode("utf-8"), mtime=0))
    fresh.replace(PATH)


if __name__ == "__main__":
    sys.exit(main())
