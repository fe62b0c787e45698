# `cutaway path A B`: how one definition reaches another, hop by hop, each with the line of its call.
"""The way between two definitions of a repository."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from cutaway.cli.output import Output, emit, format_of, to_json
from cutaway.cli.progress import told


def path(
    target: str,
    start: str,
    end: str,
    /,
    *,
    commit: str | None = None,
    no_cache: Annotated[bool, Parameter(negative="")] = False,
    output: Output = Output(),
) -> int:
    """How one definition of a repository reaches another: every hop with its call site and how it was resolved.

    Parameters
    ----------
    target
        A folder, a git directory, an archive or an address.
    start
        A definition: `generate`, `Engine.step`, `engine.py:main`.
    end
        The definition to reach.
    commit
        Read the git directory at this commit.
    no_cache
        Neither read nor write the index.
    """
    from cutaway import reading
    from cutaway.report.escape import visible

    format_of(output, ("text", "json"))
    with told("reading") as progress:
        hops = reading.path(target, start, end, commit=commit, cache=not no_cache, progress=progress)
    rows = [
        {
            "path": h.node[0],
            "symbol": h.node[1],
            "call": f"{h.source[0]}:{h.line}",
            "caller": h.source[1],
            "origin": h.origin,
            "via": h.via,
        }
        for h in hops
    ]

    def text() -> str:
        if not rows:
            return f"no way from {visible(start)} to {visible(end)} through calls that could be resolved"
        lines = [visible(rows[0]["caller"])]
        lines += [
            f"  {visible(r['call'])}  [{r['origin']}]\n-> {visible(r['symbol'])}  {visible(r['path'])}"
            for r in rows
        ]
        return "\n".join(lines)

    emit({"text": text, "json": lambda: to_json({"from": start, "to": end, "hops": rows})}, output)
    return 0 if rows else 1
