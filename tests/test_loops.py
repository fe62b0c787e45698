"""A loop over the tokens that is long is found by its growth, and derived from short runs."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from cutaway.formula import Formula, ceil_div, floor_div, minimum, sym
from cutaway.trace import job as jobs
from cutaway.trace import kernels, loops
from cutaway.trace.analyse import analyse_module
from cutaway.trace.fit import Along, fit_formula
from cutaway.trace.inputs import InputPlan
from cutaway.trace.inputs_symbols import symbols_of
from cutaway.trace.inputs_types import InputSpec

B, S = sym("batch_size"), sym("seq_len")
SPECS = (InputSpec("x", ("batch_size", "seq_len", 16), "float", "random"),)
PLAN = InputPlan("prefill", SPECS, symbols_of(SPECS), None, ())


class ByToken(nn.Module):
    """Four ops a token: more than `LOOP` at the usual length."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        state = x[:, 0]
        for t in range(x.shape[1]):
            state = (state + x[:, t]).tanh() * 2
        return state


class Many(nn.Module):
    """As many ops at any length."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for _ in range(jobs.LOOP + 10):
            x = x + 1
        return x


class Masked(nn.Module):
    """Picks rows by a mask whose values follow from numbers in the code."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        kinds = 1 * torch.ones(x.shape[0], device=x.device)
        out = torch.zeros_like(x)
        for kind in range(2):
            out[kinds == kind] = x[kinds == kind].exp()
        return out


def test_a_long_loop_over_tokens_is_traced_at_short_lengths_only(monkeypatch) -> None:
    lengths = []
    run = jobs.Job.trace

    def trace(job, hints, **more):
        found = run(job, hints, **more)
        lengths.append(hints["seq_len"])
        return found

    monkeypatch.setattr(jobs.Job, "trace", trace)
    found = analyse_module(ByToken(), PLAN, name="it", values={})
    assert found.total.flops == 3 * 16 * B * S and found.gaps == ()
    assert max(lengths) < jobs.USUAL["seq_len"]


def test_many_ops_are_no_loop_over_tokens() -> None:
    found = analyse_module(Many(), PLAN, name="it", values={}, check=False)
    assert found.total.flops == 16 * (jobs.LOOP + 10) * B * S


def test_a_mask_of_known_values_picks_the_rows_it_says() -> None:
    found = analyse_module(Masked(), PLAN, name="it", values={})
    assert found.total.flops == 16 * B * S + B  # one kind has all rows; `1 *` for each of them
    assert found.gaps == ()


class Stacked(nn.Module):
    """Few chunks of many tokens each: a small number of them is told from other small numbers."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        chunks = x.shape[1] // 128
        some = x[:, : chunks * 128].view(x.shape[0], chunks, 128, 16).sum(2)
        return torch.stack((some, some), -1).exp()


def test_numbers_of_chunks_are_checked_where_they_are_more_than_one() -> None:
    found = analyse_module(Stacked(), PLAN, name="it", values={})
    chunks = floor_div(S, 128)
    assert found.total.flops == B * chunks * 16 * (128 + 2) and found.gaps == ()


class ByImage(nn.Module):
    """The images of a batch in turn, each with a grid of its own patches, of which four make one output."""

    def __init__(self) -> None:
        super().__init__()
        self.merge = nn.Linear(64, 8, bias=False)

    def forward(self, x: torch.Tensor, grid_thw: torch.Tensor) -> torch.Tensor:
        places = []
        for _, h, w in grid_thw.tolist():
            rows, columns = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
            places.append((rows * w + columns).flatten())
        return self.merge((x + torch.cat(places)[:, None]).view(-1, 64))


class Hidden(ByImage):
    """A size that no formula follows: the growth of the loop alone does not show it."""

    def forward(self, x: torch.Tensor, grid_thw: torch.Tensor) -> torch.Tensor:
        side = str(grid_thw.tolist()[0][1])
        return super().forward(x, grid_thw) * torch.ones(int(side)).sum()


class Steep(ByImage):
    """A size that grows as no cost of a layer does."""

    def forward(self, x: torch.Tensor, grid_thw: torch.Tensor) -> torch.Tensor:
        side = str(grid_thw.tolist()[0][1])
        return super().forward(x, grid_thw) * torch.ones(int(side) ** 5).sum()


PATCHES = "(image_height // 8) * (image_width // 8)"
PACKED = (
    InputSpec("x", (f"batch_size * {PATCHES}", 16), "float", "random"),
    InputSpec("grid_thw", ("batch_size", 3), "int64", "[1, image_height // 8, image_width // 8]"),
)
IMAGES = InputPlan("prefill", PACKED, symbols_of(PACKED, side=16), None, ())


def test_a_loop_over_images_of_whole_groups_of_patches() -> None:
    found = analyse_module(ByImage(), IMAGES, name="it", values={})
    assert found.gaps == ()
    pixels = B * sym("image_height") * sym("image_width")
    assert found.total.matmul_flops == 2 * 64 * 8 * pixels / 64 / 4
    assert {"image_height % 16 == 0", "image_width % 16 == 0"} <= set(found.valid_when)
    merge = next(m for m in found.modules if m.class_name.endswith("Linear"))
    assert merge.inputs[0].dims[0] == pixels / 256


def test_what_growth_over_one_size_hides_is_fitted_over_all() -> None:
    found = analyse_module(Hidden(), IMAGES, name="it", values={})
    plain = analyse_module(ByImage(), IMAGES, name="it", values={})
    assert found.gaps == () and found.total.matmul_flops == plain.total.matmul_flops
    elements = B * sym("image_height") * sym("image_width") / 32  # the product, and the sum over a side
    assert found.total.flops == plain.total.flops + elements + sym("image_height") / 8


def test_what_no_growth_explains_is_a_gap() -> None:
    found = analyse_module(Steep(), IMAGES, name="it", values={})
    at = {"batch_size": 1, "image_height": 16, "image_width": 16}
    assert found.total.flops.evaluate(at) > 2000  # though they are 1024 of the product, 32 of the sum and a few
    assert found.approximate and not found.at_least


class Attended(nn.Module):
    """The patches of each image meet one another; how many there are went through `int`."""

    def forward(self, x: torch.Tensor, grid_thw: torch.Tensor) -> torch.Tensor:
        sides = [(int(h), int(w)) for _, h, w in grid_thw.tolist()]
        return torch.cat([rows @ rows.t() @ rows for rows in x.split([h * w for h, w in sides])])


def test_squares_of_what_each_image_has_are_fitted_over_all() -> None:
    found = analyse_module(Attended(), IMAGES, name="it", values={})
    assert found.gaps == ()
    patches = sym("image_height") * sym("image_width") / 64
    assert found.total.matmul_flops == 4 * 16 * B * patches * patches
    assert all(line.status != "not_taken" for m in found.modules for line in m.lines)


class Frames(nn.Module):
    """Cuts a recording into frames, whose number torch divides out."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.reshape(x.shape[0], -1, 80).mean(-1)


class Resized(nn.Module):
    """Brings a learned grid to the size of the image, whose sides went through `int`."""

    def __init__(self) -> None:
        super().__init__()
        self.places = nn.Parameter(torch.zeros(1, 4, 10, 10))

    def forward(self, x: torch.Tensor, grid_thw: torch.Tensor) -> torch.Tensor:
        _, h, w = grid_thw.tolist()[0]
        return nn.functional.interpolate(self.places, size=(int(h), int(w)), mode="bilinear").flatten(2)


def test_what_torch_divides_out_is_a_share() -> None:
    specs = (InputSpec("x", ("batch_size", "audio_len"), "float", "random"),)
    plan = InputPlan("prefill", specs, symbols_of(specs), None, ())
    found = analyse_module(Frames(), plan, name="it", values={})
    assert found.gaps == () and "audio_len % 80 == 0" in found.valid_when
    assert found.modules[0].outputs[0].dims[1] == sym("audio_len") / 80


def test_a_grid_resized_to_an_image() -> None:
    found = analyse_module(Resized(), IMAGES, name="it", values={})
    assert found.gaps == ()
    assert found.modules[0].outputs[0].dims[-1] == sym("image_height") * sym("image_width") / 64


class Nested(nn.Module):
    """For each token of each sequence a product with all that it sees, by the mask's own values."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = nn.Embedding(50, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows = self.rows(x)
        places = torch.arange(x.shape[1], device=x.device)
        mask = (places[None, :] <= places[:, None]).expand(x.shape[0], -1, -1)
        out = torch.zeros_like(rows)
        for i in range(x.shape[0]):
            for k in range(x.shape[1]):
                out[i, k] = rows[i, mask[i, k].nonzero().flatten()].sum(0)
        return out


def test_a_loop_in_a_loop_is_fitted_in_both_sizes(monkeypatch) -> None:
    monkeypatch.setattr(jobs, "LOOP", 200)
    monkeypatch.setattr(jobs, "NESTED", 400)
    specs = (InputSpec("x", ("batch_size", "seq_len"), "int64", "zeros"),)
    plan = InputPlan("prefill", specs, symbols_of(specs), None, ())
    with torch.device("meta"):
        model = Nested().eval()
    found = analyse_module(model, plan, name="it", values={}, dtype="float32")
    assert found.gaps == ()
    assert found.total.flops == 8 * B * S * (S + 1) / 2  # the sum of 1, 2, … S rows for each sequence


class TwoLoops(nn.Module):
    """One loop over the sequences of a batch beside one over chunks of the tokens."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        every = torch.cat([row.exp() for row in x.split(1)])
        for chunk in nn.functional.pad(every, (0, 0, 0, -x.shape[1] % 64)).split(64, 1):
            every = every + chunk.exp().sum(1, keepdim=True)
        return every


def test_nothing_is_priced_that_does_not_explain_how_many_ops_there_are(monkeypatch) -> None:
    priced = []
    modules = jobs.Job.modules

    def noted(job, run):
        priced.append(run.scope.hints)
        return modules(job, run)

    monkeypatch.setattr(jobs.Job, "modules", noted)
    monkeypatch.setattr(loops, "many_turns", lambda *_: False)
    found = analyse_module(Sequences(), PLAN, name="it", values={})
    assert found.gaps == () and found.total.flops == 16 * B * S * 2
    fitted = [hints for hints in priced if hints["batch_size"] < 16]
    assert len(fitted) == 4 and len({hints["seq_len"] for hints in fitted}) == 1  # a loop over the sequences alone


class Sequences(nn.Module):
    """A loop over the sequences, beside a choice that depends on the number of tokens."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows = [row.exp() for row in x.split(1)]
        x = torch.cat(rows) + 1
        return x.reshape(x.shape[0], -1, 4, 16) if x.shape[1] % 4 == 0 else x


def test_two_loops_beside_each_other_are_fitted_together() -> None:
    found = analyse_module(TwoLoops(), PLAN, name="it", values={})
    padded = 64 * ceil_div(S, 64)
    assert found.gaps == ()
    assert found.total.flops == 16 * B * (S + 2 * padded + S * ceil_div(S, 64))  # a chunk: exp, sum, and to all


def test_a_question_to_a_kernel_is_asked_once() -> None:
    a, b = torch.empty(3, 4, device="meta"), torch.empty(5, 4, device="meta").t()
    calls = []

    def product(*tensors: torch.Tensor) -> torch.Tensor:
        calls.append(tensors)
        return torch.mm(*tensors)

    first, again = (kernels.asked(product, (a, b), {}) for _ in range(2))
    assert len(calls) == 1 and again is not first and again.is_meta
    assert (again.shape, again.stride(), again.dtype) == (first.shape, first.stride(), first.dtype)
    assert kernels.asked(product, (a, b.contiguous()), {}).shape == (3, 5)
    kernels.asked(product, (a.half(), b.half()), {})
    kernels.asked(product, (torch.ones(3, 4), torch.ones(4, 5)), {})
    kernels.asked(product, (torch.ones(3, 4), torch.ones(4, 5)), {})
    assert len(calls) == 5  # other strides, other dtypes, and tensors with values each time


class TokensAndChunks(nn.Module):
    """A loop over the tokens in code that also knows a number of chunks."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        chunks = x.shape[1] // 4
        some = x[:, : chunks * 4].view(x.shape[0], chunks, 4, 16).exp()
        state = some[:, 0, 0]
        for t in range(x.shape[1]):
            state = (state + x[:, t]).tanh() * 2
        return state


def test_a_loop_over_tokens_is_none_over_chunks_of_them() -> None:
    found = analyse_module(TokensAndChunks(), PLAN, name="it", values={})
    assert found.gaps == () and found.total.flops == 16 * B * (3 * S + 4 * floor_div(S, 4))


class WholeAndRest(nn.Module):
    """Whole chunks of 32 tokens, then one by one what they leave."""

    def __init__(self) -> None:
        super().__init__()
        self.whole = nn.Linear(16, 16, bias=False)
        self.one = nn.Linear(16, 4, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        done = x.shape[1] // 32
        for i in range(done):
            self.whole(x[:, 32 * i : 32 * i + 32].sum(1))
        for t in range(x.shape[1] % 32):
            self.one(x[:, 32 * done + t])
        return x


def test_what_whole_chunks_leave_is_fitted_beside_them() -> None:
    found = analyse_module(WholeAndRest(), PLAN, name="it", values={})
    assert not found.gaps
    chunks = floor_div(S, 32)
    assert found.total.matmul_flops == 2 * B * 16 * (16 * chunks + 4 * (S - 32 * chunks))


class Chunks(nn.Module):
    """A loop over chunks of 16 tokens, the last padded or dropped; both numbers are met on the way."""

    def __init__(self, padded: bool) -> None:
        super().__init__()
        self.padded = padded
        self.map = nn.Linear(16, 4, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        whole = x[:, : x.shape[1] // 16 * 16]
        padded = nn.functional.pad(x, (0, 0, 0, -x.shape[1] % 16))
        some = (padded if self.padded else whole).unflatten(1, (-1, 16))
        for i in range(some.shape[1]):
            self.map(some[:, i].sum(1))
        return x


@pytest.mark.parametrize(("padded", "chunks"), [(True, ceil_div(S, 16)), (False, floor_div(S, 16))])
def test_chunks_are_counted_right_where_nothing_is_left(padded: bool, chunks: Formula) -> None:
    found = analyse_module(Chunks(padded), PLAN, name="it", values={})
    assert not found.gaps
    assert found.total.matmul_flops == 2 * B * 16 * 4 * chunks


def test_minima_whose_argument_grows_are_fitted_as_one() -> None:
    experts = [7 * S * minimum(8 * n * S, 256) + n * S for n in (2, 3, 7)]
    found = fit_formula(Along("batch_size", [2, 3, 7]), experts)
    assert found == 7 * S * minimum(8 * B * S, 256) + B * S
    assert fit_formula(Along("batch_size", [2, 3, 7]), [minimum(2**n * S, 256) for n in (2, 3, 7)]) is None
