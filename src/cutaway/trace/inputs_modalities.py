"""Which arguments a forward needs, by their names in its signature and the fields of its config.

Every argument known here has one or more forms (a spectrogram comes frequency first or time first, a video
with or without frames); a candidate is one form of each. Which candidate is right is not guessed:
`inputs.py` runs them at tiny sizes and keeps the first that the forward accepts.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from itertools import islice, product
from math import prod

import torch

from cutaway.trace.inputs_config import (
    every,
    first_width,
    fixed,
    image_sides,
    image_unit,
    is_encoder_decoder,
    read,
    tiled_sides,
)
from cutaway.trace.inputs_types import InputSpec

TEXT = ("batch_size", "seq_len")
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
Forms = Callable[[torch.nn.Module, str], list[InputSpec]]


def candidates(model: torch.nn.Module, parameters: Mapping) -> list[tuple[InputSpec, ...]]:
    """Argument lists to try, the likeliest first; plain text models have exactly one."""
    required = [n for n, p in parameters.items() if p.default is p.empty and p.kind not in (2, 4)]
    main = [n for n in main_names(model) if n in parameters] or required or list(parameters)[:1]
    names = list(dict.fromkeys([*main, *required, *decoder_names(model, parameters)]))
    rich = [*names, *(n for n in OPTIONAL_CONTENT if n in parameters)]
    content = content_names(model, parameters)
    short = [n for n in names if not n.startswith("decoder_")] if _classifies(model, parameters) else names
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


def _classifies(model: torch.nn.Module, parameters: Mapping) -> bool:
    """A head on top of a decoder that repeats the words of the encoder, and makes its ids from theirs."""
    return (
        "labels" in parameters and is_encoder_decoder(model) and "lm_head" not in dict(model.named_children())
    )


def content_names(model: torch.nn.Module, parameters: Mapping) -> set[str]:
    """Optional arguments that carry content: tensors that are no labels, masks, positions or states."""
    tensors = {n for n, p in parameters.items() if p.default is None and "Tensor" in str(p.annotation)}
    return {n for n in tensors if not re.search(NO_CONTENT, n)}


def main_names(model: torch.nn.Module) -> list[str]:
    name = getattr(model, "main_input_name", "input_ids")
    return list(name) if isinstance(name, (list, tuple)) else [name]


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
    return forms(model, name) if forms else [_documented(model, name), *_unnamed(model, name)]


def _pattern(name: str) -> Forms | None:
    return next((forms for pattern, forms in PATTERNS if re.search(pattern, name)), None)


def _unnamed(model: torch.nn.Module, name: str) -> list[InputSpec]:
    """What an argument without a usual name may be if it is not as documented: embedded or plain tokens, images, a class."""
    if _kind(model, name) != "float" or name not in {*_required(model), *main_names(model)}:
        return []
    plain = [InputSpec(name, TEXT, "int64", "tokens"), InputSpec(name, ("batch_size", 1), "int64", "zeros")]
    return [*_embedded(model, name), *plain, *_pixels(model, name)]


def _documented(model: torch.nn.Module, name: str) -> InputSpec:
    """An argument nobody told us about: the shape that forward's docstring gives it."""
    shape = documented_shape(model, name) or TEXT
    kind = _kind(model, name)
    fill = "ones" if name.endswith(("_mask", "_sizes")) else "random" if kind == "float" else "zeros"
    return InputSpec(name, tuple(_size(model, d) for d in shape), kind, fill)


def _kind(model: torch.nn.Module, name: str) -> str:
    """The dtype that the annotation or the docstring gives; ids and masks are whole numbers."""
    parameter = inspect.signature(model.forward).parameters.get(name)
    text = f"{parameter.annotation if parameter else ''} {_documented_line(model, name)}"
    kinds = (("LongTensor", "int64"), ("IntTensor", "int64"), ("BoolTensor", "bool"))
    index = name.endswith(("_ids", "_mask", "_labels", "_sizes"))
    return next((kind for word, kind in kinds if word in text), "int64" if index else "float")


def _documented_line(model: torch.nn.Module, name: str) -> str:
    """What the docstring of forward says of an argument, or that of the part of the model that it is handed on to."""
    for forward in (model.forward, *(m.forward for m in model.children() if name in inspect.signature(m.forward).parameters)):
        if found := re.search(rf"(?m)^\s*{name}\s*\(.*", inspect.getdoc(forward) or ""):
            return found.group(0)
    return ""


def documented_shape(model: torch.nn.Module, name: str) -> list[str] | None:
    line = _documented_line(model, name)
    found = re.search(r"shape\s*`[(\[]([^`]*)[)\]]`", line) or re.search(r"shape\s*[(\[]([^)\]]*)[)\]]", line)
    return [part.strip() for part in found.group(1).split(",") if part.strip()] if found else None


def _size(model: torch.nn.Module, word: str) -> int | str:
    """A dimension as documentation writes it: a number, a usual name, or a field of the config."""
    if word.isdigit():
        return int(word)
    if " * " in word:
        factors = [_size(model, part.strip()) for part in word.split("*")]
        return prod(factors) if all(isinstance(f, int) for f in factors) else 1
    if counted := re.fullmatch(r"len\((.*)\)", word):
        return len(read(model, counted[1].split(".")[-1]) or [0])
    if known := fixed(model, word.split(".")[-1]):
        return known
    for pattern, symbol in WORDS:
        if re.search(pattern, word):
            return symbol
    if word in ("height", "width"):
        return image_sides(model)[word == "width"]
    if word in ("num_channels", "channels"):
        return fixed(model, "num_channels", "in_channels", "in_chans") or 3
    return next((known for n in FIELDS.get(word, ()) if (known := fixed(model, n))), 1)


WORDS = (
    ("^(text_|image_)?batch|^num_(images|videos)(_or_videos)?$", "batch_size"),
    ("^prediction_length$", "prediction_length"),
    ("seq|length|^number_of_.*tokens$", "seq_len"),
)
FIELDS = {
    "num_features": ("num_time_features", "num_mel_bins", "feature_size"),
    "hidden_dim": ("hidden_size", "d_model"),
    "dim": ("hidden_size", "d_model"),
    "embed_dim": ("hidden_size", "d_model"),
    "feature_size": ("num_mel_bins", "feature_size"),
}


def _text(model: torch.nn.Module, name: str = "input_ids") -> list[InputSpec]:
    """Tokens; a decoder over several codebooks folds them into the batch, as its docstring says."""
    if name != "input_ids":
        return [InputSpec(name, TEXT, "int64", "tokens")]
    books = (
        fixed(model, "num_codebooks", "audio_channels") if "codebooks" in str(_shape_words(model)) else None
    )
    parameters = inspect.signature(model.forward).parameters
    if is_encoder_decoder(model) and "decoder_input_ids" in parameters:
        fill = "sentence" if _classifies(model, parameters) else "tokens"
        return [InputSpec("input_ids", ("batch_size", "encoder_len"), "int64", fill)]
    plain = [InputSpec("input_ids", TEXT, "int64", "tokens")]
    if "num_choices" in (inspect.getdoc(model.forward) or ""):
        several = InputSpec("input_ids", ("batch_size", "num_choices", "seq_len"), "int64", "tokens")
        return [several, *plain]
    if number := fixed(model, "num_codebooks"):
        folded = InputSpec("input_ids", (f"batch_size * {number}", "seq_len"), "int64", "tokens")
        apart = [InputSpec("input_ids", (*TEXT, n), "int64", "tokens") for n in (number, number + 1)]
        return [folded, *apart, *plain] if books else [*plain, *apart]
    return plain


def _shape_words(model: torch.nn.Module) -> list[str] | None:
    return documented_shape(model, "input_ids")


def _decoder_text(model: torch.nn.Module, name: str) -> list[InputSpec]:
    forms = [InputSpec("decoder_input_ids", TEXT, "int64", "tokens")]
    if books := fixed(model, "num_codebooks"):
        forms.insert(
            0, InputSpec("decoder_input_ids", (f"batch_size * {books}", "seq_len"), "int64", "tokens")
        )
    if channels := fixed(model, "num_channels"):
        forms.append(InputSpec("decoder_input_ids", (*TEXT, channels), "int64", "tokens"))
    return forms


def _pixels(model: torch.nn.Module, name: str = "pixel_values") -> list[InputSpec]:
    channels = fixed(model, "num_channels", "in_channels", "in_chans", "image_channels") or 3
    height, width = image_sides(model)
    frames = fixed(model, "num_frames", "frames_per_clip", "n_frames") or "num_frames"
    still = InputSpec(name, ("batch_size", channels, height, width), "float")
    video = InputSpec(name, ("batch_size", frames, channels, height, width), "float")
    several = InputSpec(name, ("batch_size", 1, channels, height, width), "float")
    pair = InputSpec(name, ("batch_size", 2, channels, height, width), "float")
    if tiles := fixed(model, "max_num_tiles"):
        return [InputSpec(name, ("batch_size", 1, tiles, channels, height, width), "float"), still]
    if (tiled := tiled_sides(model)) and isinstance(height, int) and isinstance(width, int):
        tiles = 1 + (tiled[0] // height) * (tiled[1] // width)  # the whole image is one of them
        return [InputSpec(name, ("batch_size", tiles, channels, height, width), "float"), still]
    return [video, still] if isinstance(frames, int) or "video" in name else [still, several, video, pair]


def _spectrogram(model: torch.nn.Module, name: str = "input_features") -> list[InputSpec]:
    fields = ("num_mel_bins", "feature_projection_input_dim", "input_feat_per_channel", "input_dim",
              "feature_size", "input_feat_size", "n_mels", "input_size")  # fmt: skip
    bins, *others = dict.fromkeys([n for f in fields if (n := fixed(model, f))] or [80])
    bins *= fixed(model, "num_stacked_frames") or 1
    stacked = [InputSpec(name, ("batch_size", "mel_frames", n), "float") for n in (*others, first_width(model)) if n]
    time_first = InputSpec(name, ("batch_size", "mel_frames", bins), "float")
    bins_first = InputSpec(name, ("batch_size", bins, "mel_frames"), "float")
    positions = fixed(model, "max_source_positions")
    whole = [InputSpec(name, ("batch_size", bins, 2 * positions), "float")] if positions else []
    more = InputSpec(name, ("batch_size", "mel_frames", 128), "float")
    image = InputSpec(name, ("batch_size", 1, fixed(model, "spec_size") or "mel_frames", bins), "float")
    accepted = inspect.signature(model.forward).parameters
    hop, share = fixed(model, "hop_length"), fixed(model, "audio_length_per_tok")
    if hop and "input_values" in accepted:  # beside the recording that it is of
        whole.insert(0, InputSpec(name, ("batch_size", f"audio_len // {hop}", bins), "float"))
    if share and "input_ids" in accepted:  # each token is heard with its own frames
        whole.insert(0, InputSpec(name, ("batch_size", bins, f"seq_len * {share}"), "float"))
    return [*whole, time_first, bins_first, more, *stacked, image]


def _frame_masks(model: torch.nn.Module, name: str) -> list[InputSpec]:
    """One place for every frame of the recording that it belongs to."""
    recordings = _spectrogram(model, name.removesuffix("_mask"))
    lengths = (next((d for d in s.shape[1:] if isinstance(d, str)), s.shape[-1]) for s in recordings)
    kind = _kind(model, name)
    return [InputSpec(name, ("batch_size", d), kind if kind != "float" else "int64", "ones") for d in lengths]


def _waveform(model: torch.nn.Module, name: str) -> list[InputSpec]:
    channels = fixed(model, "audio_channels") or 1
    length, bins = fixed(model, "max_length"), fixed(model, "num_mel_bins")
    spectrogram = (
        [InputSpec("input_values", ("batch_size", length, bins), "float")] if length and bins else []
    )
    plain = InputSpec("input_values", ("batch_size", "audio_len"), "float")
    by_channel = InputSpec("input_values", ("batch_size", channels, "audio_len"), "float")
    return [*spectrogram, plain, by_channel, *_embedded(model, "input_values")]


def _series_part(model: torch.nn.Module, name: str) -> list[InputSpec]:
    """What goes with a series: a mask like it, time features over its length, the part to predict."""
    series = _series(model, "past_values")
    length = series[0].shape[1] if name.startswith("past") else fixed(model, "prediction_length") or "seq_len"
    if name.endswith("time_features"):
        return [InputSpec(name, ("batch_size", length, fixed(model, "num_time_features") or 0), "float")]
    kind, fill = ("bool", "ones") if name.endswith("mask") else ("float", "random")
    return [InputSpec(name, ("batch_size", length, *s.shape[2:]), kind, fill) for s in series]


def _series(model: torch.nn.Module, name: str) -> list[InputSpec]:
    patch = fixed(model, "patch_length", "patch_size")
    length = fixed(model, "context_length", "seq_len") or (f"seq_len * {patch}" if patch else "seq_len")
    lags = read(model, "lags_sequence")
    length = length + max(lags) if lags and isinstance(length, int) else length
    channels = fixed(model, "num_input_channels", "input_size") or 1
    many = InputSpec("past_values", ("batch_size", length, channels), "float")
    one = InputSpec("past_values", ("batch_size", length), "float")
    return [one, many] if channels == 1 else [many, one]


def _embedded(model: torch.nn.Module, name: str) -> list[InputSpec]:
    return [InputSpec(name, (*TEXT, fixed(model, "hidden_size", "d_model") or 1), "float")]


def _embeddings(model: torch.nn.Module, name: str) -> list[InputSpec]:
    """What a part reads that has embedded it elsewhere, as wide as one of the parts is."""
    documented = [_documented(model, name)] if documented_shape(model, name) else []
    widths = dict.fromkeys([fixed(model, "hidden_size", "d_model") or 1, *every(model, "hidden_size")])
    return [*documented, *(InputSpec(name, (*TEXT, n), "float") for n in widths)]


def _patches(model: torch.nn.Module, name: str) -> list[InputSpec]:
    """Images of free size come as flattened patches beside the grid, the sides or the places that they have."""
    patch = fixed(model, "patch_size")
    required = _required(model) | set(main_names(model))
    accepted = set(inspect.signature(model.forward).parameters)
    packed = {"grid_thw", "image_grid_thw"} & (accepted if "input_ids" in accepted else required)
    apart = {"spatial_shapes", "pixel_position_ids", "image_position_ids"} & accepted
    if patch is None or not (packed or apart or "target_sizes" in accepted):
        return []
    channels = fixed(model, "in_channels", "in_chans", "num_channels") or 3
    times = fixed(model, "temporal_patch_size") or 1
    height, width = _patch_grid(model, patch)
    count = f"{height} * {width}"
    if "target_sizes" in accepted:
        return [InputSpec(name, (1, channels, patch, f"batch_size * {patch} * {count}"), "float")]
    if not packed:
        grids = _grids(model, patch)
        return [InputSpec(name, ("batch_size", f"{h} * {w}", channels * p * p), "float") for p, h, w in grids]
    forms = [channels * times * patch * patch], [channels, patch, patch], [channels * 2 * patch * patch]
    shapes = [*forms, [channels, times, patch, patch], [times, patch, patch, channels]]
    return [InputSpec(name, (f"batch_size * {count}", *shape), "float") for shape in shapes]


def _flat_patches(model: torch.nn.Module, name: str) -> list[InputSpec]:
    """The patches of an image in a row, where nothing else says how they lie; in one row those of all, if so documented."""
    patch, channels = fixed(model, "patch_size"), fixed(model, "num_channels", "in_channels", "in_chans") or 3
    if patch is None:
        return []
    height, width = (s // patch if isinstance(s, int) else f"({s} // {patch})" for s in image_sides(model))
    if len(documented_shape(model, name) or ()) == 2:
        return [InputSpec(name, (f"batch_size * {height} * {width}", channels * patch * patch), "float")]
    return [InputSpec(name, ("batch_size", f"{height} * {width}", channels * patch * patch), "float")]


def _hidden_patches(model: torch.nn.Module, name: str) -> list[InputSpec]:
    """Which patches of an image, or of groups of a video's frames, are hidden: half of them."""
    patch, frames = fixed(model, "patch_size") or 1, fixed(model, "num_frames", "frames_per_clip") or 1
    height, width = image_sides(model)
    count = frames // (fixed(model, "tubelet_size") or 1) if frames > 1 else 1
    if isinstance(height, int) and isinstance(width, int):
        return [InputSpec(name, ("batch_size", count * (height // patch) * (width // patch)), "bool", "alternate")]
    rows, columns = _patch_grid(model, patch)
    return [InputSpec(name, ("batch_size", f"{count} * {rows} * {columns}"), "bool", "alternate")]


def _image_places(model: torch.nn.Module, name: str) -> list[InputSpec]:
    """Which tokens of a text stand for its image: the first ones, as many as the image is summed up in."""
    count = fixed(model, "latent_query_num", "num_query_tokens", "num_latents")
    return [InputSpec(name, TEXT, "int64", f"first:{count}" if count else "zeros")]


def _patch_grid(model: torch.nn.Module, patch: int) -> tuple[str, str]:
    return f"(image_height // {patch})", f"(image_width // {patch})"


def _grids(model: torch.nn.Module, patch: int) -> list[tuple[int, str, str]]:
    """Side of a patch, rows and columns of the grid; of patches, or of the groups of them that become one token."""
    sides = dict.fromkeys((patch, image_unit(model)))
    return [(p, f"(image_height // {p})", f"(image_width // {p})") for p in sides]


def _sides(model: torch.nn.Module, name: str) -> list[InputSpec]:
    """Height and width of each image, in patches (in pixels for `image_sizes`)."""
    height, width = _patch_grid(model, fixed(model, "patch_size") or 14)
    if name == "image_sizes":
        height, width = tiled_sides(model) or image_sides(model)
    return [InputSpec(name, ("batch_size", 2), "int64", f"[{height}, {width}]")]


def _patch_mask(model: torch.nn.Module, name: str) -> list[InputSpec]:
    if "spatial_shapes" not in inspect.signature(model.forward).parameters:
        which = InputSpec(name, ("batch_size", 1), "int64", "ones")  # of several images those that are there
        return [InputSpec(name, ("batch_size", *image_sides(model)), "int64", "ones"), which]
    height, width = _patch_grid(model, fixed(model, "patch_size") or 14)
    return [InputSpec(name, ("batch_size", f"{height} * {width}"), "int64", "ones")]


def _places(model: torch.nn.Module, name: str) -> list[InputSpec]:
    """Column and row of each patch."""
    grids = _grids(model, fixed(model, "patch_size") or 14)
    return [InputSpec(name, ("batch_size", f"{h} * {w}", 2), "int64", f"places:{w}") for _, h, w in grids]


def _required(model: torch.nn.Module) -> set[str]:
    parameters = inspect.signature(model.forward).parameters
    return {n for n, p in parameters.items() if p.default is p.empty}


def _grid(model: torch.nn.Module, name: str) -> list[InputSpec]:
    patch = fixed(model, "patch_size") or 14
    row = f"[1, image_height // {patch}, image_width // {patch}]"
    return [InputSpec(name, ("batch_size", 3), "int64", row)]


def _boxes(model: torch.nn.Module, name: str) -> list[InputSpec]:
    """Boxes on a page of 1000 by 1000, or as parts of the page, by two or by four corners."""
    place = _text(model)[0].shape
    return [
        InputSpec("bbox", (*place, 4), "int64", "boxes"),
        InputSpec("bbox", (*place, 4), "float", "zeros"),
        InputSpec("bbox", (*place, 8), "float", "zeros"),
    ]


def _decoded(model: torch.nn.Module, name: str) -> list[InputSpec]:
    """What a decoder of recordings has made so far: embedded, or frames of a spectrogram."""
    widths = dict.fromkeys(n for f in ("hidden_size", "num_mel_bins") if (n := fixed(model, f)))
    return [_documented(model, name), *(InputSpec(name, (*TEXT, n), "float") for n in widths)]


FORMS = {
    "input_ids": _text,
    "decoder_input_ids": _decoder_text,
    "inputs_embeds": _embedded,
    "hidden_states": lambda m, n: _patches(m, n) or _embedded(m, n),
    "bbox": _boxes,
    "pixel_values": lambda m, n: _patches(m, n) or [*_pixels(m, n), *_flat_patches(m, n)],
    "image": _pixels,
    "input_features": _spectrogram,
    "input_values": _waveform,
    "past_values": _series,
    "task_inputs": lambda m, n: [
        InputSpec(n, ("batch_size", fixed(m, "task_seq_len") or "seq_len"), "int64", "tokens")
    ],
}
# For names that FORMS lacks, by how they end.
PATTERNS = (
    (r"input_ids$", _text),
    (r"grid_thw$", _grid),
    (r"^(spatial_shapes|target_sizes|image_sizes)$", _sides),
    (r"^(pixel|image)_position_ids$", _places),
    (r"^pixel_attention_mask$", _patch_mask),
    (r"^image_attention_mask$", lambda m, n: [InputSpec(n, (*TEXT, 1), "int64", "ones")]),  # which image a token sees
    (r"^input_features_mask$|_mel_mask$", _frame_masks),
    (r"_mel$", _spectrogram),
    (
        r"^past_values_padding$",
        lambda m, n: [replace(s, name=n, dtype="int64", fill="zeros") for s in _series(m, n)],
    ),
    (r"^pixel_values", _pixels),
    (r"^global_attention_mask$", lambda m, n: [InputSpec(n, _text(m)[0].shape, "int64", "zeros")]),
    (r"^bool_masked_pos$", _hidden_patches),
    (r"_input_values$", _decoded),
    (r"_embeds$", _embeddings),
    (r"_position_mask$", _image_places),
    (r"^(past|future)_(time_features|observed_mask|values)$", _series_part),
)
