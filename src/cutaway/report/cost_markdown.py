# The same answer for a page: header, totals, tree, and each distinct module's lines as a table.
"""An `Analysis` as Markdown."""

from __future__ import annotations

from cutaway.formula import Formula
from cutaway.model import Analysis, Line, Module
from cutaway.report.cost_lines import LineRow, costly_rows, idle_lines, line_rows
from cutaway.report.cost_tree import shown_modules, tree
from cutaway.report.shown import Shown
from cutaway.report.source_text import Sources
from cutaway.report.units import si
from cutaway.report.values import used_symbols
from cutaway.report.words import plain, short_class


def render_markdown(analysis: Analysis, *, depth: int | None = None, all_lines: bool = False) -> str:
    """The whole answer; `depth` and `all_lines` as in the text."""
    shown, sources = Shown(analysis), Sources(analysis)
    parts = [summary(analysis), *_tree(analysis, shown, depth)]
    for module in shown_modules(analysis, depth):
        parts.append(_module(analysis, shown, module, sources, all_lines))
    return "\n".join(parts)


def summary(a: Analysis) -> str:
    """What was analysed, how, and the totals."""
    shown = Shown(a)
    package = f"{a.source.get('package', '')} {a.source.get('version') or a.source.get('commit', '')}".strip()
    facts = [
        ("class", f"`{a.modules[0].class_name}`"),
        ("source", package),
        ("phase", a.phase),
        ("convention", str(a.convention)),
        ("holds when", _code(", ".join(map(plain, a.valid_when)))),
        ("assumes", "; ".join(a.assumptions)),
        ("at", shown.at_text()),
        ("missing", shown.missing_text()),
        ("note", shown.note_text()),
    ]
    lines = [f"# {a.target}", "", *(f"- {name}: {text}" for name, text in facts if text)]
    lines += [f"- gap: {gap}" for gap in a.gaps]
    lines += ["", "| symbol | meaning | unit |", "| --- | --- | --- |"]
    lines += [f"| `{s.name}` | {s.meaning} | {s.unit} |" for s in used_symbols(a)]
    return "\n".join([*lines, "", *_totals(a, shown), ""])


def totals(a: Analysis) -> list[tuple[str, Formula, str]]:
    """(label, formula, unit) of every total that is not nothing."""
    rows = [
        ("FLOPs", a.total.flops, "FLOP"),
        ("FLOPs in matmuls", a.total.matmul_flops, "FLOP"),
        ("useful FLOPs", a.useful_flops, "FLOP"),
        ("bytes read", a.total.read, "B"),
        ("bytes written", a.total.write, "B"),
        ("bytes read, fused", a.fused.read, "B"),
        ("bytes written, fused", a.fused.write, "B"),
        ("KV cache", a.kv_cache_bytes, "B"),
        ("weights", a.parameters.bytes, "B"),
    ]
    return [row for row in rows if row[1]]


def _totals(a: Analysis, shown: Shown) -> list[str]:
    head = (
        ["| total | number | formula |", "| --- | ---: | --- |"]
        if shown.values
        else ["| total | formula |", "| --- | --- |"]
    )
    rows = []
    for label, formula, unit in totals(a):
        sign = "" if label in ("KV cache", "weights") else a.bound
        amount = f" {sign}{si(formula.evaluate(shown.values), unit)} |" if shown.values else ""
        rows.append(f"| {label} |{amount} {sign}{_code(shown.formula(formula))} |")
    return head + rows


def _tree(a: Analysis, shown: Shown, depth: int | None) -> list[str]:
    nodes = tree(a, depth)
    if len(nodes) == 1:
        return []
    at = shown.tree_text()
    lines = [
        f"## Modules{f' ({at})' if at else ''}",
        "",
        "| module | class | calls | FLOPs | bytes |",
        "| --- | --- | ---: | ---: | ---: |",
    ]
    for node in nodes:
        costs = (
            ["", ""]
            if not shown.at
            else [
                si(node.cost.flops.evaluate(shown.at), "FLOP"),
                si(shown.moved(node.cost, node.fused).evaluate(shown.at), "B"),
            ]
        )
        name = "&ensp;" * 2 * node.depth + (node.name or "·")
        lines.append(f"| {name} | {short_class(node.module)} | {node.times} | {costs[0]} | {costs[1]} |")
    return [*lines, ""]


def _module(a: Analysis, shown: Shown, m: Module, sources: Sources, all_lines: bool) -> str:
    times = f" × {m.repeat}" if m.repeat > 1 else ""
    lines = [
        f"## {short_class(m)}{times}",
        "",
        f"`{m.class_name}`, {f'`{m.path}`, ' if m.path else ''}`{m.source}`",
        "",
        "| line | source | does | FLOPs | bytes |",
        "| ---: | --- | --- | --- | --- |",
    ]
    for row in (line_rows if all_lines else costly_rows)(a, m):
        lines += _rows(row, shown, m, sources, 0)
    lines.append(
        f"| | | one call | {_figure(m.total.flops, 'FLOP', shown)} | "
        f"{_figure(shown.moved(m.total, m.fused), 'B', shown)} |"
    )
    if all_lines:
        lines += ["", *map(_idle, [*idle_lines(m)[0], *idle_lines(m)[1]])]
    return "\n".join([*lines, ""])


def _idle(line: Line) -> str:
    why = f": {line.why}" if line.why else ""
    return f"- `{line.path}:{line.line}` {_code(line.text)} {line.status.replace('_', ' ')}{why}"


def _rows(row: LineRow, shown: Shown, m: Module, sources: Sources, level: int) -> list[str]:
    place = str(row.line) if row.path == m.source.path else f"{row.path}:{row.line}"
    text = sources.statement(row.path, row.line) or row.function
    done = ", ".join([*row.calls, *row.operations])
    flops = _figure(row.cost.flops, "FLOP", shown)
    moved = _figure(shown.moved(row.cost, row.fused), "B", shown)
    found = [f"| {'↳ ' * level}{place} | {_code(text)} | {_escaped(done)} | {flops} | {moved} |"]
    for helper in row.helpers:
        found += _rows(helper, shown, m, sources, level + 1)
    return found


def _figure(formula: Formula, unit: str, shown: Shown) -> str:
    if not formula:
        return ""
    return si(formula.evaluate(shown.values), unit) if shown.values else _code(shown.formula(formula))


def _code(text: str) -> str:
    """Text as code inside a table cell."""
    return f"`{text.replace('`', chr(39)).replace('|', chr(92) + '|')}`" if text else ""


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")
