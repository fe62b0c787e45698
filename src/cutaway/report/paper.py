# What a terminal renderer writes on: rows with a hanging indent, wrapped here so that a long formula
# breaks before an operator and is never cut, and styled by rich so that NO_COLOR, pipes and dumb
# terminals are respected.
"""`Paper(width)`: lines of styled text, out as one string."""

from __future__ import annotations

import shutil
from io import StringIO

from rich.console import Console
from rich.text import Text

OPERATORS = frozenset("+-*/")


class Paper:
    """Collects lines; `text()` gives them back, coloured if asked."""

    def __init__(self, width: int = 80, colour: bool = False):
        self.width = width
        self._colour = colour
        self._lines: list[Text] = []

    def line(self, *parts: str | Text | tuple[str, str]) -> None:
        """One line of plain strings and (string, style) pairs, as it is."""
        self._lines.append(Text.assemble(*parts))

    def gap(self) -> None:
        """An empty line, never two."""
        if self._lines and self._lines[-1].plain:
            self._lines.append(Text())

    def rule(self, title: str, right: str = "") -> None:
        """A heading across the page."""
        self.gap()
        space = self.width - len(title) - len(right) - 4
        if space < 3:
            self._lines.append(Text(f"── {title}", "bold"))
            self.wrapped(right, 3)
            return
        self.line("── ", (title, "bold"), " " + "─" * (space - 1), (f" {right}" if right else "─", ""))

    def wrapped(self, text: str, indent: int, style: str = "", head: str | tuple[str, str] = "") -> None:
        """`text` over as many lines as it needs, `indent` deep, with `head` in the first line's indent."""
        self._hang(wrap(text.split(), max(20, self.width - indent)), indent, style, head)

    def formula(self, text: str, indent: int, style: str = "", head: str | tuple[str, str] = "") -> None:
        """The same for a formula, which breaks before an operator."""
        self._hang(wrap(_operands(text), max(20, self.width - indent)), indent, style, head)

    def _hang(self, pieces: list[str], indent: int, style: str, head: str | tuple[str, str]) -> None:
        label, label_style = head if isinstance(head, tuple) else (head, "")
        if len(label.rstrip()) >= indent > 0:
            self.line((label, label_style))
            label = ""
        for i, piece in enumerate(pieces or [""]):
            self.line((label.ljust(indent) if i == 0 else " " * indent, label_style), (piece, style))

    def text(self) -> str:
        """Everything written so far."""
        out = StringIO()
        console = Console(
            file=out,
            width=self.width,
            force_terminal=self._colour,
            highlight=False,
            color_system="standard" if self._colour else None,
            legacy_windows=False,
        )
        for line in self._lines:
            line.rstrip()
            console.print(line, soft_wrap=True)
        return out.getvalue()


def wrap(words: list[str], width: int) -> list[str]:
    """`words` in lines of at most `width`, where a word allows it."""
    lines: list[str] = []
    for word in words:
        if lines and len(lines[-1]) + 1 + len(word) <= width:
            lines[-1] += " " + word
        else:
            lines.append(word)
    return lines


def terminal_width() -> int:
    """The width to write for: the terminal's, COLUMNS, or 80 when piped."""
    return max(40, min(shutil.get_terminal_size((80, 24)).columns, 160))


def _operands(text: str) -> list[str]:
    """The words of a formula, each operator with what follows it."""
    words: list[str] = []
    for word in text.split():
        if words and words[-1] in OPERATORS:
            words[-1] += " " + word
        else:
            words.append(word)
    return words
