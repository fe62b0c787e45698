# What people read in place of aten names and specs: shared by every renderer, so that they say the same
# thing.
"""Words for operations, calls and costs."""

from __future__ import annotations

from cutaway.model import Call, Kernel, Module

OPERATIONS = {
    "mm": "matrix product",
    "addmm": "matrix product with bias",
    "bmm": "batched matrix product",
    "baddbmm": "batched matrix product with bias",
    "matmul": "matrix product",
    "linear": "matrix product",
    "_grouped_mm": "grouped matrix product",
    "embedding": "embedding lookup",
    "_to_copy": "cast or copy",
    "clone": "copy",
    "copy_": "copy in place",
    "contiguous": "copy to contiguous",
    "cat": "concatenation",
    "mul": "product per element",
    "add": "sum per element",
    "sub": "difference per element",
    "div": "quotient per element",
    "neg": "negation",
    "pow": "power per element",
    "rsqrt": "inverse square root",
    "sqrt": "square root",
    "exp": "exponential",
    "mean": "mean",
    "sum": "sum",
    "amax": "maximum",
    "_softmax": "softmax",
    "silu": "SiLU",
    "gelu": "GELU",
    "relu": "ReLU",
    "sigmoid": "sigmoid",
    "tanh": "tanh",
    "native_layer_norm": "layer norm",
    "convolution": "convolution",
    "topk": "top k",
    "sort": "sort",
    "index": "gather by index",
    "gather": "gather",
    "scatter": "scatter",
    "index_put": "write by index",
    "index_add": "add by index",
    "cumsum": "running sum",
    "arange": "range",
    "where": "choice per element",
}


def operation(kernel: Kernel) -> str:
    """`matrix product` for `aten.mm.default`; an op that has no word keeps its name."""
    name = short_op(kernel)
    word = OPERATIONS.get(name) or OPERATIONS.get(name.rstrip("_")) or name.strip("_").replace("_", " ")
    return f"{word} (view)" if kernel.rule == "view" else word


def short_op(kernel: Kernel) -> str:
    """`mm` for `aten.mm.default`."""
    parts = kernel.op.split(".")
    return parts[1] if len(parts) > 1 else kernel.op


def short_class(module: Module) -> str:
    """`LlamaMLP` for its qualified name."""
    return module.class_name.rpartition(".")[2]


def reference(module: Module) -> str:
    """`${{torch.nn.modules.linear.Linear}}(in_features=4096, …)`; the inputs where nothing else is known."""
    specs = ", ".join(f"{t.dtype}[{', '.join(map(str, t.dims))}]" for t in module.inputs)
    return f"${{{{{module.class_name}}}}}({constructed(module) or specs})"


def constructed(module: Module) -> str:
    """The arguments in `Linear(in_features=4096, out_features=1024, bias=False)`."""
    name, _, arguments = module.signature.partition("(")
    return arguments.removesuffix(")") if name == short_class(module) else ""


def call_text(call: Call, caller: Module, callee: Module) -> str:
    """One sentence on a call."""
    takes, gives = (", ".join(map(str, specs)) or "nothing" for specs in (call.inputs, call.outputs))
    return f"calls {short_class(callee)} as {names_text(call, caller)}: {takes} -> {gives}"


def names_text(call: Call, caller: Module) -> str:
    """`layers.0 … layers.31`; `layers.0, layers.2 … layers.30` for every other one; else the names."""
    names = [name.removeprefix(f"{caller.path}.") for name in call.names]
    if len(names) <= 2:
        return ", ".join(names) or "itself"
    numbers = [int(name.rpartition(".")[2]) for name in names if name.rpartition(".")[2].isdigit()]
    in_a_row = len(numbers) == len(names) and numbers[1] == numbers[0] + 1
    return f"{names[0] if in_a_row else f'{names[0]}, {names[1]}'} … {names[-1]}"


def plain(formula: object) -> str:
    """A formula without the braces, for reading on a terminal."""
    return str(formula).replace("{", "").replace("}", "")
