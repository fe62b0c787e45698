# Forms of pictures among the arguments: pixels, patches in a row with the grid that they make, and what goes with these.
from __future__ import annotations

import inspect

import torch

from cutaway.trace.inputs_config import first_width, fixed, image_sides, image_unit, tiled_sides
from cutaway.trace.inputs_said import TEXT, documented_shape, main_names, required_names
from cutaway.trace.inputs_types import InputSpec


def pixel_forms(model: torch.nn.Module, name: str = "pixel_values") -> list[InputSpec]:
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
    forms = [video, still] if isinstance(frames, int) or "video" in name else [still, several, video, pair]
    if isinstance(height, int) and isinstance(width, int) and height == 2 * width:  # with another one below it
        forms.append(InputSpec(name, ("batch_size", channels, width, width), "float"))
    return forms


def patch_forms(model: torch.nn.Module, name: str) -> list[InputSpec]:
    """Images of free size come as flattened patches beside the grid, the sides or the places that they have."""
    patch = fixed(model, "patch_size")
    required = required_names(model) | set(main_names(model))
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


def flat_patch_forms(model: torch.nn.Module, name: str) -> list[InputSpec]:
    """The patches of an image in a row, where nothing else says how they lie; in one row those of all, if so documented."""
    patch, channels = fixed(model, "patch_size"), fixed(model, "num_channels", "in_channels", "in_chans") or 3
    if patch is None:
        return []
    height, width = (s // patch if isinstance(s, int) else f"({s} // {patch})" for s in image_sides(model))
    if len(documented_shape(model, name) or ()) == 2:
        return [InputSpec(name, (f"batch_size * {height} * {width}", channels * patch * patch), "float")]
    return [InputSpec(name, ("batch_size", f"{height} * {width}", channels * patch * patch), "float")]


def placed_patch_forms(model: torch.nn.Module, name: str) -> list[InputSpec]:
    """Patches in a row, each with its row and column before the pixels that the first layer takes."""
    width = first_width(model)
    return [InputSpec(name, ("batch_size", "encoder_len", 2 + width), "float", "ones")] if width else []


def hidden_patch_forms(model: torch.nn.Module, name: str) -> list[InputSpec]:
    """Which patches of an image, or of groups of a video's frames, are hidden: half of them."""
    patch, frames = fixed(model, "patch_size") or 1, fixed(model, "num_frames", "frames_per_clip") or 1
    height, width = image_sides(model)
    count = frames // (fixed(model, "tubelet_size") or 1) if frames > 1 else 1
    if isinstance(height, int) and isinstance(width, int):
        return [InputSpec(name, ("batch_size", count * (height // patch) * (width // patch)), "bool", "alternate")]
    rows, columns = _patch_grid(model, patch)
    return [InputSpec(name, ("batch_size", f"{count} * {rows} * {columns}"), "bool", "alternate")]


def image_place_forms(model: torch.nn.Module, name: str) -> list[InputSpec]:
    """Which tokens of a text stand for its image: the first ones, as many as the image is summed up in."""
    count = fixed(model, "latent_query_num", "num_query_tokens", "num_latents")
    return [InputSpec(name, TEXT, "int64", f"first:{count}" if count else "zeros")]


def _patch_grid(model: torch.nn.Module, patch: int) -> tuple[str, str]:
    return f"(image_height // {patch})", f"(image_width // {patch})"


def _grids(model: torch.nn.Module, patch: int) -> list[tuple[int, str, str]]:
    """Side of a patch, rows and columns of the grid; of patches, or of the groups of them that become one token."""
    sides = dict.fromkeys((patch, image_unit(model)))
    return [(p, f"(image_height // {p})", f"(image_width // {p})") for p in sides]


def side_forms(model: torch.nn.Module, name: str) -> list[InputSpec]:
    """Height and width of each image, in patches (in pixels for `image_sizes`)."""
    height, width = _patch_grid(model, fixed(model, "patch_size") or 14)
    if name == "image_sizes":
        height, width = tiled_sides(model) or image_sides(model)
    return [InputSpec(name, ("batch_size", 2), "int64", f"[{height}, {width}]")]


def patch_mask_forms(model: torch.nn.Module, name: str) -> list[InputSpec]:
    if "spatial_shapes" not in inspect.signature(model.forward).parameters:
        which = InputSpec(name, ("batch_size", 1), "int64", "ones")  # of several images those that are there
        return [InputSpec(name, ("batch_size", *image_sides(model)), "int64", "ones"), which]
    height, width = _patch_grid(model, fixed(model, "patch_size") or 14)
    return [InputSpec(name, ("batch_size", f"{height} * {width}"), "int64", "ones")]


def place_forms(model: torch.nn.Module, name: str) -> list[InputSpec]:
    """Column and row of each patch."""
    grids = _grids(model, fixed(model, "patch_size") or 14)
    return [InputSpec(name, ("batch_size", f"{h} * {w}", 2), "int64", f"places:{w}") for _, h, w in grids]


def grid_forms(model: torch.nn.Module, name: str) -> list[InputSpec]:
    patch = fixed(model, "patch_size") or 14
    row = f"[1, image_height // {patch}, image_width // {patch}]"
    return [InputSpec(name, ("batch_size", 3), "int64", row)]
