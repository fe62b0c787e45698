# A table of one prediction is what scripts append to their own: a row of figures, or with `explain` a row for each kernel. The
# figures are those of the JSON, so that a column and a key have one name.
"""A `Prediction` as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from cutaway.report.predict_json import to_dict

if TYPE_CHECKING:
    from cutaway.predicting import Prediction


def to_csv(p: Prediction, explain: bool = False) -> str:
    """One row with every figure, nested keys joined by a dot; with `explain`, one row for each kernel of each phase."""
    found = to_dict(p, explain)
    if explain:
        kernels = [(phase, k) for phase, step in found["steps"].items() for k in step["kernels"]]
        names = tuple(kernels[0][1])
        rows = [(phase, *(" ".join(v) if isinstance(v, list) else v for v in k.values())) for phase, k in kernels]
        return csv_rows(("phase", *names), rows)
    figures = dict(_flat({name: value for name, value in found.items() if name != "definitions"}))
    return csv_rows(figures, [figures.values()])


def csv_rows(head: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """The text of a table; what is unknown is empty."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    return out.getvalue()


def _flat(values: Mapping[str, Any], before: str = "") -> Iterable[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", "; ".join(map(str, value)) if isinstance(value, list) else value
