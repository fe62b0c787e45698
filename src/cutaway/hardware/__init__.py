# What a device can do, as facts with their source. Predictions ask for nothing else of hardware, so a device that is
# not here is one table of TOML in a user's own file.
"""Hardware sheets: `find("h100")`, `names()`, `load(path)`; imports neither numpy nor torch."""

from cutaway.hardware.device import Hardware, dtype_name
from cutaway.hardware.sheet import find, load, names, sheet

__all__ = ["Hardware", "dtype_name", "find", "load", "names", "sheet"]
