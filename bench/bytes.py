"""Bytes that an eager forward moves: the formulas against a count on real tensors, to the byte.

FLOPs can be held against torch's own counter; for bytes there is none. So here is one that shares nothing
with the rules: a dispatch mode under the real forward (CPU, bf16, eager attention, small configs) adds up
`nbytes` of the distinct tensors that go into each op and of those that come out. The few exceptions
(views, allocations, tensors that are only overwritten) are written down here a second time, on purpose.
`--why` shows the ops that differ.

    python bench/bytes.py                          33 model types, prefill and decode, 5 shapes each
    python bench/bytes.py --only llama,bert --why  some types, with the ops that differ and their source lines
"""

from __future__ import annotations

import argparse
import random
import sys
import time
import zlib
from collections import Counter, defaultdict
from contextlib import nullcontext
from functools import partial
from multiprocessing import get_context
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent)]

CAUSAL = """
    llama gpt2 gemma2 qwen3 mistral phi3 gpt_neox opt bloom falcon cohere2 olmo2 mixtral qwen3_moe olmoe
    gpt_oss dbrx deepseek_v2 deepseek_v3 mamba mamba2 jamba bamba zamba2 qwen3_next lfm2 recurrent_gemma
"""
OTHERS = {
    "MaskedLM": "bert modernbert deberta-v2", "SeqToSeqCausalLM": "t5 bart", "ImageClassification": "vit",
}  # fmt: skip
TYPES = {"CausalLM": CAUSAL, **OTHERS}  # auto map -> model types


def names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Memory set aside, or other sizes over the same memory.
NO_WORK = names(
    "empty empty_like empty_strided empty_permuted new_empty new_empty_strided _unsafe_view unsafe_split "
    "unsafe_split_with_sizes unsafe_chunk _reshape_alias lift_fresh detach alias detach_ squeeze_ unsqueeze_ "
    "t_ transpose_ as_strided_ resize_ set_ sym_size is_same_size"
)
SHAPE_ONLY = names("zeros_like ones_like full_like rand_like randn_like new_zeros new_ones new_full")
OVERWRITTEN = names("copy_ fill_ zero_ normal_ uniform_ random_ exponential_ bernoulli_")
# Mean and 1/deviation are float32 on GPUs and on the meta device; the CPU's kernels keep them in bf16. Those of a group norm
# are bf16 on all of them.
FLOAT32_STATISTICS = names("native_layer_norm")


def main() -> int:
    args = _arguments()
    chosen = [(head, kind) for head, kinds in TYPES.items() for kind in kinds.split()]
    if args.only:
        known = {kind: head for head, kind in chosen}
        chosen = [(args.map or known.get(kind, "CausalLM"), kind) for kind in args.only.split(",")]
    jobs = [(head, kind, args.shapes, args.why) for head, kind in chosen]
    statuses: Counter = Counter()
    with get_context("spawn").Pool(args.processes, maxtasksperchild=6) as pool:
        for lines in pool.imap(job, jobs):
            for phase, status, text in lines:
                statuses[phase, status] += 1
                print(text, flush=True)
    for phase in ("prefill", "decode"):
        print(phase, {status: n for (p, status), n in sorted(statuses.items()) if p == phase})
    return int(any(status in ("differs", "FAILS") for _, status in statuses))


def job(what: tuple[str, str, int, bool]) -> list[tuple[str, str, str]]:
    import warnings

    import torch
    from transformers.utils import logging

    head, kind, shapes, why = what
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    logging.set_verbosity_error()
    out = []
    for phase in ("prefill", "decode"):
        started = time.time()
        try:
            status, text = check(head, kind, phase, shapes, why)
        except Exception as error:  # an error of our own says why there is no formula
            status = "no formula" if hasattr(error, "render") else "FAILS"
            text = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        took = time.time() - started
        out.append((phase, status, f"{kind:<18} {phase:<8} {status:<10} {took:5.1f} s  {text}"))
    return out


def check(head: str, kind: str, phase: str, shapes: int, why: bool) -> tuple[str, str]:
    """One type and phase: equal at every shape, or the relative error of the worst one."""
    import torch
    from coverage import balanced_routing, build
    from small_configs import small_model

    from cutaway.formula import holds
    from cutaway.trace.analyse import analyse_module
    from cutaway.trace.inputs import NoDecodePhase, make_inputs, plan_inputs
    from cutaway.trace.routing import BALANCED

    seed = zlib.crc32(f"{head}/{kind}/{phase}".encode())
    torch.manual_seed(seed)
    rng = random.Random(seed)
    config, cls = small_model(kind, head)
    real, meta = build(config, cls, "cpu"), build(config, cls, "meta")
    try:
        cpu_plan, plan = plan_inputs(real, phase), plan_inputs(meta, phase)
    except NoDecodePhase as error:
        return "no phase", str(error)
    found = analyse_module(meta, plan, name=kind, values={})
    regimes, worst, texts = 0, 0.0, []
    for _ in range(shapes):
        sizes = {s.name: _random(rng, s) for s in plan.symbols}
        use = found
        if not all(holds(c, sizes) for c in found.valid_when):
            regimes += 1
            use = analyse_module(meta, plan, name=kind, values=sizes)
        inputs = partial(make_inputs, real, cpu_plan, sizes, "cpu", torch.bfloat16)
        with balanced_routing() if BALANCED in use.assumptions else nullcontext():
            if phase == "decode":
                real(**inputs())  # a step comes after others: what a module keeps of them is there
            truth = counted(real, inputs())
        values = {**sizes, "w_bytes": 2, "a_bytes": 2, "kv_bytes": 2}
        got = use.total.read.evaluate(values), use.total.write.evaluate(values)
        if got != (truth.read, truth.write):
            off = max(abs(got[0] / truth.read - 1), abs(got[1] / truth.write - 1))
            if off > worst:
                reads, writes = f"{got[0]:,} / {truth.read:,}", f"{got[1]:,} / {truth.write:,}"
                worst, texts = off, [f"read {reads}, write {writes} at {sizes}"]
                texts += explain(meta, plan, sizes, values, truth) if why else []
    gaps = "".join(f"\n    gap: {g.what} {g.where}: {g.why}" for g in found.gaps[:3])
    if texts:
        more = "".join(f"\n    {t}" for t in texts[1:])
        return "differs", f"{worst:.2%} (ours / counted) {texts[0]}{gaps}{more}"
    return "equal", f"{shapes} shapes, {regimes} regimes{gaps}"


def explain(meta, plan, sizes: dict, values: dict, truth: Counted) -> list[str]:
    """The ops whose bytes differ, by source line: op, line, ours, counted."""
    import torch

    from cutaway.model import Convention
    from cutaway.trace.assemble import Assembler, places
    from cutaway.trace.job import Job
    from cutaway.trace.record import CallEvent

    job = Job(meta, plan, torch.bfloat16, Convention())

    def lines_at(hints: dict) -> list[str]:
        run = job.trace(hints, lines=False)
        assembler = Assembler(run.scope, torch.bfloat16, Convention())
        ours: dict[tuple, list] = defaultdict(lambda: [0, 0, 0])

        def walk(record) -> None:
            for e in record.events:
                if isinstance(e, CallEvent):
                    walk(e.module)
                elif not e.view:
                    cost, where = assembler._price(e)[0], places(e.where)
                    line = str(where[-1]).partition(" ")[0] if where else "?"
                    _add(ours[str(e.func), line], 1, cost.read.evaluate(values), cost.write.evaluate(values))

        walk(run.root)
        return _lines(ours, truth)

    usual = "equal when traced at these sizes; from the usual ones:"
    return lines_at(sizes) or [usual, *lines_at(job.hints({}))]


def _lines(ours: dict, truth: Counted) -> list[str]:
    lines = []
    for op, line in sorted({*ours, *truth.by_line}, key=lambda k: (k[1], k[0])):
        a, b = ours.get((op, line), [0, 0, 0]), truth.by_line.get((op, line), [0, 0, 0])
        if a[1:] != b[1:]:
            text = f"{op} {line}: {a[0]}x {a[1]:,}+{a[2]:,} / {b[0]}x {b[1]:,}+{b[2]:,}"
            lines.append(f"{text} {truth.shapes.get((op, line), '')}")
    return lines


class Counted:
    """What one real forward read and wrote, and where."""

    def __init__(self):
        self.read = self.write = 0
        self.by_line: dict[tuple, list] = defaultdict(lambda: [0, 0, 0])
        self.shapes: dict[tuple, str] = {}


def counted(model, kwargs: dict) -> Counted:
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves

    total = Counted()

    def tensors(value) -> list[torch.Tensor]:
        return [t for t in tree_leaves(value) if isinstance(t, torch.Tensor)]

    def is_view(func) -> bool:
        returns = [r.alias_info for r in func._schema.returns]
        return bool(returns) and all(a is not None and not a.is_write for a in returns)

    class Count(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            kwargs = kwargs or {}
            name = func._schema.name.partition("::")[2]
            ins = {id(t): t for t in tensors((args, kwargs))}
            out = func(*args, **kwargs)
            if name in NO_WORK or is_view(func):
                return out
            ignored = name in ("addmm", "baddbmm", "addmv") and kwargs.get("beta", 1) == 0
            first = args[0] if args and isinstance(args[0], torch.Tensor) else None
            unread = first is not None and (ignored or name in SHAPE_ONLY | OVERWRITTEN)
            if unread and not any(t is first for t in tensors(args[1:])):
                ins.pop(id(first))
            read, write = (sum(t.nbytes for t in group) for group in (ins.values(), tensors(out)))
            if name in FLOAT32_STATISTICS:
                write += sum(4 * t.numel() - t.nbytes for t in out[1:])
            total.read += read
            total.write += write
            key = str(func), _line()
            _add(total.by_line[key], 1, read, write)
            shapes = ([list(t.shape) for t in group] for group in (ins.values(), tensors(out)))
            total.shapes[key] = " -> ".join(map(str, shapes))
            return out

    with torch.no_grad(), Count():
        model(**kwargs)
    return total


def _line() -> str:
    """The innermost line of model code, named as in the reports."""
    from cutaway.trace import source

    where = source.stack(sys._getframe(2))
    return str(source.place(*where[0])).partition(" ")[0] if where else "?"


def _random(rng: random.Random, symbol) -> int:
    step = symbol.multiple_of
    return rng.randrange(symbol.low, symbol.high + 1) // step * step


def _add(row: list, *values: int) -> None:
    for i, v in enumerate(values):
        row[i] += v


def _arguments() -> argparse.Namespace:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--only", help="comma-separated model types")
    parser.add_argument("--map", help="the auto map of those in --only")
    parser.add_argument("--shapes", type=int, default=5)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--why", action="store_true", help="show the ops that differ")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
