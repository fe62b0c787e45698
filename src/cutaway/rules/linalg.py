# Factorisations and solvers by the leading terms of the textbook counts, in pairs of a multiplication and an addition.
# They are no matrix products: matmul_flops leaves them out, as torch's FlopCounterMode does.
# m and n are the sides of the matrix, k the columns of a right-hand side, s the smaller side.
from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from cutaway.formula import Formula, minimum
from cutaway.formula.core import ONE, product
from cutaway.rules.api import Count, Op, Rule, register
from cutaway.rules.shapes import numel, result, text

THIRD, HALF, SIXTH = Fraction(1, 3), Fraction(1, 2), Fraction(1, 6)
Leading = Callable[[Formula, Formula, Formula, Formula], Formula]

# (names, formula, pairs of a multiplication and an addition per matrix, from m, n, k, s)
LEADING: tuple[tuple[str, str, Leading], ...] = (
    ("linalg_cholesky_ex cholesky linalg_ldl_factor_ex", "n**3 / 6", lambda m, n, k, s: n**3 * SIXTH),
    ("linalg_lu linalg_lu_factor_ex _linalg_det _linalg_slogdet", "m * n * s - s**2 * (m + n) / 2 + s**3 / 3",
     lambda m, n, k, s: m * n * s - s**2 * (m + n) * HALF + s**3 * THIRD),
    ("linalg_inv_ex", "n**3", lambda m, n, k, s: n**3),
    ("_linalg_solve_ex", "n**3 / 3 + n**2 * k", lambda m, n, k, s: n**3 * THIRD + n**2 * k),
    ("cholesky_solve linalg_lu_solve linalg_ldl_solve", "n**2 * k", lambda m, n, k, s: n**2 * k),
    ("linalg_solve_triangular triangular_solve", "n**2 * k / 2", lambda m, n, k, s: n**2 * k * HALF),
    ("linalg_qr", "2 * (m * n * s - s**2 * (m + n) / 2 + s**3 / 3)",
     lambda m, n, k, s: (m * n * s - s**2 * (m + n) * HALF + s**3 * THIRD) * 2),
    ("geqrf linalg_householder_product", "m * s**2 - s**3 / 3", lambda m, n, k, s: m * s**2 - s**3 * THIRD),
    ("ormqr", "2 * m * n * k", lambda m, n, k, s: m * n * k * 2),
    ("linalg_lstsq", "m * n * s - s**3 / 3 + m * n * k",
     lambda m, n, k, s: m * n * s - s**3 * THIRD + m * n * k),
    ("_linalg_eigh", "9 * n**3 / 2", lambda m, n, k, s: n**3 * Fraction(9, 2)),
    ("linalg_eig _linalg_eigvals", "25 * n**3 / 2", lambda m, n, k, s: n**3 * Fraction(25, 2)),
    ("_linalg_svd", "3 * m * n * s + 10 * s**3", lambda m, n, k, s: m * n * s * 3 + s**3 * 10),
    ("linalg_pinv", "4 * m * n * s + 10 * s**3", lambda m, n, k, s: m * n * s * 4 + s**3 * 10),
    ("linalg_matrix_exp", "6 * n**3", lambda m, n, k, s: n**3 * 6),
)
NOT_COUNTED = {
    "_linalg_svd": "lower orders; steps saved when only singular values are asked for.",
    "_linalg_eigh": "lower orders; steps saved when only eigenvalues are asked for.",
    "linalg_matrix_exp": "squarings beyond the six products: their number depends on the data.",
}
RIGHT_HAND_FIRST = ("cholesky_solve", "triangular_solve")  # (B, A) where the others are (A, B)


def _leading(leading: Leading) -> Callable[[Op], Count]:
    def count(op: Op) -> Count:
        first, second = op.args[0], op.arg(1)
        a, b = (second, first) if op.base in RIGHT_HAND_FIRST else (first, second)
        m, n = a.dims[-2:]
        columns = b.dims[-1] if hasattr(b, "dims") and len(b.dims) == len(a.dims) else ONE
        per_matrix = leading(m, n, columns, minimum(m, n))
        return Count(f"{op.base} of {text(a)}", elementwise=product(a.dims[:-2]) * per_matrix * 2)

    return count


for _names, _text, _function in LEADING:
    register(Rule(
        tuple(f"aten.{n}" for n in _names.split()), "linalg", _leading(_function), f"elementwise = 2 * ({_text})",
        "the leading terms, per matrix of the batch.", NOT_COUNTED.get(_names, "lower orders, pivoting."),
        "Golub and Van Loan, Matrix Computations, 4th edition",
    ))


def _cross(op: Op) -> Count:
    return Count(f"cross product of {text(op.args[0])}", elementwise=numel(result(op)) * 3)


register(Rule(
    ("aten.linalg_cross", "aten.cross"), "elementwise", _cross, "elementwise = 3 * N",
    "two multiplications and a subtraction per output element.", "nothing.", "definition",
))
