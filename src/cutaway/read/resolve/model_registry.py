# Engines choose a model's class by a name in its config: a table from architecture names to classes, imported when it is
# asked for. No type follows that; but the table is in the code, and so is the function that says it builds a model.
# What such a function returns is then an entry of the table: the one that the repository itself leans on most.
"""`ModelRegistry`: the classes that a repository's model factories may return."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from functools import cached_property
from typing import TYPE_CHECKING

from cutaway.model.code import Def, Mark
from cutaway.read.resolve.values import Found, Value

if TYPE_CHECKING:
    from cutaway.read.resolve.infer import Inference

__all__ = ["ModelRegistry"]

_FACTORY = re.compile(
    r"^_?(get|load|build|create|init|initialize|make|instantiate|resolve|from)\w*_?(model|network|pretrained)\w*$"
)
_ARCHITECTURE = re.compile(r"(For[A-Z]\w+|Model|LM|Transformer)$")
_PART = re.compile(r"[\"']([\w.:]+)[\"']|([A-Za-z_][\w.]*)")


class ModelRegistry:
    """The largest table of a repository whose entries are neural modules."""

    def __init__(self, inference: Inference):
        self.inference, self.program = inference, inference.program

    def built_by(self, definition: Def, said: list[Found]) -> list[Found]:
        """What a model factory returns whose own code says no more than `Module`, or nothing."""
        outside = all(
            f.value.kind in ("ext", "extinst")
            and f.value.text.rpartition(".")[2] in ("Module", "Any", "import_module", "getattr")
            for f in said
        )
        return self.chosen if outside and _FACTORY.match(definition.name.rpartition(".")[2]) else []

    @cached_property
    def entries(self) -> list[tuple[str, Mark, Value]]:
        """(file, mark, class) of every entry of the repository's registry of models, in order of file."""
        tables: dict[tuple[str, str], list[tuple[str, Mark, Value]]] = defaultdict(list)
        for path in self.program.paths:
            record = self.program.record(path)
            if record.language != "python":
                continue
            for mark in record.marks:
                if (
                    mark.kind == "entry"
                    and _ARCHITECTURE.search(mark.name)
                    and (value := self._class(path, mark))
                ):
                    tables[path, mark.detail.get("table", "")].append((path, mark, value))
        sizes = Counter({key: len({v for _, _, v in rows}) for key, rows in tables.items()})
        several = {path for (path, _), size in sizes.items() if size == max(sizes.values(), default=0)}
        rows = [r for (path, _), some in sorted(tables.items()) for r in some if path in several]
        return rows if len({v for _, _, v in rows}) >= 2 else []

    def _class(self, path: str, mark: Mark) -> Value | None:
        """The class that an entry names: an imported name, `module.Class` in a string, or a (module, class) pair."""
        words = [a or b for a, b in _PART.findall(mark.detail.get("value", ""))]
        for symbol in reversed(words[:3]):
            name = symbol.replace(":", ".").rpartition(".")[2]
            hints = [w.strip(".").replace(".", "/") for w in words if w != symbol]
            found = [
                (p, i)
                for p, i in self.program.names.get(name, ())
                if self.program.record(p).defs[i].kind == "class"
                and (not hints or any(p.removesuffix(".py").endswith(h) for h in hints) or p == path)
            ]
            if len(found) == 1 and self.inference.is_module(Value("class", *found[0])):
                return Value("class", *found[0])
        return None

    @cached_property
    def chosen(self) -> list[Found]:
        """The entry that most files import from and derive from, as an instance; none without a registry."""
        if not self.entries:
            return []
        used = Counter()
        for path in self.program.paths:
            record = self.program.record(path)
            modules = (
                {t for one in record.imports if (t := self.inference.modules.resolve(one.module, path))}
                if record.language == "python"
                else set()
            )
            used.update(modules)
        path, mark, value = max(
            self.entries,
            key=lambda r: (used[r[2].path], r[1].name == self.inference.definition(r[2]).name, -r[1].line),
        )
        return [Found(value._replace(kind="inst"), "registry_entry", f"{path}:{mark.line}")]
