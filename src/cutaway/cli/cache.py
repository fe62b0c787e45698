# `cutaway cache`: where kept answers lie, how much they take, and how to be rid of them.
"""The cache on the command line."""

from typing import Literal

from cutaway import store
from cutaway.cli.output import Output, emit, format_of, to_json


def cache(action: Literal["show", "dir", "clean"] = "show", /, *, output: Output = Output()) -> None:
    """Where answers are kept, and how to clear them.

    Parameters
    ----------
    action
        `show` folder and size, print the `dir` alone, or `clean` it.
    """
    format_of(output, ("text", "json"))  # before anything is removed
    place = str(store.location())
    if action == "dir":
        return emit({"text": lambda: place, "json": lambda: to_json({"dir": place})}, output)
    entries, size = store.clean() if action == "clean" else store.size()
    words = "removed" if action == "clean" else "kept"
    found = {"dir": place, "action": action, "entries": entries, "bytes": size}
    return emit(
        {
            "text": lambda: f"{place}\n{entries} answers {words}, {size / 1e6:.1f} MB",
            "json": lambda: to_json(found),
        },
        output,
    )
