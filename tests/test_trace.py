# The trace: sizes that carry formulas through real code, loops, branches, caches; what it gives is held
# against torch's own counter, a count of bytes that shares nothing with the rules, and itself.
from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import FrameType

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from cutaway.cli import run as cli
from cutaway.errors import BadValue, CutawayError, ForwardRaised, NeedsTrust
from cutaway.formula import Formula, ceil_div, const, floor_div, holds, sym
from cutaway.formula.core import ZERO, add
from cutaway.model import Analysis, Cost, Kernel, Line
from cutaway.trace.analyse import analyse, analyse_module
from cutaway.trace.dim import Guard, Real, formula_of, scope
from cutaway.trace.source import lines_of

HERE = Path(__file__).parent
MODULES, GPT = HERE / "fixtures" / "user_modules.py", HERE / "fixtures" / "tiny_gpt.py"
BENCH = HERE.parent / "bench"
PARTS = ("flops", "matmul_flops", "read", "write")
B, S, a, w = (sym(n) for n in ("batch_size", "seq_len", "a_bytes", "w_bytes"))
BYTES = {"w_bytes": 2, "a_bytes": 2, "kv_bytes": 2}


@pytest.fixture(autouse=True)
def bench_on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCH))


@cache
def user(name: str) -> Analysis:
    """A small module of the fixtures, on [batch_size, seq_len, 48]."""
    return analyse(f"{MODULES}:{name}", trust_code=True, inputs={"x": "batch_size,seq_len,48"})


@cache
def small(kind: str, phase: str, values: tuple = (), memo: bool = True, head: str = "CausalLM") -> Analysis:
    """A small model of a family, from bench/small_configs.py."""
    from coverage import build
    from small_configs import small_model

    from cutaway.trace.inputs import plan_inputs

    model = build(*small_model(kind, head), "meta")
    return analyse_module(model, plan_inputs(model, phase), name=kind, values=dict(values), memo=memo)


# --- sizes ---


def test_arithmetic_keeps_the_formula_and_the_number() -> None:
    with scope({"seq_len": 100, "batch_size": 7}) as symbols:
        s, b = symbols.dim("seq_len"), symbols.dim("batch_size")
        for value, number, formula in [
            (s + 1, 101, S + 1), (1 + s, 101, S + 1), (s - b, 93, S - B), (200 - s, 100, 200 - S),
            (s * b, 700, S * B), (s // 8, 12, floor_div(S, 8)), (s % 8, 4, S % 8),
            (-(-s // 8), 13, ceil_div(S, 8)),
            (s**2, 10000, S**2), (-s, -100, -S), (abs(-s), 100, S), (divmod(s, 8)[0], 12, floor_div(S, 8)),
            (math.ceil(s / 64), 2, ceil_div(S, 64)),
            (s + (64 - s % 64) % 64, 128, 64 * ceil_div(S, 64)), (math.prod((s, b, 2)), 1400, 2 * S * B),
        ]:  # fmt: skip
            assert value == number and formula_of(value) == formula, formula


def test_a_size_is_an_int_that_torch_and_python_take() -> None:
    with scope({"seq_len": 5}) as symbols:
        s = symbols.dim("seq_len")
        assert isinstance(s, int) and list(range(s)) == [0, 1, 2, 3, 4] and [1] * s == [1] * 5
        assert torch.empty(s, 2).shape == (5, 2) and f"{s}" == "5" and {5: "x"}[s] == "x"
        assert isinstance(s / 2, Real) and s / 2 == 2.5 and s * 0.5 == 2.5


def test_what_cancels_is_a_plain_number() -> None:
    with scope({"seq_len": 100}) as symbols:
        s = symbols.dim("seq_len")
        assert type(s - s) is int and type((s * 4) // s) is int and (s * 4) // s == 4


def test_comparisons_are_kept_as_conditions() -> None:
    with scope({"seq_len": 100}) as symbols:
        s = symbols.dim("seq_len")
        assert s > 64 and not s >= 4096 and s != 7 and bool(s)
        guards = list(symbols.guards)
    assert Guard(S - 64, "<=", False) in guards and Guard(S - 4096, "<", True) in guards
    for guard in guards:
        assert guard.holds({"seq_len": 100})
    assert not all(g.holds({"seq_len": 5000}) for g in guards)
    assert not all(g.holds({"seq_len": 64}) for g in guards)


def test_scopes_are_not_mixed() -> None:
    with scope({"seq_len": 100}) as outer:
        with scope({"seq_len": 9}) as inner:
            assert inner.dim("seq_len") > 4
        assert outer.dim("seq_len") == 100 and not outer.guards


# --- the tree ---


@pytest.mark.parametrize("phase", ["prefill", "decode"])
@pytest.mark.parametrize("name", ["llama-3.1-8b", "qwen3_moe", "bamba"])
def test_the_sum_over_the_tree_is_the_total_exactly(name: str, phase: str) -> None:
    found = analyse(name, phase=phase) if "." in name else small(name, phase)
    everything = []
    for m in found.modules:
        own = summed([s.cost * s.repeat for s in m.steps if isinstance(s, Kernel)])
        below = [found.modules[s.module].total * s.repeat for s in m.steps if not isinstance(s, Kernel)]
        assert m.own == own and m.total == summed([own, *below]), m.class_name
        everything.append(own * m.repeat)
    assert summed(everything) == found.total == found.modules[0].total
    assert found.gaps == () and not found.at_least
    assert {"batch_size"} <= found.total.flops.symbols() <= {s.name for s in found.symbols}


def summed(costs: list[Cost]) -> Cost:
    return Cost(*(add(getattr(c, p) for c in costs) for p in PARTS))


def test_llama_has_the_products_of_its_paper() -> None:
    found = analyse("llama-3.1-8b")
    layer = 2 * B * S * (2 * 4096 * 4096 + 2 * 4096 * 1024 + 3 * 4096 * 14336) + 4 * B * S**2 * 4096
    assert found.total.matmul_flops == 32 * layer + 2 * B * S * 4096 * 128256
    assert found.parameters.total == 8030261248
    assert found.kv_cache_bytes == 2 * 32 * 1024 * B * S * sym("kv_bytes")


@pytest.mark.parametrize(
    ("kind", "phase"), [("bamba", "prefill"), ("gemma2", "decode"), ("qwen3_moe", "prefill")]
)
def test_tracing_equal_modules_once_changes_nothing(kind: str, phase: str) -> None:
    one, all_of_them = small(kind, phase), small(kind, phase, memo=False)
    assert one.total == all_of_them.total and one.fused == all_of_them.fused
    assert [m.total for m in one.modules] == [m.total for m in all_of_them.modules]
    assert [m.repeat for m in one.modules] == [m.repeat for m in all_of_them.modules]


# --- regimes ---


def test_one_sequence_is_a_regime_of_its_own() -> None:
    many, single = small("llama", "prefill"), small("llama", "prefill", (("batch_size", 1),))
    assert "batch_size > 1" in many.valid_when and "batch_size == 1" in single.valid_when
    assert "batch_size" not in single.total.flops.symbols()
    assert single.total.matmul_flops == many.total.matmul_flops.substitute({"batch_size": 1})


def test_each_side_of_a_window_has_its_own_formula() -> None:
    before, after = (
        small("gemma2", "decode", (("cache_len", 4),)),
        small("gemma2", "decode", (("cache_len", 40),)),
    )
    for found, inside, outside in ((before, 4, 40), (after, 40, 4)):
        assert all(holds(c, {"batch_size": 2, "cache_len": inside}) for c in found.valid_when)
        assert not all(holds(c, {"batch_size": 2, "cache_len": outside}) for c in found.valid_when)
    assert before.total.matmul_flops != after.total.matmul_flops


def test_an_unknown_symbol_is_named() -> None:
    with pytest.raises(BadValue) as caught:
        analyse("llama-3.1-8b", values={"seq_length": 3})
    assert "seq_length" in caught.value.render() and "seq_len" in (caught.value.try_ or "")


# --- loops ---


def test_a_loop_over_tokens_is_fitted_exactly() -> None:
    found = user("Recurrent")
    # each token: a product, an addition, tanh
    assert found.total.matmul_flops == 2 * B * S * 48 * 48
    assert found.total.flops == B * S * (2 * 48 * 48 + 2 * 48)
    assert found.total.read == S * (a * B * 48 + w * 48 * 48 + 3 * a * B * 48)
    assert found.total.write == a * B * 48 * (3 * S + 1)
    assert found.gaps == ()


def test_a_loop_whose_turns_grow_is_fitted_exactly() -> None:
    found = user("Triangle")
    # turn t sums t + 1 rows and adds: 48 * B * (S (S + 1) / 2 + S), and once a multiplication
    assert found.total.flops == B * 48 * (S * (S + 1) / 2 + S + 1)
    assert found.gaps == ()


def test_a_size_that_is_divided_and_rounded_keeps_its_formula() -> None:
    found = user("Quarter")
    assert found.total.flops == B * 48 * ceil_div(S, 4) and found.gaps == ()


def test_a_loop_that_no_polynomial_describes_is_a_gap() -> None:
    found = user("Bits")
    assert found.approximate and not found.at_least
    assert any("user_modules.py" in g.where or g.what for g in found.gaps)


def test_a_loop_over_the_root_of_a_size_is_no_constant() -> None:
    found = user("Roots")
    at = {"batch_size": 2, "seq_len": 900}
    assert found.approximate or not all(holds(c, at) for c in found.valid_when)


@pytest.mark.parametrize(("name", "sign"), [("Unknown", "≥"), ("Bits", "≈"), ("UnknownTurns", "≥")])
def test_a_lower_bound_is_printed_as_one_and_what_one_run_says_as_that(
    name: str, sign: str, capsys: pytest.CaptureFixture
) -> None:
    inputs = ["--input", "x=batch_size,seq_len,48"]
    assert cli(["cost", f"{MODULES}:{name}", "--trust-code", *inputs, "--no-cache"]) == 0
    assert set("≥≈") & set(capsys.readouterr().out) == {sign}


# --- what cannot be derived ---


def test_an_op_without_a_rule_is_a_gap_with_its_name_and_line() -> None:
    (gap,) = user("Unknown").gaps
    assert gap.what == "cutaway_fixture.mystery.default"
    path, _, line = gap.where.rpartition(":")
    assert (
        path.endswith("user_modules.py") and "mystery(x)" in MODULES.read_text().splitlines()[int(line) - 1]
    )
    assert user("Unknown").total.flops == 48 * B * S  # what has a rule is still counted


def test_code_that_asks_for_a_value_says_where() -> None:
    with pytest.raises(ForwardRaised) as caught:
        user("AsksData")
    line = int((caught.value.where or "").rpartition(":")[2])
    assert "item" in caught.value.render() and ".item()" in MODULES.read_text().splitlines()[line - 1]


def test_an_error_of_the_code_is_shown_with_its_place() -> None:
    with pytest.raises(ForwardRaised) as caught:
        user("Wrong")
    assert "user_modules.py" in caught.value.render() and caught.value.known


# --- lines ---


def line(name: str, start: str) -> Line:
    (found,) = (x for x in user(name).modules[0].lines if x.text.startswith(start))
    return found


@pytest.mark.parametrize(
    ("name", "start", "status", "why"),
    [
        ("Branches", '"""What', "no_tensor_op", "a docstring"),
        ("Branches", "if self.scale", "no_tensor_op", "a condition on Python values"),
        ("Branches", "x = x * self.scale", "not_taken", "`self.scale is not None` was false"),
        ("Branches", "x = x + 1", "computes", ""),
        ("Branches", "y = self.proj(x)", "calls", ""),
        ("Branches", "width = y.shape", "no_tensor_op", "Python bookkeeping"),
        ("Branches", "y = y.transpose", "no_tensor_op", "only views"),
        ("Branches", "for _ in ()", "no_tensor_op", "a Python loop header"),
        ("Branches", "y = y * 2", "not_taken", "the loop at line"),
        ("Branches", "width //= 2", "not_taken", "`width > 10 ** 9` was false"),
        ("Branches", "assert width", "no_tensor_op", "a check on Python values"),
        ("Branches", "return y", "no_tensor_op", "returns what was computed above"),
        ("EarlyReturn", "return x.relu()", "computes", ""),
        ("EarlyReturn", "x = x * 2", "not_taken", "left at line"),
        ("EarlyReturn", "return x - 1", "not_taken", "left at line"),
        ("Attempts", "y = x * self.missing", "no_tensor_op", ""),
        ("Attempts", "y = y + 1", "not_taken", "left the block at line"),
        ("Attempts", "y = x.exp()", "computes", ""),
        ("Attempts", "y = y.sin()", "computes", ""),
        ("Attempts", "y = y.cos()", "not_taken", "no exception at line"),
        ("Attempts", "done = True", "no_tensor_op", "Python bookkeeping"),
        ("Attempts", "with torch.no_grad()", "no_tensor_op", "enters a context"),
        ("Attempts", "y = y - 3 if done", "computes", ""),
        ("ManyLines", "y = torch.add(", "computes", ""),
        ("ManyLines", "return y.mul(", "computes", ""),
        ("Helpers", "def double", "no_tensor_op", "defines a function"),
        ("Helpers", "return double(squash(x))", "computes", ""),
        ("Helpers", "y = x.tanh()", "computes", ""),
        ("Helpers", "return v * 2", "computes", ""),
        ("Helpers", "if hard:", "no_tensor_op", "a condition on Python values"),
        ("Helpers", "return x.clamp", "not_taken", "`hard` was false"),
        ("Recurrent", "for t in range", "no_tensor_op", "a Python loop header"),
        ("Recurrent", "h = torch.tanh", "calls", ""),
    ],
)
def test_each_statement_has_a_state_and_a_reason(name: str, start: str, status: str, why: str) -> None:
    found = line(name, start)
    assert (found.status, found.why[: len(why)]) == (status, why)


def one_line(a: int) -> int: return a  # fmt: skip


def two_ways(a: int) -> int:
    if a:
        return 1
    return 2


def test_the_lines_of_a_function_are_those_of_which_python_tells() -> None:
    """Once all have run, its calls are not watched any more: one too few would leave a line without its state."""
    half = lambda a: a / 2  # noqa: E731
    for function, arguments in ((one_line, (1,)), (two_ways, (0, 1)), (half, (1,))):
        ran: set[int] = set()

        def watch(frame: FrameType, event: str, arg: object, ran: set[int] = ran) -> object:
            if event == "line":
                ran.add(frame.f_lineno)
            return watch

        before = sys.gettrace()
        sys.settrace(watch)
        try:
            for a in arguments:
                function(a)
        finally:
            sys.settrace(before)
        code = function.__code__
        assert lines_of(code) == {n for n in ran if code.co_firstlineno <= n < code.co_firstlineno + 4}


def test_a_forward_that_its_decorator_replaced_says_so() -> None:
    (experts,) = (m for m in small("qwen3_moe", "prefill").modules if m.class_name.endswith("Experts"))
    assert experts.total.matmul_flops
    assert not [x for x in experts.lines if x.status == "not_taken" and "exception" in x.why]


def test_every_statement_of_every_forward_is_in_the_table() -> None:
    for kind in ("llama", "bamba", "qwen3_moe"):
        for m in small(kind, "prefill").modules:
            assert all(x.status in ("computes", "calls", "no_tensor_op", "not_taken") for x in m.lines)
            assert all(x.why for x in m.lines if x.status in ("no_tensor_op", "not_taken")), m.class_name
            assert len({(x.path, x.line) for x in m.lines}) == len(m.lines), m.class_name


def test_kernels_stand_on_lines_that_compute() -> None:
    found = user("ManyLines")
    first, second = (x.line for x in found.modules[0].lines if x.status == "computes")
    assert [(s.op, first <= s.line < second) for s in found.modules[0].steps] == [
        ("aten.sin.default", True),
        ("aten.cos.default", True),
        ("aten.add.Tensor", True),
        ("aten.mul.Tensor", False),
    ]


# --- held against real tensors ---

DECODERS = ["llama", "gpt2", "gemma2", "mixtral", "deepseek_v3", "bamba"]


@pytest.mark.parametrize("phase", ["prefill", "decode"])
@pytest.mark.parametrize("kind", DECODERS)
def test_matmul_flops_equal_torch_s_counter(kind: str, phase: str) -> None:
    from coverage import check

    row = check("CausalLM", kind, phase, 2)
    assert row["status"] == "exact", row["why"]
    assert row["gaps"] == 0


@pytest.mark.parametrize(
    ("head", "kind", "symbols"),
    [
        ("MaskedLM", "bert", {"batch_size", "seq_len"}),
        ("SeqToSeqCausalLM", "t5", {"batch_size", "seq_len", "encoder_len"}),
        ("ImageClassification", "vit", {"batch_size"}),
    ],
)
def test_encoders_pairs_and_images_equal_torch_s_counter(head: str, kind: str, symbols: set[str]) -> None:
    from coverage import check

    row = check(head, kind, "prefill", 2)
    assert row["status"] == "exact", row["why"]
    assert small(kind, "prefill", head=head).total.matmul_flops.symbols() == symbols


class Moved(TorchDispatchMode):
    """Bytes of distinct tensors into each op and of those that come out; views and allocations are free."""

    def __init__(self) -> None:
        super().__init__()
        self.read = self.write = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        name = func._schema.name.removeprefix("aten::")
        aliases = [r.alias_info for r in func._schema.returns]
        view = bool(aliases) and all(x is not None and not x.is_write for x in aliases)
        if (
            view
            or name in ("_unsafe_view", "detach", "lift_fresh")
            or name.startswith(("empty", "new_empty"))
        ):
            return out
        only_shape = name.endswith(
            ("zeros_like", "full_like", "ones_like", "new_ones", "new_zeros", "copy_", "fill_")
        )
        inputs = {id(t): t for t in tensors((*args[only_shape:], *(kwargs or {}).values()))}
        self.read += sum(t.numel() * t.element_size() for t in inputs.values())
        self.write += sum(t.numel() * t.element_size() for t in tensors((out,)))
        return out


def tensors(values: tuple) -> Iterator[torch.Tensor]:
    for v in values:
        if isinstance(v, torch.Tensor):
            yield v
        elif isinstance(v, (list, tuple)):
            yield from tensors(tuple(v))


@pytest.mark.parametrize("phase", ["prefill", "decode"])
@pytest.mark.parametrize("kind", ["llama", "qwen3", "gemma2"])
def test_eager_bytes_equal_an_independent_count(kind: str, phase: str) -> None:
    from coverage import build
    from small_configs import small_model

    from cutaway.trace.inputs import make_inputs, plan_inputs

    model = build(*small_model(kind), "cpu")
    plan = plan_inputs(model, phase)
    sizes = {s.name: 5 + n for n, s in enumerate(plan.symbols)}
    found = small(kind, phase, tuple(sizes.items()))
    inputs = make_inputs(model, plan, sizes, "cpu", torch.bfloat16)
    with torch.no_grad(), Moved() as moved:
        model(**inputs)
    at = {**sizes, **BYTES}
    assert (found.total.read.evaluate(at), found.total.write.evaluate(at)) == (moved.read, moved.write)


# --- code of users ---


def test_a_gpt_in_one_file_with_a_dataclass_for_its_config() -> None:
    found = analyse(f"{GPT}:GPT", trust_code=True)
    N, D, V = B * S, 64, 320
    layer = 2 * N * D * (3 * D + D + 4 * D + 4 * D) + 4 * B * S**2 * D
    assert found.total.matmul_flops == 3 * layer + 2 * B * D * V  # logits for the last position alone
    # the output matrix is the token table
    block = 12 * D * D + 4 * D + 5 * D
    assert found.parameters.total == V * D + 256 * D + 3 * block + 2 * D
    assert [str(g) for g in found.gaps] == []
    taken = {x.text: x for x in found.modules[0].lines}
    assert taken["logits = self.lm_head(x)"].status == "not_taken"
    assert "targets is not None" in taken["logits = self.lm_head(x)"].why


def test_code_of_users_runs_only_when_trusted() -> None:
    with pytest.raises(NeedsTrust):
        analyse(f"{GPT}:GPT")


def test_decode_without_a_cache_is_refused_with_the_reason() -> None:
    with pytest.raises(CutawayError) as caught:
        analyse(f"{GPT}:GPT", phase="decode", trust_code=True)
    assert "cache" in caught.value.render().lower()


def test_constants_of_the_constructor_can_be_given() -> None:
    found = analyse("torch.nn.Linear", args={"in_features": 10, "out_features": 20})
    assert found.total.matmul_flops == 2 * B * S * 10 * 20
    assert found.parameters.total == const(220) and found.kv_cache_bytes == ZERO
    assert isinstance(found.total.flops, Formula) and "torch" in sys.modules
