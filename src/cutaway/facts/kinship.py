# What the relatives of a candidate say about it: a method of a shared base is the place to look and its one override seldom
# is; of a class and its method one stands for both; and what the main loop reaches is alive.
"""`Kinship`: bases, holders and callers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from cutaway.facts.concept import CALLABLE, TYPE, Clue, Concept
from cutaway.facts.corpus import Corpus, Entity, Scored
from cutaway.facts.families import Families
from cutaway.facts.imported import imports
from cutaway.read.resolve.paths import Node, Ways

__all__ = ["Kinship"]

_NAME = re.compile(r"[A-Za-z_]\w*")
_NOT_BASES = {
    *("public", "private", "protected", "virtual", "final", "struct"),
    *("class", "typename", "std", "dyn", "pub"),
}
LIVE = 0.75  # points for what the loop reaches
CONTEST, REACH = 12, 1500  # candidates and definitions that are looked at for it
AHEAD = 0.1  # points that one of two relatives is put before the other by
WITHIN = 0.85  # of the points of the type around it, enough for a type to stand before that
DRIVES = 0.5  # points for a loop over another candidate
STEPS, WHOLE = 2, 0.6  # candidates that one must call to be their whole, and the share of their points that it needs
DEEP, HOLDS = 2, 0.5  # how far what a type keeps is followed; the share of its parts' points that it needs
SHARED = 0.85  # of the best points, enough for a base of many to stand before them
GENERATIONS = 4  # how far up bases are followed
FEW, INNER = 3, 0.5  # definitions of a name that a call can mean; the share of a caller's points that its loop needs
WEAK = "weak"  # the tag of names that others bear too
MUCH = 2  # times the identifiers of a method make a class that does other things too
MUCH_LED, ALONE = 12, 2  # definitions that a loop leads to, itself among them: many, and none to speak of
SHARED_ENOUGH, OWN = 0.75, 0.8  # of the points of what one of a family has, enough for the shared; what it then keeps
PROGRAMS, OF_ONE = 3, 0.85  # so many make what each has its own; what it then keeps of its points
_OF_PROCESSES = {"start", "run", "join"}  # what is called so is as often a thread or a process
_SAYS_LITTLE = 8  # identifiers of a body that only declares or passes on


class Kinship:
    """Questions about one corpus; each is answered from tables that are made when first asked for."""

    def __init__(self, corpus: Corpus):
        self.corpus = corpus
        self._known_elders: dict[str, set[str]] = {}
        self._live: set[Node] | None = None

    def bases(self, entity: Entity) -> list[str]:
        """The names of what a class derives from, without their modules and arguments."""
        found = []
        for text in entity.definition.bases:
            names = [n for n in _NAME.findall(re.sub(r"[<(\[].*", "", text)) if n not in _NOT_BASES]
            if names:
                found.append(names[-1])
        return found

    def overrides(self, entity: Entity) -> bool:
        """Is this a method that a base of its class, in this repository, has a body for?"""
        if entity.definition.kind not in CALLABLE or not entity.container:
            return False
        elders = self._elders(entity.container) - {entity.container.rpartition(".")[2]}
        return any(
            other.container.rpartition(".")[2] in elders and self._says(other)
            for other in self.corpus.by_name.get(entity.local, ())
        )

    def _elders(self, name: str) -> set[str]:
        """The names of all that a class (by its whole name) derives from, as far as they stand in this repository."""
        if name not in self._known_elders:
            found: set[str] = set()
            classes = [e for e in self._classes(name) if e.definition.name == name]
            for _ in range(GENERATIONS):
                bases = {base for entity in classes for base in self.bases(entity)} - found
                found |= bases
                classes = [entity for base in sorted(bases) for entity in self._classes(base)]
            self._known_elders[name] = found
        return self._known_elders[name]

    def _classes(self, name: str) -> list[Entity]:
        local = name.rpartition(".")[2]
        return [e for e in self.corpus.by_name.get(local, ()) if e.definition.kind in TYPE]

    def weigh(self, concept: Concept, final: list[Scored]) -> None:
        """Lower what overrides the shared one, and let one of a class and its own method lead."""
        for scored in final:
            if concept.key != "model_definition" and self.overrides(scored.entity):
                scored.score *= 0.85
        favoured = concept.kinds.get("class", 0) - concept.kinds.get("function", 0)
        by_name = {(s.entity.path, s.entity.definition.name): s for s in final}
        apart = {id(part): s for s in final for part in s.entity.parts}
        for scored in final:
            entity = scored.entity
            holder = by_name.get((entity.path, entity.container)) or apart.get(id(entity))
            if holder is None:
                continue
            if holder.entity.definition.kind in CALLABLE:  # who makes a function within it is where it is found
                if 0.7 * scored.score <= holder.score <= scored.score:
                    holder.score = scored.score + AHEAD
                continue
            if holder.entity.definition.kind not in TYPE:
                continue
            if entity.definition.kind in TYPE:  # of settings within settings, the inner ones are what is asked for
                if WITHIN * holder.score <= scored.score <= holder.score:
                    scored.score = holder.score + AHEAD
                continue
            large = holder.entity.size > MUCH * entity.size
            if large and not self.is_named(concept, holder):  # of all that it does one thing is meant
                holder.score = min(holder.score, scored.score) - LIVE - AHEAD
            elif favoured >= 0 and 0.7 * scored.score <= holder.score < scored.score:
                holder.score = (
                    scored.score + 0.01
                )  # a thing is its class, however well one of its methods is described
            elif favoured < 0 and 0.95 * holder.score <= scored.score <= holder.score:
                scored.score = holder.score + AHEAD  # what is done is in the method

    def is_named(self, concept: Concept, holder: Scored) -> bool:
        """Is a class what is looked for by its own name, bases, fields or methods, and not only by a body among others?"""
        if not concept.needs:
            return True
        tags = set(concept.needs[0].split("|")) - {WEAK}
        return any(c.tag in tags for c in self._for(holder, "name", "base", "has", "keeps", "owner"))

    def _for(self, scored: Scored, *fields: str) -> list[Clue]:
        """The clues in these fields that speak for a candidate."""
        met = (self.corpus.clues[bit] for bit in scored.met)
        return [c for c in met if c.weight > 0 and c.field in fields]

    def shared_first(self, final: list[Scored], models: Sequence[Scored]) -> None:
        """Lower what one of many models has of its own, where what they share is nearly as good."""
        one_of_many = Families((s.entity.path for s in models), self.corpus.roles)
        own = [s for s in final if one_of_many.holds(s.entity.path, s.entity.local)]
        shared = max((s.score for s in final if s not in own), default=0.0)
        if own and shared >= SHARED_ENOUGH * max(s.score for s in own):
            for scored in own:
                scored.score *= OWN

    def raise_wholes(self, final: list[Scored]) -> None:
        """Put who calls several candidates of its own file before these: they are its steps."""
        by_file: dict[str, list[Scored]] = {}
        for scored in final:
            by_file.setdefault(scored.entity.path, []).append(scored)
        for mates in by_file.values():
            best = {id(s): s.score for s in mates}
            for scored in mates:
                words, name = set(scored.entity.definition.words), scored.entity.definition.name
                steps = [
                    s
                    for s in mates
                    if s.entity.local in words
                    and s.entity.definition.kind in CALLABLE
                    and s.entity.local not in (name, scored.entity.local)
                    and s.entity.container != name
                ]
                if len({s.entity.local for s in steps}) >= STEPS:
                    top = max(best[id(s)] for s in steps)
                    if WHOLE * top <= scored.score < top:
                        scored.score = top + 0.1
                        scored.notes.append(f"it calls {steps[0].entity.local} and {steps[1].entity.local}")

    def raise_holders(self, final: list[Scored]) -> None:
        """Put a type that keeps several of the candidates, or keeps what keeps them, before these: it is their whole.

        By its name it is of their kind: what is told its settings uses them, and is none.
        """
        types = [s for s in final if s.entity.definition.kind in TYPE]
        for scored in sorted((s for s in types if self._for(s, "name")), key=lambda s: s.score):
            name = scored.entity.definition.name
            kept = self._kept(scored.entity) - self._elders(name)  # what it derives from is no part of it
            parts = [s for s in types if s.entity.local in kept]
            top = max((p.score for p in parts), default=0.0)
            if len({p.entity.local for p in parts}) >= STEPS and HOLDS * top <= scored.score <= top:
                scored.score = top + AHEAD
                scored.notes.append(f"it keeps {', '.join(sorted(p.entity.local for p in parts)[:STEPS])}")

    def _kept(self, entity: Entity) -> set[str]:
        """The names of the types that a type keeps, and that those keep."""
        found: set[str] = set()
        around = [entity]
        for _ in range(DEEP):
            names = {w for e in around for w in self._named(e) if w[:1].isupper()} - found
            found |= names
            around = [one for name in sorted(names) for one in self._meant(name, entity)]
        return found - {entity.local}

    def _named(self, entity: Entity) -> Iterable[str]:
        """The words of the types that a type declares its fields with; all of its words, where it declares none."""
        marks = self.corpus.program.record(entity.path).marks
        types = [
            m.detail["annotation"]
            for m in marks
            if m.scope == entity.index and m.kind in ("field", "member") and m.detail.get("annotation")
        ]
        return _NAME.findall(" ".join(types)) if types else entity.definition.words

    def _meant(self, name: str, user: Entity) -> list[Entity]:
        """The types that a name in some file can stand for: those beside it, or the few that there are."""
        known = self._classes(name)
        folder = user.path.rpartition("/")[0]
        beside = [e for e in known if e.path.rpartition("/")[0] == folder]
        return beside or (known if len(known) <= FEW else [])

    def lower_lone(self, concept: Concept, final: list[Scored]) -> None:
        """Lower what each of several programs that nothing imports does for itself, beside what they share and
        what is nearly as good."""
        lone = [s for s in final if self.corpus.is_lone(s.entity.path)]
        shared = max((s.score for s in final if s not in lone and self.is_named(concept, s)), default=0.0)
        top = max((s.score for s in lone), default=0.0)
        if shared >= OF_ONE * top and len({s.entity.path for s in lone}) >= PROGRAMS:
            for scored in lone:
                if scored.entity.definition.kind not in TYPE:
                    scored.score *= OF_ONE

    def raise_bases(self, final: list[Scored]) -> None:
        """Put a class that many of the candidates derive from, and that is nearly as good, before them."""
        names = {s.entity.definition.name for s in final if s.entity.definition.kind in TYPE}
        heirs: dict[str, int] = {}
        for name in sorted(names):
            for elder in self._elders(name) - {name.rpartition(".")[2]}:
                heirs[elder] = heirs.get(elder, 0) + 1
        shared = [
            s for s in final if s.entity.definition.kind in TYPE and heirs.get(s.entity.local, 0) >= FEW
        ]
        top = max((s.score for s in final), default=0.0)
        best = max(shared, key=lambda s: (s.score, s.entity.path), default=None)
        if best is not None and SHARED * top <= best.score < top + AHEAD:
            best.score = top + AHEAD
            best.notes.append(f"{heirs[best.entity.local]} others derive from it")

    def prefer_drivers(self, final: list[Scored]) -> None:
        """Raise a method that calls another candidate of its own type: of many loops, the one with such a step."""
        for scored in final:
            entity, words = scored.entity, set(scored.entity.definition.words)
            if entity.container and any(
                other.entity.path == entity.path
                and other.entity.container == entity.container
                and other.entity.local in words - {entity.local}
                for other in final
            ):
                scored.score += DRIVES
        self._leading_first(final)
        self._inner_first(final)

    def _leading_first(self, final: list[Scored]) -> None:
        """Lower a loop that leads nowhere beside one that much of the program hangs from."""
        best = sorted(final, key=lambda s: -s.score)[:CONTEST]
        if len(best) < 2 or best[0].score - best[1].score > LIVE:
            return  # no contest
        led = {id(s): len(self._led(s.entity)) for s in best}
        if max(led.values()) >= MUCH_LED:
            for scored in best:
                if led[id(scored)] <= ALONE:
                    scored.score -= LIVE

    def _led(self, entity: Entity) -> set[Node]:
        """The definitions that one leads to, as many as matter."""
        node = entity.path, entity.definition.name
        return set(Ways(self.corpus.program).search([node], most=MUCH_LED))

    def _inner_first(self, final: list[Scored]) -> None:
        """Put a loop that another type has before those who only call it over and over from outside."""
        for inner in sorted(final, key=lambda s: s.score):
            name, holder = inner.entity.local, inner.entity.container
            if (
                not holder
                or inner.entity.definition.kind not in CALLABLE
                or len(self.corpus.by_name[name]) > FEW
            ):
                continue
            callers = [
                other
                for other in final
                if not other.entity.container
                and other.entity.definition.kind in CALLABLE
                and name in other.entity.definition.words
                and name != other.entity.local
                and (name not in _OF_PROCESSES or self._knows(other.entity, inner.entity))
            ]
            top = max((c.score for c in callers), default=0.0)
            if INNER * top <= inner.score < top:
                inner.score = top + AHEAD
                inner.notes.append("others call it over and over")

    def _knows(self, user: Entity, other: Entity) -> bool:
        """Does the file of one import that of the other, or is it the same?"""
        return user.path in {other.path, *imports(self.corpus.program).get(other.path, ())}

    def prefer_live(self, final: list[Scored], loops: Sequence[Scored]) -> None:
        """Raise the best candidates that the main loop calls, directly or not: of twins, the one that runs."""
        best = sorted(final, key=lambda s: -s.score)[:CONTEST]
        if len(best) < 2 or best[0].score - best[1].score > LIVE:
            return  # no contest
        reached = self._reached(loops)
        for scored in best:
            entity = scored.entity
            if (entity.path, entity.definition.name) in reached:
                scored.score += LIVE
                scored.notes.append("the main loop reaches it")

    def _reached(self, loops: Sequence[Scored]) -> set[Node]:
        """The definitions that the first of the loops lead to, and the classes whose methods those are."""
        if self._live is None:
            roots: list[Node] = []
            for entity in (scored.entity for scored in loops[:3]):
                name = entity.definition.name
                methods = (
                    [f"{name}.{m}" for m in entity.members] if entity.definition.kind in TYPE else [name]
                )
                roots += [(entity.path, m) for m in methods if self.corpus.program.definition(entity.path, m)]
            found = set(Ways(self.corpus.program).search(roots, most=REACH)) if roots else set()
            self._live = found | {(path, symbol.rpartition(".")[0]) for path, symbol in found}
        return self._live

    def _says(self, entity: Entity) -> bool:
        flags = entity.definition.flags
        return "declaration" not in flags and "abstract" not in flags and entity.size >= _SAYS_LITTLE
