# What each kind of report must contain is data that the writers and the checker share, so that they cannot disagree.
"""The sections of each kind of report, from `sections.toml`."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any

from msgspec import Struct, convert

__all__ = ["Section", "Template", "template", "templates"]


class Section(Struct, frozen=True):
    """A heading as it is printed, its level, the columns of its table if it has one, and `when` it is required: always, or
    only if the repository is `llm`-related. `pointers` is how many places in code it must cite at least."""

    heading: str
    level: int = 2
    columns: tuple[str, ...] = ()
    when: str = "always"
    pointers: int = 0


class Template(Struct, frozen=True):
    """`title` is how the first heading begins; `keys` are those that the JSON has at least, `a.b` for one inside another."""

    kind: str
    title: str
    sections: tuple[Section, ...]
    keys: tuple[str, ...] = ()


@cache
def templates() -> dict[str, Template]:
    """Every kind of report and what it must contain."""
    text = (files(__package__) / "sections.toml").read_text("utf-8")
    data: dict[str, Any] = tomllib.loads(text)
    return {kind: convert({"kind": kind, **row}, Template) for kind, row in data.items()}


def template(kind: str) -> Template | None:
    """What a report of this kind must contain; None for a kind that has no rules."""
    return templates().get(kind)
