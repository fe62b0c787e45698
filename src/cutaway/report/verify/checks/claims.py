# A citation proves a claim only if the lines speak of the same things: each name and number that a claim quotes must occur in
# the lines it cites, or in the definition whose head it cites.
from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from fractions import Fraction
from itertools import takewhile

from cutaway.report.verify.checks.evidence import found
from cutaway.report.verify.checks.lines import stands
from cutaway.report.verify.model import Check, Cited, Claim, Document, Finding
from cutaway.report.verify.sources import Sources, words

__all__ = ["CHECK"]

_LITERAL = re.compile(r"(?<![\w.])0[xX][0-9a-fA-F_]+|(?<![\w.])\d[\d_]*(?:\.\d+)?(?:[eE][+-]?\d+)?")
_THOUSANDS = re.compile(r"(?<![\w.,])\d{1,3}(?:,\d{3})+(?![\w,])")  # as documents spell them
_PRODUCT = re.compile(r"(?<![\w.])(\d[\d_]*)\s*(\*\*|<<|\*)\s*(\d[\d_]*)(?![\w.])")
_FORMULA = re.compile(r"\{[a-z_]+\}")  # a symbol of our formulas
_PYTHON = ("pyproject.toml", "setup.py", "setup.cfg", "*requirements*.txt")
MANIFESTS = {
    "pip": _PYTHON, "uv": (*_PYTHON, "uv.lock"), "python": _PYTHON, "poetry": ("pyproject.toml",), "cargo": ("Cargo.toml",),
    "go": ("go.mod",), "npm": ("package.json",), "yarn": ("package.json",), "pnpm": ("package.json",),
    "cmake": ("CMakeLists.txt",), "docker": ("*Dockerfile*", "*compose*.y*ml"),
}  # fmt: skip
ATTRIBUTE, COMMENT, GOES_ON = 8, 12, 12  # lines of the longest that is looked through
GOES_ON_AT = re.compile(r"(\\|\s[-+*/%=&|?:]=?|&&|\|\|)\s*$")  # with the next line
_COMMENT = re.compile(r"\s*(//|/\*|\*(?!\*)|#(?![\[!]|\s*(include|define|if|el|end|pragma)\b)|--\s)")
_JOINED = re.compile(r"\s\\\n")  # where a command goes on
CONSTANTS = frozenset({"True", "False", "None", "true", "false", "null", "nil"})


def find(document: Document, sources: Sources) -> Iterator[Finding]:
    for claim in document.claims:
        read = [c for c in claim.cited if _readable(c, sources)]
        if not read or len(read) < sum(bool(c.start) for c in claim.cited):
            continue  # another check has said that a place is not there
        text = "\n".join(_evidence(c, claim, sources) for c in read)
        said = ", ".join(map(str, read))
        known = words(text)
        if claim.kind == "code":
            if claim.quotes and not known & set(claim.quotes):
                yield Finding(
                    "claim",
                    f"nothing of `{claim.text[:80]}` occurs at {said}",
                    claim.line,
                    claim.where,
                    read[0],
                )
            continue
        named = {c.symbol for c in read}  # these have a check of their own
        missing = [
            quote
            for quote in claim.quotes
            if quote.removesuffix("()") not in named
            and not _follows(quote, read)
            and not _occurs(quote, text, known)
        ]
        if missing:
            quoted = ", ".join(f"`{q}`" for q in missing)
            yield Finding("claim", f"{quoted} does not occur at {said}", claim.line, claim.where, read[0])
            continue
        values = _values(text) if claim.numbers else set()
        strange = [n for n in claim.numbers if not _number(n) & values]
        if strange:
            yield Finding(
                "claim", f"{', '.join(strange)} does not occur at {said}", claim.line, claim.where, read[0]
            )


def _readable(cited: Cited, sources: Sources) -> bool:
    return stands(cited, sources) or (bool(cited.evidence) and found(cited, sources).state == "current")


def _evidence(cited: Cited, claim: Claim, sources: Sources) -> str:
    """The cited lines; the whole definition where its head is cited or its name is quoted; and the names around them."""
    start, end = cited.start, cited.end
    around = sources.around(cited.path, start, end)
    quoted = {part for q in claim.quotes for part in re.split(r"\W+", q)} | set(
        re.split(r"\W+", cited.symbol)
    )
    wider = sources.begun(cited.path, start, end) + [d for d in around if d.name.split(".")[-1] in quoted]
    for whole in wider:
        start, end = min(start, whole.start), max(end, whole.end)
    lines = sources.lines(cited.path)
    start, end = _with_comment(lines, _with_attributes(lines, start)), _to_its_end(lines, start, end)
    names = " ".join(re.sub(r"\W+", " ", d.name) for d in around)
    path = "" if claim.kind == "code" else cited.path
    return "\n".join([sources.text(cited.path, start, end), names, path])


def _to_its_end(lines: Sequence[str], start: int, end: int) -> int:
    """The last line of a command or a bracketed list that begins in the lines (1-based) and goes on below them."""
    for last in range(end, min(len(lines), end + GOES_ON) + 1):
        text = "".join(lines[start - 1 : last])
        open_ = any(text.count(a) > text.count(b) for a, b in ("()", "[]"))
        if not open_ and not GOES_ON_AT.search(lines[last - 1]):
            return last
    return end


def _with_attributes(lines: Sequence[str], line: int) -> int:
    """The first line of the attributes or decorators right above a line (1-based): they say more of what stands there."""
    while line > 1 and lines[line - 2].rstrip().endswith((")]", "]", ")")):
        above = range(line - 1, max(0, line - 1 - ATTRIBUTE), -1)
        head = next((n for n in above if lines[n - 1].lstrip().startswith(("#[", "@"))), 0)
        if not head:
            break
        line = head
    return line


def _with_comment(lines: Sequence[str], line: int) -> int:
    """The first line of the comment right above a line (1-based): it says what stands there."""
    above = range(line - 1, max(0, line - 1 - COMMENT), -1)
    commented = list(takewhile(lambda n: _COMMENT.match(lines[n - 1]), above))
    return commented[-1] if commented else line


def _follows(quote: str, cited: list[Cited]) -> bool:
    """Whether it is a command of the tool that reads a cited manifest: `pip install .` stands in no pyproject.toml."""
    tool = quote.split(maxsplit=1)[0].lower() if " " in quote.strip() else ""
    names = [place.path.rpartition("/")[2] for place in cited]
    return any(fnmatchcase(name, pattern) for name in names for pattern in MANIFESTS.get(tool, ()))


def _occurs(quote: str, text: str, known: set[str]) -> bool:
    """Whether the quote is in the text as it stands, white space apart, or each of its names is; `…` ends one that was cut."""
    folded = " ".join(quote.split())
    if _FORMULA.search(folded):
        return True  # derived from the lines, not copied; it has a check of its own
    whole = folded.removesuffix("…").rstrip()
    if folded in CONSTANTS or whole in " ".join(_JOINED.sub("\n", text).split()):
        return True
    if whole != folded:  # cut to a length, perhaps within a word
        folded = whole.rpartition(" ")[0] or whole
    last = re.sub(r"[A-Za-z_$][\w$]*(?:\.|::|->)(?=~?[A-Za-z_$])", "", folded)  # of a.b.c, c
    names = words(re.sub(r"(?<=\w)-(?=\w)", "_", last)) - CONSTANTS
    if names:
        return names <= known
    values = _values(text)
    return all(_number(n) & values for n in _LITERAL.findall(folded))


def _values(text: str) -> set[Fraction]:
    """Every number that the text spells, as a literal or as a product or power of two."""
    found = {_value(n) for n in [*_LITERAL.findall(text), *_THOUSANDS.findall(text)]}
    for left, operator, right in _PRODUCT.findall(text):
        a, b = int(left.replace("_", "")), int(right.replace("_", ""))
        if operator == "*" or (b < 64 and a < 1 << 32):
            found.add(Fraction(a * b if operator == "*" else a**b if operator == "**" else a << b))
    return found


def _number(text: str) -> set[Fraction]:
    """What a number in prose may stand for in code: itself, or a share of one for a percentage."""
    value = _value(text)
    return {value, value / 100}


def _value(literal: str) -> Fraction:
    digits = literal.replace("_", "").replace(",", "")
    if digits[:2] in ("0x", "0X"):
        return Fraction(int(digits, 16))
    mantissa, _, exponent = digits.lower().partition("e")
    power = max(-400, min(400, int(exponent or 0)))  # no number of a source file makes us compute for hours
    return Fraction(mantissa) * Fraction(10) ** power


CHECK = Check(
    "claim", "names and numbers that a claim quotes occur in the lines it cites", find, needs_source=True
)
