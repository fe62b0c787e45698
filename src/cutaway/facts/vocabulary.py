# Which of some hundred patterns an identifier meets, asked for every identifier of a repository. Most branches of the patterns
# spell out a few words, so they are looked up and not searched for; only what holds a wildcard is a regular expression.
"""`Vocabulary`: patterns over snake text, as bit masks."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache

from cutaway.facts.words import alternatives, beginnings, matcher

__all__ = ["Vocabulary"]

_MOST = 400  # spellings of one branch; more are left to the regular expression
_PLAIN = re.compile(r"[a-z0-9_]+")


class Vocabulary:
    """`rows` are (bit, pattern), as `words.matcher` understands patterns."""

    def __init__(self, rows: Iterable[tuple[int, str]]):
        self._spelt: dict[str, int] = defaultdict(int)
        self._longest: dict[str, int] = {}  # first word of what is spelt -> the most words behind it
        self._starting: dict[str, list[tuple[str, int, re.Pattern[str]]]] = defaultdict(list)
        self._begun: dict[str, list[tuple[str, int, re.Pattern[str]]]] = {}  # of the words met so far
        self._holding: list[tuple[str, int, re.Pattern[str]]] = []
        for bit, pattern in rows:
            for branch in alternatives(pattern):
                self._add(1 << bit, branch)

    def _add(self, bit: int, branch: str) -> None:
        spelt = spellings(branch)
        if spelt is not None:
            for text in filter(None, spelt):
                self._spelt[text] |= bit
                first, *rest = text.split("_")
                self._longest[first] = max(self._longest.get(first, 0), len(rest))
            return
        starts = beginnings(branch)
        if starts is None:
            self._holding.append((_needed(branch), bit, matcher(branch)))
        for start in starts or ():
            self._starting[start].append((_needed(branch), bit, matcher(branch)))

    def mask(self, text: str) -> int:
        """The bits of the patterns that match somewhere in snake text (`/` parts the folders of a path)."""
        found = 0
        for part in text.split("/"):
            words = part.split("_")
            for first, word in enumerate(words):
                more = self._longest.get(word)
                if more is not None:
                    for end in range(first + 1, min(len(words), first + 1 + more) + 1):
                        found |= self._spelt.get("_".join(words[first:end]), 0)
                rows = self._begun.get(word)
                if rows is None:
                    starts = {word[:1], word[:2], word[:3]} & self._starting.keys()
                    rows = self._begun[word] = [row for start in starts for row in self._starting[start]]
                for needed, bit, pattern in rows:
                    if needed in text and not found & bit and pattern.search(text):
                        found |= bit
        for needed, bit, pattern in self._holding:
            if needed in text and not found & bit and pattern.search(text):
                found |= bit
        return found


@lru_cache(maxsize=4096)
def spellings(branch: str) -> tuple[str, ...] | None:
    """Every text that a branch without wildcards stands for; None where it has some, or too many spellings."""
    texts = [""]
    at = 0
    while at < len(branch):
        if branch.startswith("(?:", at):
            end = _closing(branch, at)
            options: list[str] = []
            for inner in alternatives(branch[at + 3 : end]):
                more = spellings(inner)
                if more is None:
                    return None
                options += more
            at = end + 1
        elif found := re.compile(r"\[([a-z0-9]+)\]").match(branch, at):
            options, at = list(found[1]), found.end()
        elif _PLAIN.match(branch[at]):
            options, at = [branch[at]], at + 1
        else:
            return None
        if at < len(branch) and branch[at] == "?":
            options, at = [*options, ""], at + 1
        texts = [text + option for text in texts for option in options]
        if len(texts) > _MOST:
            return None
    return tuple(texts)


def _closing(branch: str, start: int) -> int:
    depth = 0
    for at in range(start, len(branch)):
        depth += (branch[at] == "(") - (branch[at] == ")")
        if depth == 0:
            return at
    raise ValueError(f"a bracket of {branch!r} is not closed")


def _needed(branch: str) -> str:
    """The longest run of letters that every match of a branch holds; empty where there is none outside of brackets."""
    while (bare := re.sub(r"\([^()]*\)\??|\[[^\]]*\]\??|\\\w[*+?]?", " ", branch)) != branch:
        branch = bare
    bare = re.sub(r"\w[?*]", " ", branch)
    return max(_PLAIN.findall(bare), key=len, default="")
