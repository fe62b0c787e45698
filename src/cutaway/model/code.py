# The nouns of a repository that is read and never run: what one file declares, in a form that every language
# shares and that the index stores by the file's content. Records, not objects with behaviour; msgspec keeps
# 100,000 of them cheap to store and checks their types when a stored one is read back.
"""What one source file says.

Names inside a file are qualified by `.`: `Scheduler.schedule`, `outer.inner` for nested functions, `ns.Class.method`
for `ns::Class::method`. Lines are 1-based. Texts are source as it stands, cut to a length with `…`.
"""

from __future__ import annotations

from msgspec import Struct

__all__ = ["Bind", "Call", "Def", "Edge", "FileRecord", "Import", "Mark", "Param"]

MODULE = -1  # the scope of what stands outside every definition


class Param(Struct, array_like=True, gc=False, frozen=True):
    """A parameter of a definition; `*args` and `**kwargs` keep their stars."""

    name: str
    annotation: str = ""
    default: str = ""


class Def(Struct, array_like=True, frozen=True):
    """A definition: `kind` is one of class, function, method, struct, enum, interface, trait, kernel, constant,
    macro, namespace, type. A device kernel (`__global__`, `@triton.jit`) is `kernel` whatever it stands in.

    `line` is the line of `def`/`class`/the name, `start` that of its first decorator, attribute or template line,
    `end` its last. `parent` is the index of the enclosing definition in the file, or -1. `bases` are the base classes, or the
    traits and interfaces an `impl` or struct names. `flags` is made of `async`, `generator`, `static`, `classmethod`,
    `property`, `abstract`, `public`, `declaration` (a header's). `words` are the identifiers that the body uses,
    each once, in order of first use.
    """

    name: str
    kind: str
    line: int
    start: int
    end: int
    parent: int = MODULE
    signature: str = ""
    doc: str = ""
    decorators: list[str] = []
    bases: list[str] = []
    params: list[Param] = []
    returns: str = ""
    flags: list[str] = []
    words: list[str] = []


class Import(Struct, array_like=True, gc=False, frozen=True):
    """`name` becomes known in `scope`: `from module import symbol as name`; `symbol` is empty for a whole module and
    `*` for all its names. `module` keeps its leading dots; an `#include` or `use` gives its path as written.
    `guarded` marks imports under `TYPE_CHECKING` or in a `try`."""

    scope: int
    name: str
    module: str
    symbol: str
    line: int
    guarded: bool = False


class Call(Struct, array_like=True, gc=False, frozen=True):
    """A call site. `callee` is the source of what is called (`self.model.layers[0]`, `kernel[grid]`); `args` the
    sources of its arguments (`target=worker`), each cut to 80 characters, at most 12. `how` is made of `await`,
    `loop` (inside a loop), `launch` (`kernel<<<>>>` or `kernel[grid]()`), `go` and `defer` (Go's statements), `yield`."""

    scope: int
    line: int
    callee: str
    args: list[str] = []
    how: list[str] = []


class Bind(Struct, array_like=True, gc=False, frozen=True):
    """A name or attribute takes a value: `self.scheduler = Scheduler(...)`, `x: T`, `for x in y`, `with y as x`,
    `return y` (its target is `return`). `value` is source, cut to 400 characters."""

    scope: int
    line: int
    target: str
    value: str
    annotation: str = ""
    kind: str = "assign"


class Mark(Struct, array_like=True, frozen=True):
    """Something a file declares or does that detectors look for, one `kind` from the list below.

    env (name, default) · flag (name, default, help, dest) · field (name, annotation, default: of a config or data class) ·
    member (of an enum) · entry (key, value, table: of a registry dictionary) · main (`if __name__ == "__main__"`, `fn main`)
    · script (name, target: console script) · loop (test) · raise · except · route (method, path) · metric · lock · queue ·
    task · note (a FIXME or HACK comment) · command (a build or install command) · dependency (name, version) · binding
    (name, target: `m.def`, TORCH_LIBRARY) · impl (name: a type; trait, end: of a Rust `impl`) · launch (kernel) · target
    (of Make, CMake) · title (of a document) · literal (a module's string or number constant)
    """

    kind: str
    line: int
    name: str
    scope: int = MODULE
    detail: dict[str, str] = {}


class FileRecord(Struct, array_like=True, frozen=True):
    """Everything one file says. `language` is python, c, cpp, cuda, rust, go, typescript, javascript, shell, docker,
    make, cmake, toml, yaml, json, markdown, text, or empty for what is not read; `parse` is ok, errors (a grammar met text
    that it could not read), fallback (another reader than the language's own), pattern (found by patterns alone), skipped."""

    language: str
    lines: int
    code_lines: int = 0
    parse: str = "ok"
    why: str = ""
    doc: str = ""
    defs: list[Def] = []
    imports: list[Import] = []
    calls: list[Call] = []
    binds: list[Bind] = []
    marks: list[Mark] = []
    words: list[str] = []


class Edge(Struct, array_like=True, gc=False, frozen=True):
    """One call site and one thing it reaches. The near end is `scope` (a Def's index, or -1) and `line` of the file that
    holds the edge; the far end is `path`, `symbol` and `at` (the line of its definition). `origin` says how the callee was
    found, one of `cutaway.read.origins`; `via` is a further place that proves it (`path:line`: the assignment that gave the
    attribute its type, the registry's entry). An edge that could not be resolved has no path and says `why`."""

    scope: int
    line: int
    callee: str
    origin: str
    path: str = ""
    symbol: str = ""
    at: int = 0
    via: str = ""
    why: str = ""
