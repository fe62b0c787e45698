# What a file or folder is for, in its own words: a docstring, a manifest's description, a README's first sentence; where it
# says nothing, what it holds most of. Each comment carries the line it was taken from; one that cannot be found there is none.
"""`file_comment`, `folder_comment`: a comment and its source."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from cutaway.facts.outermost import outermost
from cutaway.facts.roles import role_of
from cutaway.model.code import Def, FileRecord
from cutaway.report.escape import one_line
from cutaway.report.evidence import Citation, cite

if TYPE_CHECKING:
    from cutaway.report.tree import Repository

__all__ = ["Comment", "file_comment", "folder_comment"]

WIDTH = 90  # characters of a comment
SHOWN = 4  # names that stand for a folder
SPEAKING = (
    "__init__.py",
    "mod.rs",
    "lib.rs",
    "doc.go",
    "main.rs",
    "index.ts",
    "index.js",
)  # these speak for their folder
MANIFESTS = ("pyproject.toml", "Cargo.toml", "package.json", "setup.py", "setup.cfg", "go.mod")
LANGUAGES = {
    "python": "Python", "c": "C", "cpp": "C++", "cuda": "CUDA", "rust": "Rust", "go": "Go", "typescript": "TypeScript",
    "javascript": "JavaScript", "shell": "shell", "docker": "Docker", "make": "Make", "cmake": "CMake", "toml": "TOML",
    "yaml": "YAML", "json": "JSON", "markdown": "Markdown", "text": "text",
}  # fmt: skip
KERNELS = {"cuda": "CUDA kernel", "python": "Triton kernel"}
TYPES = frozenset({"class", "struct", "enum", "interface", "trait", "type"})
_LEGAL = re.compile(
    r"(?i)copyright|licen[cs]e|spdx|all rights reserved|-\*-|eslint|prettier-ignore|shellcheck|coding[:=]"
)
_END = re.compile(
    r"(?<=[.!?。])(?<!e\.g\.)(?<!i\.e\.)(?<! vs\.)(?<!etc\.)\s|\s\s|:\s*$|\s[-=~]{3,}|\s:param"
    r"|\s(?:Args|Usage|Example|Examples|Parameters)\s?:"
)
_NO_PROSE = re.compile(
    r"^\s*(?:\[?!\[|[<{|.&]|[-*+]\s(?!\S*$))"
)  # badges, tags, styles, lists at the head of a page
_MARKUP = re.compile(r"<[^<>]*>|!?\[([^\[\]]*)\]\([^()]*\)|[`*]{1,3}|^#+\s*|:[a-z]+:(?=`)")


_MADE = re.compile(r"[A-Z]+(?:_[A-Z]+)*\(\s*(\w+)\s*,\s*(\w+)\s*\)")
_TELLING = re.compile(r"^(?!python$).*[A-Za-z]{2}")  # not `.`, `%`, or the language itself


_CUSTOMS = tuple(
    (re.compile(pattern), text)
    for pattern, text in (
        (r"(?i)(un)?licen[sc]e([-.]\w+)*|copying([-.]\w+)*|notice(\.\w+)?", "terms of use"),
        (r"(?i)(authors|contributors|maintainers|owners|codeowners)(\.\w+)?", "who made it, who answers for it"),
        (r"(?i)(changelog|changes|news|history|releases?)(\.\w+)?", "what changed from release to release"),
        (r"(?i)todo(\.\w+)?", "what is still to do"),
        (r"(?i)security(\.md)?|code_of_conduct(\.md)?|contributing(\.\w+)?", "how to take part"),
        (r"\.gitignore|\.dockerignore|\.npmignore|\.\w+ignore", "paths that a tool leaves out"),
        (r"\.gitattributes", "how git treats files"),
        (r"\.gitmodules", "repositories within this one"),
        (r"\.editorconfig|\.clang-(format|tidy)|rustfmt\.toml|\.(eslint|prettier|stylelint)rc(\.\w+)?|\.flake8|\.pylintrc"
         r"|\.rubocop\.yml|\.golangci\.ya?ml|eslint.*\.json", "style of the code"),
        (r"tsconfig.*\.json|jsconfig\.json", "settings of the TypeScript compiler"),
        (r".*\.d\.ts", "declarations of types"),
        (r"\.env(\.\w+)*", "variables of the environment"),
        (r".*[.-]lock(\.\w+)?|go\.sum|package-lock\.json|npm-shrinkwrap\.json", "pinned versions of dependencies"),
        (r"__init__\.py", "makes the folder a package"),
        (r"py\.typed", "says that the package has types"),
    )
)  # fmt: skip


class Comment(NamedTuple):
    """One line of text, and where it comes from; None for what was only counted."""

    text: str
    source: Citation | None


def file_comment(program: Repository, path: str, role: str) -> Comment | None:
    """What a file says it is, else what it holds."""
    record = program.record(path)
    said = [record.doc, *(m.detail.get("text", "") for m in record.marks if m.kind == "title")]
    said += [m.name for m in record.marks if m.kind == "title" and record.language in ("markdown", "text")][
        :1
    ]
    return next(_quoted(program, path, said), None) or _held(program, path, record, role) or _customary(path)


def _customary(path: str) -> Comment | None:
    """What files of this name are everywhere."""
    name = path.rpartition("/")[2]
    return next((Comment(text, None) for pattern, text in _CUSTOMS if pattern.fullmatch(name)), None)


def folder_comment(program: Repository, folder: str, paths: list[str], role: str) -> Comment | None:
    """What a folder's own files say of it, else what most of it is. `paths` are all files below it."""
    base = f"{folder}/" if folder else ""
    mine = {path.removeprefix(base): path for path in paths if "/" not in path.removeprefix(base)}
    manifests = [mine[name] for name in MANIFESTS if name in mine]
    for path in manifests:
        texts = [m.detail.get("text", "") for m in program.record(path).marks if m.kind == "title"]
        for comment in _quoted(program, path, texts):
            return comment
    for path in [mine[name] for name in SPEAKING if name in mine] + _packages(program, mine):
        for comment in _quoted(program, path, [program.record(path).doc]):
            return comment
    for path in [path for name, path in sorted(mine.items()) if re.match(r"(?i)readme(\.\w+)?$", name)]:
        titles = [m.name for m in program.record(path).marks if m.kind == "title"][:1]
        for comment in _quoted(program, path, [program.record(path).doc, *titles]):
            return comment
    return _most(program, paths, role)


def _packages(program: Repository, mine: dict[str, str]) -> list[str]:
    """Go files whose comment speaks for the package."""
    go = [p for n, p in sorted(mine.items()) if n.endswith(".go")]
    return [p for p in go if program.record(p).doc.startswith("Package ")]


def _quoted(program: Repository, path: str, texts: Iterable[str]) -> Iterator[Comment]:
    """The first sentence of each text that says something, with its line."""
    for text in texts:
        sentence = _sentence(text)
        lines = program.lines(path) if sentence else []  # a file that is not read says nothing
        line = _line_of(lines, sentence)
        if line and not _NO_PROSE.match(lines[line - 1]):
            yield Comment(one_line(sentence, WIDTH), _source(program, path, line))


def _sentence(text: str) -> str:
    plain = _MARKUP.sub(lambda m: m[1] or "", text).strip()
    first = _END.split(f"{plain} ", maxsplit=1)[0].strip().rstrip(".:")
    words = first.split()
    telling = len(words) > 1 and _TELLING.search(first) and not _LEGAL.search(first)
    return " ".join(words) if telling else ""


def _line_of(lines: list[str], sentence: str) -> int:
    """The line on which a sentence begins; 0 if its first words stand on none."""
    words = sentence.split()
    for count in (4, 3, 2):
        start = " ".join(words[:count])
        for number, line in enumerate(lines, 1):
            if start in " ".join(_MARKUP.sub(lambda m: m[1] or "", line).split()):
                return number
    return 0


def _source(program: Repository, path: str, line: int) -> Citation:
    return cite(path, program.lines(path), line, symbols=program.record(path).defs)


def _held(program: Repository, path: str, record: FileRecord, role: str) -> Comment | None:
    """The content that dominates a file that says nothing of itself."""
    top = [d for d in outermost(record) if "declaration" not in d.flags]
    kernels = [d for d in record.defs if d.kind == "kernel"]
    tests = [d for d in record.defs if role == "test" and _is_test(d)]
    types = sorted((d for d in top if d.kind in TYPES), key=lambda d: (d.start - d.end, d.line))
    functions = sorted(
        (d for d in top if d.kind in ("function", "method")), key=lambda d: (d.start - d.end, d.line)
    )
    if not (kernels or tests) and (bodies := _bodies(program, path, top, types)):
        return bodies
    for found, label in (
        (kernels, KERNELS.get(record.language, "kernel")),
        (tests, "test"),
        (types, "type" if len({d.kind for d in types}) > 1 else types[0].kind if types else ""),
        (functions, "function"),
    ):
        if found:
            return Comment(_counted(found, label), _source(program, path, found[0].line))
    listed = sorted((d for d in outermost(record) if d.kind in ("function", "method")), key=lambda d: d.line)
    if listed:  # a header
        return Comment(f"declares {_counted(listed, 'function')}", _source(program, path, listed[0].line))
    return _declared(program, path, record)


def _bodies(program: Repository, path: str, top: list[Def], types: list[Def]) -> Comment | None:
    """The methods of a type that another file declares, where they are most of what stands here."""
    known = {d.name for d in types}
    owned = [d for d in top if d.kind == "method" and d.name.rpartition(".")[0] not in known]
    owners = Counter(d.name.rpartition(".")[0] for d in owned)
    if not owners:
        return None
    owner, count = max(owners.items(), key=lambda o: o[1])
    if count < 2 or 2 * count < len(top):
        return None
    its = sorted((d for d in owned if d.name.startswith(f"{owner}.")), key=lambda d: (d.start - d.end, d.line))
    names = ", ".join(dict.fromkeys(map(_called, its[:3])))
    said = f"{_number(count, 'method')} of {owner.rpartition('.')[2]}: {names}{' …' if count > 3 else ''}"
    return Comment(one_line(said, WIDTH), _source(program, path, its[0].line))


def _declared(program: Repository, path: str, record: FileRecord) -> Comment | None:
    """What a manifest or a list declares most of."""
    for kind in ("script", "target", "dependency", "command", "route"):
        marks = [m for m in record.marks if m.kind == kind and m.name.strip()]
        lines = program.lines(path)
        spelt = [m for m in marks if 1 <= m.line <= len(lines) and m.name.split()[0] in lines[m.line - 1]]
        telling = [m for m in spelt if _TELLING.search(m.name)][:3]
        if telling:
            names = ", ".join(one_line(m.name, 32) for m in telling)
            said = f"{_number(len(marks), kind)}: {names}{' …' if len(marks) > len(telling) else ''}"
            return Comment(one_line(said, WIDTH), _source(program, path, telling[0].line))
    return None


def _most(program: Repository, paths: list[str], role: str) -> Comment | None:
    """What most of a folder is: kernels, tests, or files of a language with the largest thing in them."""
    records = {path: program.record(path) for path in paths}
    own = {p: r for p, r in records.items() if role_of(p) == role} or records
    for kind, label in (("kernel", ""), *([("test", "test")] if role == "test" else [])):
        found = [(p, d) for p, r in own.items() for d in r.defs if _is(kind, d, p)]
        files = len({p for p, _ in found})
        if found and 2 * files >= sum(bool(r.defs) for r in own.values()):
            path, first = found[0]
            said = _counted([d for _, d in found], label or KERNELS.get(records[path].language, "kernel"))
            return Comment(said, _source(program, path, first.line))
    languages = Counter({r.language: 0 for r in own.values() if r.language})
    for record in own.values():
        if record.language:
            languages[record.language] += 1 + record.code_lines
    if not languages:
        return None
    language = min(languages, key=lambda name: (-languages[name], name))
    mine = sorted(
        (p for p, r in own.items() if r.language == language), key=lambda p: (-records[p].code_lines, p)
    )
    count = f"{len(mine)} {LANGUAGES.get(language, language)} file{'' if len(mine) == 1 else 's'}"
    largest = _largest({path: records[path] for path in mine})
    if not largest:
        return Comment(count, None)
    names = list(dict.fromkeys(_called(d) for _, d in largest))
    more = " …" if len(names) > SHOWN else ""
    said = f"{count}: {', '.join(names[:SHOWN])}{more}"
    return Comment(one_line(said, WIDTH), _source(program, largest[0][0], largest[0][1].line))


def _largest(records: dict[str, FileRecord]) -> list[tuple[str, Def]]:
    """The types of some files, the longest first; their functions where they have no types."""
    top = [
        (p, d)
        for p, r in records.items()
        for d in outermost(r)
        if "declaration" not in d.flags
    ]
    found = [(p, d) for p, d in top if d.kind in TYPES] or [(p, d) for p, d in top if d.kind == "function"]
    return sorted(found, key=lambda row: (row[1].start - row[1].end, row[0], row[1].line))


def _is(kind: str, definition: Def, path: str) -> bool:
    if kind == "kernel":
        return definition.kind == "kernel"
    return role_of(path) == "test" and _is_test(definition)


def _is_test(definition: Def) -> bool:
    name = definition.name.rpartition(".")[2]
    return definition.kind in ("function", "method") and bool(re.match(r"(?i)test", name))


def _counted(found: list[Def], label: str) -> str:
    """`12 CUDA kernels: a, b, c …`; one thing by its name alone."""
    names = list(dict.fromkeys(map(_called, found)))[:3]
    more = " …" if len(found) > len(names) else ""
    if len(found) == 1:
        return one_line(f"{label} {names[0]}", WIDTH)
    return one_line(f"{_number(len(found), label)}: {', '.join(names)}{more}", WIDTH)


def _called(definition: Def) -> str:
    """Its own name; of a test that a macro makes (`TEST_F(Suite, Case)`) what the macro is given."""
    made = _MADE.match(definition.signature)
    return f"{made[1]}.{made[2]}" if made else definition.name.rpartition(".")[2]


def _number(count: int, word: str) -> str:
    if count == 1:
        return f"1 {word}"
    if word.endswith("y"):
        return f"{count} {word[:-1]}ies"
    return f"{count} {word}{'es' if word.endswith('s') else 's'}"
