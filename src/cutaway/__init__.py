# The public face: each name here is one command's function, imported when first used, so that
# `import cutaway` and `cutaway --help` stay light.
"""See inside LLM code: what every line computes, moves and costs, where every part lives."""

from importlib import import_module

__version__ = "0.1.0"

_PUBLIC = {
    "find_model": "cutaway.catalogue:find",
    "models": "cutaway.catalogue:entries",
    "inspect": "cutaway.trace.inspect:inspect",
    "cost": "cutaway.costing:cost",
    "predict": "cutaway.predicting:predict",
    "sweep": "cutaway.predict.sweep:sweep",
    "Prediction": "cutaway.predicting:Prediction",
    "report": "cutaway.reading:report",
    "path": "cutaway.reading:path",
    "CostResult": "cutaway.report.result:CostResult",
    "CutawayError": "cutaway.errors:CutawayError",
}

__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str):
    try:
        module, _, attribute = _PUBLIC[name].partition(":")
    except KeyError:
        raise AttributeError(f"module 'cutaway' has no attribute {name!r}") from None
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted(__all__)
