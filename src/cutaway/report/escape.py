# Names of files, symbols and labels come from a stranger's repository. Every renderer passes them through here, so
# that no name can end a code span, open a tag, make a link, add a table column or move a terminal's cursor.
"""Text of a repository, made harmless: `visible` for terminals, `code` and `prose` for Markdown."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["code", "one_line", "prose", "visible"]

_MARKUP = re.compile(r"([\\`*_\[\]<>|#~$!])")
_SAID = {"TODO": "to do", "FIXME": "to be mended", "TBD": "to be decided"}  # a page's own would be left to fill in
_TO_DO = re.compile("|".join(rf"\b{word}\b" for word in _SAID))
_BARE_LINK = re.compile(r"(?i)\b(https?|ftp|mailto|xmpp)(:)|\b(www)(\.)")


def visible(text: str) -> str:
    r"""`text` on one line, what cannot be seen spelled out.

    Control characters, marks that turn the direction of writing, halves of surrogate pairs: `\n`, `\x1b`, `\u202e`.

    >>> visible("a\nb\x1b[31m")
    'a\\nb\\x1b[31m'
    """
    return text if text.isascii() and text.isprintable() else "".join(map(_shown, text))


def one_line(text: str, width: int = 0) -> str:
    """`text` with its white space folded to single spaces, harmless, and cut to `width` characters with `…`."""
    folded = visible(" ".join(text.split()))
    return folded if not width or len(folded) <= width else folded[: width - 1].rstrip() + "…"


def code(text: str, *, cell: bool = False) -> str:
    r"""A Markdown code span that shows `text`, whatever backticks it holds; in a table's `cell`, pipes are escaped.

    >>> print(code("a`b"), code("x|y", cell=True))
    ``a`b`` `x\|y`
    """
    shown = visible(text) or " "
    runs = [len(run) for run in re.findall("`+", shown)]
    fence = "`" * next(n for n in range(1, len(runs) + 2) if n not in runs)
    pad = " " if "`" in (shown[0], shown[-1]) or shown[0] == shown[-1] == " " != shown else ""
    shown = shown.replace("|", "\\|") if cell else shown
    return f"{fence}{pad}{shown}{pad}{fence}"


def prose(text: str) -> str:
    """`text` as plain words of Markdown: no emphasis, link, tag, heading or table comes of it."""
    shown = _MARKUP.sub(r"\\\1", visible(" ".join(text.split())).replace("&", "&amp;"))
    shown = _TO_DO.sub(lambda m: _SAID[m[0]], shown)
    shown = _BARE_LINK.sub(lambda m: f"{m[1] or m[3]}\\{m[2] or m[4]}", shown)
    return re.sub(r"^(\d*)([-+=:.)])", r"\1\\\2", shown)


def _shown(character: str) -> str:
    kind = unicodedata.category(character)
    if kind[0] != "C" and kind not in ("Zl", "Zp"):
        return character
    return character.encode("unicode_escape", "surrogatepass").decode("ascii") if kind != "Cn" else character
