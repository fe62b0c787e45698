# Whether our predictions are better than others', and what an answer costs, in one run: the same questions to each tool in a
# process of its own, each tool in an environment of its own. The questions are measured runs of pairs of model and device
# that no fit of ours saw, though single kernels of the device were seen; aiconfigurator's tables hold such kernels too.
"""Predictions beside those of aiconfigurator, GenZ and llm-flops: errors, seconds an answer, and who cannot answer what.

    python bench/peers.py MEASURED_DIR TOOLS_DIR [--tools GenZ,llm-flops] [--rows 200] [-o answers.csv]

Tools are installed into TOOLS_DIR where they are missing there. All are asked a closed loop of so many users; GenZ and
llm-flops know steps alone, so they are asked for the prompt of one and the next token of all. Devices are told to both as
in our sheet. Without the measured rows this says so and stops.
"""

import argparse
import csv
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path
from statistics import median

import numpy as np
import silicon
from accuracy_e2e import LOW_CONCURRENCY, errors

from cutaway import catalogue
from cutaway.hardware import find

PACKAGES = {"aiconfigurator": "aiconfigurator", "GenZ": "genz-llm", "llm-flops": "llm-flops"}
TOOLS = ["cutaway", "aiconfigurator", "aiconfigurator SOL", "GenZ", "llm-flops"]
CHILD = Path(__file__).with_name("peer_answers.py")
SOURCE = Path(__file__).parents[1] / "src"
LIMIT = 1800  # seconds for one process
COLD = 3  # fresh processes, of which the median counts
AGAIN = [1, 2, 4, 8, 16, 32, 64, 48, 24, 12, 6, 3]  # batches that one machine is asked for, again and again
TIMES = 16


def question(row: silicon.Row) -> dict:
    """A row in the words that every tool can be asked in."""
    share = silicon.LENGTH_SPREAD if row.random_lengths else 1.0
    quant = silicon.QUANTS[row.quant]
    config = _config(row.model)
    inner = config.get("text_config", config)
    return {
        "model": row.model, "name": _name(row.model), "config": config, "hardware": silicon.SYSTEMS[row.system],
        "system": row.system, "spec": _spec(silicon.SYSTEMS[row.system]), "engine": row.engine, "quant": quant,
        "kv": "fp8" if quant in ("fp8", "nvfp4") and row.engine == "trtllm" else None,
        "experts": any(key in inner for key in ("num_local_experts", "num_experts", "n_routed_experts")),
        "tp": row.tp, "dp": row.dp, "ep": row.ep, "users": row.concurrency, "prompt": round(row.prompt * share),
        "output": round(row.output * share), "regime": "closed loop",
    }  # fmt: skip


def _config(model: str) -> dict:
    return json.loads(Path(model).read_text()) if model.endswith(".json") else catalogue.find(model).config


def _name(model: str) -> str:
    return next(name for name, ours in silicon.MODELS.items() if ours == model) if model.endswith(".json") else model


def _spec(name: str) -> dict:
    device = find(name)
    return {
        "flops": dict(device.matrix), "bandwidth": device.bandwidth, "capacity": device.capacity,
        "link": device.link or 0.0, "watts": device.power or 0.0,
    }  # fmt: skip


def answers(tool: str, folder: Path, asked: list[dict]) -> tuple[list[dict], dict[str, float]]:
    """What a fresh process says to the questions, and the seconds that it took as a whole."""
    name = tool.split()[0]
    python = sys.executable if tool == "cutaway" else str(folder / name / "bin" / "python")
    if not Path(python).is_file():
        return [{"why": "not installed"}] * len(asked), {}
    env = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")} | {"OMP_NUM_THREADS": "1"}
    if tool == "cutaway":
        env["PYTHONPATH"] = str(SOURCE)
    with tempfile.TemporaryDirectory() as scratch:
        files = [Path(scratch) / "questions.json", Path(scratch) / "answers.json"]
        files[0].write_text(json.dumps(asked))
        # -P: what lies beside the script must not stand before what the tool imports
        command = [python, "-P", str(CHILD), tool, *map(str, files)]
        began, busy = time.perf_counter(), _children()
        process = subprocess.Popen(command, env=env | {"TMPDIR": scratch}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            said = process.communicate(timeout=LIMIT)[1].decode(errors="replace").strip().splitlines()
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return [{"why": f"longer than {LIMIT} s"}] * len(asked), {}
        used = {"wall": time.perf_counter() - began, "cpu": _children() - busy}
        if process.returncode or not files[1].exists():
            why = said[-1][:200] if said else f"ended with {process.returncode}"
            return [{"why": why}] * len(asked), {}
        return json.loads(files[1].read_text()), used


def _children() -> float:
    """Seconds of CPU that processes took which have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def install(folder: Path, tools: list[str]) -> None:
    """Each into an environment of its own, so that nothing here depends on them nor they on each other."""
    for tool in dict.fromkeys(t.split()[0] for t in tools if t != "cutaway"):
        if (folder / tool).is_dir():
            continue
        venv.create(folder / tool, with_pip=True)
        pip = [str(folder / tool / "bin" / "python"), "-m", "pip", "install", "-q", PACKAGES[tool]]
        if subprocess.run(pip, check=False).returncode:
            print(f"{tool} could not be installed", file=sys.stderr)


def accuracy(rows: list[silicon.Row], found: dict[str, list[dict]]) -> None:
    """Errors of each tool on what it answers, and ours on the same rows."""
    tpot, ttft = (np.array([getattr(row, k) for row in rows]) for k in ("tpot", "ttft"))
    low = np.array([row.concurrency / row.dp <= LOW_CONCURRENCY for row in rows])
    said = {
        tool: {k: np.array([a.get(k, np.nan) for a in given]) for k in ("tpot", "ttft")} for tool, given in found.items()
    }
    for name, measured, chosen in (("TPOT", tpot, low | True), (f"TTFT of at most {LOW_CONCURRENCY} users", ttft, low)):
        key = name[:4].lower()
        print(f"\n{name + ', error in %':<36}{'rows':>6}{'median':>8}{'MAPE':>8}{'bias':>8}   ours on the same rows")
        for tool, values in said.items():
            there = chosen & np.isfinite(values[key])
            print(f"{tool:<36}{_cells(values[key][there], measured[there])}", end="")
            print(f"   {_cells(said['cutaway'][key][there], measured[there])}" if tool != "cutaway" else "")
        every = chosen & np.all([np.isfinite(v[key]) for v in said.values() if np.isfinite(v[key]).any()], axis=0)
        for tool, values in said.items():
            if np.isfinite(values[key]).any():
                print(f"{'  what all answer: ' + tool:<36}{_cells(values[key][every], measured[every])}")


def _cells(predicted: np.ndarray, measured: np.ndarray) -> str:
    e = errors(predicted, measured)
    return f"{e['n']:>6}{e['median']:>8.1f}{e['mape']:>8.1f}{e['bias']:>+8.1f}"


def by_group(rows: list[silicon.Row], found: dict[str, list[dict]]) -> None:
    """MAPE of the TPOT by model, device, engine and format."""
    groups: dict[str, list[int]] = {}
    for i, row in enumerate(rows):
        groups.setdefault(f"{_name(row.model).split('/')[1]} {row.system} {row.engine} {row.quant}", []).append(i)
    print(f"\n{'TPOT, MAPE in %':<52}{'rows':>5}" + "".join(f"{tool[-18:]:>20}" for tool in found))
    for name, members in sorted(groups.items()):
        measured = np.array([rows[i].tpot for i in members])
        cells = ""
        for given in found.values():
            e = errors(np.array([given[i].get("tpot", np.nan) for i in members]), measured)
            cells += f"{e['mape']:>20.1f}" if e["n"] else f"{'-':>20}"
        print(f"{name:<52}{len(members):>5}{cells}")


def speed(tools: list[str], folder: Path, found: dict[str, list[dict]], one: dict) -> None:
    """Seconds of an answer: of a fresh process, of closed loops one after the other, of batches on one machine."""
    heads = ("fresh process", "of CPU", "closed loops", "batches")
    print(f"\n{'milliseconds an answer':<24}" + "".join(f"{head:>14}" for head in heads) + "   times ours")
    ours: list[float] = []
    for tool in tools:
        runs = [answers(tool, folder, [one]) for _ in range(COLD)]
        again, _ = answers(tool, folder, [one | {"regime": "static", "users": b} for b in AGAIN * TIMES])
        why = runs[0][0][0].get("why") or again[0].get("why")
        if why:
            print(f"{tool:<24}{why}")
            continue
        figures = [median(used[key] for _, used in runs) for key in ("wall", "cpu")]
        figures.append(median(a["cpu"] for a in found[tool][1:] if "why" not in a))
        figures.append(median(a["cpu"] for a in again[len(AGAIN) :]))
        ours = ours or figures
        times = "".join(f"{f / o:>8.1f}" for f, o in zip(figures, ours, strict=True)) if figures is not ours else ""
        print(f"{tool:<24}" + "".join(f"{f * 1e3:>14.2f}" for f in figures) + "   " + times)
    print("fresh process: wall and CPU, medians of three; the others CPU of one core, medians, each after it was asked once")


def reasons(found: dict[str, list[dict]]) -> None:
    for tool, given in found.items():
        counts: dict[str, int] = {}
        for a in given:
            if "why" in a:
                why = re.sub(r"'/[^']*/", "'", a["why"])  # where the question's config was put is no reason
                counts[why] = counts.get(why, 0) + 1
        for why, count in sorted(counts.items(), key=lambda item: -item[1])[:8]:
            print(f"  {tool} does not answer {count}: {why}")


def _write(path: Path, rows: list[silicon.Row], found: dict[str, list[dict]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "model", "system", "engine", "quant", "tp", "dp", "ep", "users", "prompt", "output", "ttft_s",
                         "tpot_s", *(f"{tool} {k}" for tool in found for k in ("ttft_s", "tpot_s"))])  # fmt: skip
        for i, r in enumerate(rows):
            told = [found[tool][i].get(k, "") for tool in found for k in ("ttft", "tpot")]
            writer.writerow([r.id, _name(r.model), r.system, r.engine, r.quant, r.tp, r.dp, r.ep, r.concurrency, r.prompt,
                             r.output, r.ttft, r.tpot, *told])  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("measured", type=Path)
    parser.add_argument("folder", type=Path, help="outside the repository: holds the other tools")
    parser.add_argument("--tools", default=",".join(TOOLS))
    parser.add_argument("--rows", type=int, help="at most so many, evenly over all; without it all")
    parser.add_argument("-o", "--output", type=Path)
    given = parser.parse_args()
    if not (given.measured / "aiconfigurator").is_dir():
        print(f"no measured rows in {given.measured}; nothing to compare", file=sys.stderr)
        return 2
    tools = ["cutaway", *(t for t in given.tools.split(",") if t != "cutaway")]
    if unknown := [t for t in tools if t not in TOOLS]:
        parser.error(f"no such tool: {', '.join(unknown)}; there are {', '.join(TOOLS)}")
    install(given.folder, tools)
    there = silicon.read(given.measured)[0]
    rows = [r for r in there if silicon.is_judged(r) and not r.guesses]
    rows.sort(key=lambda r: (r.system, r.engine, r.model, r.quant, r.tp, r.dp, r.ep, r.concurrency, r.prompt, r.output, r.id))
    if given.rows and given.rows < len(rows):
        rows = [rows[i] for i in np.linspace(0, len(rows) - 1, given.rows).round().astype(int)]
    print(f"{len(rows)} measured closed loops, one token a step, of pairs of model and device that no fit of ours saw")
    asked = [question(row) for row in rows]
    found = {}
    for tool in tools:
        found[tool], used = answers(tool, given.folder, asked)
        count = sum("why" not in a for a in found[tool])
        print(f"  {tool}: {count} answered in {used.get('wall', 0):.0f} s", file=sys.stderr, flush=True)
    accuracy(rows, found)
    by_group(rows, found)
    reasons(found)
    speed(tools, given.folder, found, question(_plain(there)))
    if given.output:
        _write(given.output, rows, found)
    return 0


def _plain(rows: list[silicon.Row]) -> silicon.Row:
    """A row that every tool should know, and quickly: Llama 3.1 8B on one device."""
    return next(r for r in rows if r.model.endswith("Llama-3.1-8B") and r.tp * r.dp == 1 and r.quant == "bf16")


if __name__ == "__main__":
    sys.exit(main())
