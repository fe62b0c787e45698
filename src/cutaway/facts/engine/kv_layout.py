# How the cache of keys and values lies in memory: the expression that allocates it, and the one that says how many bytes
# a block takes, as they stand in the code.
"""`find_kv_layout(program, places)`."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from typing import Any

from cutaway.facts.lookup import evidence
from cutaway.facts.reach import holder
from cutaway.facts.roles import role_of
from cutaway.facts.words import asked_once
from cutaway.read.program import Program

__all__ = ["find_kv_layout"]

MOST = 6
_ALLOCATES = re.compile(
    r"\b(torch\.(empty|zeros|full|empty_like)|Tensor::zeros|mx\.zeros|jnp\.zeros|register_buffer|ggml_new_tensor\w*)\("
)
_CACHE = re.compile(r"(kv|k_?cache|v_?cache|key_cache|value_cache|cache)", re.IGNORECASE)
_KV = re.compile(r"(kv_?|^k_|^v_|key_|value_)(cache|pool|buffer|data)", re.IGNORECASE)
_BYTES = re.compile(
    r"(block|page|cache|token|kv)\w*_?(bytes|size_bytes|memory)\b|bytes_per_\w+|cache_per_\w+|\w*page_size_bytes|cell_size",
    re.IGNORECASE,
)
_PRODUCT = re.compile(r"\*|//")
_BLOCKS = re.compile(r"num_\w*(blocks|pages|tokens|slots)\b|max_total_num_tokens")
_MEMORY = re.compile(
    r"mem_get_info|memory_stats|gpu_memory_utilization|memory_ratio|mem_fraction|free_memory|available_\w*memory|total_memory"
)


def find_kv_layout(program: Program, places: list[tuple[str, str]]) -> dict[str, list[dict[str, Any]]]:
    """`{allocation, bytes_per_block, number_of_blocks}`: each a list of `{name, expression, path, line, symbol, evidence}`,
    those in the files of `places` (path, symbol) first."""
    preferred = [path for path, _ in places]
    order = {path: n for n, path in reversed(list(enumerate(preferred)))}
    found: dict[str, list[tuple[int, dict[str, Any]]]] = {
        "allocation": [],
        "bytes_per_block": [],
        "number_of_blocks": [],
    }
    says_bytes = asked_once(_BYTES)
    for path in program.paths:
        record = program.record(path)
        if role_of(path) != "code" or record.language not in ("python", "rust", "go", "cpp"):
            continue
        rank = order.get(path, 99)
        for bind in record.binds:
            name = bind.target.rpartition(".")[2]
            kind = ""
            if _ALLOCATES.search(bind.value) and (
                _KV.search(name) or (rank < 99 and _CACHE.search(bind.value))
            ):
                kind = "allocation"
            elif _BYTES.search(name) and _PRODUCT.search(bind.value):
                kind = "bytes_per_block"
            elif _BLOCKS.search(name) and (_MEMORY.search(bind.value) or (rank < 99 and "//" in bind.value)):
                kind = "number_of_blocks"
            if kind:
                found[kind].append(
                    (
                        rank,
                        _row(program, path, bind.target, bind.value, bind.line, holder(record, bind.scope)),
                    )
                )
        for name, value, line, symbol in _products(program, path, says_bytes):
            if not any(row["path"] == path and row["line"] == line for _, row in found["bytes_per_block"]):
                found["bytes_per_block"].append((rank, _row(program, path, name, value, line, symbol)))
        for call in record.calls if rank < 99 else ():
            if call.callee.endswith("register_buffer") and any(_CACHE.search(a) for a in call.args):
                text = f"{call.callee}({', '.join(call.args)})"
                row = _row(
                    program, path, call.args[0].strip("\"'"), text, call.line, holder(record, call.scope)
                )
                found["allocation"].append((rank, row))
    return {
        kind: [row for _, row in sorted(rows, key=lambda r: (r[0], r[1]["path"], r[1]["line"]))][:MOST]
        for kind, rows in found.items()
    }


def _products(program: Program, path: str, says_bytes: Callable[[str], bool]) -> list[tuple[str, str, int, str]]:
    """(name, expression, line, function) of local numbers of bytes, and of what functions named so return; only files that
    show one are parsed anew."""
    record = program.record(path)
    if record.language != "python" or not any(
        says_bytes(d.name.rpartition(".")[2]) or any(map(says_bytes, d.words)) for d in record.defs
    ):
        return []
    text = program.text(path)
    if not _shows_bytes(text):
        return []
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return []
    rows = []
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for node in ast.walk(function):
            name = ""
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name | ast.Attribute):
                name = ast.unparse(node.targets[0])
            elif isinstance(node, ast.Return) and node.value is not None:
                name = function.name
            value = getattr(node, "value", None)
            if (
                name
                and isinstance(value, ast.BinOp)
                and _BYTES.search(name)
                and _PRODUCT.search(ast.unparse(value))
            ):
                inside = program.enclosing(path, node.lineno)
                text = " ".join(ast.unparse(value).split())
                rows.append((name, text, node.lineno, inside.name if inside else function.name))
    return sorted(set(rows), key=lambda r: r[2])


def _shows_bytes(text: str) -> bool:
    """Is there a line that gives such a name a value, or defines a function of such a name?"""
    for found in _BYTES.finditer(text):
        before = text[text.rfind("\n", 0, found.start()) + 1 : found.start()]
        after = text[found.end() : text.find("\n", found.end()) % (len(text) + 1)]
        if "def " in before or ("=" in after and "=" not in before):
            return True
    return False


def _row(program: Program, path: str, name: str, expression: str, line: int, symbol: str) -> dict[str, Any]:
    proof = evidence(program, path, line, f"{name} = …", symbol=symbol)
    return {
        "name": name,
        "expression": expression[:200],
        "path": path,
        "line": line,
        "symbol": symbol,
        "evidence": [proof],
    }
