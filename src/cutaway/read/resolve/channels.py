# What is sent at one end of a channel runs on at the other: the ends of a queue or pipe are one object that is passed on,
# those of a socket are made on one address, by kinds that speak to each other. Both ends must be found in the code.
"""`Channels`: links between the functions that put and those that take."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import product
from typing import NamedTuple

from cutaway.model.code import Bind, Call, Edge, FileRecord
from cutaway.read.resolve.env import Env
from cutaway.read.resolve.flow import Flow, Place
from cutaway.read.resolve.infer import Inference
from cutaway.read.resolve.native import is_test

__all__ = ["Channels", "Link"]

Site = tuple[str, Call]

_KIND = re.compile(r"(?:\w+=)?zmq\.(PUSH|PULL|PUB|SUB|XPUB|XSUB|REQ|REP|DEALER|ROUTER|PAIR)$")
_PEERS = {
    "PUSH": {"PULL"}, "PUB": {"SUB", "XSUB"}, "XPUB": {"SUB", "XSUB"}, "REQ": {"REP", "ROUTER"}, "REP": {"REQ", "DEALER"},
    "DEALER": {"ROUTER", "REP", "DEALER"}, "ROUTER": {"DEALER", "REQ", "ROUTER"}, "PAIR": {"PAIR"},
}  # fmt: skip
_QUEUES = {"Queue", "SimpleQueue", "JoinableQueue", "PriorityQueue", "LifoQueue"}
_PUTS = {"put", "put_nowait", "send", "send_bytes", "send_pyobj", "send_json", "send_string", "send_multipart", "asend"}
_GETS = {"get", "get_nowait", "recv", "recv_bytes", "recv_pyobj", "recv_json", "recv_string", "recv_multipart"}
_ADDRESS = re.compile(r"^(?:\w*(?:addr|address|path|endpoint|url|uri|ipc)\w*)=", re.IGNORECASE)
_CONTEXT = re.compile(r"(?:ctx|context|context\(.*\))$", re.IGNORECASE)
_KEYWORD = re.compile(r"^[A-Za-z_]\w*=(?!=)")
_VAGUE = re.compile(
    r"host(name)?|(\w+_)?ip|port|addr|address|path|url|uri|name|mode|protocol|\w*rank|ctx|context|zmq|tcp|ipc|\w*config|\w*args|"
    r"\w*params|\w*options|index|size|idx|id"
)  # names that say of no channel which
_WHOLE = re.compile(r"(?:.* else )?[(\s]*(?:await )?(?:[\w.]*enter_(?:async_)?context\(\s*)?")
COMMON = 6  # ends that share a name; one that more have is no address of one channel
ENDS = 24  # sites of one end
LINES = 12  # from a call to another one among its arguments
APART = 3  # lines from an assignment to the call in it


class Link(NamedTuple):
    """What is put at one place is taken at another. `kind` is queue, pipe or, for a socket, `zmq` and the sender's kind."""

    kind: str
    name: str
    put: Site
    get: Site


class _End(NamedTuple):
    """One end: the kind of its socket, what its address is made of, and where it is put into and taken from."""

    kind: str
    name: str
    address: frozenset[str]
    puts: list[Site]
    gets: list[Site]


class Channels:
    """The channels of the Python files of one program."""

    def __init__(self, inference: Inference):
        self.inference, self.program = inference, inference.program
        self.flow = Flow(inference)

    @cached_property
    def links(self) -> list[Link]:
        """Every pair of functions that put into and take from one channel, by the place of the put."""
        found: dict[tuple, Link] = {}
        for link in (*self._by_object(), *self._by_address()):
            (put, sent), (get, taken) = link.put, link.get
            if (put, sent.scope) != (get, taken.scope) and taken.scope >= 0:
                found.setdefault((put, sent.line, get, taken.scope), link)
        return [found[key] for key in sorted(found)]

    @cached_property
    def _edges(self) -> dict[str, list[Edge]]:
        table: dict[str, list[Edge]] = defaultdict(list)
        for link in self.links:
            (path, sent), (far, taken) = link.put, link.get
            at = self.program.record(far).defs[taken.scope]
            table[path].append(
                Edge(sent.scope, sent.line, sent.callee, "queue_peer", far, at.name, at.line, f"{far}:{taken.line}")
            )
        return table

    def edges(self, path: str) -> list[Edge]:
        """From each put of a file to the functions that take it."""
        return self._edges.get(path, [])

    # --- queues and pipes: one object under several names ---

    def _by_object(self) -> Iterator[Link]:
        for path, record in self._files(_QUEUES | {"Pipe"}):
            for call in record.calls:
                last = call.callee.rpartition(".")[2]
                if last in _QUEUES and self._foreign(path, call):
                    for bind in _holding(record, call):
                        sites = self._sites(self.flow.place(path, bind.scope, bind.target))
                        yield from _linked("queue", bind.target, *sites)
                elif last == "Pipe":
                    ends = [self._sites(self.flow.place(path, b.scope, b.target)) for b in _holding(record, call)]
                    for one, other in product(ends, ends):
                        if one is not other:
                            yield from _linked("pipe", call.callee, one[0], other[1])

    def _foreign(self, path: str, call: Call) -> bool:
        """Is it a library's queue, not a class of the program that is called so?"""
        found = self.inference.text(call.callee, Env(path, call.scope))
        return not any(f.value.kind in ("class", "func") for f in found)

    def _sites(self, place: Place | None) -> tuple[list[Site], list[Site]]:
        """Where something is put into what a place holds, and where it is taken."""
        puts: list[Site] = []
        gets: list[Site] = []
        for other, passed in self.flow.spread(place).items() if place else ():
            for path, call, method in self.flow.calls_on(other):
                if method in _PUTS:
                    puts.append(passed or (path, call))
                elif method in _GETS:
                    gets.append(passed or (path, call))
        return puts[:ENDS], gets[:ENDS]

    # --- sockets: two objects on one address ---

    def _by_address(self) -> Iterator[Link]:
        ends = [end for path, record in self._files({"zmq"}) for end in self._sockets(path, record)]
        shared: dict[str, int] = defaultdict(int)
        for end in ends:
            for name in end.address:
                shared[name] += 1
        for one, other in product(ends, ends):
            if one is other or other.kind not in _PEERS.get(one.kind, ()):
                continue
            common = [n for n in one.address & other.address if shared[n] <= COMMON and not _VAGUE.fullmatch(n)]
            if common:
                name = min(common, key=lambda n: (shared[n], n)).rpartition(":")[2]
                yield from _linked(f"zmq {one.kind.lower()}", name, one.puts, other.gets)

    def _sockets(self, path: str, record: FileRecord) -> Iterator[_End]:
        for call in record.calls:
            kinds = {m[1] for a in call.args if (m := _KIND.match(a))}
            if len(kinds) != 1:
                continue
            kind = kinds.pop()
            places = [p for b in _holding(record, call) if (p := self.flow.place(path, b.scope, b.target))]
            addresses = self._addresses(call, places)
            wrapper = self._wrapper(path, places, addresses)
            if wrapper:
                yield from self._instances(kind, path, wrapper[0], wrapper[1], places[0])
                continue
            names = {n for text in addresses for n in self.flow.sources(text, path, call.scope)}
            puts, gets = self._all_sites(places)
            if not _holding(record, call) and call.scope >= 0:  # one of several, taken up by whatever name
                puts, gets = self._of_function(path, record, call.scope)
            yield _End(kind, places[0].name if places else call.callee, frozenset(names), puts, gets)

    def _all_sites(self, places: list[Place]) -> tuple[list[Site], list[Site]]:
        puts: list[Site] = []
        gets: list[Site] = []
        for place in places:
            more = self._sites(place)
            puts, gets = puts + more[0], gets + more[1]
        return puts, gets

    def _addresses(self, call: Call, places: list[Place]) -> list[str]:
        """What a socket is bound or connected to: at its making, or by a call on it."""
        if call.callee.rpartition(".")[2] == "socket":
            return [c.args[0] for p in places for _, c, m in self.flow.calls_on(p) if m in ("bind", "connect") and c.args]
        plain = [a for a in call.args if not _KEYWORD.match(a) and not _KIND.match(a) and not _CONTEXT.search(a)]
        return [*plain, *(a.partition("=")[2] for a in call.args if _ADDRESS.match(a))]

    def _wrapper(self, path: str, places: list[Place], addresses: list[str]) -> tuple[int, str] | None:
        """The class that keeps a socket on an address which its constructor is given, and that parameter."""
        if not places or not places[0].own:
            return None
        defs = self.program.record(path).defs
        name = f"{defs[places[0].scope].name}.__init__"
        made = next((i for i, d in enumerate(defs) if d.name == name), -1)
        if made < 0:
            return None
        known = {p.name for p in defs[made].params}
        return next(((made, text) for text in addresses if text in known), None)

    def _instances(self, kind: str, path: str, made: int, parameter: str, kept: Place) -> Iterator[_End]:
        """An end for each object of such a class; its methods that put or take stand for the socket's own."""
        defs = self.program.record(path).defs
        does: dict[str, set[str]] = {"put": set(), "get": set()}
        for _, call, method in self.flow.calls_on(kept):
            way = "put" if method in _PUTS else "get" if method in _GETS else ""
            if way and call.scope >= 0:
                does[way].add(defs[call.scope].name.rpartition(".")[2])
        name = defs[kept.scope].name.rpartition(".")[2]
        for where, index in self.program.call_sites.get(name, ()):
            record = self.program.record(where)
            call = record.calls[index]
            given = [text for to, text in self.flow.passed(where, call) if to == Place(path, made, parameter)]
            places = [p for b in _holding(record, call) if (p := self.flow.place(where, b.scope, b.target))]
            places = places or self._handed(where, record, call)
            if not given or not places or is_test(where):
                continue
            puts, gets = [], []
            for place in {other: None for p in places for other in self.flow.spread(p)}:
                for far, used, method in self.flow.calls_on(place):
                    if method in does["put"]:
                        puts.append((far, used))
                    elif method in does["get"]:
                        gets.append((far, used))
            names = self.flow.sources(given[0], where, call.scope)
            yield _End(kind, places[0].name, frozenset(names), puts[:ENDS], gets[:ENDS])

    def _handed(self, path: str, record: FileRecord, made: Call) -> list[Place]:
        """The parameters and fields that take an object where it is made: `Frontend(sender=Pusher(address))`."""
        text = f"{made.callee}("
        around = [c for c in record.calls if c.scope == made.scope and 0 <= made.line - c.line <= LINES and c is not made]
        passed = [to for c in around if any(text in a for a in c.args) for to in self.flow.passed(path, c)]
        return [to for to, source in passed if source.startswith(text)]

    def _of_function(self, path: str, record: FileRecord, scope: int) -> tuple[list[Site], list[Site]]:
        """What a function puts and takes on sockets that it has no single name for."""
        calls = [c for c in record.calls if c.scope == scope]
        named = {b.target for c in calls if any(map(_KIND.match, c.args)) for b in _holding(record, c)}
        ways = [(c, *c.callee.rpartition(".")[::2]) for c in calls if "sock" in c.callee.lower()]
        ways = [(c, m) for c, owner, m in ways if owner not in named and not owner.startswith("self.")]
        return [(path, c) for c, m in ways if m in _PUTS], [(path, c) for c, m in ways if m in _GETS]

    def _files(self, words: Iterable[str]) -> Iterator[tuple[str, FileRecord]]:
        wanted = set(words)
        for path in self.program.paths:
            record = self.program.record(path)
            if record.language == "python" and not is_test(path) and not wanted.isdisjoint(record.words):
                yield path, record


def _holding(record: FileRecord, call: Call) -> list[Bind]:
    """What the result of a call is given to."""
    made = f"{call.callee}("
    near = [
        b
        for b in record.binds
        if b.scope == call.scope and 0 <= call.line - b.line <= APART and b.target and _makes(b.value, made)
    ]
    nearest = max((b.line for b in near), default=0)
    return [b for b in near if b.line == nearest]


def _makes(value: str, made: str) -> bool:
    """Is it the value itself, awaited or entered, or on either side of a condition, and not an argument of something else?"""
    return bool(_WHOLE.fullmatch(value.partition(made)[0])) if made in value else False


def _linked(kind: str, name: str, puts: list[Site], gets: list[Site]) -> Iterator[Link]:
    for put, get in product(puts, gets):
        yield Link(kind, name, put, get)
