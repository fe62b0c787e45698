"""Which arguments a forward needs, by their names in its signature and the fields of its config.

Every argument known here has one or more forms (a spectrogram comes frequency first or time first, a video
with or without frames); a candidate is one form of each. Which candidate is right is not guessed:
`inputs.py` runs them at tiny sizes and keeps the first that the forward accepts.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping

import torch

from cutaway.trace.inputs_config import fixed, image_sides, is_encoder_decoder, read
from cutaway.trace.inputs_types import InputSpec

TEXT = ("batch_size", "seq_len")
# Arguments that carry content of their own: the minimal candidate has the main one, the full one all of them.
OPTIONAL_CONTENT = (
    "input_ids", "bbox", "pixel_values", "pixel_values_videos", "input_values", "input_features", "image",
    "decoder_input_ids", "decoder_input_values", "visual_feats", "visual_pos", "visual_embeds", "task_inputs",
    "static_categorical_features", "static_real_features", "future_values", "future_time_features",
)  # fmt: skip


def candidates(model: torch.nn.Module, parameters: Mapping) -> list[tuple[InputSpec, ...]]:
    """Argument lists to try, the likeliest first; plain text models have exactly one."""
    required = [n for n, p in parameters.items() if p.default is p.empty and p.kind not in (2, 4)]
    main = [n for n in main_names(model) if n in parameters] or required or list(parameters)[:1]
    names = list(dict.fromkeys([*main, *required, *_decoder_names(model, parameters)]))
    rich = list(dict.fromkeys([*names, *(n for n in OPTIONAL_CONTENT if n in parameters)]))
    lists = [names] if rich == names else [names, rich]
    return [specs for chosen in lists for specs in _forms_of(model, chosen)]


def main_names(model: torch.nn.Module) -> list[str]:
    name = getattr(model, "main_input_name", "input_ids")
    return list(name) if isinstance(name, (list, tuple)) else [name]


def _decoder_names(model: torch.nn.Module, parameters: Mapping) -> list[str]:
    names = ("decoder_input_ids", "decoder_input_values")
    return [n for n in names if n in parameters] if is_encoder_decoder(model) else []


def _forms_of(model: torch.nn.Module, names: Iterable[str]) -> list[tuple[InputSpec, ...]]:
    forms = [_forms(model, name) for name in names]
    longest = max((len(f) for f in forms), default=0)
    return [tuple(f[min(i, len(f) - 1)] for f in forms if f) for i in range(longest)]


def _forms(model: torch.nn.Module, name: str) -> list[InputSpec]:
    forms = FORMS.get(name)
    return forms(model) if forms else [_documented(model, name)]


def _documented(model: torch.nn.Module, name: str) -> InputSpec:
    """An argument nobody told us about: the shape that forward's docstring gives it."""
    shape = _documented_shape(model, name) or TEXT
    index = name.endswith(("_ids", "_mask", "_labels"))
    fill = "ones" if name.endswith("_mask") else "zeros" if index else "random"
    return InputSpec(name, tuple(_size(model, d) for d in shape), "int64" if index else "float", fill)


def _documented_shape(model: torch.nn.Module, name: str) -> list[str] | None:
    text = inspect.getdoc(model.forward) or ""
    found = re.search(rf"(?m)^\s*{name}\s*\(.*?shape\s*`\(?([^`]*?)\)?`", text)
    return [part.strip() for part in found.group(1).split(",") if part.strip()] if found else None


def _size(model: torch.nn.Module, word: str) -> int | str:
    """A dimension as documentation writes it: a number, a usual name, or a field of the config."""
    if word.isdigit():
        return int(word)
    for pattern, symbol in (("batch", "batch_size"), ("seq|length", "seq_len")):
        if re.search(pattern, word):
            return symbol
    return fixed(model, word.removeprefix("config.")) or 1


def _text(model: torch.nn.Module) -> list[InputSpec]:
    """Tokens; a decoder over several codebooks folds them into the batch, as its docstring says."""
    books = (
        fixed(model, "num_codebooks", "audio_channels") if "codebooks" in str(_shape_words(model)) else None
    )
    if is_encoder_decoder(model) and "decoder_input_ids" in inspect.signature(model.forward).parameters:
        return [InputSpec("input_ids", ("batch_size", "encoder_len"), "int64", "tokens")]
    if books:
        books = fixed(model, "num_codebooks")
        folded = InputSpec("input_ids", (f"batch_size * {books}", "seq_len"), "int64", "tokens")
        return [folded, InputSpec("input_ids", ("batch_size", "seq_len", books), "int64", "tokens")]
    return [InputSpec("input_ids", TEXT, "int64", "tokens")]


def _shape_words(model: torch.nn.Module) -> list[str] | None:
    return _documented_shape(model, "input_ids")


def _decoder_text(model: torch.nn.Module) -> list[InputSpec]:
    forms = [InputSpec("decoder_input_ids", TEXT, "int64", "tokens")]
    if books := fixed(model, "num_codebooks"):
        forms.insert(
            0, InputSpec("decoder_input_ids", (f"batch_size * {books}", "seq_len"), "int64", "tokens")
        )
    return forms


def _pixels(model: torch.nn.Module, name: str = "pixel_values") -> list[InputSpec]:
    channels = fixed(model, "num_channels", "in_channels", "in_chans", "image_channels") or 3
    height, width = image_sides(model)
    frames = fixed(model, "num_frames", "frames_per_clip", "n_frames") or "num_frames"
    still = InputSpec(name, ("batch_size", channels, height, width), "float")
    video = InputSpec(name, ("batch_size", frames, channels, height, width), "float")
    several = InputSpec(name, ("batch_size", 1, channels, height, width), "float")
    return [video, still] if isinstance(frames, int) or "video" in name else [still, several, video]


def _spectrogram(model: torch.nn.Module, name: str = "input_features") -> list[InputSpec]:
    bins = fixed(model, "num_mel_bins", "feature_projection_input_dim", "input_feat_per_channel", "input_dim",
                 "feature_size", "input_feat_size", "n_mels", "input_size") or 80  # fmt: skip
    time_first = InputSpec(name, ("batch_size", "mel_frames", bins), "float")
    bins_first = InputSpec(name, ("batch_size", bins, "mel_frames"), "float")
    positions = fixed(model, "max_source_positions")
    whole = [InputSpec(name, ("batch_size", bins, 2 * positions), "float")] if positions else []
    return [*whole, time_first, bins_first]


def _waveform(model: torch.nn.Module) -> list[InputSpec]:
    channels = fixed(model, "audio_channels") or 1
    length, bins = fixed(model, "max_length"), fixed(model, "num_mel_bins")
    spectrogram = (
        [InputSpec("input_values", ("batch_size", length, bins), "float")] if length and bins else []
    )
    plain = InputSpec("input_values", ("batch_size", "audio_len"), "float")
    return [*spectrogram, plain, InputSpec("input_values", ("batch_size", channels, "audio_len"), "float")]


def _series(model: torch.nn.Module) -> list[InputSpec]:
    length = fixed(model, "context_length", "seq_len") or "seq_len"
    lags = read(model, "lags_sequence")
    length = length + max(lags) if lags and isinstance(length, int) else length
    channels = fixed(model, "num_input_channels", "input_size") or 1
    many = InputSpec("past_values", ("batch_size", length, channels), "float")
    one = InputSpec("past_values", ("batch_size", length), "float")
    return [one, many] if channels == 1 else [many, one]


def _embedded(model: torch.nn.Module, name: str) -> list[InputSpec]:
    return [InputSpec(name, (*TEXT, fixed(model, "hidden_size", "d_model") or 1), "float")]


def _patches(model: torch.nn.Module, name: str) -> list[InputSpec]:
    """Images of free size come as one list of flattened patches beside the grid that they form."""
    patch = fixed(model, "patch_size")
    if patch is None or not {"grid_thw", "image_grid_thw"} & _required(model):
        return []
    channels = fixed(model, "in_channels", "in_chans", "num_channels") or 3
    width = channels * (fixed(model, "temporal_patch_size") or 1) * patch * patch
    count = f"batch_size * (image_height // {patch}) * (image_width // {patch})"
    return [
        InputSpec(name, (count, width), "float"),
        InputSpec(name, (count, channels, patch, patch), "float"),
    ]


def _required(model: torch.nn.Module) -> set[str]:
    parameters = inspect.signature(model.forward).parameters
    return {n for n, p in parameters.items() if p.default is p.empty}


def _grid(model: torch.nn.Module, name: str) -> list[InputSpec]:
    patch = fixed(model, "patch_size") or 14
    row = f"[1, image_height // {patch}, image_width // {patch}]"
    return [InputSpec(name, ("batch_size", 3), "int64", row)]


def _boxes(model: torch.nn.Module) -> list[InputSpec]:
    """Boxes on a page of 1000 by 1000, or as parts of the page, by two or by four corners."""
    return [
        InputSpec("bbox", (*TEXT, 4), "int64", "boxes"),
        InputSpec("bbox", (*TEXT, 4), "float", "zeros"),
        InputSpec("bbox", (*TEXT, 8), "float", "zeros"),
    ]


FORMS = {
    "input_ids": _text,
    "decoder_input_ids": _decoder_text,
    "inputs_embeds": lambda m: _embedded(m, "inputs_embeds"),
    "hidden_states": lambda m: _patches(m, "hidden_states") or _embedded(m, "hidden_states"),
    "bbox": _boxes,
    "grid_thw": lambda m: _grid(m, "grid_thw"),
    "image_grid_thw": lambda m: _grid(m, "image_grid_thw"),
    "pixel_values": lambda m: _patches(m, "pixel_values") or _pixels(m),
    "image": lambda m: _pixels(m, "image"),
    "pixel_values_videos": lambda m: _pixels(m, "pixel_values_videos"),
    "input_features": _spectrogram,
    "input_values": _waveform,
    "past_values": _series,
}
