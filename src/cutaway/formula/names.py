# The names that formulas speak in, each with its meaning and unit: one place, printed as the legend of every report.
from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Name:
    """A canonical symbol."""

    name: str
    meaning: str
    unit: str
    default: int | None = None


NAMES = tuple(
    Name(*row)
    for row in (
        ("batch_size", "sequences processed together", "sequences", 1),
        ("seq_len", "new tokens of each sequence in this pass", "tokens", 2048),
        ("cache_len", "tokens already held in the cache", "tokens", 2048),
        ("encoder_len", "tokens the encoder works on or has worked on", "tokens", 512),
        ("num_images", "images of the whole batch", "images", 1),
        ("num_frames", "video frames", "frames", 16),
        ("image_height", "image height", "pixels", 224),
        ("image_width", "image width", "pixels", 224),
        ("num_choices", "answers to choose among for each question", "answers", 4),
        ("audio_len", "audio samples", "samples", 16000),
        ("mel_frames", "frames of the spectrogram", "frames", 3000),
        ("num_layers", "transformer blocks", "blocks", None),
        ("hidden_size", "width of the residual stream", "elements", None),
        ("num_heads", "query heads", "heads", None),
        ("num_key_value_heads", "key and value heads", "heads", None),
        ("head_dim", "width of one head", "elements", None),
        ("intermediate_size", "inner width of the feed-forward block", "elements", None),
        ("moe_intermediate_size", "inner width of one expert", "elements", None),
        ("num_experts", "experts of one block", "experts", None),
        ("top_k", "experts that one token visits", "experts", None),
        ("vocab_size", "rows of the embedding table", "tokens", None),
        ("sliding_window", "tokens that a windowed layer can see", "tokens", None),
        ("w_bytes", "bytes of one weight element", "bytes", 2),
        ("a_bytes", "bytes of one activation element", "bytes", 2),
        ("kv_bytes", "bytes of one element of cached state", "bytes", 2),
    )
)
ORDER = {n.name: i for i, n in enumerate(NAMES)}
BY_NAME = {n.name: n for n in NAMES}
