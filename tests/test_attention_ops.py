"""Attention that code asks for by name is one kernel: no square of scores in memory; and compiled code runs as written."""

from __future__ import annotations

import sys

import pytest
import torch
from torch import nn
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

from cutaway.cli import lean
from cutaway.errors import ForwardRaised
from cutaway.formula import Formula, sym
from cutaway.trace.analyse import analyse, analyse_module
from cutaway.trace.compiled import as_written
from cutaway.trace.inputs import InputPlan
from cutaway.trace.inputs_symbols import symbols_of
from cutaway.trace.inputs_types import InputSpec

WIDTH, HEADS, GROUPS = 96, 6, 2
HEAD = WIDTH // HEADS
B: Formula = sym("batch_size")
S: Formula = sym("seq_len")
A: Formula = sym("a_bytes")
W: Formula = sym("w_bytes")
# Queries, keys and values of a token come out of one projection: WIDTH columns and two of GROUPS heads.
COLUMNS = WIDTH + 2 * GROUPS * HEAD
PROJECTIONS = 2 * B * S * WIDTH * COLUMNS + 2 * B * S * WIDTH * WIDTH
SCORES = B * HEADS * S * S


class Attention(nn.Module):
    causal = True

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(WIDTH, COLUMNS, bias=False)
        self.out = nn.Linear(WIDTH, WIDTH, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, length, _ = x.shape
        parts = self.qkv(x).split([WIDTH, GROUPS * HEAD, GROUPS * HEAD], dim=-1)
        q, k, v = (p.view(batch, length, -1, HEAD).transpose(1, 2) for p in parts)
        return self.out(self.attend(q, k, v).transpose(1, 2).reshape(batch, length, WIDTH))

    def attend(self, q, k, v):
        return nn.functional.scaled_dot_product_attention(q, k, v, is_causal=self.causal, enable_gqa=True)


class Whole(Attention):
    causal = False


class Flex(Attention):
    def attend(self, q, k, v):
        return flex_attention(q, k, v, enable_gqa=True)


def before_or_at(b, h, q, k):
    return q >= k


class Masked(Attention):
    def attend(self, q, k, v):
        size = q.shape[2]
        mask = create_block_mask(before_or_at, None, None, size, size, device=q.device)
        return flex_attention(q, k, v, block_mask=mask, enable_gqa=True)


def analysed(cls: type[nn.Module]):
    with torch.device("meta"):
        module = cls().to(torch.bfloat16)
    specs = (InputSpec("x", ("batch_size", "seq_len", WIDTH), "float"),)
    return analyse_module(module, InputPlan("prefill", specs, symbols_of(specs)), name=cls.__name__, values={})


@pytest.mark.parametrize("cls", [Attention, Whole, Flex, Masked])
def test_both_products_are_counted_over_the_square(cls):
    found = analysed(cls)
    assert not found.gaps
    assert found.total.matmul_flops == PROJECTIONS + 4 * SCORES * HEAD


def test_what_is_moved_is_queries_keys_values_output_and_one_number_a_row():
    """Each projection reads x [B, S, WIDTH] and its weights and writes its columns; attention reads those columns and
    writes [B, S, WIDTH] and a float32 for each row of scores. Heads lie side by side: nothing is copied."""
    found = analysed(Attention)
    assert found.total.read == B * S * (WIDTH + COLUMNS + WIDTH) * A + (COLUMNS + WIDTH) * WIDTH * W
    assert found.total.write == B * S * (COLUMNS + WIDTH + WIDTH) * A + 4 * B * HEADS * S


def test_a_causal_call_says_which_half_is_useful():
    causal, whole = analysed(Attention), analysed(Whole)
    kernel = 4 * SCORES * HEAD + 6 * SCORES  # scale, max, subtract, exp, sum, divide
    assert causal.total.flops == whole.total.flops == PROJECTIONS + kernel
    assert causal.useful_flops == PROJECTIONS + kernel * (S + 1) / (2 * S)
    assert whole.useful_flops == whole.total.flops


def test_sizes_that_do_not_fit_are_an_error_as_ever():
    class Wrong(Attention):
        def attend(self, q, k, v):
            return super().attend(q, k[..., : HEAD // 2], v)

    with pytest.raises(ForwardRaised) as error:
        analysed(Wrong)
    assert "do not fit keys" in error.value.known


def test_outside_a_run_attention_is_torch_s_own():
    q = torch.empty(2, 3, 5, 8, device="meta")
    assert nn.functional.scaled_dot_product_attention(q, q, q).shape == q.shape
    names = vars(sys.modules["torch.nn.attention.flex_attention"])
    assert names["flex_attention_hop"].__module__.startswith("torch.")


def test_code_that_was_compiled_before_runs_as_it_is_written():
    calls = []

    def double(x):
        calls.append(type(x))
        return x * 2

    compiled = torch.compile(double, backend=_refuses)
    with as_written():
        assert compiled(torch.ones(3)).tolist() == [2, 2, 2]
    assert calls == [torch.Tensor]


def _refuses(graph, inputs):
    raise AssertionError("nothing is to be compiled")


def test_a_process_of_its_own_compiles_nothing():
    assert lean._as_written(len) is len
    assert lean._as_written(mode="max-autotune")(len) is len
    assert lean._LOADERS["torch"] is lean._AsWritten


def test_a_layer_of_torch_without_arguments_attends_along_its_sequence():
    """[S, B, d] unless its parts say otherwise. Products: four projections of d x d, two of d x 2048 (its default), and
    scores and values of S x S for each width."""
    found = analyse("torch.nn.TransformerEncoderLayer")
    d = sym("d_model")
    assert found.total.matmul_flops == 2 * B * S * (4 * d * d + 2 * d * 2048) + 4 * B * S * S * d
    assert {s.name for s in found.symbols} >= {"d_model", "nhead"}
