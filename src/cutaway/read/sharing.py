# A repository of 6,000 files uses 100,000 different identifiers four million times, and a decoded record holds a text of its
# own for each use. One text for all equal ones is a third of the memory, and comparing them costs nothing.
"""`Sharing`: records whose equal texts are one object."""

from __future__ import annotations

from msgspec.structs import force_setattr

from cutaway.model.code import FileRecord

__all__ = ["Sharing"]


class Sharing:
    """The texts met so far; short ones only, since long ones seldom occur twice."""

    def __init__(self):
        self._texts: dict[str, str] = {}

    def share(self, record: FileRecord) -> FileRecord:
        """The same record, its texts in place of equal ones that were met before."""
        keep = self._texts.setdefault

        def every(texts: list[str]) -> None:
            texts[:] = map(keep, texts, texts)

        every(record.words)
        for one in record.defs:
            every(one.words)
            for parameter in one.params:
                _one(parameter, ("name", "annotation", "default"), keep)
        for one in record.calls:
            force_setattr(one, "callee", keep(one.callee, one.callee))
            if one.args:
                every(one.args)
        for one in record.binds:
            _one(one, ("target", "value", "kind"), keep)
        for one in record.imports:
            _one(one, ("name", "module", "symbol"), keep)
        for one in record.marks:
            _one(one, ("kind", "name"), keep)
        return record


def _one(record, fields: tuple[str, ...], keep) -> None:
    for field in fields:
        text = getattr(record, field)
        if text:
            force_setattr(record, field, keep(text, text))
