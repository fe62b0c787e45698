# Holds what is found about a program's life against hand-made keys of the schema lifecycle-key/1, section by section: items
# are matched by location (the same file, within three lines of a place the key accepts, or inside the signature of the
# same definition) or by name, each at most once; optional items never count as missing.
"""`spec_keys.py FOLDER_OF_KEYS GIT_DIRS... [--misses]`: recall and location per section. Needs PyYAML."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import yaml

from cutaway.facts.project import find_project
from cutaway.read.index import Index
from cutaway.read.program import Program
from cutaway.read.source import open_source

NEAR = 3  # lines
SECTIONS = {
    "entry_points": ("entrypoints",),
    "lifecycle.startup": ("lifecycle.startup",),
    "lifecycle.main_loop": ("lifecycle.main_loop",),
    "lifecycle.shutdown": ("lifecycle.shutdown",),
    "lifecycle.exit_triggers": ("lifecycle.exit_triggers", "lifecycle.startup", "lifecycle.main_loop"),
    "task_creation": ("lifecycle.task_creation_points",),
    "queues": ("queues",),
    "sync_primitives": ("sync",),
    "critical_modules": ("critical",),
    "error_propagation": ("errors", "sync"),
    "dynamic_wiring": ("wiring",),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("keys", type=Path)
    parser.add_argument(
        "sources", nargs="+", help="git directories, one for each key whose repository they name"
    )
    parser.add_argument("--misses", action="store_true")
    options = parser.parse_args()
    keys = [yaml.safe_load(p.read_text()) for p in sorted(options.keys.glob("*.yaml"))]
    for key in keys:
        if key.get("schema") != "lifecycle-key/1":
            continue
        wanted = key["repo"].replace("/", "+"), key["repo"].rpartition("/")[2]
        source = next((s for s in options.sources if any(w in s for w in wanted)), None)
        if source is None:
            print(f"{key['repo']}: no source given")
            continue
        with open_source(source, key["commit"]) as opened:
            program = Program(opened, Index.open(opened, None))
            report(key, score(key, program, find_project(program)), options.misses)
    return 0


def report(key: dict[str, Any], rows: dict[str, tuple[int, int, list[str]]], misses: bool) -> None:
    print(f"{key['repo']} at {key['commit'][:10]}")
    for section, (hit, total, missed) in rows.items():
        print(f"  {section:28} {hit}/{total}  recall {hit / total if total else 1:.3f}")
        if misses:
            for miss in missed:
                print(f"      miss {miss}")
    recalls = [hit / total for hit, total, _ in rows.values() if total]
    print(f"  {'mean over sections':28} {sum(recalls) / len(recalls):.3f}")


def score(
    key: dict[str, Any], program: Program, facts: dict[str, Any]
) -> dict[str, tuple[int, int, list[str]]]:
    """section -> (found, wanted, what is missing)."""
    rows = {}
    for section, names in SECTIONS.items():
        wanted: Any = key
        for part in section.split("."):
            wanted = (wanted or {}).get(part)
        claims = [place for name in names for place in places(pick(facts, name))]
        rows[section] = count(program, wanted or [], claims)
    machines = facts["states"]
    named = key.get("state_machines") or []
    rows["state_machines"] = count(program, named, [(m["path"], m["line"], m["name"]) for m in machines])
    for part in ("states", "events", "handlers"):
        hit, total, missed = 0, 0, []
        for machine in named:
            mine = [m for m in machines if matches(program, machine, (m["path"], m["line"], m["name"]))]
            claims = [(m["path"], one["line"], one["name"]) for m in mine for one in m[part]]
            got = count(program, machine.get(part) or [], claims)
            hit, total, missed = hit + got[0], total + got[1], missed + got[2]
        rows[f"state_machines.{part}"] = (hit, total, missed)
    return rows


def pick(facts: dict[str, Any], name: str) -> list[dict[str, Any]]:
    value: Any = facts
    for part in name.split("."):
        value = value[part]
    return value


def places(rows: list[dict[str, Any]]) -> list[tuple[str, int, str]]:
    """Every (path, line, name) that a list of claims cites."""
    found = []
    for row in rows:
        name = str(row.get("name") or row.get("symbol") or "")
        found.append((row["path"], row["line"], name))
        found += [(e["path"], e["line"], name) for e in row.get("evidence", [])]
        for end in ("put", "get", "waits", "sets"):
            found += [(e["path"], e["line"], name) for e in row.get(end, [])]
    return found


def count(program: Program, wanted: list[dict[str, Any]], claims: list) -> tuple[int, int, list[str]]:
    hit, total, missed = 0, 0, []
    for item in wanted:
        found = any(matches(program, item, claim) for claim in claims)
        hit += found
        if found or not item.get("optional"):
            total += 1
        if not found and not item.get("optional"):
            missed.append(f"{item.get('name') or item.get('value') or item.get('path')} at {item.get('at')}")
    return hit, total, missed


def matches(program: Program, item: dict[str, Any], claim: tuple[str, int, str]) -> bool:
    """Is a claim at one of the places that the key accepts?"""
    path, line, _ = claim
    accepted = [item["at"], *item.get("also", [])]
    for text in accepted:
        where, _, at = text.split(" | ")[0].rpartition(":")
        first, _, last = at.partition("-")
        if where == path and int(first) - NEAR <= line <= int(last or first) + NEAR:
            return True
        definition = program.enclosing(path, int(first)) if where == path and path in program else None
        if definition and definition.line == int(first) and definition.start <= line <= definition.line:
            return True
    return path in item.get("accept", [])


if __name__ == "__main__":
    sys.exit(main())
