# Where the parser's nodes stand in a text, and their words on one line. Offsets of the parser count bytes, so that a text
# with letters beyond ASCII is cut as bytes.
"""Pieces of Python sources."""

from __future__ import annotations

import ast
from collections.abc import Callable
from inspect import cleandoc
from itertools import accumulate
from typing import Any

__all__ = ["VALUE", "as_text", "cutter", "first_paragraph", "line_starts", "one_line"]

VALUE = 400  # characters that are kept of a value


def line_starts(data: str | bytes) -> list[int]:
    """Where each line begins, as the parser counts them: a lone carriage return ends one."""
    if isinstance(data, bytes):
        lines = data.replace(b"\r\n", b" \n").replace(b"\r", b"\n").split(b"\n")
    else:
        lines = data.replace("\r\n", " \n").replace("\r", "\n").split("\n")
    return list(accumulate((len(line) + 1 for line in lines), initial=0))


def as_text(data: str | bytes) -> str:
    return data if isinstance(data, str) else data.decode("utf-8", "replace")


def cutter(data: str | bytes, starts: list[int]) -> Callable[..., str]:
    """What gives the text of a node on one line, cut to so many characters. It is asked for every call, argument
    and value, so a name is taken as it is."""
    plain = isinstance(data, str)

    def source(node: Any, most: int = VALUE) -> str:
        if plain and type(node) is ast.Name and len(node.id) <= most:
            return node.id
        first, last = node.lineno, node.end_lineno
        start = starts[first - 1] + node.col_offset
        end = starts[last - 1] + node.end_col_offset
        if plain and first == last and end - start <= most:
            text = data[start:end]
            return text if "  " not in text else one_line(text, most)
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
    if "\n" in doc or "\t" in doc:
        doc = cleandoc(doc)
    return one_line(doc.strip().split("\n\n")[0], 400)
