# What a scheduler and a stop rule decide, as the conditions that stand in the code: budgets, admission, preemption, chunking,
# priorities, and when a request is finished.
"""`find_conditions(program, places, aspects)`."""

from __future__ import annotations

import ast
import re
from typing import Any

from cutaway.facts.lookup import evidence
from cutaway.read.program import Program

__all__ = ["SCHEDULING", "STOPPING", "find_conditions"]

MOST = 8  # of one aspect
WIDE = 120
SCHEDULING = {
    "chunking": r"chunk|long_prefill|partial|num_new_tokens\s*>|extend_len|remaining|num_scheduled_tokens",
    "preemption": r"preempt|retract|swap|evict.*request|victim|recompute",
    "admission": r"can_allocate|can_append|allocate_slots|new_blocks is None|free_(blocks|pages|slots|block_ids)|num_free|"
    r"available_size|has_enough|watermark|max_(num_seqs|running|batch|concurrent|queue)|num_seqs|too_long|max_model_len",
    "budget": r"budget|max_num_batched|max_num_scheduled|max_(prefill|extend|total|num)_tokens|max_tokens_per|"
    r"num_batched_tokens",
    "priority": r"priorit|heapq|policy|fcfs|lpm|deadline|arrival",
    "phase": r"is_prefill|prefill|decode|forward_mode|num_computed_tokens",
}
STOPPING = {
    "end of sequence": r"\beos\b|eos_token|eos_id|stop_token|eot",
    "stop strings": r"stop_str|stop_string|\.stop\b|stop_words|stop_sequences",
    "length": r"max_tokens|max_new_tokens|max_model_len|max_length|max_seq_len|num_(completion|output|generated)_tokens",
    "aborted": r"abort|cancel|disconnect|timeout",
}


def find_conditions(
    program: Program, places: list[tuple[str, str]], aspects: dict[str, str]
) -> dict[str, list[dict[str, Any]]]:
    """aspect -> `[{condition, then, path, line, symbol, evidence}]` of the `if`, `while` and conditional expressions in the
    functions or classes `places` (path, symbol), in order of line. An aspect that no condition shows is an empty list."""
    patterns = {name: re.compile(p, re.IGNORECASE) for name, p in aspects.items()}
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in aspects}
    seen = set()
    for path, symbol in dict.fromkeys(places):
        definition = program.definition(path, symbol)
        if definition is None:
            continue
        for line, test, then in _tests(program, path, definition.line, definition.end):
            aspect = next((n for n, p in patterns.items() if p.search(test)), "")
            aspect = aspect or next(
                (n for n, p in patterns.items() if p.search(then) and n == "preemption"), ""
            )
            if not aspect or (path, line) in seen or len(found[aspect]) >= MOST:
                continue
            seen.add((path, line))
            proof = evidence(program, path, line, f"decides about {aspect}")
            row = {
                "condition": test[:WIDE],
                "then": then[:WIDE],
                "path": path,
                "line": line,
                "symbol": proof["symbol"],
            }
            found[aspect].append({**row, "evidence": [proof]})
    return found


def _tests(program: Program, path: str, first: int, last: int) -> list[tuple[int, str, str]]:
    """(line, condition, what follows) between two lines; Python by its tree, other languages by the text of the line."""
    if program.record(path).language != "python":
        lines = program.lines(path)
        rows = []
        for number in range(first, min(last, len(lines)) + 1):
            if match := re.match(r"\s*(?:\}?\s*else\s+)?(if|while|for)\b(.*)", lines[number - 1]):
                following = lines[number].strip() if number < len(lines) else ""
                rows.append((number, match[2].strip(" {("), following))
        return rows
    try:
        tree = ast.parse(program.text(path))
    except (SyntaxError, ValueError, RecursionError):
        return []
    rows = []
    for node in ast.walk(tree):
        if isinstance(node, ast.If | ast.While) and first <= node.lineno <= last:
            rows.append((node.lineno, _text(node.test), _text(node.body[0])))
        elif isinstance(node, ast.IfExp | ast.Assert) and first <= node.lineno <= last:
            then = node.body if isinstance(node, ast.IfExp) else node
            rows.append((node.lineno, _text(node.test), _text(then)))
        elif isinstance(node, ast.Assign) and first <= node.lineno <= last and _is_choice(node.value):
            rows.append((node.lineno, _text(node.value), _text(node)))
    return sorted(set(rows))


def _is_choice(node: ast.expr) -> bool:
    """`a and b or c`, `min(wanted, budget)`: a decision without an if."""
    if isinstance(node, ast.BoolOp | ast.Compare):
        return True
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("min", "max")


def _text(node: ast.AST) -> str:
    return " ".join(ast.unparse(node).split())
