# A library's outer side in any language: which names a package, a crate or a header lets out, and which files use it.
"""`Unit` and its `Item`s."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cutaway.facts.shown import Showing
from cutaway.model.code import Def

__all__ = ["TYPES", "Item", "Unit"]

TYPES = ("struct", "class", "interface", "trait", "enum", "type")


@dataclass(frozen=True, eq=False)
class Item:
    """A definition that a unit lets out. `names` are the full names under which others may import it, where the language
    has such."""

    path: str
    definition: Def
    names: frozenset[str] = frozenset()

    @property
    def local(self) -> str:
        """Its name without what it stands in."""
        return self.definition.name.rpartition(".")[2]


def _named(one: Showing, item: Item) -> bool:
    return item.local in one.words


@dataclass(frozen=True)
class Unit:
    """A package, crate or header. `shows` are the files that use it. `outermost`: it is what the repository is for; others
    are listed only as far as they are used. `uses` says whether such a file uses an item; `why` is the evidence's reason."""

    name: str
    why: str
    items: list[Item]
    shows: list[Showing]
    outermost: bool
    uses: Callable[[Showing, Item], bool] = _named
    more: frozenset[str] = frozenset()  # further files where methods of its types may stand

    @property
    def paths(self) -> set[str]:
        """The files of its items and of the methods of its types."""
        return {i.path for i in self.items} | self.more
