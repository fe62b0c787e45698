# What users get is the wheel, so the wheel is what must work: first alone, without torch, then beside it.
# The second run borrows the torch of the environment that runs this script, to save a large install.
"""Build the wheel and use it: `python scripts/wheel_check.py`; exit 1 when something does not hold."""

import json
import os
import subprocess
import sys
import sysconfig
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="cutaway-wheel-") as folder:
        wheel = built(Path(folder))
        command = installed(wheel, Path(folder) / "venv")
        failures = [*without_torch(command), *with_torch(command, Path(folder))]
    for failure in failures:
        print(f"wheel: {failure}", file=sys.stderr)
    print(f"wheel: {wheel.name} {'works' if not failures else 'is broken'}")
    return int(bool(failures))


def built(folder: Path) -> Path:
    """The wheel, built by this environment's own hatchling."""
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "wheel",
            "--quiet",
            "--no-deps",
            "--no-build-isolation",
            "-w",
            folder,
            ROOT,
        ],
        check=True,
    )
    return next(folder.glob("cutaway-*.whl"))


def installed(wheel: Path, place: Path) -> Path:
    """The `cutaway` command of an empty environment that holds only the wheel and its core dependencies."""
    venv.create(place, with_pip=True)
    python = place / "bin" / "python"
    constraints = ROOT / "constraints.txt"
    subprocess.run([python, "-m", "pip", "install", "--quiet", "-c", constraints, wheel], check=True)
    return place / "bin" / "cutaway"


def without_torch(command: Path) -> list[str]:
    """What must work, and what must say clearly that it cannot."""
    failures = [
        *expect(command, "--help", says="inspect"),
        *expect(command, "models", says="meta-llama/Llama-3.1-8B"),
        *expect(command, "inspect", "torch.nn.Linear", code=2, says='pip install "cutaway[torch]"'),
        *expect(command, "inspect", "lama-3.1-8b", code=2, says="meta-llama/Llama-3.1-8B"),
    ]
    return failures + totals(command, "llama-3.1-8b", 8030261248)


def with_torch(command: Path, folder: Path) -> list[str]:
    """The same wheel with torch and transformers in reach; run away from the source tree."""
    path = os.pathsep.join([str(p) for p in (folder / "venv").glob("lib/*/site-packages")])
    environment = {"PYTHONPATH": os.pathsep.join([path, sysconfig.get_path("purelib")])}
    failures = totals(command, "gpt2", 124439808, environment)
    failures += expect(command, "inspect", "llama-3.1-8b", says="LlamaDecoderLayer", environment=environment)
    if run(command, "cost", "--help").returncode == 0:
        failures += expect(command, "cost", "gpt2", "--no-cache", says="matmul", environment=environment)
    return failures


def totals(command: Path, model: str, expected: int, environment: dict | None = None) -> list[str]:
    done = run(command, "inspect", model, "--json", environment=environment)
    try:
        found = json.loads(done.stdout)["parameters"]["total"]
    except (ValueError, KeyError):
        return [f"inspect {model} --json gave no totals: {done.stdout[-300:]} {done.stderr[-300:]}"]
    return [] if found == expected else [f"inspect {model}: {found} parameters, not {expected}"]


def expect(
    command: Path, *words: str, code: int = 0, says: str, environment: dict | None = None
) -> list[str]:
    """A failure if the command leaves with another code, does not say it, or shows a traceback."""
    done = run(command, *words, environment=environment)
    text = done.stdout + done.stderr
    if done.returncode == code and says.casefold() in text.casefold() and "Traceback" not in text:
        return []
    asked = f"`cutaway {' '.join(words)}`"
    return [f"{asked} left with {done.returncode}, not {code}, or without {says!r}:\n{text[-600:]}"]


def run(command: Path, *words: str, environment: dict | None = None) -> subprocess.CompletedProcess:
    clean = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return subprocess.run(
        [command, *words], capture_output=True, text=True, cwd=command.parent, env=clean | (environment or {})
    )


if __name__ == "__main__":
    sys.exit(main())
