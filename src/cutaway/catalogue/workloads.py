# What a prediction needs of the catalogue's models travels in the wheel, so that one answers without torch in a cold shell.
# `scripts/precompute_workloads.py` writes the file, from traces; `cutaway.predict.text` reads a line of it.
"""`saved_workload("llama-3.1-8b")`: the text of a model's workloads, or None."""

from __future__ import annotations

import gzip
from functools import cache
from importlib import resources

from cutaway import catalogue

FILE = "workloads.jsonl.gz"


def saved_workload(name: str) -> str | None:
    """The text kept for a model of the catalogue; None where there is none. UnknownTarget for an unknown name."""
    return lines().get(catalogue.find(name).id)


@cache
def lines() -> dict[str, str]:
    """Id -> text: each line is the id, a tab, and the workloads."""
    path = resources.files("cutaway.catalogue") / FILE
    if not path.is_file():
        return {}
    rows = gzip.decompress(path.read_bytes()).decode("utf-8").splitlines()
    return dict(row.split("\t", 1) for row in rows)
