# The table of checks, in the order in which a report is read. One check is one file: what it looks for, and nothing else.
# A place that fails an early check is left alone by the later ones, so that one mistake is one finding.
"""Every check of `cutaway verify`."""

from cutaway.report.verify.checks import (
    claims,
    components,
    diagrams,
    evidence,
    formulas,
    keys,
    lines,
    llm,
    module_map,
    paths,
    placeholders,
    ranges,
    sections,
    symbols,
    tables,
    tldr,
    totals,
    values,
)
from cutaway.report.verify.model import Check

__all__ = ["CHECKS"]

CHECKS: tuple[Check, ...] = (
    paths.CHECK,
    lines.CHECK,
    ranges.CHECK,
    ranges.MEDIAN,
    evidence.CHECK,
    symbols.CHECK,
    claims.CHECK,
    sections.CHECK,
    keys.CHECK,
    tables.CHECK,
    placeholders.CHECK,
    diagrams.CHECK,
    formulas.CHECK,
    values.CHECK,
    totals.CHECK,
    tldr.CHECK,
    tldr.SPECIFIC,
    module_map.CHECK,
    components.CHECK,
    llm.CHECK,
)
