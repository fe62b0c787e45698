# The noun stays a plain value; this is what people hold in a notebook: it prints, evaluates, and turns
# into tables.
"""`CostResult`: an `Analysis` with its renderings."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from cutaway.errors import BadValue, NeedsExtra
from cutaway.formula import Formula, compile_formulas
from cutaway.model import Analysis
from cutaway.report.cost_json import to_dict
from cutaway.report.cost_load import from_dict
from cutaway.report.values import check_names, check_value, known, number

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


@dataclass(frozen=True)
class CostResult:
    """What `cutaway.cost` returns. `analysis` is the value itself; everything here is a view of it."""

    analysis: Analysis

    @classmethod
    def from_json(cls, text: str) -> CostResult:
        """The result that `to_json` wrote."""
        return cls(from_dict(json.loads(text)))

    def at(self, **values: int) -> CostResult:
        """The same with sizes set, so that it shows numbers."""
        given = {name: check_value(name, value) for name, value in values.items()}
        check_names(given, self.analysis)
        return CostResult(replace(self.analysis, values=dict(self.analysis.values) | given))

    def totals(self) -> dict[str, Formula]:
        """The totals as formulas."""
        a = self.analysis
        figures = (
            a.total.flops,
            a.total.matmul_flops,
            a.useful_flops,
            a.total.read,
            a.total.write,
            a.fused.read,
            a.fused.write,
            a.kv_cache_bytes,
            a.parameters.bytes,
        )
        return dict(zip(TOTALS, figures, strict=True))

    def evaluate(self, **values: int) -> dict[str, int | float]:
        """The totals as numbers; bytes per element follow the dtype unless given."""
        at = known(self.at(**values).analysis)
        self._check_given(at)
        return {name: number(formula, at) for name, formula in self.totals().items()}

    def grid(self, **arrays: Any) -> dict[str, Any]:
        """The totals over numpy arrays that broadcast, in float64: millions of shapes a second."""
        import numpy as np

        check_names(dict.fromkeys(arrays, 1), self.analysis)
        given = known(self.analysis) | arrays
        self._check_given(given)
        values = [np.asarray(given[name], dtype=np.float64) for name in given]
        shape = np.broadcast_shapes(*(v.shape for v in values))
        found = self._compiled(tuple(given))(*values)
        return {name: np.broadcast_to(value, shape) for name, value in zip(TOTALS, found, strict=True)}

    def to_dict(self) -> dict[str, Any]:
        return to_dict(self.analysis)

    def to_json(self) -> str:
        """The contract; `CostResult.from_json` gives the same result back."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"

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
        bound = "≥ " if a.at_least else ""
        flops = f"{bound}{a.total.flops} FLOPs"
        return f"<cost of {a.target}, {a.phase}: {flops}, {len(a.modules)} distinct modules>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        from cutaway.report.cost_html import table
        from cutaway.report.cost_markdown import summary

        return {
            "text/plain": self.to_text(),
            "text/html": table(self.analysis),
            "text/markdown": summary(self.analysis),
        }

    def _compiled(self, names: tuple[str, ...]) -> Callable[..., list[Any]]:
        return compile_formulas(list(self.totals().values()), names)

    def _check_given(self, values: Mapping[str, Any]) -> None:
        lacking = [s.name for s in self.analysis.symbols if s.name not in values]
        if lacking:
            raise BadValue(
                "a number needs a value for every symbol",
                asked=", ".join(values) or "no values",
                known="missing: " + ", ".join(lacking),
            )


def _frame(package: str, build: Callable[[Any], Any]) -> Any:
    from importlib import import_module

    try:
        module = import_module(package)
    except ImportError:
        raise NeedsExtra.named("frames", package) from None
    return build(module)
