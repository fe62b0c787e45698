# The parser of options rounds `1.5` where a whole number is wanted. A batch of 1.5 is a slip, and an answer for 2 would
# hide it.
"""`Whole`, `WholeOrNone`: options that are whole numbers, written as such."""

from collections.abc import Sequence
from typing import Annotated, Any

from cyclopts import Parameter

__all__ = ["Whole", "WholeOrNone"]


def _whole(_kind: Any, tokens: Sequence[Any]) -> int:
    """Raises ValueError, which the parser turns into its own error with the option's name."""
    text = tokens[0].value
    try:
        return int(text)
    except ValueError:
        raise ValueError(f'"{text}" is no whole number') from None


Whole = Annotated[int, Parameter(converter=_whole)]
WholeOrNone = Annotated[int | None, Parameter(converter=_whole)]
