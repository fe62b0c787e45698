"""Where shrinking by field names gives an invalid model: the values that make it valid, and why."""

from __future__ import annotations

from typing import Any

# Values for the constructor of the default config, before shrinking (by the config class's `model_type`).
FIELD_VALUES: dict[str, dict[str, Any]] = {}

# Values set after shrinking (by the auto map's key). A dict value for a sub-config applies inside it.
CONFIG_OVERRIDES: dict[str, dict[str, Any]] = {}
