# The deep dive into an LLM engine: the nesting of its loop line by line, then cache, scheduler, sampling, kernels; every item a
# definition with its line, or the reason why there is none.
"""`llm_sections()`: heading -> writer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cutaway.report.escape import prose, visible
from cutaway.report.repo.page import Page

__all__ = ["llm_sections"]

SHOWN = 3  # candidates of one part


def llm_sections() -> dict[str, Callable[[Page], list[str]]]:
    """The sections of the template that only LLM repositories have."""
    return {
        "Prefill vs decode loop (real nesting)": _nesting,
        "KV cache": lambda page: (
            _items(
                page,
                {
                    "Layout/data structures": "kv_cache_structure",
                    "Update path (append, swap, evict)": "kv_cache_update",
                    "Paging / block tables (if any)": "kv_cache_block_table_or_paging",
                    "Prefix reuse and eviction": "kv_cache_eviction_or_prefix_reuse",
                    "Memory accounting": "kv_cache_memory_accounting",
                },
            )
            + page.details("kv_layout")
        ),
        "Scheduler / batching": lambda page: (
            _items(
                page,
                {
                    "Queueing + priorities": "scheduler",
                    "Chunking": "batching_or_chunked_prefill",
                    "Preemption": "preemption",
                    "Backpressure / admission control": "admission_or_backpressure",
                },
            )
            + page.details("scheduling")
        ),
        "Sampling / decoding": lambda page: (
            _items(
                page,
                {
                    "Sampler": "sampler",
                    "Logits processing": "logits_processing",
                    "Parameters: temperature/top_p/top_k/repetition": "sampling_params",
                    "Determinism / seeds": "seeds_determinism",
                },
            )
            + page.details("stopping", "sampling_parameters")
        ),
        "Kernel hotspots / backends": lambda page: (
            _items(
                page,
                {
                    "Attention backend(s)": "attention_backend",
                    "GEMM / quantization backends": "gemm_or_quant_backend",
                    "Tensor parallelism": "tensor_parallel_comm",
                    "Weight loading": "weight_loader",
                    "Model": "model_definition",
                },
            )
            + page.details("backends", "features")
        ),
    }


def _nesting(page: Page) -> list[str]:
    """The way of a request as it nests, each line with the definition's place; the call site stands in the JSON."""
    steps: list[dict[str, Any]] = page.facts["call_nesting"]
    if not steps:
        return ["No way from an entry point to a loop could be followed; there is none to show."]
    rows = [
        ("  " * s["depth"] + visible(s["symbol"]) + "()", f"{visible(s['path'])}:{s['line']}", s)
        for s in steps
    ]
    width = min(64, max(len(head) for head, _, _ in rows))
    lines = [
        "Every line is a definition that the one above it calls, or sends to where it says so; where no line says otherwise, "
        "prefill and decode go the same way.",
        "",
        "```text",
    ]
    for head, place, step in rows:
        note = f"  [{_NOTED.get(step['origin'], step['origin'].replace('_', ' '))}]" if step.get("origin") in _TELLING else ""
        lines.append(f"{head:<{width}}  # {place}{note}")
    return [*lines, "```"]


_NOTED = {"queue_peer": "sent over a queue or socket"}
_TELLING = {
    "rpc_string_method",
    "process_target",
    "thread_target",
    "queue_peer",
    "registry_entry",
    "override",
    "custom_op_binding",
    "kernel_launch",
    "getattr_string",
}


def _items(page: Page, parts: dict[str, str]) -> list[str]:
    rows = []
    for name, key in parts.items():
        candidates = page.facts["components"][key]
        if candidates:
            rows.append(f"- {name}: " + "; ".join(page.pointer(c) for c in candidates[:SHOWN]))
        else:
            rows.append(
                f"- {name}: not present ({prose(page.facts['absent'].get(key, 'nothing of the kind was found'))})"
            )
    return rows
