# Macros that stand where C and C++ have no word: an export before a class's name, a calling convention before a function's,
# a whole declaration wrapped to mark it, a lock's name behind what it guards. A grammar takes `class API Name {` for a
# function and, after a wrapped one, loses the rest of the header. They are blanked for the parser alone; every offset and
# every text stays as written.
"""`without_macros(data)`, and `blanked(data, spans)`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

__all__ = ["blanked", "without_macros"]

_MACRO = rb"[A-Z][A-Z0-9_]{2,}(?:\([^()\n]*\))?"
# class API Name final : Base {
_CLASS = re.compile(
    rb"(?:class(?<!\wclass)|struct(?<!\wstruct))[ \t]+("
    + _MACRO
    + rb")(?=\s+[A-Za-z_]\w*(?:<[^<>;{}]*>)?\s*(?:final\s*)?(?::[^:]|\{))"
)
# class API Name;  API Type *name(
_FORWARD = re.compile(rb"^[ \t]*(?:friend[ \t]+)?class[ \t]+(" + _MACRO + rb")(?=[ \t]+[A-Za-z_]\w*[ \t]*;)", re.MULTILINE)
_EXPORTED = re.compile(
    rb"^[ \t]*((?:[A-Z][A-Z0-9]*_)+(?:EXPORT|API|PUBLIC|DLL|EXTERN)[ \t]+)"
    rb"(?=(?:const[ \t]+)?[A-Za-z_][\w:<>, ]*[ \t*&]+\w+[ \t]*\()",
    re.MULTILINE,
)
# Type * CALL name(
_CONVENTION = re.compile(
    rb"(?<!define)[ \t*&]([A-Z][A-Z0-9_]*(?:CALL|CDECL|APIENTRY|API|CONV|CC))(?=[ \t]+[A-Za-z_]\w*[ \t]*\()"
)
# DEPRECATED(type name(…), "what instead");
_WRAPPED = re.compile(
    rb"^[ \t]*(?:[A-Z][A-Z0-9_]*[ \t]+)?([A-Z][A-Z0-9_]*\()"
    rb"(?=\s*[\w \t*&:]+[\s*&]\w+\s*\([^;{}()]*\)\s*,)[^;{}()]*\([^;{}()]*\)\s*"
    rb"(,\s*\"[^\"\n]*\"(?:\s*\"[^\"\n]*\")*\s*\))\s*;",
    re.MULTILINE,
)
# int size_ GUARDED_BY(mutex_);  void add() REQUIRES(mutex_);  by the names that Clang's analysis of locks gives them
_GUARD = re.compile(
    rb"(?<=[\w)\]>])[ \t\n]+((?:[A-Z]+_)*(?:(?:PT_)?GUARDED_(?:BY|VAR)|(?:EXCLUSIVE_|SHARED_)?LOCKS_(?:REQUIRED|EXCLUDED)|"
    rb"REQUIRES(?:_SHARED)?|(?:TRY_)?ACQUIRE(?:_SHARED)?|RELEASE(?:_SHARED|_GENERIC)?|EXCLUDES|ASSERT_(?:SHARED_)?CAPABILITY|RETURN_CAPABILITY|"
    rb"ACQUIRED_(?:BEFORE|AFTER)|(?:EXCLUSIVE_|SHARED_)?(?:TRY)?(?:UN)?LOCK_FUNCTION|ASSERT_(?:EXCLUSIVE|SHARED)_LOCK|LOCK_RETURNED|"
    rb"NO_THREAD_SAFETY_ANALYSIS)(?:\([^(){};]*\))?)(?=\s*[;{=,]|\s+[A-Z_]+\(|\s+(?:override|final|const)\b)"
)
_GUARDS = (b"GUARDED_", b"LOCKS_", b"REQUIRES", b"ACQUIRE", b"RELEASE", b"EXCLUDES", b"CAPABILITY", b"LOCK_", b"_SAFETY_")
_DEFINES = re.compile(rb"[ \t]*#[ \t]*define\b")
_ENDINGS = (b"CALL", b"CDECL", b"API", b"CONV", b"CC")  # one of these stands in what `_CONVENTION` finds
_CAPITAL = re.compile(rb"\n[ \t]*(?=[A-Z])")  # begins with plain text: searched ten times as fast
_BLANK = re.compile(rb"[^\n]")


def without_macros(data: bytes) -> bytes:
    """The same number of bytes and lines, with spaces in the place of such macros."""
    spans = [found.span(1) for form in (_CLASS, _FORWARD, _EXPORTED) for found in form.finditer(data)]
    spans += _wrappers(data)
    if any(word in data for word in _GUARDS):
        spans += _guards(data)
    if any(ending in data for ending in _ENDINGS):
        spans += [found.span(1) for found in _CONVENTION.finditer(data)]
    return blanked(data, spans)


def _guards(data: bytes) -> Iterator[tuple[int, int]]:
    """What a lock guards; not where such a macro is made."""
    for found in _GUARD.finditer(data):
        if not _DEFINES.match(data, data.rfind(b"\n", 0, found.start(1)) + 1):
            yield found.span(1)


def _wrappers(data: bytes) -> Iterator[tuple[int, int]]:
    """Both parts of each macro around a declaration; only a line that begins with a capital begins one."""
    end = 0
    for start in (0, *(line.start() + 1 for line in _CAPITAL.finditer(data))):
        if start >= end and (found := _WRAPPED.match(data, start)):
            yield found.span(1)
            yield found.span(2)
            end = found.end()


def blanked(data: bytes, spans: Sequence[tuple[int, int]]) -> bytes:
    """The same bytes with spaces in these places; ends of lines stay. Without a place, the bytes themselves."""
    if not spans:
        return data
    changed = bytearray(data)
    for start, end in spans:
        changed[start:end] = _BLANK.sub(b" ", data[start:end])
    return bytes(changed)
