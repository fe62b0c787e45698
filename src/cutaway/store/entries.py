# An entry holds an answer, the conditions under which its formulas hold, and the hash of every source
# file that was executed for it. It answers only if those files are the same and the values asked for meet
# the conditions.
"""Finding and keeping answers."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from cutaway.report.source_text import find_file
from cutaway.store.folder import read, write
from cutaway.store.request import Request


def find(request: Request) -> str | None:
    """The kept JSON, made without values, whose formulas hold for the values asked for; else None."""
    names = [_name(request)] + ([_name(request, exact=True)] if request.values else [])
    for name in names:
        entry = read(name)
        if entry and _same_files(entry[0].get("files", {}), request) and _answers(entry[0], request, name):
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
    header = {"files": hashes, "valid_when": valid_when, "defaults": dict(defaults)}
    usual = holds(valid_when, defaults)
    write(_name(request, exact=bool(request.values) and not usual), header, text)


def holds(valid_when: list[str], values: Mapping[str, int | None]) -> bool:
    """Whether all conditions are surely met; one that cannot be evaluated is not."""
    return all(_met(condition, values) for condition in valid_when)


def _met(condition: str, values: Mapping[str, int | None]) -> bool:
    from cutaway.errors import BadValue
    from cutaway.formula.condition import holds as is_met

    try:
        return is_met(condition, values)
    except (BadValue, KeyError, TypeError, ValueError, ZeroDivisionError):
        return False


def _answers(header: dict, request: Request, name: str) -> bool:
    if not request.values or name == _name(request, exact=True):
        return True
    return holds(header.get("valid_when", []), header.get("defaults", {}) | request.values)


def _name(request: Request, exact: bool = False) -> str:
    key = request.key()
    return f"cost/{key[:2]}/{key[2:]}{'-' + request.values_key()[:32] if exact else ''}.entry"


def _same_files(files: Mapping[str, str], request: Request) -> bool:
    return bool(files) and all(_hash_of(path, request) == known for path, known in files.items())


def _hash_of(path: str, request: Request) -> str | None:
    found: Path | None = find_file(path, request.folders())
    try:
        return hashlib.sha256(found.read_bytes()).hexdigest() if found else None
    except OSError:
        return None
