# Published latencies of many sources, as tables of a Markdown file: the rows whose model, devices, formats, lengths and
# load stand in one line are predicted, and each is shown with its error. What cannot be read so is counted by section.
"""`report(path)`: rows of `published-latencies.md` with our error, and the worst ten."""

import re
from pathlib import Path

import silicon

from cutaway.errors import CutawayError
from cutaway.predict import serving
from cutaway.predict.machine import build

MODELS = {
    "llama-3.1-8b": "meta-llama/Llama-3.1-8B", "llama-3.1-70b": "meta-llama/Llama-3.1-70B",
    "llama-3.3-70b": "meta-llama/Llama-3.3-70B-Instruct", "llama-3.1-405b": "meta-llama/Llama-3.1-405B",
    "llama2-7b": "meta-llama/Llama-2-7b-hf", "llama-7b": "meta-llama/Llama-2-7b-hf",
    "llama2-13b": "meta-llama/Llama-2-13b-hf", "llama2-70b": "meta-llama/Llama-2-70b-hf",
    "llama-70b": "meta-llama/Llama-2-70b-hf", "gpt-j-6b": "EleutherAI/gpt-j-6b", "falcon-180b": "tiiuae/falcon-180B",
    "qwen3-32b": "Qwen/Qwen3-32B", "deepseek-r1": "deepseek-ai/DeepSeek-R1", "deepseek-r1/v3": "deepseek-ai/DeepSeek-V3",
    "kimi-k2.5": silicon.MODELS["moonshotai/Kimi-K2.5"], "minimax-m2.5": "MiniMaxAI/MiniMax-M2.5",
    "mistral-7b": "mistralai/Mistral-7B-Instruct-v0.3",
}  # fmt: skip
DEVICES = {
    "h100": "h100-sxm",
    "h200": "h200-sxm",
    "b200": "b200",
    "a100": "a100-sxm-80gb",
    "l40s": "l40s",
    "gb200": "gb200",
}
FORMATS = {"bf16": "bf16", "fp16": None, "fp8": "fp8", "fp4": "nvfp4", "fp8_block": "fp8_block"}


def report(path: Path) -> None:
    """Print every row that can be predicted, with the error of TTFT and TPOT (or tokens/s), then the worst ten."""
    results, unread = [], {}
    for section, header, row in _rows(path.read_text(encoding="utf-8")):
        try:
            results += _judged(section, dict(zip(header, row, strict=False)))
        except (KeyError, ValueError, CutawayError) as why:
            text = f"{section}: {type(why).__name__} {str(why)[:60]}"
            unread[text] = unread.get(text, 0) + 1
    print(f"\n{'published':<62} {'measured':>10} {'ours':>10} {'error %':>8}")
    for words, measured, ours in results:
        print(f"{words:<62} {measured:>10.4g} {ours:>10.4g} {(ours / measured - 1) * 100:>+8.1f}")
    print("\nworst ten")
    for words, measured, ours in sorted(results, key=lambda r: -abs(r[2] / r[1] - 1))[:10]:
        print(f"  {words}: {(ours / measured - 1) * 100:+.0f} %")
    for text, count in unread.items():
        print(f"  not read, {count} rows of {text}")


def _rows(text: str):
    """(section, header, cells) of each line of each table."""
    section, header = "", []
    for line in text.splitlines():
        if line.startswith("## "):
            section, header = line.split()[1], []
        elif not line.startswith("|"):
            header = []
        else:
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if not header:
                header = [cell.casefold() for cell in cells]
            elif not set(line) <= set("|-: "):
                yield section, header, cells


def _judged(section: str, row: dict[str, str]) -> list[tuple[str, float, float]]:
    """The figures of one row: S1 and S8 are closed loops, S2 static batches, S3 first tokens and batches."""
    if section == "S1":
        engine, quant = row["engine"].split()[0], row["quant"].split()[0]
        machine = _machine(row["model"], row["gpus"], quant, engine)
        prompt, output = (float(v) for v in row["isl/osl"].split("/"))
        got = _loop(machine, float(row["c"]), prompt, output)
        words = f"S1 {row['model']} {row['gpus']} {engine} {quant} c{row['c']} {row['isl/osl']}"
        return [(words + " TPOT ms", float(row["tpot"]), float(got.tpot) * 1e3)]
    if section == "S8":
        gpus, quant = row["gpus, quant, nim"].split()[:2]
        machine = _machine(row["model"], gpus, quant.casefold(), "trtllm")
        prompt, output = (float(v) for v in row["in/out"].split("/"))
        got = _loop(machine, float(row["c"]), prompt, output)
        words = f"S8 {row['model']} {gpus} c{row['c']} {row['in/out']}"
        return [(words + " ITL ms", float(row["itl"]), float(got.tpot) * 1e3),
                (words + " TTFT ms", float(row["ttft"]), float(got.ttft) * 1e3)]  # fmt: skip
    if section == "S2":
        machine = _machine(row["model"], f"A100x{row['gpus']}", "fp16", "trtllm")
        batch = float(row["batch"])
        prompt, output = (float(v) for v in row["in/out"].split("/"))
        got = serving.static(machine.step, batch, prompt, output)
        words = f"S2 {row['model']} A100x{row['gpus']} batch {row['batch']} {row['in/out']}"
        return [(words + " tok/s", float(row["out tok/s"]), float(got.throughput))]
    if section == "S3" and "128 in" in row:
        model, quant = row["model"].split()
        machine = _machine(model, row["gpus"], quant, "trtllm")
        return [
            (f"S3 {model} {row['gpus']} {quant} first token of {n} ms", float(row[f"{n} in"]),
             float(serving.static(machine.step, 1, n, 1).ttft) * 1e3)
            for n in (128, 2048)
        ]  # fmt: skip
    if section == "S3" and "batch" in row:
        model, quant = row["model"].split()[:2]
        machine = _machine(model, row["gpus"], quant, "trtllm")
        devices = 1 if "total" in row["model"] else machine.devices
        prompt, output = (float(v) for v in row["in/out"].split("/"))
        got = serving.static(machine.step, float(row["batch"]), prompt, output)
        words = f"S3 {row['model']} {row['gpus']} batch {row['batch']} {row['in/out']}"
        return [
            (words + " tok/s/GPU", float(row["tok/s/gpu"].replace(",", "")), float(got.throughput) / devices)
        ]
    raise KeyError("lengths, load or devices stand elsewhere than in the row")


def _machine(model: str, gpus: str, quant: str, engine: str):
    found = re.fullmatch(r"([A-Za-z0-9]+?)x(\d+)", gpus)
    if not found or found[1].casefold() not in DEVICES:
        raise KeyError(f"devices {gpus}")
    name = MODELS[model.casefold()]
    stored = (
        "fp8_block" if quant == "fp8" and name in silicon.MIXTURES else FORMATS[quant]
    )  # as silicon.py explains
    return build(
        name, DEVICES[found[1].casefold()], engine=engine, tp=int(found[2]), weights=stored
    )  # fmt: skip


def _loop(machine, users: float, prompt: float, output: float):
    most = float(machine.most_sequences(prompt + output))
    return serving.closed_loop(
        machine.step,
        machine.engine,
        users,
        prompt,
        output,
        most_sequences=most if most >= 1 else None,
        rounds=10,
    )
