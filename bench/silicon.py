# The measured end-to-end rows of silicon_sample.csv.gz, in the words of a prediction. What a row says of its GPUs is not
# always what ran, so the rules by which it is read stand here, each with its evidence; what no rule can read is counted
# with its reason.
"""`read(folder)`: rows and what could not be taken; `is_fit(row)`: the split."""

import csv
import gzip
import math
import re
import zlib
from dataclasses import dataclass, replace
from pathlib import Path

# What an engine adds is fitted on one device, and on a quarter of the pairs of model and system elsewhere, so that newer
# devices have a say; no pair of the judged rows was seen by a fit. V3 and R1 are one architecture.
FIT_SYSTEM, FIT_SHARE = "h200_sxm", 0.25

CONFIGS = Path(__file__).parent / "configs"
MODELS = {  # the sample's id -> a model of the catalogue, or a config kept here
    "deepseek-ai/DeepSeek-R1": "deepseek-ai/DeepSeek-R1",
    "nvidia/DeepSeek-R1-NVFP4": "deepseek-ai/DeepSeek-R1",
    "deepseek-ai/DeepSeek-V3": "deepseek-ai/DeepSeek-V3",
    "nvidia/DeepSeek-V3.1-NVFP4": "deepseek-ai/DeepSeek-V3",
    "meta-llama/Llama-3.1-70B": "meta-llama/Llama-3.1-70B",
    "meta-llama/Llama-3.1-8B-Instruct": "meta-llama/Llama-3.1-8B",
    "nvidia/Llama-3.1-8B-Instruct-FP8": "meta-llama/Llama-3.1-8B",
    "MiniMaxAI/MiniMax-M2.5": "MiniMaxAI/MiniMax-M2.5",
    "Qwen/Qwen3-32B": "Qwen/Qwen3-32B",
    "nvidia/Qwen3-32B-NVFP4": "Qwen/Qwen3-32B",
    "moonshotai/Kimi-K2.5": str(CONFIGS / "Kimi-K2.5.json"),
    "Qwen/Qwen3.5-397B-A17B": str(CONFIGS / "Qwen3.5-397B-A17B.json"),
}
MIXTURES = (
    "deepseek-ai/DeepSeek-R1",
    "deepseek-ai/DeepSeek-V3",
    "MiniMaxAI/MiniMax-M2.5",
    "Qwen/Qwen3.5-397B-A17B",
)
WITH_EXPERTS = (*MIXTURES, MODELS["moonshotai/Kimi-K2.5"])
SYSTEMS = {
    "h100_sxm": "h100-sxm", "h200_sxm": "h200-sxm", "b200_sxm": "b200", "b300_sxm": "b300",
    "gb200": "gb200", "gb300": "gb300",
}  # fmt: skip
QUANTS = {"bf16": "bf16", "fp8": "fp8", "fp8_block": "fp8_block", "nvfp4": "nvfp4", "int4_wo": "int4"}
GUESSES = 0.75  # of the slowest TPOT of the same configuration
LENGTH_SPREAD = 0.9  # InferenceMAX draws lengths uniformly from 0.8 to 1.0 of the nominal ones
UTILISATION = 0.95  # of the memory: those who publish tuned runs give engines more than these take by themselves
ROUNDS = 10  # and sends ten requests per user, all users starting at once


@dataclass(frozen=True)
class Row:
    """One measured configuration; times in seconds, `concurrency` of one replica."""

    id: str
    model: str
    system: str
    engine: str
    quant: str
    tp: int
    dp: int  # of attention
    ep: int
    concurrency: int
    prompt: float
    output: float
    ttft: float
    tpot: float
    random_lengths: bool
    release: str  # of the engine, without the number of the build
    build: str
    day: str  # on which it was measured, where the sample says so
    guesses: bool = False


def read(folder: Path) -> tuple[list[Row], dict[str, int]]:
    """The aggregated rows, and how many were left out by reason."""
    with gzip.open(folder / "aiconfigurator" / "silicon_sample.csv.gz", "rt") as file:
        table = list(csv.DictReader(file))
    rows, left = [], {}
    for raw in table:
        if raw["mode"] != "agg":
            continue
        row = _row(raw)
        if isinstance(row, str):
            left[row] = left.get(row, 0) + 1
        else:
            rows.append(row)
    return _marked(rows), left


def _marked(rows: list[Row]) -> list[Row]:
    """With those marked that guess tokens. The sample does not say which runs used multi-token prediction; but the same
    configuration and release then stands there twice, once much faster than kernels and engines vary. What was measured
    on one day with one build is one run: most of the rows that can be compared so speak for all of them."""
    alike: dict[tuple, list[Row]] = {}
    for row in rows:
        alike.setdefault(_same(row), []).append(row)
    votes: dict[tuple, list[bool]] = {}
    for row in rows:
        others = [o.tpot for o in alike[_same(row)] if _run(o) != _run(row)]
        if others:
            votes.setdefault(_run(row), []).append(row.tpot < GUESSES * max(others))
    guessing = {run for run, found in votes.items() if sum(found) > len(found) / 2}
    return [replace(row, guesses=_run(row) in guessing) for row in rows]


def _run(row: Row) -> tuple:
    """What was measured together."""
    return _model(row), row.system, row.engine, row.quant, row.build, row.day


def _same(row: Row) -> tuple:
    """What is the same for two runs of one configuration; V3 and R1 are one architecture."""
    return (_model(row), row.system, row.engine, row.release, row.quant, row.tp * row.dp, row.dp, row.concurrency, row.prompt,
            row.output)  # fmt: skip


def is_fit(row: Row) -> bool:
    """Whether constants may be fitted on the row."""
    return not is_judged(row) and not row.guesses


def is_judged(row: Row) -> bool:
    """Whether no fit may see the row."""
    if row.system == FIT_SYSTEM:
        return False
    pair = f"{_model(row).rsplit('/', 1)[-1]} {row.system}"
    return zlib.crc32(pair.encode()) / 2**32 >= FIT_SHARE


def _model(row: Row) -> str:
    return row.model.replace("-R1", "-V3")


def _row(raw: dict) -> Row | str:
    def number(name: str) -> int:
        return int(raw[name] or 0)

    tp, dp = max(1, number("tp_size")), max(1, number("attention_dp_size"))
    moe_tp, ep = max(1, number("moe_tp_size")), max(1, number("moe_ep_size"))
    source = raw["silicon_data_source"]
    found = re.search(r"silicon_concurrency=(\d+)", source)
    concurrency = int(found[1]) if found else number("batch_size") * dp
    if number("attention_dp_size"):
        # Where it stands how many copies of the attention there are, a batch is that of one, in every row but one: there the
        # users are of a whole deployment, 32 times as many, whose caches no such machine could hold.
        concurrency = number("batch_size") * dp
    k = math.isqrt(max(tp, dp))
    if moe_tp == ep == k > 1 and max(tp, dp) == k * k:
        # A run of k GPUs with expert parallelism k is written as k x k: the same times stand in other rows as TP k, EP k.
        tp, dp, ep = (k, 1, k) if tp > 1 else (1, k, k)
    elif dp > 1 and tp > 1 and ep == tp * dp and dp == tp:
        # vLLM with data-parallel attention on k GPUs: attention is not sharded, experts are.
        tp, ep = 1, dp
    elif (
        not raw["attention_dp_size"]
        and tp > 1
        and found
        and concurrency == number("batch_size") * tp
        and ep == tp
    ):
        tp, dp = 1, tp
    if tp > 8 or tp & (tp - 1):
        return "the GPU count of a whole deployment stands where TP should (no such TP exists for the model)"
    return Row(
        raw["id"], MODELS[raw["model_path"]], raw["system"], raw["backend"],
        _quant(raw), tp, dp, ep, concurrency,
        float(raw["isl"]), float(raw["osl"]), float(raw["silicon_ttft_ms"]) / 1e3, float(raw["silicon_tpot_ms"]) / 1e3,
        "harrli" not in source, re.sub(r"\.?post\d+$", "", raw["backend_version"]), raw["backend_version"],
        "".join(re.findall(r"measured=(\d{4}-\d\d-\d\d)", source)),
    )  # fmt: skip


def _quant(raw: dict) -> str:
    """The format of the weights. Mixtures in `fp8` run the checkpoint that their makers publish, which is in blocks of
    128 x 128; dense models in `fp8` run one with a scale a tensor."""
    mode = raw["gemm_quant_mode"] or "bf16"
    mixture = raw["model_path"] in MIXTURES
    return "fp8_block" if mode == "fp8" and mixture else mode
