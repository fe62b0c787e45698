# Many packages hand out models by functions: `build_model(depth=12)`, `llama3_8b()`. To the rest of the trace such a function
# is a class whose constructor takes its arguments; what is made is the module that it returns.
"""`class_of(function)`: a class whose instances are what the function makes."""

from __future__ import annotations

import functools
import inspect
from types import FunctionType
from typing import Any

__all__ = ["Made", "class_of"]


class Made:
    """The base of such classes; nothing is ever an instance of one."""


def class_of(function: FunctionType) -> type:
    """Called like the function, with its name, its module and its annotations."""

    def __new__(cls: type, *args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    @functools.wraps(function)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None: ...

    itself = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    given = inspect.signature(function).parameters.values()
    __init__.__signature__ = inspect.Signature([itself, *given])  # type: ignore[attr-defined]
    named = {"__module__": function.__module__, "__qualname__": function.__qualname__, "__doc__": function.__doc__}
    return type(function.__name__, (Made,), {**named, "__new__": __new__, "__init__": __init__})

