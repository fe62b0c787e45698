# The promise that a catalogue entry is the real model: each must build, and give its published number of
# parameters to the last one. Run by hand or in CI; takes a minute or two.
"""Build every catalogue model on the meta device and compare parameter counts; exit 1 on a difference."""

import argparse
import sys
import time

from cutaway import catalogue
from cutaway.errors import CutawayError
from cutaway.trace.build import build_model, load_config


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="only these models (default: all)")
    parser.add_argument(
        "--verbose", action="store_true", help="a line for every model, not only for differences"
    )
    options = parser.parse_args()
    chosen = [catalogue.find(name) for name in options.names] or catalogue.entries()
    results = [(entry, *check(entry)) for entry in chosen]
    for entry, verdict, count, seconds, why in results:
        if options.verbose or verdict == "differs":
            counts = f"{entry.parameters or 0:>18,} {count or 0:>18,}"
            print(f"{verdict:<9} {entry.id:<52} {counts} {seconds:6.2f} s {why}")
    summarise(results)
    return int(any(verdict == "differs" for _, verdict, *_ in results))


def check(entry: catalogue.Entry) -> tuple[str, int | None, float, str]:
    """(verdict, count, seconds, why) for one model."""
    start = time.perf_counter()
    try:
        count = parameters(build_model(load_config(entry.config)))
    except CutawayError as error:
        expected = entry.needs_remote_code or entry.needs
        return ("cannot" if expected else "differs"), None, time.perf_counter() - start, error.what
    verdict = "same" if count == entry.parameters else "differs"
    return verdict, count, time.perf_counter() - start, ""


def parameters(model) -> int:
    """Each parameter once, tied ones too."""
    return sum(p.numel() for p in model.parameters())


def summarise(results: list) -> None:
    by_verdict = {v: [r for r in results if r[1] == v] for v in ("same", "differs", "cannot")}
    print(
        f"{len(by_verdict['same'])} same, {len(by_verdict['differs'])} differ, "
        f"{len(by_verdict['cannot'])} cannot be built here, of {len(results)}"
    )
    for entry, _, _, _, why in by_verdict["cannot"]:
        print(f"  {entry.id}: {why}" + (f" ({', '.join(entry.needs)})" if entry.needs else ""))
    slowest = sorted(results, key=lambda r: -r[3])[:5]
    print("slowest, with imports: " + ", ".join(f"{e.id} {s:.2f} s" for e, _, _, s, _ in slowest))


if __name__ == "__main__":
    sys.exit(main())
