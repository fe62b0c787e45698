# A class of a model family is understood where it is used: its family's model is built from the default config and
# traced, and the class is shown where it occurs. This file finds the family.
from __future__ import annotations

import importlib
import inspect
import sys
from typing import Any

# Preferred first: a model that generates uses more of the family's classes than a bare encoder.
_PREFERRED = (
    "ForCausalLM",
    "LMHeadModel",
    "ForConditionalGeneration",
    "ForMaskedLM",
    "ForPreTraining",
    "Model",
    "ForImageClassification",
)


def owners_of(cls: type) -> list[type]:
    """The Transformers models in whose default instances `cls` may occur, the likeliest first; none for other classes."""
    base = getattr(sys.modules.get("transformers.modeling_utils"), "PreTrainedModel", None)
    if base is None or not cls.__module__.startswith("transformers.models."):
        return []
    module = sys.modules.get(cls.__module__) or importlib.import_module(cls.__module__)
    owners = [
        c
        for _, c in inspect.getmembers(module, inspect.isclass)
        if issubclass(c, base) and c.__module__ == module.__name__ and _config_class(c) is not None
    ]
    return sorted(owners, key=_rank)


def default_config(owner: type) -> Any:
    """The config that the family takes when nothing is said."""
    return _config_class(owner)()


def _config_class(owner: type) -> Any:
    found = getattr(owner, "config_class", None)
    return found if isinstance(found, type) else None


def _rank(owner: type) -> tuple[int, int, str]:
    place = next((i for i, end in enumerate(_PREFERRED) if owner.__name__.endswith(end)), len(_PREFERRED))
    return (place, len(owner.__name__), owner.__name__)
