# A repository of 6,000 files uses 100,000 different identifiers four million times, and a decoded record holds a text of its
# own for each use. One text for all equal ones is a third of the memory, and comparing them costs nothing.
"""`Sharing`: records whose equal texts are one object."""

from __future__ import annotations

from msgspec.structs import force_setattr

from cutaway.model.code import Call, Def, FileRecord

__all__ = ["Sharing"]


_NONE: list = []
_NOTHING: dict[str, str] = {}


class Sharing:
    """The texts and the short lists of texts met so far; long ones seldom occur twice. What records hold is read only."""

    def __init__(self):
        self._texts: dict[str, str] = {}
        self._lists: dict[tuple[str, ...], list[str]] = {(): _NONE}

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
            for field in ("decorators", "bases", "flags"):
                self._list(one, field)
            if not one.params:
                force_setattr(one, "params", _NONE)
            if not one.words:
                force_setattr(one, "words", _NONE)
        for one in record.calls:
            force_setattr(one, "callee", keep(one.callee, one.callee))
            if one.args:
                every(one.args)
            else:
                force_setattr(one, "args", _NONE)
            self._list(one, "how")
        for one in record.binds:
            _one(one, ("target", "value", "kind"), keep)
        for one in record.imports:
            _one(one, ("name", "module", "symbol"), keep)
        for one in record.marks:
            _one(one, ("kind", "name"), keep)
            if not one.detail:
                force_setattr(one, "detail", _NOTHING)
        return record

    def _list(self, record: Def | Call, field: str) -> None:
        texts = getattr(record, field)
        force_setattr(record, field, self._lists.setdefault(tuple(texts), texts) if texts else _NONE)


def _one(record, fields: tuple[str, ...], keep) -> None:
    for field in fields:
        text = getattr(record, field)
        if text:
            force_setattr(record, field, keep(text, text))
