# What concurrent parts talk over and wait for: queues, pipes and sockets with both ends, locks with what they guard, events
# with who sets and who waits.
"""`find_queues(program)` and `find_sync(program)`."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from cutaway.facts.lookup import evidence, owner_of
from cutaway.facts.reach import holder
from cutaway.facts.roles import PRODUCT, role_of
from cutaway.model.code import Bind, Call, FileRecord
from cutaway.read.program import Program

__all__ = ["find_queues", "find_sync", "sites"]

PUTS = (
    "put", "put_nowait", "append", "appendleft", "send", "send_multipart", "send_string", "send_pyobj", "enqueue", "push",
    "put_async", "publish", "broadcast",
)  # fmt: skip
GETS = (
    "get", "get_nowait", "pop", "popleft", "recv", "recv_multipart", "recv_string", "recv_pyobj", "dequeue", "pull", "poll",
    "get_async", "recv_into", "remove",
)  # fmt: skip
WAITS, SETS = ("wait", "acquire", "is_set", "wait_for"), ("set", "clear", "release", "notify", "notify_all")
_MAKES = re.compile(
    r"(^|[\s.(])(?P<kind>Queue|SimpleQueue|JoinableQueue|PriorityQueue|LifoQueue|deque|Pipe|SharedMemory|\w*Queue|make_zmq_socket|"
    r"create_zmq_socket|socket)(\[.*?\])?\((?P<rest>.*)$"
)
_KINDS = ("Queue", "deque", "Pipe", "SharedMemory", "socket")  # one of them is in whatever `_MAKES` finds
_LIST_QUEUE = re.compile(r"(queue|pipeline|inbox|outbox|backlog|buffer|waiting|running|pending)s?$")
_LOCK = re.compile(
    r"^([\w.]+\.)?(?P<kind>Lock|RLock|Semaphore|BoundedSemaphore|Condition|Event|Barrier|FileLock|SoftFileLock)\("
)
_MODULES = re.compile(
    r"^(asyncio|threading|mp|multiprocessing|queue|anyio|trio|self\.\w+|ctx|context|filelock|\w+ctx|mp_\w+)\."
)
SITES = 12
FEW = 8  # files; a name that more of them use is not one thing's


def find_queues(program: Program) -> list[dict[str, Any]]:
    """`{name, kind, bounded, path, line, symbol, put, get, evidence}`: `put` and `get` are the lines at both ends. A list
    counts where things are put in at one place and taken out at another, and its name says so."""
    rows = []
    for path, record in _files(program):
        for bind in record.binds:
            if bind.kind not in ("assign", "assign[0]", "assign[1]", "with"):
                continue
            made = any(kind in bind.value for kind in _KINDS) and _MAKES.search(bind.value)
            listed = bind.value in ("[]", "list()") and _LIST_QUEUE.search(bind.target)
            if not (made or listed) or not _named(bind):
                continue
            name, attribute = _name(record, bind), bind.target.rpartition(".")[2]
            put, get = sites(program, path, record, bind, PUTS), sites(program, path, record, bind, GETS)
            if listed and not (put and get):
                continue
            kind = made["kind"] if made else "list"
            row = {"name": name, "attribute": attribute, "kind": f"{_module(bind.value)}{kind}"}
            where = {"path": path, "line": bind.line, "symbol": holder(record, bind.scope)}
            proof = evidence(program, path, bind.line, f"makes a {kind}")
            bounded = _bounded(made["rest"]) if made else False
            rows.append({**row, "bounded": bounded, **where, "put": put, "get": get, "evidence": [proof]})
    return sorted(rows, key=lambda r: (-(bool(r["put"]) + bool(r["get"])), r["path"], r["line"]))


def find_sync(program: Program) -> list[dict[str, Any]]:
    """`{name, kind, path, line, symbol, guards, waits, sets, evidence}`: for a lock the lines that hold it (`guards`, with
    what is written under it), for an event who waits and who sets it."""
    rows = []
    for path, record in _files(program):
        for bind in record.binds:
            made = bind.kind == "assign" and _LOCK.search(bind.value)
            if not made or not _named(bind):
                continue
            rows.append(_sync(program, path, record, bind, made["kind"]))
        for mark in record.marks:
            known = any(r["path"] == path and r["line"] == mark.line for r in rows)
            if mark.kind == "lock" and not known:  # handed over as it is made: `f(event=asyncio.Event())`
                name = _keyword(program, path, mark.line, mark.name)
                if name:
                    bind = Bind(mark.scope, mark.line, f"self.{name}", "", "", "assign")
                    rows.append(_sync(program, path, record, bind, mark.name, True))
    return sorted(rows, key=lambda r: (r["path"], r["line"]))


def _bounded(arguments: str) -> bool:
    """`Queue(8)`, `deque(maxlen=8)`; `Queue()` and `Queue(0)` grow without end."""
    size = re.match(r"\s*(?:maxsize\s*=\s*)?([\w.]+)\s*\)", arguments)
    return "maxlen" in arguments or bool(size and size[1] != "0")


def _sync(
    program: Program, path: str, record: FileRecord, bind: Bind, kind: str, handed: bool = False
) -> dict[str, Any]:
    held = [
        {"path": path, "line": b.line, "symbol": holder(record, b.scope), "writes": _written(record, b)}
        for b in record.binds
        if b.kind == "with" and _same(b.value, bind.target)
    ]
    return {
        "name": _name(record, bind), "kind": kind, "path": path, "line": bind.line, "symbol": holder(record, bind.scope),
        "guards": held[:SITES],
        "waits": sites(program, path, record, bind, WAITS, handed),
        "sets": sites(program, path, record, bind, SETS, handed),
        "evidence": [evidence(program, path, bind.line, f"makes a {kind}")],
    }  # fmt: skip


def _written(record: FileRecord, hold: Bind) -> list[str]:
    """Attributes that are given a value, or changed by a call, within a few lines below `with lock:` in the same function."""
    names = []
    for bind in record.binds:
        if (
            bind.scope == hold.scope
            and hold.line < bind.line <= hold.line + 8
            and bind.target.startswith("self.")
        ):
            names.append(bind.target)
    return list(dict.fromkeys(names))[:6]


def _files(program: Program) -> Iterator[tuple[str, FileRecord]]:
    for path in program.paths:
        record = program.record(path)
        if record.language == "python" and role_of(path) in PRODUCT:
            yield path, record


def _named(bind: Bind) -> bool:
    return bool(re.fullmatch(r"(self\.|cls\.)?[A-Za-z_]\w*", bind.target))


def _name(record: FileRecord, bind: Bind) -> str:
    owner = owner_of(record, bind.scope)
    local = bind.target.removeprefix("self.").removeprefix("cls.")
    return f"{owner.name}.{local}" if owner and bind.target != local else local


def _module(value: str) -> str:
    found = _MODULES.match(value)
    return f"{found[1]}." if found else ""


def _keyword(program: Program, path: str, line: int, kind: str) -> str:
    lines = program.lines(path)
    found = re.search(rf"(\w+)\s*=\s*[\w.]*{kind}\(", lines[line - 1]) if line <= len(lines) else None
    return found[1] if found else ""


def _same(text: str, target: str) -> bool:
    return text == target or text.endswith("." + target.rpartition(".")[2])


def sites(
    program: Program,
    path: str,
    record: FileRecord,
    bind: Bind,
    methods: tuple[str, ...],
    handed: bool = False,
) -> list[dict[str, Any]]:
    """`{path, line, symbol, call}`: where one of the methods is called on what was bound: on the class's own attribute in
    the same file, and on another object's attribute of the name (`self.cycle.event.set()`) in the few files that use
    it. What was `handed` over as a keyword is another class's attribute of that name."""
    attribute = bind.target.rpartition(".")[2]
    own = bind.target.startswith(("self.", "cls."))
    pattern = re.compile(rf"(^|\.){re.escape(attribute)}\.({'|'.join(methods)})$")
    found = []
    others = (
        [p for p in _using(program, attribute) if p != path]
        if own and not handed and len(attribute) > 6
        else []
    )
    for where in (path, *others):
        its = program.record(where)
        for call in its.calls:
            if attribute in call.callee and pattern.search(call.callee) and (
                _mine(record, bind, its, call, handed)
                if where == path
                else not call.callee.startswith(f"self.{attribute}.")
            ):
                row = {
                    "path": where,
                    "line": call.line,
                    "symbol": holder(its, call.scope),
                    "call": call.callee,
                }
                found.append(row)
    return found[:SITES]


def _mine(record: FileRecord, bind: Bind, its: FileRecord, call: Call, handed: bool) -> bool:
    """Does a call in the same file mean what was bound, and not another class's attribute of the name?"""
    if not bind.target.startswith(("self.", "cls.")):
        return holder(its, call.scope) == holder(record, bind.scope)
    mine, theirs = owner_of(record, bind.scope), owner_of(its, call.scope)
    if handed or not call.callee.startswith("self.") or call.callee.count(".") > 2 or not (mine and theirs):
        return True
    return mine.name == theirs.name or mine.name in theirs.bases


def _using(program: Program, attribute: str) -> list[str]:
    """The code files whose text mentions a name."""
    kept = program.__dict__.setdefault("_mentions", {})
    if not kept:
        table = defaultdict(list)
        for path, record in _files(program):
            for word in {*record.words, *(w for d in record.defs for w in d.words)}:
                if len(table[word]) <= FEW:
                    table[word].append(path)
        kept.update((word, users) for word, users in table.items() if len(users) <= FEW)
    return kept.get(attribute, [])
