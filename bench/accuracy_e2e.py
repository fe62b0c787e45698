# How far predictions of serving are from what was measured, on rows that no constant was fitted on. One command, one table;
# `python bench/accuracy_e2e.py MEASURED_DIR [--notes FILE] [-o DIR]`. Without the folder it says so and stops.
"""End to end: TPOT and TTFT of closed loops, runs with timestamps, and published figures."""

import argparse
import csv
import gzip
import json
import sys
from pathlib import Path

import numpy as np
import silicon
from measured_step import MeasuredStep

from cutaway.errors import CutawayError
from cutaway.predict import serving
from cutaway.predict.arrivals import Request
from cutaway.predict.machine import build
from cutaway.predict.scheduler import ServerConfig
from cutaway.predict.simulate import simulate
from cutaway.predict.table import StepTable

LOW_CONCURRENCY = 8
RUNS = (  # e2e__<device>_<model>: model, layers, hardware, tp, sequences, blocks where the engine said them
    ("RTXPRO6000", "meta-llama/Llama-3.1-8B", 32, "rtx-pro-6000-server", 1, 128, None),
    ("RTX4090", "meta-llama/Llama-3.1-8B", 32, "rtx-4090", 1, 256, 2588),
    ("RTXPRO6000", "Qwen/Qwen3-32B", 64, "rtx-pro-6000-server", 2, 128, None),
)


def predict(rows, make=None) -> tuple[np.ndarray, np.ndarray, dict[str, int]]:
    """(TTFT, TPOT) in seconds per row, not a number where a machine cannot be built, and the reasons."""
    ttft, tpot = np.full((2, len(rows)), np.nan)
    reasons: dict[str, int] = {}
    for key, members in grouped(rows).items():
        try:
            machine = (make or machine_of)(key)
        except CutawayError as error:
            reasons[str(error)] = reasons.get(str(error), 0) + len(members)
            continue
        got = closed([rows[i] for i in members], machine)
        ttft[members], tpot[members] = got.ttft, got.tpot
    return ttft, tpot, reasons


def grouped(rows) -> dict[tuple, list[int]]:
    """Rows of one machine together."""
    found: dict[tuple, list[int]] = {}
    for i, r in enumerate(rows):
        found.setdefault((r.model, r.system, r.engine, r.quant, r.tp, r.dp, r.ep), []).append(i)
    return found


def experts_of(key):
    """The part of a step that products over experts take; the key is that of a machine."""
    step = machine_of(key, "ideal").kernels
    step.pieces = [piece for piece in step.pieces if piece.op.kind == "grouped_gemm"]
    step.messages = []
    return step


def machine_of(key, engine=None):
    model, system, name, quant, tp, dp, ep = key
    return build(
        model, silicon.SYSTEMS[system], engine=engine or name, tp=tp, dp=dp, ep=ep, weights=silicon.QUANTS[quant],
        kv="fp8" if silicon.QUANTS[quant] in ("fp8", "nvfp4") and name == "trtllm" else None,
        utilisation=silicon.UTILISATION,
    )  # fmt: skip


def closed(rows, machine, step=None) -> serving.Served:
    """The closed loops of the rows on their machine."""
    share = np.array([silicon.LENGTH_SPREAD if r.random_lengths else 1.0 for r in rows])
    prompt = np.array([r.prompt for r in rows]) * share
    output = np.array([r.output for r in rows]) * share
    users = np.maximum(np.array([r.concurrency for r in rows]) / machine.copies, 1.0)
    most = machine.most_sequences(prompt + output / 2) / machine.copies
    # A run that was measured did fit: where our sum leaves no room at all, memory is not taken for a limit.
    most = np.where(most < 1, np.inf, most)
    return serving.closed_loop(
        step or tabulated(machine.step, users, prompt + output), machine.engine, users, prompt, output,
        most_sequences=most, rounds=silicon.ROUNDS, alike=np.array([not r.random_lengths for r in rows]),
    )  # fmt: skip


def tabulated(step, users, context):
    """The step on a table that covers the loads: dozens of rounds for hundreds of rows ask for it."""
    return StepTable(
        step, max_tokens=16384, max_sequences=int(max(8, users.max())), max_context=int(context.max()) + 1
    ).arrays


def errors(predicted, measured) -> dict[str, float]:
    """Percent: median and mean of the absolute error, and the bias."""
    rel = (predicted / measured - 1) * 100
    rel = rel[np.isfinite(rel)]
    if not len(rel):
        return {"n": 0, "median": np.nan, "mape": np.nan, "bias": np.nan}
    return {
        "n": len(rel), "median": float(np.median(abs(rel))), "mape": float(np.mean(abs(rel))),
        "bias": float(np.mean(rel)),
    }  # fmt: skip


def table(title: str, groups: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
    print(f"\n{title:<54} {'rows':>5} {'median %':>9} {'MAPE %':>8} {'bias %':>8}")
    for name, (predicted, measured) in groups.items():
        e = errors(predicted, measured)
        print(f"{name:<54} {e['n']:>5} {e['median']:>9.1f} {e['mape']:>8.1f} {e['bias']:>+8.1f}")


def closed_loops(folder: Path, out: Path | None) -> None:
    rows, left = silicon.read(folder)
    ttft, tpot, reasons = predict(rows)
    m_ttft, m_tpot = (np.array([getattr(r, k) for r in rows]) for k in ("ttft", "tpot"))
    fit = np.array([silicon.is_fit(r) for r in rows])
    low = np.array([r.concurrency / r.dp <= LOW_CONCURRENCY for r in rows])
    guesses = np.array([r.guesses for r in rows])
    judged = np.array([silicon.is_judged(r) for r in rows])
    print(
        f"{guesses.sum()} rows are of runs that guess tokens: their TPOT is below {silicon.GUESSES} of the same elsewhere"
    )
    print(
        f"silicon_sample: {len(rows)} aggregated rows, {judged.sum()} judged, {fit.sum()} seen by fits"
    )
    for reason, count in {**left, **reasons}.items():
        print(f"  left out, {count} rows: {reason}")
    for kind, got, want, chosen in (
        ("TPOT", tpot, m_tpot, judged),
        ("TTFT, low concurrency", ttft, m_ttft, judged & low),
    ):
        groups = {"judged, all": chosen, "judged, one token a step": chosen & ~guesses}
        groups |= {"fitted on": fit if kind == "TPOT" else fit & low}
        chosen = chosen & ~guesses
        for key in ("engine", "system", "model", "quant"):
            for name in sorted({getattr(r, key) for r in rows}):
                groups[f"  {key} {Path(name).stem}"] = chosen & np.array(
                    [getattr(r, key) == name for r in rows]
                )
        for r in rows:
            name = f"    {Path(r.model).stem} {r.system} {r.engine} {r.quant}"
            if name not in groups:
                same = [
                    (o.model, o.system, o.engine, o.quant) == (r.model, r.system, r.engine, r.quant)
                    for o in rows
                ]
                groups[name] = chosen & np.array(same)
        table(
            kind,
            {
                name: (got[mask], want[mask])
                for name, mask in groups.items()
                if (mask & np.isfinite(got)).any()
            },
        )
    if out:
        _write(out / "closed_loop.csv", rows, ttft, tpot, fit)
        _plot(out / "closed_loop.png", rows, tpot, m_tpot, judged)


def timed_runs(folder: Path) -> None:
    """The runs with per-request timestamps, by simulation: with predicted step times, and with measured layer times."""
    folder = folder / "llmservingsim"
    print(
        f"\n{'runs with timestamps':<36} {'step times':<10} {'TPOT %':>8} {'TTFT %':>8} {'tokens/s %':>10} {'seconds':>8}"
    )
    for device, model, layers, hardware, tp, sequences, blocks in RUNS:
        with gzip.open(folder / f"e2e__{device}_{model.split('/')[1]}.requests.jsonl.gz", "rt") as file:
            measured = [json.loads(line) for line in file]
        machine = build(model, hardware, engine="vllm", tp=tp)
        start = min(r["queued_ts"] for r in measured)
        requests = [Request(r["queued_ts"] - start, r["input_toks"], r["output_toks"]) for r in measured]
        held = machine.capacity - machine.weights - machine.fixed
        room = blocks or int(held / float(machine.cache(16)))
        for name in ("predicted", "measured"):
            step = (
                machine.step
                if name == "predicted"
                else MeasuredStep(folder, device, model, layers=layers, tp=tp)
            )
            if name == "measured" and tp > 1:
                continue  # the tables hold one device's share, without communication
            begin = _clock()
            steps = StepTable(step, max_tokens=2048, max_sequences=sequences, max_context=16384)
            config = ServerConfig(max_num_seqs=sequences, max_num_batched_tokens=2048, blocks=room)
            got = simulate(requests, steps, config)
            seconds = _clock() - begin
            wanted = _of_run(measured)
            summary = got.summary()
            have = summary["tpot_s"]["mean"], summary["ttft_s"]["mean"], summary["throughput_tokens_per_s"]
            diff = [(h / w - 1) * 100 for h, w in zip(have, wanted, strict=True)]
            print(
                f"{device + ' ' + model:<36} {name:<10} {diff[0]:>+8.1f} {diff[1]:>+8.1f} {diff[2]:>+10.1f} {seconds:>8.2f}"
            )


def _of_run(measured) -> tuple[float, float, float]:
    tpot = [
        (r["last_token_ts"] - r["first_token_ts"]) / (r["output_toks"] - 1)
        for r in measured
        if r["output_toks"] > 1
    ]
    ttft = [r["first_token_ts"] - r["queued_ts"] for r in measured]
    span = max(r["last_token_ts"] for r in measured) - min(r["queued_ts"] for r in measured)
    return float(np.mean(tpot)), float(np.mean(ttft)), sum(r["output_toks"] for r in measured) / span


def _clock() -> float:
    import time

    return time.perf_counter()


def _write(path: Path, rows, ttft, tpot, fit) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("id", "model", "system", "engine", "quant", "tp", "dp", "ep", "concurrency", "prompt", "output",
                         "fit", "ttft_s", "ttft_predicted_s", "tpot_s", "tpot_predicted_s"))  # fmt: skip
        for r, a, b, seen in zip(rows, ttft, tpot, fit, strict=True):
            writer.writerow((r.id, Path(r.model).stem, r.system, r.engine, r.quant, r.tp, r.dp, r.ep, r.concurrency, r.prompt,
                             r.output, int(seen), r.ttft, f"{a:.6g}", r.tpot, f"{b:.6g}"))  # fmt: skip


def _plot(path: Path, rows, got, want, judged) -> None:
    try:
        import matplotlib

        matplotlib.use("Agg")
        from matplotlib import pyplot
    except ImportError:
        print("no plot: matplotlib is not installed", file=sys.stderr)
        return
    figure, axes = pyplot.subplots(figsize=(7, 7), layout="constrained")
    for system in sorted({r.system for r in rows}):
        mask = judged & np.array([r.system == system for r in rows]) & np.isfinite(got)
        if mask.any():
            axes.loglog(want[mask] * 1e3, got[mask] * 1e3, ".", label=system, alpha=0.5)
    ends = np.array([want[judged].min(), want[judged].max()]) * 1e3
    axes.plot(ends, ends, "k-", lw=1)
    for factor in (0.8, 1.25):
        axes.plot(ends, ends * factor, "k:", lw=0.8)
    axes.set(
        xlabel="measured TPOT, ms",
        ylabel="predicted TPOT, ms",
        title="Closed loops, judged rows (dotted: 0.8 and 1.25)",
    )
    axes.legend()
    figure.savefig(path, dpi=130)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--notes", type=Path, help="published-latencies.md")
    parser.add_argument("-o", "--output", type=Path)
    given = parser.parse_args()
    if not (given.folder / "aiconfigurator").is_dir():
        print(f"no measured rows in {given.folder}; nothing to judge", file=sys.stderr)
        return 2
    if given.output:
        given.output.mkdir(parents=True, exist_ok=True)
    closed_loops(given.folder, given.output)
    timed_runs(given.folder)
    if given.notes:
        import published

        published.report(given.notes)
    return 0


if __name__ == "__main__":
    sys.exit(main())
