# Makes src/cutaway/predict/constants/{time.json,tables.npz} from a folder of measured timings. Deterministic: the rows
# that may be fitted are those that bench/split.py leaves, samples are drawn with a fixed seed, and numbers are rounded.
"""python scripts/fit_time.py MEASURED_DIR [--tables] [FAMILY…]: fit constants and tables of the time model; with `--tables`
the tables alone, of the constants that are there."""

from __future__ import annotations

import io
import json
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "bench"))

from measured_layers import layer_tables  # noqa: E402
from measured_rows import Table, tables  # noqa: E402
from mla_module import HIDDEN, module_time  # noqa: E402
from questions import COLLECTIVES, Question, question  # noqa: E402
from split import judged  # noqa: E402

from cutaway.hardware import dtype_name, find  # noqa: E402
from cutaway.predict.time import around, links  # noqa: E402
from cutaway.predict.time.constants import EMPTY, SCALE, fitted, joined  # noqa: E402
from cutaway.predict.time.families import FEW, family, family_of  # noqa: E402
from cutaway.predict.time.tables import build, correction  # noqa: E402
from cutaway.predict.time.tiers import _bits, _constants_dtype  # noqa: E402
from cutaway.predict.time.work import sizes  # noqa: E402

OUT = ROOT / "src" / "cutaway" / "predict" / "constants"
AROUND = tuple(map(around.family_of, (True, False)))
SAMPLE = 3000  # rows of one fit: more change the third digit


def main(folder: str, only: list[str], keep: bool) -> None:
    groups = gather(Path(folder))
    families: dict[str, dict[str, dict]] = {}
    arrays: dict[str, np.ndarray] = {}
    for (name, device), parts in sorted(groups.items()):
        if only and name.split()[0] not in only:
            continue
        tabled = name not in COLLECTIVES and name not in AROUND
        if keep and not tabled:
            entry, table = fitted()[name][device], None
        elif tabled:
            entry, table = fit_kernel(name, device, parts, fitted()[name][device] if keep else None)
        else:
            entry, table = (fit_collective if name in COLLECTIVES else fit_around)(name, device, parts)
        families.setdefault(name, {})[device] = entry
        if table is not None:
            arrays[f"{name}@{device}"] = table
        print(
            f"{name:<18} {device:<14} {entry['rows']:>6} rows  {entry['error']:5.1f} % on others", flush=True
        )
    write(families, arrays, merge=bool(only))


def gather(folder: Path) -> dict[tuple[str, str], list[Table]]:
    """(family of constants, device) -> its tables."""
    groups: dict[tuple[str, str], list[Table]] = {}
    for t in chain(tables(folder), layer_tables(folder)):
        if t.family in COLLECTIVES:
            groups.setdefault((t.family, t.device), []).append(t)
            continue
        if t.family.startswith("mla_module"):
            groups.setdefault((around.family_of(t.family == "mla_module_decode"), t.device), []).append(t)
        if t.family == "mla_module_decode":  # the one sight of its kernel that no host holds up
            groups.setdefault((f"mla_decode {t.cache}", t.device), []).append(t)
            continue
        asked = question(t)
        if asked is None or (asked.kind in ("scan", "conv") and "vllm" not in t.source):
            continue  # two engines have different kernels for these; one of them is learnt
        for few in (True, False):
            rows = few_queries(asked) == few
            if rows.any():
                causal = bool(np.any(asked.dims["causal"] > 0)) if "causal" in asked.dims else True
                name = family_of(
                    asked.kind,
                    _constants_dtype(asked.kind, asked.dtype, asked.weights, asked.cache),
                    few,
                    causal,
                )
                groups.setdefault((name, t.device), []).append(t.where(rows))
    return groups


def few_queries(asked: Question) -> np.ndarray:
    d = asked.dims
    if "q_len" in d:
        return d["q_len"] <= FEW
    return d["length"] <= 1 if "length" in d else np.zeros(len(next(iter(d.values()))), bool)


def fit_kernel(name: str, device: str, parts: list[Table], there: dict | None) -> tuple[dict, np.ndarray | None]:
    """Constants by least absolute relative error on a sample, or those that are there; then the table of what they miss on
    all fitted rows."""
    hw, used = find(device), family(name)
    layers = [t for t in parts if t.family.startswith("mla_module")]
    parts = [t for t in parts if t not in layers]
    asked = [(question(t), t.seconds, judged(t.dims)) for t in parts]
    time = [kernel(hw, used, q) for q, _, _ in asked]
    chosen = [sample(~held) for _, _, held in asked]
    samples = [kernel(hw, used, q, rows) for (q, _, _), rows in zip(asked, chosen, strict=True)]
    measured = np.concatenate([seconds[rows] for (_, seconds, _), rows in zip(asked, chosen, strict=True)])
    for t in layers:
        seen = t.where(np.isin(np.arange(len(t)), sample(~judged(t.dims))))
        samples.append(in_layer(hw, used, seen))
        measured = np.concatenate([measured, seen.seconds])
    start = {k: v for k, v in used.start.items() if layers or k != "around_us"}
    constants = there["constants"] if there else least(lambda c: np.concatenate([f(c) for f in samples]), measured, start)
    all_time = np.concatenate([f(constants) for f in time])
    all_measured = np.concatenate([seconds for _, seconds, _ in asked])
    held = np.concatenate([h for _, _, h in asked])
    miss = np.log(all_measured / all_time)
    axes = [
        np.concatenate(column) for column in zip(*(coordinates(used, q) for q, _, _ in asked), strict=True)
    ]
    fit_axes = tuple(a[~held] for a in axes)
    table = build(used.nodes, fit_axes, miss[~held]) if helps(used.nodes, fit_axes, miss[~held]) else None
    entry = entry_of(constants, all_time, all_measured, held, parts)
    if table is not None:
        at = correction(
            np.where(table == EMPTY, np.nan, table / SCALE), used.nodes, tuple(a[held] for a in axes)
        )
        better = all_time[held] * np.exp(np.nan_to_num(at))
        entry["table_error"] = error(better, all_measured[held])
    return entry, table


def helps(nodes: tuple, axes: tuple, miss: np.ndarray) -> bool:
    """Whether a table of every other fitted row makes the rest better by a tenth, in logarithms and in percent: where times
    jump, nodes say little of others, and a host that holds kernels up has no place in a table."""
    half = np.arange(len(miss)) % 2 == 0
    if half.sum() < 50:
        return False
    table = build(nodes, tuple(a[half] for a in axes), miss[half])
    left = miss[~half] - read(table, nodes, tuple(a[~half] for a in axes))
    return all(
        np.abs(how(left)).mean() < 0.9 * np.abs(how(miss[~half])).mean() for how in (np.asarray, lambda m: np.expm1(-m))
    )


def read(table: np.ndarray, nodes: tuple, axes: tuple) -> np.ndarray:
    return np.nan_to_num(correction(np.where(table == EMPTY, np.nan, table / SCALE), nodes, axes))


def coordinates(used, q: Question) -> list[np.ndarray]:
    d = sizes(q.kind, q.dims)
    return [np.broadcast_to(v, next(iter(q.dims.values())).shape) for v in used.axes(d)]


def kernel(hw, used, q: Question, rows: np.ndarray | None = None) -> Callable[[dict], np.ndarray]:
    dims = q.dims if rows is None else {name: column[rows] for name, column in q.dims.items()}
    d, dtype = sizes(q.kind, dims), dtype_name(q.dtype)
    bits, peak = _bits(dtype, q.weights, q.cache), hw.peak(dtype)
    return lambda c: used.seconds(hw, c, d, bits, peak, q.looped, q.kind)


def in_layer(hw, used, t: Table) -> Callable[[dict], np.ndarray]:
    """Seconds of a whole layer: its other kernels by constants that are there, and what the small ones around take."""
    q, rest = question(replace(t, family="mla_decode", dtype="bf16")), module_time(hw, t, attention=False, others=False)
    d, bits, peak = sizes(q.kind, q.dims), _bits("bf16", q.weights, q.cache), hw.peak("bf16")
    return lambda c: rest + c["around_us"] * 1e-6 + used.seconds(hw, c, d, bits, peak, False, q.kind)


def fit_around(name: str, device: str, parts: list[Table]) -> tuple[dict, None]:
    """What layers take beyond their kernels, by constants of those that are there."""
    hw = find(device)
    kernels = np.concatenate([module_time(hw, t, others=False) for t in parts])
    tokens = np.concatenate([t.dims["batch"] * t.dims["q_len"] for t in parts]).astype(float)
    measured, held = (np.concatenate(c) for c in zip(*((t.seconds, judged(t.dims)) for t in parts), strict=True))

    def layers(c: dict, rows: np.ndarray) -> np.ndarray:
        return kernels[rows] + around.seconds(hw, c, tokens[rows], HIDDEN)

    constants = least(lambda c: layers(c, ~held), measured[~held], around.START)
    return entry_of(constants, layers(constants, np.ones(len(held), bool)), measured, held, parts), None


def fit_collective(name: str, device: str, parts: list[Table]) -> tuple[dict, None]:
    speed = find(device).link
    nbytes, ranks, measured = (
        np.concatenate([t.dims["bytes"] for t in parts]).astype(float),
        np.concatenate([t.dims["ranks"] for t in parts]).astype(float),
        np.concatenate([t.seconds for t in parts]),
    )
    held = np.concatenate([judged(t.dims) for t in parts])
    start, used = links.START, lambda c, n, r: links.seconds(speed, c, name, n, r)
    if name == "custom_all_reduce" and joined(find(device)):  # an engine's own kernel, not what it leaves to the library
        own = nbytes <= links.OWN
        nbytes, ranks, measured, held = nbytes[own], ranks[own], measured[own], held[own]
        start, used = links.DIRECT, lambda c, n, r: links.direct(speed, c, n, r)
    constants = least(lambda c: used(c, nbytes[~held], ranks[~held]), measured[~held], start)
    return entry_of(constants, used(constants, nbytes, ranks), measured, held, parts), None


def sample(allowed: np.ndarray) -> np.ndarray:
    rows = np.flatnonzero(allowed)
    if len(rows) <= SAMPLE:
        return rows
    return np.sort(np.random.default_rng(0).choice(rows, SAMPLE, replace=False))


def entry_of(
    constants: dict, time: np.ndarray, measured: np.ndarray, held: np.ndarray, parts: list[Table]
) -> dict:
    return {
        "constants": constants,
        "rows": int((~held).sum()),
        "error": error(time[held], measured[held]) if held.any() else error(time, measured),
        "source": ", ".join(sorted({t.source for t in parts})),
    }


def error(predicted: np.ndarray, measured: np.ndarray) -> float:
    return round(float(100 * np.mean(np.abs(predicted / measured - 1))), 2)


def least(
    f: Callable[[dict], np.ndarray], measured: np.ndarray, start: dict, rounds: int = 60
) -> dict[str, float]:
    """Constants within their bounds that make |log(f / measured)| small: damped Gauss-Newton on logarithms, rows
    weighted by one over their error, so that few wild rows do not rule."""
    names = list(start)
    x, low, high = (np.log([start[n][i] for n in names]) for i in range(3))
    target, step, damping = np.log(measured), 1e-3, 1.0

    def misses(at: np.ndarray) -> np.ndarray:
        return np.log(f(dict(zip(names, np.exp(at).tolist(), strict=True)))) - target

    left = misses(x)
    for _ in range(rounds):
        cost = np.abs(left).mean()
        slopes = np.stack([(misses(x + step * unit) - left) / step for unit in np.eye(len(x))], axis=1)
        weight = 1 / np.maximum(np.abs(left), 0.03)
        square = (slopes * weight[:, None]).T @ slopes / len(left)
        slope = (slopes * weight[:, None]).T @ left / len(left)
        for _ in range(6):
            move = -np.linalg.solve(square + damping * np.diag(np.diag(square) + 1e-6), slope)
            tried = np.clip(x + np.clip(move, -0.7, 0.7), low, high)
            tried_left = misses(tried)
            if np.abs(tried_left).mean() < cost:
                break
            damping *= 3
        else:
            break
        x, left, damping = tried, tried_left, max(damping / 3, 1e-4)
        if cost - np.abs(left).mean() < 1e-5:
            break
    return {name: float(f"{value:.4g}") for name, value in zip(names, np.exp(x), strict=True)}


def write(families: dict, arrays: dict[str, np.ndarray], merge: bool) -> None:
    """`merge` keeps the families that were not fitted this time; what whole runs gave (fit_engine.py) always stays."""
    OUT.mkdir(exist_ok=True)
    before = json.loads((OUT / "time.json").read_text())["families"] if (OUT / "time.json").exists() else {}
    if merge and (OUT / "time.json").exists():
        old = np.load(OUT / "tables.npz")
        arrays |= {key: old[key] for key in old.files if key.partition("@")[0] not in families}
        families = before | families
    for name, devices in before.items():
        for device, entry in devices.items():
            if entry.get("whole_runs"):
                families.setdefault(name, {}).setdefault(device, entry)
    about = (
        "Fitted by scripts/fit_time.py on rows that bench/split.py does not hold back. What each constant means stands "
        "beside its name in src/cutaway/predict/time. 'error' is MAPE in percent on the rows held back, by constants "
        "alone; 'table_error' with the table. Timings: NVIDIA aiconfigurator (Apache-2.0), 2026-08."
    )
    text = json.dumps({"about": about, "families": families}, indent=1, sort_keys=True)
    (OUT / "time.json").write_text(text + "\n", encoding="utf-8")
    with zipfile.ZipFile(OUT / "tables.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for key in sorted(arrays):
            data = io.BytesIO()
            np.lib.format.write_array(data, arrays[key])
            # A fixed date keeps the archive the same from run to run.
            archive.writestr(
                zipfile.ZipInfo(f"{key}.npy", (2026, 1, 1, 0, 0, 0)), data.getvalue(), zipfile.ZIP_DEFLATED
            )


if __name__ == "__main__":
    if len(sys.argv) < 2 or not Path(sys.argv[1]).is_dir():
        sys.exit(
            "usage: python scripts/fit_time.py MEASURED_DIR [--tables] [FAMILY…]; the folder of measured timings is not there"
        )
    main(sys.argv[1], [name for name in sys.argv[2:] if name != "--tables"], "--tables" in sys.argv[2:])
