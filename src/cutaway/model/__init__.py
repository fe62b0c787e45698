# The nouns that every layer speaks in; frozen, small, printable. Imports nothing of ours (formulas only as a type).
"""What an analysis is made of: places, tensors, kernels, modules, gaps, conventions."""

from cutaway.model.analysis import Analysis, ParameterCount, SymbolInfo
from cutaway.model.convention import DEFAULT_CONVENTION, Convention
from cutaway.model.kernel import Call, Cost, Kernel, Line, Module, Step
from cutaway.model.place import Gap, Place
from cutaway.model.tensor import TensorSpec

__all__ = [
    "DEFAULT_CONVENTION",
    "Analysis",
    "Call",
    "Convention",
    "Cost",
    "Gap",
    "Kernel",
    "Line",
    "Module",
    "ParameterCount",
    "Place",
    "Step",
    "SymbolInfo",
    "TensorSpec",
]
