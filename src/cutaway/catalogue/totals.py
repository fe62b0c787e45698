# The totals of the catalogue's models travel in the wheel, so that a cold shell answers at once, without torch.
# They are what `cutaway cost` derived with the versions named in each; `scripts/precompute.py` writes the file.
"""`saved_totals("llama-3.1-8b", "prefill")`: an answer of `cutaway cost` without its modules' kernels, or None."""

from __future__ import annotations

import gzip
import json
from functools import cache
from importlib import resources

from cutaway import catalogue

FILE = "totals.jsonl.gz"


def saved_totals(name: str, phase: str) -> str | None:
    """The JSON text kept for a model of the catalogue; None where there is none. UnknownTarget for an unknown name."""
    return _lines().get((catalogue.find(name).id, phase))


@cache
def _lines() -> dict[tuple[str, str], str]:
    path = resources.files("cutaway.catalogue") / FILE
    if not path.is_file():
        return {}
    found = {}
    for line in gzip.decompress(path.read_bytes()).decode("utf-8").splitlines():
        head = json.loads(line[: line.index("]") + 1])  # ["id", "phase"]{...}: only the wanted answer is parsed
        found[tuple(head)] = line[line.index("]") + 1 :]
    return found
