# Modules whose cost was derived by hand, line by line, from their source: `spec/modules/*.md` are ledgers,
# one row per op that the code runs; each must agree with what the tool derives, op by op and in the totals.
# Rows are written by hand; UPDATE_SPEC=1 rewrites how totals are printed, once they equal the rows' sums.
from __future__ import annotations

import ast
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest

from cutaway.formula import Formula, ceil_div, const, floor_div, maximum, minimum, parse, sym
from cutaway.formula.core import ZERO, add
from cutaway.model import Analysis, Cost, Kernel, Place

FOLDER = Path(__file__).parent / "spec" / "modules"
PARTS = ("flops", "matmul_flops", "read", "write")
PRODUCTS = ("mm", "bmm", "_grouped_mm")  # all their FLOPs are multiply-adds
NAMES: dict[str, object] = {
    "B": sym("batch_size"), "S": sym("seq_len"), "C": sym("cache_len"), "D": sym("hidden_size"),
    "H": sym("num_heads"), "K": sym("num_key_value_heads"), "Dh": sym("head_dim"),
    "F": sym("intermediate_size"), "E": sym("num_experts"), "T": sym("top_k"),
    "a": sym("a_bytes"), "w": sym("w_bytes"), "kv": sym("kv_bytes"),
    "ceil": ceil_div, "floor": floor_div, "min": minimum, "max": maximum, "sym": sym,
}  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One executed op: where its source line is quoted, its name, what it costs, how often in a row."""

    quote: str
    op: str
    cost: Cost
    times: int | Formula = 1
    note: str = field(default="", compare=False)

    def __str__(self) -> str:
        c = self.cost
        return f"{self.times} x {self.op} in `{self.quote}`: flops {c.flops}, read {c.read}, write {c.write}"


@dataclass
class Ledger:
    """One fenced block of a specification."""

    file: str
    target: str
    phase: str
    values: dict[str, int]
    rows: list[Row] = field(default_factory=list)
    totals: dict[str, str] = field(default_factory=dict)
    products: Formula | None = (
        None  # `let Products = …`: the ledger is of some statements, and of all products
    )

    def __str__(self) -> str:
        at = "".join(f" {k}={v}" for k, v in self.values.items())
        return f"{self.target.rpartition('.')[2]} {self.phase}{at}"

    def total(self) -> dict[str, Formula]:
        return {p: add(getattr(r.cost, p) * r.times for r in self.rows) for p in PARTS}


def read(path: Path) -> Iterator[Ledger]:
    """Blocks ```ledger TARGET PHASE [NAME=VALUE …]`: `let X = …` names a size, a line that is not indented
    quotes the source, `op | flops | read | write [| matmul]` below it is an op that this statement runs,
    `name: …` at the end a printed total."""
    for block in re.findall(
        r"^```ledger (.*?)^```", path.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    ):
        head, *lines = block.splitlines()
        target, phase, *given = head.split()
        ledger = Ledger(path.name, target, phase, {k: int(v) for k, v in (g.split("=") for g in given)})
        names, quote = dict(NAMES), ""
        for line in lines:
            if found := re.fullmatch(r"let (\w+) = (.+)", line):
                names[found[1]] = eval(found[2], {}, names)
            elif found := re.fullmatch(r"(flops|matmul_flops|read|write): (.*)", line):
                ledger.totals[found[1]] = found[2]
            elif line.startswith("  "):
                ledger.rows.append(read_row(quote, line, names))
            elif line.strip():
                quote = line.strip()
        ledger.products = names.get("Products")
        yield ledger


def read_row(quote: str, line: str, names: dict[str, object]) -> Row:
    op, *cells = (c.strip() for c in line.split("|"))
    op, _, times = op.partition(" x ")
    flops, *rest = (as_formula(eval(c, {}, names)) for c in cells)
    matmul = rest[2] if len(rest) > 2 else flops if op in PRODUCTS else ZERO
    return Row(quote, op, Cost(flops, matmul, rest[0], rest[1]), eval(times, {}, names) if times else 1)


def as_formula(value: object) -> Formula:
    return value if isinstance(value, Formula) else const(value)


LEDGERS = [ledger for path in sorted(FOLDER.glob("*.md")) for ledger in read(path)]


@cache
def analysis(target: str, phase: str, values: tuple) -> Analysis:
    from cutaway.trace.analyse import analyse

    return analyse(target, phase=phase, values=dict(values))


def derived(ledger: Ledger) -> Analysis:
    return analysis(ledger.target, ledger.phase, tuple(ledger.values.items()))


def executed(
    found: Analysis, module: int = 0, above: tuple[Place, ...] = ()
) -> Iterator[tuple[Kernel, int, tuple[Place, ...]]]:
    """Every kernel that costs anything, in order of execution, with the places that led to it."""
    for s in found.modules[module].steps:
        if not isinstance(s, Kernel):
            for kernel, times, places in executed(found, s.module, above + s.stack):
                yield kernel, times * s.repeat, places
        elif any(getattr(s.cost, p) for p in PARTS):
            yield s, s.repeat, above + s.stack


@cache
def statement(place: Place) -> str:
    """The source of the statement that stands there, on one line."""
    roots = (Path(p or ".") / place.path for p in sys.path)
    text = next(r for r in roots if r.is_file()).read_text(encoding="utf-8")
    around = [n for n in statements(text) if n.lineno <= place.line <= (n.end_lineno or n.lineno)]
    smallest = min(around, key=lambda n: (n.end_lineno or n.lineno) - n.lineno)
    return " ".join(
        "".join(text.splitlines(keepends=True)[smallest.lineno - 1 : smallest.end_lineno]).split()
    )


@cache
def statements(text: str) -> list[ast.stmt]:
    return [n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.stmt)]


def bare(op: str) -> str:
    return op.removeprefix("aten.").rpartition(".")[0]


@pytest.mark.parametrize("ledger", LEDGERS, ids=str)
def test_each_op_of_the_ledger_is_run_and_costs_what_the_hand_says(ledger: Ledger) -> None:
    found = derived(ledger)
    quotes = list(dict.fromkeys(r.quote for r in ledger.rows))
    got = [
        Row(
            next((q for q in quotes if any(q in statement(p) for p in places)), "?"),
            bare(k.op),
            k.cost,
            times,
            k.analysis,
        )
        for k, times, places in executed(found)
    ]
    if ledger.products is not None:
        got = sorted((r for r in got if r.quote in quotes), key=lambda r: quotes.index(r.quote))
    mine, theirs = (folded(rows, even(found)) for rows in (ledger.rows, got))
    wrong = [f"by hand {x}\n  derived {y}" for x, y in zip(mine, theirs, strict=False) if x != y]
    assert not wrong, f"{len(wrong)} rows differ, the first:\n" + "\n".join(wrong[:4])
    assert [r.op for r in theirs] == [r.op for r in mine]


@pytest.mark.parametrize("ledger", LEDGERS, ids=str)
def test_totals_are_the_sums_of_the_ledger_and_printed_as_reviewed(ledger: Ledger) -> None:
    found = derived(ledger)
    assert found.gaps == ()
    by_hand, sizes = ledger.total(), even(found)
    if ledger.products is not None:
        by_hand = {"matmul_flops": ledger.products}
    for part in by_hand:
        assert getattr(found.total, part).substitute(sizes) == by_hand[part].substitute(sizes), part
    printed = {p: str(getattr(found.total, p)) for p in PARTS}
    assert {p: parse(text) for p, text in printed.items()} == {p: getattr(found.total, p) for p in PARTS}
    if os.environ.get("UPDATE_SPEC"):
        rewrite(ledger, printed)
    else:
        assert printed == ledger.totals


def even(found: Analysis) -> dict[str, Formula]:
    """Sizes that the analysis says to be multiples: under `head_dim % 2 == 0`, head_dim is 2 * (its half)."""
    stated = (re.fullmatch(r"(\w+) % (\d+) == 0", c) for c in found.valid_when)
    return {s[1]: sym(f"{s[1]}_by_{s[2]}") * int(s[2]) for s in stated if s}


def folded(rows: list[Row], sizes: dict[str, Formula]) -> list[Row]:
    """Equal rows as one, in order of first appearance, as the tool folds equal steps; the turns of a loop
    over a size become one row of each op."""
    looped = any(isinstance(r.times, Formula) or "all turns of a loop" in r.note for r in rows)
    if looped:
        rows = summed(rows)
    times: dict[tuple, int | Formula] = {}
    for r in rows:
        cost = Cost(*(getattr(r.cost, p).substitute(sizes) for p in PARTS))
        times[r.quote, r.op, cost] = times.get((r.quote, r.op, cost), 0) + r.times
    return [Row(*key, as_formula(n)) for key, n in times.items()]


def summed(rows: list[Row]) -> list[Row]:
    together: dict[tuple[str, str], list[Cost]] = {}
    for r in rows:
        together.setdefault((r.quote, r.op), []).append(r.cost * r.times)
    return [
        Row(*key, Cost(*(add(getattr(c, p) for c in costs) for p in PARTS)))
        for key, costs in together.items()
    ]


def rewrite(ledger: Ledger, totals: dict[str, str]) -> None:
    """Put the printed totals, which equal the sums of the ledger, at the end of its block."""
    path = FOLDER / ledger.file
    text = path.read_text(encoding="utf-8")
    values = (f"{k}={v}" for k, v in ledger.values.items())
    head = f"```ledger {' '.join([ledger.target, ledger.phase, *values])}\n"
    before, _, rest = text.partition(head)
    block, _, after = rest.partition("\n```\n")
    rows = re.sub(r"\n(flops|matmul_flops|read|write): .*", "", block).rstrip()
    fresh = "\n".join(f"{p}: {f}" for p, f in totals.items())
    path.write_text(f"{before}{head}{rows}\n\n{fresh}\n```\n{after}", encoding="utf-8")


def test_every_ledger_says_something() -> None:
    assert len(LEDGERS) >= 20 and all(ledger.rows and set(ledger.totals) == set(PARTS) for ledger in LEDGERS)
    assert len({str(ledger) for ledger in LEDGERS}) == len(LEDGERS)
