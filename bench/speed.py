"""How long a derivation takes and how much memory, beside the tools that people use to count FLOPs.

Every run is a fresh process, because that is what a user waits for; tools take turns, so that a busy
machine is busy for all of them. All count the same module, built in the same way (meta device, no
initialisers, bf16, eager attention) from the catalogue's config, at batch 1 and 2048 tokens. The peers get
one shape; Cutaway derives formulas for all shapes, bytes, and a table of lines, twice to check itself, and
takes nothing from a cache. `beyond imports` starts when torch, transformers, the model's own module and
the tool are imported. Ratios to ours are of CPU time, which a busy machine leaves alone. Timings never
fail a run; Ctrl-C shows what there is so far.

    python bench/speed.py                        Cutaway and torch's FlopCounterMode
    python bench/speed.py --peers /tmp/peers     the others too, installed there first where they are missing
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path
from statistics import median

MODELS = ["llama-3.1-8b", "llama-3.1-70b", "llama-3.1-405b", "mixtral-8x7b", "deepseek-v3"]
OURS_ALONE = ["zamba2-2.7b", "qwen3-next-80b-a3b-thinking"]
TOKENS = 2048
LIMIT = 300  # seconds for one run

PEERS = {  # tool -> what pip installs, without dependencies: torch stays the one that is here
    "fvcore": "fvcore iopath yacs termcolor portalocker tabulate",
    "calflops": "calflops accelerate psutil",
    "deepspeed": "deepspeed hjson py-cpuinfo msgpack einops psutil",
    "torchinfo": "torchinfo",
    "ptflops": "ptflops",
}
TOOLS = ["cutaway", "cutaway decode", "cutaway command", "FlopCounterMode", *PEERS]


def main() -> int:
    args = _arguments()
    if args.child:
        print(json.dumps(child(*args.child)))
        return 0
    if args.peers:
        install(args.peers)
    models = args.models.split(",") if args.models else [*MODELS, *OURS_ALONE]
    tools = args.tools.split(",") if args.tools else TOOLS
    pairs = [(m, t) for m in models for t in tools if t.startswith("cutaway") or m not in OURS_ALONE]
    runs: dict[tuple, list[dict]] = defaultdict(list)
    with contextlib.suppress(KeyboardInterrupt):  # a long run may be cut short: what was measured is shown
        for model, tool in pairs * args.repeat:
            before = runs[model, tool]
            if not (before and "why" in before[0]):  # what is absent or fails once is not tried again
                before.append(measured(model, tool, args.peers))
                said = before[-1].get("why") or f"{before[-1]['wall']:.2f} s"
                print(f"  {model} {tool}: {said}", file=sys.stderr, flush=True)
    report(models, tools, runs)
    return 0


def report(models: list[str], tools: list[str], runs: dict[tuple, list[dict]]) -> None:
    """A table for each model; ratios are of CPU time to that of `cutaway`."""
    columns = {"wall": "process s", "cpu": "of CPU", "beyond": "beyond imports", "busy": "of CPU"}
    columns["peak"] = "peak MB"
    medians: dict[tuple, dict] = {}
    for model in models:
        head = "".join(f"{c:>15}" for c in columns.values())
        print(f"\n{model}\n{'tool':<16}{head}{'x CPU':>8}{'x beyond':>9}  runs  matrix FLOPs, as it says")
        for tool in tools:
            rows = runs.get((model, tool))
            if not rows:
                continue
            if "why" in rows[0]:
                print(f"{tool:<16}{rows[0]['why']}")
                continue
            row = medians[model, tool] = {k: median(r[k] for r in rows) for k in columns if k in rows[0]}
            ours = medians.get((model, "cutaway"), {})
            figures = "".join(f"{row[k]:>15.2f}" if k in row else " " * 15 for k in columns)
            ratios = _ratio(row, ours, "cpu", 8) + _ratio(row, ours, "busy", 9)
            print(f"{tool:<16}{figures}{ratios}{len(rows):>6}  {rows[0].get('said', '')}")
    small, large = (medians.get((m, "cutaway")) for m in ("llama-3.1-8b", "llama-3.1-405b"))
    if small and large:
        cpu, busy, peak = (f"{large[k] / small[k]:.2f}" for k in ("cpu", "busy", "peak"))
        print(f"\n405B / 8B: CPU {cpu}, beyond imports {busy}, peak {peak}")


def _ratio(row: dict, ours: dict, key: str, width: int) -> str:
    return f"{row[key] / ours[key]:.2f}".rjust(width) if key in row and key in ours else " " * width


def measured(model: str, tool: str, peers: Path | None) -> dict:
    """One fresh process: wall time, CPU time, peak memory, and what it says of itself."""
    if tool in PEERS and not (peers and (peers / tool).is_dir()):
        return {"why": "absent (--peers DIR installs it)"}
    command = [sys.executable, __file__, "--child", tool, model]
    paths = [os.environ.get("PYTHONPATH"), str(peers) if tool in PEERS else None]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "OMP_NUM_THREADS": "1"}
    env |= {"HF_HUB_OFFLINE": "1", "DS_ACCELERATOR": "cpu"}
    started = time.perf_counter()
    process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        out, err = process.communicate(timeout=LIMIT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return {"why": f"longer than {LIMIT} s"}
    wall = time.perf_counter() - started
    if process.returncode:
        said = err.decode(errors="replace").strip().splitlines()
        return {"why": f"failed: {said[-1][:120] if said else process.returncode}"}
    return {"wall": wall, **json.loads(out.decode().strip().splitlines()[-1])}


def child(tool: str, model: str) -> dict:
    """Runs in a process of its own, the last line of whose stdout this is."""
    import resource

    if tool == "cutaway command":
        return command_line(model)
    if importlib.util.find_spec("torchvision") is None:
        sys.modules["timm"] = None  # without torchvision it cannot be imported, and calflops' accelerate tries to
    tool, _, phase = tool.partition(" ")
    name = importlib.import_module("cutaway.catalogue").find(model).class_name
    for needed in ("torch", "transformers", "cutaway.trace.analyse", *IMPORTS.get(tool, [tool])):
        importlib.import_module(needed)
    getattr(sys.modules["transformers"], name)  # imports the model's module
    started, busy = time.perf_counter(), time.process_time()
    said = ours(model, phase or "prefill") if tool == "cutaway" else peer(model, RUN[tool])
    beyond, busy = time.perf_counter() - started, time.process_time() - busy
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {"beyond": beyond, "busy": busy, "said": said, **_used(used)}


def command_line(model: str) -> dict:
    import resource

    command = [sys.executable, "-m", "cutaway", "cost", model, "--no-cache", "--json", "-o", os.devnull]
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    wall, used = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return {"wall": wall, **_used(used)}


def _used(used) -> dict:
    return {"peak": used.ru_maxrss / 1024, "cpu": used.ru_utime + used.ru_stime}


def ours(model: str, phase: str) -> str:
    from cutaway.trace.analyse import analyse

    found = analyse(model, phase=phase)
    sizes = {"batch_size": 1, "seq_len": TOKENS, "cache_len": TOKENS}
    gaps = f" ({len(found.gaps)} gaps)" if found.gaps else ""
    return f"{found.total.matmul_flops.evaluate(sizes):,}{gaps}"


def peer(model: str, count) -> str:
    import torch

    from cutaway.trace.build import build
    from cutaway.trace.target import resolve

    built = build(resolve(model, False, {}))
    with torch.no_grad():
        return f"{int(count(built, torch.ones(1, TOKENS, dtype=torch.long, device='meta'))):,}"


def flop_counter(model, ids) -> int:
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        model(input_ids=ids)
    return counter.get_total_flops()


def fvcore(model, ids) -> int:
    import torch
    from fvcore.nn import FlopCountAnalysis

    class Logits(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, ids):
            return self.model(input_ids=ids, use_cache=True).logits

    counter = FlopCountAnalysis(Logits(), (ids,))
    return counter.unsupported_ops_warnings(False).uncalled_modules_warnings(False).total()


def calflops(model, ids) -> int:
    from calflops import calculate_flops

    inputs = {"input_ids": ids}
    return calculate_flops(model=model, kwargs=inputs, print_results=False, output_as_string=False)[0]


def deepspeed(model, ids) -> int:
    from deepspeed.profiling.flops_profiler import FlopsProfiler

    profiler = FlopsProfiler(model)
    profiler.start_profile()
    model(input_ids=ids)
    return profiler.get_total_flops()


def torchinfo(model, ids) -> int:
    from torchinfo import summary

    return summary(model, input_data={"input_ids": ids}, verbose=0, device="meta").total_mult_adds


def ptflops(model, ids) -> int:
    from ptflops import get_model_complexity_info

    return get_model_complexity_info(
        model, (1, TOKENS), input_constructor=lambda _: {"input_ids": ids}, as_strings=False,
        print_per_layer_stat=False, backend="pytorch",
    )[0]  # fmt: skip


RUN = {
    "FlopCounterMode": flop_counter, "fvcore": fvcore, "calflops": calflops, "deepspeed": deepspeed,
    "torchinfo": torchinfo, "ptflops": ptflops,
}  # fmt: skip
IMPORTS = {
    "cutaway": [], "FlopCounterMode": ["torch.utils.flop_counter"], "fvcore": ["fvcore.nn"],
    "deepspeed": ["deepspeed.profiling.flops_profiler"],
}  # fmt: skip


def install(folder: Path) -> None:
    """Into a folder of their own, so that nothing here depends on them."""
    for tool, packages in PEERS.items():
        if not (folder / tool).is_dir():
            pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(folder)]
            if subprocess.run([*pip, *packages.split()], check=False).returncode:
                print(f"  {tool} could not be installed", file=sys.stderr)


def _arguments() -> argparse.Namespace:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--peers", type=Path, help="folder outside the repository that holds the other tools")
    parser.add_argument("--models", help="comma-separated names of the catalogue")
    parser.add_argument("--tools", help="comma-separated: " + ", ".join(TOOLS))
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
