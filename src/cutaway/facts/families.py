# Programs of many architectures keep a file or a folder of each: what stands there, or is named after one, is that model's
# own, and seldom the place to look.
"""`Families`: the places of each of many models."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["Families"]

MOST_OF = 0.4  # of what lies in a folder, enough for a family
MANY = 5  # files of a folder that hold a model each: a family
ONE = 0.6  # of the names of files, enough for what they begin with to be what all are of
# says what they are, and not of what
_KIND = re.compile(r"(?:build|convert|export|graph|model|net|arch)\w*$")
# no one's own
_COMMON = re.compile(r"(?:common|shared|base|core|utils?|layers?|modules?|mod|nn)(?:\.\w+)?$")
_NUMBERED = re.compile(r"[a-z]{2,}\d+[a-z0-9]*")  # a name of one model, and of nothing else


class Families:
    """`paths` are the files that hold models, `every` all files of code."""

    def __init__(self, paths: Iterable[str], every: Iterable[str]):
        members, held = _members(every), _members(paths)
        full = [
            folder
            for folder, some in held.items()
            if len(some) >= max(MANY, MOST_OF * len(members[folder])) and not _parts_of_one(some)
        ]
        own = [(folder, name) for folder in full for name in sorted(held[folder]) if not _COMMON.match(name)]
        self.places = tuple(sorted(f"{folder}{name}/" for folder, name in own))
        plain = {_plain(name.partition(".")[0]) for _, name in own}
        self.names = sorted(name for name in plain if _NUMBERED.fullmatch(name))

    def holds(self, path: str, name: str) -> bool:
        """Does a definition stand in the place of one model, or bear one's name with its number elsewhere?"""
        told = _plain(f"{path} {name}")
        return f"{path}/".startswith(self.places) or any(n in told for n in self.names)


def _plain(text: str) -> str:
    """Letters and digits alone: `DeepSeek-V3` -> `deepseekv3`."""
    return re.sub(r"[^a-z0-9 ]", "", text.lower())


def _parts_of_one(names: set[str]) -> bool:
    """Do most of these names begin with the same one (`llama-arch.h`, `llama-context.h`)? Then no two are of two models."""
    first = [re.match(r"[a-z0-9]*", name.lower())[0] for name in names]
    most = max(set(first), key=lambda word: (first.count(word), word))
    return first.count(most) > ONE * len(first) and not _KIND.match(most)


def _members(paths: Iterable[str]) -> dict[str, set[str]]:
    """Folder -> what lies in it, of the two folders that hold each file."""
    members: dict[str, set[str]] = {}
    for path in paths:
        parts = path.split("/")
        for end in range(max(1, len(parts) - 2), len(parts)):
            members.setdefault("/".join(parts[:end]) + "/", set()).add(parts[end])
    return members
