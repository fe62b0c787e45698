# An entry holds an answer, the conditions under which its formulas hold, and the hash of every source
# file that was executed for it. It answers only if those files are the same and the values asked for meet
# the conditions.
"""Finding and keeping answers."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from cutaway.formula.condition import broken
from cutaway.report.source_text import find_file
from cutaway.store.folder import names, read, write
from cutaway.store.request import Request, digest


def find(request: Request) -> str | None:
    """The kept JSON, made without values, whose formulas hold for the values asked for; else None."""
    key = request.key()
    for name in [_name(key), *(names(f"{_name(key, '*')}") if request.values else ())]:
        entry = read(name)
        if entry and _same_files(entry[0].get("files", {}), request) and _answers(entry[0], request.values):
            return entry[1]
    return None


def keep(
    request: Request,
    text: str,
    *,
    files: Mapping[str, str],
    valid_when: list[str],
    defaults: Mapping[str, int | None],
) -> None:
    """Keep the JSON `text` of an answer. `files`: those executed, with the beginnings of their hashes."""
    hashes = {path: _hash_of(path, request) for path in files}
    if not hashes or any(h is None or not h.startswith(files[path]) for path, h in hashes.items()):
        return
    header = {"files": hashes, "valid_when": valid_when, "defaults": dict(defaults), "values": request.values}
    regime = digest(sorted(valid_when))[:32] if request.values else ""
    write(_name(request.key(), regime), header, text)


def _answers(header: dict, values: Mapping[str, int]) -> bool:
    """An answer to a question without values answers it again; with values, their conditions decide."""
    if values == header.get("values"):
        return True
    return not broken(header.get("valid_when", ["unknown"]), header.get("defaults", {}) | values)


def _name(key: str, regime: str = "") -> str:
    return f"cost/{key[:2]}/{key[2:]}{f'-{regime}' if regime else ''}.entry"


def _same_files(files: Mapping[str, str], request: Request) -> bool:
    return bool(files) and all(_hash_of(path, request) == known for path, known in files.items())


def _hash_of(path: str, request: Request) -> str | None:
    found: Path | None = find_file(path, request.folders())
    try:
        return hashlib.sha256(found.read_bytes()).hexdigest() if found else None
    except OSError:
        return None
