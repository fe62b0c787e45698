# One decision for a whole rendering: formulas, formulas with some numbers put in, or numbers; eager or
# fused bytes.
"""`Shown(analysis)`: how costs of this analysis are shown."""

from __future__ import annotations

from cutaway.formula import Formula
from cutaway.formula.condition import broken
from cutaway.model import Analysis, Cost
from cutaway.report.units import percent
from cutaway.report.values import complete, known, missing, shown_at
from cutaway.report.words import plain


class Shown:
    """`values`: a number for every symbol, or None. `at`: what the tree's shares are computed at."""

    def __init__(self, analysis: Analysis):
        self._analysis = analysis
        self.bound = analysis.bound
        self.values = complete(analysis)
        self.at = self.values or shown_at(analysis)
        self.fused = analysis.convention.execution == "fused"

    def formula(self, formula: Formula) -> str:
        """For reading, with what was set put in."""
        return plain(formula if self.values else formula.substitute(dict(self._analysis.values)))

    def moved(self, eager: Cost, fused: Cost) -> Formula:
        """Bytes read and written, in the execution that was asked for."""
        cost = fused if self.fused else eager
        return cost.read + cost.write

    def intensity(self, cost: Cost) -> str:
        """FLOPs per byte, once there are numbers."""
        moved = (cost.read + cost.write).evaluate(self.values) if self.values else 0
        return f"{cost.flops.evaluate(self.values) / moved:,.1f} FLOP per byte" if moved else ""

    def matmul_share(self) -> str:
        total = self._analysis.total
        if not self.values:
            return ""
        return percent(total.matmul_flops.evaluate(self.values), total.flops.evaluate(self.values))

    def at_text(self) -> str:
        """`batch_size = 1, seq_len = 2048; by dtype: w_bytes = 2`."""
        given = self._analysis.values
        by_dtype = {n: v for n, v in known(self._analysis).items() if n not in given} if self.values else {}
        parts = [_pairs(given), f"by dtype: {_pairs(by_dtype)}" if by_dtype else ""]
        return "; ".join(p for p in parts if p)

    def missing_text(self) -> str:
        """Which symbols still need a value, once some have one."""
        if not self._analysis.values or self.values:
            return ""
        return f"{', '.join(missing(self._analysis))}: numbers appear once --set gives every symbol"

    def note_text(self) -> str:
        """What must be known to read the figures."""
        notes = []
        if self.values and (unmet := broken(self._analysis.valid_when, self.values)):
            notes.append(
                f"{', '.join(map(plain, unmet))} is not met: FLOPs hold, bytes are at most these; without "
                "--totals they are derived"
            )
        if self.fused:
            notes.append(
                "fused bytes are those of each part by itself; the whole moves less than the sum of its parts, "
                "since neighbours fuse"
            )
        return "; ".join(notes)

    def tree_text(self) -> str:
        """What the tree's numbers are computed at, where that needs saying."""
        if self.values or not self.at:
            return ""
        sizes = {n: v for n, v in self.at.items() if not n.endswith("_bytes")}
        return f"at {_pairs(sizes)}"


def _pairs(values: dict[str, int]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in values.items())
