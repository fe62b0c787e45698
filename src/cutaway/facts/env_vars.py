# Variables of the environment that the product reads: the read sites that the readers marked, names that reach
# `getenv` through a constant, and classes of variables whose attributes are the names.
"""`find_env_vars(program)`."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from cutaway.facts.lookup import evidence, lookup
from cutaway.facts.roles import role_of
from cutaway.model.code import FileRecord, Mark
from cutaway.read.program import Program

__all__ = ["find_env_vars"]

LANGUAGES = (
    "python",
    "rust",
    "go",
    "c",
    "cpp",
    "cuda",
    "typescript",
    "javascript",
)  # a Dockerfile's ARG is no setting
READERS = 8  # read sites shown of each variable
_NAME = re.compile(r"^[A-Z][A-Z0-9_]*$")
_READS = re.compile(
    r"(^|\.)(getenv|environ\.(get|pop|setdefault))$|(^|::)(var|var_os)$|(^|\.)(Getenv|LookupEnv)$"
)
_NATIVE = re.compile(r"(^|[.:]|_)([gG]et_?[eE]nv\w*|LookupEnv|env::var|var_os|read_env|ReadEnv)$|env::var$")
_FIELD = re.compile(r"^(\w+\.)*_?(Env|env)\w*(\[.*?\])?\((?P<arguments>.*)\)$")
_PREFIX = re.compile(r"""f["']\{(?P<constant>[A-Z][A-Z0-9_]*)\}|f["'](?P<text>[A-Z][A-Z0-9_]*_)\{""")
_MADE = re.compile(r"""\b(?P<told>\w+) = f["']\{(?P<constant>[A-Z][A-Z0-9_]*)\}(?P<between>\w*)\{(?P<from>\w+)\b""")
_RAISED = re.compile(r"([A-Z][A-Z0-9_]*)\.upper\(\)")
_STRING = re.compile(r"""^[rbuf]*(["'])(?P<text>[^"']*)\1$""")
_BUILD = re.compile(r"^(CARGO_|OUT_DIR$)")  # what Cargo tells the code that it compiles
_SETTINGS = re.compile(r"\bBaseSettings\b")
_ENV_PREFIX = re.compile(r"""env_prefix["']?\s*[=:]\s*["'](\w*)["']""")


def find_env_vars(program: Program) -> list[dict[str, Any]]:
    """`{name, path, line, default, readers, evidence}` by name: where a variable is read first, preferring a place that gives a
    default, and the other places. Writes (`os.environ["X"] = …`) are not reads. Tests, documents and examples do not count."""
    sites: dict[str, list[tuple[str, int, str]]] = defaultdict(list)
    for path in program.paths:
        hidden = path.startswith(".") or "/." in path  # what the forge runs is no setting of the product
        if (
            role_of(path) in ("code", "tool", "benchmark")
            and program.record(path).language in LANGUAGES
            and not hidden
        ):
            for name, line, default in _sites(program, path, program.record(path)):
                sites[name].append((path, line, default))
    return [_variable(program, name, sites[name]) for name in sorted(sites)]


def _variable(program: Program, name: str, places: list[tuple[str, int, str]]) -> dict[str, Any]:
    places = sorted(set(places), key=lambda p: _preference(program, *p))
    path, line, default = places[0]
    return {
        "name": name, "path": path, "line": line, "default": default,
        "readers": [f"{p}:{at}" for p, at, _ in places[:READERS]],
        "evidence": [evidence(program, path, line, f"reads {name}")],
    }  # fmt: skip


def _preference(program: Program, path: str, line: int, default: str) -> tuple:
    return role_of(path) != "code", not default, -_count(program, path), path.count("/"), path, line


def _count(program: Program, path: str) -> int:
    """How many variables a file reads: the file that keeps them all is where one is looked up."""
    return sum(m.kind == "env" for m in program.record(path).marks)


def _sites(program: Program, path: str, record: FileRecord) -> Iterator[tuple[str, int, str]]:
    for mark in record.marks:
        if mark.kind == "env" and not mark.detail.get("write") and not _BUILD.match(mark.name):
            name = f"{_put_before(program, path, record, mark)}{mark.name}"
            yield name, mark.line, _plain(mark.detail.get("default", ""))
        elif mark.kind == "flag" and (named := mark.detail.get("env")):
            yield named.strip("\"'"), mark.line, _plain(mark.detail.get("default", ""))
    if record.language != "python":
        yield from _named_elsewhere(program, path, record)
        return
    for call in record.calls:
        if call.args and _NAME.match(call.args[0]) and _READS.search(call.callee):
            name = _constant(program, path, call.args[0])
            if name:
                yield name, call.line, _plain(call.args[1] if len(call.args) > 1 else "")
    yield from _declared(program, path, record)


def _named_elsewhere(program: Program, path: str, record: FileRecord) -> Iterator[tuple[str, int, str]]:
    """Reads by the name of a constant in declared languages: `os.Getenv(envHost)`, `GetEnv(kTraceFile)`."""
    for call in record.calls:
        name = call.args[0].rpartition("::")[2].rpartition(".")[2] if call.args else ""
        if name.isidentifier() and _NATIVE.search(call.callee):
            text = _text_of(program, path, record, call.scope, name)
            if _NAME.match(text):
                yield text, call.line, _plain(call.args[1] if len(call.args) > 1 else "")


def _text_of(program: Program, path: str, record: FileRecord, scope: int, name: str) -> str:
    """The string of a constant: the function's, the file's, or the only one of its name anywhere."""
    for bind in record.binds:
        if bind.target == name and bind.scope in (scope, -1) and (text := _STRING.match(bind.value)):
            return text["text"]
    found = {
        text["text"]
        for where, _ in program.names.get(name, ())
        for mark in program.record(where).marks
        if mark.kind == "literal" and mark.name == name and (text := _STRING.match(mark.detail.get("value", "")))
    }
    return found.pop() if len(found) == 1 else ""


def _declared(program: Program, path: str, record: FileRecord) -> Iterator[tuple[str, int, str]]:
    """Classes whose attributes are variables: `X = EnvInt(3)` in a file that reads the environment by a computed name, and
    pydantic settings."""
    prefix = _prefix(program, path, record)
    computed = any(_READS.search(c.callee) and c.args and not _STRING.match(c.args[0]) for c in record.calls)
    for bind in record.binds:
        if bind.scope < 0 or record.defs[bind.scope].kind != "class":
            continue
        settings = _SETTINGS.search(" ".join(record.defs[bind.scope].bases))
        if settings and bind.annotation and not bind.target.startswith(("model_", "_")):
            found = _ENV_PREFIX.search(" ".join(b.value for b in record.binds if b.scope == bind.scope))
            yield f"{found[1] if found else ''}{bind.target}".upper(), bind.line, bind.value
        elif (computed or prefix) and _NAME.match(bind.target) and (made := _FIELD.match(bind.value)):
            yield prefix + bind.target, bind.line, made["arguments"].split(",")[0].strip()


def _put_before(program: Program, path: str, record: FileRecord, mark: Mark) -> str:
    """What a function of the repository puts before the name that it is told as a keyword, before it reads the
    environment: `envvar = f"{PREFIX}_{envvar.upper()}"` in the function that `envvar="PORT"` goes to."""
    keyword = mark.detail.get("via", "")
    told = f'{keyword}="{mark.name}"'
    call = next((c for c in record.calls if told in (a.replace("'", '"') for a in c.args)), None)
    place = lookup(program).follow(path, call.callee) if call else None
    if place is None or place[1].kind != "function":
        return ""
    body = "\n".join(program.lines(place[0])[place[1].line - 1 : place[1].end])
    made = next((m for m in _MADE.finditer(body) if m["told"] == m["from"] == keyword), None)
    constant = _constant(program, place[0], made["constant"]) if made else ""
    return constant + made["between"] if constant else ""


def _prefix(program: Program, path: str, record: FileRecord) -> str:
    for call in record.calls:
        for argument in call.args:
            if "{" in argument and (found := _PREFIX.match(argument)):
                return found["text"] or _constant(program, path, found["constant"]) or ""
    return ""


def _constant(program: Program, path: str, name: str) -> str:
    """The string that a constant holds, its own file's or an imported one's."""
    place = lookup(program).follow(path, name)
    if place is None or place[1].kind != "constant":
        return ""
    value = next(
        (b.value for b in program.record(place[0]).binds if b.scope < 0 and b.target == place[1].name), ""
    )
    if text := _STRING.match(value):
        return text["text"]
    raised = _RAISED.fullmatch(value)
    return _constant(program, place[0], raised[1]).upper() if raised and raised[1] != place[1].name else ""


def _plain(text: str) -> str:
    found = _STRING.match(text)
    return found["text"] if found else text
