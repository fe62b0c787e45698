# `cutaway.predict(...)` is a function of the public face, and this folder has its name: once any part of it has been
# imported, the package's attribute is this module. So the module can be called too, and means the same.
"""From the formulas of a traced model and a hardware sheet: how long, how much memory, how much money."""

import sys
from types import ModuleType
from typing import Any


class _Callable(ModuleType):
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        from cutaway.predicting import predict

        return predict(*args, **kwargs)


sys.modules[__name__].__class__ = _Callable
