# The definitions of a repository as the detectors see them. Which clues a definition meets is a bit mask: every identifier
# is held against the clues once for the whole repository, however often it occurs, so that 60,000 definitions
# and 300 clues cost a second or two.
"""`Corpus`: every definition of the code that runs, with the clues it meets."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from cutaway.facts.concept import CALLABLE, TYPE, Clue
from cutaway.facts.imported import imports
from cutaway.facts.lookup import lookup
from cutaway.facts.outermost import tests_of
from cutaway.facts.roles import PRODUCT, role_of
from cutaway.facts.vocabulary import Vocabulary
from cutaway.facts.words import matcher, snake
from cutaway.model.code import Def, FileRecord
from cutaway.read.languages import decode
from cutaway.read.program import lines_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from cutaway.read.program import Program

__all__ = ["HELPS", "SCRIPT", "Corpus", "Entity", "Scored"]

SCRIPT = "script"  # the kind of a file's own statements, where they do something
LANGUAGES = ("python", "c", "cpp", "cuda", "rust", "go", "typescript", "javascript")
_IDENTIFIER = re.compile(r"[A-Za-z_]\w*")
_LICENCE = re.compile(r"(?:licen[cs]e|copying)(?:[.-]\w+)?$", re.IGNORECASE)
COMPILED = ("c", "cpp", "cuda", "rust", "go")
COMPILED_BUILDS = {"CMakeLists.txt", "Makefile", "Cargo.toml", "go.mod", "meson.build", "BUILD.bazel"}
MUCH = 0.4  # of the lines of code: a program's own language
HELPS = 0.75  # times the points, for what only helps
FEW_LINES = 3
_SCRIPT_WORDS = 12  # fewer identifiers outside of definitions are imports and constants


class Entity:
    """A definition, or a file's statements outside of any (`definition.kind` is `script`, its name empty)."""

    __slots__ = ("attributes", "definition", "fields", "index", "mask", "members", "parts", "path", "role", "size")

    def __init__(self, path: str, role: str, index: int, definition: Def):
        self.path, self.role, self.index, self.definition = path, role, index, definition
        self.mask = 0
        self.fields: Sequence[str] = ()  # most have none of the three
        self.members: Sequence[str] = ()
        self.parts: Sequence[Entity] = ()  # methods whose bodies stand outside of the type's
        self.attributes: list[str] = []  # that its methods assign to
        self.size = max(1, len(definition.words))

    @property
    def local(self) -> str:
        """The last part of its name."""
        return self.definition.name.rpartition(".")[2]

    @property
    def container(self) -> str:
        """The name of the class, type or namespace it stands in."""
        return self.definition.name.rpartition(".")[0]


@dataclass
class Scored:
    """A candidate under judgement; `met` are the clues that it meets, by bit."""

    entity: Entity
    score: float
    met: list[int]
    notes: list[str] = field(default_factory=list)


def _outermost(container: str, spaces: Collection[str]) -> str:
    """The longest namespace that a name begins with."""
    if not spaces:
        return ""
    parts = container.split(".")
    return next((n for end in range(len(parts), 0, -1) if (n := ".".join(parts[:end])) in spaces), "")


class Lexicon:
    """The clues of one field: which of them an identifier meets, answered once for each identifier."""

    def __init__(self, clues: Iterable[tuple[int, Clue]]):
        self.known: dict[str, int] = {}
        self.vocabulary = Vocabulary((bit, clue.pattern) for bit, clue in clues)

    def mask(self, identifier: str) -> int:
        found = self.known.get(identifier)
        if found is None:
            text = "/".join(map(snake, identifier.split("/")))
            found = self.known[identifier] = self.vocabulary.mask(text)
        return found


class Corpus:
    """`clues` are all clues of all concepts; the bit of a clue in `Entity.mask` is its index there."""

    def __init__(self, program: Program, clues: list[Clue]):
        self.program = program
        self.clues = clues
        fields: dict[str, list[tuple[int, Clue]]] = defaultdict(list)
        for bit, clue in enumerate(clues):
            fields[clue.field].append((bit, clue))
        self.lexicons = {
            field: Lexicon(fields[field])
            for field in ("name", "owner", "path", "has", "keeps", "uses", "takes", "base", "marked")
        }
        self._texts: dict[str, str] = {}
        self._split = lru_cache(maxsize=64)(lines_of)  # lines of their own take three times a text's memory
        self.roles: dict[str, str] = {}
        self.spaces: set[str] = set()  # every namespace
        self.entities: list[Entity] = []
        self.by_name: dict[str, list[Entity]] = defaultdict(list)
        self.users: Counter[str] = Counter()  # identifier -> files of code that use it
        self.body_bits = sum(1 << bit for bit, clue in enumerate(clues) if clue.field == "uses")
        for path in program.paths:
            self._add(path)
        self._join_types()

    def _add(self, path: str) -> None:
        record = self.program.record(path)
        if record.language not in LANGUAGES:
            return
        role = self.roles[path] = role_of(path, record.doc)
        if role in ("test", "doc", "vendored", "generated"):
            return
        path_mask = self.lexicons["path"].mask(path.rpartition(".")[0])
        mine: list[Entity] = []
        words: set[str] = set(record.words)
        fields: dict[int, list[str]] = defaultdict(list)
        for mark in record.marks:
            if mark.kind in ("field", "member"):
                fields[mark.scope].append(mark.name)
        tests = tests_of(record)
        spaces = {d.name for d in record.defs if d.kind == "namespace"}
        self.spaces |= spaces
        for index, definition in enumerate(record.defs):
            if any(first <= definition.line <= last for first, last in tests):
                continue
            entity = Entity(path, role, index, definition)
            entity.mask = path_mask | self._mask(definition, spaces)
            for name in fields.get(index, ()):
                entity.mask |= self.lexicons["uses"].mask(name) | self.lexicons["keeps"].mask(name)
            entity.fields = fields.get(index, ())
            mine.append(entity)
            words.update(definition.words)
            for parameter in definition.params:  # a type in a signature is used
                words.update(_IDENTIFIER.findall(parameter.annotation))
        self._attributes(record, mine)
        heirs = {entity.definition.name: entity for entity in reversed(mine)}
        for entity in mine:
            holder = heirs.get(entity.container)
            if holder is not None and holder is not entity:
                self._join(holder, entity)
        if len(record.words) >= _SCRIPT_WORDS and record.language == "python":
            script = Entity(path, role, -1, Def("", SCRIPT, 1, 1, record.lines, words=record.words))
            script.mask = path_mask | self._mask(script.definition)
            mine.append(script)
        self.entities += mine
        for entity in mine:
            self.by_name[entity.local].append(entity)
        self.users.update(words)

    def _attributes(self, record: FileRecord, mine: list[Entity]) -> None:
        """What a method of a class assigns to `self` the class keeps."""
        holders = {entity.index: entity for entity in mine if entity.definition.kind in TYPE}
        for bind in record.binds:
            holder = holders.get(record.defs[bind.scope].parent) if bind.scope >= 0 else None
            if holder is not None and bind.target.startswith("self.") and bind.target[5:].isidentifier():
                holder.mask |= self.lexicons["keeps"].mask(bind.target[5:])
                holder.attributes.append(bind.target[5:])

    def _join(self, holder: Entity, member: Entity) -> None:
        """A method belongs to its type: what its body uses the type uses, where the type's own words lack it."""
        holder.members = [*holder.members, member.local]
        holder.mask |= self.lexicons["has"].mask(member.local)
        within = holder.definition.start <= member.definition.line <= holder.definition.end
        if member.path != holder.path or not within:
            holder.parts = [*holder.parts, member]
            holder.mask |= member.mask & self.body_bits
            holder.size += member.size

    def _join_types(self) -> None:
        """Methods defined in another file than their type (C++ sources, Go and Rust files of one package)."""
        types: dict[str, list[Entity]] = defaultdict(list)
        for entity in self.entities:
            if entity.definition.kind in TYPE:
                name = entity.definition.name
                types[name].append(entity)
                outer = _outermost(name.rpartition(".")[0], self.spaces)
                if outer:  # `using namespace` leaves it out where the methods stand
                    types[name[len(outer) + 1 :]].append(entity)
        for entity in self.entities:
            if entity.container and entity.definition.kind in CALLABLE:
                found = types.get(entity.container, ())
                if found and all(holder.path != entity.path for holder in found):
                    folder = entity.path.rpartition("/")[0]
                    near = [h for h in found if h.path.rpartition("/")[0] == folder]
                    if len(near) == 1 or (not near and len(found) == 1):
                        self._join((near or found)[0], entity)

    def _mask(self, definition: Def, spaces: Collection[str] = ()) -> int:
        lexicons = self.lexicons
        container, _, local = definition.name.rpartition(".")
        mask = lexicons["name"].mask(local)
        while container and (outer := _outermost(container, spaces)):  # a namespace owns nothing
            container = container[len(outer) :].lstrip(".")
        if container:
            mask |= lexicons["owner"].mask(container)
        uses = lexicons["uses"].known
        for word in definition.words:
            if word == local:  # its own name says nothing of what it does
                continue
            found = uses.get(word)
            mask |= lexicons["uses"].mask(word) if found is None else found
        for parameter in definition.params:
            mask |= lexicons["takes"].mask(parameter.name)
            for identifier in _IDENTIFIER.findall(parameter.annotation):
                mask |= lexicons["takes"].mask(identifier)
        for text in definition.bases:
            mask |= lexicons["base"].mask(text)
        for text in definition.decorators:
            mask |= lexicons["marked"].mask(text)
        return mask

    def helpers(self, entity: Entity) -> list[Entity]:
        """The methods of a line or two that a method calls on its own type: their text is as good as its own."""
        if not entity.container or entity.definition.kind not in CALLABLE:
            return []
        return [
            other
            for word in sorted(set(entity.definition.words) - {entity.local})
            for other in self.by_name.get(word, ())
            if other.path == entity.path
            and other.container == entity.container
            and other.definition.kind in CALLABLE
            and other.definition.end - other.definition.line <= FEW_LINES
        ]

    def lines(self, path: str) -> list[str]:
        """A file's lines; those of many files are best asked for with `prefetch` before."""
        text = self._texts.get(path)
        return self.program.lines(path) if text is None else self._split(text)

    def prefetch(self, paths: Iterable[str]) -> None:
        """Read the files that the judgement is about to ask for in one go, where the source can."""
        many = getattr(self.program.source, "read_many", None)
        if many is not None:
            for path, data in many(sorted(set(paths) - self._texts.keys())):
                self._texts[path] = decode(data)

    def is_lone(self, path: str) -> bool:
        """Is this a file of Python that no other one imports? Whatever it defines is used by itself alone."""
        return self.program.record(path).language == "python" and not imports(self.program).get(path)

    @cached_property
    def shares(self) -> dict[str, float]:
        """language -> its share of the lines of code."""
        lines: Counter[str] = Counter()
        for path, role in self.roles.items():
            if role in PRODUCT:
                record = self.program.record(path)
                lines[record.language] += record.code_lines or record.lines
        total = sum(lines.values()) or 1
        return {language: count / total for language, count in lines.items()}

    def weight_of(self, path: str) -> float:
        """Less for the scripts of a web page, and for helpers in Python, the fewer the less, beside a program in another
        language."""
        language = self.program.record(path).language
        share = self.shares.get(language, 0.0)
        if language in ("typescript", "javascript") and share < 0.5:
            return 0.4
        if language != "python":
            return 1.0
        return min(1.0, max(HELPS, 0.625 + 1.25 * share))

    @cached_property
    def compiled(self) -> bool:
        """Is the program built from another language, with no package of Python around it? Then its Python trains, converts
        and plots."""
        compiled = sum(share for language, share in self.shares.items() if language in COMPILED)
        if compiled < MUCH or lookup(self.program).packaged:
            return False
        return any(build in self.program for build in COMPILED_BUILDS)

    @cached_property
    def _foreign(self) -> tuple[str, ...]:
        """The folders under another licence than the repository's, which others therefore wrote."""
        licences: dict[str, set[str]] = defaultdict(set)
        for path in self.program.paths:
            folder, _, name = path.rpartition("/")
            if _LICENCE.match(name):
                licences[folder].add("".join(self.program.text(path).split()))
        own = licences.get("", set())
        return tuple(f"{folder}/" for folder, texts in licences.items() if own and folder and not texts & own)

    def of_others(self, path: str) -> bool:
        """Does a file stand in a library that this repository carries along under its own licence?"""
        return path.startswith(self._foreign)

    def word_for(self, entity: Entity, bit: int) -> str:
        """The first identifier of a definition's body that meets a `uses` clue."""
        pattern = matcher(self.clues[bit].pattern)
        words = (
            *entity.fields,
            *entity.definition.words,
            *(w for p in entity.parts for w in p.definition.words),
        )
        return next((w for w in words if pattern.search(snake(w))), "")

    @cached_property
    def imports(self) -> dict[str, list[tuple[str, tuple[str, ...]]]]:
        """symbol -> (the file that imports it, the last parts of the module it names), over the code."""
        table: dict[str, list[tuple[str, tuple[str, ...]]]] = defaultdict(list)
        for path, role in self.roles.items():
            if role != "test":
                for item in self.program.record(path).imports:
                    parts = tuple(
                        p
                        for p in re.split(r"[./:]+", item.module)
                        if p and p not in ("crate", "self", "super")
                    )
                    table[item.symbol or item.name].append((path, parts[-2:]))
        return table

    def importers(self, entity: Entity) -> int:
        """How many files import this definition by a module path that agrees with where it stands."""
        where = tuple(
            entity.path.rpartition(".")[0].removesuffix("/__init__").removesuffix("/mod").split("/")
        )
        return len(
            {
                path
                for path, parts in self.imports.get(entity.local, ())
                if parts and where[-len(parts) :] == parts
            }
        )
