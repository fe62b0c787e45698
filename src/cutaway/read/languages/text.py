# Small questions about text that every reader asks: one line of it, a comment without its signs, a note to the reader.
"""Helpers over source text."""

from __future__ import annotations

import re

__all__ = ["first_paragraph", "note_of", "one_line", "uncommented"]

_SIGNS = re.compile(r"^\s*(/\*[*!]*<?|\*/|\*(?!/)|//[/!]*<?|#+!?|--+)?\s?(.*?)\s*(\*+/)?\s*$")
_NOTE = re.compile(r"\b(FIXME|HACK|XXX|TODO|WARNING|BUG)\b[:( ]*(.*)")
_RULE = re.compile(r"^[\s=\-*/#~_+.|]*$")


def one_line(text: str, most: int) -> str:
    """Text on one line, cut to `most` characters with `…`."""
    if "\n" in text or "  " in text or "\t" in text:
        text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 1] + "…"


def uncommented(comments: list[str]) -> str:
    """The prose of comments: without their signs, and without lines that only draw."""
    lines = [_SIGNS.sub(r"\2", line) for comment in comments for line in comment[:4000].splitlines()]
    return "\n".join("" if _RULE.match(line) else line for line in lines)


def first_paragraph(text: str, most: int = 400) -> str:
    return one_line(re.split(r"\n\s*\n", text.strip(), maxsplit=1)[0], most)


def note_of(comment: str) -> tuple[str, str] | None:
    """(word, text) of a comment that says FIXME, HACK and the like."""
    found = _NOTE.search(comment)
    return (found[1], one_line(found[2].removesuffix("*/").strip(), 160)) if found else None
