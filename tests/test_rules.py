# The rules held against what is independent of them: printed formulas that people review, torch's own counter
# at random sizes, counts derived by hand, and the law that a larger tensor never costs less.
from __future__ import annotations

import math
import os
import random
import re
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cutaway.cli import run
from cutaway.errors import BadValue, CutawayError
from cutaway.formula import Formula, const, sym
from cutaway.model import Convention, TensorSpec
from cutaway.rules import KINDS, Count, Op, Rule, all_rules, lookup, price, price_in_full, rule
from cutaway.rules.api import TABLE, register
from cutaway.rules.registry import _load_plugin
from cutaway.rules.shapes import tensors

SPEC = Path(__file__).parent / "spec" / "rules.md"
DTYPES = {
    "t": ("bfloat16", 2),
    "f": ("float32", 4),
    "i": ("int64", 8),
    "c": ("complex64", 8),
    "z": ("bool", 1),
}
LETTERS = {n: sym(n) for n in "BSTKNHDEV"}


class Tensors:
    """`t[B, S]` is a bfloat16 tensor of that shape, each time a new one."""

    number = 0

    def __init__(self, dtype: str, size: int):
        self.dtype, self.size = dtype, size

    def __getitem__(self, dims: object) -> TensorSpec:
        Tensors.number += 1
        dims = dims if isinstance(dims, tuple) else (dims,)
        shape = tuple(d if isinstance(d, Formula) else const(d) for d in dims)
        return TensorSpec(shape, self.dtype, "activation", const(self.size), Tensors.number)


WORDS = {**{k: Tensors(*v) for k, v in DTYPES.items()}, **LETTERS}
t, f, i = WORDS["t"], WORDS["f"], WORDS["i"]


def op(name: str, *args: object, out: object = (), **kwargs: object) -> Op:
    args = tuple(tuple(a) if isinstance(a, list) else a for a in args)
    return Op(name, args, kwargs, tensors((args, tuple(kwargs.values()))), tensors((out,)))


def flops(executed: Op) -> Formula:
    return price(executed, Convention())[0].flops


def read_spec_line(line: str) -> Op:
    call, _, outputs = line.partition(" -> ")
    name, _, rest = call.partition("(")
    out = eval(f"({outputs},)", {}, WORDS)
    return eval(
        f"op(name, {rest}",
        {"op": lambda n, *a, **k: _with_outputs(op(n, *a, **k), out)},
        {**WORDS, "name": name},
    )


def _with_outputs(executed: Op, out: tuple) -> Op:
    return Op(executed.name, executed.args, executed.kwargs, executed.inputs, out)


def expectation(executed: Op) -> str:
    full = price_in_full(executed, Convention())
    cost = full.cost
    text = f"flops: {cost.flops}   read: {cost.read}   write: {cost.write}"
    if (full.touched_read, full.touched_write) != (cost.read, cost.write):
        text += f"   touched: {full.touched_read}, {full.touched_write}"
    return text.replace("{", "").replace("}", "")


def spec_lines() -> list[str]:
    return re.findall(r"^aten\..*$", SPEC.read_text(encoding="utf-8"), re.MULTILINE)


def test_printed_formulas() -> None:
    lines = spec_lines()
    fresh = [
        f"{call}   # {expectation(read_spec_line(call))}" for call in (x.split("   # ")[0] for x in lines)
    ]
    if os.environ.get("UPDATE_SPEC"):
        text = SPEC.read_text(encoding="utf-8")
        for old, new in zip(lines, fresh, strict=True):
            text = text.replace(old + "\n", new + "\n", 1)
        SPEC.write_text(text, encoding="utf-8")
    else:
        assert lines == fresh


def test_ops_that_models_run_have_rules() -> None:
    listed = re.search(r"```ops\n(.*?)```", SPEC.read_text(encoding="utf-8"), re.DOTALL)[1].split()
    assert len(listed) > 130
    assert [n for n in listed if lookup(f"aten.{n}") is None] == []


# Counts by hand. N elements, R rows; each line of the comment is one pass over the row.
@pytest.mark.parametrize(
    ("executed", "expected"),
    [
        # max, subtract, exp, sum, divide: 5 * 6 * 10
        (op("aten._softmax.default", f[6, 10], -1, False, out=f[6, 10]), 5 * 60),
        # the same without the division, a second subtraction, a log for each of 6 rows
        (op("aten._log_softmax.default", f[6, 10], -1, False, out=f[6, 10]), 5 * 60 + 6),
        # sum, subtract, square, sum, times rstd, weight, bias: 7 * 60; mean, var, eps, rsqrt: 4 * 6
        (
            op("aten.native_layer_norm.default", f[6, 10], [10], f[10], f[10], 1e-5, out=f[6, 10]),
            7 * 60 + 4 * 6,
        ),
        # square, sum, times rstd, times weight: 4 * 60; mean, eps, rsqrt: 3 * 6
        (op("aten._fused_rms_norm.default", f[6, 10], [10], f[10], 1e-6, out=f[6, 10]), 4 * 60 + 3 * 6),
        # 2 samples x 3 groups are 6 rows of 4 * 25 elements
        (
            op(
                "aten.native_group_norm.default",
                f[2, 12, 25],
                f[12],
                f[12],
                2,
                12,
                25,
                3,
                1e-5,
                out=f[2, 12, 25],
            ),
            7 * 600 + 4 * 6,
        ),
        # subtract, times invstd, weight, bias: 4 * 60; eps, rsqrt for 3 channels
        (
            op(
                "aten.native_batch_norm.default",
                f[4, 3, 5],
                f[3],
                f[3],
                f[3],
                f[3],
                False,
                0.1,
                1e-5,
                out=f[4, 3, 5],
            ),
            4 * 60 + 2 * 3,
        ),
        # the same as layer norm with 3 rows, and 6 per channel for running statistics
        (
            op(
                "aten.native_batch_norm.default",
                f[4, 3, 5],
                f[3],
                f[3],
                f[3],
                f[3],
                True,
                0.1,
                1e-5,
                out=f[4, 3, 5],
            ),
            7 * 60 + 4 * 3 + 6 * 3,
        ),
        # sum, subtract, square, sum: 4 * 60; two divisions and a root for each of 6 rows
        (op("aten.std.correction", f[6, 10], [1], out=f[6]), 4 * 60 + 3 * 6),
        # max, subtract, exp, sum: 4 * 60; log, add for 6 rows
        (op("aten.logsumexp.default", f[6, 10], [1], out=f[6]), 4 * 60 + 2 * 6),
        # x * x, * x, * 0.044715, + x, * c, tanh, + 1, * x, * 0.5
        (op("aten.gelu.default", f[60], approximate="tanh", out=f[60]), 9 * 60),
        # exp, add, divide, multiply
        (op("aten.silu_.default", f[60], out=f[60]), 4 * 60),
        # two products of 2 * 4 * 5 * 8 per head, 5 per score for softmax, 1 for scaling, 1 for the mask
        (
            op(
                "aten._scaled_dot_product_efficient_attention.default",
                f[1, 2, 4, 8],
                f[1, 2, 5, 8],
                f[1, 2, 5, 8],
                f[1, 2, 4, 5],
                False,
                out=f[1, 2, 4, 8],
            ),
            2 * (2 * 2 * 4 * 5 * 8 + 7 * 20),
        ),
        # T * B = 6 steps; layers of [4H, I], [4H, H]: 32 * 4 + 32 * 8 and twice 32 * 8; 27 per hidden unit
        (
            op(
                "aten.lstm.input",
                f[3, 2, 4],
                [f[2, 2, 8], f[2, 2, 8]],
                [f[32, 4], f[32, 8], f[32], f[32], f[32, 8], f[32, 8], f[32], f[32]],
                True,
                2,
                0.0,
                False,
                False,
                False,
                out=f[3, 2, 8],
            ),
            2 * 6 * (128 + 256 + 512) + 6 * 16 * 27,
        ),
        # bilinear: along one dimension 3 operations twice, then 3 along the other
        (op("aten.upsample_bilinear2d.vec", f[1, 1, 2, 2], None, False, [2, 2], out=f[1, 1, 4, 4]), 9 * 16),
        # 5 n log2 n per complex transform of length 1024
        (
            op("aten._fft_c2c.default", WORDS["c"][3, 1024], [1], 0, True, out=WORDS["c"][3, 1024]),
            3 * 5 * 1024 * 10,
        ),
    ],
)
def test_counts_by_hand(executed: Op, expected: int) -> None:
    assert flops(executed).constant() == expected


def test_convention_weighs_each_sort_of_operation() -> None:
    silu = op("aten.silu.default", f[10], out=f[10])
    assert price(silu, Convention(elementwise=0, transcendental=7))[0].flops.constant() == 70
    product = op("aten.mm.default", f[2, 3], f[3, 4], out=f[2, 4])
    assert price(product, Convention(fma=1))[0].matmul_flops.constant() == 24
    mean = op("aten.mean.dim", f[6, 10], [1], out=f[6])
    assert price(mean, Convention(elementwise=0, reduction=3))[0].flops.constant() == 180


# --- torch's own counter, at random sizes ---


def flop_counter_cases() -> dict:
    """Case -> op, meta tensors of random size, and the output where the op does not run on meta."""
    import torch

    def m(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
        return torch.empty(shape, device="meta", dtype=dtype)

    n = [random.Random(7 * k).randint(2, 40) for k in range(8)]
    a, b, c, d, e, h, s, v = n
    conv = (m(a, 6, s + 4, e + 4), m(4, 3, 3, 2), m(4), [2, 1], [1, 0], [1, 1], False, [0, 0], 2)
    deconv = (m(a, 6, s, e), m(6, 5, 3, 2), None, [2, 2], [0, 0], [1, 1], True, [0, 0], 2)
    q, k, w = m(a, 2 * h, s, d), m(a, h, c, d), m(a, h, c, v)
    packed_q, packed_k = m(s, 2 * h, d), m(c, h, d)
    offsets, nothing = m(b + 1, dtype=torch.int32), m(1)
    grad = m(a, 2 * h, s, v)
    cu = (offsets, offsets, s, c)
    long_q, long_k = packed_q[None], packed_k[None]
    aten = torch.ops.aten
    grown = [2 * (s - 1) + 3, 2 * (e - 1) + 2]
    return {
        "mm": (aten.mm, (m(a, b), m(b, c)), None),
        "bmm": (aten.bmm, (m(a, b, c), m(a, c, d)), None),
        "addmm": (aten.addmm, (m(c), m(a, b), m(b, c)), None),
        "baddbmm": (aten.baddbmm, (m(a, b, d), m(a, b, c), m(a, c, d)), None),
        "scaled_mm": (aten._scaled_mm, (m(a, b), m(b, c), m(1), m(1)), m(a, c)),
        "convolution": (aten.convolution, conv, None),
        "transposed": (aten.convolution, deconv, None),
        "_convolution": (aten._convolution, (*conv, False, False, True, True), m(a, 4, 9, 8)),
        "overrideable": (aten.convolution_overrideable, conv, m(a, 4, 9, 8)),
        "convolution_backward": (
            aten.convolution_backward,
            (m(a, 4, 9, 8), *conv[:2], [4], *conv[3:], [True, True, True]),
            (conv[0], conv[1], m(4)),
        ),
        "transposed_backward": (
            aten.convolution_backward,
            (m(a, 10, *grown), *deconv[:2], None, *deconv[3:], [True, True, False]),
            (deconv[0], deconv[1], None),
        ),
        "efficient": (
            aten._scaled_dot_product_efficient_attention,
            (q, k, w, None, False),
            m(a, 2 * h, s, v),
        ),
        "flash": (aten._scaled_dot_product_flash_attention, (q, k, w), m(a, 2 * h, s, v)),
        "cudnn": (aten._scaled_dot_product_cudnn_attention, (q, k, w, None, False), m(a, 2 * h, s, v)),
        "efficient_backward": (
            aten._scaled_dot_product_efficient_attention_backward,
            (grad, q, k, w, None),
            q,
        ),
        "flash_backward": (aten._scaled_dot_product_flash_attention_backward, (grad, q, k, w), q),
        "cudnn_backward": (aten._scaled_dot_product_cudnn_attention_backward, (grad, q, k, w), q),
        "packed": (aten._flash_attention_forward, (packed_q, packed_k, packed_k, *cu), packed_q),
        "packed_efficient": (
            aten._efficient_attention_forward,
            (long_q, long_k, long_k, None, *cu),
            long_q,
        ),
        "packed_backward": (
            aten._flash_attention_backward,
            (packed_q, packed_q, packed_k, packed_k, packed_q, nothing, *cu),
            packed_q,
        ),
        "packed_efficient_backward": (
            aten._efficient_attention_backward,
            (long_q, long_q, long_k, long_k, None, long_q, *cu),
            long_q,
        ),
    }


CASES = [
    *("mm", "bmm", "addmm", "baddbmm", "scaled_mm"),
    *("convolution", "transposed", "_convolution", "overrideable"),
    *("convolution_backward", "transposed_backward"),
    *("efficient", "flash", "cudnn", "efficient_backward", "flash_backward", "cudnn_backward"),
    *("packed", "packed_efficient", "packed_backward", "packed_efficient_backward"),
]


def from_torch(value: object) -> object:
    """A meta tensor as a spec, whatever holds it."""
    import torch

    if isinstance(value, torch.Tensor):
        return f[tuple(value.shape)]
    return tuple(from_torch(v) for v in value) if isinstance(value, (list, tuple)) else value


@pytest.mark.parametrize("case", CASES)
def test_matmul_flops_equal_torch(case: str) -> None:
    from torch.utils.flop_counter import flop_registry

    packet, args, out = flop_counter_cases()[case]
    if out is None:
        out = packet.default(*args)
    executed = op(f"{packet}.default", *map(from_torch, args), out=from_torch(out))
    mine = price_in_full(executed, Convention())
    assert mine.rule.known_to_flop_counter
    assert mine.cost.matmul_flops.constant() == flop_registry[packet](*args, out_val=out)


def test_every_op_of_torch_s_counter_is_held_against_it() -> None:
    from torch.utils.flop_counter import flop_registry

    reads_its_arguments_wrongly = {"aten.cudnn_convolution", "aten._slow_conv2d_forward"}
    names = {str(p) if "." in str(p) else f"aten.{p}" for p in flop_registry}
    unknown = {n for n in names if not (r := lookup(n)) or not r.known_to_flop_counter}
    assert {n for n in unknown if n.startswith("aten.") and "flex" not in n} == reads_its_arguments_wrongly


def test_products_that_torch_does_not_count_are_priced_and_marked() -> None:
    for name in ("dot", "mv", "_grouped_mm", "_scaled_dot_product_flash_attention_for_cpu", "lstm"):
        assert not lookup(f"aten.{name}").known_to_flop_counter


# --- bytes ---


def test_a_tensor_used_twice_is_read_once() -> None:
    x = t[8]
    executed = Op("aten.mul.Tensor", (x, x), {}, (x,), (t[8],))
    assert price(executed, Convention())[0].read.constant() == 16


def test_out_argument_is_read_only_where_it_is_an_operand_too() -> None:
    a, b = t[8], t[8]
    for out, expected in ((t[8], 32), (a, 32)):
        inputs = tuple(dict.fromkeys((a, b, out)))
        executed = Op("aten.mul.out", (a, b), {"out": out}, inputs, (out,))
        assert price(executed, Convention())[0].read.constant() == expected


def test_lists_written_in_place_are_written() -> None:
    executed = op("aten._foreach_add_.List", [f[3], f[5]], [f[3], f[5]])
    cost = price(executed, Convention())[0]
    assert (cost.flops.constant(), cost.read.constant(), cost.write.constant()) == (8, 64, 32)


# --- the table ---


def test_every_rule_says_what_it_is() -> None:
    for r in all_rules():
        assert r.kind in KINDS and r.formula and r.counted and r.not_counted and r.source, r.name
        assert "\n" not in r.counted + r.not_counted + r.formula
    assert {r.kind for r in all_rules()} == set(KINDS)
    assert len({n for r in all_rules() for n in r.names}) == sum(len(r.names) for r in all_rules())


def test_a_second_rule_for_a_name_is_an_error() -> None:
    before = dict(TABLE) if lookup("aten.mm") else {}
    with pytest.raises(BadValue, match=r"aten\.mm has a rule already"):

        @rule("mm", kind="matmul", source="here")
        def again(op: Op) -> Count:
            """fma = 1

            Counted: nothing.
            """

    assert before == TABLE


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("kind", "magic", "no such kind"),
        ("formula", "", "lacks"),
        ("source", "", "lacks"),
        ("counted", "", "lacks"),
    ],
)
def test_a_rule_without_its_papers_is_an_error(field: str, value: str, message: str) -> None:
    papers = {"kind": "matmul", "formula": "x", "counted": "y", "not_counted": "z", "source": "here"}
    with pytest.raises(BadValue, match=message):
        register(Rule(names=("mylib.odd",), count=lambda op: Count("odd"), **{**papers, field: value}))


def test_a_price_is_made_once_for_equal_ops_and_again_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def count(op: Op) -> Count:
        asked.append(op)
        return Count(f"by {op.args[1]}", elementwise=const(1))

    found = Rule(("mylib.times",), "elementwise", count, "x", "y", "z", "here")
    monkeypatch.setitem(TABLE, "mylib.times", found)
    x, y, out = (t[sym("S"), 4] for _ in range(3))
    for by in (1, 1, 1.0, True):
        made = price_in_full(op("mylib.times", x, by, out=out), Convention())
        assert made.analysis == f"by {by}"
    assert len(asked) == 3  # what is equal to 1 is not the same
    price_in_full(op("mylib.times", y, 1, out=out), Convention())
    dear = price_in_full(op("mylib.times", x, 1, out=out), Convention(elementwise=2))
    assert dear.cost.flops == 2
    assert len(asked) == 5
    unlike = price_in_full(op("mylib.times", x, {"by": 2}, out=out), Convention())
    assert unlike.analysis == "by {'by': 2}"  # an argument without a hash is priced as well


def test_names() -> None:
    assert lookup("aten.mul_.Tensor") is lookup("aten::mul.Scalar") is lookup("aten.mul")
    assert lookup("aten.__and__.Tensor").kind == "elementwise"
    assert lookup("aten.max.other") is not lookup("aten.max.dim")
    assert lookup("flex_attention").kind == "attention"
    assert lookup("aten.no_such_op.default") is None
    assert price(op("aten.no_such_op.default", t[1]), Convention()) is None


def test_a_transform_of_any_length_has_its_stages() -> None:
    executed = op("aten._fft_c2c.default", WORDS["c"][sym("S")], [0], 0, True, out=WORDS["c"][sym("S")])
    assert str(price(executed, Convention())[0].flops) == "5 * {S} * ceil(log2({S}))"


def test_plugin_adds_a_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    plugin = ModuleType("cutaway_plugin_for_test")

    def add() -> None:
        @rule("mylib.twice", kind="elementwise", source="mylib")
        def twice(op: Op) -> Count:
            """elementwise = N

            Counted: one multiplication.
            """
            return Count("twice", elementwise=const(7))

    plugin.add = add
    monkeypatch.setitem(sys.modules, plugin.__name__, plugin)
    monkeypatch.setattr("cutaway.rules.registry.TABLE", TABLE)
    lookup("aten.mm")
    try:
        _load_plugin(EntryPoint("mine", f"{plugin.__name__}:add", "cutaway.rules"))
        assert price(op("mylib.twice.default", t[1]), Convention())[0].flops.constant() == 7
    finally:
        TABLE.pop("mylib.twice", None)


def test_a_broken_plugin_is_named() -> None:
    with pytest.raises(CutawayError) as caught:
        _load_plugin(EntryPoint("broken", "cutaway_no_such_module", "cutaway.rules"))
    assert "broken" in caught.value.render() and "cutaway_no_such_module" in caught.value.render()


@pytest.mark.parametrize("module", ["cutaway.rules", "cutaway.cli.ops"])
def test_listing_rules_imports_nothing_heavy(module: str) -> None:
    code = (
        f"import sys, {module}; from cutaway.rules import all_rules; all_rules(); "
        "sys.exit(bool({'torch', 'sympy', 'transformers', 'numpy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --- larger is never cheaper ---


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_larger_dimension_never_lowers_the_cost(data: st.DataObject) -> None:
    line = data.draw(st.sampled_from(spec_lines())).split("   # ")[0]
    cost = price(read_spec_line(line), Convention())[0]
    small = {n: data.draw(st.integers(1, 50)) * 2 for n in LETTERS}
    grown = data.draw(st.sampled_from(sorted(LETTERS)))
    large = small | {grown: small[grown] * data.draw(st.integers(2, 5))}
    for part in (cost.flops, cost.matmul_flops, cost.read, cost.write):
        assert 0 <= part.evaluate(small) <= part.evaluate(large)
    assert math.isfinite(cost.flops.evaluate(large))


# --- the command ---


def test_ops_lists_and_filters(capsys: pytest.CaptureFixture) -> None:
    assert run(["ops", "silu", "--json"]) == 0
    assert '"exp, add, divide, multiply' in capsys.readouterr().out.replace("per output element: ", "")
    assert run(["ops", "aten.silu_.default"]) == 0
    assert "x * sigmoid(x)" in capsys.readouterr().out
    assert run(["ops", "--format", "md", "--kind", "softmax"]) == 0
    assert "| `_softmax`" in capsys.readouterr().out


def test_ops_offers_the_nearest_name(capsys: pytest.CaptureFixture) -> None:
    assert run(["ops", "sofmax"]) == 2
    assert "softmax" in capsys.readouterr().err
