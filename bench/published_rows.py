# How the rows of the published tables are asked: which model, devices, format, load and figure a row means. Each source
# writes them its own way, so each has a function here; what a source leaves open is assumed in the open, in its function.
"""`SECTIONS`: section of the file -> rows as `Point`s."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

import silicon

from cutaway.predict import serving
from cutaway.predict.arrivals import Request
from cutaway.predict.machine import Machine, build
from cutaway.predict.scheduler import ServerConfig
from cutaway.predict.simulate import simulate
from cutaway.predict.table import StepTable

MODELS = {
    "llama-3.1-8b": "meta-llama/Llama-3.1-8B", "llama-3-8b": "meta-llama/Llama-3.1-8B",
    "llama-3.1-70b": "meta-llama/Llama-3.1-70B",
    "llama-3.3-70b": "meta-llama/Llama-3.3-70B-Instruct", "llama-3.1-405b": "meta-llama/Llama-3.1-405B",
    "llama2-7b": "meta-llama/Llama-2-7b-hf", "llama-7b": "meta-llama/Llama-2-7b-hf",
    "llama2-13b": "meta-llama/Llama-2-13b-hf", "llama2-70b": "meta-llama/Llama-2-70b-hf",
    "llama-2-70b": "meta-llama/Llama-2-70b-hf", "llama-70b": "meta-llama/Llama-2-70b-hf",
    "gpt-j-6b": "EleutherAI/gpt-j-6b", "falcon-180b": "tiiuae/falcon-180B",
    "internlm-20b": str(silicon.CONFIGS / "internlm-20b.json"),
    "qwen3-32b": "Qwen/Qwen3-32B", "deepseek-r1": "deepseek-ai/DeepSeek-R1", "deepseek-r1/v3": "deepseek-ai/DeepSeek-V3",
    "deepseek-v3/r1": "deepseek-ai/DeepSeek-V3", "deepseek-v3": "deepseek-ai/DeepSeek-V3",
    "kimi-k2.5": silicon.MODELS["moonshotai/Kimi-K2.5"], "minimax-m2.5": "MiniMaxAI/MiniMax-M2.5",
    "qwen3.5-397b-a17b": silicon.MODELS["Qwen/Qwen3.5-397B-A17B"], "qwen3-235b-a22b": "Qwen/Qwen3-235B-A22B",
    "qwen3-30b-a3b": "Qwen/Qwen3-30B-A3B", "qwen3-8b": "Qwen/Qwen3-8B",
    "mistral-7b": "mistralai/Mistral-7B-Instruct-v0.3", "mixtral-8x7b": "mistralai/Mixtral-8x7B-v0.1",
}  # fmt: skip
DEVICES = {
    "h100": "h100-sxm", "h200": "h200-sxm", "b200": "b200", "b300": "b300", "a100": "a100-sxm-80gb",
    "a100-80gb": "a100-sxm-80gb",
    "a100-40gb": "a100-sxm-40gb", "a100-40g": "a100-sxm-40gb", "l40s": "l40s", "gb200": "gb200", "a40": "a40", "h20": "h20",
    "h800": "h800", "mi300x": "mi300x", "rtx 4090": "rtx-4090", "rtx pro 6000": "rtx-pro-6000-server",
    "rtx 6000 pro": "rtx-pro-6000",
}  # fmt: skip
FORMATS = {
    "bf16": "bf16", "fp16": "bf16", "fp8": "fp8", "fp4": "nvfp4", "fp8_block": "fp8_block", "-": "bf16", "": "bf16",
}  # fmt: skip
BATCH = 2048  # sequences that TensorRT-LLM's own runs at full load allow
CHAT = (220, 190)  # mean tokens of ShareGPT's first turns and answers, as vLLM's benchmark cuts them
CHAT_SHORT = (128, 128)  # of a source that calls its load "chatbot-short" and says no more


@dataclass(frozen=True)
class Point:
    """A published figure and ours, in the same unit."""

    words: str
    measured: float
    ours: float


def machine(model: str, device: str, count: int, quant: str = "bf16", engine: str = "vllm", **cut) -> Machine:
    """The machine of a source's words. FP8 in TensorRT-LLM comes with a cache in fp8; where a device lacks the format,
    weights are kept in it and widened."""
    name, hardware = MODELS[model.casefold()], DEVICES[device.casefold()]
    stored = "fp8_block" if quant == "fp8" and name in silicon.MIXTURES else FORMATS[quant.casefold()]
    narrow = hardware.startswith("a100") and stored == "fp8"
    return _built(
        name, hardware, engine, stored, "bf16" if narrow else None,
        "fp8" if engine == "trtllm" and stored in ("fp8", "nvfp4") else None, tuple((cut or {"tp": count}).items()),
    )  # fmt: skip


@lru_cache(maxsize=128)
def _built(name: str, hardware: str, engine: str, weights: str, activations: str | None, kv: str | None, cut: tuple):
    return build(
        name, hardware, engine=engine, weights=weights, activations=activations, kv=kv,
        utilisation=silicon.UTILISATION, **dict(cut),
    )  # fmt: skip


def _gpus(text: str) -> tuple[str, int]:
    """`H100x2`, `RTX 6000 Pro x1`."""
    found = re.fullmatch(r"(.+?) ?x(\d+)", text)
    if not found:
        raise KeyError(f"devices {text}")
    return found[1], int(found[2])


def _lengths(text: str) -> tuple[float, float]:
    prompt, output = re.fullmatch(r"(\d+)/(\d+)", text).groups()
    return float(prompt), float(output)


def number(text: str) -> float:
    return float(text.replace(",", ""))


def loop(m: Machine, users: float, prompt: float, output: float) -> serving.Served:
    """A closed loop; what was measured did fit."""
    most = float(m.most_sequences(prompt + output / 2)) / m.copies
    return serving.closed_loop(
        m.step, m.engine, max(users / m.copies, 1), prompt, output, most_sequences=most if most >= 1 else None, rounds=10
    )  # fmt: skip


def full(m: Machine, prompt: float, output: float) -> float:
    """Output tokens per second of the whole machine with as many sequences as it can run."""
    m = replace(m, engine=replace(m.engine, sequences=BATCH))
    most = min(float(m.most_sequences(prompt + output / 2)) / m.copies, BATCH)
    if most < 1:
        raise KeyError(f"{m.name} has no room by our sum")
    got = serving.closed_loop(m.step, m.engine, most, prompt, output, most_sequences=most)
    return float(got.throughput) * m.copies


def run(m: Machine, requests: list[Request], sequences: int = 256, tokens: int = 8192) -> dict:
    """The summary of the simulated run."""
    longest = max(r.input_tokens + r.output_tokens for r in requests)
    room = int((m.capacity - m.weights - m.fixed) / float(m.cache(16)))
    table = StepTable(m.step, max_tokens=tokens, max_sequences=sequences, max_context=longest)
    config = ServerConfig(max_num_seqs=sequences, max_num_batched_tokens=tokens, blocks=room)
    return simulate(requests, table, config, instances=m.copies).summary()


def s1(row: dict, section: str) -> Iterator[Point]:
    engine, quant = row["engine"].split()[0], row["quant"].split()[0]
    ep = re.search(r"EP(\d+)", row["quant"])
    device, count = _gpus(row["gpus"])
    m = machine(row["model"], device, count, quant, engine, tp=count, ep=int(ep[1]) if ep else 1)
    got = loop(m, number(row["c"]), *_lengths(row["isl/osl"]))
    words = f"{section} {row['model']} {row['gpus']} {engine} {quant} c{row['c']} {row['isl/osl']}"
    yield Point(words + " TPOT ms", number(row["tpot"]), float(got.tpot) * 1e3)


def s2(row: dict, section: str) -> Iterator[Point]:
    m = machine(row["model"], "a100", int(row["gpus"]), "fp16", "ideal")
    batch, (prompt, output) = number(row["batch"]), _lengths(row["in/out"])
    got = serving.static(m.step, batch, prompt, output)
    words = f"{section} {row['model']} A100x{row['gpus']} batch {row['batch']} {row['in/out']}"
    yield Point(words + " tok/s", number(row["out tok/s"]), float(got.throughput))
    if row["ftl s"]:
        yield Point(words + " first token ms", number(row["ftl s"]) * 1e3, float(got.ttft) * 1e3)


def s3(row: dict, section: str) -> Iterator[Point]:
    model, quant = row["model"].split()[:2]
    device, count = _gpus(row["gpus"])
    m = machine(model, device, count, quant, "trtllm")
    for n in (128, 2048) if "128 in" in row else ():
        ours = float(serving.static(m.step, 1, n, 1).ttft) * 1e3
        yield Point(f"{section} {model} {row['gpus']} {quant} first token of {n} ms", number(row[f"{n} in"]), ours)
    if "batch" in row:
        got = serving.static(m.step, number(row["batch"]), *_lengths(row["in/out"]))
        share = 1 if "total" in row["model"] else m.devices
        words = f"{section} {row['model']} {row['gpus']} batch {row['batch']} {row['in/out']} tok/s/GPU"
        yield Point(words, number(row["tok/s/gpu"]), float(got.throughput) / share)


def s4(row: dict, section: str) -> Iterator[Point]:
    if "model, tp" in row:
        model, cut = row["model, tp"].split()
        cases = [
            (device, int(cut[2:]), "fp16" if device == "a100" else "fp8", row[device])
            for device in ("h200", "h100", "l40s", "a100") if row.get(device)
        ]  # fmt: skip
    else:
        model = row["model"]
        devices, cut, quant = re.fullmatch(r"(.+?) (?:TP|x)(\d+) (\w+)", row["gpu, tp, quant"]).groups()
        cases = [
            (d, int(cut), quant.casefold(), value)
            for d, value in zip(devices.split(" / "), row["tok/s"].split(" / "), strict=True)
        ]
    for device, count, quant, value in cases:
        ours = full(machine(model, device, count, quant, "trtllm"), *_lengths(row["in/out"]))
        yield Point(f"{section} {model} {device} TP{count} {quant} {row['in/out']} full load tok/s", number(value), ours)


def s7(row: dict, section: str) -> Iterator[Point]:
    """320 prompts at once; lengths are those of ShareGPT."""
    model, quant = [*row["model"].split(" (")[0].split(), "bf16"][:2]
    device, count = _gpus(row["gpus"])
    m = machine(model, device, count, quant.casefold())
    some = re.search(r"(\d+) prompts", row["model"])
    got = run(m, [Request(0.0, *CHAT) for _ in range(int(some[1]) if some else 320)])
    words, tpot = f"{section} {model} {row['gpus']} {quant}", float(got["tpot_s"]["mean"]) * 1e3
    if row["tok/s"]:
        yield Point(words + " tok/s", number(row["tok/s"]), got["throughput_tokens_per_s"])
        yield Point(words + " ITL ms", number(row["itl ms"]), tpot)
    else:
        ttft, itl = re.search(r"TTFT ([\d.]+), median TPOT ([\d.]+)", row["itl ms"]).groups()
        yield Point(words + " TTFT ms", number(ttft), float(got["ttft_s"]["mean"]) * 1e3)
        yield Point(words + " TPOT ms", number(itl), tpot)


def s8(row: dict, section: str) -> Iterator[Point]:
    """Where the source's excerpt says neither devices nor lengths: one H100 (70B: four) in FP8, 200 in, 200 out."""
    found = re.fullmatch(r"(\S+) (FP8|BF16) .*", row["gpus, quant, nim"])
    if found:
        m, (prompt, output) = machine(row["model"], *_gpus(found[1]), found[2].casefold(), "trtllm"), _lengths(row["in/out"])
    else:
        m, (prompt, output) = machine(row["model"], "h100", 4 if "70B" in row["model"] else 1, "fp8", "trtllm"), (200, 200)
    got = loop(m, number(row["c"]), prompt, output)
    words = f"{section} {row['model']} {found[1] if found else '(devices and lengths assumed)'} c{row['c']} {row['in/out']}"
    yield Point(words + " ITL ms", number(row["itl"]), float(got.tpot) * 1e3)
    yield Point(words + " TTFT ms", number(row["ttft"]), float(got.ttft) * 1e3)


def s9(row: dict, section: str) -> Iterator[Point]:
    """300 chat requests, 10 a second, 128 sequences and 2048 tokens a step at the most; lengths as ShareGPT's mean."""
    device, count = _gpus(row["gpus"].split(" TP")[0].split(" DP")[0])
    cut = {"tp": 1, "dp": count, "ep": count} if "DP" in row["gpus"] else {"tp": count}
    m = machine(row["model"], device, count, **cut)
    got = run(m, [Request(i / 10, 480, 620) for i in range(300)], sequences=128, tokens=2048)
    yield Point(f"{section} {row['model']} {row['gpus']} TPOT ms", number(row["tpot mean ms"]), got["tpot_s"]["mean"] * 1e3)
    ttft = number(row["ttft mean ms"].split()[0])
    yield Point(f"{section} {row['model']} {row['gpus']} TTFT ms", ttft, got["ttft_s"]["mean"] * 1e3)


class Others:
    """S14 to S22: single rows. A row that says `same` goes on with what the one before it said."""

    def __init__(self) -> None:
        self.before: dict[str, str] = {}

    def __call__(self, row: dict, section: str) -> Iterator[Point]:
        full_row = {k: self.before.get(k, "") if v == "same" else v for k, v in row.items()}
        self.before = full_row
        source = row["id"].split()[0]
        ask: Callable | None = getattr(self, source.casefold(), None)
        if ask is None:
            raise KeyError(f"no way to ask {source}")
        words = f"{source} {full_row['model']} {full_row['hardware']} {full_row['setting']}"
        for name, measured, ours in ask(full_row):
            yield Point(f"{words} {name}", measured, float(ours))

    def s14(self, row):
        users = number(re.search(r"c(\d+)$", row["setting"])[1])
        rate, ttft, tpot = (number(v) for v in re.findall(r"[\d.]+", row["measured"].replace("tok/s", ""))[:3])
        got = loop(machine("llama-3.1-8b", "h100", 1, "fp16"), users, *CHAT_SHORT)
        yield from (("tok/s", rate, got.throughput), ("TTFT ms", ttft, got.ttft * 1e3), ("TPOT ms", tpot, got.tpot * 1e3))

    def s15(self, row):
        yield "tok/s", 75.0, loop(machine("llama-3.1-8b", "a100-40gb", 1), 1, 1024, 128).throughput

    def s16(self, row):
        m = machine("llama-7b", "a100", 1, "fp16", "trtllm")
        if row["setting"].startswith("first"):
            for n, ms in zip((128, 2048), re.findall(r"[\d.]+", row["measured"]), strict=False):
                yield f"{n} ms", number(ms), serving.static(m.step, 1, n, 1).ttft * 1e3
        else:
            batch, prompt, output = (number(v) for v in re.findall(r"\d+", row["setting"]))
            yield "tok/s", number(row["measured"].split()[0]), serving.static(m.step, batch, prompt, output).throughput

    def s17(self, row):
        """The last of three engines is vLLM; seconds of the whole batch."""
        batch, prompt, output = (number(v) for v in re.findall(r"\d+", row["setting"])[:3])
        got = serving.static(machine("llama-2-70b", "a100-40gb", 8, "fp16").step, batch, prompt, output)
        yield "s", number(re.findall(r"[\d.]+", row["measured"])[2]), got.ttft + (output - 1) * got.tpot

    def s18(self, row):
        """A node of eight; prompts of 4096, caches of 5000, 128 sequences a device, as the note's averages."""
        m = machine("deepseek-v3", "h800", 8, "fp8", "sglang", tp=1, dp=8, ep=8)
        fed, out = (1e3 * number(v) for v in re.findall(r"([\d.]+) k", row["measured"]))
        yield "tok/s of prompts", fed, 8 * 8192 / m.step(8192, 0, 0, 0)
        yield "tok/s", out, 8 * 128 / m.step(0, 0, 128, 5000)

    def s19(self, row):
        users = number(re.findall(r"c(\d+)", row["setting"])[0])
        ms, rate = (number(v) for v in re.findall(r"(\d+)", row["measured"])[:2])
        got = loop(machine("mistral-7b", "rtx 4090", 1), users, 256, 128)
        yield from (("TTFT ms", ms, got.ttft * 1e3), ("tok/s", rate, got.throughput))

    def s20(self, row):
        """Eight copies; OpenOrca's mean lengths, at the most sequences that keep a token within 40 ms."""
        m = machine("llama-2-70b", "mi300x", 1, "fp8")
        users = [n for n in (1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128) if float(loop(m, n, 295, 295).tpot) <= 0.04]
        yield "tok/s", number(row["measured"].split()[0]), 8 * loop(m, users[-1] if users else 1, 295, 295).throughput

    def s21(self, row):
        """Per GPU; prompts of 4096 tokens, caches of 4096, 128 sequences a device."""
        model, _, rest = row["model"].partition(" ")
        device, quant = row["hardware"], "fp8" if "FP8" in rest or "V3" in model else "bf16"
        cut = {"tp": 1, "dp": 8, "ep": 8} if "V3" in model else {"tp": 1}
        m = machine(model, device, 1, quant, "sglang", **cut)
        fed, out = (number(v) for v in re.findall(r"\d[\d,]*", row["measured"])[:2])
        yield "tok/s of prompts per GPU", fed, 8192 / m.step(8192, -2048, 0, 0)
        yield "tok/s per GPU", out, 128 / m.step(0, 0, 128, 4096)

    def s22(self, row):
        got = run(machine("llama-3.1-8b", "a40", 1, "fp16"), [Request(0.0, 100, 600) for _ in range(50)])
        yield "tok/s", number(row["measured"].split()[0]), got["throughput_tokens_per_s"]


SECTIONS = {
    "S1": s1, "S2": s2, "S3": s3, "S4": s4, "S7": s7, "S8": s8, "S9": s9, "S14-S22": Others(),
}  # fmt: skip
