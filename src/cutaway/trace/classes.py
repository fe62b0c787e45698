# People remember a class by its last name. Where it is defined can be read in the installed files without importing
# any of them, in a fraction of a second, so that the error can say the whole name.
"""`find_classes("LlamaMLP")`: where torch and Transformers define a class of that name."""

import importlib.util
import re
from pathlib import Path

PLACES = (("torch", "nn/modules/*.py"), ("transformers", "models/*/modeling_*.py"))
_NAME = re.compile(r"[A-Za-z_]\w*")


def find_classes(name: str) -> list[str]:
    """Qualified names of the classes called `name`, in any case; those of the very same spelling if there are any.

    Empty if `name` is no identifier or nothing is installed.
    """
    if not _NAME.fullmatch(name):
        return []
    wanted = re.compile(rb"^class (" + name.encode() + rb")\b", re.MULTILINE | re.IGNORECASE)
    found = [
        f"{module}.{match.decode()}"
        for package, pattern in PLACES
        for root in _roots(package)
        for file in sorted(root.glob(pattern))
        for module in [".".join((package, *file.relative_to(root).with_suffix("").parts))]
        for match in wanted.findall(file.read_bytes())
    ]
    return [place for place in found if place.endswith(f".{name}")] or found


def _roots(package: str) -> list[Path]:
    spec = importlib.util.find_spec(package)
    return [Path(place) for place in spec.submodule_search_locations or ()] if spec else []
