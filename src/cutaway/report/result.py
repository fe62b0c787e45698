# The noun stays a plain value; this is what people hold in a notebook: it prints, evaluates, and turns
# into tables.
"""`CostResult`: an `Analysis` with its renderings."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from cutaway.errors import BadValue, NeedsExtra
from cutaway.formula import Formula, compile_formulas
from cutaway.formula.condition import broken, met
from cutaway.model import Analysis
from cutaway.report.asked import check_value
from cutaway.report.cost_json import to_dict, to_json
from cutaway.report.cost_load import from_dict
from cutaway.report.values import check_names, known, number

TOTALS = (
    "flops",
    "matmul_flops",
    "useful_flops",
    "read",
    "write",
    "fused_read",
    "fused_write",
    "kv_cache_bytes",
    "parameter_bytes",
)


MAX_REGIMES = 12


@dataclass(frozen=True)
class CostResult:
    """What `cutaway.cost` returns. `analysis` is the value itself; everything here is a view of it.

    `derive` makes the analysis for values on which the code takes other branches; a result that was read
    from a file has none, and says so instead.
    """

    analysis: Analysis
    derive: Callable[[dict[str, int]], Analysis] | None = field(default=None, repr=False, compare=False)

    @classmethod
    def from_json(cls, text: str) -> CostResult:
        """The result that `to_json` wrote."""
        return cls(from_dict(json.loads(text)))

    def at(self, **values: int) -> CostResult:
        """The same with sizes set, so that it shows numbers; derived again where other branches are taken."""
        given = {name: check_value(name, value) for name, value in values.items()}
        check_names(given, self.analysis)
        given = dict(self.analysis.values) | given
        analysis = self._holding_at(given)
        return CostResult(replace(analysis, values=given), self.derive)

    def totals(self) -> dict[str, Formula]:
        """The totals as formulas."""
        a = self.analysis
        figures = (a.total.flops, a.total.matmul_flops, a.useful_flops, a.total.read, a.total.write)
        rest = (a.fused.read, a.fused.write, a.kv_cache_bytes, a.parameters.bytes)
        return dict(zip(TOTALS, figures + rest, strict=True))

    def evaluate(self, **values: int) -> dict[str, int | float]:
        """The totals as numbers; bytes per element follow the dtype unless given."""
        result = self.at(**values)
        at = known(result.analysis)
        result._check_given(at)
        return {name: number(formula, at) for name, formula in result.totals().items()}

    def grid(self, **arrays: Any) -> dict[str, Any]:
        """The totals over numpy arrays that broadcast, in float64: millions of shapes a second.

        Where some of the shapes take other branches, those are derived once for each regime.
        """
        import numpy as np

        check_names(dict.fromkeys(arrays, 1), self.analysis)
        given = known(self.analysis) | arrays
        self._check_given(given)
        values = dict(
            zip(given, np.broadcast_arrays(*(np.asarray(v, np.float64) for v in given.values())), strict=True)
        )
        return self._over(values, MAX_REGIMES)

    def _over(self, values: dict[str, Any], regimes: int) -> dict[str, Any]:
        """`grid` on arrays of one shape: here where the formulas hold, elsewhere by another regime."""
        import numpy as np

        found = compile_formulas(list(self.totals().values()), tuple(values))(*values.values())
        shape = next(iter(values.values())).shape
        out = {name: np.broadcast_to(v, shape) for name, v in zip(TOTALS, found, strict=True)}
        outside = _outside(self.analysis, values)
        if not outside.any():
            return out
        there = {name: v[outside] for name, v in values.items()}
        other = self._elsewhere({name: int(v[0]) for name, v in there.items()}, regimes)._over(
            there, regimes - 1
        )
        out = {name: v.copy() for name, v in out.items()}
        for name in TOTALS:
            out[name][outside] = other[name]
        return out

    def _elsewhere(self, values: dict[str, int], regimes: int) -> CostResult:
        if not regimes:
            raise BadValue(
                "the shapes take more different branches than one grid can hold", try_="smaller grids"
            )
        return CostResult(self._holding_at(values), self.derive)

    def _holding_at(self, values: dict[str, int]) -> Analysis:
        """The analysis whose formulas hold at these values."""
        merged = {s.name: s.default for s in self.analysis.symbols} | values
        wrong = broken(self.analysis.valid_when, merged) if values else []
        if not wrong:
            return self.analysis
        asked = ", ".join(f"{name}={value}" for name, value in values.items())
        if self.derive is None:
            raise BadValue(
                "these formulas do not hold there",
                asked=asked,
                known="they need " + ", ".join(wrong),
                try_="`cutaway cost` on the model itself, which derives them for those sizes",
            )
        return self.derive(values)

    def to_dict(self) -> dict[str, Any]:
        return to_dict(self.analysis)

    def to_json(self) -> str:
        """The contract; `CostResult.from_json` gives the same result back."""
        return to_json(self.analysis)

    def to_records(self) -> list[dict[str, Any]]:
        """One row per kernel."""
        from cutaway.report.cost_records import records

        return records(self.analysis)

    def to_csv(self) -> str:
        from cutaway.report.cost_records import to_csv

        return to_csv(self.analysis)

    def to_markdown(self) -> str:
        from cutaway.report.cost_markdown import render_markdown

        return render_markdown(self.analysis)

    def to_text(self, width: int = 80) -> str:
        from cutaway.report.cost_text import render_text

        return render_text(self.analysis, width=width)

    def to_polars(self) -> Any:
        """`to_records` as a polars frame."""
        return _frame("polars", lambda polars: polars.DataFrame(self.to_records(), infer_schema_length=None))

    def to_pandas(self) -> Any:
        """`to_records` as a pandas frame."""
        return _frame("pandas", lambda pandas: pandas.DataFrame(self.to_records()))

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        a = self.analysis
        flops = f"{a.bound}{a.total.flops} FLOPs"
        return f"<cost of {a.target}, {a.phase}: {flops}, {len(a.modules)} distinct modules>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        from cutaway.report.cost_html import table
        from cutaway.report.cost_markdown import summary

        return {
            "text/plain": self.to_text(),
            "text/html": table(self.analysis),
            "text/markdown": summary(self.analysis),
        }

    def _check_given(self, values: Mapping[str, Any]) -> None:
        lacking = [s.name for s in self.analysis.symbols if s.name not in values]
        if lacking:
            raise BadValue(
                "a number needs a value for every symbol",
                asked=", ".join(values) or "no values",
                known="missing: " + ", ".join(lacking),
            )


def _outside(analysis: Analysis, values: Mapping[str, Any]) -> Any:
    """Where the conditions are not met, as an array of bools."""
    import numpy as np

    shape = next(iter(values.values())).shape
    outside = np.zeros(shape, bool)
    for condition in analysis.valid_when:
        found = met(condition, values)
        outside |= ~np.broadcast_to(np.asarray(False if found is None else found, bool), shape)
    return outside


def _frame(package: str, build: Callable[[Any], Any]) -> Any:
    from importlib import import_module

    try:
        module = import_module(package)
    except ImportError:
        raise NeedsExtra.named("frames", package) from None
    return build(module)
