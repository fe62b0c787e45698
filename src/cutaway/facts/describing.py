# A table has room for a sentence, and a docstring or README begins with anything: markup, lists, licences, half a page.
"""`sentence(text)`: what a description says first."""

from __future__ import annotations

import re

__all__ = ["describes", "named", "plain", "sentence"]

_REFERENCE = re.compile(r":(?:[a-z]+:)+`~?([^`<]*?)(?:\s*<[^`>]*>)?`")  # of reStructuredText
_MARKUP = re.compile(r"!?\[([^\[\]]*)\](?:\([^()]*\))|\*\*|`+|(?<!\w)\*(?=\w)|(?<=\w)\*(?!\w)")
_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")
_NO_DESCRIPTION = re.compile(
    r"\W*(copyright|licen[sc]e|spdx|auto-?generated|(code |file )?generated (by|from)|do not edit)|\d+[.)]\s|[-*+]\s|"
    r"(<[^<>]{1,40}>\s+){2}|"  # how a line of input is made up
    r"\W*(-\*-|vim?:|ex:|(indent|tab[ _-]?(size|width)|indent-tabs-mode|c-basic-offset|mode)\s*[=:])",  # told to an editor
    re.IGNORECASE,
)


def describes(text: str) -> bool:
    """Whether a text tells what something is for: no licence, note of a generator, setting of an editor, list of steps
    or form of a line."""
    return bool(text) and not _NO_DESCRIPTION.match(text)


def plain(text: str) -> str:
    """A description without the markup of Markdown.

    >>> plain("**Store** keeps `rows`, see [docs](http://a).")
    'Store keeps rows, see docs.'
    """
    return _MARKUP.sub(r"\1", text)


def sentence(text: str, most: int = 200) -> str:
    """The first sentence of a description, on one line and cut to `most` characters with `…`.

    >>> sentence("Raised to :class:`Retries<a.Retries>` work. Behaves like any other.")
    'Raised to Retries work.'
    """
    first = _END.split(" ".join(_REFERENCE.sub(r"\1", text).split()), maxsplit=1)[0]
    return first if len(first) <= most else first[: most - 1].rstrip() + "…"


def named(name: str, text: str) -> str:
    """The sentence with the name of what it describes, where it does not begin with that.

    >>> named("Worker", "Consumes messages."), named("Worker", "A Worker consumes messages.")
    ('Worker: Consumes messages.', 'A Worker consumes messages.')
    """
    first = sentence(text)
    return first if re.match(rf"((an?|the)\s+)?{re.escape(name)}\b", first, re.IGNORECASE) else f"{name}: {first}"
