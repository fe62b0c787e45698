# The module tree as people and programs read it: text that fits 80 columns, JSON, Markdown and CSV.
"""Renderers of an `Inspection`."""

import csv
import io
import json
from collections.abc import Iterator

from cutaway.trace.inspect import Inspection, ModuleNode, TensorNode

__all__ = ["render_csv", "render_json", "render_markdown", "render_text", "size"]

SCHEMA_VERSION = 1
WIDTH = 80
_SHORT = {"bfloat16": "bf16", "float16": "fp16", "float32": "fp32", "float64": "fp64", "float8_e4m3fn": "fp8"}


def render_text(found: Inspection, depth: int | None = None) -> str:
    """The tree, with a summary above and the qualified class names below."""
    rows = _module_lines(found.root, "", "", depth)
    return "\n".join(
        [
            *_summary(found),
            "",
            _line("module", "class, shape", "parameters"),
            *rows,
            "",
            *_classes(found, depth),
        ]
    )


def render_json(found: Inspection) -> str:
    """The stable JSON: totals under `parameters`, one object per distinct module under `modules`."""
    modules = [
        record | {"tensors": [_tensor_dict(t) for t in node.tensors]}
        for record, (node, _) in zip(found.to_records(), found.root.walk(), strict=True)
    ]
    value = {
        "schema_version": SCHEMA_VERSION,
        "target": found.target,
        "class_name": found.root.class_name,
        "model_type": found.model_type,
        "parameters": totals(found),
        "modules": modules,
    }
    return json.dumps(value, indent=2) + "\n"


def render_markdown(found: Inspection, depth: int | None = None) -> str:
    """A summary and a table of modules."""
    lines = [f"# {found.target}", "", f"`{found.root.class_name}`", ""]
    lines += [f"- {line}" for line in _facts(found)]
    lines += [
        "",
        "| module | class | repeat | parameters of one | tensors |",
        "| --- | --- | ---: | ---: | --- |",
    ]
    for record, (node, _) in zip(found.to_records(), found.root.walk(), strict=True):
        if depth is None or record["depth"] <= depth:
            tensors = ", ".join(f"{t.name} {_shape(t)}" for t in node.tensors)
            lines.append(
                f"| `{record['path'] or '(model)'}` | `{node.class_name}` | {record['repeat']} "
                f"| {record['parameters']:,} | {tensors} |"
            )
    return "\n".join(lines)


def render_csv(found: Inspection) -> str:
    """One row per distinct module."""
    text = io.StringIO()
    records = found.to_records()
    writer = csv.DictWriter(text, list(records[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue()


def totals(found: Inspection) -> dict:
    """The figures of the whole model."""
    return {
        "total": found.total,
        "trainable": found.trainable,
        "frozen": found.frozen,
        "tied": found.tied,
        "buffers": found.buffers,
        "bytes": found.bytes,
        "bytes_by_dtype": found.bytes_by_dtype,
    }


def size(count: float) -> str:
    """`16060522496` -> `16.1 GB`.

    >>> size(16060522496)
    '16.1 GB'
    """
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:,.3g} TB" if count < 1000 else f"{count:,.0f} TB"


def _summary(found: Inspection) -> list[str]:
    return [found.target, *_facts(found)]


def _facts(found: Inspection) -> list[str]:
    lines = [
        f"parameters {found.total:,}"
        + (
            " (all trainable)"
            if not found.frozen
            else f" (trainable {found.trainable:,}, frozen {found.frozen:,})"
        )
    ]
    if found.tied:
        lines.append(f"tied       {found.tied:,} more are shared and counted once")
    if found.buffers:
        lines.append(f"buffers    {found.buffers:,} elements")
    dtypes = " + ".join(f"{size(n)} {dtype}" for dtype, n in found.bytes_by_dtype.items())
    lines.append(f"weights    {dtypes or '0 B'} ({found.bytes:,} bytes)")
    return lines


def _module_lines(node: ModuleNode, lead: str, below: str, depth: int | None) -> list[str]:
    """The lines of a module and what is in it. `lead` draws its own branch, `below` those under it."""
    lines = [_line(lead + _name(node), node.class_name.rpartition(".")[2], _count(node))]
    if depth == 0 or _seen_before(node):
        return lines
    for tensor in node.tensors:
        bar = "│ " if node.children else "  "
        lines.append(_line(f"{below}{bar}{tensor.name}", _shape(tensor), _note(tensor)))
    for index, child in enumerate(node.children):
        last = index == len(node.children) - 1
        lines += _module_lines(
            child,
            below + ("└ " if last else "├ "),
            below + ("  " if last else "│ "),
            None if depth is None else depth - 1,
        )
    return lines


def _name(node: ModuleNode) -> str:
    """The module's name; of many ranges the first few."""
    if len(node.name) <= 16:
        return node.name or "(model)"
    return node.name[: node.name.rindex(",", 0, 15) + 1] + "…" if "," in node.name[:15] else node.name


def _count(node: ModuleNode) -> str:
    """The parameters of one, and how many there are."""
    if node.tied_with is not None:
        return "tied"
    return f"{node.repeat} × {node.parameters:,}" if node.repeat > 1 else f"{node.parameters:,}"


def _line(left: str, middle: str, right: str) -> str:
    """Three columns in 80: what does not fit pushes the others, and is never cut."""
    room = WIDTH - len(right) - 1
    start = max(33, len(left) + 2)
    if start + len(middle) > room:
        start = max(len(left) + 2, room - len(middle))
    return f"{left:<{start}}{middle:<{room - start}} {right}".rstrip()


def _shape(tensor: TensorNode) -> str:
    dims = ", ".join(str(n) for n in tensor.shape)
    return f"[{dims}] {_SHORT.get(tensor.dtype, tensor.dtype)}"


def _note(tensor: TensorNode) -> str:
    if tensor.tied_to:
        return "tied"
    return "buffer" if tensor.kind == "buffer" else "" if tensor.trainable else "frozen"


def _classes(found: Inspection, depth: int | None) -> list[str]:
    """Where the classes come from, by module, and what is tied to what."""
    shown = [node for node, level in _shown(found.root, 0) if depth is None or level <= depth]
    by_module: dict[str, list[str]] = {}
    for node in shown:
        module, _, name = node.class_name.rpartition(".")
        names = by_module.setdefault(module, [])
        if name not in names:
            names.append(name)
    lines = ["classes"]
    for module, names in by_module.items():
        lines += [f"  {module}", *_wrapped(names)]
    tied = [line for node in shown for line in _ties(node)]
    return lines + (["tied", *tied] if tied else [])


def _shown(node: ModuleNode, level: int) -> Iterator[tuple[ModuleNode, int]]:
    """The modules that have a line, with their depth."""
    yield node, level
    if not _seen_before(node):
        for child in node.children:
            yield from _shown(child, level + 1)


def _seen_before(node: ModuleNode) -> bool:
    """Whether what is in it was shown where it is tied to."""
    return bool(node.children) and node.tied_with is not None


def _ties(node: ModuleNode) -> list[str]:
    """What a module is tied to as a whole, or which of its tensors are."""
    if node.tied_with is not None:
        count = f"  (and {node.repeat - 1} like it)" if node.repeat > 1 else ""
        return [f"  {node.path} = {node.tied_with}{count}"]
    return [f"  {_path(node.path, t.name)} = {t.tied_to}" for t in node.tensors if t.tied_to]


def _wrapped(names: list[str]) -> list[str]:
    lines, line = [], "   "
    for name in names:
        if len(line) + len(name) + 1 > WIDTH:
            lines.append(line)
            line = "   "
        line += f" {name}"
    return [*lines, line]


def _path(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _tensor_dict(tensor: TensorNode) -> dict:
    return {
        "name": tensor.name,
        "kind": tensor.kind,
        "shape": list(tensor.shape),
        "dtype": tensor.dtype,
        "trainable": tensor.trainable,
        "tied_to": tensor.tied_to,
    }
