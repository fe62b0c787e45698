# Which tokens go to which expert is decided by data that a symbolic run does not have. The named assumption: routing is
# balanced, so that each expert gets tokens * top_k / num_experts, and every expert is used. Totals over all experts do
# not depend on it; what one expert costs does, and the result says so. Routing is met in two forms: as a one-hot mask
# whose places are asked for, and as the number of tokens of each expert, whose values are. Words that a model chooses one by
# one until all sequences are at their end are such choices too: there the assumption is that one of them always goes on.
from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import torch

from cutaway.formula import Formula, const
from cutaway.formula.core import product
from cutaway.trace.dim import Guard, make
from cutaway.trace.taken import places_taken
from cutaway.trace.values import keep, kept

if TYPE_CHECKING:
    from cutaway.trace.recorder import Recorder

BALANCED = "routing is balanced: each expert gets tokens * top_k / num_experts, and every expert is used"
GOES_ON = "classes are chosen by data until every sequence has chosen one: some never does, and such loops run to their end"
MOST_EXPERTS = 4096
CHOOSES = ("topk", "sort", "max", "argmax")


def one_hot(recorder: Recorder, input: torch.Tensor, num_classes: int = -1) -> torch.Tensor | None:
    """`torch.nn.functional.one_hot` as it runs where there is data: ones written into zeros; and which share of it is set.

    On the meta device torch compares with all classes instead. Without a number of classes the data would be asked: None.
    Classes that a top-k cannot choose are never set, and few choices set no more classes than these.
    """
    if num_classes < 0 or not input.is_meta:
        return None
    mask = input.new_zeros((*input.shape, num_classes)).scatter_(-1, input.unsqueeze(-1), 1)
    if num_classes > 1:
        bound = min(int(num_classes), getattr(input, "_cut_bound", num_classes))
        choices = product(recorder.tag(input).dims)
        used = max(1, min(bound, int(choices.evaluate(recorder.scope.hints))))
        if choices.constant() is None:  # a loop over fewer experts is as long as just these choices make it
            guard = Guard(choices - used, "==", True) if used < bound else Guard(choices - bound, "<", False)
            recorder.scope.note(guard)
        mask._cut_share = const(1) / used  # type: ignore[attr-defined]
        recorder.used_classes[int(num_classes)] = in_turn(bound, used)
    return mask


def note_routing(recorder: Recorder, name: str, args: tuple, tensors: list, outputs: tuple) -> None:
    """Indices of a top-k are below the number it chose from; where they set ones, and where these are counted, is noted."""
    if not (outputs and tensors and tensors[0].dim()):
        return
    if name in CHOOSES:
        outputs[-1]._cut_bound = int(tensors[0].shape[-1])
    elif name in ("scatter", "scatter_") and hasattr(args[2], "_cut_bound") and _is_one(args[3:4]):
        chosen = outputs[0].shape[args[1]]
        if args[2]._cut_bound == chosen:
            outputs[0]._cut_share = Fraction(int(args[2].shape[args[1]]), int(chosen))
    elif name in ("stack", "cat") and len(bounds := {getattr(t, "_cut_bound", None) for t in tensors}) == 1:
        if bounds != {None}:
            outputs[0]._cut_bound = bounds.pop()
    elif name == "eq" and (classes := _classes_asked_for(tensors)):
        outputs[0]._cut_share = Fraction(1, classes)  # of the choices, those that are this expert
        outputs[0]._cut_one_class = True
    elif name == "all" and len(args) == 1 and hasattr(tensors[0], "_cut_one_class"):
        recorder.assumptions.setdefault(GOES_ON)
        keep(outputs[0], torch.tensor(False))
    elif name == "any" and hasattr(tensors[0], "_cut_share"):
        _meets(recorder, args, tensors[0], outputs[0])
    elif name == "sum" and hasattr(tensors[0], "_cut_share") and outputs[0].dim() == 1:
        _count(recorder, outputs[0], product(tensors[0]._cut.dims) * tensors[0]._cut_share)
    elif name == "cumsum" and hasattr(tensors[0], "_cut_share"):
        outputs[0]._cut_turns = (size := tensors[0]._cut.dims[args[1]]), size * tensors[0]._cut_share
    elif name in ("le", "lt") and hasattr(tensors[0], "_cut_turns") and isinstance(args[1], int):
        outputs[0]._cut_room = (*tensors[0]._cut_turns, args[1] - (name == "lt"))
    elif name == "mul" and len(tensors) == 2:
        _leave_out(recorder, *tensors, outputs[0])
    elif name == "histc" and hasattr(tensors[0], "_cut_bound"):
        _count(recorder, outputs[0], product(tensors[0]._cut.dims))


def _classes_asked_for(tensors: list) -> int:
    """Of how many classes the choices are that are compared with one class's number, or with a row of known ones; else 0."""
    for choices, others in ((tensors[0], tensors[1:]), (tensors[-1], tensors[:-1])):
        classes = getattr(choices, "_cut_bound", 0)
        if 1 < classes <= MOST_EXPERTS and all(kept(other) is not None for other in others):
            return classes
    return 0


def _meets(recorder: Recorder, args: tuple, mask: torch.Tensor, out: torch.Tensor) -> None:
    """Whether an expert is chosen at all, which is so; or which tokens chose it, none of them twice."""
    sizes = mask._cut.dims  # type: ignore[attr-defined]
    if hasattr(mask, "_cut_one_class"):
        out._cut_one_class = True  # type: ignore[attr-defined]
    if len(args) == 1:
        recorder.assumptions.setdefault(BALANCED)
        keep(out, torch.tensor(True))
    elif isinstance(args[1], int) and sizes[args[1]].constant() is not None and product(out._cut.dims).constant() is None:  # type: ignore[attr-defined]
        out._cut_share = mask._cut_share * sizes[args[1]]  # type: ignore[attr-defined]


def counts_by_class(recorder: Recorder, index: torch.Tensor, least: int) -> torch.Tensor | None:
    """`index.bincount(minlength=least)` of what a top-k chose: as many numbers as there are experts, their values not known."""
    classes = getattr(index, "_cut_bound", 0)
    if not 1 < classes <= MOST_EXPERTS or least > classes:
        return None
    with torch.utils._python_dispatch._disable_current_modes(), torch._C.DisableTorchFunction():
        out = torch.empty((classes,), dtype=torch.int64, device="meta")
    recorder.tag(out, (const(classes),))
    _count(recorder, out, product(recorder.tag(index).dims))
    return out


def _count(recorder: Recorder, counts: torch.Tensor, choices: Formula) -> None:
    """These are the numbers of tokens of each expert, `choices` in all."""
    if counts._cut.dims[0].constant() is not None and counts.shape[0] > 1:  # type: ignore[attr-defined]
        counts._cut_choices = choices  # type: ignore[attr-defined]


def _leave_out(recorder: Recorder, a: torch.Tensor, b: torch.Tensor, out: torch.Tensor) -> None:
    """A one-hot mask times the places where its expert still has room: none goes, or all that are above its capacity."""
    mask, room = (a, b) if hasattr(b, "_cut_room") else (b, a)
    if not (hasattr(mask, "_cut_share") and hasattr(room, "_cut_room")):
        return
    size, turns, capacity = room._cut_room
    fits = turns.evaluate(recorder.scope.hints) <= capacity
    recorder.scope.note(Guard(turns - capacity, "<=", bool(fits)))
    out._cut_share = mask._cut_share if fits else const(capacity) / size  # type: ignore[attr-defined]


def assumed_counts(recorder: Recorder, counts: torch.Tensor) -> list[int] | None:
    """The values of such a tensor under balanced routing, which differ by one at the most; None for any other tensor."""
    choices = getattr(counts, "_cut_choices", None)
    if choices is None:
        return None
    recorder.assumptions.setdefault(BALANCED)
    experts = int(counts.shape[0])
    each, more = divmod(int(choices.evaluate(recorder.scope.hints)), experts)
    return [make(each + (i < more), choices / experts) for i in range(experts)]


def in_turn(classes: int, used: int) -> list[int]:
    """The first `used` of the experts in an order that goes round all of them evenly: 0, 1/2, 1/4, 3/4 … of them.

    Where experts are not alike (some compute nothing), a few choices meet each sort as often as many do.
    """
    if used < classes:
        return sorted(range(classes), key=lambda n: f"{n:032b}"[::-1])[:used]
    return list(range(classes))


def assumed_nonzero(recorder: Recorder, mask: torch.Tensor) -> Any:
    """`mask.nonzero()` under balanced routing: an even share of a one-hot mask, all of a short list of experts; else None.

    Of a mask that a threshold made, the places that pass it (`taken.py`).
    """
    share = getattr(mask, "_cut_share", None)
    ref = recorder.tag(mask)
    if share is not None:
        recorder.assumptions.setdefault(BALANCED)
        shared = product(ref.dims) * share
        return places_of(recorder, mask, max(1, int(shared.evaluate(recorder.scope.hints))), shared)
    if mask.dim() == 1 and ref.dims[0].constant() is not None and mask.numel() <= MOST_EXPERTS:
        recorder.assumptions.setdefault(BALANCED)
        used = sorted(recorder.used_classes.get(mask.numel()) or range(mask.numel()))
        with torch.utils._python_dispatch._disable_current_modes(), torch._C.DisableTorchFunction():
            out = torch.empty((len(used), 1), dtype=torch.int64, device="meta")
            out._cutaway_value = torch.tensor(used)[:, None]  # type: ignore[attr-defined]
        return out
    places = places_taken(mask)
    return None if places is None else places_of(recorder, mask, int(places.evaluate(recorder.scope.hints)), places)


def places_of(recorder: Recorder, mask: torch.Tensor, count: int, formula: Formula) -> torch.Tensor:
    """As many places of the mask, none of them known, as the formula says."""
    with torch.utils._python_dispatch._disable_current_modes(), torch._C.DisableTorchFunction():
        out = torch.empty((count, mask.dim()), dtype=torch.int64, device="meta")
    if formula.constant() is None:
        recorder.scope.known[count] = formula
    recorder.tag(out, (formula, const(mask.dim())))
    out._cut_found = True  # type: ignore[attr-defined]
    return out


def _is_one(values: tuple) -> bool:
    """Is what a scatter writes the number 1, and no tensor of values?"""
    return len(values) == 1 and isinstance(values[0], int | float) and values[0] == 1
