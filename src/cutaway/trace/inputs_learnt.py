# Which tensors a forward takes, learnt from what it says against guesses. Each size that is not known is a number that
# occurs nowhere else, so that an error about this number tells of which argument and of which of its sizes it speaks.
"""`Learnt(model, phase)`: the arguments with which forward runs, where its errors lead there; else how far they led."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import replace

import torch

from cutaway.trace.autocast import without_casts
from cutaway.trace.inputs_complaints import Complaint, complaint
from cutaway.trace.inputs_given import TOKENS, required
from cutaway.trace.inputs_probe import ReadsAnswered, device_and_dtype
from cutaway.trace.inputs_said import kind_said
from cutaway.trace.inputs_symbols import symbols_of
from cutaway.trace.inputs_types import InputPlan, InputSpec

TRIES = 60
UNITS = (32, 16, 8)  # of which the sides of images are multiples; smaller ones where a table has no more places
BATCH, FRAMES, TEXT, OTHER_TEXT = 37, 44, 1009, 1013
FIRST = 1021  # of the numbers for sizes that arguments do not share
# A number for each of the batch; a vector for each.
ONE_EACH = re.compile(r"time_?steps?|^t$|sigma|guidance|labels?$|^y$|_level$|^fps$|_lens?$|lengths?$")
OF_ALL = re.compile(r"pooled|global|_emb$|_embedding$|projections?$|_sizes?$|_coords$")
MASK = re.compile(r"mask(_\w+)?$")
PLACES = re.compile(r"^(img|image|latent|txt|text)_ids$")  # of tokens, the same for all of the batch
WHOLE = re.compile(r"(_ids?|indices|index|indexes|_lens?|lengths?)$")
OF_TEXT = re.compile(r"encoder|context|txt|text|prompt|caption|cond")


class Learnt:
    """`plan` is None where the errors led nowhere; `guess` is then as much as they told, and `error` the last of them."""

    def __init__(self, model: torch.nn.Module, phase: str):
        self.error: Exception | None = None
        for last, unit in ((unit == UNITS[-1], unit) for unit in UNITS):
            self.guess = Guess(model, unit, free_sides=not last)
            if self._follow(model) or not self.guess.has_sides:
                break
        self.plan = self.guess.plan(phase) if self.error is None else None

    def _follow(self, model: torch.nn.Module) -> bool:
        """Whether forward takes what its errors make of the guess."""
        seen = set()
        for _ in range(TRIES):
            seen.add(self.guess.state())
            said = self._objection(model)
            if said is None:
                return True
            if not self.guess.heed(said) and not self.guess.last_resort():
                return False
            if self.guess.state() in seen:
                return False
        return False

    def _objection(self, model: torch.nn.Module) -> Complaint | None:
        """What forward says against the guess."""
        tensors = self.guess.tensors()
        try:
            with torch.no_grad(), ReadsAnswered(), torch.device("meta"), without_casts(lambda _: None):
                model(**tensors)
        except TimeoutError:
            raise
        except Exception as error:
            self.error = error
            return complaint(model, tensors, error)
        self.error = None
        return None


class Guess:
    """Sizes and kinds of the arguments so far. The sides of images are multiples of `unit`, and stay free if they may."""

    def __init__(self, model: torch.nn.Module, unit: int, *, free_sides: bool):
        self.model, self.unit, self.free_sides = model, unit, free_sides
        self.parameters = inspect.signature(model.forward).parameters
        self.height, self.width = 13 * unit, 17 * unit
        self.names = {BATCH: "batch_size", FRAMES: "num_frames", self.height: "image_height", self.width: "image_width"}
        self.shapes: dict[str, list[int]] = {}
        self.kinds: dict[str, str] = {}
        self.free = {*self.names, TEXT, OTHER_TEXT}
        self.notes: list[str] = []
        for p in required(model.forward) or list(self.parameters.values())[:1]:
            if _may_be_tensor(p):
                self.add(p.name)

    def state(self) -> tuple:
        return tuple((n, *s, self.kinds[n]) for n, s in self.shapes.items())

    @property
    def has_sides(self) -> bool:
        """Whether any argument is an image of free size."""
        return any(d in (self.height, self.width) for s in self.shapes.values() for d in s)

    @property
    def settled(self) -> bool:
        """Whether forward has told any size."""
        return any(d not in self.free for s in self.shapes.values() for d in s)

    def tensors(self) -> dict[str, torch.Tensor]:
        return {n: torch.empty(s, dtype=self._dtype(self.kinds[n]), device="meta") for n, s in self.shapes.items()}

    def _dtype(self, kind: str) -> torch.dtype:
        if kind != "float":
            return getattr(torch, kind)
        return device_and_dtype(self.model)[1]

    def add(self, name: str) -> None:
        """One more argument, of the form that its name suggests."""
        whole = WHOLE.search(name) or (TOKENS.match(name) and not ONE_EACH.search(name))
        kind = "int64" if whole else kind_said(self.model, name)
        self.kinds[name] = "float" if PLACES.search(name) else kind
        self.reshape(name, self._rank(name))

    def _rank(self, name: str) -> int:
        if ONE_EACH.search(name):
            return 1
        if OF_ALL.search(name) or MASK.search(name) or PLACES.search(name) or WHOLE.search(name) or TOKENS.match(name):
            return 2
        first = next((m for m in self.model.modules() if isinstance(m, torch.nn.modules.conv._ConvNd)), None)
        return 3 if self.shapes or first is None else len(first.kernel_size) + 2

    def reshape(self, name: str, rank: int) -> None:
        """The argument with so many sizes: those that all arguments share, and such as are its own."""
        length = OTHER_TEXT if OF_TEXT.search(name) else TEXT
        if PLACES.search(name) and rank == 2:
            self.shapes[name] = [length, self._fresh()]
        elif (MASK.search(name) and rank == 2) or TOKENS.match(name):
            self.shapes[name] = [BATCH, length, *(self._fresh() for _ in range(rank))][:rank]
        elif rank < 4:
            taken = {d for n, s in self.shapes.items() if n != name and self.kinds[n] == "float" and len(s) > 2 for d in s}
            self.shapes[name] = [BATCH, length if length not in taken else self._fresh(), self._fresh()]
            if rank < 3:
                self.shapes[name] = [BATCH, self._fresh()][:rank]
        else:
            middle = [self._fresh() for _ in range(rank - 3)] if rank < 5 else [self._fresh(), FRAMES]
            self.shapes[name] = [BATCH, *middle, self.height, self.width]

    def _fresh(self) -> int:
        number = next(n for n in _primes(FIRST) if n not in self.free)
        self.free.add(number)
        return number

    def heed(self, said: Complaint) -> bool:
        """Whether the complaint tells of something that another guess may do better."""
        for name in said.missing:
            if name in self.parameters and name not in self.shapes and _may_be_tensor(self.parameters[name]):
                self.add(name)
                return True
        name = self._owner(said.of)
        if name and said.more and 1 <= len(self.shapes[name]) + said.more <= 5:
            self.reshape(name, len(self.shapes[name]) + said.more)
            return True
        if name and said.kind and self.kinds[name] != said.kind:
            self.kinds[name] = said.kind
            if said.kind == "int64" and len(self.shapes[name]) == 3:  # rows of a table are asked for by their numbers
                self.shapes[name] = self.shapes[name][:2]
            return True
        return any(self._settle(got, want) for got, want in said.sizes)

    def last_resort(self) -> bool:
        """Where an error tells nothing: what other parts have embedded may be lacking, or only square images be taken."""
        for name, p in self.parameters.items():
            if name not in self.shapes and p.default is None and name.endswith("_hidden_states") and _may_be_tensor(p):
                self.add(name)
                return True
        if not self.notes and self._put(self.width, self.height):
            self.notes.append("images are square")
            return True
        return False

    def _owner(self, of: object) -> str | None:
        """The argument that a tensor comes from: itself, or the one that shares most of its unsettled sizes."""
        if isinstance(of, str):
            return of if of in self.shapes else None
        sizes = [int(d) for d in of or () if int(d) in self.free]
        rated = {n: sum(1 for d in sizes if d in s) - len(s) / 100 for n, s in self.shapes.items()}
        best = max(rated, key=rated.__getitem__, default=None)
        return best if best is not None and rated[best] > 0 else None

    def _settle(self, got: int, want: int) -> bool:
        """A size of an argument becomes what a layer wants, though the layer sees a multiple of it or more than it alone."""
        if got == want:
            return False
        if got in self.free and want in self.free:
            return self._put(*sorted((got, want), key=lambda n: (n not in self.names, n), reverse=True))
        for a, b in ((got, want), (want, got)):
            if a in self.free and a != BATCH and (a not in (self.height, self.width) or not self.free_sides):
                return self._put(a, b)
        there = {d for s in self.shapes.values() for d in s}
        own = [g for g in sorted(self.free & there - self.names.keys(), reverse=True) if g < got]
        for g in own:
            if got % g == 0 and want % (got // g) == 0 and want >= got // g:
                return self._put(g, want // (got // g))
        return any(self._put(g, want - (got - g)) for g in own if want - (got - g) > 0)

    def _put(self, old: int, new: int) -> bool:
        """Whether a size that was `old` is now `new`, wherever it stood."""
        if new < 1 or not any(old in s for s in self.shapes.values()):
            return False
        for name, shape in self.shapes.items():
            changed = [new if d == old else d for d in shape]
            if old == FRAMES and len(shape) == 5 and shape[2] == old and new not in self.free:
                changed[1] = FRAMES  # what was taken for frames are channels: the frames come before them
            self.shapes[name] = changed
        return True

    def plan(self, phase: str) -> InputPlan | None:
        """The guess as a plan; None where a width is left of which nothing was said."""
        specs, notes = [], list(self.notes)
        names, by_name = dict(self.names), {n: size for size, n in self.names.items()}
        for name, shape in self.shapes.items():
            for i, size in enumerate(shape):
                if size in self.free and size not in names:
                    if self._is_width(name, i):
                        return None
                    self._name(names, notes, name, size)
            sizes = tuple(names.get(d, d) if d in self.free else d for d in shape)
            fill = "ones" if MASK.search(name) else "random" if self.kinds[name] == "float" else "zeros"
            specs.append(InputSpec(name, sizes, self.kinds[name], fill))
        symbols = symbols_of(specs, side=self.unit)
        if self.unit < UNITS[0]:  # larger ones were refused
            symbols = tuple(replace(s, default=by_name[s.name]) if s.unit == "pixels" else s for s in symbols)
        return InputPlan(phase, tuple(specs), symbols, notes=tuple(notes))

    def _is_width(self, name: str, i: int) -> bool:
        """Whether this free size is the width of something, and no length."""
        shape = self.shapes[name]
        before = any(d not in self.free for d in shape[1:i])
        return i > 0 and i == len(shape) - 1 and self.kinds[name] == "float" and not MASK.search(name) and not before

    def _name(self, names: dict[int, str], notes: list[str], argument: str, size: int) -> None:
        """A symbol for a length: there are two, and what is neither is assumed to be as long as the second."""
        left = [n for n in ("seq_len", "encoder_len") if n not in names.values()]
        text = OF_TEXT.search(argument) is not None and "encoder_len" in left
        names[size] = "encoder_len" if text or not left else left[0]
        if not left:
            notes.append(f"{argument} is as long as encoder_len says")

    def said(self) -> str:
        """As much as is known, as it would be given on the command line."""
        names = {**self.names, TEXT: "seq_len", OTHER_TEXT: "encoder_len"}
        kinds = {n: "" if k == "float" else f":{k}" for n, k in self.kinds.items()}
        texts = {n: ",".join(names.get(d, "…") if d in self.free else str(d) for d in s) for n, s in self.shapes.items()}
        unknown = [p.name for p in required(self.model.forward) if p.name not in self.shapes]
        return " ".join([*(f"--input {n}={t}{kinds[n]}" for n, t in texts.items()), *(f"--input {n}=…" for n in unknown)])


def _may_be_tensor(parameter: inspect.Parameter) -> bool:
    return parameter.annotation is parameter.empty or "Tensor" in inspect.formatannotation(parameter.annotation)


def _primes(start: int) -> Iterator[int]:
    n = start
    while True:
        if all(n % d for d in range(2, int(n**0.5) + 1)):
            yield n
        n += 1
