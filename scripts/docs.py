# The reference of commands is their own --help, and the table of kinds that of the rules, so that neither can
# be out of date without `--check` saying so.
"""Write docs/commands.md from the commands themselves; `--check` only says whether it is as it should be."""

from __future__ import annotations

import difflib
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from cutaway.cli import COMMANDS
from cutaway.report.verify import CHECKS
from cutaway.rules import KINDS

PAGE = Path(__file__).parents[1] / "docs" / "commands.md"
WIDTH = 90

HEAD = """# Commands

Made from `--help` by `python scripts/docs.py`; do not edit. Options that every command has are `--json`,
`--format`, `-o` and `--debug`. Data goes to stdout, talk to stderr. Exit codes: 0 fine, 1 findings, 2 could not
run ([errors](errors.md)). `NO_COLOR` is respected, and `COLUMNS` sets the width.

"""

EXAMPLES = {
    "inspect": ["inspect llama-3.1-8b --depth 2", "inspect path/to/config.json --json"],
    "cost": [
        "cost llama-3.1-8b",
        "cost llama-3.1-8b --phase decode --set batch_size=8,cache_len=4096 --depth 3",
        "cost llama-3.1-8b --symbols all",
        "cost transformers.models.llama.modeling_llama.LlamaAttention",
        "cost torch.nn.TransformerEncoderLayer --arg d_model=512 --arg nhead=8",
        "cost model.py:Block --trust-code --input x=batch_size,seq_len,width",
        "cost llama-3.1-8b -o llama.json",
        "cost llama.json --set batch_size=4,seq_len=512 -o llama.md",
    ],
    "predict": [
        "predict llama-3.1-8b --hardware h100 --batch 8 --prompt 2048 --output 256",
        "predict deepseek-v3 --hardware h200 --tp 8 --concurrency 64 --engine sglang",
        "predict llama-3.1-70b --hardware a100 --weights int4 --kv fp8 --explain -o answer.md",
    ],
    "compare": ["compare llama-3.1-8b llama-3.1-8b,weights=fp8 --hardware h100"],
    "verify": [
        "verify report.md --source path/to/repository",
        "verify report.json --source path/to/repository --commit HEAD",
        "verify report.md --source path/to/repository -o findings.sarif",
    ],
    "models": ["models", "models qwen", "models --type mixtral --json"],
    "ops": ["ops softmax", "ops --kind matmul", "ops aten.silu_.default"],
    "cache": ["cache", "cache dir", "cache clean"],
}


def main() -> int:
    text = page()
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(text, encoding="utf-8")
        return 0
    found = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    if found == text:
        return 0
    sys.stdout.writelines(
        difflib.unified_diff(
            found.splitlines(True), text.splitlines(True), "docs/commands.md", "as it should be"
        )
    )
    print("\ndocs/commands.md is out of date: python scripts/docs.py", file=sys.stderr)
    return 1


def page() -> str:
    return HEAD + "\n".join(section(name) for name in commands()) + "\n" + kinds() + "\n" + checks()


def commands() -> list[str]:
    """The commands that this installation has."""
    return [name for name, (place, _) in COMMANDS.items() if find_spec(place.partition(":")[0])]


def section(name: str) -> str:
    examples = "".join(f"cutaway {line}\n" for line in EXAMPLES.get(name, ()))
    shown = f"```sh\n{examples}```\n\n" if examples else ""
    return f"## cutaway {name}\n\n{shown}```text\n{help_of(name)}```\n"


def help_of(name: str) -> str:
    """What `cutaway NAME --help` prints, without the part that all commands share."""
    done = subprocess.run(
        [sys.executable, "-m", "cutaway", name, "--help"],
        env={**os.environ, "COLUMNS": str(WIDTH), "NO_COLOR": "1", "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    text = done.stdout.partition("\nEvery command:")[0]
    return "\n".join(line.rstrip() for line in text.strip().splitlines()) + "\n"


def kinds() -> str:
    rows = "\n".join(f"| `{kind}` | {meaning} |" for kind, meaning in KINDS.items())
    return f"""## Kinds of rules

What `--kind` of `cutaway ops` takes, and what fused execution decides by:

| kind | ops |
| --- | --- |
{rows}
"""


def checks() -> str:
    rows = "\n".join(f"| `{check.id}` | {check.what} | {check.severity} |" for check in CHECKS)
    return f"""## Checks of reports

What `cutaway verify` looks for, and how much each finding weighs; any finding makes the exit code 1:

| check | holds when | severity |
| --- | --- | --- |
{rows}
"""


if __name__ == "__main__":
    sys.exit(main())
