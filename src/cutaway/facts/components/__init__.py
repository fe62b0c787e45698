# The twenty parts that a reader of an LLM repository asks for, each found by its mechanism. One file a part; this one only
# holds the table, in the order in which they are judged, and the door.
"""`find_components(program) -> {key: Found}`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cutaway.facts.components.admission import ADMISSION
from cutaway.facts.components.attention import ATTENTION
from cutaway.facts.components.batching import BATCHING
from cutaway.facts.components.config_parser import CONFIG
from cutaway.facts.components.gemm import GEMM
from cutaway.facts.components.kv_memory import KV_MEMORY
from cutaway.facts.components.kv_paging import KV_PAGING
from cutaway.facts.components.kv_reuse import KV_REUSE
from cutaway.facts.components.kv_structure import KV_STRUCTURE
from cutaway.facts.components.kv_update import KV_UPDATE
from cutaway.facts.components.logits import LOGITS
from cutaway.facts.components.model_definition import MODEL
from cutaway.facts.components.preemption import PREEMPTION
from cutaway.facts.components.runtime_loop import RUNTIME_LOOP
from cutaway.facts.components.sampler import SAMPLER
from cutaway.facts.components.sampling_params import SAMPLING_PARAMS
from cutaway.facts.components.scheduler import SCHEDULER
from cutaway.facts.components.seeds import SEEDS
from cutaway.facts.components.tensor_parallel import TENSOR_PARALLEL
from cutaway.facts.components.training_loop import TRAINING_LOOP
from cutaway.facts.components.weight_loader import WEIGHT_LOADER
from cutaway.facts.corpus import Corpus
from cutaway.facts.llm import llm_verdict
from cutaway.facts.reasons import Found, explain
from cutaway.facts.scoring import KEPT, rank

if TYPE_CHECKING:
    from cutaway.facts.concept import Clue, Concept
    from cutaway.read.program import Program

__all__ = ["CONCEPTS", "Found", "find_components"]

# In the order of judgement: a concept may lean on those before it.
CONCEPTS: tuple[Concept, ...] = (
    SCHEDULER,
    RUNTIME_LOOP,
    BATCHING,
    PREEMPTION,
    ADMISSION,
    KV_STRUCTURE,
    KV_UPDATE,
    KV_PAGING,
    KV_REUSE,
    KV_MEMORY,
    SAMPLER,
    LOGITS,
    SAMPLING_PARAMS,
    SEEDS,
    ATTENTION,
    GEMM,
    MODEL,
    CONFIG,
    TENSOR_PARALLEL,
    WEIGHT_LOADER,
)


def find_components(program: Program) -> dict[str, Found]:
    """Each component's candidates, best first, or the reason why there are none; keys as in `CONCEPTS`.

    In a program that is not about language models only the general ones (`Concept.anywhere`) are looked for.
    """
    about_models = llm_verdict(program).related
    asked = [c for c in CONCEPTS if c.anywhere or about_models]
    if about_models:
        asked.append(TRAINING_LOOP)
    clues: list[Clue] = []
    bits: dict[str, list[int]] = {}
    for concept in asked:
        bits[concept.key] = list(range(len(clues), len(clues) + len(concept.clues)))
        clues += concept.clues
    corpus = Corpus(program, clues)
    ranked = rank(corpus, asked, bits)
    if not ranked.get(RUNTIME_LOOP.key):  # nothing serves: the loop is that of the trainer
        ranked[RUNTIME_LOOP.key] = ranked.get(TRAINING_LOOP.key, [])
    found: dict[str, Found] = {}
    for concept in CONCEPTS:
        best = ranked.get(concept.key, [])[:KEPT]
        if best:
            found[concept.key] = Found([explain(corpus, concept, scored) for scored in best])
        else:
            found[concept.key] = Found([], _absent(concept, about_models))
    return found


def _absent(concept: Concept, about_models: bool) -> str:
    reason = f"no definition that {concept.looked_for}"
    return (
        reason if about_models or concept.anywhere else f"{reason}: the program is not about language models"
    )
