# Source beside figures: each distinct module's lines, every one with its formula, its helpers under it.
# Modules of one line that differ in shape only (Linear, mostly) share a section, so that a model fits on
# a few pages.
"""The per-module part of the text."""

from __future__ import annotations

from cutaway.model import Analysis, Cost, Line, Module
from cutaway.report.bounds import Bounds
from cutaway.report.cost_lines import LineRow, costly_rows, idle_lines, line_rows
from cutaway.report.cost_tree import shown_modules
from cutaway.report.paper import Paper
from cutaway.report.shown import Shown
from cutaway.report.source_text import Sources
from cutaway.report.units import bar, percent, si
from cutaway.report.words import constructed, short_class

BAR, MARGIN = 8, 7


class Sections:
    """What every section needs: where to write, and how this analysis is shown."""

    def __init__(self, paper: Paper, analysis: Analysis, shown: Shown, all_lines: bool):
        self.paper, self.analysis, self.shown, self.all_lines = paper, analysis, shown, all_lines
        self.sources, self.bounds = Sources(analysis), Bounds(analysis)

    def write(self, depth: int | None) -> None:
        """One section per distinct module, the dearest first."""
        for group in _grouped(self._dearest_first(shown_modules(self.analysis, depth))):
            if len(group) > 1:
                self._write_shapes(group)
            else:
                self._write_module(group[0])

    def _dearest_first(self, modules: list[Module]) -> list[Module]:
        at = self.shown.at
        return sorted(modules, key=lambda m: -(m.total.flops * m.repeat).evaluate(at)) if at else modules

    def _write_module(self, m: Module) -> None:
        self.paper.rule(short_class(m), m.path + _times(m))
        self._write_origin(m)
        self.paper.wrapped(_shapes(m), 0, "dim")
        if m.repeat > 1:
            shares = "; shares are of the whole pass" if self.shown.values else ""
            self.paper.line((f"each of {m.repeat} calls{shares}", "dim"))
        self._write_cost(m, m.total, m.fused, 0, self.bounds.module(m))
        if self.all_lines:
            self._write_all_lines(m)
        else:
            for row in costly_rows(self.analysis, m):
                self._write_row(m, row)

    def _write_origin(self, m: Module) -> None:
        arguments = constructed(m)
        self.paper.wrapped(f"{m.source}" + (f"  {arguments}" if arguments else ""), 0, "dim")

    def _write_all_lines(self, m: Module) -> None:
        """Every line of the forward in order, then the lines of its helpers that did nothing."""
        own, others = idle_lines(m)
        rows = {row.line: row for row in line_rows(self.analysis, m) if row.path == m.source.path}
        idle = {line.line: line for line in own if line.line not in rows}
        for number in sorted(rows.keys() | idle.keys()):
            if number in rows:
                self._write_row(m, rows[number])
            else:
                self._write_idle(f"{number:>5}", MARGIN, idle[number])
        for line in others:
            self._write_idle(f"{' ' * MARGIN}{line.path}:{line.line}", MARGIN + 2, line)

    def _write_shapes(self, group: list[Module]) -> None:
        """Modules that are one line each: the line once, then every shape with its cost."""
        first = group[0]
        rows = line_rows if self.all_lines else costly_rows
        self.paper.rule(short_class(first), f"{len(group)} shapes")
        self.paper.wrapped(str(first.source), 0, "dim")
        for row in rows(self.analysis, first):
            self._write_source(row)
        for m in group:
            head = f"{m.path or 'the target'}{_times(m)}"
            self.paper.line(" " * MARGIN, (head, "bold"))
            self.paper.wrapped("; ".join(filter(None, (constructed(m), _shapes(m)))), MARGIN + 2, "dim")
            self._write_cost(m, m.total, m.fused, MARGIN + 2, self.bounds.module(m))

    def _write_row(self, m: Module, row: LineRow) -> None:
        self._write_source(row)
        self._write_cost(m, row.cost, row.fused, MARGIN, self.bounds.row(row))
        for helper in row.helpers:
            self._write_helper(m, helper, MARGIN + 2)

    def _write_source(self, row: LineRow) -> None:
        text = self.sources.statement(row.path, row.line)
        self.paper.wrapped(_cut(text, self.paper.width - MARGIN), MARGIN, head=(f"{row.line:>5}", "bold"))
        self._write_done(row, MARGIN)

    def _write_helper(self, m: Module, row: LineRow, indent: int) -> None:
        place = f"{row.function}:{row.line}" if row.path == m.source.path else f"{row.path}:{row.line}"
        text = self.sources.statement(row.path, row.line)
        self.paper.wrapped(f"{place}  {_cut(text, self.paper.width - indent)}", indent)
        self._write_done(row, indent)
        self._write_cost(m, row.cost, row.fused, indent, self.bounds.row(row))
        for helper in row.helpers:
            self._write_helper(m, helper, indent + 2)

    def _write_done(self, row: LineRow, indent: int) -> None:
        if done := ", ".join([*row.calls, *row.operations, *row.views]):
            self.paper.wrapped(done, indent, "cyan")

    def _write_cost(self, m: Module, eager: Cost, fused: Cost, indent: int, bound: str) -> None:
        moved = self.shown.moved(eager, fused)
        if self.shown.values and (eager.flops or moved):
            self._write_numbers(m, eager, fused, indent, bound)
        for label, formula in (("FLOPs", eager.flops), ("bytes", moved)):
            if formula:
                style = "dim" if self.shown.values else ""
                self.paper.formula(
                    bound + self.shown.formula(formula), indent + 7, style, " " * indent + label
                )

    def _write_numbers(self, m: Module, eager: Cost, fused: Cost, indent: int, bound: str) -> None:
        at, a = self.shown.values, self.analysis
        flops, whole = eager.flops.evaluate(at), a.total.flops.evaluate(at)
        moved, all_moved = (
            self.shown.moved(eager, fused).evaluate(at),
            self.shown.moved(a.total, a.fused).evaluate(at),
        )
        self.paper.line(
            " " * indent,
            (bar(flops * m.repeat, whole, BAR), "cyan"),
            f" {bound + si(flops, 'FLOP'):>11}",
            (f" {percent(flops * m.repeat, whole):>7}", "bold"),
            f"  {bound + si(moved, 'B'):>9}",
            (f" {percent(moved * m.repeat, all_moved):>7}", "bold"),
        )

    def _write_idle(self, head: str, indent: int, line: Line) -> None:
        text = self.sources.statement(line.path, line.line) or line.text
        self.paper.wrapped(_cut(text, self.paper.width - indent), indent, "dim", (head, "dim"))
        reason = line.status.replace("_", " ") + (f": {line.why}" if line.why else "")
        self.paper.wrapped(f"({reason})", indent + 2, "dim italic")


def _grouped(modules: list[Module]) -> list[list[Module]]:
    """Modules of one kernel line and no calls, together by source; the others alone."""
    groups: dict[object, list[Module]] = {}
    for m in modules:
        simple = len({s.line for s in m.steps}) == 1 and all(
            s.stack[1:] == () and hasattr(s, "op") for s in m.steps
        )
        groups.setdefault((m.class_name, m.source) if simple else id(m), []).append(m)
    return list(groups.values())


def _times(m: Module) -> str:
    return f" × {m.repeat}" if m.repeat > 1 else ""


def _shapes(m: Module) -> str:
    takes, gives = (", ".join(map(str, specs)) or "nothing" for specs in (m.inputs, m.outputs))
    return f"{takes} → {gives}"


def _cut(text: str, width: int) -> str:
    """A statement on at most two lines; a long call keeps its beginning."""
    return text if len(text) <= 2 * width - 4 else text[: 2 * width - 10].rpartition(" ")[0] + " …"
