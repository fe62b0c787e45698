# The table of key components: of an engine its parts, each with a definition or the reason why there is none; of anything
# else what it starts, runs in, makes and is told.
"""`component_table(page)`, `COMPONENTS`, `runs_models(page)`."""

from __future__ import annotations

from cutaway.report.escape import prose
from cutaway.report.repo.page import Page
from cutaway.report.repo.phases import told

__all__ = ["COMPONENTS", "component_table", "runs_models"]

PHASES = {"start": "startup", "main loop": "main_loop", "shutdown": "shutdown"}
COMPONENT_ROWS, ENTRIES = (
    6,
    4,
)  # at least so many components; of entry points, that many where others are plenty
# The rows of the component table: key in the facts -> (name, what such a part is responsible for).
COMPONENTS = {
    "runtime_loop": (
        "runtime loop",
        "drives every step: takes requests in, runs the model, hands tokens out",
    ),
    "scheduler": ("scheduler", "decides which requests run in the next step"),
    "batching_or_chunked_prefill": ("batching", "puts the tokens of several requests into one step"),
    "preemption": ("preemption", "takes the memory of a running request back"),
    "admission_or_backpressure": ("admission", "tests whether there is room for a request"),
    "kv_cache_structure": ("KV cache", "holds the keys and values of earlier tokens"),
    "kv_cache_update": ("KV cache update", "writes the keys and values of new tokens"),
    "kv_cache_block_table_or_paging": ("block tables", "map a request's tokens to blocks of the cache"),
    "kv_cache_eviction_or_prefix_reuse": (
        "prefix reuse and eviction",
        "shares blocks of equal prefixes, gives up those least needed",
    ),
    "kv_cache_memory_accounting": ("KV cache memory", "computes how many blocks fit"),
    "sampler": ("sampling", "draws the next token from the logits"),
    "logits_processing": ("logits processing", "changes logits before a token is drawn"),
    "sampling_params": ("sampling parameters", "what a request may ask of sampling"),
    "seeds_determinism": ("seeds", "make sampling repeatable"),
    "attention_backend": ("attention backend", "computes attention over the cache"),
    "gemm_or_quant_backend": ("GEMM and quantisation", "multiplies by the weights, as they are stored"),
    "model_definition": ("model definition", "the layers and their order"),
    "config_parser": ("config parser", "turns settings into what the program runs with"),
    "tensor_parallel_comm": ("tensor parallelism", "splits layers over devices and joins their results"),
    "weight_loader": ("weight loading", "puts a checkpoint's tensors into the model"),
}
_COMPUTES = ("model_definition", "attention_backend", "sampler", "kv_cache_update", "gemm_or_quant_backend")
# What they do where no model is run.
GENERAL = {
    "runtime_loop": "takes what comes in and has it done, turn by turn",
    "scheduler": "decides what is done next",
    "batching_or_chunked_prefill": "does several things in one step",
    "preemption": "takes back what was begun",
    "admission_or_backpressure": "tests whether there is room for more",
}


def runs_models(page: Page) -> bool:
    """Does it compute a model itself? What only stands in front of those that do has a loop and a queue of another kind."""
    return page.repo["llm_related"] and any(page.facts["components"][key] for key in _COMPUTES)


def component_table(page: Page) -> list[str]:
    rows = []
    general = {} if runs_models(page) else GENERAL
    for key, (name, duty) in COMPONENTS.items():
        candidates = page.facts["components"][key]
        if candidates:
            rows.append([name, page.pointer(candidates[0], cell=True), general.get(key, duty)])
        elif page.repo["llm_related"]:
            rows.append(
                [name, "not present", prose(page.facts["absent"].get(key, "nothing of the kind was found"))]
            )
    if not page.repo["llm_related"]:
        life = page.facts["lifecycle"]
        parts = {
            name: [[name, page.pointer(r, cell=True), why] for r, why in told(page, key, cell=True)[:3]]
            for name, key in PHASES.items()
        }
        tasks = [t for t in life["task_creation_points"] if not t.get("runs_as")][:3]
        parts["tasks"] = [["tasks", page.pointer(r, cell=True), page.why(r)] for r in tasks]
        classes = page.facts["config_surface"]["config_classes"][:3]
        parts["configuration"] = [
            ["configuration", page.pointer(r, cell=True), "holds settings"] for r in classes
        ]
        rows += [row for some in parts.values() for row in some]
        entries = page.facts["entrypoints"][: max(ENTRIES, COMPONENT_ROWS - len(rows))]
        parts["entry"] = [["entry", page.pointer(r, cell=True), page.does(r, cell=True)] for r in entries]
        rows += parts["entry"]
        if len(rows) < COMPONENT_ROWS:  # of a small program what it lacks is worth a line too
            rows += [
                [name, "not present", "nothing of the kind was found"]
                for name, some in parts.items()
                if not some
            ]
    return page.table(["Component", "Location", "Responsibility"], rows)
