# A notebook cell wants a small table, not a page: totals and the tree.
"""An `Analysis` as an HTML table."""

from __future__ import annotations

from html import escape

from cutaway.model import Analysis
from cutaway.report.cost_markdown import totals
from cutaway.report.cost_tree import tree
from cutaway.report.shown import Shown
from cutaway.report.units import si
from cutaway.report.words import short_class

DEPTH = 4


def table(analysis: Analysis) -> str:
    """Totals, and the tree when there are numbers to put in it."""
    shown = Shown(analysis)
    rows = "".join(
        f"<tr><th align=left>{escape(label)}</th><td align=left>{analysis.bound}{figure}</td></tr>"
        for label, figure in ((label, _figure(f, unit, shown)) for label, f, unit in totals(analysis))
    )
    title = f"<b>{escape(analysis.target)}</b>, {escape(analysis.phase)}"
    return f"<div>{title}<table>{rows}</table>{_tree(analysis, shown)}</div>"


def _figure(formula, unit: str, shown: Shown) -> str:
    return (
        escape(si(formula.evaluate(shown.values), unit))
        if shown.values
        else (f"<code>{escape(shown.formula(formula))}</code>")
    )


def _tree(analysis: Analysis, shown: Shown) -> str:
    if not shown.at:
        return ""
    rows = "".join(
        f"<tr><td style='text-align:left;padding-left:{node.depth}em'>{escape(node.name)} "
        f"{escape(short_class(node.module))}</td><td>{node.times}</td>"
        f"<td>{escape(si(node.cost.flops.evaluate(shown.at), 'FLOP'))}</td>"
        f"<td>{escape(si(shown.moved(node.cost, node.fused).evaluate(shown.at), 'B'))}</td></tr>"
        for node in tree(analysis, DEPTH)
    )
    head = "<tr><th>module</th><th>calls</th><th>FLOPs</th><th>bytes</th></tr>"
    return f"<div>{escape(shown.tree_text())}</div><table>{head}{rows}</table>"
