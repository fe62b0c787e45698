"""Which arguments a forward needs, by their names in its signature and the fields of its config.

Every argument known here has one or more forms (a spectrogram comes frequency first or time first, a video
with or without frames); a candidate is one form of each. Which candidate is right is not guessed:
`inputs.py` runs them at tiny sizes and keeps the first that the forward accepts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import islice, product

import torch

from cutaway.trace.inputs_config import fixed, is_encoder_decoder
from cutaway.trace.inputs_forms import FORMS, PATTERNS, Forms, classifies_words, embedded_forms
from cutaway.trace.inputs_patches import pixel_forms
from cutaway.trace.inputs_said import (
    TEXT,
    documented_form,
    documented_shape,
    kind_said,
    main_names,
    required_names,
)
from cutaway.trace.inputs_types import InputSpec

# Arguments that carry content of their own: the minimal candidate has the main one, the full one all of them.
OPTIONAL_CONTENT = (
    "input_ids", "bbox", "pixel_values", "pixel_values_videos", "input_values", "input_features", "image",
    "decoder_input_ids", "decoder_input_values", "visual_feats", "visual_pos", "visual_embeds", "task_inputs",
    "static_categorical_features", "static_real_features", "future_values", "future_time_features",
)  # fmt: skip
NO_CONTENT = (
    r"label|_mask$|^position_ids$|token_type|segment_ids|inputs_embeds|_embeds$|_embeddings$|_embedding$|past_key|cache|hidden_states?$"
    r"|mems|^state$|cu_seqlens|to_keep|masked_pos|mask_time|^mask$|^start_|^end_|encoder_outputs|attention_states|noise|_weights$|langs|loss|^return_|^output_"
)
FORMS_TRIED = 12  # of one choice of arguments


def candidates(model: torch.nn.Module, parameters: Mapping) -> list[tuple[InputSpec, ...]]:
    """Argument lists to try, the likeliest first; plain text models have exactly one."""
    required = [n for n, p in parameters.items() if p.default is p.empty and p.kind not in (2, 4)]
    main = [n for n in main_names(model) if n in parameters] or required or list(parameters)[:1]
    names = list(dict.fromkeys([*main, *required, *decoder_names(model, parameters)]))
    rich = [*names, *(n for n in OPTIONAL_CONTENT if n in parameters)]
    content = content_names(model, parameters)
    short = [n for n in names if not n.startswith("decoder_")] if classifies_words(model, parameters) else names
    own = [f"{n}_mask" for n in names if f"{n}_mask" in parameters]
    if not content - {*names, "input_ids"} and set(rich) == set(names) and not own:
        marks = [n for n in parameters if n.endswith("_mask") and _pattern(n)]
        lists = [short, names, *([*names, n] for n in (*_crossed(model, parameters), *marks))]
        return list(dict.fromkeys(specs for chosen in lists for specs in forms_of(model, chosen)))
    more = [n for n in parameters if n in content or n in rich]
    masks = [n for n in parameters if n.endswith("_mask") and (documented_shape(model, n) or _pattern(n))]
    lists = [short, names, rich, [*names, *own], *([*names, n] for n in more), [*names, *more]]
    lists += [[*names, *more, *own], [*names, *more, *masks]]
    lists += [[*names, n] for n in _crossed(model, parameters)]
    lists = list(dict.fromkeys(tuple(dict.fromkeys(chosen)) for chosen in lists))
    return [specs for chosen in lists for specs in forms_of(model, chosen)]


def _crossed(model: torch.nn.Module, parameters: Mapping) -> list[str]:
    """What another part's states are called, for a part that is made to look at them."""
    made = fixed(model, "encoder_hidden_size") is not None
    return ["encoder_hidden_states"] if made and "encoder_hidden_states" in parameters else []


def content_names(model: torch.nn.Module, parameters: Mapping) -> set[str]:
    """Optional arguments that carry content: tensors that are no labels, masks, positions or states."""
    tensors = {n for n, p in parameters.items() if p.default is None and "Tensor" in str(p.annotation)}
    return {n for n in tensors if not re.search(NO_CONTENT, n)}


def decoder_names(model: torch.nn.Module, parameters: Mapping) -> list[str]:
    """What the decoder of a model with an encoder reads."""
    names = ("decoder_input_ids", "decoder_input_values", "future_values", "future_time_features")
    return [n for n in names if n in parameters] if is_encoder_decoder(model) else []


def forms_of(model: torch.nn.Module, names: Iterable[str]) -> list[tuple[InputSpec, ...]]:
    """First form of each, second of each, ...; then the other combinations."""
    forms = [f for f in (_forms(model, name) for name in names) if f]
    longest = max((len(f) for f in forms), default=0)
    together = [tuple(f[min(i, len(f) - 1)] for f in forms) for i in range(longest)]
    mixed = islice(product(*forms), FORMS_TRIED)
    return list(dict.fromkeys([*together, *mixed]))


def _forms(model: torch.nn.Module, name: str) -> list[InputSpec]:
    forms = FORMS.get(name) or _pattern(name)
    return forms(model, name) if forms else _by_itself(model, name)


def _by_itself(model: torch.nn.Module, name: str) -> list[InputSpec]:
    """An argument as it is documented, or in another form; one number for each sequence may be a column of them."""
    said = documented_form(model, name)
    column = [replace(said, shape=("batch_size", 1))] if said.shape == ("batch_size",) else []
    return [said, *column, *_unnamed(model, name)]


def _pattern(name: str) -> Forms | None:
    return next((forms for pattern, forms in PATTERNS if re.search(pattern, name)), None)


def _unnamed(model: torch.nn.Module, name: str) -> list[InputSpec]:
    """What an argument without a usual name may be if it is not as documented: embedded or plain tokens, images, a class."""
    if kind_said(model, name) != "float" or name not in {*required_names(model), *main_names(model)}:
        return []
    plain = [InputSpec(name, TEXT, "int64", "tokens"), InputSpec(name, ("batch_size", 1), "int64", "zeros")]
    return [*embedded_forms(model, name), *plain, *pixel_forms(model, name)]
