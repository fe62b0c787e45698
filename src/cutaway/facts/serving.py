# Functions that begin to serve, and those that answer: the call that opens the socket belongs to a library (uvicorn, grpc,
# axum, net/http), so it is known by that library's names; what calls such a function within the same repository serves as well.
"""`serving_functions(program)`, `answering(program)`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any

from cutaway.facts.lookup import evidence, lookup, scope_name
from cutaway.facts.roles import role_of
from cutaway.facts.words import asked_once
from cutaway.model.code import Def, Mark
from cutaway.read.program import Program

__all__ = ["SERVES", "answering", "serving_functions"]

SERVES: dict[str, re.Pattern[str]] = {
    "python": re.compile(
        r"(^|\.)(uvicorn\.(run|Server)|hypercorn\S*\.serve|waitress\.serve|web\.(run_app|TCPSite|AppRunner)|serve_forever|"
        r"grpc\.(aio\.)?server|start_server|start_unix_server|create_server|make_server|HTTPServer|ThreadingHTTPServer|"
        r"TCPServer|WSGIServer|run_simple|uvloop_serve|granian\.Granian|serve\.run)$|^(app|application|flask_app)\.run$"
    ),
    "rust": re.compile(
        r"(axum::serve|Server::bind|HttpServer::new|Server::builder|warp::serve|rocket::build)"
    ),
    "go": re.compile(
        r"(^|\.)(ListenAndServe(TLS)?|NewServer|Serve(TLS)?|net\.Listen)$|^(r|router|engine|app|srv)\.(Run|Start|Serve)$"
    ),
    "typescript": re.compile(r"(\.listen|createServer|Bun\.serve|Deno\.serve)$"),
    "cpp": re.compile(r"(\.listen|->listen|listen_after_bind|BuildAndStart|::bind)$"),
}
SERVES["javascript"], SERVES["c"] = SERVES["typescript"], SERVES["cpp"]
RUNNERS = re.compile(r"(^|\.)(run|run_until_complete|asyncio_run|run_forever)$")
_RUNS_MODEL = re.compile(r"generat|complet|chat|infer|predict")  # in the path of a route
DEPTH = 4  # hops from the call that opens the socket to what is started from outside


def serving_functions(program: Program) -> dict[tuple[str, str], dict[str, Any]]:
    """(path, symbol) -> `{starts, evidence}`: functions that serve, `starts` for those that open the server themselves; the
    others call one of them. Methods of a library's own server class count like any function."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    serves = {language: asked_once(pattern) for language, pattern in SERVES.items()}
    for path in program.paths:
        record = program.record(path)
        shows = serves.get(record.language)
        if shows is None or role_of(path) in ("test", "doc", "vendored", "generated"):
            continue
        for call in record.calls:
            if not shows(call.callee):
                continue
            symbol = _function(record, call.scope)
            if symbol and (path, symbol) not in found:
                found[path, symbol] = {
                    "starts": True,
                    "evidence": evidence(program, path, call.line, f"starts to serve: {call.callee}"),
                }
    _callers(program, found)
    return found


def answering(program: Program) -> Iterator[tuple[str, Def, Mark]]:
    """(path, definition, the route): what answers the requests that make a model run."""
    for path in program.paths:
        record = program.record(path)
        for mark in record.marks if role_of(path) == "code" else ():
            if mark.kind == "route" and _RUNS_MODEL.search(mark.detail.get("path", "")):
                named = (i for i, d in enumerate(record.defs) if d.name == mark.name)
                scope = mark.scope if mark.scope >= 0 else next(named, -1)
                if scope >= 0:
                    yield path, record.defs[scope], mark


def _callers(program: Program, found: dict[tuple[str, str], dict[str, Any]]) -> None:
    """Adds what calls a serving function by its name, `DEPTH` hops up. Methods are left to the call graph."""
    look = lookup(program)
    wave = set(found)
    for _ in range(DEPTH):
        wanted = {symbol.rpartition(".")[2] for _, symbol in wave}
        following: dict[tuple[str, str], dict[str, Any]] = {}
        sites = sorted(site for name in wanted for site in program.call_sites.get(name, ()))
        for path, indices in groupby(sites, itemgetter(0)):
            record = program.record(path)
            if record.language != "python" or wanted.isdisjoint(record.words) or role_of(path) != "code":
                continue
            for call in (record.calls[index] for _, index in indices):
                if call.callee.startswith("self."):
                    continue
                symbol = _function(record, call.scope)
                place = look.follow(path, call.callee)
                if symbol and place and (place[0], place[1].name) in wave and (path, symbol) not in found:
                    why = evidence(program, path, call.line, f"calls {place[1].name}, which serves")
                    following[path, symbol] = {"starts": False, "evidence": why}
        found.update(following)
        wave = set(following)


def _function(record, scope: int) -> str:
    """The outermost function or method that a call stands in: a nested helper serves for its owner."""
    while scope >= 0:
        parent = record.defs[scope].parent
        if parent < 0 or record.defs[parent].kind not in ("function", "method"):
            return scope_name(record, scope) if record.defs[scope].kind in ("function", "method") else ""
        scope = parent
    return ""
