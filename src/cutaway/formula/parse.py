# Reading the notation back: reports are checked by evaluating the formulas that they print.
from __future__ import annotations

import ast
import re
from fractions import Fraction

from cutaway.errors import BadValue
from cutaway.formula.core import (
    Formula,
    as_formula,
    ceil_div,
    ceil_log2,
    const,
    floor_div,
    maximum,
    minimum,
    sym,
)


def parse(text: str) -> Formula:
    """The formula that `text` prints, for example `2 * {batch_size} * ceil({seq_len} / 64)`.

    Raises `BadValue` on anything but numbers, `{symbols}`, `+ - * / // % **`, floor, ceil, min, max, ceil(log2()).
    """
    try:
        tree = ast.parse(re.sub(r"\{(\w+)\}", r"\1", text).strip(), mode="eval")
        return _read(tree.body)
    except (SyntaxError, ValueError, ZeroDivisionError, RecursionError) as error:
        raise BadValue(f"not a formula: {text[:200]!r}", known=str(error)) from None


def _read(node: ast.expr) -> Formula:
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return const(node.value)
    if isinstance(node, ast.Constant) and type(node.value) is float:
        return const(Fraction(str(node.value)))
    if isinstance(node, ast.Name):
        return sym(node.id)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_read(node.operand)
    if isinstance(node, ast.BinOp):
        return _binary(node)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return _call(node.func.id, node.args)
    raise ValueError(f"{ast.unparse(node)} is not allowed here")


def _binary(node: ast.BinOp) -> Formula:
    left, right = _read(node.left), _read(node.right)
    if isinstance(node.op, ast.Pow):
        exponent = right.constant()
        if not isinstance(exponent, int) or abs(exponent) > 64:
            raise ValueError("an exponent must be a small whole number")
        return left**exponent
    operators = {
        ast.Add: lambda: left + right,
        ast.Sub: lambda: left - right,
        ast.Mult: lambda: left * right,
        ast.Div: lambda: left / right,
        ast.FloorDiv: lambda: floor_div(left, right),
        ast.Mod: lambda: left % right,
    }
    if type(node.op) not in operators:
        raise ValueError(f"{ast.unparse(node)}: operator not allowed")
    return operators[type(node.op)]()


def _call(name: str, args: list[ast.expr]) -> Formula:
    if name == "ceil" and len(args) == 1 and isinstance(args[0], ast.Call) and ast.unparse(args[0].func) == "log2":
        return ceil_log2(_read(args[0].args[0]))
    if name in ("floor", "ceil") and len(args) == 1:
        divide = floor_div if name == "floor" else ceil_div
        if isinstance(args[0], ast.BinOp) and isinstance(args[0].op, ast.Div):
            return divide(_read(args[0].left), _read(args[0].right))
        return divide(_read(args[0]), const(1))
    if name in ("min", "max") and len(args) >= 2:
        combine = minimum if name == "min" else maximum
        out = as_formula(_read(args[0]))
        for arg in args[1:]:
            out = combine(out, _read(arg))
        return out
    raise ValueError(f"{name}() is not known")
