# Which files of a plain folder are somebody's source is written in its .gitignore files. They are hostile text as well:
# read with a limit, and a pattern that a regular expression could take for ever over is left out.
"""What `.gitignore` files hide, each for its own folder and those below."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

__all__ = ["Ignored"]

MAX_BYTES = 1 << 20
_MAX_STARS = 6


class Ignored:
    """The ignore files that hold in one folder, innermost first: the first that says something decides."""

    def __init__(self, specs: tuple[tuple[str, GitIgnoreSpec], ...]):
        self._specs = specs

    @classmethod
    def nothing(cls) -> Ignored:
        """No ignore file was met yet."""
        return cls(())

    def and_in(self, folder: str, path: Path, notes: list[str]) -> Ignored:
        """With the ignore file of `folder` before the others."""
        from pathspec import GitIgnoreSpec

        from cutaway.read.folder import read_regular

        try:
            lines = read_regular(path, MAX_BYTES).decode("utf-8", "replace").splitlines()
        except OSError as error:
            notes.append(f"{folder or '.'}/.gitignore is not heeded: {error.strerror}")
            return self
        kept = [
            line for line in lines if line.replace("**", "").count("*") <= _MAX_STARS and len(line) < 1000
        ]
        if len(kept) < len(lines):
            notes.append(
                f"{folder or '.'}/.gitignore: {len(lines) - len(kept)} patterns are too intricate to heed"
            )
        return Ignored((((f"{folder}/" if folder else ""), GitIgnoreSpec(_valid(kept))), *self._specs))

    def hides(self, path: str, is_folder: bool) -> bool:
        """`path`, from the root of all, is ignored."""
        for base, spec in self._specs:
            verdict = spec.check_file(path[len(base) :] + ("/" if is_folder else "")).include
            if verdict is not None:
                return verdict
        return False


def _valid(lines: list[str]) -> list[Any]:
    """Lines that are patterns; git leaves out the others too."""
    from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

    patterns = []
    for line in lines:
        try:
            patterns.append(GitIgnoreSpecPattern(line))
        except ValueError:
            continue
    return patterns
