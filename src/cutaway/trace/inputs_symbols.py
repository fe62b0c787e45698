"""The sizes a user can choose, with what they count; a plan lists those that its shapes use."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from cutaway.formula import Formula
from cutaway.trace.inputs_types import InputSpec, Size, Symbol

SYMBOLS = {
    s.name: s
    for s in (
        Symbol("batch_size", "sequences processed together", "sequences", 1, 1, 3),
        Symbol("seq_len", "new tokens per sequence", "tokens", 1024, 5, 24),
        Symbol("encoder_len", "tokens per sequence read by the encoder", "tokens", 1024, 6, 20),
        Symbol("num_choices", "answers to choose among for each question", "answers", 4, 2, 4),
        Symbol("image_height", "height of each image", "pixels", 224, 64, 128, 32),
        Symbol("image_width", "width of each image", "pixels", 224, 96, 160, 32),
        Symbol("num_frames", "frames of each video", "frames", 16, 4, 6, 2),
        Symbol("audio_len", "samples of each recording", "samples", 15360, 9600, 19200, 1920),
        Symbol("mel_frames", "spectrogram frames of each recording", "frames", 1000, 200, 400, 200),
        Symbol("cache_len", "tokens per sequence already in the cache", "tokens", 1024, 5, 40),
    )
}


def symbols_of(specs: Iterable[InputSpec], *more: str, side: int = 32) -> tuple[Symbol, ...]:
    """The symbols in the shapes, in the order of the table above; `side` divides the sides of an image."""
    used = {word for spec in specs for d in spec.shape for word in re.findall(r"[a-z_]\w*", str(d))} | set(
        more
    )
    return tuple(with_side(s, side) for n, s in SYMBOLS.items() if n in used)


def with_room(symbols: Iterable[Symbol], text: Size, places: Formula) -> tuple[Symbol, ...]:
    """The symbols with a text that has room for `places` tokens of an image, and for some words; `text` is its length."""
    symbols = tuple(symbols)
    taken = [places.evaluate({s.name: getattr(s, pick) for s in symbols}) for pick in ("high", "default")]
    return tuple(
        replace(
            s,
            low=s.low + taken[0],
            high=s.high + taken[0],
            default=s.default * (2 * taken[1] // s.default + 1),
            meaning=f"{s.meaning}, those for its image among them",
        )
        if s.name == text
        else s
        for s in symbols
    )


def with_side(symbol: Symbol, side: int) -> Symbol:
    """The symbol in units of `side` pixels, if it is a side of an image."""
    if symbol.unit != "pixels":
        return symbol
    low, high = ((n + side - 1) // side * side for n in (symbol.low, symbol.high))
    return replace(symbol, default=max(224 // side, 1) * side, low=low, high=high, multiple_of=side)
