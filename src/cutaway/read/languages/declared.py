# What the ecosystems share: how an environment variable is written, the methods of HTTP, how an option looks.
"""Names that mean something in every language."""

from __future__ import annotations

import re

__all__ = ["ENV_NAME", "METHODS", "flag_names"]

ENV_NAME = re.compile(r"^[A-Z][A-Z0-9]*_?[A-Z0-9_]*$")
METHODS = ("get", "post", "put", "delete", "patch", "head", "options")
_FLAG = re.compile(r"--?[A-Za-z][\w.-]*")


def flag_names(texts: list[str]) -> list[str]:
    """The options among texts."""
    return [text for text in texts if _FLAG.fullmatch(text)]
