"""Balanced routing: counts of tokens by expert have a fixed sum, and fewer choices than experts use no more experts."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from cutaway.errors import ForwardRaised
from cutaway.formula import Formula, sym
from cutaway.model import Analysis, Call, Kernel
from cutaway.trace.analyse import analyse_module
from cutaway.trace.inputs import InputPlan
from cutaway.trace.inputs_symbols import symbols_of
from cutaway.trace.inputs_types import InputSpec
from cutaway.trace.routing import BALANCED, GOES_ON

EXPERTS, TOP_K, WIDTH = 8, 2, 16
TOKENS: Formula = sym("batch_size") * sym("seq_len")


class Counted(nn.Module):
    """Tokens sorted by expert, split at the numbers that each expert gets."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Linear(WIDTH, EXPERTS, bias=False)
        self.experts = nn.ModuleList(nn.Linear(WIDTH, 3, bias=False) for _ in range(EXPERTS))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows = x.view(-1, WIDTH)
        chosen = self.gate(rows).topk(TOP_K, dim=1).indices
        gates = torch.zeros(rows.shape[0], EXPERTS, device=x.device).scatter(1, chosen, 1)
        sizes = gates.long().sum(0).tolist()
        order = chosen.flatten().sort(0).indices // TOP_K
        parts = rows[order].split(sizes, dim=0)
        return torch.cat([e(p) for e, p in zip(self.experts, parts, strict=True)])


class Masked(Counted):
    """A loop over the experts that are met, each picking its tokens by a one-hot mask."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows = x.view(-1, WIDTH)
        chosen = self.gate(rows).topk(TOP_K, dim=1).indices
        mask = nn.functional.one_hot(chosen, EXPERTS).permute(2, 1, 0)
        out = torch.zeros(rows.shape[0], 3, device=x.device)
        for hit in (mask.sum((-1, -2)) > 0).nonzero():
            _, tokens = torch.where(mask[hit[0]])
            out.index_add_(0, tokens, self.experts[0](rows[tokens]))
        return out


class Spare(Counted):
    """The same loop on stacked weights, with one class more than there are experts: for tokens of other devices."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(EXPERTS, WIDTH, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows = x.view(-1, WIDTH)
        chosen = self.gate(rows).topk(TOP_K, dim=1).indices
        mask = nn.functional.one_hot(chosen, EXPERTS + 1).permute(2, 1, 0)
        out = torch.zeros(rows.shape[0], 3, device=x.device)
        for hit in (mask.sum((-1, -2)) > 0).nonzero():
            _, tokens = torch.where(mask[hit[0]])
            out.index_add_(0, tokens, rows[tokens] @ self.weight[hit[0]])
        return out


class Grouped(Spare):
    """All experts in one product: rows in the order of their experts, and where each expert's rows end."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows = x.view(-1, WIDTH)
        chosen = self.gate(rows).topk(TOP_K, dim=1).indices.flatten()
        ends = torch.histc(chosen.int(), EXPERTS, 0, EXPERTS - 1).cumsum(0, dtype=torch.int32)
        return torch._grouped_mm(rows[chosen.argsort() // TOP_K], self.wide, offs=ends)

    def __init__(self) -> None:
        super().__init__()
        self.wide = nn.Parameter(torch.empty(EXPERTS, WIDTH, 16))


class Writes(nn.Module):
    """Words one by one, until all sequences have written the last word of all."""

    def __init__(self) -> None:
        super().__init__()
        self.word = nn.Linear(WIDTH, EXPERTS, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        state, words = x.sum(1), []
        for _ in range(5):
            scores = self.word(state)
            words.append(scores.argmax(dim=1))
            state = state + scores.sum(1, keepdim=True)
            if torch.stack(words, dim=1).eq(EXPERTS - 1).any(-1).all():
                break
        return state


def analysed(kind: type[nn.Module], **values: int) -> Analysis:
    with torch.device("meta"):
        model = kind().eval()
    specs = (InputSpec("x", ("batch_size", "seq_len", WIDTH), "float", "random"),)
    plan = InputPlan("prefill", specs, symbols_of(specs), None, ())
    return analyse_module(model, plan, name="it", values=values, dtype="float32")


def matmuls(choices: Formula | int, tokens: Formula | int) -> Formula:
    return 2 * WIDTH * (EXPERTS * tokens + 3 * choices) * sym("seq_len") ** 0


def test_numbers_of_tokens_by_expert_sum_to_all_choices() -> None:
    found = analysed(Counted)
    assert found.total.matmul_flops == matmuls(TOP_K * TOKENS, TOKENS)
    assert found.gaps == () and BALANCED in found.assumptions


def test_a_mask_of_one_expert_has_its_even_share() -> None:
    found = analysed(Masked)
    assert found.total.matmul_flops == matmuls(TOP_K * TOKENS, TOKENS) and found.gaps == ()


def test_one_token_meets_as_many_experts_as_it_chooses() -> None:
    for kind in (Masked, Counted):
        assert analysed(kind, batch_size=1, seq_len=1).total.matmul_flops == matmuls(TOP_K, 1)


def test_a_few_tokens_have_the_total_of_all_choices() -> None:
    """Five tokens make ten choices among eight experts: no even share, and yet the sum is known."""
    for kind in (Masked, Counted):
        at = {"batch_size": 1, "seq_len": 5}
        assert analysed(kind, **at).total.matmul_flops.evaluate(at) == 2 * WIDTH * (EXPERTS * 5 + 3 * 10)


def test_fewer_choices_than_experts_meet_as_many_experts_and_say_how_many() -> None:
    assert "2 * batch_size * seq_len >= 8" in analysed(Masked).valid_when
    few = analysed(Masked, batch_size=1, seq_len=3)
    assert few.gaps == () and "2 * seq_len == 6" in few.valid_when
    calls = [s.repeat for s in of_root(few) if isinstance(s, Call) and "experts.0" in s.names]
    assert sum(calls) == TOP_K * 3


def test_one_hot_costs_what_it_does_where_there_is_data() -> None:
    ops = {s.op for s in of_root(analysed(Masked)) if isinstance(s, Kernel)}
    assert {"aten.new_zeros.default", "aten.scatter_.value"} <= ops
    assert "aten.eq.Tensor" not in ops  # with all classes, as on the meta device


def of_root(found: Analysis) -> tuple[Kernel | Call, ...]:
    return next(m.steps for m in found.modules if m.class_name.endswith("Masked"))


def test_a_class_that_no_choice_sets_is_never_met() -> None:
    assert analysed(Spare).total.matmul_flops == matmuls(TOP_K * TOKENS, TOKENS)
    at = {"batch_size": 1, "seq_len": 3}
    assert analysed(Spare, **at).total.matmul_flops.evaluate(at) == 2 * WIDTH * (EXPERTS * 3 + 3 * 6)


class Picked(Counted):
    """A loop over all experts, each of which looks for the tokens that chose it."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows = x.view(-1, WIDTH)
        chosen = self.gate(rows).topk(TOP_K, dim=1).indices
        out = torch.zeros(rows.shape[0], 3, device=x.device)
        for n, expert in enumerate(self.experts):
            self.add(out, rows, chosen, chosen == n, expert)
        return out

    def add(self, out: torch.Tensor, rows: torch.Tensor, chosen: torch.Tensor, mine: torch.Tensor, expert: nn.Module) -> None:
        tokens, _ = torch.where(mine)
        out[tokens] += expert(rows[tokens])


class PickedByMask(Picked):
    def add(self, out: torch.Tensor, rows: torch.Tensor, chosen: torch.Tensor, mine: torch.Tensor, expert: nn.Module) -> None:
        if mine.any():
            mask = mine.any(dim=-1)
            out[mask] += expert(rows[mask])


class PickedWhereCounted(Picked):
    def add(self, out: torch.Tensor, rows: torch.Tensor, chosen: torch.Tensor, mine: torch.Tensor, expert: nn.Module) -> None:
        if any(torch.bincount(chosen.flatten(), minlength=EXPERTS).tolist()):
            super().add(out, rows, chosen, mine, expert)


class PickedByList(Picked):
    """The tokens of an expert as a list of Python's, which is what the rows are picked by."""

    def add(self, out: torch.Tensor, rows: torch.Tensor, chosen: torch.Tensor, mine: torch.Tensor, expert: nn.Module) -> None:
        tokens, turn = torch.where(mine)
        listed = tokens.tolist()
        out.index_add_(0, tokens, expert(rows[None, listed].reshape(-1, WIDTH)) * rows[listed, turn.tolist(), None])


class Walked(Picked):
    """What goes through such a list asks for its numbers, which nobody knows."""

    def add(self, out: torch.Tensor, rows: torch.Tensor, chosen: torch.Tensor, mine: torch.Tensor, expert: nn.Module) -> None:
        for token in torch.where(mine)[0].tolist():
            out[token] += expert(rows[token])


class PickedFromAll(Picked):
    """The choices held against all numbers at once: a mask for each expert."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows = x.view(-1, WIDTH)
        chosen = self.gate(rows).topk(TOP_K, dim=1).indices
        out = torch.zeros(rows.shape[0], 3, device=x.device)
        masks = (chosen.unsqueeze(-1) == torch.arange(EXPERTS, device=x.device)).permute(2, 0, 1)
        for mask, expert in zip(masks, self.experts, strict=True):
            self.add(out, rows, chosen, mask, expert)
        return out


def test_tokens_that_chose_an_expert_are_found_by_its_number() -> None:
    for kind in (Picked, PickedByMask, PickedByList, PickedWhereCounted, PickedFromAll):
        found = analysed(kind)
        assert found.total.matmul_flops == matmuls(TOP_K * TOKENS, TOKENS), kind
        assert found.gaps == () and BALANCED in found.assumptions


def test_the_numbers_of_such_places_are_not_made_up() -> None:
    with pytest.raises(ForwardRaised, match="tolist"):
        analysed(Walked)


def test_products_by_group_are_counted_in_float32_too() -> None:
    found = analysed(Grouped)
    assert found.total.matmul_flops == 2 * WIDTH * (EXPERTS + 16 * TOP_K) * TOKENS and found.gaps == ()


class Weighted(nn.Module):
    """The scores themselves are written where top-k chose, and every token goes to every expert."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Linear(WIDTH, EXPERTS, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits = self.gate(x.view(-1, WIDTH))
        best, chosen = logits.topk(TOP_K, dim=1)
        return torch.full_like(logits, 0.0).scatter_(1, chosen, best)


def test_scores_that_are_written_where_top_k_chose_are_no_counts() -> None:
    found = analysed(Weighted)
    assert found.gaps == () and found.total.matmul_flops == 2 * TOKENS * WIDTH * EXPERTS


class Bounded(Masked):
    """Experts with room for a few tokens of each sequence: those that come later are left out."""

    ROOM = 64

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mask = nn.functional.one_hot(self.gate(x).argmax(-1), EXPERTS)
        mask = mask * (mask.cumsum(dim=-2) <= self.ROOM)
        rows, mask, out = x.view(-1, WIDTH), mask.view(-1, 1, EXPERTS).permute(2, 1, 0), 0.0
        for expert in torch.greater(mask.sum(dim=(-1, -2)), 0).nonzero():
            _, tokens = torch.where(mask[expert].squeeze(0))
            out = out + self.experts[expert[0]](rows[tokens]).sum()
        return out


def test_an_expert_takes_no_more_tokens_than_it_has_room_for() -> None:
    batch, tokens = sym("batch_size"), TOKENS
    gate, row = 2 * WIDTH * EXPERTS, 2 * WIDTH * 3
    few = analysed(Bounded, batch_size=2, seq_len=80)
    assert few.total.matmul_flops == tokens * (gate + row)
    assert "seq_len <= 512" in few.valid_when  # an eighth of them is at most 64
    many = analysed(Bounded, batch_size=2, seq_len=1200)
    assert many.total.matmul_flops == tokens * gate + batch * Bounded.ROOM * EXPERTS * row


@pytest.mark.parametrize("batch", [1, 7])
def test_what_ends_when_all_sequences_do_runs_to_its_end(batch: int) -> None:
    found = analysed(Writes, batch_size=batch, seq_len=3)
    assert GOES_ON in found.assumptions and found.gaps == ()
    at = {"batch_size": batch, "seq_len": 3}
    assert found.total.matmul_flops.evaluate(at) == 5 * 2 * WIDTH * EXPERTS * batch
