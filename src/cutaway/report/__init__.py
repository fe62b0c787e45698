# `cutaway.report(...)` is a function of the public face, and this folder has its name: once any part of it has been
# imported, the package's attribute is this module. So the module can be called too, and means the same.
"""Answers made readable: one builder per report, one renderer per format."""

import sys
from types import ModuleType
from typing import Any


class _Callable(ModuleType):
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        from cutaway.reading import report

        return report(*args, **kwargs)


sys.modules[__name__].__class__ = _Callable
