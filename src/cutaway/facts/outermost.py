# What a file is about are the definitions that stand in no other: at most in namespaces, and not among the tests that Rust
# keeps in the file they test.
"""`outermost(record)` and `local_name(record, definition)`."""

from __future__ import annotations

import re

from cutaway.model.code import Def, FileRecord

__all__ = ["is_outermost", "local_name", "outermost", "tests_of"]

_TEST = re.compile(r"#\[(?:\w+::)?(?:cfg\(.*\b)?test\b")


def outermost(record: FileRecord) -> list[Def]:
    """The definitions that stand in no class and no function, without namespaces and tests."""
    tests = tests_of(record)
    return [
        d
        for d in record.defs
        if d.kind != "namespace"
        and is_outermost(record, d)
        and not any(first <= d.line <= last for first, last in tests)
    ]


def is_outermost(record: FileRecord, definition: Def) -> bool:
    """Does it stand in no class and no function?"""
    return definition.parent < 0 or record.defs[definition.parent].kind == "namespace"


def local_name(record: FileRecord, definition: Def) -> str:
    """Its name as one reads it in the file: without the namespace that it stands in."""
    outer = record.defs[definition.parent] if definition.parent >= 0 else None
    spaced = outer is not None and outer.kind == "namespace"
    return definition.name.removeprefix(f"{outer.name}.") if spaced else definition.name


def tests_of(record: FileRecord) -> list[tuple[int, int]]:
    """First and last lines of what is marked as a test."""
    return [(d.start, d.end) for d in record.defs if any(_TEST.match(mark) for mark in d.decorators)]
