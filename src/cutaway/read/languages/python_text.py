# Where the parser's nodes stand in a text, and their words on one line. Offsets of the parser count bytes, so that a text
# with letters beyond ASCII is cut as bytes.
"""Pieces of Python sources."""

from __future__ import annotations

import ast
import re
from ast import Name
from collections.abc import Callable
from inspect import cleandoc
from itertools import accumulate
from typing import Any

__all__ = ["VALUE", "as_text", "cutter", "first_paragraph", "line_starts", "lines_of", "one_line"]

VALUE = 400  # characters that are kept of a value
_UNSURE = re.compile(r"\s\n|\t")  # lines that are blank but for their indentation; tabs


def lines_of(text: str) -> list[str]:
    """The lines as the parser counts them, without their ends: a lone carriage return ends one."""
    return (text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text).split("\n")


def line_starts(data: str | bytes, lines: list[str]) -> list[int]:
    """Where each line begins in the data that these are the lines of."""
    if isinstance(data, bytes) or "\r" in data:
        ends = (data if isinstance(data, bytes) else data.encode()).splitlines(keepends=True)
        return list(accumulate(map(len, ends), initial=0))
    return list(accumulate(map((1).__add__, map(len, lines)), initial=0))


def as_text(data: str | bytes) -> str:
    return data if isinstance(data, str) else data.decode("utf-8", "replace")


def cutter(data: str | bytes, lines: list[str], starts: list[int]) -> Callable[..., str]:
    """What gives the text of a node on one line, cut to so many characters. It is asked for every call, argument
    and value, so a name is taken as it is, and a piece of a line in ASCII from that line."""
    plain = isinstance(data, str)

    def source(node: Any, most: int = VALUE) -> str:
        if plain and type(node) is Name and len(node.id) <= most:
            return node.id
        held = node.__dict__  # four places at once, as they are asked for half a million times
        first, last = held["lineno"], held["end_lineno"]
        start, end = held["col_offset"], held["end_col_offset"]
        if first == last and end - start <= most and (plain or lines[first - 1].isascii()):
            text = lines[first - 1][start:end]
            return text if "  " not in text else one_line(text, most)
        start += starts[first - 1]
        end += starts[last - 1]
        text = data[start : end if end - start < 4 * most else start + 4 * most]
        return one_line(text if plain else text.decode("utf-8", "replace"), most)

    return source


def one_line(text: str, most: int) -> str:
    """Text on one line, cut to `most` characters with `…`."""
    text = " ".join(text.split()) if "\n" in text or "\r" in text or "  " in text else text
    return text if len(text) <= most else text[: most - 1] + "…"


def first_paragraph(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """Of the docstring, on one line."""
    first = node.body[0] if node.body else None
    if not isinstance(first, ast.Expr) or not isinstance(first.value, ast.Constant):
        return ""
    doc = first.value.value
    if not isinstance(doc, str):
        return ""
    paragraph = doc.strip().partition("\n\n")[0]
    if _UNSURE.search(paragraph):
        paragraph = cleandoc(doc).strip().partition("\n\n")[0]
    return one_line(paragraph, 400)
