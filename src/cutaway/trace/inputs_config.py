"""Reading a model's sizes from its config, wherever composite configs keep the field, and from its first layer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch


def read(model: torch.nn.Module, *names: str) -> Any:
    """The first of the fields that is set, in the config itself before its parts."""
    for config in configs(getattr(model, "config", None)):
        for name in names:
            value = _get(config, name)
            if value is not None:
                return value
    return None


def fixed(model: torch.nn.Module, *names: str) -> int | None:
    """Like `read`, for whole numbers."""
    value = read(model, *names)
    value = value[0] if isinstance(value, (list, tuple)) and value else value
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def every(model: torch.nn.Module, name: str) -> list[int]:
    """The field's whole numbers wherever a config or one of its parts has one."""
    found = (_get(config, name) for config in configs(getattr(model, "config", None)))
    return [v for v in found if type(v) is int]


def configs(config: Any) -> Iterator[Any]:
    """A config and all its sub-configs, outermost first."""
    if config is None or not hasattr(config, "to_dict"):
        return
    yield config
    for value in vars(config).values():
        yield from configs(value)


def is_encoder_decoder(model: torch.nn.Module) -> bool:
    return bool(_get(getattr(model, "config", None), "is_encoder_decoder"))


def image_sides(model: torch.nn.Module) -> tuple[int | str, int | str]:
    """Height and width where the config fixes them (learned positions), else two symbols."""
    size = read(model, "image_size", "img_size", "input_image_size", "crop_size")
    if isinstance(size, dict):
        size = (
            size.get("height") or size.get("shortest_edge"),
            size.get("width") or size.get("shortest_edge"),
        )
    if isinstance(size, (list, tuple)) and len(size) >= 2 and all(isinstance(s, int) for s in size[:2]):
        return size[0], size[1]
    size = size[0] if isinstance(size, (list, tuple)) and size else size
    return (size, size) if isinstance(size, int) else ("image_height", "image_width")


def tiled_sides(model: torch.nn.Module) -> tuple[int, int] | None:
    """Height and width of an image that is cut into tiles: of those that the config allows, the middle one of the square."""
    sizes = [tuple(s) for s in read(model, "image_grid_pinpoints") or ()]
    square = sorted(s for s in sizes if s[0] == s[1]) or sorted(sizes)
    return square[len(square) // 2] if square else None


def image_unit(model: torch.nn.Module) -> int:
    """What the sides of an image of free size are multiples of: a window or a merged group of patches, else 32."""
    patch = fixed(model, "patch_size")
    merge = fixed(model, "spatial_merge_size", "merge_size", "merge_kernel_size", "pooling_kernel_size")
    if not (patch and merge):
        return 32
    merge *= fixed(model, "window_kernel_size") or 1  # merged twice
    window = fixed(model, "window_size")  # in pixels, where it holds whole groups
    return window if window and window % (patch * merge) == 0 else patch * merge


def windows(model: torch.nn.Module) -> list[int]:
    """The sizes of windows that the config or a module names, in whatever unit."""
    own = (vars(part).get("window_size") for part in model.modules())
    return sorted({w for w in (*every(model, "window_size"), *own) if type(w) is int and w > 0})


def first_width(model: torch.nn.Module) -> int | None:
    """The width that the first layer takes in: as it says itself, else by its first parameter."""
    for layer in model.modules():
        said = (getattr(layer, n, None) for n in ("in_features", "in_channels", "input_size"))
        if (width := next((v for v in said if type(v) is int), None)) is not None:
            return width
        for p in layer.parameters(recurse=False):
            if p.dim() >= 1:
                return int(p.shape[-1] if p.dim() < 3 else p.shape[1])
    return None


def _get(config: Any, name: str) -> Any:
    """A field, `None` where the config lacks it or keeps one value per layer."""
    try:
        return getattr(config, name, None)
    except (RuntimeError, ValueError, NotImplementedError):
        return None
