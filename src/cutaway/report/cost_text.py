# What `cutaway cost` shows on a terminal: what was analysed and under which conventions, the totals, the
# dearest lines, the tree, then each distinct module's lines beside what they cost. Wide formulas wrap under their line;
# nothing is cut away.
"""An `Analysis` as text."""

from __future__ import annotations

from rich.text import Text

from cutaway.formula import Formula
from cutaway.model import Analysis, Cost
from cutaway.report.bounds import Bounds
from cutaway.report.cost_sections import Sections
from cutaway.report.cost_tree import Node, tree
from cutaway.report.dearest import dearest_lines
from cutaway.report.paper import Paper
from cutaway.report.shown import Shown
from cutaway.report.source_text import Sources
from cutaway.report.units import bar, grouped, percent, si
from cutaway.report.values import used_symbols
from cutaway.report.words import plain, short_class

LABEL = 16
CALLS, NUMBER, SHARE = 6, 12, 8
SIGNS = {"": "", "≥ ": "lower bounds: see gaps", "≈ ": "may be too low or too high: see gaps"}


def render_text(
    analysis: Analysis,
    *,
    width: int = 80,
    colour: bool = False,
    depth: int | None = None,
    all_lines: bool = False,
) -> str:
    """The whole answer; `depth` limits tree and modules, `all_lines` adds the lines that cost nothing."""
    paper, shown = Paper(width, colour), Shown(analysis)
    _write_header(paper, analysis, shown)
    _write_totals(paper, analysis, shown)
    if depth is None:
        _write_dearest(paper, analysis, shown)
    _write_tree(paper, analysis, shown, depth)
    if not shown.values and depth is None:
        _write_parts(paper, analysis, shown)
    Sections(paper, analysis, shown, all_lines).write(depth)
    return paper.text()


def _write_header(paper: Paper, a: Analysis, shown: Shown) -> None:
    package, version = a.source.get("package", ""), a.source.get("version") or a.source.get("commit", "")
    count = a.parameters.total.constant()
    facts = [
        short_class(a.modules[0]),
        f"{package} {version}".strip(),
        a.phase,
        f"{grouped(count) if count is not None else plain(a.parameters.total)} parameters",
    ]
    paper.wrapped(a.target, 0, "bold")
    paper.wrapped(" · ".join(f for f in facts if f), 0)
    paper.gap()
    rows = [
        ("convention", str(a.convention)),
        ("holds when", ", ".join(map(plain, a.valid_when))),
        ("assumes", "; ".join(a.assumptions)),
        ("at", shown.at_text()),
        ("missing", shown.missing_text()),
        ("note", shown.note_text()),
    ]
    for label, text in rows:
        if text:
            paper.wrapped(text, LABEL, head=(label, "bold"))
    _write_legend(paper, a)
    _write_gaps(paper, a)


def _write_legend(paper: Paper, a: Analysis) -> None:
    symbols = used_symbols(a)
    width = max((len(s.name) for s in symbols), default=0) + 2
    for i, s in enumerate(symbols):
        head = ("symbols" if i == 0 else "").ljust(LABEL) + s.name.ljust(width)
        paper.wrapped(s.meaning, LABEL + width, "dim", head)


def _write_gaps(paper: Paper, a: Analysis) -> None:
    for i, gap in enumerate(a.gaps):
        paper.wrapped(str(gap), LABEL, "yellow", (f"gaps, so {a.bound}".rstrip() if i == 0 else "", "bold yellow"))


def _write_totals(paper: Paper, a: Analysis, shown: Shown) -> None:
    paper.rule("totals", SIGNS[a.bound])
    rows: list[tuple[str, Formula, str, str]] = [
        ("FLOPs", a.total.flops, "FLOP", ""),
        ("  in matmuls", a.total.matmul_flops, "FLOP", shown.matmul_share()),
        ("  useful", a.useful_flops, "FLOP", "causal attention as its triangle"),
        *_bytes_rows("eager", a.total, shown)[: None if shown.values else 1],
        *_bytes_rows("fused", a.fused, shown)[: None if shown.values else 1],
        ("KV cache", a.kv_cache_bytes, "B", ""),
        ("weights", a.parameters.bytes, "B", ""),
    ]
    for label, formula, unit, note in rows:
        if (formula or not label.startswith(("KV", " "))) and (
            label != "  useful" or formula != a.total.flops
        ):
            _write_total(paper, shown, label, formula, unit, note)


def _write_parts(paper: Paper, a: Analysis, shown: Shown) -> None:
    """Formulas of what is read and written fill a page; their sums stand with the totals."""
    paper.rule("bytes", "read and written")
    for name, cost in (("eager", a.total), ("fused", a.fused)):
        for label, formula, unit, note in _bytes_rows(name, cost, shown)[1:]:
            _write_total(paper, shown, f"{name},{label[1:]}", formula, unit, note)


def _write_dearest(paper: Paper, a: Analysis, shown: Shown) -> None:
    """The few lines that matter most, with their shares of the whole."""
    rows = dearest_lines(a, shown.at, shown.fused) if shown.at else []
    if len(rows) < 2:
        return
    paper.rule("dearest lines", shown.tree_text())
    paper.line((f"{'FLOPs':>{SHARE}}{'bytes':>{SHARE}}", "dim"))
    sources, room = Sources(a), paper.width - LABEL - 2
    for row in rows:
        shares = "".join(f"{percent(share, 1):>{SHARE}}" for share in (row.flops, row.moved))
        times = f" × {row.module.repeat}" if row.module.repeat > 1 else ""
        place = f"{row.path.rpartition('/')[2]}:{row.line}"
        paper.line((shares + "  ", "bold"), (short_class(row.module), "cyan"), times, ("  " + place, "dim"))
        if text := sources.statement(row.path, row.line):
            paper.line(" " * (LABEL + 2), text if len(text) <= room else text[: room - 2].rstrip() + " …")


def _bytes_rows(name: str, cost: Cost, shown: Shown) -> list[tuple[str, Formula, str, str]]:
    return [
        (f"bytes, {name}", cost.read + cost.write, "B", shown.intensity(cost)),
        ("  read", cost.read, "B", ""),
        ("  written", cost.write, "B", ""),
    ]


def _write_total(paper: Paper, shown: Shown, label: str, formula: Formula, unit: str, note: str) -> None:
    bound = "" if label.startswith(("KV", "weights")) else shown.bound
    if shown.values:
        head = label.ljust(LABEL)
        paper.line(
            (head, ""),
            (f"{bound}{si(formula.evaluate(shown.values), unit)}".ljust(14), "bold"),
            (note, "dim"),
        )
        if not label.startswith(" "):
            paper.formula(plain(formula), LABEL, "dim")
    else:
        paper.formula(f"{bound}{shown.formula(formula)}", LABEL, "", label)


def _write_tree(paper: Paper, a: Analysis, shown: Shown, depth: int | None) -> None:
    nodes = tree(a, depth)
    if len(nodes) == 1:
        return
    paper.rule("modules", shown.tree_text())
    if shown.at:
        columns = f"{'calls':>{CALLS}}{'FLOPs':>{NUMBER}}{'':{SHARE}}{'bytes':>{NUMBER}}"
        paper.line((" " * (paper.width - _numbers_width(paper)) + columns, "dim"))
    bounds = Bounds(a)
    for node in nodes:
        _write_node(paper, node, nodes[0], shown, bounds.module(node.module))


def _write_node(paper: Paper, node: Node, root: Node, shown: Shown, bound: str) -> None:
    stem = "".join("   " if last else "│  " for last in node.last[:-1]) + (
        ("└─ " if node.last[-1] else "├─ ") if node.last else ""
    )
    hidden = f" (+{node.hides} calls)" if node.hides else ""
    name, kind = node.name, short_class(node.module) + hidden
    if not shown.at:
        times = f" × {node.times}" if node.times > 1 else ""
        paper.line(stem, name + "  " if name else "", (kind, "cyan"), times)
        return
    room = paper.width - _numbers_width(paper)
    if len(stem) + len(name) + 2 + len(kind) > room and name:
        paper.line(stem, name)
        stem, name = "".join("   " if last else "│  " for last in node.last) + "  ", ""
    label = Text.assemble(stem, name + "  " if name else "", (kind, "cyan"))
    label.pad_right(max(0, room - label.cell_len))
    paper.line(label, *_numbers(paper, node, root, shown, bound))


def _numbers_width(paper: Paper) -> int:
    return CALLS + 2 * NUMBER + SHARE + (_bar_width(paper) and _bar_width(paper) + 2)


def _bar_width(paper: Paper) -> int:
    return min(24, max(0, paper.width - 92))


def _numbers(paper: Paper, node: Node, root: Node, shown: Shown, bound: str) -> list[str | tuple[str, str]]:
    flops, whole = (n.cost.flops.evaluate(shown.at) for n in (node, root))
    moved = shown.moved(node.cost, node.fused).evaluate(shown.at)
    wide = _bar_width(paper)
    return [
        f"{node.times:>{CALLS}}{bound + si(flops, 'FLOP'):>{NUMBER}}",
        (f"{percent(flops, whole):>{SHARE}}", "dim"),
        f"{bound + si(moved, 'B'):>{NUMBER}}",
        ("  " + bar(flops, whole, wide) if wide else "", "cyan"),
    ]
