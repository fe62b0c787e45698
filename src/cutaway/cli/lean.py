# Most of the time of a fresh `cutaway cost` goes into importing torch and Transformers, and a good part of that into
# what no trace uses: the compiler behind `torch.compile`, and tensors spread over machines. The command line owns its
# process, so it may leave these out until something asks for them. The library never does: in a notebook others use
# them.
"""`lean_imports()`: torch and Transformers without what a trace does not need; call it before either is imported."""

import gc
import importlib.abc
import importlib.machinery
import sys
from collections.abc import Callable
from types import ModuleType

OBJECTS = (
    200_000  # new ones between two looks for garbage; an import makes a million and hardly any is garbage
)


def lean_imports() -> None:
    """From now on heavy modules load when first used, and garbage is looked for seldom."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
    gc.set_threshold(OBJECTS, *gc.get_threshold()[1:])


class _Finder(importlib.abc.MetaPathFinder):
    """Wraps the loader of the modules that are treated differently, and of no other."""

    def find_spec(self, name: str, path=None, target=None) -> importlib.machinery.ModuleSpec | None:
        if name not in _LOADERS:
            return None
        others = (f.find_spec(name, path, target) for f in sys.meta_path if f is not self)
        spec = next((found for found in others if found is not None), None)
        if spec is not None and spec.loader is not None:
            spec.loader = _LOADERS[name](spec.loader)
        return spec


class _Deferring(importlib.abc.Loader):
    """Puts off running a module until something is asked of it that is not in `_marks`."""

    def __init__(self, loader: importlib.abc.Loader):
        self.loader = loader

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        return _Deferred(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        vars(module).update(_marks())


class _Deferred(ModuleType):
    """A module that has not run yet. Whoever wants its content gets the real thing, in place."""

    def __getattr__(self, name: str):
        if name.startswith("__"):  # asked of every module, by inspect, copy and the import system
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        self.__class__ = ModuleType
        self.__spec__.loader = self.__loader__ = self.__spec__.loader.loader
        self.__loader__.exec_module(self)
        return getattr(self, name)


def _marks() -> dict[str, Callable]:
    """Decorators that tell the compiler what to leave alone. Nothing is compiled here."""

    def mark(function=None, *_, **__):
        return function if function is not None else mark

    return {
        "disable": mark,
        "allow_in_graph": mark,
        "assume_constant_result": mark,
        "is_dynamo_supported": lambda: True,  # asked by flex_attention, which then calls `torch.compile`
    }


class _Amending(importlib.abc.Loader):
    """Runs a module as ever, and then puts something in its place."""

    def __init__(self, loader: importlib.abc.Loader):
        self.loader = loader

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self.loader.exec_module(module)
        self.amend(module)

    @staticmethod
    def amend(module: ModuleType) -> None:
        raise NotImplementedError


class _Alone(_Amending):
    """Transformers' answers about what is installed, for a process that is one of one."""

    @staticmethod
    def amend(module: ModuleType) -> None:
        module.is_torch_distributed_available = lambda: False


class _AsWritten(_Amending):
    """torch, with `torch.compile` giving back what it was given: a trace wants the code as it is written."""

    @staticmethod
    def amend(module: ModuleType) -> None:
        module.compile = _as_written


def _as_written(model: Callable | None = None, **_) -> Callable:
    """`torch.compile(f)`, `@torch.compile` and `@torch.compile(mode=...)`, without compiling."""
    return model if model is not None else _as_written


_LOADERS: dict[str, Callable[[importlib.abc.Loader], importlib.abc.Loader]] = {
    "torch": _AsWritten,
    "torch._dynamo": _Deferring,
    "transformers.utils.import_utils": _Alone,
}
