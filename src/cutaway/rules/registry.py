# From the name of an executed op to its rule. The rule files are imported on first use; rules of users come
# in through the entry-point group `cutaway.rules`, by the same decorator as our own.
from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType

from cutaway.errors import CutawayError, last_line
from cutaway.rules.api import TABLE, Rule, base_name

FAMILIES = (
    "matmul", "matmul_other", "conv", "attention", "encoder_layer", "recurrent",
    "pointwise", "softmax", "norms", "reductions", "losses", "distances", "scans", "pools", "resample",
    "fft", "linalg", "indexing", "copies", "sorting", "foreach", "quantized", "training",
)
GROUP = "cutaway.rules"


def lookup(name: str) -> Rule | None:
    """The rule for an op: its overload's own, else its base name's, else that of the op it does in place.

    >>> lookup("aten.mul_.Tensor").name
    'aten.mul'
    """
    load()
    return next((TABLE[n] for n in _candidates(name) if n in TABLE), None)


def all_rules() -> tuple[Rule, ...]:
    """Every rule once, ordered by name."""
    load()
    return tuple(sorted(dict.fromkeys(TABLE.values()), key=lambda r: r.name))


@cache
def load() -> None:
    """Fill the table: our families, then plugins."""
    for family in FAMILIES:
        import_module(f"cutaway.rules.{family}")
    for entry in sorted(entry_points(group=GROUP), key=lambda e: (e.name, e.value)):
        _load_plugin(entry)


def _candidates(name: str) -> tuple[str, ...]:
    plain, base = name.replace("::", "."), base_name(name)
    if "." not in plain:  # higher-order operators have no namespace
        return (f"aten.{plain}",)
    in_place = base.endswith("_") and not base.endswith("__")
    return (plain, base, base[:-1]) if in_place else (plain, base)


def _load_plugin(entry: EntryPoint) -> None:
    """A module that uses `@rule`, or a function that does so when called."""
    try:
        found = entry.load()
        if not isinstance(found, ModuleType) and not any(r.count is found for r in TABLE.values()):
            found()
    except Exception as error:
        package = entry.dist.name if entry.dist else "an unknown package"
        raise CutawayError(
            f"rules of the plugin {entry.name!r} could not be loaded", asked=entry.value,
            where=f"entry point {GROUP} of {package}", known=last_line(error),
            try_=f"pip uninstall {package}",
        ) from error
