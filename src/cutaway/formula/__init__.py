# Exact arithmetic over named symbols, small and quick enough for every command's cold start.
# sympy takes seconds to import and would put its own order on terms; `Formula.to_sympy()` is there for those who want it.
"""Formulas: build, print in the `{symbol}` notation, parse, evaluate on numbers or numpy grids."""

from cutaway.formula.compile import compile_formulas, to_javascript
from cutaway.formula.condition import holds
from cutaway.formula.core import Formula, ceil_div, ceil_log2, const, floor_div, maximum, minimum, sym
from cutaway.formula.parse import parse

__all__ = [
    "Formula",
    "ceil_div",
    "ceil_log2",
    "compile_formulas",
    "const",
    "floor_div",
    "holds",
    "maximum",
    "minimum",
    "parse",
    "sym",
    "to_javascript",
]
