# Put on PYTHONPATH by a test, this makes torch and transformers look as if they were not installed.
import sys
from importlib.machinery import PathFinder

_MISSING = {"torch", "transformers"}


class _Without(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name.partition(".")[0] in _MISSING:
            return None
        return PathFinder.find_spec(name, path, target)


sys.meta_path[:] = [_Without if finder is PathFinder else finder for finder in sys.meta_path]
