# `cutaway ops`: the table of rules, so that anyone can look up what an operation is taken to cost, and why.
# Needs neither torch nor a network.
"""The rules on the command line."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from cutaway.cli.output import Output, emit, to_json
from cutaway.errors import UnknownTarget
from cutaway.rules import KINDS, Rule, all_rules, lookup


def ops(
    filter: str = "",
    /,
    *,
    kind: Annotated[str | None, Parameter()] = None,
    output: Output = Output(),
) -> None:
    """The rules: what each operation costs, and why.

    Parameters
    ----------
    filter
        Only rules with this in the name of an op, in any case; a full name such as aten.silu_.default finds
        the rule that prices it.
    kind
        Only rules of this kind, such as matmul or softmax.
    """
    found = _matching(filter.strip(), kind)
    emit(
        {
            "text": lambda: _text(found),
            "md": lambda: _markdown(found),
            "json": lambda: to_json(
                {"schema_version": 1, "kinds": KINDS, "rules": [_record(r) for r in found]}
            ),
        },
        output,
    )


def _matching(filter: str, kind: str | None) -> list[Rule]:
    if kind is not None and kind not in KINDS:
        raise UnknownTarget.among(kind, KINDS, what="no such kind of rule", try_="cutaway ops --format json")
    needle = filter.casefold()
    of_kind = [r for r in all_rules() if kind in (None, r.kind)]
    found = [r for r in of_kind if any(needle in n.casefold() for n in r.names)]
    exact = lookup(filter) if filter and not found else None
    if exact in of_kind:
        found = [exact]
    if not found:
        names = [n.removeprefix("aten.") for r in all_rules() for n in r.names]
        asked = " ".join(word for word in (filter, kind) if word)
        raise UnknownTarget.among(asked, names, what="no rule fits", try_="cutaway ops")
    return found


def _record(r: Rule) -> dict:
    return {
        "name": r.name,
        "names": list(r.names),
        "kind": r.kind,
        "formula": r.formula,
        "counted": r.counted,
        "not_counted": r.not_counted,
        "source": r.source,
        "known_to_flop_counter": r.known_to_flop_counter,
    }


def _text(found: list[Rule]) -> str:
    return "\n\n".join(_block(r) for r in found) + f"\n\n{_summary(found)}"


def _block(r: Rule) -> str:
    names = " ".join(n.removeprefix("aten.") for n in r.names)
    also = "; counted by FlopCounterMode too" if r.known_to_flop_counter else ""
    return (
        f"{names}\n  kind         {r.kind}: {KINDS[r.kind]}{also}\n  cost         {r.formula}\n"
        f"  counted      {r.counted}\n  not counted  {r.not_counted}\n  source       {r.source}"
    )


def _summary(found: list[Rule]) -> str:
    count = sum(len(r.names) for r in found)
    return f"rules: {len(found)}, ops: {count}. N elements in, M elements out."


def _markdown(found: list[Rule]) -> str:
    head = ("ops", "kind", "cost", "counted", "not counted", "source")
    lines = [f"| {' | '.join(head)} |", "| --- " * len(head) + "|"]
    for r in found:
        names = ", ".join(f"`{n.removeprefix('aten.')}`" for n in r.names)
        cells = (names, r.kind, f"`{r.formula}`", r.counted, r.not_counted, r.source)
        lines.append("| " + " | ".join(c.replace("|", "/") for c in cells) + " |")
    return "\n".join([*lines, "", _summary(found)])
