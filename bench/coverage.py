"""Every model class of the installed Transformers, traced symbolically and held against concrete runs.

For each class, on a small config of its own, in prefill and (where it has one) decode: trace with and without the
memo, compare; then run the same forward on real CPU tensors at random shapes under torch's FlopCounterMode and
compare `matmul_flops` to the last unit. One row a class and phase; the counts stand at the end.

    python bench/coverage.py --map CausalLM        the causal language models
    python bench/coverage.py --map others          all other auto maps
    python bench/coverage.py --only llama,gemma2   some types
    python bench/coverage.py --map others --rows rows.jsonl            a run that may be stopped and taken up again
    python bench/coverage.py --map others --rows rows.jsonl --again    once more what was not exact

Some classes ask for packages of their own: `pip install scipy` lets those with losses or filters of it run; those that ask
for timm, natten or detectron2 are listed as what cannot run where these are missing.
"""

from __future__ import annotations

import argparse
import copy
import json
import random
import signal
import sys
import time
import traceback
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from math import prod
from multiprocessing import get_context
from pathlib import Path

SHAPES = 5
SECONDS = 240  # of processor time, for each phase
LONG, WHOLE = 150, 256  # tokens
CAUSAL = "MODEL_FOR_CAUSAL_LM_MAPPING_NAMES"
MIXED = ("dtype", "scalar type", "BFloat16", "bias type")


def main() -> int:
    args = _arguments()
    from runs_on_cpu import list_jobs

    wanted = set(args.only.split(",")) if args.only else None
    maps = "all" if args.map == "others" else args.map
    jobs = [
        (head, kind, args.shapes, args.seconds)
        for head, kind in list_jobs(maps, None)
        if (wanted is None or kind in wanted) and not (args.map == "others" and head == CAUSAL)
    ]
    random.Random(0).shuffle(jobs)  # what a run that is cut short has measured is a fair sample
    kept = _kept(args.rows, args.again)
    jobs = [j for j in jobs if j[:2] not in {(r["map"], r["type"]) for r in kept}]
    rows = list(kept)
    with get_context("spawn").Pool(args.processes, maxtasksperchild=8) as pool:
        for found in pool.imap_unordered(job, jobs):
            rows += found
            if args.rows:
                with args.rows.open("a") as file:
                    file.writelines(json.dumps(row) + "\n" for row in found)
            for row in found:
                print(
                    f"{row['map']:<28} {row['type']:<28} {row['phase']:<8} {row['status']:<10} {row['why'][:400]}",
                    flush=True,
                )
    return summary(rows)


def _kept(path: Path | None, again: bool) -> list[dict]:
    """What earlier runs measured, each class's last rows; with `again`, of the classes that came out whole."""
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path and path.exists() else []
    last = {(r["map"], r["type"], r["phase"]): r for r in rows}
    bad = {key[:2] for key, r in last.items() if r["status"] not in ("exact", "no phase")}
    return [r for key, r in last.items() if not (again and key[:2] in bad)]


def summary(rows: list[dict]) -> int:
    for phase in ("prefill", "decode"):
        some = [r for r in rows if r["phase"] == phase]
        count = Counter(r["status"] for r in some)
        runnable = len(some) - count["cannot run"] - count["no phase"]
        print(f"{phase}: {count['exact']} of {runnable} exact ({dict(count)})")
    for name in ("gaps", "unexplained", "pinned"):
        print(f"{name}: {sum(r.get(name, 0) for r in rows)}")
    return 0 if all(r["status"] in ("exact", "cannot run", "no phase") for r in rows) else 1


def job(what: tuple[str, str, int, int]) -> list[dict]:
    head, kind, shapes, seconds = what
    import warnings

    import torch

    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    from transformers.utils import logging

    logging.set_verbosity_error()
    rows = []
    for phase in ("prefill", "decode"):
        row = {"map": head, "type": kind, "phase": phase, "status": "", "why": ""}
        started = time.time()
        signal.signal(signal.SIGPROF, _too_slow)
        signal.setitimer(signal.ITIMER_PROF, seconds)
        try:
            row |= check(head, kind, phase, shapes)
        except Exception as error:
            frame = traceback.extract_tb(error.__traceback__)[-1]
            row |= {
                "status": "FAILS",
                "why": f"{type(error).__name__}: {_said(error)} ({Path(frame.filename).name}:{frame.lineno})",
            }
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        row["seconds"] = round(time.time() - started, 2)
        rows.append(row)
    return rows


def check(head: str, kind: str, phase: str, shapes: int) -> dict:
    """One row, in bfloat16, or in float32 for the models whose own code mixes the two."""
    row = check_in("bfloat16", head, kind, phase, shapes)
    mixed = row["status"] == "cannot run" and any(w in row["why"] for w in MIXED)
    return check_in("float32", head, kind, phase, shapes) if mixed else row


def drawn(rng: random.Random, symbols: tuple, i: int) -> Iterator[dict[str, int]]:
    """The sizes of the point `i`. Of each five the second is long, so that loops over chunks take several turns, and the
    third is long and whole in chunks of any usual length; short ones follow, for models that take no long text."""
    short = {s.name: rng.randrange(s.low, s.high + 1) // s.multiple_of * s.multiple_of for s in symbols}
    texts = [short[s.name] for s in symbols if s.unit == "tokens"]
    if i % 5 in (1, 2) and texts:
        most = 2 * max(LONG, *texts)
        text = rng.randrange(most - LONG, most) if i % 5 == 1 else (most + WHOLE - 1) // WHOLE * WHOLE
        yield {s.name: text if s.unit == "tokens" and s.multiple_of == 1 else short[s.name] for s in symbols}
    yield short


def check_in(dtype: str, head: str, kind: str, phase: str, shapes: int) -> dict:
    import torch
    from small_configs import small_model

    from cutaway.formula import holds
    from cutaway.trace.analyse import analyse_module
    from cutaway.trace.inputs import NoDecodePhase, make_inputs, plan_inputs
    from cutaway.trace.routing import BALANCED

    seed = zlib.crc32(f"{head}/{kind}/{phase}".encode())
    torch.manual_seed(seed)
    try:
        config, cls = small_model(kind, head)
        real = build(config, cls, "cpu", dtype)
        plan = plan_inputs(real, phase)
    except NoDecodePhase as error:
        return {"status": "no phase", "why": str(error)}
    except Exception as error:
        return {
            "status": "cannot run",
            "why": f"building or planning: {type(error).__name__}: {_said(error)}",
        }
    rng = random.Random(seed)
    points, refused = [], ""
    for i in range(shapes):
        for sizes in drawn(rng, plan.symbols, i):
            try:
                points.append(
                    (sizes, counted(real, make_inputs(real, plan, sizes, "cpu", getattr(torch, dtype))))
                )
                break
            except TimeoutError:
                raise
            except Exception as error:
                refused = f"{type(error).__name__}: {_said(error)}"
    if not points:
        return {"status": "cannot run", "why": refused}
    meta = build(config, cls, "meta", dtype)
    plan = plan_inputs(meta, phase)
    analyse = partial(analyse_module, meta, plan, name=kind, dtype=dtype)
    found = analyse(values={})
    plain = analyse(values={}, memo=False)
    problems = list(map(str, found.gaps))
    if plain.total != found.total or [m.total for m in plain.modules] != [m.total for m in found.modules]:
        problems.append(f"memo changes the result ({found.total.flops - plain.total.flops} FLOPs)")
    unnamed = [s for s in plan.symbols if s.name not in found.total.read.symbols()]
    inputs = partial(make_inputs, real, plan, device="cpu", dtype=getattr(torch, dtype))
    pinned = [s.name for s in unnamed if counts_vary(real, inputs, plan.symbols, s, found.valid_when)]
    regimes = [found]
    for sizes, truth in points:
        use = next((f for f in regimes if all(holds(c, sizes) for c in f.valid_when)), None)
        if use is None:
            use = analyse(values=sizes)
            regimes.append(use)
            problems += [f"{gap} at {sizes}" for gap in use.gaps]
        got = use.total.matmul_flops.evaluate(sizes)
        if (
            got != truth and BALANCED in use.assumptions
        ):  # experts that compute nothing: the total depends on routing
            with balanced_routing():
                truth = counted(real, make_inputs(real, plan, sizes, "cpu", getattr(torch, dtype)))
        if got != truth:
            problems.append(f"matmul_flops {got} is not {truth} at {sizes}")
    unexplained = sum(
        1
        for m in found.modules
        for line in m.lines
        if line.status == "not_taken" and line.why.startswith("an exception")
    )
    status = "exact" if not problems else "differs"
    return {
        "status": status,
        "why": "; ".join(problems[:2]) or f"{found.total.matmul_flops}",
        "gaps": len(found.gaps),
        "pinned": len(pinned),
        "unexplained": unexplained,
        "regimes": len(regimes) - 1,
    }


def counts_vary(model, inputs, symbols, symbol, conditions) -> bool:
    """Whether what real forwards move depends on a symbol that the formula lacks: then it was pinned to a number.
    Sizes that break the formula's conditions have formulas of their own."""
    from bytes import counted

    from cutaway.formula import holds

    low = {s.name: s.low for s in symbols}
    points = [{**low, symbol.name: n} for n in (symbol.low, symbol.high)]
    if not all(holds(c, p) for c in conditions for p in points):
        return False
    moved = [counted(model, inputs(p)) for p in points]
    return len({(m.read, m.write) for m in moved}) > 1


def counted(model, kwargs) -> int:
    """matmul FLOPs of one real forward of the model as it was built, by torch's own counter (with the products that it does
    not know). Some models keep what the sizes of a first call make."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    aten = torch.ops.aten
    mapping = {aten._grouped_mm: _grouped, aten._scaled_dot_product_flash_attention_for_cpu: _attended}
    mapping |= {aten.mv: _by_vector, aten.dot: _by_vector, aten.mkldnn_rnn_layer: _recurrent}
    fresh = copy.deepcopy(model)
    with torch.no_grad(), FlopCounterMode(display=False, custom_mapping=mapping) as counter:
        fresh(**kwargs)
    return counter.get_total_flops()


@contextmanager
def balanced_routing():
    """Real runs whose one-hot masks of experts meet the named assumption: choices go round the experts, far ones in turn."""
    import torch
    from torch.utils._python_dispatch import _disable_current_modes

    one_hot, topk = torch.nn.functional.one_hot, torch.topk
    among = [sys.maxsize]  # of how many the last top-k chose: one more class than these stands for none of them

    def noted(x, k, dim=-1, *args, **kwargs):
        among[0] = x.shape[dim]
        return topk(x, k, dim, *args, **kwargs)

    def in_turn(index, num_classes=-1):
        classes = min(num_classes, among[0])
        order = sorted(range(classes), key=lambda n: f"{n:032b}"[::-1])  # 0, 1/2, 1/4, 3/4 … of them
        with _disable_current_modes():  # what chooses here is no part of the model
            turned = torch.tensor(order)[torch.arange(index.numel()) % classes].view(index.shape)
        # As on GPUs: on the CPU the indices are looked at first.
        return torch.zeros((*index.shape, num_classes), dtype=index.dtype).scatter_(-1, turned.unsqueeze(-1), 1)

    torch.nn.functional.one_hot, torch.topk = in_turn, noted
    try:
        yield
    finally:
        torch.nn.functional.one_hot, torch.topk = one_hot, topk


def _attended(query, key, value, *args, out_shape=None, **kwargs) -> int:
    """Scores and their product with the values, on the CPU in one op."""
    from torch.utils.flop_counter import sdpa_flop_count

    return sdpa_flop_count(query, key, value)


def _grouped(a_shape, b_shape, *args, out_shape=None, **kwargs) -> int:
    """[T, K] x [E, K, N]: each row meets one expert."""
    return 2 * a_shape[0] * a_shape[1] * b_shape[-1]


def _recurrent(input_shape, in_shape, state_shape, *args, out_shape=None, **kwargs) -> int:
    """One layer of an LSTM, on the CPU one op: [T, B, I] x [4H, I], and each step's [B, H] x [4H, H]."""
    return 2 * input_shape[0] * input_shape[1] * (prod(in_shape) + prod(state_shape))


def _by_vector(a_shape, b_shape, *args, out_shape=None, **kwargs) -> int:
    """[M, K] x [K], or [K] x [K]."""
    return 2 * prod(a_shape)


def build(config, cls, device: str, dtype: str = "bfloat16"):
    import torch

    from cutaway.trace.build import _no_initialisers
    from cutaway.trace.constants import Building

    kept = Building() if device == "meta" else nullcontext()
    with torch.device(device), kept, _no_initialisers():
        model = cls._from_config(
            copy.deepcopy(config), dtype=getattr(torch, dtype), attn_implementation="eager"
        )
    if device == "cpu":
        with torch.no_grad():
            for p in model.parameters():
                if p.is_floating_point():
                    p.normal_(std=0.02) if p.dim() > 1 else p.fill_(0.5)
    return (
        model.to(device).eval().requires_grad_(False)
    )  # the counter's module tracker asks for gradients where it can


def _said(error: Exception) -> str:
    details = error.render() if hasattr(error, "render") else str(error)
    return " ".join(details.split())[:400]


def _too_slow(*_) -> None:
    raise TimeoutError("longer than the limit of processor time")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--map", default="CausalLM", help="CausalLM, others, all, or one auto map's name")
    parser.add_argument("--only", help="comma-separated model types")
    parser.add_argument("--shapes", type=int, default=SHAPES)
    parser.add_argument("--seconds", type=int, default=SECONDS, help="of processor time, for each phase of a class")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--rows", type=Path, help="JSON lines: rows are added as they come, and not measured twice")
    parser.add_argument("--again", action="store_true", help="measure again what was not exact in --rows")
    return parser.parse_args()


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    sys.exit(main())
