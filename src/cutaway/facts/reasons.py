# Why a candidate stands where it stands, in words, each with the line that shows it.
"""Candidates as they are reported, and their evidence."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct

from cutaway.facts.concept import Clue, Concept
from cutaway.facts.corpus import SCRIPT, Corpus, Entity, Scored
from cutaway.facts.words import matcher, snake

if TYPE_CHECKING:
    from cutaway.read.program import Program

__all__ = ["Candidate", "Evidence", "Found", "body", "explain", "line_of"]

SHOWN = 6
_SLASHES = re.compile(r"\s*//")
_COMMENT = {"python": re.compile(r"\s*#")}


class Evidence(Struct, frozen=True):
    """One reason: what was seen, and where."""

    text: str
    path: str
    line: int


class Candidate(Struct, frozen=True):
    """A definition that may be what was asked for. `symbol` is its qualified name in the file; a script's is empty."""

    path: str
    line: int
    symbol: str
    score: float
    evidence: list[Evidence]


class Found(Struct, frozen=True):
    """The ranked candidates of a concept, or why there are none."""

    candidates: list[Candidate] = []
    absent_because: str = ""


def body(corpus: Corpus, entity: Entity) -> str:
    """The source text of a definition; lines that are only a comment are left empty, since they do nothing."""
    comment = _COMMENT.get(corpus.program.record(entity.path).language, _SLASHES)
    lines = corpus.lines(entity.path)[entity.definition.line - 1 : entity.definition.end]
    return "\n".join("" if comment.match(line) else line for line in lines)


def found_in(corpus: Corpus, entity: Entity, clue: Clue, text: str) -> tuple[Entity, re.Match[str]] | None:
    """Where a definition does what a `code` clue says: in its own `text`, in a method that stands outside of its type, or in
    one of a line or two that it calls on its own type."""
    if own := re.search(clue.pattern, text):
        return entity, own
    for part in entity.parts or corpus.helpers(entity):
        if found := re.search(clue.pattern, body(corpus, part)):
            return part, found
    return None


def explain(corpus: Corpus, concept: Concept, scored: Scored) -> Candidate:
    """The candidate as it is reported: its strongest clues, each with a line."""
    entity, definition = scored.entity, scored.entity.definition
    line = _first_line(corpus, entity, scored) if definition.kind == SCRIPT else definition.line
    evidence = []
    strongest = sorted(
        {b for b in scored.met if corpus.clues[b].weight > 0}, key=lambda b: -corpus.clues[b].weight
    )
    for bit in strongest[:SHOWN]:
        text, path, at = _say(corpus, entity, bit)
        if text:
            evidence.append(Evidence(text, path, at or line))
    evidence += [Evidence(note, entity.path, line) for note in dict.fromkeys(scored.notes)]
    return Candidate(entity.path, line, definition.name, round(scored.score, 2), evidence)


def _first_line(corpus: Corpus, entity: Entity, scored: Scored) -> int:
    lines = [
        at
        for bit in scored.met
        if corpus.clues[bit].weight > 0
        for at in [_say(corpus, entity, bit)[2]]
        if at
    ]
    return min(lines, default=1)


def _say(corpus: Corpus, entity: Entity, bit: int) -> tuple[str, str, int]:
    """What a clue saw, in which file and line; an empty text where nothing can be shown."""
    if corpus.clues[bit].field == "code":
        return _does(corpus, entity, corpus.clues[bit])
    text, at = _names(corpus, entity, bit)
    return text, entity.path, at


def _does(corpus: Corpus, entity: Entity, clue: Clue) -> tuple[str, str, int]:
    found = found_in(corpus, entity, clue, body(corpus, entity))
    if not found:
        return "", entity.path, 0
    place, match = found
    text = match.string[match.start() :].splitlines()[0].strip()[:80]
    at = place.definition.line + match.string.count("\n", 0, match.start())
    return f"it does `{text}`" if place is entity else f"its {place.local} does `{text}`", place.path, at


def _names(corpus: Corpus, entity: Entity, bit: int) -> tuple[str, int]:
    clue, definition = corpus.clues[bit], entity.definition
    match clue.field:
        case "name":
            return f"its name, {entity.local}", definition.line
        case "owner":
            return f"it stands in {entity.container}", definition.line
        case "path":
            return f"its file is {entity.path.rpartition('/')[2]}", definition.line
        case "base":
            return f"it derives from {', '.join(definition.bases)[:80]}", definition.line
        case "marked":
            return f"it is marked {', '.join(definition.decorators)[:80]}", definition.line
        case "about":
            return "its documentation says so", definition.line
        case "has":
            wanted = matcher(clue.pattern)
            member = next((m for m in entity.members if wanted.search(snake(m))), "")
            return f"it has {member}", line_of(corpus.program, entity.path, entity.index, member)
        case "keeps":
            wanted = matcher(clue.pattern)
            kept = next((f for f in (*entity.fields, *entity.attributes) if wanted.search(snake(f))), "")
            return f"it keeps {kept}", line_of(corpus.program, entity.path, entity.index, kept)
        case "takes":
            wanted = matcher(clue.pattern)
            taken = next(
                (
                    p.name
                    for p in definition.params
                    if wanted.search(snake(p.name)) or wanted.search(snake(p.annotation))
                ),
                "",
            )
            return (f"it takes {taken}", definition.line) if taken else ("", 0)
    word = corpus.word_for(entity, bit)
    return f"it uses {word}", line_of(corpus.program, entity.path, entity.index, word)


def line_of(program: Program, path: str, scope: int, word: str) -> int:
    """The first line of a definition (`scope` is its index, -1 the whole file) that holds a word, else the first of the
    file (a type's methods may stand outside of it); 0 where none does."""
    if not word:
        return 0
    lines = program.lines(path)
    whole = re.compile(rf"(?<!\w){re.escape(word)}(?!\w)")
    spans = [(1, len(lines))]
    if scope >= 0:
        definition = program.record(path).defs[scope]
        spans.insert(0, (definition.line, min(definition.end, len(lines))))
    numbers = (n for first, last in spans for n in range(first, last + 1))
    return next((n for n in numbers if whole.search(lines[n - 1])), 0)
