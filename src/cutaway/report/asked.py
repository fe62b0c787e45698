# What people type after --set, checked before anything heavy is imported.
"""Values as given."""

from cutaway.errors import BadValue

LARGEST = 10**15  # no batch, length or width is larger; a number beyond it is a slip


def check_value(name: str, text: str | int) -> int:
    """The whole positive number in `text`; raises `BadValue` on anything else."""
    try:
        value = int(text)
    except ValueError:
        raise BadValue("not a whole number", asked=f"{name}={text}", try_=f"--set {name}={_whole(text)}") from None
    if not 0 < value <= LARGEST:
        raise BadValue("out of range", asked=f"{name}={text}", known=f"sizes lie between 1 and {LARGEST}")
    return value


def _whole(text: str) -> int:
    """What `1e3` or `2048.0` may mean; 1 where nothing is near."""
    try:
        value = float(text)
    except ValueError:
        return 1
    return int(value) if value.is_integer() and 0 < value <= LARGEST else 1
