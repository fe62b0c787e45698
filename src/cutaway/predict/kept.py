# A sweep of hours is cut short now and then. Each machine's rows are kept in a file of their own when they are done, so
# that the same sweep goes on where it stopped. The name of the file says what was asked, to the bytes of a sheet or config
# that was named: whoever changes one of these asks something else.
"""`Kept(folder, grid)`: rows of cases that are done."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cutaway.errors import OutputError
from cutaway.predict.grid import COLUMNS

if TYPE_CHECKING:
    from cutaway.predict.sweep import Case, Grid, Rows


class Kept:
    """Rows by case in `folder`, which is made. Raises `OutputError` where nothing can be written."""

    def __init__(self, folder: Path, grid: Grid):
        self.folder, self.grid = folder, grid
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _not_written(folder, error) from error

    def rows(self, case: Case) -> Rows | None:
        """What was kept of the case; None where there is nothing, or something that is not ours or broken."""
        try:
            with np.load(self._path(case), allow_pickle=False) as kept:
                return {name: kept[name] for name in COLUMNS}
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None

    def keep(self, case: Case, rows: Rows) -> None:
        """A whole file or none: whoever is killed leaves nothing half written."""
        target = self._path(case)
        half = target.with_suffix(f".{os.getpid()}.half")
        try:
            with half.open("wb") as file:
                np.savez(file, **rows)
            half.replace(target)
        except OSError as error:
            raise _not_written(target, error) from error

    def _path(self, case: Case) -> Path:
        from cutaway import __version__

        files = [_digest(word) for word in (case.model, case.hardware)]
        text = json.dumps([__version__, asdict(case), asdict(self.grid), files], sort_keys=True)
        return self.folder / f"{hashlib.sha256(text.encode()).hexdigest()[:24]}.npz"


def _digest(word: str) -> str | None:
    """Of a file that was named, or of the config in a folder; None for a name."""
    path = Path(word.partition(":")[0])
    path = path / "config.json" if path.is_dir() else path
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def _not_written(path: Path, error: OSError) -> OutputError:
    return OutputError("the finished rows could not be kept", where=str(path), known=error.strerror or str(error))
