# Formulas: equal expressions are equal values, what is printed can be read back, and every way to evaluate
# one (exact, compiled, on numpy grids, after substitution) gives the same number.
from __future__ import annotations

import doctest
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cutaway.formula.core
from cutaway.errors import BadValue
from cutaway.formula import (
    Formula,
    ceil_div,
    ceil_log2,
    compile_formulas,
    const,
    floor_div,
    holds,
    maximum,
    minimum,
    parse,
    sym,
    to_javascript,
)
from cutaway.formula.core import add, product

B, S, C, H, D = (sym(n) for n in ("batch_size", "seq_len", "cache_len", "num_heads", "head_dim"))
NAMES = ("batch_size", "seq_len", "cache_len", "num_heads", "head_dim")

values = st.fixed_dictionaries({n: st.integers(1, 5000) for n in NAMES})
atoms = st.sampled_from(NAMES).map(sym) | st.integers(-300, 300).map(const)
divisors = st.integers(1, 256).map(const) | st.sampled_from(NAMES).map(sym)


def grow(inner: st.SearchStrategy[Formula]) -> st.SearchStrategy[Formula]:
    pairs = st.tuples(inner, inner)
    return st.one_of(
        pairs.map(lambda p: p[0] + p[1]),
        pairs.map(lambda p: p[0] - p[1]),
        pairs.map(lambda p: p[0] * p[1]),
        st.tuples(inner, divisors).map(lambda p: floor_div(*p)),
        st.tuples(inner, divisors).map(lambda p: ceil_div(*p)),
        pairs.map(lambda p: minimum(*p)),
        pairs.map(lambda p: maximum(*p)),
        st.tuples(inner, st.integers(2, 9)).map(lambda p: p[0] / p[1]),
    )


integral = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda p: p[0] + p[1]),
        st.tuples(inner, inner).map(lambda p: p[0] * p[1]),
        st.tuples(inner, divisors).map(lambda p: floor_div(*p)),
        st.tuples(inner, inner).map(lambda p: maximum(*p)),
    ),
    max_leaves=5,
)
formulas = st.recursive(atoms, grow, max_leaves=6)


# --- equal when canonically equal ---


def test_order_and_grouping_do_not_matter() -> None:
    assert (B + S) * H == H * S + H * B
    assert (B + S) ** 2 == B * B + 2 * B * S + S * S
    assert hash((B + S) * H) == hash(H * B + S * H)
    assert (B - B) == 0 and not (B - B) and (B - B).symbols() == frozenset()


def test_a_constant_formula_equals_its_number() -> None:
    assert (
        const(Fraction(6, 2)) == 3
        and const(3).constant() == 3
        and type(const(Fraction(6, 2)).constant()) is int
    )
    assert B.constant() is None and const(0).constant() == 0
    assert const(Fraction(1, 2)) == Fraction(1, 2)


def test_different_formulas_differ() -> None:
    assert B != S and B * 2 != B and floor_div(S, 64) != floor_div(S, 32) and minimum(B, S) != maximum(B, S)


@settings(max_examples=60, deadline=None)
@given(formulas, formulas, formulas, values)
def test_the_laws_of_arithmetic_hold_exactly(x: Formula, y: Formula, z: Formula, at: dict[str, int]) -> None:
    assert x + y == y + x and x * y == y * x
    assert (x + y) * z == x * z + y * z
    assert x - y == -(y - x) and x + 0 == x and x * 1 == x and x * 0 == 0
    assert (x * y).evaluate(at) == x.evaluate(at) * y.evaluate(at)
    assert add([x, y, z]) == x + y + z and product([x, y]) == x * y


def test_exact_division_undoes_multiplication() -> None:
    assert (B * S * 6) / (S * 3) == 2 * B
    assert ((B + S) * (H + 1)) / (B + S) == H + 1
    some = B + S + 235
    assert (some**3 - some**2) / some == some**2 - some
    assert add(S**n for n in range(9)) == (S**9 - 1) / (S - 1)
    assert (B / H) * H == B and const(1) / B == B**2 / B**3


def test_division_that_leaves_a_rest_is_refused() -> None:
    with pytest.raises(ValueError, match="floor_div"):
        (B * S + 1) / (B + S)
    with pytest.raises(ZeroDivisionError):
        B / 0


# --- floor, ceil, mod, min, max ---


def test_padding_to_a_chunk_is_a_ceiling() -> None:
    assert 64 * ceil_div(S, 64) == S + (64 - S % 64) % 64
    assert 64 * ceil_div(S, 64) == S + (-S) % 64
    assert str(S + (64 - S % 64) % 64) == "64 * ceil({seq_len} / 64)"


def test_what_divides_is_taken_out_of_a_floor() -> None:
    assert floor_div(64 * S + 5, 64) == S
    assert floor_div(64 * S + 70, 64) == S + 1
    assert floor_div(B * S, S) == B and (B * S) % S == 0
    assert floor_div(4 * S, 2) == 2 * S and floor_div(6 * S, 4) == floor_div(3 * S, 2)
    assert floor_div(floor_div(S, 4), 8) == floor_div(S, 32)
    assert floor_div(-S, 64) == -ceil_div(S, 64)
    assert floor_div(17, 5) == 3 and ceil_div(17, 5) == 4 and const(17) % 5 == 2


@settings(max_examples=150, deadline=None)
@given(integral, divisors, values)
def test_floor_ceil_and_mod_are_those_of_integers(a: Formula, b: Formula, at: dict[str, int]) -> None:
    x, y = a.evaluate(at), b.evaluate(at)
    assert floor_div(a, b).evaluate(at) == x // y
    assert ceil_div(a, b).evaluate(at) == -(-x // y)
    assert (a % b).evaluate(at) == x % y


def test_extremes_of_comparable_formulas_are_decided() -> None:
    assert minimum(S, S + 3) == S and maximum(S, S + 3) == S + 3
    assert maximum(3, 7) == 7 and minimum(S, C) == minimum(C, S)
    assert minimum(S, C).evaluate({"seq_len": 5, "cache_len": 3}) == 3


# --- printed and read back ---


@pytest.mark.parametrize(
    ("formula", "text"),
    [
        (2 * B * S + 4 * B, "2 * {batch_size} * ({seq_len} + 2)"),
        (const(0), "0"),
        (-B, "-{batch_size}"),
        (B - S, "{batch_size} - {seq_len}"),
        (B * S / 2, "{batch_size} * {seq_len} / 2"),
        (B * H / D, "{batch_size} * {num_heads} / {head_dim}"),
        (S**2 + 1, "{seq_len}**2 + 1"),
        (floor_div(S, 4), "floor({seq_len} / 4)"),
        (minimum(S, const(4096)), "min({seq_len}, 4096)"),
        (ceil_div(S + C, 64) * 64, "64 * ceil(({seq_len} + {cache_len}) / 64)"),
    ],
)
def test_formulas_print_for_people(formula: Formula, text: str) -> None:
    assert str(formula) == text and parse(text) == formula


@settings(max_examples=250, deadline=None)
@given(formulas)
def test_what_is_printed_is_read_back_as_the_same(f: Formula) -> None:
    assert parse(str(f)) == f


@pytest.mark.parametrize(
    "f", [floor_div(S, 145) * (H + 179), ceil_div(S, 64) * (B + C), minimum(S / 2, C) * (B + 1)]
)
def test_a_floor_that_all_terms_share_stays_in_one_piece(f: Formula) -> None:
    at = dict(zip(NAMES, (3, 1000, 50, 8, 64), strict=True))
    assert parse(str(f)).evaluate(at) == f.evaluate(at) and parse(str(f)) == f


def test_the_notation_takes_plain_names_floor_division_and_remainders() -> None:
    assert parse("seq_len // 4") == floor_div(S, 4) and parse("{seq_len} % 4") == S % 4
    assert parse("0.5 * {seq_len}") == S / 2 and parse("max(1, seq_len, cache_len)") == maximum(
        maximum(1, S), C
    )


@pytest.mark.parametrize(
    "text", ["", "{a", "import os", "f(x)", "x if y else z", "__import__('os')", "2 ** x", "1 / 0", "'a'"]
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(BadValue, match="not a formula"):
        parse(text)


# --- numbers ---


@settings(max_examples=120, deadline=None)
@given(formulas, values)
def test_every_way_to_evaluate_agrees(f: Formula, at: dict[str, int]) -> None:
    exact = Fraction(f.evaluate(at))
    assert Fraction(f.substitute(at).constant()) == exact
    (compiled,) = compile_formulas([f], NAMES)(**at)
    assert float(compiled) == pytest.approx(float(exact), rel=1e-9, abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(integral, st.lists(st.integers(1, 60), min_size=2, max_size=4, unique=True))
def test_a_grid_of_numpy_arrays_gives_what_each_point_gives(f: Formula, lengths: list[int]) -> None:
    batches = np.array([[1], [3], [8]])
    grid = {
        "batch_size": batches,
        "seq_len": np.array(lengths),
        "cache_len": 7,
        "num_heads": 4,
        "head_dim": 16,
    }
    (compiled,) = compile_formulas([f], NAMES)(**grid)
    direct = np.broadcast_to(f.evaluate(grid), (3, len(lengths)))
    for i, b in enumerate((1, 3, 8)):
        for j, s in enumerate(lengths):
            exact = f.evaluate({**grid, "batch_size": b, "seq_len": s})
            if abs(exact) < 2**53:
                assert direct[i, j] == exact == np.broadcast_to(compiled, (3, len(lengths)))[i, j]


def test_a_formula_may_stand_for_a_symbol() -> None:
    assert (S**2 + B).substitute({"seq_len": C + 1}) == (C + 1) ** 2 + B
    assert ceil_div(S, 64).substitute({"seq_len": 64 * C}) == C
    assert minimum(S, const(4096)).substitute({"seq_len": 5000}) == 4096
    assert S.substitute({"head_dim": 3}) is S


def test_a_symbol_without_a_value_is_named() -> None:
    with pytest.raises(KeyError, match="seq_len"):
        (B * S).evaluate({"batch_size": 1})
    with pytest.raises(KeyError, match="seq_len"):
        compile_formulas([B * S], ["batch_size"])


def test_large_numbers_stay_exact() -> None:
    assert (S**5).evaluate({"seq_len": 10**6 + 1}) == (10**6 + 1) ** 5


def test_javascript_uses_its_own_functions() -> None:
    text = to_javascript(floor_div(S, 64) + minimum(S, C))
    assert "Math.floor(" in text and "Math.min(" in text and "//" not in text


def test_halvings_are_whole_and_the_same_in_every_form() -> None:
    f = 5 * S * ceil_log2(S + 1)
    assert str(f) == "5 * {seq_len} * ceil(log2({seq_len} + 1))" and parse(str(f)) == f
    lengths = list(range(1, 70))
    grid = np.array(lengths)
    (compiled,) = compile_formulas([f], ["seq_len"])(grid)
    for i, n in enumerate(lengths):
        exact = 5 * n * next(k for k in range(9) if 2**k >= n + 1)
        assert f.evaluate({"seq_len": n}) == exact == f.substitute({"seq_len": n})
        assert exact == compiled[i] == f.evaluate({"seq_len": grid})[i]
    assert "Math.log2(" in to_javascript(f)


def test_sympy_agrees() -> None:
    f = B * S**2 / 3 + floor_div(S, 7) + maximum(S, C)
    expression = f.to_sympy()
    at = {"batch_size": 3, "seq_len": 50, "cache_len": 60}
    assert expression.subs({s: at[s.name] for s in expression.free_symbols}) == f.evaluate(at)


# --- conditions ---


@pytest.mark.parametrize(
    ("condition", "at", "outcome"),
    [
        ("batch_size > 1", {"batch_size": 2}, True),
        ("batch_size > 1", {"batch_size": 1}, False),
        ("batch_size == 1", {"batch_size": 1}, True),
        ("cache_len + seq_len >= 4096", {"cache_len": 4000, "seq_len": 96}, True),
        ("cache_len + seq_len < 4096", {"cache_len": 4000, "seq_len": 96}, False),
        ("cache_len + 1 <= 5", {"cache_len": 4}, True),
        ("num_heads % num_key_value_heads == 0", {"num_heads": 32, "num_key_value_heads": 8}, True),
        ("num_heads % num_key_value_heads == 0", {"num_heads": 32, "num_key_value_heads": 7}, False),
        ("(2 * hidden_size / head_dim) % 8 == 0", {"hidden_size": 64, "head_dim": 16}, True),
        ("-seq_len + 256 * ceil(seq_len / 256) > 0", {"seq_len": 256}, False),
        ("seq_len != 3", {"seq_len": 3}, False),
    ],
)
def test_conditions_hold_or_not(condition: str, at: dict[str, int], outcome: bool) -> None:
    assert holds(condition, at) is outcome


def test_the_examples_in_the_docstrings_are_true() -> None:
    assert doctest.testmod(cutaway.formula.core).failed == 0
