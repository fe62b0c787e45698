# The same findings for people, for programs, and for the tools that show them beside the text (SARIF).
"""A `Verdict` as text, JSON and SARIF 2.1.0."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from cutaway import __version__
from cutaway.report.escape import visible
from cutaway.report.verify import CHECKS, Finding, Verdict

__all__ = ["to_json", "to_sarif", "to_text"]

SARIF = "https://json.schemastore.org/sarif-2.1.0.json"


def to_text(verdict: Verdict, report: str) -> str:
    """A line a finding, `report:line: check: what`, and a line that sums up."""
    lines = [f"{_place(f, report)}: {f.check}: {visible(f.message)}" for f in verdict.findings]
    count = len(verdict.findings)
    said = f"{count} finding{'' if count == 1 else 's'}" if count else "no findings"
    checked = len(CHECKS) - len(verdict.skipped)
    at = f" at {verdict.commit[:12]}" if verdict.commit else ""
    lines.append(f"{visible(report)}: {said}; {checked} checks, {verdict.places} cited places{at}")
    if verdict.skipped:
        lines.append(f"not checked without --source: {', '.join(verdict.skipped)}")
    return "\n".join(lines) + "\n"


def to_json(verdict: Verdict) -> str:
    """Findings and the table of checks."""
    return _dumped(
        {
            "schema_version": 1,
            "report": verdict.report,
            "kind": verdict.kind,
            "commit": verdict.commit,
            "places": verdict.places,
            "findings": [_record(f) for f in verdict.findings],
            "skipped": list(verdict.skipped),
            "checks": [{"id": c.id, "what": c.what, "severity": c.severity} for c in CHECKS],
        }
    )


def to_sarif(verdict: Verdict, report: str) -> str:
    """SARIF: each check a rule, each finding a result at its line of the report, with the cited place beside it."""
    rules = [
        {
            "id": check.id,
            "shortDescription": {"text": check.what},
            "defaultConfiguration": {"level": check.severity},
        }
        for check in CHECKS
    ]
    order = {check.id: i for i, check in enumerate(CHECKS)}
    run = {
        "tool": {"driver": {"name": "cutaway verify", "version": __version__, "rules": rules}},
        "columnKind": "unicodeCodePoints",
        "results": [_result(f, order[f.check], report) for f in verdict.findings],
    }
    return _dumped({"$schema": SARIF, "version": "2.1.0", "runs": [run]})


def _result(finding: Finding, rule: int, report: str) -> dict[str, Any]:
    place: dict[str, Any] = {"physicalLocation": _physical(report, finding.line, finding.line)}
    if finding.where:
        place["logicalLocations"] = [{"fullyQualifiedName": visible(finding.where), "kind": "value"}]
    result: dict[str, Any] = {
        "ruleId": finding.check,
        "ruleIndex": rule,
        "level": finding.severity,
        "message": {"text": visible(finding.message)},
        "locations": [place],
    }
    if finding.cited and 1 <= finding.cited.start <= finding.cited.end:
        cited = _physical(finding.cited.path, finding.cited.start, finding.cited.end)
        result["relatedLocations"] = [
            {"id": 0, "physicalLocation": cited, "message": {"text": "what is cited"}}
        ]
    return result


def _physical(path: str, start: int, end: int) -> dict[str, Any]:
    region = {"startLine": max(1, start), **({"endLine": end} if end > start else {})}
    return {"artifactLocation": {"uri": quote(path, safe="/", errors="surrogateescape")}, "region": region}


def _record(finding: Finding) -> dict[str, Any]:
    cited = finding.cited
    return {
        "check": finding.check,
        "severity": finding.severity,
        "message": finding.message,
        "line": finding.line,
        "where": finding.where,
        "cited": {"path": cited.path, "start": cited.start, "end": cited.end, "symbol": cited.symbol}
        if cited
        else None,
    }


def _place(finding: Finding, report: str) -> str:
    return (
        f"{visible(report)}{visible(finding.where)}" if finding.where else f"{visible(report)}:{finding.line}"
    )


def _dumped(value: Any) -> str:
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "backslashreplace").decode("utf-8") + "\n"
