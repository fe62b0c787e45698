"""Does every Transformers model run on the CPU with the inputs that Cutaway plans for it?

Builds a small random model of each type, plans its inputs for prefill and decode, runs forward at two
different sizes, and checks the fabricated cache against the one a real prefill leaves. Prints a line per
model and phase.

    python bench/runs_on_cpu.py --map CausalLM
    python bench/runs_on_cpu.py --map all --only whisper
"""

from __future__ import annotations

import argparse
import signal
import sys
import traceback
import warnings
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "src")]

PHASES = ("prefill", "decode")


def main() -> int:
    args = _arguments()
    jobs = list_jobs(args.map, args.only)
    phases = [args.phase] if args.phase else list(PHASES)
    counts: Counter = Counter()
    with ProcessPoolExecutor(2, initializer=_quiet) as pool:
        for lines in pool.map(run_job, [(*job, args.seconds, args.meta, phases) for job in jobs]):
            for line in lines:
                counts[line.split()[1], line.split()[0]] += 1
                if line.split()[0] not in args.hide:
                    print(line, flush=True)
    for phase in PHASES:
        print(phase, {status: n for (p, status), n in sorted(counts.items()) if p == phase})
    return 1 if any(status == "FAIL" for _, status in counts) else 0


def list_jobs(maps: str, only: str | None) -> list[tuple[str, str]]:
    """(map, model type) pairs; with `all`, each class once."""
    from small_configs import all_maps, auto_map

    seen: set[str] = set()
    jobs = []
    for name in all_maps() if maps == "all" else [maps]:
        for model_type, class_name in auto_map(name).items():
            if (maps != "all" or str(class_name) not in seen) and (
                only is None or only in (model_type, class_name)
            ):
                seen.add(str(class_name))
                jobs.append((name, model_type))
    return jobs


def run_job(job: tuple[str, str, int, bool, list[str]]) -> list[str]:
    head, model_type, seconds, on_meta, phases = job
    label = f"{model_type:<28} {head:<24}"
    signal.signal(signal.SIGALRM, _too_slow)
    signal.alarm(seconds)
    try:
        model = build(head, model_type)
    except ImportError as error:
        return [f"LIB  {phase:<8} {label} {_where(error)}" for phase in phases]
    except Exception as error:
        return [f"FAIL {phase:<8} {label} build: {_where(error)}" for phase in phases]
    finally:
        signal.alarm(0)
    return [run_phase(model, phase, label, seconds, on_meta) for phase in phases]


def run_phase(model, phase: str, label: str, seconds: int, on_meta: bool) -> str:
    from cutaway.trace.inputs import NoDecodePhase

    signal.alarm(seconds)
    try:
        note = run_meta(model, phase) if on_meta else run_in_some_dtype(model, phase)
        return f"OK   {phase:<8} {label} {type(model).__name__} {note}"
    except NoDecodePhase:
        return f"NONE {phase:<8} {label} {type(model).__name__}"
    except Exception as error:
        return f"FAIL {phase:<8} {label} {type(model).__name__} {_where(error)}"
    finally:
        signal.alarm(0)


def build(head: str, model_type: str):
    import torch
    from small_configs import small_model

    torch.manual_seed(0)
    config, cls = small_model(model_type, head)
    model = cls._from_config(config, dtype=torch.bfloat16, attn_implementation="eager").eval()
    for name, parameter in model.named_parameters():
        if any(part in name for part in model._keep_in_fp32_modules_strict or ()):
            parameter.data = parameter.data.float()  # as `from_pretrained` does and `_from_config` does not
    return model


def run_in_some_dtype(model, phase: str) -> str:
    """bfloat16, or float32 for the models whose own code mixes the two."""
    try:
        return run_twice(model, phase)
    except (RuntimeError, NotImplementedError) as error:
        if not any(word in str(error) for word in ("dtype", "scalar type", "BFloat16", "bias type")):
            raise
        return run_twice(model.float(), phase) + " float32"


def run_twice(model, phase: str) -> str:
    import torch

    from cutaway.trace.inputs import make_inputs, plan_inputs

    plan = plan_inputs(model, phase)
    for pick in ("low", "high"):
        sizes = {s.name: getattr(s, pick) for s in plan.symbols}
        if plan.state is not None:
            check_state(model, plan, sizes)
        with torch.no_grad():
            model(**make_inputs(model, plan, sizes, dtype=model.dtype))
    return plan.cache or ""


def check_state(model, plan, sizes: dict[str, int]) -> None:
    """The fabricated state has the shapes and counts that a real prefill of `cache_len` tokens leaves."""
    import torch

    from cutaway.trace.inputs import make_inputs, plan_inputs
    from cutaway.trace.inputs_probe import state_after
    from cutaway.trace.inputs_state import describe_state

    prefill = plan_inputs(model, "prefill")
    known = {s.name: sizes.get(s.name, s.low) for s in prefill.symbols} | {"seq_len": sizes["cache_len"]}
    with torch.no_grad():
        real = state_after(model, make_inputs(model, prefill, known, dtype=model.dtype))
    made = {n: v for n, v in make_inputs(model, plan, sizes, dtype=model.dtype).items() if n in real}
    wanted, found = describe_state(real), describe_state(made)
    wrong = [
        (path, wanted.get(path), found.get(path))
        for path in wanted | found
        if wanted.get(path) != found.get(path)
    ]
    if wrong:
        raise AssertionError(f"state differs: {wrong[:3]}")


def run_meta(model, phase: str) -> str:
    import torch

    from cutaway.trace.inputs import make_inputs, plan_inputs

    model = model.to("meta")
    plan = plan_inputs(model, phase)
    sizes = {s.name: s.high for s in plan.symbols}
    with torch.no_grad():
        model(**make_inputs(model, plan, sizes, device="meta"))
    return plan.cache or ""


def _where(error: Exception) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    text = " ".join(str(error).split())[:160]
    return f"{type(error).__name__}: {text} ({Path(frame.filename).name}:{frame.lineno})"


def _quiet() -> None:
    warnings.filterwarnings("ignore")
    import torch
    import transformers

    torch.set_num_threads(1)
    transformers.logging.set_verbosity(50)


def _too_slow(*_) -> None:
    raise TimeoutError("over the time limit")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--map", default="CausalLM", help="CausalLM, MaskedLM, ..., or all")
    parser.add_argument("--only", help="one model type or class name")
    parser.add_argument("--seconds", type=int, default=60, help="limit per model and phase")
    parser.add_argument("--phase", choices=PHASES, help="one of the phases only")
    parser.add_argument("--hide", nargs="*", default=[], help="statuses not to print, such as OK")
    parser.add_argument("--meta", action="store_true", help="run on the meta device instead")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
