# The command line is thin: a table of commands, each in its own file and imported only when it is called,
# and one place that turns every failure into a few lines and an exit code.
"""The `cutaway` command. Exit codes: 0 fine, 1 findings, 2 could not run."""

import contextlib
import os
import re
import sys
import traceback

from cyclopts import App, CycloptsError

from cutaway import __version__
from cutaway.cli.lean import lean_imports
from cutaway.errors import CutawayError, last_line, raised_at

__all__ = ["COMMANDS", "main", "run"]

# name -> (module:function, what --help says of it)
COMMANDS = {
    "inspect": ("cutaway.cli.inspect:inspect", "The module tree: classes, shapes, dtypes, parameters."),
    "cost": ("cutaway.cli.cost:cost", "What every line computes and moves, as formulas or numbers."),
    "predict": ("cutaway.cli.predict:predict", "Latency, throughput, memory and money of serving a model."),
    "sweep": ("cutaway.cli.sweep:sweep", "Predictions over grids: tables, Pareto fronts, pictures."),
    "compare": ("cutaway.cli.predict:compare", "Where the difference between two predictions comes from."),
    "report": (
        "cutaway.cli.report:report",
        "What a repository is and where its parts are, each statement with its line.",
    ),
    "path": ("cutaway.cli.path:path", "How one definition of a repository reaches another, hop by hop."),
    "verify": ("cutaway.cli.verify:verify", "What in a report does not hold, checked against the source."),
    "models": ("cutaway.cli.models:models", "The catalogue of models."),
    "hardware": ("cutaway.cli.hardware:hardware", "The hardware sheet: rates, memory, links, power, price."),
    "ops": ("cutaway.cli.ops:ops", "The rules: what each operation costs, and why."),
    "cache": ("cutaway.cli.cache:cache", "Where answers are kept, and how to clear them."),
}

_EPILOGUE = """Every command: --json or --format text|json|md|html|csv|sarif, -o FILE, --debug for tracebacks.
Exit codes: 0 fine, 1 findings, 2 could not run."""


def main() -> None:
    """The console script, in a process of its own."""
    lean_imports()
    sys.exit(run(sys.argv[1:]))


def run(argv: list[str]) -> int:
    """Run one command line and return its exit code; failures are printed on stderr."""
    debug, argv = _without_debug(argv)
    with contextlib.suppress(AttributeError, ValueError):
        sys.stdout.reconfigure(errors="replace")
    try:
        result = _app()(argv, exit_on_error=False, print_error=False, result_action="return_value")
        return result if isinstance(result, int) else 0
    except BrokenPipeError:
        _forget_stdout()
        return 0
    except KeyboardInterrupt:
        return 130
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else 2 if leaving.code else 0
    except Exception as error:
        if debug:
            traceback.print_exc()
        print(_explained(error, argv), file=sys.stderr)
        return getattr(error, "exit_code", 2)


def _app() -> App:
    """The application with the commands of the table."""
    app = App(
        name="cutaway",
        help=sys.modules["cutaway"].__doc__,
        version=__version__,
        help_format="plaintext",
        help_epilogue=_EPILOGUE,
    )
    for order, (name, (place, help_line)) in enumerate(COMMANDS.items()):
        app.command(place, name=name, help=help_line, sort_key=order)
    return app


def _explained(error: Exception, argv: list[str]) -> str:
    """The lines for stderr. What we did not foresee says so, and where it happened."""
    if isinstance(error, CutawayError):
        return error.render()
    if isinstance(error, CycloptsError):
        command = [argv[0]] if argv and argv[0] in COMMANDS else []
        usage = " ".join(["cutaway", *command, "--help"])
        return CutawayError(" ".join(str(error).split()), try_=_values_given(error) or usage).render()
    return CutawayError(
        f"cutaway itself failed: {last_line(error)}",
        asked="cutaway " + " ".join(argv),
        where=raised_at(error),
        try_="the same with --debug shows the traceback",
    ).render()


def _values_given(error: CycloptsError) -> str:
    """`--set batch_size=1` for a `batch_size=1` that stands by itself."""
    words = getattr(error, "unused_tokens", None) or []
    values = [word for word in words if re.fullmatch(r"[A-Za-z_]\w*=\S+", word)]
    return " ".join(f"--set {word}" for word in values) if error.command_chain == ("cost",) else ""


def _without_debug(argv: list[str]) -> tuple[bool, list[str]]:
    end = argv.index("--") if "--" in argv else len(argv)
    kept = [word for word in argv[:end] if word != "--debug"]
    return len(kept) < end, kept + argv[end:]


def _forget_stdout() -> None:
    """Whoever read us has gone; keep Python from saying so when it flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
