# The paged cache of a serving engine, as numbers of blocks: what is held, what is shared, and what lies unused but
# could still be hit. Which token is where does not matter for time, so no block has a name.
"""`BlockPool`: blocks held by sequences, blocks kept for hits, and free ones."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable


class BlockPool:
    """`total` blocks of `size` tokens. Kept content is dropped when blocks are needed, the longest unused first."""

    def __init__(self, total: int, size: int):
        self.total, self.size, self.free = total, size, total
        self._kept: OrderedDict[Hashable, int] = OrderedDict()  # key -> blocks that nobody holds
        self._shared: dict[Hashable, tuple[int, int]] = {}  # key -> (blocks, holders)

    @property
    def available(self) -> int:
        """Blocks that a sequence could get now."""
        return self.free + sum(self._kept.values())

    @property
    def used(self) -> float:
        """The share of blocks that sequences hold."""
        return 1 - self.available / self.total if self.total else 0.0

    def blocks(self, tokens: int) -> int:
        """How many blocks hold so many tokens."""
        return -(-tokens // self.size)

    def take(self, blocks: int) -> bool:
        """Hold so many more blocks; False, and nothing taken, where there are not enough."""
        if blocks > self.free and not self._drop(blocks - self.free):
            return False
        self.free -= blocks
        return True

    def give(self, blocks: int, keep: Hashable = None) -> None:
        """Hold so many fewer; under `keep` they can be hit until they are needed."""
        if keep is None or blocks == 0:
            self.free += blocks
        else:
            self._kept[keep] = self._kept.pop(keep, 0) + blocks

    def hit(self, key: Hashable, blocks: int) -> int:
        """Hold the first `blocks` blocks kept under the key, or as many as are left; how many they are."""
        left = self._kept.pop(key, 0)
        got = min(left, blocks)
        self.free += left - got
        return got

    def share(self, key: Hashable, blocks: int) -> int:
        """One more sequence holds the content of the key: how many blocks of it lie in the cache already."""
        if key in self._shared:
            held, holders = self._shared[key]
            self._shared[key] = held, holders + 1
            return min(held, blocks)
        kept = self.hit(key, blocks)
        self._shared[key] = kept, 1
        return kept

    def extend(self, key: Hashable, blocks: int) -> int:
        """So many blocks of a sequence are now content of the key: how many were new to it (they are the key's)."""
        held, holders = self._shared[key]
        self._shared[key] = max(held, blocks), holders
        return max(0, blocks - held)

    def unshare(self, key: Hashable) -> None:
        """One sequence fewer holds the content; after the last it is kept for hits."""
        held, holders = self._shared.pop(key)
        if holders > 1:
            self._shared[key] = held, holders - 1
        else:
            self.give(held, keep=key)

    def _drop(self, blocks: int) -> bool:
        """Free so many kept blocks, those first that were kept longest; False where there are fewer."""
        if blocks > sum(self._kept.values()):
            return False
        while blocks > 0:
            key = next(iter(self._kept))
            dropped = min(blocks, self._kept[key])
            self._kept[key] -= dropped
            if not self._kept[key]:
                del self._kept[key]
            self.free += dropped
            blocks -= dropped
        return True
