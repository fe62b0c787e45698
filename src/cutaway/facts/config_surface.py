# How a program is told what to do: variables of the environment, flags, classes of settings, files of settings.
"""`find_config_surface(program)`."""

from __future__ import annotations

import re
from typing import Any

from cutaway.facts.cli_flags import find_cli_flags
from cutaway.facts.config_classes import find_config_classes
from cutaway.facts.env_vars import find_env_vars
from cutaway.facts.lookup import evidence
from cutaway.facts.roles import role_of
from cutaway.model.code import FileRecord
from cutaway.read.program import Program

__all__ = ["find_config_surface"]

_CONFIG_FILE = re.compile(
    r"(^|/)(configs?|conf|settings)/.*\.(ya?ml|json|toml|ini|cfg|py)$|"
    r"(^|/)[\w-]*(config|settings)[\w-]*\.(ya?ml|json|toml|ini|py)$"
)
_LOADS = re.compile(
    r"(yaml\.\w*load\w*|tomll?i?b?\.loads?|json\.load|ConfigParser|OmegaConf\.load|Config\.from_\w+|parse_json_file|"
    r"parse_yaml_file|read_config\w*|load_config\w*|fileConfig|dictConfig|load_dotenv|hydra\.\w+)$"
)
LOADERS = 20
KEYS = 40


def find_config_surface(program: Program) -> dict[str, list[dict[str, Any]]]:
    """`{env_vars, cli_flags, config_classes, config_files}`, each a list with evidence; empty where there are none."""
    classes = find_config_classes(program)
    return {
        "env_vars": find_env_vars(program),
        "cli_flags": find_cli_flags(program, classes),
        "config_classes": classes,
        "config_files": _files(program),
    }


def _files(program: Program) -> list[dict[str, Any]]:
    """`{path, line, keys, lines, what, evidence}`: files of settings that the repository carries (a folder of many once,
    with their `count`), each key with its line, and the lines that load some."""
    carried: dict[str, list[str]] = {}
    loaded = []
    for path in program.paths:
        record = program.record(path)
        if role_of(path) != "code" or path.startswith(".") or "/." in path:
            continue
        data = record.language in ("yaml", "json", "toml", "text") or _assigns_only(record)
        if data and _CONFIG_FILE.search(path):
            carried.setdefault(path.rpartition("/")[0], []).append(path)
        elif record.language == "python":
            for call in record.calls:
                if _LOADS.search(call.callee) and len(loaded) < LOADERS:
                    proof = evidence(program, path, call.line, f"loads settings: {call.callee}")
                    where = {"path": path, "line": call.line, "keys": [], "lines": [], "what": "loaded"}
                    loaded.append({**where, "evidence": [proof]})
    return [_carried(program, paths) for paths in carried.values()] + loaded


def _carried(program: Program, paths: list[str]) -> dict[str, Any]:
    record = program.record(paths[0])
    keys: dict[str, int] = {}
    for named in (*(m for m in record.marks if m.kind in ("entry", "literal")), *record.defs):
        keys.setdefault(named.name, named.line)
    some = {"keys": [*keys][:KEYS], "lines": [*keys.values()][:KEYS]}
    where = {"path": paths[0], "line": 1, **some, "what": "carried", "count": len(paths)}
    return {**where, "evidence": [evidence(program, paths[0], 1, "a file of settings")]}


def _assigns_only(record: FileRecord) -> bool:
    """A Python file of nothing but assignments, as a script reads settings with `exec`."""
    if record.language != "python" or record.imports or not record.defs:
        return False
    return all(d.kind == "constant" for d in record.defs)
