# Is this a repository about language models? Decided by what its code computes with and what it depends on, never by its
# name; each signal is a line to look at. Words of a README count least: everybody mentions models today.
"""`llm_verdict(program) -> Verdict`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct

from cutaway.facts.reasons import Evidence, line_of
from cutaway.facts.roles import role_of
from cutaway.facts.vocabulary import Vocabulary
from cutaway.facts.words import snake

if TYPE_CHECKING:
    from cutaway.read.program import Program

__all__ = ["Verdict", "llm_verdict"]

ENOUGH, SHOWN = 3.5, 10
_SKIPPED = ("test", "doc", "vendored", "generated", "example", "benchmark")
_DECLARED = ("interface", "type", "namespace")

# What code of language models computes with; each row counts once, by its weight.
_MECHANISMS: tuple[tuple[str, float, str], ...] = (
    (
        "a cache of keys and values",
        2.0,
        "kv_?caches?|kvcache|past_key_values?|k_cache|key_cache|kv_pool|paged_attention",
    ),
    (
        "attention over heads",
        1.5,
        "n_heads?|num_heads|num_attention_heads|n_kv_heads|num_kv_heads|self_attn|causal_self_attention",
    ),
    ("positions by rotation", 1.0, r"rotary\w*|rope\w*|rope_theta"),
    (
        "sampling of tokens",
        1.5,
        "top_?k|top_?p|topp|next_tokens?|next_token_ids?|sampling_params?|max_new_tokens|sample_tokens?|"
        "n_predict",
    ),
    ("logits", 1.0, "logits?|lm_head"),
    (
        "prompts and token ids",
        1.0,
        r"input_ids|token_ids|prompt_tokens?|tokenizers?|detokeni[sz]e\w*|n_ctx|context_length",
    ),
    ("prefill and decode", 1.5, r"prefill\w*|num_computed_tokens|decode_step|decode_tokens"),
    ("a server of completions", 1.0, "chat_completions?|chat_completion_request|completion_request"),
)
_DEPENDENCIES = re.compile(
    r"^(transformers|tokenizers|sentencepiece|tiktoken|flash[-_]attn|flashinfer\w*|xformers|vllm|sglang|llama[-_]cpp\w*"
    r"|candle[-_](transformers|core)|mlx[-_]lm|peft|trl|bitsandbytes|auto[-_]?gptq|gguf|safetensors|deepspeed|litellm|langchain\w*)$",
    re.IGNORECASE,
)

_SERVED = re.compile(r".*/(chat/completions|v\d/completions|v\d/messages|api/generate)/?")  # what clients of such servers ask


class Verdict(Struct, frozen=True):
    """`related` is the answer, `score` the points of the signals, `signals` the lines that say so, strongest first."""

    related: bool
    score: float
    signals: list[Evidence]


def llm_verdict(program: Program) -> Verdict:
    """Judged by the code's identifiers (not tests, documents or examples) and by the manifests' dependencies. Kept, since
    more than one asks."""
    kept = program.__dict__.get("_llm_verdict")
    if kept is None:
        kept = program.__dict__["_llm_verdict"] = _verdict(program)
    return kept


def _verdict(program: Program) -> Verdict:
    rows = [(text, weight) for text, weight, _ in _MECHANISMS]
    table = Vocabulary((i, pattern) for i, (_, _, pattern) in enumerate(_MECHANISMS))
    places: list[list[tuple[str, int, str]]] = [[] for _ in rows]
    known: dict[str, tuple[int, ...]] = {}
    dependencies: dict[str, Evidence] = {}
    served: list[Evidence] = []
    for path in program.paths:
        record = program.record(path)
        role = role_of(path, record.doc)
        for mark in record.marks:
            if mark.kind == "dependency" and role != "vendored" and _DEPENDENCIES.match(mark.name):
                dependencies.setdefault(
                    mark.name.lower(), Evidence(f"it depends on {mark.name}", path, mark.line)
                )
        if role in _SKIPPED:
            continue
        routes = (m for m in record.marks if m.kind == "route" and _SERVED.fullmatch(m.detail.get("path", "")))
        served += [Evidence(f"it answers {m.detail['path']}", path, m.line) for m in routes]
        if record.defs and not record.calls and all(d.kind in _DECLARED for d in record.defs):
            continue  # it only says how the data of another look
        named = [(i, (d.name.rpartition(".")[2], *d.words)) for i, d in enumerate(record.defs)]
        for scope, words in [*named, (-1, record.words)]:
            for word in words:
                hits = known.get(word)
                if hits is None:
                    mask = table.mask(snake(word))
                    hits = known[word] = tuple(i for i in range(len(rows)) if mask >> i & 1)
                for i in hits:
                    if len(places[i]) < 2000:
                        places[i].append((path, scope, word))
    return _judge(program, rows, places, dependencies, served[:1])


def _judge(program, rows, places, dependencies, served) -> Verdict:
    signals: list[tuple[float, Evidence]] = [(2.0, evidence) for evidence in served]
    for (text, weight), found in zip(rows, places, strict=True):
        if found:
            path, scope, word = found[0]
            line = line_of(program, path, scope, word)
            files = len({p for p, _, _ in found})
            where = "1 file" if files == 1 else f"{files} files"
            signals.append((weight, Evidence(f"{text}: {word}, in {where}", path, line)))
    score = sum(weight for weight, _ in signals)
    score += min(2.0, len(dependencies))
    signals += [(0.5, evidence) for evidence in dependencies.values()]
    signals.sort(key=lambda s: -s[0])
    # One word can mean anything (a tokenizer of a compiler, a context's length): several mechanisms cannot.
    related = score >= ENOUGH and len([1 for weight, _ in signals if weight >= 1.0]) >= 3
    return Verdict(related, round(score, 2), [evidence for _, evidence in signals[:SHOWN]])
