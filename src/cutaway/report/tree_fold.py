# A folder of 240 files called `model_*.py` is one line of a tree, not 240. Siblings are folded by what their names share; the
# largest of them stay visible where names share nothing.
"""`families(paths, weights)`: siblings, the many of a kind folded."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence, Set

from msgspec import Struct

__all__ = ["Family", "families"]

ALIKE = 8  # files of one pattern that are folded
MANY, LARGEST = (
    24,
    6,
)  # files of one suffix that are folded whatever their names; how many of those stay visible
FOLDERS, LARGEST_FOLDERS = (
    24,
    12,
)  # the same for folders: a workspace of twenty crates is what one wants to see
DULL = 3  # files that are not text, such as pictures
EXAMPLES = 3


class Family(Struct, frozen=True):
    """`members` are paths that `pattern` stands for (folders end in `/`), `examples` the largest of them."""

    pattern: str
    members: tuple[str, ...]
    examples: tuple[str, ...]

    @property
    def folders(self) -> bool:
        """Whether its members are folders."""
        return self.pattern.endswith("/")


def families(
    paths: Sequence[str], weights: Mapping[str, int], dull: Set[str] = frozenset()
) -> tuple[list[str], list[Family]]:
    """The siblings that stay, sorted, and the families of the others, by pattern. `weights` says how large each is, `dull`
    which are not text. Folders end in `/`; those are folded only where there are very many."""
    left = set(paths)
    found: list[Family] = []
    while True:
        pattern, members = _largest(sorted(p for p in left if not p.endswith("/")))
        if len(members) < ALIKE:
            break
        found.append(_family(pattern, members, weights))
        left -= set(members)
    for suffix, members in _by_suffix(sorted(left)).items():
        many, largest = (FOLDERS, LARGEST_FOLDERS) if suffix == "/" else (MANY, LARGEST)
        if suffix and set(members) <= dull:
            many, largest = DULL - 1, 0
        if len(members) > many:
            rest = sorted(members, key=lambda p: (-weights.get(p, 0), p))[largest:]
            found.append(_family(f"*{suffix}", sorted(rest), weights))
            left -= set(rest)
    return sorted(left), sorted(found, key=lambda f: f.pattern)


def _family(pattern: str, members: list[str], weights: Mapping[str, int]) -> Family:
    largest = sorted(members, key=lambda p: (-weights.get(p, 0), p))[:EXAMPLES]
    return Family(pattern, tuple(members), tuple(largest))


def _largest(paths: list[str]) -> tuple[str, list[str]]:
    """The pattern that most of the names share: a first word, or a last one before the same suffix."""
    groups: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        stem, suffix = _split(path)
        words = re.split(r"([_\-.]+|(?<=[a-z])(?=[A-Z0-9])|(?<=\D)(?=\d))", stem)
        if len(words) > 2 and words[0] and words[-1]:
            groups[f"{words[0]}{words[1] or ''}*{suffix}"].append(path)
            groups[f"*{words[-2] or ''}{words[-1]}{suffix}"].append(path)
    if not groups:
        return "", []
    best = min(groups, key=lambda pattern: (-len(groups[pattern]), pattern))
    return best, groups[best]


def _by_suffix(paths: list[str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        groups[_split(path)[1]].append(path)
    return groups


def _split(path: str) -> tuple[str, str]:
    """The name without what follows its first dot, and that; a folder's suffix is `/`."""
    name = path.rstrip("/").rpartition("/")[2]
    if path.endswith("/"):
        return name, "/"
    stem, dot, suffix = name.partition(".")
    return (stem, dot + suffix) if stem else (name, "")
