# Mechanisms of engines beyond the main components, each known by the calls and definitions that make it: graph capture,
# compilation, collectives, quantisation, speculation, guided decoding, adapters, disaggregation, metrics.
"""`find_features(program)`."""

from __future__ import annotations

import re
from typing import Any

from cutaway.facts.lookup import as_on_its_line, evidence
from cutaway.facts.reach import holder
from cutaway.facts.roles import role_of
from cutaway.facts.words import asked_once
from cutaway.read.program import Program

__all__ = ["FEATURES", "find_features"]

MOST = 12
LEAST = 2  # lines that show a mechanism; one may be a name in passing


# mechanism -> (pattern on the callee of a call, pattern on the name of a definition)
FEATURES: dict[str, tuple[str, str]] = {
    "graph_capture": (
        r"(cuda\.CUDAGraph|CUDAGraph|cuda\.graph|graph_capture|make_graphed_callables|\.replay|cudaStreamBeginCapture|"
        r"cudaGraphLaunch|capture_begin)$",
        r"capture_?(cuda)?_?graph|CUDAGraph|GraphRunner|graph_runner",
    ),
    "compilation": (
        r"(torch\.compile|torch\.jit\.script|torch\._dynamo\.\w+|aot_compile|torch\._inductor\.\w+)$",
        r"^(support_torch_compile|\w*CompilationConfig)$",
    ),
    "collectives": (
        r"(all_reduce|all_gather(_into_tensor)?|reduce_scatter(_tensor)?|all_to_all(_single)?|ncclAllReduce|"
        r"dist\.(broadcast|send|recv|isend|irecv)|tensor_model_parallel_all_\w+)$",
        r"^(all_reduce|all_gather|reduce_scatter|all_to_all|\w*AllReduce\w*)$",
    ),
    "quantisation": (
        r"(scaled_mm|int8_\w*mm|int4\w*mm|marlin\w*|gptq\w*|awq\w*|quantize_\w+|dequantize\w*|w8a8\w*|fp8\w*|"
        r"cutlass_scaled_mm\w*)$",
        r"(Quant(ization)?(Config|Method|Handler|Linear)|WeightOnly\w+|GPTQ\w*|AWQ\w*|Fp8\w*|Int[48]\w*)$",
    ),
    "speculative_decoding": (
        r"(propose\w*|speculative_\w+|verify_tokens|rejection_sample\w*|draft_\w+)$",
        r"(speculat|spec_decode|draft_?model|eagle|medusa|rejection_?sampl|ngram_?propos)",
    ),
    "guided_decoding": (
        r"(apply_\w*bitmask\w*|GrammarMatcher|compile_(json|regex|grammar)\w*|fill_next_token_bitmask)$",
        r"(grammar|guided|structured_?output|xgrammar|outlines|bitmask)",
    ),
    "lora": (r"(add_lora\w*|apply_lora\w*|sgmv\w*|bgmv\w*|lora_\w+)$", r"(^|_|[a-z])(lora|LoRA|Lora)"),
    "disaggregation": (
        r"(send_kv\w*|recv_kv\w*|transfer_kv\w*|start_load_kv|save_kv_layer)$",
        r"(disagg|KVConnector|kv_transfer|KVTransfer|prefill_server|decode_server)",
    ),
    "metrics": (r"(prometheus_client\.\w+|metrics::\w+)$", r"(StatLogger|PrometheusStat|MetricsCollector)"),
}
KINDS = ("class", "struct", "function", "method", "kernel", "trait")


def find_features(program: Program) -> dict[str, list[dict[str, Any]]]:
    """mechanism -> `[{what, path, line, symbol, evidence}]`, definitions first, then the calls, shallow files first. A
    mechanism that fewer than two lines show is an empty list."""
    patterns = {n: (re.compile(c), re.compile(d)) for n, (c, d) in FEATURES.items()}
    calls, definitions = (
        asked_once(re.compile("|".join(f"(?:{pair[which]})" for pair in FEATURES.values()))) for which in (0, 1)
    )  # most names meet none of them
    rows: dict[str, list[tuple[tuple, dict[str, Any]]]] = {name: [] for name in FEATURES}
    for path in program.paths:
        record = program.record(path)
        if role_of(path) != "code" or record.language in ("", "markdown", "text", "json", "yaml", "toml"):
            continue
        deep = path.count("/")
        for definition in record.defs:
            if definition.kind in KINDS and "declaration" not in definition.flags:
                local = definition.name.rpartition(".")[2]
                if not definitions(local):
                    continue
                for name, (_, pattern) in patterns.items():
                    if pattern.search(local):
                        top = definition.kind in ("class", "struct", "trait")
                        row = _row(
                            program, path, definition.line, f"defines {definition.name}", definition.name
                        )
                        rows[name].append(((0 if top else 1, deep, path, definition.line), row))
        for call in record.calls:
            if not calls(call.callee):
                continue
            for name, (pattern, _) in patterns.items():
                if pattern.search(call.callee):
                    row = _row(program, path, call.line, f"calls {as_on_its_line(call.callee)}", holder(record, call.scope))
                    rows[name].append(((2, deep, path, call.line), row))
        for mark in record.marks:
            if mark.kind == "metric":
                row = _row(
                    program,
                    path,
                    mark.line,
                    f"{mark.detail.get('type', 'metric')} {mark.name}",
                    holder(record, mark.scope),
                )
                rows["metrics"].append(((0, deep, path, mark.line), row))
    return {name: _kept(its) for name, its in rows.items()}


def _kept(rows: list[tuple[tuple, dict[str, Any]]]) -> list[dict[str, Any]]:
    """A third of each kind of evidence at most, so that many classes do not hide where the work is called."""
    if len(rows) < LEAST:
        return []
    rows.sort(key=lambda r: r[0])
    kept = []
    for kind in (0, 1, 2):
        kept += [row for key, row in rows if key[0] == kind][: MOST // 2]
    return kept[:MOST]


def _row(program: Program, path: str, line: int, what: str, symbol: str) -> dict[str, Any]:
    return {
        "what": what,
        "path": path,
        "line": line,
        "symbol": symbol,
        "evidence": [evidence(program, path, line, what, symbol=symbol)],
    }
