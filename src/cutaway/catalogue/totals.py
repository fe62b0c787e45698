# The totals of the catalogue's models travel in the wheel, so that a cold shell answers at once, without torch.
# They are what `cutaway cost` derived with the versions named in each; `scripts/precompute.py` writes the file.
"""`saved_totals("llama-3.1-8b", "prefill")`: answers of `cutaway cost` without their modules' kernels."""

from __future__ import annotations

import gzip
import json
from functools import cache
from importlib import resources

from cutaway import catalogue

FILE = "totals.jsonl.gz"


def saved_totals(name: str, phase: str) -> tuple[str, ...]:
    """The JSON texts kept for a model of the catalogue, one for each set of conditions, the most general first.

    None are kept of a model that cannot be derived. UnknownTarget for an unknown name.
    """
    return _lines().get((catalogue.find(name).id, phase), ())


@cache
def _lines() -> dict[tuple[str, str], tuple[str, ...]]:
    path = resources.files("cutaway.catalogue") / FILE
    if not path.is_file():
        return {}
    found: dict[tuple[str, str], tuple[str, ...]] = {}
    for line in gzip.decompress(path.read_bytes()).decode("utf-8").splitlines():
        end = line.index("]") + 1  # ["id", "phase"]{...}: only the wanted answer is parsed
        name, phase = json.loads(line[:end])
        found[name, phase] = (*found.get((name, phase), ()), line[end:])
    return found
