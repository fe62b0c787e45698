# Every way in which a command cannot run, as one tree, so that the command line prints a few useful
# lines (what was asked, where, what was known, what to try) and never a traceback.
"""What cutaway raises when it cannot answer.

CutawayError            exit code 2, printed as a few lines
├── UnknownTarget       a name that nothing answers to; carries the nearest names
├── Unreadable          a repository, folder, archive or file of it that cannot be read
├── BadConfig           a config.json that no model can be built from
├── BadValue            an option or argument with a value that makes no sense
├── NeedsExtra          an optional package is missing: pip install "cutaway[torch]"
├── NeedsTrust          code outside installed packages, without --trust-code
├── ForwardRaised       the user's module raised, in its constructor or in forward
├── OutputError         the answer could not be written
└── Offline             the network was needed and is not there
"""

import difflib
import traceback
from collections.abc import Iterable
from pathlib import Path


class CutawayError(Exception):
    """Something could not run: `what` happened, and what is known about it.

    >>> print(CutawayError("no such model", asked="llama-9", try_="cutaway models").render())
    error: no such model
      asked  llama-9
      try    cutaway models
    """

    exit_code = 2

    def __init__(
        self,
        what: str,
        *,
        asked: str | None = None,
        where: str | None = None,
        known: str | None = None,
        try_: str | None = None,
    ):
        super().__init__(what)
        self.what, self.asked, self.where, self.known, self.try_ = what, asked, where, known, try_

    def render(self) -> str:
        """The lines that people read."""
        fields = {"asked": self.asked, "where": self.where, "known": self.known, "try": self.try_}
        lines = [f"error: {self.what}"]
        for name, value in fields.items():
            if value:
                lines.append(f"  {name:<6} " + str(value).replace("\n", "\n" + " " * 9))
        return "\n".join(lines)

    def to_dict(self) -> dict:
        """The same, for programs."""
        return {
            "error": type(self).__name__,
            "what": self.what,
            "asked": self.asked,
            "where": self.where,
            "known": self.known,
            "try": self.try_,
        }


class UnknownTarget(CutawayError):
    """A name that nothing answers to."""

    @classmethod
    def among(
        cls,
        name: str,
        names: Iterable[str],
        *,
        what: str = "unknown name",
        where: str | None = None,
        try_: str | None = None,
    ) -> "UnknownTarget":
        """The error for `name` with the nearest of `names` in it."""
        close = nearest(name, names)
        known = f"nearest: {', '.join(close)}" if close else None
        return cls(what, asked=name, where=where, known=known, try_=try_)


class Unreadable(CutawayError):
    """A repository, folder or archive, or a file of it, that cannot be read."""


class BadConfig(CutawayError):
    """A config that no model can be built from."""


class BadValue(CutawayError):
    """A value that makes no sense where it was given."""


class NeedsExtra(CutawayError):
    """An optional package is missing."""

    @classmethod
    def named(cls, extra: str, package: str, *, asked: str | None = None) -> "NeedsExtra":
        """The error for a missing `package` that the extra `extra` brings."""
        return cls(
            f"this needs {package}, which is not installed",
            asked=asked,
            try_=f'pip install "cutaway[{extra}]"',
        )


class NeedsTrust(CutawayError):
    """Code outside installed packages would have to run."""


class ForwardRaised(CutawayError):
    """The module's own code raised."""

    @classmethod
    def caused_by(
        cls, error: BaseException, what: str, *, asked: str | None = None, try_: str | None = None
    ) -> "ForwardRaised":
        """The error that shows the last line of `error` and the place it came from."""
        return cls(what, asked=asked, where=raised_at(error), known=last_line(error), try_=try_)


class OutputError(CutawayError):
    """The answer could not be written."""


class Offline(CutawayError):
    """The network was needed and is not there."""


def nearest(name: str, names: Iterable[str], count: int = 5) -> list[str]:
    """The `count` names most like `name`, best first, whatever their case.

    >>> nearest("Lama", ["llama", "gemma", "opt"])
    ['llama']
    """
    by_fold = {n.casefold(): n for n in sorted(names)}
    close = difflib.get_close_matches(name.casefold(), by_fold, n=count, cutoff=0.5)
    return [by_fold[c] for c in close]


def last_line(error: BaseException) -> str:
    """The exception's own last line, such as `ValueError: bad head_dim`."""
    text = "".join(traceback.format_exception_only(error)).strip()
    return next(line for line in text.splitlines() if line.strip())[:300] if text else type(error).__name__


def raised_at(error: BaseException) -> str | None:
    """`file:line in function` of the deepest frame, or None when there is no traceback."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return None
    frame = frames[-1]
    return f"{_short(frame.filename)}:{frame.lineno} in {frame.name}"


def _short(filename: str) -> str:
    """A path people recognise: from the package on, or relative to here."""
    parts = Path(filename).parts
    if "site-packages" in parts:
        return str(Path(*parts[len(parts) - parts[::-1].index("site-packages") :]))
    try:
        return str(Path(filename).relative_to(Path.cwd()))
    except ValueError:
        return filename
