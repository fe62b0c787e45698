# Known models travel with the package, so that everyday questions need no network: one line of JSON per
# model, with its config, where that came from, and the parameter count it must give.
"""The catalogue of models: `find("llama-3.1-8b").parameters == 8030261248`."""

import json
import re
from collections import defaultdict
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files

from cutaway.errors import UnknownTarget, nearest

__all__ = ["Entry", "entries", "find", "names"]


@dataclass(frozen=True)
class Entry:
    """One model: its config and what is known about it."""

    id: str
    config: dict = field(repr=False, compare=False)
    class_name: str
    parameters: int | None
    published: str
    needs_remote_code: bool
    needs: tuple[str, ...]
    verbatim: bool
    provenance: str
    notes: str
    aliases: tuple[str, ...]

    @property
    def organisation(self) -> str:
        return self.id.partition("/")[0]

    @property
    def model_type(self) -> str:
        return self.config["model_type"]

    def to_dict(self) -> dict:
        """Everything but the config, for `cutaway models --json`."""
        return {
            "id": self.id,
            "class_name": self.class_name,
            "model_type": self.model_type,
            "parameters": self.parameters,
            "published": self.published,
            "aliases": list(self.aliases),
            "needs_remote_code": self.needs_remote_code,
            "needs": list(self.needs),
            "verbatim": self.verbatim,
            "provenance": self.provenance,
            "notes": self.notes,
        }


@lru_cache(maxsize=1)
def entries() -> tuple[Entry, ...]:
    """Every model of the catalogue, ordered by id."""
    text = files(__name__).joinpath("models.jsonl").read_text(encoding="utf-8")
    rows = [json.loads(line) for line in text.splitlines()]
    aliases = _unique_aliases([row["id"] for row in rows])
    return tuple(_entry(row, aliases[row["id"]]) for row in rows)


def find(name: str) -> Entry:
    """The model called `name`: a Hugging Face id, its last part, or a usual short form, in any case.

    >>> find("llama-3.1-8b").id
    'meta-llama/Llama-3.1-8B'
    """
    wanted = name.strip().strip("/").casefold()
    for entry in entries():
        if entry.id.casefold() == wanted:
            return entry
    if "/" not in wanted:
        found = _by_short_name().get(_plain(wanted), ())
        if len(found) == 1:
            return found[0]
        if found:
            raise UnknownTarget(
                "that name fits several models",
                asked=name,
                try_="one of: " + ", ".join(entry.id for entry in found),
            )
    raise UnknownTarget(
        "no such model in the catalogue",
        asked=name,
        known=_known(wanted),
        try_="`cutaway models` lists them; a config.json or its folder works too",
    )


def names() -> list[str]:
    """Every name that `find` answers to, ids first."""
    return [e.id for e in entries()] + sorted(alias for e in entries() for alias in e.aliases)


def _known(wanted: str) -> str | None:
    """The nearest ids: by the whole id, else by the last part of it."""
    short = wanted.rpartition("/")[2]
    by_alias = {alias: e.id for e in entries() for alias in (*e.aliases, _plain(_last(e.id)))}
    close = nearest(wanted, [e.id for e in entries()], 3) if "/" in wanted else []
    close += [by_alias[a] for a in nearest(_plain(short), by_alias)]
    return "nearest: " + ", ".join(list(dict.fromkeys(close))[:5]) if close else None


def _entry(row: dict, aliases: tuple[str, ...]) -> Entry:
    return Entry(
        id=row["id"],
        config=row["config"],
        class_name=row["class"],
        parameters=row.get("parameters"),
        published=row.get("published", ""),
        needs_remote_code=row.get("remote_code", False),
        needs=tuple(row.get("needs", ())),
        verbatim=row.get("verbatim", False),
        provenance=row["provenance"],
        notes=row.get("notes", ""),
        aliases=aliases,
    )


@lru_cache(maxsize=1)
def _by_short_name() -> dict[str, tuple[Entry, ...]]:
    """Short name -> the models it may mean. An exact last part wins over a shortened one."""
    exact, shortened = defaultdict(list), defaultdict(list)
    for entry in entries():
        exact[_plain(_last(entry.id))].append(entry)
        for form in _short_forms(entry.id):
            shortened[form].append(entry)
    return {key: tuple(exact.get(key) or shortened[key]) for key in exact.keys() | shortened.keys()}


def _unique_aliases(ids: list[str]) -> dict[str, tuple[str, ...]]:
    """For each id the short forms that mean it and no other model."""
    meant, taken = defaultdict(set), {_plain(_last(i)): i for i in ids}
    for i in ids:
        for form in _short_forms(i):
            meant[form].add(i)
    return {
        i: tuple(sorted(form for form in _short_forms(i) if meant[form] == {i} and taken.get(form, i) == i))
        for i in ids
    }


_SUFFIXES = re.compile(r"-(instruct|chat|it|hf|base|pt|bf16|v\d+(\.\d+)?|\d{4}|\d{2}-\d{4})$")
_PREFIXES = re.compile(r"^(meta|nvidia|c4ai)-")


def _short_forms(model_id: str) -> set[str]:
    """The id's last part, plain, and then without its usual prefix and suffixes, one after the other."""
    form = _plain(_last(model_id))
    forms = {form}
    while (shorter := _SUFFIXES.sub("", form)) != form:
        form = shorter
        forms.add(form)
    return forms | {_PREFIXES.sub("", f) for f in forms}


def _last(model_id: str) -> str:
    return model_id.rpartition("/")[2]


def _plain(name: str) -> str:
    """Lower case, with one dash for every separator."""
    return re.sub(r"[\s_-]+", "-", name.casefold()).strip("-")
