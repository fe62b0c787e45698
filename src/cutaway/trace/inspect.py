# The shape of a model before anything runs: which classes, which tensors, how many parameters. Layers that
# are equal are shown once, and a tensor that two places share is counted where it is first met.
"""`inspect("llama-3.1-8b") -> Inspection`: the module tree of a model on the meta device."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import prod

from cutaway.trace.target import Target, resolve

__all__ = ["Inspection", "ModuleNode", "TensorNode", "inspect", "inspect_module", "inspect_target"]


@dataclass(frozen=True)
class TensorNode:
    """A parameter or buffer of one module."""

    name: str
    kind: str  # "parameter" | "buffer"
    shape: tuple[int, ...]
    dtype: str
    bytes_each: int
    trainable: bool
    tied_to: str | None  # the path where it was first met

    @property
    def elements(self) -> int:
        return prod(self.shape)

    @property
    def counted(self) -> int:
        """The elements it adds: none when they were counted where it is tied to."""
        return 0 if self.tied_to else self.elements


@dataclass(frozen=True)
class ModuleNode:
    """A module, standing for the `repeat` equal ones beside it. `name` is then such as `0-31`."""

    name: str
    path: str  # the first of the equal ones
    class_name: str  # qualified
    repeat: int
    tensors: tuple[TensorNode, ...]
    children: tuple["ModuleNode", ...]
    shared_with: str | None = None  # the same module object, met earlier

    @property
    def parameters(self) -> int:
        """In one of the equal modules, everything below included."""
        return sum(node.count("parameter") * times for node, times in self.walk())

    @property
    def tied_with(self) -> str | None:
        """The module that has all its parameters, when they were all met there before."""
        if self.shared_with is not None:
            return self.shared_with
        origins = set()
        for node, _ in self.walk():
            for tensor in (t for t in node.tensors if t.kind == "parameter"):
                below = f"{node.path}.{tensor.name}"[len(self.path) :]
                tied = tensor.tied_to is not None and tensor.tied_to.endswith(below)
                origins.add(tensor.tied_to.removesuffix(below) if tied else None)
        return origins.pop() if len(origins) == 1 else None

    def count(self, kind: str) -> int:
        """Elements of its own tensors of that kind."""
        return sum(t.counted for t in self.tensors if t.kind == kind)

    def walk(self, times: int = 1) -> Iterator[tuple["ModuleNode", int]]:
        """Itself and everything below, with how often each occurs in one of it."""
        yield self, times
        for child in self.children:
            yield from child.walk(times * child.repeat)


@dataclass(frozen=True)
class Inspection:
    """What `cutaway inspect` answers."""

    target: str
    model_type: str | None
    root: ModuleNode

    @property
    def total(self) -> int:
        return self.root.parameters

    @property
    def trainable(self) -> int:
        return self._sum(lambda t: t.counted if t.kind == "parameter" and t.trainable else 0)

    @property
    def frozen(self) -> int:
        return self.total - self.trainable

    @property
    def tied(self) -> int:
        """Elements of parameters that are met again, and not counted again."""
        return self._sum(lambda t: t.elements if t.kind == "parameter" and t.tied_to else 0)

    @property
    def buffers(self) -> int:
        return self._sum(lambda t: t.counted if t.kind == "buffer" else 0)

    @property
    def bytes_by_dtype(self) -> dict[str, int]:
        """Bytes of the parameters, tied ones once, largest first."""
        sizes = Counter()
        for tensor, times in self.tensors():
            if tensor.kind == "parameter" and tensor.counted:
                sizes[tensor.dtype] += tensor.counted * tensor.bytes_each * times
        return dict(sizes.most_common())

    @property
    def bytes(self) -> int:
        return sum(self.bytes_by_dtype.values())

    def tensors(self) -> Iterator[tuple[TensorNode, int]]:
        """Every tensor with how often it occurs in the model."""
        for node, times in self.root.walk():
            for tensor in node.tensors:
                yield tensor, times

    def to_records(self) -> list[dict]:
        """One row per distinct module. `parameters` are of one, `repeat` is over the whole model."""
        return [
            {
                "path": path,
                "class_name": node.class_name,
                "depth": depth,
                "repeat": times,
                "parameters": node.parameters,
                "own_parameters": node.count("parameter"),
                "own_buffers": node.count("buffer"),
            }
            for node, path, depth, times in _flat(self.root)
        ]

    def _sum(self, value) -> int:
        return sum(value(tensor) * times for tensor, times in self.tensors())


def inspect(
    text: str, dtype: str | None = None, trust_code: bool = False, args: dict | None = None
) -> Inspection:
    """The module tree of what `text` means.

    >>> inspect("gpt2").total
    124439808
    """
    return inspect_target(resolve(text, trust_code, args), dtype)


def inspect_target(target: Target, dtype: str | None = None) -> Inspection:
    """The same for a resolved target. Without `dtype`: the config's own, else bfloat16."""
    from cutaway.trace.build import build

    module = build(target, dtype or config_dtype(target.config) or "bfloat16")
    return inspect_module(module, target.name, (target.config or {}).get("model_type"))


def inspect_module(module, name: str, model_type: str | None = None) -> Inspection:
    """The module tree of any nn.Module."""
    return Inspection(name, model_type, _node(module, "", "", {}, {}))


def config_dtype(config: dict | None) -> str | None:
    """The dtype that a config says its weights are in, its text part's if only that says so."""
    config = config or {}
    for part in (config, config.get("text_config") or {}):
        found = part.get("dtype") or part.get("torch_dtype")
        if isinstance(found, str) and found != "auto":
            return found
    return None


def _node(module, name: str, path: str, owners: dict, seen: dict) -> ModuleNode:
    """The node of `module`. `owners` maps each tensor to where it was met, `seen` each module."""
    shared = seen.setdefault(id(module), path)
    tensors = [
        _tensor(n, t, "parameter", path, owners) for n, t in module._parameters.items() if t is not None
    ]
    tensors += [_tensor(n, t, "buffer", path, owners) for n, t in module._buffers.items() if t is not None]
    children = [
        _node(child, n, f"{path}.{n}".lstrip("."), owners, seen)
        for n, child in module._modules.items()
        if child is not None
    ]
    return ModuleNode(
        name,
        path,
        _qualified(type(module)),
        1,
        tuple(tensors),
        tuple(_folded(children)),
        shared if shared != path else None,
    )


def _tensor(name: str, tensor, kind: str, path: str, owners: dict) -> TensorNode:
    place = f"{path}.{name}".lstrip(".")
    owner = owners.setdefault(id(tensor), place)
    return TensorNode(
        name,
        kind,
        tuple(tensor.shape),
        str(tensor.dtype).removeprefix("torch."),
        tensor.element_size(),
        bool(tensor.requires_grad),
        owner if owner != place else None,
    )


def _folded(children: list[ModuleNode]) -> list[ModuleNode]:
    """Numbered children that are equal become one, at the place of the first."""
    groups: dict[object, list[ModuleNode]] = {}
    for child in children:
        key = _signature(child) if child.name.isdigit() else child.name
        groups.setdefault(key, []).append(child)
    return [_together(group) for group in groups.values()]


def _together(group: list[ModuleNode]) -> ModuleNode:
    first = group[0]
    if len(group) == 1:
        return first
    return ModuleNode(
        _ranges([int(node.name) for node in group]),
        first.path,
        first.class_name,
        len(group),
        first.tensors,
        first.children,
        first.shared_with,
    )


def _signature(node: ModuleNode) -> tuple:
    """What makes two modules equal: class, tensors (tied alike), and the same below."""
    return (
        node.class_name,
        node.repeat,
        node.shared_with,
        node.tensors,
        tuple((child.name, _signature(child)) for child in node.children),
    )


def _ranges(numbers: list[int]) -> str:
    """`[0, 1, 2, 4]` -> `0-2,4`; an even step is written `0-44:4`."""
    steps = {b - a for a, b in pairwise(numbers)}
    if len(steps) == 1 and (step := steps.pop()) > 1 and len(numbers) > 2:
        return f"{numbers[0]}-{numbers[-1]}:{step}"
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ",".join(str(r[0]) if len(r) == 1 else f"{r[0]}-{r[-1]}" for r in runs)


def _flat(node: ModuleNode, path: str = "", depth: int = 0, times: int = 1) -> Iterator[tuple]:
    """(node, path with ranges in brackets, depth, occurrences) in the order of the tree."""
    yield node, path, depth, times
    for child in node.children:
        name = f"[{child.name}]" if child.repeat > 1 else child.name
        yield from _flat(child, f"{path}.{name}".lstrip("."), depth + 1, times * child.repeat)


def _qualified(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"
