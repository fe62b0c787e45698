# Bytes to text, and lines: in one place, because every line number in every report rests on the same rule.
"""Decoding of source files."""

from __future__ import annotations

import codecs

__all__ = ["count_lines", "decode"]

# UTF-32 before UTF-16: its little-endian mark begins with UTF-16's.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def decode(data: bytes) -> str:
    """The text of a file: by its byte order mark, else UTF-8; what does not decode becomes U+FFFD. Line ends are `\\n`."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            text = data[len(mark) :].decode(encoding, errors="replace")
            break
    else:
        text = data.decode("utf-8", errors="replace")
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text


def count_lines(data: bytes | str) -> int:
    """Lines as an editor counts them: a last line without its line end counts."""
    end = b"\n" if isinstance(data, bytes) else "\n"
    return data.count(end) + bool(data and not data.endswith(end))  # pyrefly: ignore[bad-argument-type]
