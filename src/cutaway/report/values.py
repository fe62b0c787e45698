# Numbers appear beside formulas only when every symbol has one. Bytes per element follow from the dtype,
# so their defaults count as given; a batch or a length never does.
"""Which numbers an analysis can show: what was set, what the dtype says, what is missing."""

import re
from collections.abc import Mapping
from fractions import Fraction

from cutaway.errors import BadValue, nearest
from cutaway.formula import Formula
from cutaway.formula.condition import broken
from cutaway.model import Analysis, SymbolInfo


def known(analysis: Analysis) -> dict[str, int]:
    """What was set, and the bytes per element that the dtype decides."""
    by_dtype = {s.name: s.default for s in analysis.symbols if s.unit == "bytes" and s.default is not None}
    return {s.name: v for s in analysis.symbols if (v := analysis.values.get(s.name, by_dtype.get(s.name)))}


def used_symbols(analysis: Analysis) -> list[SymbolInfo]:
    """The symbols that some figure, size or condition of this analysis speaks of, in their usual order."""
    a = analysis
    formulas = [a.total.flops, a.kv_cache_bytes, a.parameters.total, a.parameters.bytes]
    formulas += [f for cost in (a.total, a.fused) for f in (cost.read, cost.write)]
    formulas += [d for m in a.modules for spec in (*m.inputs, *m.outputs) for d in spec.dims]
    named = (name for condition in a.valid_when for name in re.findall(r"[A-Za-z_]\w*", condition))
    used = frozenset().union(*(f.symbols() for f in formulas), named, a.values)
    return [s for s in a.symbols if s.name in used]


def missing(analysis: Analysis) -> list[str]:
    """The symbols without a value, in their usual order."""
    have = known(analysis)
    return [s.name for s in analysis.symbols if s.name not in have]


def complete(analysis: Analysis) -> dict[str, int] | None:
    """A value for every symbol, or None when something was set but not all, or nothing at all."""
    return known(analysis) if not missing(analysis) else None


def shown_at(analysis: Analysis) -> dict[str, int] | None:
    """What shares are computed at: the values, and defaults for the rest where the formulas hold."""
    defaults = {s.name: s.default for s in analysis.symbols}
    if None in (defaults | known(analysis)).values():
        return None
    twos = {name: max(2, value) if name not in known(analysis) else value for name, value in defaults.items()}
    for tried in (defaults, twos):
        if not broken(analysis.valid_when, tried | known(analysis)):
            return tried | known(analysis)
    return None


def number(formula: Formula, values: Mapping[str, int]) -> int | float:
    """The value as JSON can hold it."""
    value = formula.evaluate(values)
    return float(value) if isinstance(value, Fraction) else value


def check_names(values: Mapping[str, int], analysis: Analysis) -> None:
    """Raise `BadValue` for a name that this analysis has no symbol for."""
    names = [s.name for s in analysis.symbols]
    for name in values:
        if name not in names:
            close = nearest(name, names)
            raise BadValue(
                "no such symbol in these formulas",
                asked=name,
                where=f"--set {name}={values[name]}",
                known=("nearest: " + ", ".join(close) if close else "symbols: " + ", ".join(names)),
                try_="--symbols all makes the architecture's own sizes symbols too",
            )
