# The words in which a detector is written: a concept is a set of clues of several kinds, each with a weight, and the
# kinds of evidence that a candidate must have before it counts. Detectors hold only such data; `scoring.py` holds
# the judgement, so that every concept is judged alike.
"""`Concept` and its `Clue`s."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = [
    "CALLABLE",
    "TYPE",
    "VALUE",
    "Clue",
    "Concept",
    "about",
    "base",
    "code",
    "has",
    "keeps",
    "kinds",
    "marked",
    "name",
    "owner",
    "path",
    "takes",
    "uses",
]

TYPE = ("class", "struct", "enum", "interface", "trait", "type")
CALLABLE = ("function", "method", "kernel")
VALUE = ("constant", "macro", "script")


@dataclass(frozen=True)
class Clue:
    """`pattern` over the words of one `field` of a definition is worth `weight` points; `tag` groups clues that stand for
    the same thing in `Concept.needs`. Fields: name (its own), owner (of the class it is a method of), path (of its file),
    has (methods and nested definitions), keeps (fields of a type), uses (identifiers of the body, a type's fields among
    them), takes (parameters and their types), base (base classes and traits), marked (decorators and
    attributes), about (docstring, lower case), code (source
    text, a raw regular expression)."""

    field: str
    pattern: str
    weight: float
    tag: str = ""


def _maker(where: str):
    def make(pattern: str, weight: float, tag: str = "") -> Clue:
        return Clue(where, pattern, weight, tag)

    make.__name__ = where
    make.__doc__ = f"A clue in `{where}` (see `Clue`)."
    return make


name, owner, path, has, keeps, uses, takes, base, marked, about, code = map(
    _maker, ("name", "owner", "path", "has", "keeps", "uses", "takes", "base", "marked", "about", "code")
)


@dataclass(frozen=True)
class Concept:
    """One thing to find. `looked_for` completes the sentence "no definition that …", the reason of an absence. `kinds`
    are the kinds of definitions that can be it, each with the factor on its score. All of `needs` must be met: each is a
    tag, or several joined by `|` of which one is enough. `least` is the score below which nothing is claimed. `near`
    raises a candidate by so many points where it is, or stands in, a class that another concept found (`scheduler`), or
    beside it in its file. `leads` is a tag, or several as in `needs`: who has it is taken before who has not, unless far
    better. `whole`: who calls several of the candidates of its own file is put before them. `through`: a method may meet a
    need by another candidate of its type that it calls. `holds`: a type that keeps several of the candidates, or keeps what
    does, is put before them. `inline`: where nothing bears its name, the main loop that does all of it is it. `anywhere`: a
    thing that programs without a language model have too."""

    key: str
    looked_for: str
    kinds: dict[str, float]
    clues: tuple[Clue, ...]
    needs: tuple[str, ...] = ()
    least: float = 8.0
    near: dict[str, float] = field(default_factory=dict)
    leads: str = ""
    whole: bool = False
    through: bool = False
    holds: bool = False
    inline: bool = False
    anywhere: bool = False


def kinds(
    types: float = 0.0, callables: float = 0.0, values: float = 0.0, device: bool = True
) -> dict[str, float]:
    """The kinds table of a concept from one factor per family; a family with 0 cannot be it. Without `device`, what runs on
    one cannot either: a kernel decides nothing."""
    table = {
        **dict.fromkeys(TYPE, types),
        **dict.fromkeys(CALLABLE, callables),
        **dict.fromkeys(VALUE, values),
    }
    return {kind: factor for kind, factor in table.items() if factor and (device or kind != "kernel")}
