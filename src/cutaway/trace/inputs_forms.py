# Forms of arguments by their usual names: text, recordings, series, boxes, what another part has embedded. Each has one or
# more; which one a forward takes is tried.
from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace

import torch

from cutaway.trace.inputs_config import every, first_width, fixed, is_encoder_decoder, read
from cutaway.trace.inputs_patches import (
    flat_patch_forms,
    grid_forms,
    hidden_patch_forms,
    image_place_forms,
    patch_forms,
    patch_mask_forms,
    pixel_forms,
    place_forms,
    placed_patch_forms,
    side_forms,
)
from cutaway.trace.inputs_said import (
    TEXT,
    documented_form,
    documented_shape,
    kind_said,
    main_names,
    shape_words,
)
from cutaway.trace.inputs_types import InputSpec

Forms = Callable[[torch.nn.Module, str], list[InputSpec]]


def classifies_words(model: torch.nn.Module, parameters: Mapping) -> bool:
    """A head on top of a decoder that repeats the words of the encoder, and makes its ids from theirs."""
    return (
        "labels" in parameters and is_encoder_decoder(model) and "lm_head" not in dict(model.named_children())
    )


def _text(model: torch.nn.Module, name: str = "input_ids") -> list[InputSpec]:
    """Tokens; a decoder over several codebooks folds them into the batch, as its docstring says."""
    if name != "input_ids":
        return [InputSpec(name, TEXT, "int64", "tokens")]
    books = (
        fixed(model, "num_codebooks", "audio_channels") if "codebooks" in str(shape_words(model)) else None
    )
    parameters = inspect.signature(model.forward).parameters
    if is_encoder_decoder(model) and "decoder_input_ids" in parameters:
        fill = "sentence" if classifies_words(model, parameters) else "tokens"
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


def _decoder_text(model: torch.nn.Module, name: str) -> list[InputSpec]:
    forms = [InputSpec("decoder_input_ids", TEXT, "int64", "tokens")]
    if books := fixed(model, "num_codebooks"):
        forms.insert(
            0, InputSpec("decoder_input_ids", (f"batch_size * {books}", "seq_len"), "int64", "tokens")
        )
    if channels := fixed(model, "num_channels"):
        forms.append(InputSpec("decoder_input_ids", (*TEXT, channels), "int64", "tokens"))
    return forms


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
    kind = kind_said(model, name)
    return [InputSpec(name, ("batch_size", d), kind if kind != "float" else "int64", "ones") for d in lengths]


def _waveform(model: torch.nn.Module, name: str) -> list[InputSpec]:
    channels = fixed(model, "audio_channels") or 1
    length, bins = fixed(model, "max_length"), fixed(model, "num_mel_bins")
    spectrogram = (
        [InputSpec("input_values", ("batch_size", length, bins), "float")] if length and bins else []
    )
    plain = InputSpec("input_values", ("batch_size", "audio_len"), "float")
    by_channel = InputSpec("input_values", ("batch_size", channels, "audio_len"), "float")
    return [*spectrogram, plain, by_channel, *embedded_forms(model, "input_values")]


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


def embedded_forms(model: torch.nn.Module, name: str) -> list[InputSpec]:
    return [InputSpec(name, (*TEXT, fixed(model, "hidden_size", "d_model") or 1), "float")]


def _convolved(model: torch.nn.Module, name: str) -> list[InputSpec]:
    """What a part made of convolutions reads: as many channels as the first of them takes, then the length."""
    first = next((m for m in model.modules() if next(m.children(), None) is None), model)
    if not isinstance(first, torch.nn.Conv1d):
        return []
    return [InputSpec(name, ("batch_size", first.in_channels, length), "float") for length in ("seq_len", "audio_len")]


def _of_encoder(model: torch.nn.Module, name: str) -> list[InputSpec]:
    """What the encoder reads, by another name."""
    encoder = getattr(model, "encoder", None)
    own = main_names(encoder)[0] if isinstance(encoder, torch.nn.Module) else ""
    read = FORMS.get(own)
    return [documented_form(model, name), *(replace(s, name=name) for s in (read(model, own) if read else ()))]


def _embeddings(model: torch.nn.Module, name: str) -> list[InputSpec]:
    """What a part reads that has embedded it elsewhere, as wide as one of the parts is."""
    documented = [documented_form(model, name)] if documented_shape(model, name) else []
    widths = dict.fromkeys([fixed(model, "hidden_size", "d_model") or 1, *every(model, "hidden_size")])
    return [*documented, *(InputSpec(name, (*TEXT, n), "float") for n in widths)]


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
    return [documented_form(model, name), *(InputSpec(name, (*TEXT, n), "float") for n in widths)]


FORMS = {
    "input_ids": _text,
    "decoder_input_ids": _decoder_text,
    "inputs_embeds": embedded_forms,
    "hidden_states": lambda m, n: patch_forms(m, n) or [*embedded_forms(m, n), *_convolved(m, n)],
    "bbox": _boxes,
    "pixel_values": lambda m, n: patch_forms(m, n) or [*pixel_forms(m, n), *flat_patch_forms(m, n)],
    "image": pixel_forms,
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
    (r"grid_thw$", grid_forms),
    (r"^(spatial_shapes|target_sizes|image_sizes)$", side_forms),
    (r"^(pixel|image)_position_ids$", place_forms),
    (r"^pixel_attention_mask$", patch_mask_forms),
    (r"^image_attention_mask$", lambda m, n: [InputSpec(n, (*TEXT, 1), "int64", "ones")]),  # which image a token sees
    (r"^input_features_mask$|_mel_mask$", _frame_masks),
    (r"_mel$", _spectrogram),
    (
        r"^past_values_padding$",
        lambda m, n: [replace(s, name=n, dtype="int64", fill="zeros") for s in _series(m, n)],
    ),
    (r"^flattened_patches$", lambda m, n: [*placed_patch_forms(m, n), documented_form(m, n)]),
    (r"^inputs$", _of_encoder),
    (r"^prompt_(pixel_values|masks)$", lambda m, n: [*pixel_forms(m, n), *flat_patch_forms(m, n)]),
    (r"^pixel_values", pixel_forms),
    (r"^global_attention_mask$", lambda m, n: [InputSpec(n, _text(m)[0].shape, "int64", "zeros")]),
    (r"^bool_masked_pos$", hidden_patch_forms),
    (r"_input_values$", _decoded),
    (r"_embeds$", _embeddings),
    (r"_position_mask$", image_place_forms),
    (r"^(past|future)_(time_features|observed_mask|values)$", _series_part),
)
