# How far predicted times of single kernels are from measured ones, on rows that no fit has seen: by shape (rows that the
# split holds back) and by device (constants of relatives only). This is where the published figures come from.
"""python bench/accuracy.py MEASURED_DIR [-o DIR] [--family REGEX]: tables of errors per kernel and device."""

from __future__ import annotations

import argparse
import json
import sys
from itertools import chain
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from measured_layers import layer_tables
from measured_rows import Table, tables
from mla_module import module_time
from questions import COLLECTIVES, question
from split import HELD_OUT, judged

from cutaway.hardware import find
from cutaway.predict.time import CALIBRATED, SPEED_OF_LIGHT, op_time
from cutaway.predict.time.links import explained

TIERS = ("speed of light", "calibrated", "measured", "by device")
COLUMNS = ("kernel", "device", "dtype", "cache", "fitted", "judged")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("-o", "--out", type=Path, help="folder for accuracy.md, accuracy.json and plots")
    parser.add_argument("--family", default=".*")
    arguments = parser.parse_args()
    if not arguments.folder.is_dir():
        print(f"no measured timings at {arguments.folder}: nothing is judged", file=sys.stderr)
        return 2
    rows, points = [], {}
    for table in chain(
        tables(arguments.folder, arguments.family), layer_tables(arguments.folder, arguments.family)
    ):
        judgement = judge(table)
        if judgement is not None:
            rows.append(judgement[0])
            points[f"{table.family} {table.device} {table.dtype} {table.cache}".strip()] = judgement[1]
            print(line(rows[-1]), flush=True)
    text = markdown(rows)
    if arguments.out:
        arguments.out.mkdir(parents=True, exist_ok=True)
        (arguments.out / "accuracy.md").write_text(text, encoding="utf-8")
        (arguments.out / "accuracy.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
        plot(points, arguments.out)
    print(text)
    return 0


def judge(table: Table) -> tuple[dict, tuple[np.ndarray, np.ndarray]] | None:
    """Errors of each tier on the rows held back, and (measured, predicted) seconds of the best; None for what we have
    no kernel for."""
    held = judged(table.dims)
    if not held.any():
        return None
    part = table.where(held)
    found = {"kernel": table.family, "device": table.device, "dtype": table.dtype, "cache": table.cache}
    found |= {"fitted": int((~held).sum()), "judged": len(part), "source": table.source}
    times = predicted(part)
    if times is None:
        return None
    found["errors"] = {tier: errors(time, part.seconds) for tier, time in times.items()}
    return found, (part.seconds, times["measured"])


def predicted(part: Table) -> dict[str, np.ndarray] | None:
    hw = find(part.device)
    held_out = (part.device,) if part.device in HELD_OUT else None
    if part.family in COLLECTIVES:
        of = {"op": part.family, "nbytes": part.dims["bytes"], "ranks": part.dims["ranks"], "custom": False}
        if (
            part.family == "custom_all_reduce"
        ):  # what an engine runs: its own kernel, or the library's above its limit
            of |= {"op": "all_reduce", "custom": True}
        light, best = explained(hw, tier=SPEED_OF_LIGHT, **of)[0], explained(hw, **of)[0]
        times = {"speed of light": light, "calibrated": best, "measured": best}
        return times | ({"by device": explained(hw, without=held_out, **of)[0]} if held_out else {})
    if part.family.startswith("mla_module"):  # the sum of its kernels, and what it takes around them
        times = {tier: module_time(hw, part, tier=tier) for tier in (SPEED_OF_LIGHT, CALIBRATED)}
        return times | {"measured": module_time(hw, part)} | (
            {"by device": module_time(hw, part, without=held_out)} if held_out else {}
        )
    asked = question(part)
    if asked is None:
        return None
    ask = asked.arguments()
    times = {
        "speed of light": op_time(hw, asked.kind, tier=SPEED_OF_LIGHT, **ask)[0],
        "calibrated": op_time(hw, asked.kind, tier=CALIBRATED, **ask)[0],
        "measured": op_time(hw, asked.kind, **ask)[0],
    }
    return times | ({"by device": op_time(hw, asked.kind, without=held_out, **ask)[0]} if held_out else {})


def errors(time: np.ndarray, measured: np.ndarray) -> dict[str, float]:
    """In percent: mean and median of the absolute error, and the mean of the error."""
    off = 100 * (time / measured - 1)
    values = (np.mean(np.abs(off)), np.median(np.abs(off)), np.mean(off))
    return dict(zip(("mape", "median", "bias"), (round(float(v), 2) for v in values), strict=True))


def line(row: dict) -> str:
    cells = [str(row[name]) for name in COLUMNS]
    for tier in TIERS:
        e = row["errors"].get(tier)
        cells.append("-" if e is None else f"{e['mape']:.1f} / {e['median']:.1f} / {e['bias']:+.1f}")
    return "| " + " | ".join(cells) + " |"


def markdown(rows: list[dict]) -> str:
    head = [*COLUMNS, *TIERS]
    return "\n".join(
        [
            "Error of predicted kernel times on rows held back, in percent: MAPE / median / bias. The columns are the",
            "tiers: the roofline, the formula, the best that is known; and the formula with constants of other devices.",
            "",
            "| " + " | ".join(head) + " |",
            "| " + " | ".join("---" for _ in head) + " |",
            *map(line, rows),
            "",
        ]
    )


def plot(points: dict[str, tuple[np.ndarray, np.ndarray]], folder: Path) -> None:
    """Predicted over measured, one picture per kernel, where matplotlib is installed."""
    try:
        import matplotlib
    except ImportError:
        print("matplotlib is not installed: no plots", file=sys.stderr)
        return
    matplotlib.use("Agg")
    from matplotlib import pyplot

    for name, (measured, time) in points.items():
        figure, axes = pyplot.subplots(figsize=(4, 4))
        axes.loglog(measured, time, ".", markersize=1)
        axes.loglog(
            [measured.min(), measured.max()], [measured.min(), measured.max()], color="black", linewidth=0.5
        )
        axes.set(xlabel="measured, s", ylabel="predicted, s", title=name)
        figure.tight_layout()
        figure.savefig(folder / f"{name.replace(' ', '_')}.png", dpi=120)
        pyplot.close(figure)


if __name__ == "__main__":
    sys.exit(main())
